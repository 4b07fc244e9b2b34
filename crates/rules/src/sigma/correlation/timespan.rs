//! Times as Sigma writes them: a whole number and one letter.

use std::time::Duration;

use crate::sigma::codes;
use crate::sigma::correlation::body::Body;
use crate::sigma::problems::Problems;

/// Units and their seconds. A month and a year are those of pySigma: a Gregorian year is 365.2425 days, a month its twelfth.
const UNITS: [(&str, u64); 7] = [
    ("s", 1),
    ("m", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 604_800),
    ("M", 2_629_746),
    ("y", 31_556_952),
];
/// A hundred years: beyond any use, and far from where sums of times overflow.
const LONGEST: u64 = 100 * 31_556_952;

/// A time and how its author wrote it.
#[derive(Clone, Debug)]
pub(super) struct Timespan {
    pub(super) duration: Duration,
    pub(super) text: String,
}

/// Reads the time span of a key; that it is missing is a mistake.
pub(super) fn read(body: &Body<'_>, key: &str, problems: &mut Problems) -> Option<Timespan> {
    let timespan = read_or_zero(body, key, problems)?;
    if timespan.duration.is_zero() {
        let span = body.get(key)?.span.clone();
        let message = format!("`{key}` must be more than nothing");
        return problems.error_with_help(codes::CORRELATION, span, message, "the shortest is `1s`");
    }
    Some(timespan)
}

/// The same for a time that may be zero.
pub(super) fn read_or_zero(
    body: &Body<'_>,
    key: &str,
    problems: &mut Problems,
) -> Option<Timespan> {
    let Some(word) = body.word(key, problems) else {
        return body.missing(key, "such as `5m`, `24h` or `30d`", problems);
    };
    match seconds(&word.text) {
        Ok(seconds) => Some(Timespan {
            duration: Duration::from_secs(seconds),
            text: word.text,
        }),
        Err(help) => {
            let message = format!("`{}` is no time span", word.text);
            problems.error_with_help(codes::CORRELATION, word.span, message, help)
        }
    }
}

/// The seconds of a time span, or what to do about it.
fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).unwrap_or(("", text));
    let expected =
        "a whole number and one of s, m, h, d, w, M (month), y is expected, such as `90m`";
    if number.is_empty() {
        return Err(expected.to_owned());
    }
    if unit.is_empty() {
        return Err(format!(
            "add the unit: `{number}s` are seconds; m, h, d, w, M (month) and y are known as well"
        ));
    }
    let Some((_, factor)) = UNITS.iter().find(|(known, _)| *known == unit) else {
        return Err(expected.to_owned());
    };
    let seconds = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(*factor));
    seconds
        .filter(|seconds| *seconds <= LONGEST)
        .ok_or_else(|| "the longest is `100y`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_span_is_a_number_and_a_letter() {
        for (text, expected) in [
            ("1s", Some(1)),
            ("90m", Some(5_400)),
            ("24h", Some(86_400)),
            ("007d", Some(604_800)),
            ("1w", Some(604_800)),
            ("1M", Some(2_629_746)),
            ("100y", Some(3_155_695_200)),
            ("0s", Some(0)),
            ("101y", None),
            ("99999999999999999999s", None),
            ("300", None),
            ("m", None),
            ("-5m", None),
            ("1.5h", None),
            ("5 m", None),
            ("1h30m", None),
            ("5min", None),
            ("5D", None),
            ("5é", None),
            ("٣m", None),
            ("", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }
}
