//! What is known of values that come again.
//!
//! A cluster's traffic is few identities doing few things over and over. So for some groups of values that stand in every event (who
//! asks, what is asked, with what client, from where) a thread remembers which rules cannot hold for them: those whose conditions
//! are false whatever the rest of the event says. This reaches what the [index](crate::index) cannot express: patterns, lists of
//! groups, negations, alternatives between fields. Values that were not seen before cost what it costs to evaluate the candidates.
//!
//! Only answers that follow from the remembered bytes alone are remembered: an event in which a key came twice, stands in an array or
//! is spelled with dots is evaluated as if nothing were known.

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use kubevigil_audit::json::{Found, PathId, PathsBuilder};
use kubevigil_rules::{Field, JsonPath};

use crate::bits::Bits;
use crate::compile::{ExprPlan, Node, NodeId, Program};
use crate::evaluate::{Evaluation, Memo};
use crate::json_plan::{JsonPlan, JsonQuestion, SubjectPlan};

/// A key path, outermost key first.
type KeyPath = &'static [&'static str];

/// The groups of values that are remembered together.
const GROUPS: [&[KeyPath]; 4] = [
    &[
        &["stage"],
        &["verb"],
        &["objectRef", "apiGroup"],
        &["objectRef", "resource"],
        &["objectRef", "subresource"],
        &["responseStatus", "code"],
        &["annotations", "authorization.k8s.io/decision"],
    ],
    &[
        &["user", "username"],
        &["user", "groups"],
        &["impersonatedUser"],
    ],
    &[&["userAgent"]],
    &[&["sourceIPs"]],
];

/// Longer values are not remembered; clients choose them.
const MAX_KEY: usize = 1 << 10;
/// The most memory of a group; when it is full, it starts anew.
const MAX_BYTES: usize = 2 << 20;

/// The groups as the rules of a matcher ask for them.
#[derive(Debug)]
pub(crate) struct Recurring {
    /// Tells matchers apart.
    id: u64,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    keys: Vec<PathId>,
    /// Where keys with dots would stand that mean the same.
    detours: Vec<PathId>,
    /// By node, how far the group decides it.
    standings: Vec<Standing>,
    /// The rules of which it decides some part.
    concerned: Bits,
}

/// How far a group decides the answer of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    Decided,
    InPart,
    Open,
}

/// What a thread remembers for the matcher that it last worked for.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    id: u64,
    groups: Vec<Known>,
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Known {
    rows: HashMap<Box<[u8]>, Row>,
    bytes: usize,
}

/// What is known of one value of a group.
#[derive(Debug)]
struct Row {
    asked: Bits,
    impossible: Bits,
}

impl Recurring {
    /// Finds out what the groups decide. `roots` are the nodes of the rules.
    pub(crate) fn new(program: &Program, roots: &[NodeId], paths: &mut PathsBuilder) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let groups = GROUPS
            .iter()
            .map(|keys| Group::new(keys, program, roots, paths));
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            groups: groups.flatten().collect(),
        }
    }

    /// Takes the rules out of `candidates` that cannot hold.
    pub(crate) fn narrow(
        &self,
        evaluation: &Evaluation<'_, '_>,
        roots: impl Fn(usize) -> Option<NodeId>,
        candidates: &mut Bits,
        memo: &mut Memo,
        remembered: &mut Remembered,
    ) {
        if remembered.id != self.id {
            *remembered = Remembered {
                id: self.id,
                ..Remembered::default()
            };
            remembered
                .groups
                .resize_with(self.groups.len(), Known::default);
        }
        if evaluation.found.has_duplicates() {
            return;
        }
        let Remembered { groups, key, .. } = remembered;
        for (group, known) in self.groups.iter().zip(groups) {
            if !candidates.meets(&group.concerned) || !group.read_key(evaluation.found, key) {
                continue;
            }
            let row = known.row(key, candidates);
            while let Some(number) = candidates.first_in_but(&group.concerned, &row.asked) {
                let answer = roots(number).and_then(|root| evaluation.judged(root, group, memo));
                if answer == Some(false) {
                    row.impossible.insert(number);
                }
                row.asked.insert(number);
            }
            candidates.remove(&row.impossible);
        }
    }
}

impl Group {
    /// `None` when it decides nothing of any rule.
    fn new(
        keys: &[KeyPath],
        program: &Program,
        roots: &[NodeId],
        paths: &mut PathsBuilder,
    ) -> Option<Self> {
        let mut group = Self {
            keys: keys.iter().map(|key| paths.add(key)).collect(),
            detours: Vec::new(),
            standings: Vec::with_capacity(program.nodes.len()),
            concerned: Bits::none(roots.len()),
        };
        // Parts come before what they are parts of.
        for node in &program.nodes {
            let standing = group.standing(node, keys, program);
            group.standings.push(standing);
        }
        group.detours.sort_unstable();
        group.detours.dedup();
        for (number, &root) in roots.iter().enumerate() {
            if group.at(root) != Standing::Open {
                group.concerned.insert(number);
            }
        }
        (!group.concerned.is_empty()).then_some(group)
    }

    fn at(&self, node: NodeId) -> Standing {
        self.standings.get(node).copied().unwrap_or(Standing::Open)
    }

    fn standing(&mut self, node: &Node, keys: &[KeyPath], program: &Program) -> Standing {
        match node {
            Node::All(parts) | Node::Any(parts) => self.of_parts(parts),
            Node::ExactlyOne(parts) => match self.of_parts(parts) {
                Standing::InPart => Standing::Open,
                whole => whole,
            },
            Node::Not(part) => self.at(*part),
            Node::Json(plan) if self.decides(plan, keys, program) => Standing::Decided,
            Node::Json(_) | Node::Test(_) | Node::Elements(_) => Standing::Open,
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

    fn decides(&mut self, plan: &JsonPlan, keys: &[KeyPath], program: &Program) -> bool {
        if matches!(plan.question, JsonQuestion::Against(..)) {
            return false;
        }
        match &plan.subject {
            SubjectPlan::AnyScalar => false,
            SubjectPlan::Lookup(lookup) => match lookup.below(keys) {
                Some(detours) => {
                    self.detours.extend(detours);
                    true
                }
                None => false,
            },
            SubjectPlan::Field(ExprPlan::Field(field)) => {
                let field = program.fields.get(*field).map(|plan| &plan.field);
                field.is_some_and(|field| is_within(field, keys))
            }
            SubjectPlan::Field(_) => false,
        }
    }

    /// Writes the values as they stand in the event; false when more than they could decide what is asked of them.
    fn read_key(&self, found: &Found<'_, '_>, key: &mut Vec<u8>) -> bool {
        key.clear();
        for &path in &self.keys {
            match found.get(path) {
                Some(value) => {
                    let raw = value.raw();
                    if raw.len() > MAX_KEY {
                        return false;
                    }
                    key.extend_from_slice(&raw.len().to_le_bytes());
                    key.extend_from_slice(raw);
                }
                None if found.crosses_array(path) => return false,
                None => key.extend_from_slice(&usize::MAX.to_le_bytes()),
            }
        }
        !self
            .detours
            .iter()
            .any(|&detour| found.get(detour).is_some())
    }
}

/// Whether what is remembered decides the values of a field.
pub(crate) fn is_remembered(field: &Field) -> bool {
    GROUPS.iter().any(|keys| is_within(field, keys))
}

fn is_within(field: &Field, keys: &[KeyPath]) -> bool {
    let is_key = |input: &JsonPath| {
        let mut keys = keys.iter();
        keys.any(|key| key.iter().copied().eq(input.keys.iter().map(|key| &**key)))
    };
    // Other fields may read the event besides their inputs.
    let is_derived = field.name.starts_with("kv.") && field.needs.is_none();
    is_derived && !field.inputs.is_empty() && field.inputs.iter().all(is_key)
}

impl Known {
    /// The row of a value; a new one when it was not seen.
    fn row(&mut self, key: &[u8], like: &Bits) -> &mut Row {
        let bytes = key.len() + 2 * like.bytes() + size_of::<(Box<[u8]>, Row)>();
        if self.bytes > MAX_BYTES {
            *self = Self::default();
        }
        let Self { rows, bytes: all } = self;
        rows.entry_ref(key).or_insert_with(|| {
            *all += bytes;
            Row {
                asked: like.emptied(),
                impossible: like.emptied(),
            }
        })
    }
}

impl Evaluation<'_, '_> {
    /// What a group's values say of a condition; `None` when other values decide.
    fn judged(&self, node: NodeId, group: &Group, memo: &mut Memo) -> Option<bool> {
        match group.at(node) {
            Standing::Decided => return Some(self.holds(node, memo)),
            Standing::Open => return None,
            Standing::InPart => {}
        }
        match self.program.nodes.get(node)? {
            Node::All(parts) => self.judged_parts(parts, false, group, memo),
            Node::Any(parts) => self.judged_parts(parts, true, group, memo),
            Node::Not(part) => self.judged(*part, group, memo).map(|answer| !answer),
            Node::ExactlyOne(_) | Node::Test(_) | Node::Json(_) | Node::Elements(_) => None,
        }
    }

    /// `deciding` is the answer of one part that is the answer of all.
    fn judged_parts(
        &self,
        parts: &[NodeId],
        deciding: bool,
        group: &Group,
        memo: &mut Memo,
    ) -> Option<bool> {
        let mut all = Some(!deciding);
        for &part in parts {
            match self.judged(part, group, memo) {
                Some(answer) if answer == deciding => return Some(deciding),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }
}
