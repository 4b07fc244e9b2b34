//! Conditions compiled to one program.
//!
//! Equal parts of conditions, whichever rules they stand in, become one node: Falco's macros are written out in dozens of rules,
//! and their answer is the same for all of them. Parts are recognised as equal by their text form, which costs time at
//! load and none per event.

use std::sync::Arc;

use bstr::{BString, ByteSlice};
use hashbrown::HashMap;
use kubevigil_audit::json::{PathId, PathsBuilder};
use kubevigil_rules::condition::Case;
use kubevigil_rules::{
    Compare, Condition, Expr, Field, Lookup, Members, Needle, Predicate, Quantifier, Read, Rule,
    Template, Test, Transform,
};

use crate::check::{Check, TextSet};
use crate::glob::Glob;
use crate::json_plan::JsonPlan;
use crate::lookup::LookupPlan;
use crate::path_prefix::PathPrefixes;

/// A rule could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
#[error("rule \"{rule}\": {reason}")]
pub struct CompileError {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What is wrong with it.
    pub reason: String,
}

/// The position of a node in [`Program::nodes`].
pub(crate) type NodeId = usize;

/// All conditions as one graph without cycles.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Node>,
    pub(crate) fields: Vec<FieldPlan>,
    by_text: HashMap<String, NodeId>,
    field_by_name: HashMap<Arc<str>, usize>,
}

/// A part of a condition.
#[derive(Debug)]
pub(crate) enum Node {
    All(Box<[NodeId]>),
    Any(Box<[NodeId]>),
    ExactlyOne(Box<[NodeId]>),
    Not(NodeId),
    Test(TestPlan),
    Json(JsonPlan),
    Elements(ElementsPlan),
}

/// [`Elements`], compiled.
#[derive(Debug)]
pub(crate) struct ElementsPlan {
    pub(crate) of: LookupPlan,
    pub(crate) quantifier: Quantifier,
    /// A node whose lookups begin at the element.
    pub(crate) condition: NodeId,
}

/// A [`Test`], compiled.
#[derive(Debug)]
pub(crate) struct TestPlan {
    pub(crate) subject: ExprPlan,
    pub(crate) members: Members,
    pub(crate) question: Question,
}

/// A predicate, compiled.
#[derive(Debug)]
pub(crate) enum Question {
    /// It needs only the value.
    Check(Check),
    /// It compares with another expression's only value.
    Against(Against, ExprPlan),
    /// The value is among another expression's values.
    OneOfValues(ExprPlan),
}

/// How a value is compared with another expression's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against {
    Compare(Compare),
    Contains(Case),
    EndsWith(Case),
    StartsWith(Case),
}

/// An expression, compiled.
#[derive(Debug)]
pub(crate) enum ExprPlan {
    Constant(Vec<BString>),
    Field(usize),
    /// A field whose text stands at one path.
    Text(TextPlan),
    Transform(Transform, Vec<ExprPlan>),
}

/// Where the text of a simple field stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextPlan {
    pub(crate) path: PathId,
    pub(crate) needs: Option<PathId>,
    pub(crate) cut_at_nul: bool,
}

/// A field with its paths looked up.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) field: Field,
    pub(crate) inputs: Vec<PathId>,
    pub(crate) needs: Option<PathId>,
    /// The field that this one is a part of.
    pub(crate) whole: Option<usize>,
}

/// The output of a rule, compiled.
#[derive(Debug)]
pub(crate) struct OutputPlan {
    pub(crate) pieces: Vec<PiecePlan>,
    pub(crate) fields: Vec<(Arc<str>, ExprPlan)>,
}

/// A piece of an output.
#[derive(Debug)]
pub(crate) enum PiecePlan {
    Literal(String),
    Value(ExprPlan, Option<usize>),
}

impl Program {
    /// Adds a rule's condition and returns its root.
    pub(crate) fn add_rule(
        &mut self,
        rule: &Rule,
        paths: &mut PathsBuilder,
    ) -> Result<NodeId, CompileError> {
        let never = Condition::Any(Vec::new());
        self.condition(
            rule.condition().unwrap_or(&never),
            &mut Origin::Event(paths),
        )
        .map_err(|reason| CompileError {
            rule: Arc::clone(&rule.name),
            reason,
        })
    }

    /// Compiles a rule's output.
    pub(crate) fn add_output(
        &mut self,
        template: &Template,
        paths: &mut PathsBuilder,
    ) -> OutputPlan {
        let pieces = template.pieces.iter().map(|piece| match piece {
            kubevigil_rules::Piece::Literal(text) => PiecePlan::Literal(text.clone()),
            kubevigil_rules::Piece::Value { expr, width } => {
                PiecePlan::Value(self.expr(expr, paths), *width)
            }
        });
        let pieces = pieces.collect();
        let fields = template
            .fields
            .iter()
            .map(|field| (Arc::clone(&field.name), self.field(field, paths)));
        OutputPlan {
            pieces,
            fields: fields.collect(),
        }
    }

    /// Adds a condition, or finds it when it is known.
    pub(crate) fn condition(
        &mut self,
        condition: &Condition,
        origin: &mut Origin<'_>,
    ) -> Result<NodeId, String> {
        let text = match origin {
            Origin::Event(_) => format!("{condition:?}"),
            // The same words ask another thing of an element than of the event.
            Origin::Element => format!("in an element {condition:?}"),
        };
        if let Some(&known) = self.by_text.get(&text) {
            return Ok(known);
        }
        let node = self.node(condition, origin)?;
        self.nodes.push(node);
        self.by_text.insert(text, self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn node(&mut self, condition: &Condition, origin: &mut Origin<'_>) -> Result<Node, String> {
        Ok(match condition {
            Condition::All(parts) => Node::All(self.parts(parts, origin)?),
            Condition::Any(parts) => Node::Any(self.parts(parts, origin)?),
            Condition::ExactlyOne(parts) => Node::ExactlyOne(self.parts(parts, origin)?),
            Condition::Not(part) => Node::Not(self.condition(part, origin)?),
            Condition::Test(test) => match origin {
                Origin::Event(paths) => Node::Test(self.test(test, paths)?),
                Origin::Element => return Err(NO_ELEMENT.to_owned()),
            },
            Condition::Json(test) => Node::Json(self.json_plan(test, origin)?),
            Condition::Elements(elements) => Node::Elements(ElementsPlan {
                of: origin.lookup(&elements.of),
                quantifier: elements.quantifier,
                condition: self.condition(&elements.condition, &mut Origin::Element)?,
            }),
        })
    }

    fn parts(
        &mut self,
        parts: &[Condition],
        origin: &mut Origin<'_>,
    ) -> Result<Box<[NodeId]>, String> {
        parts
            .iter()
            .map(|part| self.condition(part, origin))
            .collect()
    }

    fn test(&mut self, test: &Test, paths: &mut PathsBuilder) -> Result<TestPlan, String> {
        let subject = self.expr(&test.subject, paths);
        let question = self.question(&test.predicate, paths)?;
        Ok(TestPlan {
            subject,
            members: test.members,
            question,
        })
    }

    fn question(
        &mut self,
        predicate: &Predicate,
        paths: &mut PathsBuilder,
    ) -> Result<Question, String> {
        let (against, needle) = match predicate {
            Predicate::OneOfValues(expr) => {
                return Ok(Question::OneOfValues(self.expr(expr, paths)));
            }
            Predicate::Compare(compare, Needle::Value(needle)) => {
                (Against::Compare(*compare), needle)
            }
            Predicate::Contains(Needle::Value(needle), case) => (Against::Contains(*case), needle),
            Predicate::EndsWith(Needle::Value(needle), case) => (Against::EndsWith(*case), needle),
            Predicate::StartsWith(Needle::Value(needle), case) => {
                (Against::StartsWith(*case), needle)
            }
            _ => return check(predicate).map(Question::Check),
        };
        Ok(Question::Against(against, self.expr(needle, paths)))
    }

    pub(crate) fn expr(&mut self, expr: &Expr, paths: &mut PathsBuilder) -> ExprPlan {
        match expr {
            Expr::Constant(texts) => ExprPlan::Constant(texts.clone()),
            Expr::Field(field) => self.field(field, paths),
            Expr::Transform(transform, arguments) => {
                let arguments = arguments.iter().map(|argument| self.expr(argument, paths));
                ExprPlan::Transform(*transform, arguments.collect())
            }
        }
    }

    pub(crate) fn field(&mut self, field: &Field, paths: &mut PathsBuilder) -> ExprPlan {
        let needs = field.needs.as_ref().map(|path| add_path(path, paths));
        let inputs: Vec<PathId> = field
            .inputs
            .iter()
            .map(|path| add_path(path, paths))
            .collect();
        if let (Read::Text { cut_at_nul }, [path]) = (field.read, inputs.as_slice()) {
            return ExprPlan::Text(TextPlan {
                path: *path,
                needs,
                cut_at_nul,
            });
        }
        if let Some(&known) = self.field_by_name.get(&field.name) {
            return ExprPlan::Field(known);
        }
        let whole = field.whole().map(|whole| self.field(&whole, paths));
        let whole = match whole {
            Some(ExprPlan::Field(position)) => Some(position),
            _ => None,
        };
        self.fields.push(FieldPlan {
            field: field.clone(),
            inputs,
            needs,
            whole,
        });
        let position = self.fields.len() - 1;
        self.field_by_name.insert(Arc::clone(&field.name), position);
        ExprPlan::Field(position)
    }
}

pub(crate) const NO_ELEMENT: &str = "a field cannot be asked of an element";

/// Where the lookups of a condition begin.
pub(crate) enum Origin<'p> {
    /// At the event, in the pass over it.
    Event(&'p mut PathsBuilder),
    /// At an element of an array.
    Element,
}

impl Origin<'_> {
    pub(crate) fn lookup(&mut self, lookup: &Lookup) -> LookupPlan {
        match self {
            Self::Event(paths) => LookupPlan::new(lookup, paths),
            Self::Element => LookupPlan::relative(lookup),
        }
    }
}

fn add_path(path: &kubevigil_rules::JsonPath, paths: &mut PathsBuilder) -> PathId {
    let keys: Vec<&str> = path.keys.iter().map(AsRef::as_ref).collect();
    paths.add(&keys)
}

/// Compiles a predicate that needs only the value.
fn check(predicate: &Predicate) -> Result<Check, String> {
    Ok(match predicate {
        Predicate::Compare(compare, Needle::Integer(number)) => Check::Number(*compare, *number),
        Predicate::Compare(Compare::Equal, Needle::Text(text)) => Check::Equals(text.clone()),
        Predicate::Compare(compare, Needle::Text(text)) => Check::Order(*compare, text.clone()),
        Predicate::Contains(needle, Case::Sensitive) => Check::Contains(Box::new(
            memchr::memmem::Finder::new(text(needle).as_slice()).into_owned(),
        )),
        Predicate::Contains(needle, Case::AsciiInsensitive) => Check::ContainsFolded(text(needle)),
        Predicate::EndsWith(needle, case) => Check::EndsWith(text(needle), *case),
        Predicate::StartsWith(needle, case) => Check::StartsWith(text(needle), *case),
        Predicate::Glob(pattern, case) => {
            Check::Glob(Glob::new(pattern, *case == Case::AsciiInsensitive))
        }
        Predicate::OneOf(texts) => Check::OneOf(TextSet::new(texts)),
        Predicate::PathPrefix(paths) => Check::PathPrefix(PathPrefixes::new(paths)),
        Predicate::Regex(pattern) => Check::Regex(Box::new(regex(pattern)?)),
        Predicate::Exists | Predicate::OneOfValues(_) | Predicate::Compare(_, Needle::Value(_)) => {
            Check::Exists
        }
    })
}

fn text(needle: &Needle) -> BString {
    match needle {
        Needle::Integer(number) => number.to_string().into(),
        Needle::Text(text) => text.clone(),
        Needle::Value(_) => BString::default(),
    }
}

fn regex(pattern: &str) -> Result<regex::bytes::Regex, String> {
    regex::bytes::Regex::new(pattern).map_err(|error| {
        format!(
            "the regular expression `{}` does not compile: {error}",
            pattern.as_bytes().as_bstr()
        )
    })
}
