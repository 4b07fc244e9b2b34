//! Sizes in memory as people write them: `64MiB`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The units, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes: `64MiB`, `1 GB`, or the bare number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    /// What people write; `None` for what is no size.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let number: u64 = digits.parse().ok()?;
        let unit = text.get(digits.len()..)?.trim_start();
        let factor = match unit {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
        };
        number.checked_mul(factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a size, such as 64MiB")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        let unexpected = serde::de::Unexpected::Str(text);
        Size::parse(text).ok_or_else(|| E::invalid_value(unexpected, &self))
    }
}

/// In the largest unit that needs no fraction.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match UNITS.iter().find(fits) {
            Some((unit, factor)) => {
                serializer.collect_str(&format_args!("{}{unit}", self.0 / factor))
            }
            None => serializer.serialize_u64(self.0),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, with or without a unit: `64MiB`, `1GB`, `1000000`.",
            "type": ["string", "integer"],
            "pattern": "^[0-9]+ ?([KMG]iB|[kMG]B|B)?$",
            "minimum": 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_or_without_a_unit() {
        let cases = [
            ("0", Some(0)),
            ("17", Some(17)),
            ("17B", Some(17)),
            ("1kB", Some(1_000)),
            ("64MiB", Some(64 << 20)),
            (" 2 GiB ", Some(2 << 30)),
            ("3GB", Some(3_000_000_000)),
            ("", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("64mib", None),
            ("64M", None),
            ("64MiB or so", None),
            ("99999999999GiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(Size::parse(text).map(|size| size.0), bytes, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_so_that_they_can_be_read() {
        let cases = [
            (0, "0"),
            (1, "\"1B\""),
            (1_000, "\"1kB\""),
            (1 << 20, "\"1MiB\""),
            (1_500 << 20, "\"1500MiB\""),
            (64 << 30, "\"64GiB\""),
        ];
        for (bytes, text) in cases {
            assert_eq!(serde_json::to_string(&Size(bytes)).unwrap(), text);
            assert_eq!(serde_json::from_str::<Size>(text).unwrap(), Size(bytes));
        }
    }
}
