//! Versions of Kubernetes: what is right in a policy depends on them.

use std::fmt;
use std::str::FromStr;

/// A minor version of Kubernetes, such as 1.36.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KubernetesVersion {
    /// The part before the first dot.
    pub major: u32,
    /// The part behind it.
    pub minor: u32,
}

/// The text is no version of Kubernetes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no version of Kubernetes: expected one such as 1.36")]
pub struct NotAVersion(String);

impl KubernetesVersion {
    /// The version that is assumed when nobody says which.
    pub const DEFAULT: Self = Self::new(1, 36);

    /// The version of these parts.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

impl FromStr for KubernetesVersion {
    type Err = NotAVersion;

    /// Reads `1.36`, `v1.36` and `v1.36.2+k3s1`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let mut part = |is_last: bool| {
            let part = parts.next()?;
            let digits = if is_last {
                part.trim_end_matches('+')
            } else {
                part
            };
            digits.parse::<u32>().ok()
        };
        match (part(false), part(true)) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_write_them() {
        for text in ["1.36", "v1.36", "1.36.2", "v1.36.2+k3s1", "1.36+"] {
            assert_eq!(text.parse(), Ok(KubernetesVersion::new(1, 36)), "{text}");
        }
        for text in ["", "36", "1.x", "latest"] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
    }
}
