//! Parts of a point in time, in UTC.
//!
//! The zone of a machine plays no part: the same event must fire the same rules wherever it is read.

use kubevigil_audit::time::Timestamp;

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

/// The part of a point in time; `None` for a text that is no RFC 3339 time.
pub fn time_part(text: &[u8], part: TimePart) -> Option<f64> {
    let (year, month, day, hour, minute, ..) = Timestamp::parse(text)?.civil();
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
