//! Conditions of temporal correlations that are expressions of rules: `a and b and not c`.
//!
//! The grammar is that of detections, with rules in the place of selections. Rules stand there as `rules` names them; without
//! `rules` the condition names them itself.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::correlation::PresenceExpr;
use crate::sigma::codes;
use crate::sigma::condition::{self, Expr};
use crate::sigma::correlation::body::Word;
use crate::sigma::problems::Problems;

/// With more rules than this it is not tried out whether an expression can hold.
const TRIED_OUT: usize = 12;

/// Reads an expression. When `rules` is empty the rules that it names are added.
pub(super) fn read(
    key: &Node,
    node: &Node,
    rules: &mut Vec<Word>,
    problems: &mut Problems,
) -> Option<PresenceExpr> {
    let expr = condition::parse_of("rule", node, problems)?;
    let may_add = rules.is_empty();
    let mut reader = Reader {
        rules,
        may_add,
        used: Vec::new(),
        has_not: false,
    };
    let read = reader.read(&expr, problems);
    let (used, has_not) = (reader.used, reader.has_not);
    let expression = read?;
    if has_not {
        warn_of_not(node, problems);
    }
    refuse_unused(rules, &used, problems);
    if !can_hold(&expression, rules.len()) {
        let span = key.span.start..node.span.end;
        let message = "the condition can never hold";
        let help = "it is judged when an event comes, so at least one of its rules has matched";
        return problems.error_with_help(codes::CONDITION, span, message, help);
    }
    Some(expression)
}

fn warn_of_not(node: &Node, problems: &mut Problems) {
    let message = "`not` is judged when an event comes, and does not wait for the time span to end";
    let help = "it means `not so far`: when the rule matches later, nothing is taken back";
    problems.warning(codes::NOT_YET, node.span.clone(), message, help);
}

fn refuse_unused(rules: &[Word], used: &[usize], problems: &mut Problems) {
    for (number, rule) in rules.iter().enumerate() {
        if !used.contains(&number) {
            let message = format!("rule `{}` is not in the condition", rule.text);
            let help = "leave it out of `rules`, or ask for it";
            problems.error_with_help::<()>(codes::CORRELATION, rule.span.clone(), message, help);
        }
    }
}

/// Whether the expression asks for every member and for nothing else.
pub(super) fn is_all(expression: &PresenceExpr, members: usize) -> bool {
    let parts = match expression {
        PresenceExpr::And(parts) => parts.as_slice(),
        PresenceExpr::Member(_) => std::slice::from_ref(expression),
        PresenceExpr::Or(_) | PresenceExpr::Not(_) => return false,
    };
    (0..members).all(|member| parts.contains(&PresenceExpr::Member(member)))
        && parts
            .iter()
            .all(|part| matches!(part, PresenceExpr::Member(_)))
}

struct Reader<'r> {
    rules: &'r mut Vec<Word>,
    may_add: bool,
    used: Vec<usize>,
    has_not: bool,
}

impl Reader<'_> {
    /// The depth of recursion is bounded by the parser.
    fn read(&mut self, expr: &Expr, problems: &mut Problems) -> Option<PresenceExpr> {
        match expr {
            Expr::Or(parts) => Some(PresenceExpr::Or(self.each(parts, problems)?)),
            Expr::And(parts) => Some(PresenceExpr::And(self.each(parts, problems)?)),
            Expr::Not(part) => {
                self.has_not = true;
                Some(PresenceExpr::Not(Box::new(self.read(part, problems)?)))
            }
            Expr::Name(name, span) => self.named(name, span, problems),
            Expr::Of { all, pattern, span } => self.of(*all, pattern, span, problems),
        }
    }

    fn named(
        &mut self,
        name: &str,
        span: &Range<usize>,
        problems: &mut Problems,
    ) -> Option<PresenceExpr> {
        let known = self.rules.iter().position(|rule| rule.text == name);
        let Some(member) = known.or_else(|| self.added(name, span)) else {
            let message = format!("rule `{name}` is not in `rules`");
            let names = self.rules.iter().map(|rule| rule.text.as_str());
            return problems.unknown(codes::CONDITION, span.clone(), message, name, names);
        };
        self.used.push(member);
        Some(PresenceExpr::Member(member))
    }

    fn added(&mut self, name: &str, span: &Range<usize>) -> Option<usize> {
        self.may_add.then(|| {
            self.rules.push(Word {
                text: name.to_owned(),
                span: span.clone(),
            });
            self.rules.len() - 1
        })
    }

    fn of(
        &mut self,
        all: bool,
        pattern: &str,
        span: &Range<usize>,
        problems: &mut Problems,
    ) -> Option<PresenceExpr> {
        let rules = self.rules.iter().enumerate();
        let found = rules.filter(|(_, rule)| condition::selects(pattern, &rule.text));
        let found: Vec<usize> = found.map(|(number, _)| number).collect();
        if found.is_empty() || self.may_add {
            let message = format!("no rule in `rules` is called `{pattern}`");
            let help = "a `*` stands for any part of a name; the names are those in `rules`";
            return problems.error_with_help(codes::CONDITION, span.clone(), message, help);
        }
        self.used.extend(&found);
        let members = found.into_iter().map(PresenceExpr::Member).collect();
        Some(match all {
            true => PresenceExpr::And(members),
            false => PresenceExpr::Or(members),
        })
    }

    fn each(&mut self, parts: &[Expr], problems: &mut Problems) -> Option<Vec<PresenceExpr>> {
        // Every part is read, so that all mistakes are noted.
        let parts: Vec<_> = parts.iter().map(|part| self.read(part, problems)).collect();
        parts.into_iter().collect()
    }
}

/// Whether the expression holds for some members, at least one of which has matched.
fn can_hold(expression: &PresenceExpr, members: usize) -> bool {
    if members > TRIED_OUT {
        return true;
    }
    (1_usize..1 << members).any(|seen| expression.holds(&|member| seen >> member & 1 == 1))
}
