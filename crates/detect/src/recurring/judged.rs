//! What a group's values alone say of a condition.

use crate::compile::{Node, NodeId};
use crate::evaluate::{Evaluation, Memo};
use crate::recurring::group::{Group, Standing};

impl Evaluation<'_, '_> {
    /// What a group's values say of a condition; `None` when other values decide.
    pub(super) fn judged(&self, node: NodeId, group: &Group, memo: &mut Memo) -> Option<bool> {
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
