//! ATT&CK 19, and what became of the ids of ATT&CK 18 in it.
//!
//! Version 19 revoked T1562 and what was below it in favour of new techniques, and split the tactic Defense Evasion into Stealth and
//! Defense Impairment. Rules keep the ids that they were written with, because a rule whose ids are rewritten can no longer be compared
//! with what its author said; ids are translated where rules are counted. An id is never given twice, so it says of itself
//! to which version it belongs.

use crate::rules_command::coverage::attack::Tactic;

/// The versions of ATT&CK that rules can be counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V18,
    V19,
}

/// Ids of ATT&CK 18 and what took their place in 19, sorted by the former. Of several with the same successor the last is the
/// closest, and stands for it in version 18.
const REDIRECTS: [(&str, &str); 9] = [
    ("T1070.001", "T1685.005"),
    ("T1070.002", "T1685.006"),
    ("T1562", "T1685"),
    ("T1562.001", "T1685"),
    ("T1562.002", "T1685.001"),
    ("T1562.004", "T1686"),
    ("T1562.007", "T1686.001"),
    ("T1562.008", "T1685.002"),
    ("T1562.012", "T1685.004"),
];

/// Names of techniques that only version 19 has, sorted by id.
const NEW_NAMES: [(&str, &str); 8] = [
    ("T1685", "Disable or Modify Tools"),
    ("T1685.001", "Disable or Modify Windows Event Log"),
    ("T1685.002", "Disable or Modify Cloud Log"),
    ("T1685.004", "Disable or Modify Linux Audit System Log"),
    ("T1685.005", "Clear Windows Event Logs"),
    ("T1685.006", "Clear Linux or Mac System Logs"),
    ("T1686", "Disable or Modify System Firewall"),
    ("T1686.001", "Cloud Firewall"),
];

const EVASION: &str = "defense-evasion";
const STEALTH: &str = "stealth";
const IMPAIRMENT: &str = "defense-impairment";

impl Version {
    /// The number that ATT&CK gives itself.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::V18 => 18,
            Self::V19 => 19,
        }
    }

    /// What a technique is called in this version; an id without a counterpart stays.
    pub(super) fn id(self, id: &str) -> &str {
        let redirect = match self {
            Self::V18 => REDIRECTS
                .iter()
                .rfind(|(_, new)| *new == id)
                .map(|(old, _)| *old),
            Self::V19 => REDIRECTS
                .iter()
                .find(|(old, _)| *old == id)
                .map(|(_, new)| *new),
        };
        redirect.unwrap_or(id)
    }

    /// The tactics of this version in place of one of version 18: slugs and names.
    pub(super) fn named(self, tactic: &Tactic) -> Vec<(&'static str, &'static str)> {
        match (self, tactic.slug) {
            (Self::V19, EVASION) => vec![(STEALTH, "Stealth"), (IMPAIRMENT, "Defense impairment")],
            _ => vec![(tactic.slug, tactic.name)],
        }
    }

    /// The tactics of this version in place of those of a technique or a rule; `ids` are its techniques.
    pub(super) fn tactics<'t>(self, slugs: &[&'t str], ids: &[&str]) -> Vec<&'t str> {
        let mut tactics = Vec::new();
        for &slug in slugs {
            for tactic in self.tactic(slug, ids) {
                if !tactics.contains(&tactic) {
                    tactics.push(tactic);
                }
            }
        }
        tactics
    }

    fn tactic<'t>(self, slug: &'t str, ids: &[&str]) -> Vec<&'t str> {
        match (self, slug) {
            (Self::V18, STEALTH | IMPAIRMENT) => vec![EVASION],
            (Self::V19, EVASION) => {
                let impairs = |id: &&str| new_name(Self::V19.id(id)).is_some();
                let halves = [
                    (STEALTH, ids.iter().any(|id| !impairs(id))),
                    (IMPAIRMENT, ids.iter().any(impairs)),
                ];
                halves
                    .into_iter()
                    .filter(|(_, belongs)| *belongs)
                    .map(|(half, _)| half)
                    .collect()
            }
            _ => vec![slug],
        }
    }
}

/// The name of a technique that only version 19 has.
pub(super) fn new_name(id: &str) -> Option<&'static str> {
    NEW_NAMES
        .iter()
        .find(|(new, _)| *new == id)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_goes_to_the_new_version_and_back_means_what_it_meant() {
        assert_eq!(Version::V19.id("T1562.008"), "T1685.002");
        assert_eq!(Version::V18.id("T1685.002"), "T1562.008");
        assert_eq!(Version::V18.id(Version::V19.id("T1562")), "T1562.001");
        for version in [Version::V18, Version::V19] {
            assert_eq!(version.id("T1609"), "T1609");
        }
    }

    #[test]
    fn every_successor_has_a_name_and_none_is_redirected_again() {
        assert!(REDIRECTS.is_sorted_by(|(one, _), (other, _)| one < other));
        for (_, new) in REDIRECTS {
            assert!(new_name(new).is_some(), "{new}");
            assert_eq!(Version::V19.id(new), new);
        }
    }

    #[test]
    fn defense_evasion_is_split_by_what_the_techniques_are() {
        let split = |ids: &[&str]| Version::V19.tactics(&["defense-evasion", "impact"], ids);
        assert_eq!(split(&["T1070"]), ["stealth", "impact"]);
        assert_eq!(split(&["T1562.001"]), ["defense-impairment", "impact"]);
        assert_eq!(
            split(&["T1070", "T1562"]),
            ["stealth", "defense-impairment", "impact"]
        );
        assert_eq!(
            Version::V18.tactics(&["stealth", "defense-impairment"], &[]),
            ["defense-evasion"]
        );
    }
}
