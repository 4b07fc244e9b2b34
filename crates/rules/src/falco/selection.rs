//! Which of the loaded rules run.
//!
//! Falco's `rules:` setting switches rules on and off by wildcard and by tag, after all files are loaded and in the order
//! in which it is written. With `rule_matching: first` the order of the rules decides which one fires, so it is part of
//! the outcome: rules that are switched off and on again go to the end.

use std::sync::Arc;

use crate::rule::{Priority, Rule};

/// What happens to the rules that a selector names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// They do not run.
    Disable,
    /// They run.
    Enable,
}

/// One entry of Falco's `rules:` setting.
///
/// With both `rule` and `tag` it names the rules that either names. With neither it names none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// What happens.
    pub action: Action,
    /// A pattern for rule names; see [`matches_wildcard`].
    pub rule: Option<String>,
    /// A tag, exactly.
    pub tag: Option<String>,
}

/// The rules that run, in the order in which they are tried.
///
/// Rules less urgent than `threshold` never run, whatever a selector says. The others start as their files say.
pub fn select(rules: &[Arc<Rule>], threshold: Priority, selectors: &[Selector]) -> Vec<Arc<Rule>> {
    select_from(rules, threshold, selectors, |rule| rule.enabled)
}

/// As [`select`], for callers who know more than the files about which rules run as long as no selector names them.
pub fn select_from(
    rules: &[Arc<Rule>],
    threshold: Priority,
    selectors: &[Selector],
    starts: impl Fn(&Rule) -> bool,
) -> Vec<Arc<Rule>> {
    let candidates: Vec<_> = rules
        .iter()
        .filter(|rule| rule.priority >= threshold)
        .collect();
    let mut running: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|rule| starts(rule))
        .collect();
    for selector in selectors {
        if let Some(pattern) = &selector.rule {
            apply(selector.action, &candidates, &mut running, |rule| {
                matches_wildcard(pattern, &rule.name)
            });
        }
        if let Some(wanted) = &selector.tag {
            apply(selector.action, &candidates, &mut running, |rule| {
                rule.tags.iter().any(|tag| **tag == **wanted)
            });
        }
    }
    running.into_iter().map(enabled).collect()
}

fn apply<'r>(
    action: Action,
    candidates: &[&'r Arc<Rule>],
    running: &mut Vec<&'r Arc<Rule>>,
    named: impl Fn(&Rule) -> bool,
) {
    match action {
        Action::Disable => running.retain(|rule| !named(rule)),
        Action::Enable => {
            for rule in candidates.iter().filter(|rule| named(rule)) {
                if !running.iter().any(|other| Arc::ptr_eq(other, rule)) {
                    running.push(rule);
                }
            }
        }
    }
}

fn enabled(rule: &Arc<Rule>) -> Arc<Rule> {
    if rule.enabled {
        Arc::clone(rule)
    } else {
        Arc::new(Rule {
            enabled: true,
            ..Rule::clone(rule)
        })
    }
}

/// Whether a rule's name matches a pattern in which `*` stands for any text; letter case counts.
///
/// Each piece between stars is looked for where it occurs first, without going back, and the end of the name is the end
/// of the pattern unless that ends in a star. So `*abc` does not match `abcabc`: Falco decides so.
pub fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut open_end = false;
    for piece in pieces {
        open_end = piece.is_empty();
        match rest.split_once(piece) {
            _ if piece.is_empty() => {}
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    open_end || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard;

    #[test]
    fn a_star_stands_for_any_text_and_pieces_are_found_without_going_back() {
        for (pattern, name, matches) in [
            ("Alpha One", "Alpha One", true),
            ("alpha*", "Alpha One", false),
            ("Alpha", "Alpha One", false),
            ("Alpha*", "Alpha One", true),
            ("*ne", "Alpha One", true),
            ("A*e", "Alpha One", true),
            ("A*O*", "Alpha One", true),
            ("A**e", "Alpha One", true),
            ("*abc", "abcabc", false),
            ("*", "", true),
            ("***", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(
                matches_wildcard(pattern, name),
                matches,
                "{pattern} on {name}"
            );
        }
    }
}
