//! What roles allow.

use std::borrow::Cow;

use kubevigil_audit::json::Json;

use crate::derived::bodies::{each_operation, elements, json_patch, members};
use crate::derived::collected::Collected;
use crate::derived::values::{texts, truth};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Kind, Read, ReadFn, Values};

const fn entry(name: &'static str, kind: Kind, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, kind, Read::With(read), REQUEST, doc).also(RESPONSE)
}

const REQUEST: &[Path] = &[&["requestObject"], &["requestObject", "rules"]];
const RESPONSE: &[Path] = &[&["responseObject", "rules"]];

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "kv.role.wildcard",
        Kind::Bool,
        |inputs| any(inputs, |rule| rule.is_wildcard()),
        "Whether one rule of a role gives every verb (`*`) on every resource (`*`) of its API groups, or on every URL.",
    ),
    entry(
        "kv.role.escalating",
        Kind::Bool,
        |inputs| any(inputs, |rule| rule.is_escalating()),
        "Whether a rule of a role gives `escalate`, `bind` or `impersonate`, by name or by `*` on what these verbs are for.",
    ),
    entry(
        "kv.role.grants",
        Kind::TextList,
        grants,
        "What a role gives, each as `verb group/resource`, `core` for the group without a name (`create core/pods/exec`), or `verb /url`. \
         Rules that hold for some objects only end in `:named`.",
    )
    .note("A role that names more than 4,096 combinations ends in `* */*`: there is no hiding in a crowd."),
];

/// More combinations than this are as good as all.
const MAX_GRANTS: usize = 4_096;

type Text<'b> = Cow<'b, [u8]>;

/// A rule of a role. In a JSON Patch it can be only a part of one.
#[derive(Default)]
struct RoleRule<'b> {
    verbs: Vec<Text<'b>>,
    groups: Vec<Text<'b>>,
    resources: Vec<Text<'b>>,
    urls: Vec<Text<'b>>,
    is_named: bool,
}

impl<'b> RoleRule<'b> {
    fn new(rule: Json<'b>) -> Self {
        let keys = [
            "verbs",
            "apiGroups",
            "resources",
            "nonResourceURLs",
            "resourceNames",
        ];
        let [verbs, groups, resources, urls, names] = members(Some(rule), keys);
        let strings = |list: Option<Json<'b>>| {
            let elements = list.into_iter().flat_map(Json::elements);
            elements.filter_map(Json::string).collect()
        };
        Self {
            verbs: strings(verbs),
            groups: strings(groups),
            resources: strings(resources),
            urls: strings(urls),
            is_named: texts(names).next().is_some(),
        }
    }

    /// Whether it says too little to give anything by itself.
    fn is_part(&self) -> bool {
        self.verbs.is_empty() || (self.resources.is_empty() && self.urls.is_empty())
    }

    fn is_nothing(&self) -> bool {
        self.verbs.is_empty() && self.resources.is_empty() && self.urls.is_empty()
    }

    fn join(&mut self, other: &RoleRule<'_>) {
        let owned = |texts: &[Text<'_>]| -> Vec<Text<'b>> {
            texts.iter().map(|text| Cow::Owned(text.to_vec())).collect()
        };
        self.verbs.append(&mut owned(&other.verbs));
        self.groups.append(&mut owned(&other.groups));
        self.resources.append(&mut owned(&other.resources));
        self.urls.append(&mut owned(&other.urls));
    }

    fn is_wildcard(&self) -> bool {
        has(&self.verbs, b"*") && (has(&self.resources, b"*") || has(&self.urls, b"*"))
    }

    fn is_escalating(&self) -> bool {
        let verb = |verb: &Text<'_>| matches!(&**verb, b"escalate" | b"bind" | b"impersonate");
        let guarded = |resource: &Text<'_>| {
            let name = &**resource;
            let identities = matches!(
                name,
                b"*" | b"users" | b"groups" | b"serviceaccounts" | b"uids"
            );
            identities
                || matches!(name, b"roles" | b"clusterroles")
                || name.starts_with(b"userextras/")
        };
        self.verbs.iter().any(verb)
            || (has(&self.verbs, b"*") && self.resources.iter().any(guarded))
    }

    /// Adds what the rule gives; false when that is too much.
    fn add_grants(&self, grants: &mut Collected) -> bool {
        let objects = self
            .groups
            .len()
            .max(1)
            .saturating_mul(self.resources.len());
        let all = objects
            .saturating_add(self.urls.len())
            .saturating_mul(self.verbs.len());
        if all.saturating_add(grants.len()) > MAX_GRANTS {
            return false;
        }
        let named: &[u8] = if self.is_named { b":named" } else { b"" };
        let core = [Text::default()];
        let groups = if self.groups.is_empty() {
            core.as_slice()
        } else {
            &self.groups
        };
        for verb in &self.verbs {
            for group in groups {
                let group: &[u8] = if group.is_empty() { b"core" } else { group };
                for resource in &self.resources {
                    grants.add(&[&**verb, b" ", group, b"/", resource, named].concat());
                }
            }
            for url in &self.urls {
                grants.add(&[&**verb, b" ", url].concat());
            }
        }
        true
    }
}

fn has(list: &[Text<'_>], word: &[u8]) -> bool {
    list.iter().any(|text| **text == *word)
}

/// Calls `visit` with every rule of the roles in the event's bodies. The parts that a JSON Patch writes one by one make one rule
/// together, since nothing says what they are added to.
fn each_rule(inputs: &Inputs<'_, '_>, visit: &mut dyn FnMut(&RoleRule<'_>)) {
    if let Some(patch) = json_patch(inputs) {
        let mut parts = RoleRule::default();
        each_operation(patch, &mut |object| {
            for rule in elements(object, "rules").map(RoleRule::new) {
                if rule.is_part() {
                    parts.join(&rule)
                } else {
                    visit(&rule)
                }
            }
        });
        if !parts.is_nothing() {
            visit(&parts);
        }
    } else if let Some(rules) = inputs.first(1) {
        rules
            .elements()
            .for_each(|rule| visit(&RoleRule::new(rule)));
    }
    let of_response = inputs.first(2).into_iter().flat_map(Json::elements);
    of_response.for_each(|rule| visit(&RoleRule::new(rule)));
}

/// Whether it holds for any rule; absent when there is none.
fn any<'e>(inputs: &Inputs<'_, 'e>, holds: fn(&RoleRule<'_>) -> bool) -> Values<'e> {
    let mut found = None;
    each_rule(inputs, &mut |rule| {
        found = Some(found == Some(true) || holds(rule))
    });
    found.map_or(Values::Absent, truth)
}

fn grants<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut grants = Collected::default();
    let mut all_fit = true;
    each_rule(inputs, &mut |rule| all_fit &= rule.add_grants(&mut grants));
    if !all_fit {
        grants.add(b"* */*");
    }
    grants.into_values()
}
