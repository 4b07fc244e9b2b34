//! The parts of a condition that decide that it does not hold.

use kubevigil_detect::explain::Explanation;
use kubevigil_rules::Condition;

/// A part that is not as it would have to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blame<'e> {
    pub(super) part: &'e Explanation,
    /// What it would have to be.
    pub(super) wanted: bool,
}

/// The parts that would have to be otherwise for the condition to be `wanted`. Of alternatives it is the one that lacks least. Recursion
/// follows the rule's nesting, which its reader bounds.
pub(super) fn blame<'e>(
    condition: &Condition,
    explanation: &'e Explanation,
    wanted: bool,
) -> Vec<Blame<'e>> {
    if explanation.holds == wanted {
        return Vec::new();
    }
    let itself = vec![Blame {
        part: explanation,
        wanted,
    }];
    let of_parts = |parts: &[Condition]| {
        let pairs = parts.iter().zip(&explanation.parts);
        let blames = pairs.map(|(part, explanation)| blame(part, explanation, wanted));
        blames
            .filter(|blames| !blames.is_empty())
            .collect::<Vec<_>>()
    };
    match condition {
        Condition::All(parts) if wanted => of_parts(parts).concat(),
        Condition::Any(parts) if !wanted => of_parts(parts).concat(),
        // One of them has to change, and it does not matter which: the nearest is shown.
        Condition::All(parts) | Condition::Any(parts) => {
            let nearest = of_parts(parts).into_iter().min_by_key(Vec::len);
            nearest.unwrap_or(itself)
        }
        Condition::Not(part) => match explanation.parts.first() {
            Some(inner) => blame(part, inner, !wanted),
            None => itself,
        },
        Condition::ExactlyOne(_)
        | Condition::Test(_)
        | Condition::Json(_)
        | Condition::Elements(_) => itself,
    }
}
