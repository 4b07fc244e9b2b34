//! What a rule's tags say of matrices: Sigma's tags, and those that Falco's rules have.

use kubevigil_rules::Rule;

/// The techniques and tactics that a rule's tags name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Claims {
    /// `T1609`, `T1552.007`
    pub(super) techniques: Vec<String>,
    /// `initial-access`
    pub(super) tactics: Vec<String>,
    /// `MS-TA9006`
    pub(super) microsoft: Vec<String>,
}

impl Claims {
    /// Reads a rule's tags; others than these are somebody else's.
    pub(super) fn of(rule: &Rule) -> Self {
        let mut claims = Self::default();
        rule.tags.iter().for_each(|tag| claims.add(tag));
        claims
    }

    fn add(&mut self, tag: &str) {
        let tag = tag.to_ascii_lowercase();
        if let Some(id) = tag.strip_prefix("ms.ta") {
            push(&mut self.microsoft, format!("MS-TA{id}"));
            return;
        }
        // Falco: `T1609`, `mitre_initial_access`, `MITRE_T1609_container_administration_command`.
        let rest = tag
            .strip_prefix("attack.")
            .or_else(|| tag.strip_prefix("mitre_"));
        let word = rest.unwrap_or(&tag);
        if let Some(id) = technique_id(word) {
            push(&mut self.techniques, id);
        } else if rest.is_some()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte))
        {
            push(&mut self.tactics, word.replace('_', "-"));
        }
    }
}

fn push(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

/// The id of a technique at the beginning of a word: `t1609`, `t1552.007`, `t1609_container…`.
fn technique_id(word: &str) -> Option<String> {
    let digits = word.strip_prefix('t')?.split('_').next()?;
    let (number, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let plain =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain(number, 4) && plain(sub, 3)).then(|| format!("T{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_both_languages_are_understood() {
        let mut claims = Claims::default();
        for tag in [
            "attack.t1609",
            "attack.T1552.007",
            "attack.initial-access",
            "attack.initial_access",
            "mitre_privilege_escalation",
            "T1611",
            "MITRE_T1610_deploy_container",
            "T1609",
            "ms.ta9006",
            "kubevigil.quiet",
            "attack.s0154",
            "attack.g0007",
            "k8s",
            "maturity_stable",
            "t16",
            "cve.2024.1234",
        ] {
            claims.add(tag);
        }
        assert_eq!(claims.techniques, ["T1609", "T1552.007", "T1611", "T1610"]);
        assert_eq!(claims.tactics, ["initial-access", "privilege-escalation"]);
        assert_eq!(claims.microsoft, ["MS-TA9006"]);
    }
}
