//! Values of flags as Go's programs read them.
//!
//! A command line of a kube-apiserver is pasted as it is, so `0x10` is sixteen, `T` is true and `1m30s` is a duration here, too.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use kubevigil_setup::server;

use crate::config::Size;

/// A path, which may be empty: that is how a flag is turned off that stands earlier on the line.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A whole number in any of Go's bases (`strconv.ParseInt` with base 0).
pub(super) fn integer(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, text.get(1..).unwrap_or_default()),
        Some(b'+') => (1, text.get(1..).unwrap_or_default()),
        _ => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)];
    let prefixed = prefixes
        .into_iter()
        .find_map(|(prefix, base)| Some((lower.strip_prefix(prefix)?, base)));
    let (digits, base) = match prefixed {
        Some(("", _)) | None => (lower.as_str(), 10),
        Some(prefixed) => prefixed,
    };
    let is_signed_twice = digits.starts_with(['+', '-']);
    i64::from_str_radix(&digits.replace('_', ""), base)
        .ok()
        .filter(|_| !is_signed_twice)
        .map(|number| sign * number)
        .ok_or_else(|| {
            let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
            match number.parse::<u64>() {
                Ok(_) => format!("expected a whole number without a unit, such as {number}"),
                Err(_) => "expected a whole number, such as 16".to_owned(),
            }
        })
}

/// A whole number of something.
pub(super) fn count(text: &str) -> Result<usize, String> {
    usize::try_from(integer(text)?).map_err(|_| "must not be negative".to_owned())
}

/// A number of bytes, with or without a unit.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    Size::parse(text)
        .and_then(|size| usize::try_from(size.0).ok())
        .ok_or_else(|| "expected a number of bytes, such as 16777216 or 16MiB".to_owned())
}

/// An address to listen on. Names could mean several.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| match text {
        "localhost" => "expected an IP address, not a name: write 127.0.0.1 or ::1".to_owned(),
        _ => "expected an IP address, such as 127.0.0.1, or 0.0.0.0 for all of this machine"
            .to_owned(),
    })
}

/// A number.
pub(super) fn number(text: &str) -> Result<f64, String> {
    text.parse()
        .map_err(|_| "expected a number, such as 10 or 0.5".to_owned())
}

/// Go's words for booleans.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    server::boolean(text).ok_or_else(|| "expected true or false".to_owned())
}

/// A duration. A negative one is none at all: whatever waits for it does not wait.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    server::duration(text)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
        .ok_or_else(|| "expected a duration, such as 30s or 1m30s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_go() {
        let cases = [
            ("0", Some(0)),
            ("100", Some(100)),
            ("-1", Some(-1)),
            ("+7", Some(7)),
            ("0x10", Some(16)),
            ("0b11", Some(3)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("1_000", Some(1000)),
            ("", None),
            ("-", None),
            ("--1", None),
            ("0x-1", None),
            ("1.5", None),
            ("ten", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_or_address_is_answered_with_one_that_is() {
        let integers = [
            ("16M", "expected a whole number without a unit, such as 16"),
            ("1.5", "expected a whole number, such as 16"),
            ("ten", "expected a whole number, such as 16"),
            ("", "expected a whole number, such as 16"),
        ];
        for (text, expected) in integers {
            assert_eq!(integer(text).unwrap_err(), expected, "{text}");
        }
        assert_eq!(count("-1").unwrap_err(), "must not be negative");
        assert_eq!((bytes("16MiB"), bytes("0")), (Ok(16 << 20), Ok(0)));
        assert!(bytes("16M").unwrap_err().ends_with("or 16MiB"));
        assert!(address("::1").is_ok());
        for (text, expected) in [("localhost", "write 127.0.0.1"), ("all", "0.0.0.0 for all")] {
            assert!(address(text).unwrap_err().contains(expected), "{text}");
        }
    }

    #[test]
    fn durations_are_never_negative() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("-5s"), Ok(Duration::ZERO));
        assert!(duration("30").is_err());
    }
}
