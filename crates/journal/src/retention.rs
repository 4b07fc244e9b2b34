//! Which segments may go.

use crate::Options;

/// What retention needs to know of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) bytes: u64,
    /// The place after its last.
    pub(crate) end: u64,
    /// When its newest record was written.
    pub(crate) newest_ns: u64,
}

/// How many of the oldest segments are to be deleted. Never the newest.
///
/// Too many bytes force the oldest away whoever still needs it: a disk that runs full would stop
/// every source. Age takes only what all readers have finished.
pub(crate) fn excess(segments: &[Kept], options: &Options, finished: u64, now_ns: u64) -> usize {
    let age = options
        .retain_age
        .map(|age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
    let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let sealed = segments.len().saturating_sub(1);
    let goes = |segment: &&Kept| {
        let forced = bytes > options.retain_bytes;
        let aged = age.is_some_and(|age| now_ns.saturating_sub(segment.newest_ns) > age);
        bytes = bytes.saturating_sub(segment.bytes);
        forced || (aged && segment.end <= finished)
    };
    segments.iter().take(sealed).take_while(goes).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Segments of 100 bytes and 10 records each, written at 1000, 2000, 3000, …
    fn segments(count: u64) -> Vec<Kept> {
        let kept = |n| Kept {
            bytes: 100,
            end: n * 10,
            newest_ns: n * 1000,
        };
        (1..=count).map(kept).collect()
    }

    fn options(retain_bytes: u64, age_ns: Option<u64>) -> Options {
        let retain_age = age_ns.map(Duration::from_nanos);
        Options {
            retain_bytes,
            retain_age,
            ..Options::default()
        }
    }

    #[test]
    fn the_rules_of_retention() {
        let never = u64::MAX;
        // (retain bytes, age, finished, now) -> deleted of five segments
        let cases = [
            ("nothing is too much or too old", never, None, 50, 9000, 0),
            ("size takes the oldest", 300, None, 50, 9000, 2),
            (
                "size takes even what is not finished",
                300,
                None,
                0,
                9000,
                2,
            ),
            ("size never takes the newest", 0, None, 50, 9000, 4),
            ("age takes what is finished", never, Some(1500), 50, 4000, 2),
            ("age waits for readers", never, Some(1500), 10, 4000, 1),
            ("age never takes the newest", never, Some(1), 50, 99_000, 4),
            ("a clock that went back keeps all", never, Some(1), 50, 0, 0),
            ("both", 400, Some(2500), 50, 5000, 2),
        ];
        for (what, bytes, age, finished, now, expected) in cases {
            let count = excess(&segments(5), &options(bytes, age), finished, now);
            assert_eq!(count, expected, "{what}");
        }
    }

    #[test]
    fn an_empty_or_single_segment_stays() {
        assert_eq!(excess(&[], &options(0, Some(0)), u64::MAX, u64::MAX), 0);
        assert_eq!(
            excess(&segments(1), &options(0, Some(0)), u64::MAX, u64::MAX),
            0
        );
    }
}
