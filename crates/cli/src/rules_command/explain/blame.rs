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

#[cfg(test)]
mod tests {
    use kubevigil_detect::Position;
    use kubevigil_detect::explain::explain;

    use super::*;

    /// A tree whose leaves are true (`All` of nothing) or false (`Any` of nothing) whatever the event.
    fn tree(random: &mut fastrand::Rng, depth: usize) -> Condition {
        let mut parts = || {
            let count = if depth == 0 { 0 } else { random.usize(1..4) };
            (0..count).map(|_| tree(random, depth - 1)).collect()
        };
        let parts: Vec<Condition> = parts();
        match random.usize(0..4) {
            0 => Condition::All(parts),
            1 => Condition::Any(parts),
            2 => Condition::ExactlyOne(parts),
            _ => Condition::Not(Box::new(Condition::All(parts))),
        }
    }

    /// The condition's answer when the blamed parts were as wanted.
    fn mended(condition: &Condition, explanation: &Explanation, blames: &[Blame<'_>]) -> bool {
        if let Some(blame) = blames
            .iter()
            .find(|blame| std::ptr::eq(blame.part, explanation))
        {
            return blame.wanted;
        }
        let answers = |parts: &[Condition]| -> Vec<bool> {
            let pairs = parts.iter().zip(&explanation.parts);
            pairs
                .map(|(part, below)| mended(part, below, blames))
                .collect()
        };
        match condition {
            Condition::All(parts) => answers(parts).iter().all(|answer| *answer),
            Condition::Any(parts) => answers(parts).iter().any(|answer| *answer),
            Condition::ExactlyOne(parts) => {
                answers(parts).iter().filter(|answer| **answer).count() == 1
            }
            Condition::Not(part) => !mended(part, &explanation.parts[0], blames),
            _ => explanation.holds,
        }
    }

    #[test]
    fn a_condition_would_be_as_wanted_if_the_blamed_parts_were() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut as_wanted, mut otherwise) = (0, 0);
        for _ in 0..2_000 {
            let condition = tree(&mut random, 3);
            let explanation = explain(&condition, b"{}", &Position::default()).unwrap();
            for wanted in [true, false] {
                let blames = blame(&condition, &explanation, wanted);
                assert_eq!(
                    blames.is_empty(),
                    explanation.holds == wanted,
                    "{condition:?}"
                );
                assert_eq!(
                    mended(&condition, &explanation, &blames),
                    wanted,
                    "{condition:?}"
                );
                if blames.is_empty() {
                    as_wanted += 1
                } else {
                    otherwise += 1
                }
            }
        }
        assert!(
            as_wanted > 500 && otherwise > 500,
            "{as_wanted} {otherwise}"
        );
    }
}
