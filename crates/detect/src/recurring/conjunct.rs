//! What is left to ask of a rule that the groups did not rule out.
//!
//! Of a rule that is a conjunction a group rules out every event in which a part that it decides is false. So where the group was asked
//! and the rule is still a candidate, these parts are true, and nobody has to look again: of most rules that are left, the costly
//! part is then all that is evaluated, and of some nothing. What is left is asked in the order of its cost.

use crate::compile::{ExprPlan, Node, NodeId, Program};
use crate::evaluate::{Evaluation, Memo};
use crate::json_plan::SubjectPlan;
use crate::recurring::Recurring;
use crate::recurring::group::{GROUPS, Standing};

/// A part of a conjunction, and the groups that decide it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conjunct {
    node: NodeId,
    deciders: GroupSet,
}

/// Some of the groups, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupSet(u8);

const _: () = assert!(GROUPS.len() <= 8, "a set has a bit for each group");

impl GroupSet {
    /// Adds a group.
    pub(super) fn insert(&mut self, group: usize) {
        self.0 |= 1 << (group % 8);
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Recurring {
    /// The parts of a rule's condition that must hold together: conjunctions within conjunctions are taken apart.
    pub(crate) fn conjuncts(&self, root: NodeId, program: &Program) -> Box<[Conjunct]> {
        let mut conjuncts = Vec::new();
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            match program.nodes.get(node) {
                Some(Node::All(parts)) => waiting.extend(parts.iter().rev()),
                _ => conjuncts.push(Conjunct {
                    node,
                    deciders: self.deciders(node),
                }),
            }
        }
        conjuncts.sort_by_key(|conjunct| program.cost(conjunct.node));
        conjuncts.into()
    }

    fn deciders(&self, node: NodeId) -> GroupSet {
        let mut deciders = GroupSet::default();
        let groups = self.groups.iter().enumerate();
        groups
            .filter(|(_, group)| group.at(node) == Standing::Decided)
            .for_each(|(number, _)| deciders.insert(number));
        deciders
    }
}

impl Program {
    /// About how long it takes to evaluate a node, in look-ups of one value.
    fn cost(&self, node: NodeId) -> usize {
        const DERIVED: usize = 16;
        const WHOLE_EVENT: usize = 256;
        match self.nodes.get(node) {
            Some(Node::All(parts) | Node::Any(parts) | Node::ExactlyOne(parts)) => {
                parts.iter().map(|&part| self.cost(part)).sum()
            }
            Some(Node::Not(part)) => self.cost(*part),
            Some(Node::Test(test)) => match test.subject {
                ExprPlan::Text(_) | ExprPlan::Constant(_) => 1,
                ExprPlan::Field(_) | ExprPlan::Transform(..) => DERIVED,
            },
            Some(Node::Json(plan)) => match plan.subject {
                SubjectPlan::Lookup(_) => 1,
                SubjectPlan::Field(_) => DERIVED,
                SubjectPlan::AnyScalar(_) => WHOLE_EVENT,
            },
            Some(Node::Elements(_)) => DERIVED,
            None => 0,
        }
    }
}

impl Evaluation<'_, '_> {
    /// Whether all hold. `known` are the groups that were asked and left the rule a candidate.
    pub(crate) fn all_hold(
        &self,
        conjuncts: &[Conjunct],
        known: GroupSet,
        memo: &mut Memo,
    ) -> bool {
        let mut open = conjuncts
            .iter()
            .filter(|conjunct| !conjunct.deciders.meets(known));
        open.all(|conjunct| self.holds(conjunct.node, memo))
    }
}
