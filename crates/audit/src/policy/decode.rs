//! From the tree of a file to the values of a policy, typed as the API server types them.

use std::collections::HashSet;
use std::ops::Range;

use kubevigil_yaml::Node;

use super::faults::{Faults, below};
use super::scalar::JsonType;
use super::{GroupResources, Policy, PolicyLevel, PolicyRule, PolicyStage, StageSet};

/// A policy whose values are typed but not validated, with their places.
pub(super) struct Draft {
    pub(super) rules: Vec<RuleDraft>,
    pub(super) omit_stages: Vec<Text>,
    omit_managed_fields: bool,
    /// Where `rules` stands, or should.
    pub(super) rules_span: Range<usize>,
}

/// A rule, as the file has it.
pub(super) struct RuleDraft {
    pub(super) level: Text,
    pub(super) users: Vec<Text>,
    pub(super) user_groups: Vec<Text>,
    pub(super) verbs: Vec<Text>,
    pub(super) resources: Vec<EntryDraft>,
    pub(super) namespaces: Vec<Text>,
    pub(super) non_resource_urls: Vec<Text>,
    pub(super) omit_stages: Vec<Text>,
    omit_managed_fields: Option<bool>,
    pub(super) span: Range<usize>,
}

/// An entry of `resources`.
pub(super) struct EntryDraft {
    pub(super) group: Text,
    pub(super) resources: Vec<Text>,
    pub(super) resource_names: Vec<Text>,
    pub(super) span: Range<usize>,
}

/// A text and where it stands; where it should stand when it is missing.
#[derive(Clone, Default)]
pub(super) struct Text {
    pub(super) text: Box<str>,
    pub(super) span: Range<usize>,
}

const POLICY_KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "rules",
    "omitStages",
    "omitManagedFields",
];
const RULE_KEYS: &[&str] = &[
    "level",
    "users",
    "userGroups",
    "verbs",
    "resources",
    "namespaces",
    "nonResourceURLs",
    "omitStages",
    "omitManagedFields",
];
const ENTRY_KEYS: &[&str] = &["group", "resources", "resourceNames"];

/// Types the values of a policy. Faults are noted, and what they are in counts as empty.
pub(super) fn policy(root: &Node, faults: &mut Faults) -> Draft {
    let keys = Keys::new(
        root,
        "",
        POLICY_KEYS,
        "the policy is used without it",
        faults,
    );
    for key in ["apiVersion", "kind"] {
        keys.text(key, faults);
    }
    let rules = keys.list("rules", faults);
    keys.lookalikes("rules", faults, |path, node, faults| {
        rule(node, path, faults);
    });
    let rules_span = match keys.get("rules") {
        Some(node) if !node.span.is_empty() => node.span.clone(),
        _ => keys.key_span("rules"),
    };
    Draft {
        rules: rules
            .into_iter()
            .map(|(path, node)| rule(node, &path, faults))
            .collect(),
        omit_stages: keys.texts("omitStages", faults),
        omit_managed_fields: keys.truth("omitManagedFields", faults).unwrap_or_default(),
        rules_span,
    }
}

fn rule(node: &Node, path: &str, faults: &mut Faults) -> RuleDraft {
    let keys = Keys::new(
        node,
        path,
        RULE_KEYS,
        "the rule is wider than written",
        faults,
    );
    let entries = keys.list("resources", faults);
    keys.lookalikes("resources", faults, |path, node, faults| {
        entry(node, path, faults);
    });
    RuleDraft {
        level: keys.text("level", faults),
        users: keys.texts("users", faults),
        user_groups: keys.texts("userGroups", faults),
        verbs: keys.texts("verbs", faults),
        resources: entries
            .into_iter()
            .map(|(path, node)| entry(node, &path, faults))
            .collect(),
        namespaces: keys.texts("namespaces", faults),
        non_resource_urls: keys.texts("nonResourceURLs", faults),
        omit_stages: keys.texts("omitStages", faults),
        omit_managed_fields: keys.truth("omitManagedFields", faults),
        span: node.span.clone(),
    }
}

fn entry(node: &Node, path: &str, faults: &mut Faults) -> EntryDraft {
    let effect = "the entry is wider than written, and without `group` it means the core group";
    let keys = Keys::new(node, path, ENTRY_KEYS, effect, faults);
    EntryDraft {
        group: keys.text("group", faults),
        resources: keys.texts("resources", faults),
        resource_names: keys.texts("resourceNames", faults),
        span: node.span.clone(),
    }
}

/// The keys of one map. Of equal keys the last counts, as for the server.
struct Keys<'n> {
    node: &'n Node,
    path: &'n str,
}

impl<'n> Keys<'n> {
    /// Notes what is wrong with the keys themselves. A null map has none; anything else that is no map is a fault.
    fn new(
        node: &'n Node,
        path: &'n str,
        known: &[&'static str],
        effect: &str,
        faults: &mut Faults,
    ) -> Self {
        match JsonType::of(node) {
            JsonType::Object | JsonType::Null => {}
            other => faults.wrong_type(path, node.span.clone(), "a map", other.word()),
        }
        let mut seen = HashSet::new();
        for (key, _) in node.pairs().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if !seen.insert(name) {
                faults.duplicate_key(path, name, key.span.clone());
            } else if !known.contains(&name) {
                faults.unknown_key(path, name, key.span.clone(), known, effect);
            }
        }
        Self { node, path }
    }

    fn get(&self, key: &str) -> Option<&'n Node> {
        let mut pairs = self.node.pairs()?.iter().rev();
        pairs
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }

    /// Looks for slips below a key that the server drops because it is this one in other letters: whoever mends the key wants to know.
    fn lookalikes(
        &self,
        key: &str,
        faults: &mut Faults,
        look: impl Fn(&str, &'n Node, &mut Faults),
    ) {
        for (name, value) in self.node.pairs().unwrap_or_default() {
            let name = name.text().unwrap_or_default();
            if name != key && name.eq_ignore_ascii_case(key) {
                let mut dropped = Faults::new(&faults.source);
                let items = value.items().unwrap_or_default().iter().enumerate();
                items.for_each(|(number, item)| {
                    look(
                        &format!("{}[{number}]", self.path(name)),
                        item,
                        &mut dropped,
                    )
                });
                faults.keys_of(dropped);
            }
        }
    }

    fn key_span(&self, key: &str) -> Range<usize> {
        let named = self.node.entry(key).or_else(|| self.node.pairs()?.first());
        named.map_or(self.node.span.clone(), |(key, _)| key.span.clone())
    }

    fn path(&self, key: &str) -> String {
        below(self.path, key)
    }

    /// The elements of a list with their paths; null is the empty list.
    fn list(&self, key: &str, faults: &mut Faults) -> Vec<(String, &'n Node)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let path = self.path(key);
        match JsonType::of(node) {
            JsonType::Null => {}
            JsonType::List => {
                let items = node.items().unwrap_or_default().iter().enumerate();
                return items
                    .map(|(number, item)| (format!("{path}[{number}]"), item))
                    .collect();
            }
            other => faults.wrong_type(&path, node.span.clone(), "a list", other.word()),
        }
        Vec::new()
    }

    fn texts(&self, key: &str, faults: &mut Faults) -> Vec<Text> {
        let items = self.list(key, faults);
        items
            .into_iter()
            .map(|(path, node)| text(&path, node, faults))
            .collect()
    }

    fn text(&self, key: &str, faults: &mut Faults) -> Text {
        match self.get(key) {
            Some(node) => text(&self.path(key), node, faults),
            None => Text {
                text: Box::default(),
                span: self.key_span(key),
            },
        }
    }

    fn truth(&self, key: &str, faults: &mut Faults) -> Option<bool> {
        let node = self.get(key)?;
        match JsonType::of(node) {
            JsonType::Null => None,
            JsonType::Bool(truth) => Some(truth),
            other => {
                faults.wrong_type(
                    &self.path(key),
                    node.span.clone(),
                    "true or false",
                    other.word(),
                );
                None
            }
        }
    }
}

/// A text; null is the empty one.
fn text(path: &str, node: &Node, faults: &mut Faults) -> Text {
    let text = match JsonType::of(node) {
        JsonType::Text => node.text().unwrap_or_default(),
        JsonType::Null => "",
        other => {
            faults.wrong_type(path, node.span.clone(), "a text", other.word());
            ""
        }
    };
    Text {
        text: text.into(),
        span: node.span.clone(),
    }
}

impl Draft {
    /// The policy, without levels and stages that there are not.
    pub(super) fn policy(self) -> Policy {
        Policy {
            rules: self.rules.into_iter().map(RuleDraft::rule).collect(),
            omit_stages: stages(&self.omit_stages),
            omit_managed_fields: self.omit_managed_fields,
        }
    }
}

impl RuleDraft {
    fn rule(self) -> PolicyRule {
        PolicyRule {
            level: PolicyLevel::parse(&self.level.text),
            users: bare(self.users),
            user_groups: bare(self.user_groups),
            verbs: bare(self.verbs),
            resources: self.resources.into_iter().map(EntryDraft::entry).collect(),
            namespaces: bare(self.namespaces),
            non_resource_urls: bare(self.non_resource_urls),
            omit_stages: stages(&self.omit_stages),
            omit_managed_fields: self.omit_managed_fields,
            span: self.span,
        }
    }
}

impl EntryDraft {
    fn entry(self) -> GroupResources {
        GroupResources {
            group: self.group.text,
            resources: bare(self.resources),
            resource_names: bare(self.resource_names),
        }
    }
}

fn bare(texts: Vec<Text>) -> Vec<Box<str>> {
    texts.into_iter().map(|text| text.text).collect()
}

fn stages(texts: &[Text]) -> StageSet {
    texts
        .iter()
        .filter_map(|text| PolicyStage::parse(&text.text))
        .collect()
}
