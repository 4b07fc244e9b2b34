//! Path prefixes, component by component (Falco's `pmatch`).

use bstr::BString;

use crate::glob::Glob;

/// A set of path prefixes.
#[derive(Clone, Debug)]
pub(crate) struct PathPrefixes {
    prefixes: Vec<Vec<Glob>>,
}

impl PathPrefixes {
    pub(crate) fn new(paths: &[BString]) -> Self {
        let prefixes = paths
            .iter()
            .map(|path| {
                components(path)
                    .map(|component| Glob::new(&component.into(), false))
                    .collect()
            })
            .collect();
        Self { prefixes }
    }

    /// Whether some prefix's components are the first components of the path. Empty components do not count.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| {
            let mut actual = components(path);
            prefix.iter().all(|glob| {
                actual
                    .next()
                    .is_some_and(|component| glob.matches(component))
            })
        })
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|component| !component.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_components_match_and_the_root_matches_everything() {
        let table = [
            ("/var/lib", "/var/lib/docker", true),
            ("/var/li", "/var/lib", false),
            ("/", "anything", true),
            ("/var/*/x", "/var//lib/x/y", true),
            ("/var/lib/docker", "/var/lib", false),
        ];
        for (prefix, path, expected) in table {
            assert_eq!(
                PathPrefixes::new(&[prefix.into()]).matches(path.as_bytes()),
                expected,
                "{prefix} on {path}"
            );
        }
    }
}
