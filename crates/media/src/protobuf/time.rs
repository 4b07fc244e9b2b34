//! Moments as Go writes them: RFC 3339 in UTC.

const SECONDS_A_DAY: i64 = 86_400;
/// The first moment of year 1, which is Go's zero.
const ZERO: i64 = -62_135_596_800;

/// The moment in seconds, or nothing for the zero of Go.
pub(super) fn seconds(seconds: i64) -> Option<String> {
    (seconds != ZERO).then(|| format!("\"{}Z\"", date_time(seconds)))
}

/// The moment in microseconds, or nothing for the zero of Go. Nanoseconds beyond a second, or below zero, count as such.
pub(super) fn microseconds(seconds: i64, nanoseconds: i32) -> Option<String> {
    let micros = i64::from(nanoseconds / 1_000);
    let seconds = seconds.saturating_add(micros.div_euclid(1_000_000));
    let micros = micros.rem_euclid(1_000_000);
    let is_zero = seconds == ZERO && micros == 0;
    (!is_zero).then(|| format!("\"{}.{micros:06}Z\"", date_time(seconds)))
}

fn date_time(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let sign = if year < 0 { "-" } else { "" };
    let year = year.abs();
    format!(
        "{sign}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}",
        second % 60
    )
}

/// Year, month and day of the day that is so many days after 1970-01-01 (Gregorian, also before there was such a calendar).
///
/// Years are counted from March, so that the leap day is their last; 400 years have 146,097 days, wherever they begin.
fn date(days: i64) -> (i64, i64, i64) {
    let from_march_of_0 = days + 719_468;
    let (era, day) = (
        from_march_of_0.div_euclid(146_097),
        from_march_of_0.rem_euclid(146_097),
    );
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_go_writes_them() {
        let cases = [
            (0, "\"1970-01-01T00:00:00Z\""),
            (951_782_400, "\"2000-02-29T00:00:00Z\""),
            (-1, "\"1969-12-31T23:59:59Z\""),
            (4_107_542_399, "\"2100-02-28T23:59:59Z\""),
            (ZERO + 1, "\"0001-01-01T00:00:01Z\""),
            (253_402_300_800, "\"10000-01-01T00:00:00Z\""),
        ];
        for (moment, text) in cases {
            assert_eq!(seconds(moment).as_deref(), Some(text));
        }
        assert_eq!(seconds(ZERO), None);
        assert_eq!(microseconds(ZERO, 999), None);
        assert_eq!(
            microseconds(0, -1_000).as_deref(),
            Some("\"1969-12-31T23:59:59.999999Z\"")
        );
        assert_eq!(
            microseconds(1, 2_000_003_999).as_deref(),
            Some("\"1970-01-01T00:00:03.000003Z\"")
        );
    }

    #[test]
    fn no_moment_is_too_far_away() {
        for moment in [i64::MIN, i64::MAX] {
            assert!(seconds(moment).is_some() && microseconds(moment, i32::MIN).is_some());
        }
    }
}
