//! The address of a record.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The ordinal number of a record in its journal: the first ever appended is 0.
///
/// Places rise by one a record and are never given twice, so a place names the same record for as
/// long as the record is kept, and comparing places compares age. Written as a decimal number.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Place(u64);

impl Place {
    /// The place with this number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Place(number)
    }

    /// The number itself.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Place {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_written_as_text() {
        let place = Place::new(41_822);
        assert_eq!(place.to_string().parse(), Ok(place));
        assert_eq!(serde_json::to_string(&place).unwrap(), "41822");
        assert!("-1".parse::<Place>().is_err());
    }
}
