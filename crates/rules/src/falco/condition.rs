//! Falco's conditions: text in, a [`Condition`](crate::Condition) out.
//!
//! Three steps with a value between each. [`parse`] turns text into an [`Ast`] and knows nothing of fields.
//! [`Ast::substitute`] puts macros in. [`compile`] looks up the fields, checks types and values, and spells out
//! Falco's semantics in the language-neutral tree: `a != b` becomes "`a` exists and not `a` equals `b`", a list's `in`
//! becomes "all values are among".
//!
//! The grammar is read as Falco's own reader does (spec 2.1), oddities included, because rule files in the wild
//! depend on them: `ka.verb increate` is `in create`, and `a or(b)and c` is a mistake. A tidier grammar generator
//! would accept a slightly different language and would fail rules that Falco loads.
//!
//! Parsing stops at the first mistake, since what follows it cannot be trusted; compiling reports all of them. Depth is
//! bounded at both steps, so everything that walks the tree may recurse.

mod ast;
mod display;
mod lexer;
mod lower;
mod operator;
mod parser;
mod problem;
mod regex;
mod terms;
mod typed;
mod types;
mod values;
mod warnings;

pub use ast::{
    Ast, Check, Literal, MAX_DEPTH, MAX_SIZE, MacroRef, Node, Place, Right, Term, TooBig, Within,
};
pub use lower::{CompileOptions, Compiled, check_field_expression, compile};
pub use operator::{Modifier, Operator, OperatorKind, OperatorShape, TransformName, is_operator};
pub use parser::{SyntaxError, parse};
pub use problem::{Problem, ProblemClass, Warning};

pub(super) use lower::Lowering;
pub(super) use parser::parse_term_prefix;
