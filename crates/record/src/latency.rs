//! The annotations of slow requests (spec 7).
//!
//! The server names the parts of every request that took more than half a second, the total only with at least one part. A
//! gateway measures few of them; the parts that it cannot measure are not there.

use std::collections::BTreeMap;
use std::time::Duration;

use kubevigil_audit::time::Timestamp;

const SLOW: Duration = Duration::from_millis(500);
const PREFIX: &str = "apiserver.latency.k8s.io/";

/// A part of the work on a request that a gateway can measure.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// Finding out who asks.
    Authentication,
    /// Finding out whether somebody may be impersonated.
    Impersonation,
    /// Sending the answer.
    ResponseWrite,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Impersonation => "impersonation",
            Self::ResponseWrite => "response-write",
        }
    }
}

/// What the parts took so far.
#[derive(Clone, Debug, Default)]
pub struct Latencies(BTreeMap<Part, Duration>);

impl Latencies {
    /// Adds to a part.
    pub fn add(&mut self, part: Part, time: Duration) {
        let sum = self.0.entry(part).or_default();
        *sum = sum.saturating_add(time);
    }

    /// The annotations of a request that came in at `received` and is complete `now`; none when it was fast.
    pub fn annotations(&self, received: Timestamp, now: Timestamp) -> Vec<(String, String)> {
        let nanoseconds = now.nanoseconds.saturating_sub(received.nanoseconds);
        let total = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
        let mut parts = self.0.iter().filter(|(_, time)| !time.is_zero()).peekable();
        if total <= SLOW || parts.peek().is_none() {
            return Vec::new();
        }
        let mut annotations = vec![(format!("{PREFIX}total"), go_duration(total))];
        annotations.extend(
            parts.map(|(part, time)| (format!("{PREFIX}{}", part.name()), go_duration(*time))),
        );
        annotations
    }
}

/// A duration as Go writes it: `501.2ms`, `1m2s`, `35.5µs`.
pub fn go_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => decimal(nanoseconds, 3) + "\u{b5}s",
        1_000_000..1_000_000_000 => decimal(nanoseconds, 6) + "ms",
        _ => {
            let seconds = duration.as_secs();
            let within = nanoseconds - u128::from(seconds - seconds % 60) * 1_000_000_000;
            let within = decimal(within, 9) + "s";
            match (seconds / 3_600, seconds / 60 % 60) {
                (0, 0) => within,
                (0, minutes) => format!("{minutes}m{within}"),
                (hours, minutes) => format!("{hours}h{minutes}m{within}"),
            }
        }
    }
}

/// The number divided by ten to the power of `places`, without zeros at its end.
fn decimal(number: u128, places: usize) -> String {
    let digits = format!("{number:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (35_500, "35.5µs"),
            (501_200_000, "501.2ms"),
            (999_999_999, "999.999999ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (62_000_000_000, "1m2s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (7_265_000_000_001, "2h1m5.000000001s"),
        ];
        for (nanoseconds, expected) in cases {
            assert_eq!(go_duration(Duration::from_nanos(nanoseconds)), expected);
        }
    }

    #[test]
    fn only_slow_requests_with_a_part_are_annotated() {
        let mut latencies = Latencies::default();
        let at = |milliseconds: i128| Timestamp {
            nanoseconds: milliseconds * 1_000_000,
        };
        assert!(latencies.annotations(at(0), at(900)).is_empty());
        latencies.add(Part::Authentication, Duration::from_millis(30));
        assert!(latencies.annotations(at(0), at(500)).is_empty());
        let found = latencies.annotations(at(0), at(501));
        let text = |text: &str| text.to_owned();
        let expected = [
            (text("apiserver.latency.k8s.io/total"), text("501ms")),
            (
                text("apiserver.latency.k8s.io/authentication"),
                text("30ms"),
            ),
        ];
        assert_eq!(found, expected);
    }
}
