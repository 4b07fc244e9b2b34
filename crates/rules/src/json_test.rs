//! Questions to JSON values as they stand in an event, typed.
//!
//! A [`Test`](crate::Test) asks the texts and numbers that a catalogue's field makes of an event. Where a language has no catalogue and
//! any dotted name is a field, the values themselves are asked: null is not the same as missing, an object is a value, `403` and `"403"`
//! are one text. A value that is an array stands for its members, those of arrays in it included.

use std::borrow::Cow;
use std::net::IpAddr;

use kubevigil_audit::json::{Json, JsonKind};

use crate::condition::{Compare, Condition};
use crate::field::Field;
use crate::lookup::Lookup;
use crate::pattern::Pattern;

/// A predicate put to JSON values: true when some value satisfies it.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTest {
    /// Which values.
    pub subject: Subject,
    /// What is asked of each.
    pub predicate: JsonPredicate,
}

/// Which values of an event, or of an element, are asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Those at a dotted name.
    Lookup(Lookup),
    /// Those of a field that is derived from the event, each as a scalar; an absent field is missing. Asked of the event only, never of
    /// an element.
    Field(Field),
    /// Every scalar at any depth.
    AnyScalar,
}

/// A condition put to elements of arrays one by one, each on its own as if it were the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Elements {
    /// Where the arrays stand. A value that is no array is an element itself; null is none.
    pub of: Lookup,
    /// How many elements must satisfy the condition.
    pub quantifier: Quantifier,
    /// The condition; names in it begin at the element, `.` is the element itself.
    pub condition: Box<Condition>,
}

/// How many elements must satisfy a condition.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// All, and there is one.
    All,
    /// All; also when there is none.
    AllOrEmpty,
    /// None; also when there is none.
    None,
}

/// What is asked of a value. What speaks of a text is false for null and objects and sees numbers and truth values as their
/// [`scalar_text`].
#[derive(Clone, Debug, PartialEq)]
pub enum JsonPredicate {
    /// Nothing: null and an empty array exist, too.
    Exists,
    /// It is anything but null; an empty array has no value.
    HasValue,
    /// It is null, or nothing stands at any place.
    Null,
    /// It is this truth value, or its word in any letter case.
    Bool(bool),
    /// It is this number, or one of these texts.
    Number(f64, Vec<Box<str>>),
    /// Its text is one of these. Folded ones are given folded ([`fold`]).
    OneOf(Vec<Box<str>>, Letters),
    /// Its text matches one of these.
    Like(Vec<Pattern>, Letters),
    /// Some part of its text matches an expression in the syntax of the `regex` crate.
    Regex(String),
    /// It is a text that is an address in one of these networks. IPv4 mapped to IPv6 counts as IPv4.
    Network(Vec<Network>),
    /// It is a number, or the text of one, in this relation.
    Compare(Compare, f64),
    /// It is the text of a point in time (RFC 3339), and this part of it, in UTC, is in this relation.
    TimePart(TimePart, Compare, f64),
    /// Its text is in this relation to the text of some value of another subject.
    Against(Box<Subject>, Relation, Letters),
}

/// Whether letter case matters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Letters {
    /// Letters are compared as they are.
    Exact,
    /// Letters of any script are equal to their other cases (Unicode simple case folding).
    Folded,
}

/// How a text stands to another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the words explain themselves")]
pub enum Relation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

/// A part of a point in time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the words explain themselves")]
pub enum TimePart {
    Minute,
    Hour,
    /// The day of the month.
    Day,
    /// The week by ISO 8601.
    Week,
    Month,
    Year,
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// How many leading bits all addresses share.
    pub bits: u8,
}

impl Network {
    /// Whether the address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_bits(network.to_bits(), address.to_bits(), self.bits, 128)
            }
            (IpAddr::V4(network), IpAddr::V4(address)) => same_bits(
                network.to_bits().into(),
                address.to_bits().into(),
                self.bits,
                32,
            ),
            (IpAddr::V4(_), IpAddr::V6(address)) => address
                .to_ipv4_mapped()
                .is_some_and(|address| self.contains(IpAddr::V4(address))),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether no address bit behind the shared ones is set.
    pub fn is_aligned(&self) -> bool {
        let (value, width) = match self.address {
            IpAddr::V4(address) => (address.to_bits().into(), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host = u32::from(width - self.bits.min(width));
        value.trailing_zeros() >= host || value == 0
    }
}

fn same_bits(one: u128, other: u128, bits: u8, width: u8) -> bool {
    let shift = u32::from(width - bits.min(width));
    one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
}

impl JsonTest {
    /// Calls `visit` with the lookups that the test makes.
    pub fn for_each_lookup<'c>(&'c self, visit: &mut dyn FnMut(&'c Lookup)) {
        for subject in self.subjects() {
            if let Subject::Lookup(lookup) = subject {
                visit(lookup);
            }
        }
    }

    /// Calls `visit` with the derived fields that the test reads.
    pub fn for_each_field<'c>(&'c self, visit: &mut dyn FnMut(&'c Field)) {
        for subject in self.subjects() {
            if let Subject::Field(field) = subject {
                visit(field);
            }
        }
    }

    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let other = match &self.predicate {
            JsonPredicate::Against(other, ..) => Some(&**other),
            _ => None,
        };
        std::iter::once(&self.subject).chain(other)
    }
}

/// The text of a scalar: a string's content, `true`, `false`, a number in decimal. `None` for null, objects and arrays.
///
/// A whole number that is written without point and exponent keeps its digits; any other is written in the shortest decimal form,
/// so that `403.0` is `403`.
pub fn scalar_text(value: Json<'_>) -> Option<Cow<'_, [u8]>> {
    match value.kind() {
        JsonKind::String => value.string(),
        JsonKind::Bool => Some(Cow::Borrowed(value.raw())),
        JsonKind::Number => Some(number_text(value.raw())),
        JsonKind::Null | JsonKind::Object | JsonKind::Array | JsonKind::Other => None,
    }
}

fn number_text(raw: &[u8]) -> Cow<'_, [u8]> {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let padded = digits.len() > 1 && digits.starts_with(b"0");
    if !padded && digits.iter().all(u8::is_ascii_digit) {
        return Cow::Borrowed(raw);
    }
    match std::str::from_utf8(raw)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
    {
        Some(number) => Cow::Owned(number.to_string().into_bytes()),
        None => Cow::Borrowed(raw),
    }
}

/// The number that a value is, or that its text says; never infinite.
pub fn number_of(value: Json<'_>) -> Option<f64> {
    let text = match value.kind() {
        JsonKind::Number => Cow::Borrowed(value.raw()),
        JsonKind::String => value.string()?,
        _ => return None,
    };
    number_in(&text)
}

/// The number that a text says; never infinite.
pub fn number_in(text: &[u8]) -> Option<f64> {
    let number = std::str::from_utf8(text).ok()?.trim().parse::<f64>().ok()?;
    number.is_finite().then_some(number)
}

/// The part of a point in time; `None` for a text that is no RFC 3339 time.
pub fn time_part(text: &[u8], part: TimePart) -> Option<f64> {
    let (year, month, day, hour, minute, ..) =
        kubevigil_audit::time::Timestamp::parse(text)?.civil();
    Some(match part {
        TimePart::Minute => f64::from(minute),
        TimePart::Hour => f64::from(hour),
        TimePart::Day => f64::from(day),
        TimePart::Week => f64::from(iso_week(year, month, day)),
        TimePart::Month => f64::from(month),
        TimePart::Year => f64::from(i32::try_from(year).ok()?),
    })
}

/// The ISO 8601 week: that of the Thursday of the same week, counted in Thursday's year.
fn iso_week(year: i64, month: u32, day: u32) -> u32 {
    const BEFORE_MONTH: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let month_index = usize::try_from(month).unwrap_or(1).saturating_sub(1);
    let before = BEFORE_MONTH.get(month_index).copied().unwrap_or_default();
    let of_year = i64::from(before + day + u32::from(leap(year) && month > 2));
    let past = year - 1;
    let leaps = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    // 0001-01-01 was a Monday.
    let weekday = (past * 365 + leaps + of_year - 1).rem_euclid(7);
    let thursday = of_year + 3 - weekday;
    let length = |year: i64| 365 + i64::from(leap(year));
    let thursday = if thursday < 1 {
        thursday + length(year - 1)
    } else if thursday > length(year) {
        thursday - length(year)
    } else {
        thursday
    };
    u32::try_from((thursday - 1) / 7 + 1).unwrap_or_default()
}

/// The text with every letter replaced by the one that stands for all its cases. Allocates only when something changes.
pub fn fold(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let folded: String = String::from_utf8_lossy(text)
        .chars()
        .map(fold_char)
        .collect();
    Cow::Owned(folded.into_bytes())
}

/// The letter that stands for all cases of a letter.
///
/// The lower case of the upper case, where both are one character: `ſ` is an `s` and the Kelvin sign a `k`, as Unicode's simple
/// case folding has it. The dotless `ı` has no other case there.
pub fn fold_char(character: char) -> char {
    if character == 'ı' {
        return character;
    }
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut cases: impl Iterator<Item = char>) -> Option<char> {
    let first = cases.next();
    first.filter(|_| cases.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_that_of_regular_expressions() {
        // The regex crate may be of an older Unicode version; letters that it does not know are left out.
        let known = regex::Regex::new(r"\A\p{Assigned}\z").unwrap();
        let different: Vec<char> = (0..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|&character| {
                let folded = fold_char(character);
                let written = character.to_string();
                folded != character && known.is_match(&written) && {
                    let regex = format!(r"(?i)\A\x{{{:X}}}\z", u32::from(character));
                    !regex::Regex::new(&regex)
                        .unwrap()
                        .is_match(folded.encode_utf8(&mut [0; 4]))
                }
            })
            .collect();
        assert_eq!(different, [], "folded to what is no other case");
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (date, week) in [
            ("2026-03-14", 11.0),
            ("2021-01-03", 53.0),
            ("2021-01-04", 1.0),
            ("2024-12-30", 1.0),
            ("2020-12-31", 53.0),
            ("2023-01-01", 52.0),
        ] {
            let text = format!("{date}T12:00:00Z");
            assert_eq!(
                time_part(text.as_bytes(), TimePart::Week),
                Some(week),
                "{date}"
            );
        }
    }

    #[test]
    fn parts_of_a_time_are_those_in_utc() {
        let text = b"2026-01-01T00:30:00+01:00";
        let parts = [
            TimePart::Minute,
            TimePart::Hour,
            TimePart::Day,
            TimePart::Month,
            TimePart::Year,
        ];
        let parts = parts.map(|part| time_part(text, part).unwrap_or_default());
        assert_eq!(parts, [30.0, 23.0, 31.0, 12.0, 2025.0]);
    }

    #[test]
    fn networks_contain_what_their_bits_say() {
        for (network, bits, address, expected) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "11.0.0.1", true),
            ("10.0.0.0", 8, "::ffff:10.2.3.4", true),
            ("fd00::", 8, "fd12:3456::1", true),
            ("::", 0, "10.0.0.1", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
        ] {
            let network = Network {
                address: network.parse().unwrap(),
                bits,
            };
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network:?} {address}"
            );
        }
    }

    #[test]
    fn a_number_has_one_text() {
        for (raw, text) in [
            ("403", "403"),
            ("403.0", "403"),
            ("4.03e2", "403"),
            ("1.50", "1.5"),
            ("-0", "-0"),
        ] {
            let value = Json::first_in(raw.as_bytes()).unwrap();
            assert_eq!(scalar_text(value).unwrap().as_ref(), text.as_bytes());
        }
    }
}
