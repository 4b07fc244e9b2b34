//! How numbers, sizes, times and urgency are worded for people.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::Priority;
use unicode_width::UnicodeWidthStr as _;

/// `1 event`, `12,345 events`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", thousands(count))
}

/// `12,345`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1.2 MB`
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    while let Some(larger) = units.next().filter(|_| value >= 1_000.0) {
        value /= 1_000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `12 ms`, `1.5 s`, `1 min 1 s`
pub(crate) fn duration(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => format!("{} ms", elapsed.as_millis()),
        1..=59 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// How far two times are apart, in the two largest units: `350 ms`, `32 s`, `5 min 3 s`, `3 h 20 min`, `2 d 4 h`
pub(crate) fn apart(first: Timestamp, last: Timestamp) -> String {
    let nanoseconds = last.nanoseconds.saturating_sub(first.nanoseconds);
    let span = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
    kubevigil_alerts::evidence::span_in_words(span)
}

/// `2026-11-23` and `05:12:26`
pub(crate) fn day_and_time(time: Timestamp) -> (String, String) {
    let (year, month, day, hour, minute, second, _) = time.civil();
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

/// The lines of a text with at most `room` columns each; words that are longer stand alone. Blanks within a line are kept.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if text.is_empty() {
        return lines;
    }
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The colour of a priority.
pub(crate) fn priority_style(priority: Priority) -> Style {
    let color = match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => AnsiColor::BrightRed,
        Priority::Error => AnsiColor::Red,
        Priority::Warning => AnsiColor::Yellow,
        Priority::Notice => AnsiColor::Cyan,
        Priority::Informational | Priority::Debug => AnsiColor::Blue,
    };
    color.on_default().bold()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(plural(1, "event"), "1 event");
        assert_eq!(plural(1_000, "event"), "1,000 events");
    }

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_234_567), "1.2 MB");
        assert_eq!(duration(Duration::from_millis(12)), "12 ms");
        assert_eq!(duration(Duration::from_millis(1_500)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(61)), "1 min 1 s");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a  b", 7), ["a  b"]);
        assert_eq!(wrap("incomprehensible is", 5), ["incomprehensible", "is"]);
        assert!(wrap("", 5).is_empty());
    }
}
