//! The names that kube-apiserver gives its rotated logs (spec 9.1): `audit.log` becomes `audit-2026-07-23T18-32-12.123.log`, and
//! later perhaps `audit-2026-07-23T18-32-12.123.log.gz`.

/// A name of a rotated log.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Backup {
    /// The time in the name, as written: it sorts as the time does.
    pub stamp: String,
    /// Whether it was compressed.
    pub compressed: bool,
}

/// How the time is written: 0 stands for a digit.
const STAMP: &str = "0000-00-00T00-00-00.000";

impl Backup {
    /// Reads the name of a rotated `log`; `None` when it is another name. Both are names without folder.
    pub fn of(log: &str, name: &str) -> Option<Self> {
        let (stem, extension) = log.split_at(log.rfind('.').unwrap_or(log.len()));
        let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
        let (stamp, rest) = rest.split_at_checked(STAMP.len())?;
        let suffix = rest.strip_prefix(extension)?;
        let compressed = suffix == ".gz";
        let known = is_stamp(stamp) && (compressed || suffix.is_empty());
        known.then(|| Self {
            stamp: stamp.to_owned(),
            compressed,
        })
    }

    /// The name of the log whose backup would have this name.
    pub fn log_of(name: &str) -> Option<String> {
        let (dash, _) = name.rmatch_indices('-').find(|(at, _)| {
            let stamp = name.get(at + 1..at + 1 + STAMP.len());
            stamp.is_some_and(is_stamp)
        })?;
        let extension = name.get(dash + 1 + STAMP.len()..)?;
        let extension = extension.strip_suffix(".gz").unwrap_or(extension);
        let log = name.get(..dash)?.to_owned() + extension;
        Self::of(&log, name).map(|_| log)
    }
}

fn is_stamp(text: &str) -> bool {
    text.bytes()
        .zip(STAMP.bytes())
        .all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_known_by_name() {
        let stamp = "2026-07-23T18-32-12.123";
        let cases = [
            ("audit.log", format!("audit-{stamp}.log"), Some(false)),
            ("audit.log", format!("audit-{stamp}.log.gz"), Some(true)),
            ("audit", format!("audit-{stamp}"), Some(false)),
            ("a.b.log", format!("a.b-{stamp}.log.gz"), Some(true)),
            ("audit.log", format!("audit-{stamp}.txt"), None),
            ("audit.log", format!("audit2-{stamp}.log"), None),
            ("audit.log", format!("audit-{stamp}.log.zip"), None),
            ("audit.log", "audit-2026-07-23.log".to_owned(), None),
            (
                "audit.log",
                "audit-é026-07-23T18-32-12.12.log".to_owned(),
                None,
            ),
            ("audit.log", "audit.log".to_owned(), None),
        ];
        for (log, name, expected) in cases {
            let found = Backup::of(log, &name);
            assert_eq!(
                found.as_ref().map(|backup| backup.compressed),
                expected,
                "{name}"
            );
            assert!(found.is_none_or(|backup| backup.stamp == stamp));
            let back = Backup::log_of(&name);
            assert_eq!(
                back.is_some_and(|back| back == log),
                expected.is_some(),
                "{name}"
            );
        }
    }
}
