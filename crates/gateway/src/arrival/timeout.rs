//! The `timeout` that a client asks for in the URL, read as Go reads durations.

use std::time::Duration;

use kubevigil_audit::request_info::query_pairs;

/// The largest number of nanoseconds that Go's durations hold, and one more for negative ones.
const MOST: u64 = 1 << 63;

/// The first parameter `timeout` of a query; `None` when there is none, or nothing above zero. An error has Go's own words.
pub(super) fn asked_for(query: &str) -> Result<Option<Duration>, String> {
    // Nearly every query is ruled out by this, without decoding.
    if !query.contains("timeout") && !query.contains('%') {
        return Ok(None);
    }
    let asked = query_pairs(query).find(|(key, _)| **key == *b"timeout");
    let nanoseconds = asked.map_or(Ok(None), |(_, value)| parse(&value))?;
    Ok(nanoseconds.map(Duration::from_nanos))
}

/// `1h2m3.5s` in nanoseconds; `None` for what is not above zero.
fn parse(text: &[u8]) -> Result<Option<u64>, String> {
    let (is_negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Ok(None);
    }
    let invalid = || format!("time: invalid duration {}", quote(text));
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (whole, fraction, behind) = number(rest).ok_or_else(invalid)?;
        let end = behind
            .iter()
            .position(|byte| *byte == b'.' || byte.is_ascii_digit());
        let (name, behind) = behind.split_at(end.unwrap_or(behind.len()));
        let unit = unit(name).ok_or_else(|| unit_error(name, text))?;
        let part = part(whole, fraction, unit).ok_or_else(invalid)?;
        sum = sum
            .checked_add(part)
            .filter(|sum| *sum <= MOST)
            .ok_or_else(invalid)?;
        rest = behind;
    }
    if is_negative {
        return Ok(None);
    }
    if sum == MOST {
        return Err(invalid());
    }
    Ok((sum > 0).then_some(sum))
}

/// Digits, perhaps with a point among them: the number before it, the one behind it as a fraction, and what follows.
fn number(text: &[u8]) -> Option<(u64, f64, &[u8])> {
    let (whole, behind) = digits(text);
    let mut value = 0_u64;
    for digit in whole {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    if value > MOST {
        return None;
    }
    let Some(behind) = behind.strip_prefix(b".") else {
        return (!whole.is_empty()).then_some((value, 0.0, behind));
    };
    let (fraction, behind) = digits(behind);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut share, mut scale) = (0.0, 1.0);
    for digit in fraction.iter().take(18) {
        share = share * 10.0 + f64::from(digit - b'0');
        scale *= 10.0;
    }
    Some((value, share / scale, behind))
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn unit(name: &[u8]) -> Option<u64> {
    Some(match name {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn unit_error(name: &[u8], text: &[u8]) -> String {
    let text = quote(text);
    match name {
        [] => format!("time: missing unit in duration {text}"),
        _ => format!("time: unknown unit {} in duration {text}", quote(name)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of a unit is less than 2^42 nanoseconds"
)]
fn part(whole: u64, fraction: f64, unit: u64) -> Option<u64> {
    let whole = whole.checked_mul(unit)?;
    let sum = whole.checked_add((fraction * unit as f64) as u64)?;
    (sum <= MOST).then_some(sum)
}

/// A text as Go's package `time` quotes it.
fn quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            b' '..=0x7f => quoted.push(char::from(*byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        // Query, nanoseconds.
        let cases = [
            ("", None),
            ("timeoutSeconds=x", None),
            ("timeout=30s", Some(30_000_000_000)),
            ("x=1&timeout=1m0.5s&timeout=bad", Some(60_500_000_000)),
            ("timeout=1h1m1s1ms1us1ns", Some(3_661_001_001_001)),
            ("timeout=1%C2%B5s", Some(1_000)),
            ("%74imeout=%31s", Some(1_000_000_000)),
            ("timeout=.5s", Some(500_000_000)),
            ("timeout=2.s", Some(2_000_000_000)),
            ("timeout=0", None),
            ("timeout=-1s", None),
            ("timeout=0s", None),
            ("timeout=%zz&timeout=1s", Some(1_000_000_000)),
            ("timeout=1s;&a", None),
            ("timeout=2562047h47m16.854775807s", Some(MOST - 1)),
        ];
        for (query, expected) in cases {
            let expected = expected.map(Duration::from_nanos);
            assert_eq!(asked_for(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_in_gos_words() {
        let cases = [
            ("timeout", r#"time: invalid duration """#),
            ("timeout=", r#"time: invalid duration """#),
            ("timeout=abc", r#"time: invalid duration "abc""#),
            ("timeout=+1s", r#"time: invalid duration " 1s""#),
            ("timeout=30", r#"time: missing unit in duration "30""#),
            ("timeout=1x", r#"time: unknown unit "x" in duration "1x""#),
            ("timeout=.s", r#"time: invalid duration ".s""#),
            (
                "timeout=%22%C3%A9",
                r#"time: invalid duration "\"\xc3\xa9""#,
            ),
            (
                "timeout=9999999999999999999s",
                r#"time: invalid duration "9999999999999999999s""#,
            ),
            (
                "timeout=2562047h47m16.854775808s",
                r#"time: invalid duration "2562047h47m16.854775808s""#,
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(asked_for(query), Err(expected.to_owned()), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "(timeout=)?[-+.0-9smhnu%&=;é]{0,30}") {
            let _ = asked_for(&query);
        }
    }
}
