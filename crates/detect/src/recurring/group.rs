//! A group of values that are remembered together, and what it decides.

use kubevigil_audit::json::{Found, PathId, PathsBuilder};
use kubevigil_rules::{Field, JsonPath};

use crate::bits::Bits;
use crate::compile::{ExprPlan, Node, NodeId, Program, Question};
use crate::index::{Key, KeyPlan, RuleIndex};
use crate::json_plan::{JsonPlan, JsonQuestion, SubjectPlan};
use crate::lookup::LookupPlan;

/// A value of a group: where it stands, outermost key first, and how many bytes at its text's beginning are remembered, if not all.
type Part = (&'static [&'static str], Option<usize>);

/// The groups of values that are remembered together. Many texts begin in the same way: a URI with the API group or resource.
pub(super) const GROUPS: [&[Part]; 5] = [
    &[
        (&["stage"], None),
        (&["verb"], None),
        (&["objectRef", "apiGroup"], None),
        (&["objectRef", "resource"], None),
        (&["objectRef", "subresource"], None),
        (&["responseStatus", "code"], None),
        (&["annotations", "authorization.k8s.io/decision"], None),
        (&["annotations", "kubevigil.io/outcome"], None),
        (&["requestURI"], Some(13)),
    ],
    &[
        (&["user", "username"], None),
        (&["user", "groups"], None),
        (&["impersonatedUser"], None),
    ],
    &[(&["annotations"], None)],
    &[(&["userAgent"], None)],
    &[(&["sourceIPs"], None)],
];

/// Longer values are not remembered; clients choose them.
const MAX_KEY: usize = 1 << 10;

/// A group as the rules of a matcher ask for it.
#[derive(Debug)]
pub(super) struct Group {
    keys: Vec<(PathId, Option<usize>)>,
    /// By node, how far the group decides it.
    standings: Vec<Standing>,
    /// Keys of the index that it decides.
    pub(super) index: Vec<Key>,
    /// The rules of which it decides some part.
    pub(super) concerned: Bits,
}

/// How far a group decides the answer of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standing {
    Decided,
    InPart,
    Open,
}

impl Group {
    /// `None` when it decides nothing of any rule. Where keys with dots would stand that mean the same is appended to `detours`.
    pub(super) fn new(
        parts: &[Part],
        program: &Program,
        roots: &[NodeId],
        index: &mut RuleIndex,
        detours: &mut Vec<PathId>,
        paths: &mut PathsBuilder,
    ) -> Option<Self> {
        let mut decided = Decided {
            parts,
            program,
            detours,
        };
        let mut group = Self {
            keys: parts
                .iter()
                .map(|&(key, beginning)| (paths.add(key), beginning))
                .collect(),
            standings: Vec::with_capacity(program.nodes.len()),
            index: index
                .take(|key| matches!(key, KeyPlan::Lookup(lookup) if decided.lookup(lookup))),
            concerned: Bits::none(roots.len()),
        };
        // Parts come before what they are parts of.
        for node in &program.nodes {
            let standing = group.standing(node, &mut decided);
            group.standings.push(standing);
        }
        for (number, &root) in roots.iter().enumerate() {
            let is_indexed = group.index.iter().any(|key| key.constrains(number));
            if is_indexed || group.at(root) != Standing::Open {
                group.concerned.insert(number);
            }
        }
        (!group.concerned.is_empty()).then_some(group)
    }

    pub(super) fn at(&self, node: NodeId) -> Standing {
        self.standings.get(node).copied().unwrap_or(Standing::Open)
    }

    fn standing(&self, node: &Node, decided: &mut Decided<'_>) -> Standing {
        let is_decided = match node {
            Node::All(parts) | Node::Any(parts) => return self.of_parts(parts),
            Node::ExactlyOne(parts) => self.of_parts(parts) == Standing::Decided,
            Node::Not(part) => return self.at(*part),
            Node::Json(plan) => decided.json(plan),
            Node::Test(test) => {
                matches!(test.question, Question::Check(_)) && decided.field(&test.subject)
            }
            Node::Elements(_) => false,
        };
        if is_decided {
            Standing::Decided
        } else {
            Standing::Open
        }
    }

    fn of_parts(&self, parts: &[NodeId]) -> Standing {
        let is = |standing| move |part: &NodeId| self.at(*part) == standing;
        if parts.iter().all(is(Standing::Decided)) {
            Standing::Decided
        } else if parts.iter().all(is(Standing::Open)) {
            Standing::Open
        } else {
            Standing::InPart
        }
    }

    /// Writes the values as they stand in the event; false when more than they could decide what is asked of them.
    pub(super) fn read_key(&self, found: &Found<'_, '_>, key: &mut Vec<u8>) -> bool {
        key.clear();
        for &(path, beginning) in &self.keys {
            match found.get(path) {
                Some(value) => {
                    let Some(raw) = remembered(value.raw(), beginning) else {
                        return false;
                    };
                    key.extend_from_slice(&raw.len().to_le_bytes());
                    key.extend_from_slice(raw);
                }
                None if found.crosses_array(path) => return false,
                None => key.extend_from_slice(&usize::MAX.to_le_bytes()),
            }
        }
        true
    }
}

/// As much of a value as is remembered of it; `None` when that does not tell what counts.
fn remembered(raw: &[u8], beginning: Option<usize>) -> Option<&[u8]> {
    let Some(bytes) = beginning else {
        return (raw.len() <= MAX_KEY).then_some(raw);
    };
    // The quote before the text comes along.
    let raw = raw.get(..=bytes).unwrap_or(raw);
    (!raw.contains(&b'\\')).then_some(raw)
}

/// What the values of a group decide.
struct Decided<'p> {
    parts: &'p [Part],
    program: &'p Program,
    detours: &'p mut Vec<PathId>,
}

impl Decided<'_> {
    fn json(&mut self, plan: &JsonPlan) -> bool {
        if matches!(plan.question, JsonQuestion::Against(..)) {
            return false;
        }
        match &plan.subject {
            SubjectPlan::AnyScalar(_) => false,
            SubjectPlan::Lookup(lookup) => self.lookup(lookup),
            SubjectPlan::Field(field) => self.field(field),
        }
    }

    fn lookup(&mut self, lookup: &LookupPlan) -> bool {
        let whole = self
            .parts
            .iter()
            .filter(|(_, beginning)| beginning.is_none());
        let keys: Vec<&[&str]> = whole.map(|(key, _)| *key).collect();
        let detours = lookup.below(&keys);
        let is_decided = detours.is_some();
        self.detours.extend(detours.into_iter().flatten());
        is_decided
    }

    fn field(&self, expr: &ExprPlan) -> bool {
        let ExprPlan::Field(field) = expr else {
            return false;
        };
        let field = self.program.fields.get(*field).map(|plan| &plan.field);
        field.is_some_and(|field| is_within(field, self.parts))
    }
}

/// Whether what is remembered decides the values of a field.
pub(crate) fn is_remembered(field: &Field) -> bool {
    GROUPS.iter().any(|parts| is_within(field, parts))
}

fn is_within(field: &Field, parts: &[Part]) -> bool {
    let is_there = |input: &JsonPath| {
        parts.iter().any(|(key, beginning)| {
            let is_enough =
                beginning.is_none_or(|bytes| input.beginning.is_some_and(|needed| needed <= bytes));
            is_enough && key.iter().copied().eq(input.keys.iter().map(|key| &**key))
        })
    };
    // Other fields may read the event besides their inputs.
    let is_derived = field.name.starts_with("kv.") && field.needs.is_none();
    is_derived && !field.inputs.is_empty() && field.inputs.iter().all(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_rules_ask_is_remembered() {
        // Of a field that reads something new, that belongs to a group, too.
        for name in [
            "kv.address",
            "kv.agent",
            "kv.answered",
            "kv.effectiveUser",
            "kv.failedOpen",
            "kv.identity",
            "kv.outcome",
        ] {
            let field = kubevigil_rules::derived::resolve(name).unwrap();
            assert!(is_remembered(&field), "{name}");
        }
    }
}
