//! The question that a rule asks, in a form that no language owns.
//!
//! Two decisions keep this tree small. First, it is two-valued: a [`Test`] on a field that is absent is
//! false, whatever the predicate, and everything above tests is plain boolean algebra. A language in which
//! absence behaves otherwise says so with [`Predicate::Exists`] and [`Condition::Not`]; Falco's
//! `a != b`, false when `a` is absent, is "`a` exists and not `a` equals `b`". Second, a field has *values*,
//! none, one or many; [`Members`] says how many of them must satisfy the predicate.
//!
//! The tree's depth is bounded by the front end that builds it, so code that walks it may recurse. Nothing in
//! it depends on an event.

use bstr::BString;

use crate::field::Field;
use crate::json_test::{Elements, JsonTest};
use crate::lookup::Lookup;

/// A yes-or-no question about one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every part holds; true when there is none. Evaluated left to right, stopping at the first that fails.
    All(Vec<Condition>),
    /// Some part holds; false when there is none. Evaluated left to right, stopping at the first that holds.
    Any(Vec<Condition>),
    /// Exactly one part holds (Falco's `oneof`); equal parts count each.
    ExactlyOne(Vec<Condition>),
    /// The part does not hold.
    Not(Box<Condition>),
    /// A leaf.
    Test(Test),
    /// A leaf that asks JSON values as they stand.
    Json(JsonTest),
    /// A condition put to the elements of arrays one by one.
    Elements(Elements),
}

/// A predicate put to the values of an expression. False when the expression is absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is looked at.
    pub subject: Expr,
    /// How many of the subject's values must satisfy the predicate.
    pub members: Members,
    /// What is asked of each value.
    pub predicate: Predicate,
}

/// How many values of a subject must satisfy a predicate. For a subject with one value both mean the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Members {
    /// All of them.
    All,
    /// At least one.
    Any,
}

/// Where values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A field of the event.
    Field(Field),
    /// A constant list of texts; one text is a list of one.
    Constant(Vec<BString>),
    /// A transformation of other expressions. Absent when any argument is absent or cannot be transformed.
    Transform(Transform, Vec<Expr>),
}

/// A function from values to values.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transform {
    /// Decodes base64 (RFC 4648, strict alphabet, padding optional), each value; absent when one fails.
    Base64,
    /// What follows the last slash of each value.
    Basename,
    /// All arguments joined to one text.
    Concat,
    /// The options of an argument vector after `getopt(3)`: arguments are a list and a constant option string,
    /// and optionally the letter of the one option whose last value is wanted.
    GetOpt,
    /// The values of all other arguments, in order, joined by the first one's text; absent when there is no other.
    Join,
    /// The number of values of a list.
    LenList,
    /// The number of bytes of a text.
    LenText,
    /// ASCII letters to lower case, each value.
    ToLower,
    /// ASCII letters to upper case, each value.
    ToUpper,
}

/// What is asked of one value.
///
/// A predicate with a text sees a value as it is printed ([`crate::Value::to_text`]): a truth value is `true` or
/// `false`, a point in time looks as its field says. A predicate with a number is false for all but numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Nothing: that there is a value is enough.
    Exists,
    /// The value stands in this relation to the needle. Texts compare bytewise, numbers as numbers.
    Compare(Compare, Needle),
    /// The value contains the needle.
    Contains(Needle, Case),
    /// The value ends with the needle.
    EndsWith(Needle, Case),
    /// The value starts with the needle.
    StartsWith(Needle, Case),
    /// The value is one of these texts.
    OneOf(Vec<BString>),
    /// The value is one of the values of another expression.
    OneOfValues(Expr),
    /// The whole value matches a pattern of fnmatch(3), "C" locale, no flags.
    Glob(BString, Case),
    /// The whole value matches one of these path prefixes, component by component; a component may be a glob
    /// (Falco's `pmatch`).
    PathPrefix(Vec<BString>),
    /// The value matches a regular expression in the syntax of the `regex` crate, Unicode mode on. The front end
    /// has translated its own dialect, anchors included, and has compiled the pattern once to report mistakes.
    /// Bytes that are no UTF-8 count as U+FFFD.
    Regex(String),
}

/// The other side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Needle {
    /// A constant number.
    Integer(i128),
    /// A constant text.
    Text(BString),
    /// The single value of another expression; the test is false when that is absent. Two numbers compare as
    /// numbers, anything else by its printed text.
    Value(Box<Expr>),
}

/// An ordering relation, read `value RELATION needle`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// Whether letter case matters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Case {
    /// `A` and `a` are equal; other than ASCII letters are not touched.
    AsciiInsensitive,
    /// Bytes are compared as they are.
    Sensitive,
}

impl Condition {
    /// A condition that is this one test.
    pub fn test(subject: Expr, members: Members, predicate: Predicate) -> Self {
        Self::Test(Test {
            subject,
            members,
            predicate,
        })
    }

    /// Calls `visit` with every expression of the tree, those inside predicates and transformations included.
    pub fn for_each_expr<'c>(&'c self, visit: &mut dyn FnMut(&'c Expr)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().for_each(|part| part.for_each_expr(visit));
            }
            Self::Not(part) => part.for_each_expr(visit),
            Self::Test(test) => {
                test.subject.for_each(visit);
                if let Some(expr) = test.predicate.expr() {
                    expr.for_each(visit);
                }
            }
            Self::Json(_) => {}
            Self::Elements(elements) => elements.condition.for_each_expr(visit),
        }
    }

    /// Calls `visit` with every field of the tree, whichever way it is asked.
    pub fn for_each_field<'c>(&'c self, visit: &mut dyn FnMut(&'c Field)) {
        self.for_each_expr(&mut |expr| {
            if let Expr::Field(field) = expr {
                visit(field);
            }
        });
        self.for_each_json(&mut |test| test.for_each_field(visit));
    }

    fn for_each_json<'c>(&'c self, visit: &mut dyn FnMut(&'c JsonTest)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().for_each(|part| part.for_each_json(visit));
            }
            Self::Not(part) => part.for_each_json(visit),
            Self::Test(_) => {}
            Self::Json(test) => visit(test),
            Self::Elements(elements) => elements.condition.for_each_json(visit),
        }
    }

    /// How many conditions there are in this one, itself included.
    pub fn parts(&self) -> usize {
        let below = match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().map(Self::parts).sum()
            }
            Self::Not(part) => part.parts(),
            Self::Test(_) | Self::Json(_) => 0,
            Self::Elements(elements) => elements.condition.parts(),
        };
        below + 1
    }

    /// Calls `visit` with every lookup that begins at the event; what is asked of the elements of arrays begins at these.
    pub fn for_each_lookup<'c>(&'c self, visit: &mut dyn FnMut(&'c Lookup)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::ExactlyOne(parts) => {
                parts.iter().for_each(|part| part.for_each_lookup(visit));
            }
            Self::Not(part) => part.for_each_lookup(visit),
            Self::Test(_) => {}
            Self::Json(test) => test.for_each_lookup(visit),
            Self::Elements(elements) => visit(&elements.of),
        }
    }
}

impl Expr {
    /// Calls `visit` with this expression and every argument below it.
    pub fn for_each<'c>(&'c self, visit: &mut dyn FnMut(&'c Expr)) {
        visit(self);
        if let Self::Transform(_, arguments) = self {
            arguments
                .iter()
                .for_each(|argument| argument.for_each(visit));
        }
    }
}

impl Predicate {
    /// The expression that the predicate reads besides its subject.
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Compare(_, needle)
            | Self::Contains(needle, _)
            | Self::EndsWith(needle, _)
            | Self::StartsWith(needle, _) => match needle {
                Needle::Value(expr) => Some(expr),
                Needle::Integer(_) | Needle::Text(_) => None,
            },
            Self::OneOfValues(expr) => Some(expr),
            Self::Exists
            | Self::OneOf(_)
            | Self::Glob(..)
            | Self::PathPrefix(_)
            | Self::Regex(_) => None,
        }
    }
}
