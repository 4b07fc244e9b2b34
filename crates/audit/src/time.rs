//! Points in time as audit events write them.

use std::fmt;

/// A point in time: nanoseconds since the Unix epoch, UTC, without leap seconds.
///
/// The API server writes microseconds (`2026-11-23T05:12:26.477108Z`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp {
    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before it.
    pub nanoseconds: i128,
}

impl Timestamp {
    /// Reads RFC 3339 text: upper-case `T`, seconds, an optional fraction of any length, `Z` or an offset.
    /// `None` for anything else. Digits past the ninth of the fraction are dropped.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let date = (
            number(text, 0, 4)?,
            number(text, 5, 2)?,
            number(text, 8, 2)?,
        );
        let clock = (
            number(text, 11, 2)?,
            number(text, 14, 2)?,
            number(text, 17, 2)?,
        );
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators
            .iter()
            .any(|&(at, byte)| text.get(at) != Some(&byte))
        {
            return None;
        }
        let (fraction, zone) = fraction(text.get(19..)?)?;
        let offset = offset_seconds(zone)?;
        let days = days_from_epoch(date)?;
        let (hour, minute, second) = clock;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Self {
            nanoseconds: i128::from(seconds) * 1_000_000_000 + i128::from(fraction),
        })
    }

    /// The calendar date and time of day in UTC: year, month, day, hour, minute, second, nanosecond.
    pub fn civil(self) -> (i64, u32, u32, u32, u32, u32, u32) {
        let seconds = self.nanoseconds.div_euclid(1_000_000_000);
        let nanos = self.nanoseconds.rem_euclid(1_000_000_000);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date_from_days(i64::try_from(days).unwrap_or_default());
        let part = |value: i128| u32::try_from(value).unwrap_or_default();
        (
            year,
            month,
            day,
            part(of_day / 3_600),
            part(of_day / 60 % 60),
            part(of_day % 60),
            part(nanos),
        )
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-23T05:12:26.477108000Z`, always nine digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second, nanos) = self.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"
        )
    }
}

fn number(text: &[u8], at: usize, digits: usize) -> Option<i64> {
    text.get(at..at + digits)?
        .iter()
        .try_fold(0_i64, |sum, byte| match byte {
            b'0'..=b'9' => Some(sum * 10 + i64::from(byte - b'0')),
            _ => None,
        })
}

/// The nanoseconds of an optional `.digits`, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return None;
    }
    let kept = count.min(9);
    let value = number(digits, 0, kept)? * 10_i64.pow(u32::try_from(9 - kept).ok()?);
    Some((value, digits.get(count..)?))
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    if zone == b"Z" {
        return Some(0);
    }
    let sign = match zone.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    let fits = zone.len() == 6 && zone.get(3) == Some(&b':') && hours <= 23 && minutes <= 59;
    fits.then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counted in eras of 400 years that start in
/// March, so that the leap day is the last of its year.
fn days_from_epoch((year, month, day): (i64, i64, i64)) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > longest {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The inverse of [`days_from_epoch`].
fn date_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        year,
        u32::try_from(month).unwrap_or_default(),
        u32::try_from(day).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Timestamp::parse(text.as_bytes()).map(|time| time.to_string())
    }

    #[test]
    fn the_edges_of_what_can_be_written_are_read() {
        let cases = [
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000000Z"),
            (
                "0000-02-29T23:59:59+23:59",
                "0000-02-29T00:00:59.000000000Z",
            ),
            (
                "0000-01-01T00:00:00+00:01",
                "-001-12-31T23:59:00.000000000Z",
            ),
            (
                "9999-12-31T23:59:59.9999999999Z",
                "9999-12-31T23:59:59.999999999Z",
            ),
            (
                "9999-12-31T23:59:60-23:59",
                "10000-01-01T23:59:00.000000000Z",
            ),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000000Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "1900-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+24:00",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn any_number_of_nanoseconds_can_be_shown() {
        let last_day = i128::from(i64::MAX) * 86_400_000_000_000;
        for nanoseconds in [i128::MIN, i128::MAX, last_day, -last_day, 0] {
            assert!(!Timestamp { nanoseconds }.to_string().is_empty());
        }
    }
}
