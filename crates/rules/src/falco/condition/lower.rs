//! From the syntax tree to the language-neutral condition: fields, types, and Falco's semantics spelt out.

use bstr::{BString, ByteSlice};

use super::ast::{Ast, Check, Literal, Node, Place, Right};
use super::operator::{Modifier, OperatorKind};
use super::problem::{Problem, ProblemClass, Warning};
use super::typed::Typed;
use super::types::{describe, fits, operator_problem};
use super::values::{Constant, constant};
use super::{regex, warnings};
use crate::condition::{Case, Compare, Condition, Expr, Members, Needle, Predicate, Transform};
use crate::falco::fields::FieldOptions;
use crate::field::Kind;

/// How conditions are compiled.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Which fields there are and what they mean.
    pub fields: FieldOptions,
    /// Whether operators for single texts may stand behind lists, as until 2024: the list must then have exactly one
    /// element, and that must satisfy the operator (spec 7). Each such use is a warning.
    pub tolerant_lists: bool,
}

/// A condition that compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The language-neutral condition.
    pub condition: Condition,
    /// What its author may not expect, in the order of the text.
    pub warnings: Vec<Warning>,
}

/// Compiles a condition whose macros have been put in; reports all mistakes (spec 2.2 to 2.6).
pub fn compile(ast: &Ast, options: &CompileOptions) -> Result<Compiled, Vec<Problem>> {
    let mut lowering = Lowering::new(options);
    let condition = lowering.node(&ast.root);
    if lowering.problems.is_empty() {
        Ok(Compiled {
            condition,
            warnings: lowering.warnings,
        })
    } else {
        Err(lowering.problems)
    }
}

/// Checks a text that must be a field or a transformation, such as an exception's `fields`.
pub fn check_field_expression(text: &str, options: &CompileOptions) -> Result<(), Vec<Problem>> {
    let whole = |message: String| {
        vec![Problem::new(
            ProblemClass::UnknownField,
            &Place::at(0..text.len()),
            message,
        )]
    };
    let (term, length) = super::parse_term_prefix(text).map_err(|error| whole(error.message))?;
    if length < text.len() {
        return Err(whole(format!(
            "expected a field or a transformation, found `{text}`"
        )));
    }
    let mut lowering = Lowering::new(options);
    lowering.term(&term);
    if lowering.problems.is_empty() {
        Ok(())
    } else {
        Err(lowering.problems)
    }
}

/// The other side of one test.
enum Operand {
    Constant(Constant),
    Expr(Expr),
}

/// The compiler at work: what it has found wrong or odd so far.
pub(in crate::falco) struct Lowering<'o> {
    pub(super) options: &'o CompileOptions,
    pub(in crate::falco) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

/// Never true; stands where a mistake was reported.
const NOTHING: Condition = Condition::Any(Vec::new());

impl<'o> Lowering<'o> {
    pub(in crate::falco) fn new(options: &'o CompileOptions) -> Self {
        Self {
            options,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn node(&mut self, node: &Node) -> Condition {
        match node {
            Node::And(parts) => Condition::All(parts.iter().map(|part| self.node(part)).collect()),
            Node::Or(parts) => Condition::Any(parts.iter().map(|part| self.node(part)).collect()),
            Node::Not(part) => Condition::Not(Box::new(self.node(part))),
            Node::Check(check) => self.check(check).unwrap_or(NOTHING),
            Node::Macro(name, place) => {
                let message = format!("there is no macro `{name}`");
                let help = "a bare name stands for a macro; define it, or write FIELD = VALUE";
                self.problems
                    .push(Problem::new(ProblemClass::Macro, place, message).help(help));
                NOTHING
            }
        }
    }

    fn check(&mut self, check: &Check) -> Option<Condition> {
        warnings::check(self, check);
        let left = self.term(&check.left);
        let right = match &check.right {
            Right::Val(term) | Right::Term(term) => Some(self.term(term)),
            Right::Nothing | Right::Value(_) | Right::List(_) => None,
        };
        let left = left?;
        let tolerated = self.operator_fits(check, left.kind)?;
        let condition = match (&check.right, right) {
            (_, Some(right)) => self.against_term(check, &left, &right?),
            (Right::Value(literal), None) => {
                self.against(check, &left, std::slice::from_ref(literal))
            }
            (Right::List(literals), None) => self.against(check, &left, literals),
            _ => Some(exists(&left.expr)),
        }?;
        Some(if tolerated {
            Condition::All(vec![is_single(&left.expr), condition])
        } else {
            condition
        })
    }

    /// Reports an operator that does not go with the type; true when it does so only by tolerance.
    fn operator_fits(&mut self, check: &Check, kind: Kind) -> Option<bool> {
        let operator = check.operator;
        if fits(operator.kind, kind) {
            return Some(false);
        }
        if kind == Kind::TextList && self.options.tolerant_lists && fits(operator.kind, Kind::Text)
        {
            let message = format!(
                "`{}` is not for lists; it is taken to mean a list of exactly one element that satisfies it",
                operator.word
            );
            self.warn("LOAD_COMPILE_CONDITION", &check.place, message);
            return Some(true);
        }
        self.problems.push(operator_problem(check, kind));
        None
    }

    /// A comparison with constants.
    fn against(&mut self, check: &Check, left: &Typed, literals: &[Literal]) -> Option<Condition> {
        let operator = check.operator.kind;
        let before = self.problems.len();
        let constants: Vec<Constant> = literals
            .iter()
            .filter_map(|literal| self.constant(literal, left.kind))
            .collect();
        if self.problems.len() > before {
            return None;
        }
        if let Some(members) = members(operator) {
            return Some(among(left, members, constants));
        }
        if operator == OperatorKind::PathMatch {
            return Some(each(left, Predicate::PathPrefix(texts(constants))));
        }
        let mut tests = Vec::with_capacity(constants.len());
        for (constant, literal) in constants.into_iter().zip(literals) {
            tests.push(self.test(operator, left, Operand::Constant(constant), &literal.place)?);
        }
        combine(check.modifier, tests)
    }

    /// A comparison with a field or a transformation.
    fn against_term(&mut self, check: &Check, left: &Typed, right: &Typed) -> Option<Condition> {
        let operator = check.operator.kind;
        let place = right_place(check);
        let needs_constant = matches!(
            operator,
            OperatorKind::PathMatch
                | OperatorKind::Regex
                | OperatorKind::Glob
                | OperatorKind::GlobFolded
        );
        if needs_constant {
            let message = format!("`{}` needs a constant on the right", check.operator.word);
            self.problems
                .push(Problem::new(ProblemClass::RightField, place, message));
            return None;
        }
        if left.comparable_kind() != right.comparable_kind() {
            let (left, right) = (describe(left.kind), describe(right.kind));
            let message = format!("the left side is {left}, but the right side is {right}");
            self.problems
                .push(Problem::new(ProblemClass::RightField, place, message));
            return None;
        }
        if let Some(members) = members(operator) {
            let predicate = Predicate::OneOfValues(right.expr.clone());
            return Some(Condition::test(left.expr.clone(), members, predicate));
        }
        self.test(operator, left, Operand::Expr(right.expr.clone()), place)
    }

    /// One operator between one value and another. `a != b` is false when either is absent.
    fn test(
        &mut self,
        operator: OperatorKind,
        left: &Typed,
        right: Operand,
        place: &Place,
    ) -> Option<Condition> {
        let mut present = vec![exists(&left.expr)];
        if let Operand::Expr(expr) = &right {
            present.push(exists(expr));
        }
        let needle = match right {
            Operand::Constant(Constant::Number(number)) => Needle::Integer(number),
            Operand::Constant(Constant::Text(text)) => Needle::Text(text),
            Operand::Expr(expr) => Needle::Value(Box::new(expr)),
        };
        if operator == OperatorKind::NotEqual {
            let equal = each(left, Predicate::Compare(Compare::Equal, needle));
            present.push(Condition::Not(Box::new(equal)));
            return Some(Condition::All(present));
        }
        let predicate = self.predicate(operator, needle, place)?;
        Some(each(left, predicate))
    }

    fn predicate(
        &mut self,
        operator: OperatorKind,
        needle: Needle,
        place: &Place,
    ) -> Option<Predicate> {
        Some(match (operator, needle) {
            (OperatorKind::Compare(compare), needle) => Predicate::Compare(compare, needle),
            (OperatorKind::Contains, needle) => Predicate::Contains(needle, Case::Sensitive),
            (OperatorKind::ContainsFolded, needle) => {
                Predicate::Contains(needle, Case::AsciiInsensitive)
            }
            (OperatorKind::EndsWith, needle) => Predicate::EndsWith(needle, Case::Sensitive),
            (OperatorKind::StartsWith, needle) => Predicate::StartsWith(needle, Case::Sensitive),
            (OperatorKind::Glob, Needle::Text(text)) => Predicate::Glob(text, Case::Sensitive),
            (OperatorKind::GlobFolded, Needle::Text(text)) => {
                Predicate::Glob(text, Case::AsciiInsensitive)
            }
            (OperatorKind::Regex, Needle::Text(text)) => {
                Predicate::Regex(self.pattern(&text, place)?)
            }
            // The types have been checked: no other pair comes here.
            _ => return None,
        })
    }

    fn pattern(&mut self, text: &BString, place: &Place) -> Option<String> {
        let Ok(pattern) = text.to_str() else {
            let message = "the regular expression is not valid UTF-8";
            self.problems
                .push(Problem::new(ProblemClass::BadValue, place, message));
            return None;
        };
        if regex::is_needless(pattern) {
            let message =
                format!("the regular expression `{pattern}` does what a plain operator could");
            self.warn("LOAD_COMPILE_CONDITION", place, message);
        }
        match regex::translate(pattern) {
            Ok(translated) => Some(translated),
            Err(error) => {
                let message = format!("the regular expression `{pattern}` is not valid: {error}");
                self.problems
                    .push(Problem::new(ProblemClass::BadValue, place, message));
                None
            }
        }
    }

    fn constant(&mut self, literal: &Literal, kind: Kind) -> Option<Constant> {
        constant(literal, kind)
            .map_err(|problem| self.problems.push(problem))
            .ok()
    }

    pub(super) fn warn(&mut self, code: &'static str, place: &Place, message: impl Into<String>) {
        let place = place.clone();
        self.warnings.push(Warning {
            code,
            place,
            message: message.into(),
            help: None,
        });
    }
}

/// How many values of a list must be among the right side's; `None` for operators that ask no such thing.
fn members(operator: OperatorKind) -> Option<Members> {
    match operator {
        OperatorKind::In => Some(Members::All),
        OperatorKind::Intersects => Some(Members::Any),
        _ => None,
    }
}

fn among(left: &Typed, members: Members, constants: Vec<Constant>) -> Condition {
    if left.kind != Kind::Integer {
        return Condition::test(
            left.expr.clone(),
            members,
            Predicate::OneOf(texts(constants)),
        );
    }
    let equal = |constant| match constant {
        Constant::Number(number) => each(
            left,
            Predicate::Compare(Compare::Equal, Needle::Integer(number)),
        ),
        Constant::Text(_) => NOTHING,
    };
    Condition::Any(constants.into_iter().map(equal).collect())
}

fn combine(modifier: Option<Modifier>, mut tests: Vec<Condition>) -> Option<Condition> {
    match modifier {
        None => tests.pop(),
        // Of no elements none satisfies anything.
        Some(_) if tests.is_empty() => Some(NOTHING),
        Some(Modifier::AllOf) => Some(Condition::All(tests)),
        Some(Modifier::AnyOf) => Some(Condition::Any(tests)),
        Some(Modifier::OneOf) => Some(Condition::ExactlyOne(tests)),
    }
}

fn texts(constants: Vec<Constant>) -> Vec<BString> {
    let text = |constant| match constant {
        Constant::Text(text) => text,
        Constant::Number(number) => number.to_string().into(),
    };
    constants.into_iter().map(text).collect()
}

fn each(left: &Typed, predicate: Predicate) -> Condition {
    Condition::test(left.expr.clone(), Members::All, predicate)
}

fn exists(expr: &Expr) -> Condition {
    Condition::test(expr.clone(), Members::Any, Predicate::Exists)
}

fn is_single(list: &Expr) -> Condition {
    let count = Expr::Transform(Transform::LenList, vec![list.clone()]);
    let one = Predicate::Compare(Compare::Equal, Needle::Integer(1));
    Condition::test(count, Members::All, one)
}

fn right_place(check: &Check) -> &Place {
    match &check.right {
        Right::Val(term) | Right::Term(term) => term.place(),
        Right::Nothing | Right::Value(_) | Right::List(_) => &check.place,
    }
}
