//! Why a condition holds for an event, or does not: every part with its answer and the values that were found.
//!
//! The matcher stops at the first part that decides. Here every part is asked, by the same program that the matcher runs, so that what
//! is explained is what happens. Meant for people at a terminal: it compiles the condition for one event.

mod words;

use std::cell::RefCell;

use kubevigil_audit::json::{Duplicates, Json, JsonKind, PathScratch, PathsBuilder};
use kubevigil_rules::lookup::any_member;
use kubevigil_rules::{Condition, EventContext, JsonPredicate, Needle, Predicate, Subject};

use crate::compile::{ExprPlan, NodeId, Origin, Program};
use crate::evaluate::{Evaluation, Memo};
use crate::event_time::EventTime;
use crate::json_evaluate::elements_of;
use crate::json_plan::SubjectPlan;
use crate::keyword::Texts;
use crate::lookup::LookupPlan;
use crate::matcher::{EventError, Position};

/// A part of a condition, put to an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The part in words: `all of these`, `verb is get`.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was found where it looks. Empty for parts that are made of others.
    pub found: Vec<Found>,
    /// What it is made of. For a condition on the elements of a list, an explanation of each element.
    pub parts: Vec<Explanation>,
    /// Elements beyond the first [`MAX_ELEMENTS`], which are not among `parts`.
    pub more: usize,
}

/// What was found in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The name as the rule says it.
    pub name: String,
    /// The values as text, the first [`MAX_VALUES`], each of at most [`MAX_TEXT`] bytes. Written by clients.
    pub values: Vec<Vec<u8>>,
    /// How many values there are; 0 when there is nothing.
    pub total: usize,
}

/// The most elements of a list that are explained.
pub const MAX_ELEMENTS: usize = 16;
/// The most values that are shown of one place.
pub const MAX_VALUES: usize = 16;
/// The most bytes that are shown of one value.
pub const MAX_TEXT: usize = 512;

/// A condition cannot be explained.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExplainError {
    /// The condition cannot be compiled; the matcher would have said so too.
    #[error("the condition cannot be compiled: {0}")]
    Condition(String),
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// Explains a condition on an event. `event` is one JSON object.
pub fn explain(
    condition: &Condition,
    event: &[u8],
    position: &Position,
) -> Result<Explanation, ExplainError> {
    let (mut program, mut paths) = (Program::default(), PathsBuilder::default());
    let times = EventTime::new(&mut paths);
    let plan = Plan::new(condition, &mut program, &mut Origin::Event(&mut paths));
    let plan = plan.map_err(ExplainError::Condition)?;
    let paths = paths.build();
    let (mut first, mut last) = (PathScratch::default(), PathScratch::default());
    let found = paths
        .read(event, Duplicates::First, &mut first)
        .map_err(EventError)?;
    let found_last = paths
        .read(event, Duplicates::Last, &mut last)
        .map_err(EventError)?;
    let time = times.of(&found).unwrap_or(position.received);
    let context = EventContext {
        raw: event,
        number: position.number,
        time,
        first_time: position.first_time.unwrap_or(time),
    };
    let evaluation = Evaluation {
        program: &program,
        found: &found,
        found_last: &found_last,
        event: &context,
        field_values: RefCell::default(),
        places: RefCell::new(Vec::new()),
        texts: Texts::default(),
    };
    let mut memo = Memo::default();
    memo.start(program.nodes.len());
    Ok(Asking {
        evaluation: &evaluation,
        memo: RefCell::new(memo),
    }
    .explain(&plan, None))
}

/// A part of the condition, compiled.
struct Plan {
    text: String,
    node: NodeId,
    places: Vec<(String, Place)>,
    parts: Parts,
}

enum Parts {
    Of(Vec<Plan>),
    OfElements(LookupPlan, Box<Plan>),
}

/// Where values stand.
enum Place {
    Expr(ExprPlan),
    Lookup(LookupPlan),
}

impl Plan {
    /// Recursion follows the condition's nesting, which rule readers bound.
    fn new(
        condition: &Condition,
        program: &mut Program,
        origin: &mut Origin<'_>,
    ) -> Result<Self, String> {
        let node = program.condition(condition, origin)?;
        let parts = match condition {
            Condition::All(parts) | Condition::Any(parts) | Condition::ExactlyOne(parts) => {
                let parts: Result<_, _> = parts
                    .iter()
                    .map(|part| Self::new(part, program, origin))
                    .collect();
                Parts::Of(parts?)
            }
            Condition::Not(part) => Parts::Of(vec![Self::new(part, program, origin)?]),
            Condition::Test(_) | Condition::Json(_) => Parts::Of(Vec::new()),
            Condition::Elements(elements) => {
                let inner = Self::new(&elements.condition, program, &mut Origin::Element)?;
                Parts::OfElements(origin.lookup(&elements.of), Box::new(inner))
            }
        };
        let places = places(condition, program, origin)?;
        Ok(Self {
            text: words::condition(condition),
            node,
            places,
            parts,
        })
    }
}

/// Where a leaf looks, and with what it compares.
fn places(
    condition: &Condition,
    program: &mut Program,
    origin: &mut Origin<'_>,
) -> Result<Vec<(String, Place)>, String> {
    let mut places = Vec::new();
    match (condition, origin) {
        (Condition::Test(test), Origin::Event(paths)) => {
            let needle = match &test.predicate {
                Predicate::OneOfValues(expr) => Some(expr),
                Predicate::Compare(_, Needle::Value(expr))
                | Predicate::Contains(Needle::Value(expr), _)
                | Predicate::EndsWith(Needle::Value(expr), _)
                | Predicate::StartsWith(Needle::Value(expr), _) => Some(expr.as_ref()),
                _ => None,
            };
            for expr in std::iter::once(&test.subject).chain(needle) {
                places.push((words::expr(expr), Place::Expr(program.expr(expr, paths))));
            }
        }
        (Condition::Json(test), origin) => {
            let other = match &test.predicate {
                JsonPredicate::Against(other, ..) => Some(other.as_ref()),
                _ => None,
            };
            for subject in std::iter::once(&test.subject).chain(other) {
                places.extend(place(subject, program, origin)?);
            }
        }
        (Condition::Elements(elements), origin) => {
            let lookup = origin.lookup(&elements.of);
            places.push((elements.of.name.to_string(), Place::Lookup(lookup)));
        }
        _ => {}
    }
    Ok(places)
}

fn place(
    subject: &Subject,
    program: &mut Program,
    origin: &mut Origin<'_>,
) -> Result<Option<(String, Place)>, String> {
    let place = match program.subject(subject, origin)? {
        SubjectPlan::AnyScalar(_) => return Ok(None),
        SubjectPlan::Field(plan) => Place::Expr(plan),
        SubjectPlan::Lookup(plan) => Place::Lookup(plan),
    };
    Ok(Some((words::subject(subject), place)))
}

/// An event that is asked.
struct Asking<'a, 'e> {
    evaluation: &'a Evaluation<'a, 'e>,
    memo: RefCell<Memo>,
}

impl<'a, 'e> Asking<'a, 'e> {
    fn explain(&self, plan: &Plan, element: Option<Json<'e>>) -> Explanation {
        let holds = match element {
            Some(element) => self.evaluation.holds_in(plan.node, element),
            None => self
                .evaluation
                .holds(plan.node, &mut self.memo.borrow_mut()),
        };
        let (parts, more) = match &plan.parts {
            Parts::Of(parts) => (
                parts
                    .iter()
                    .map(|part| self.explain(part, element))
                    .collect(),
                0,
            ),
            Parts::OfElements(lookup, inner) => self.elements(lookup, inner, element),
        };
        let found = plan
            .places
            .iter()
            .map(|(name, place)| self.found(name, place, element));
        Explanation {
            text: plan.text.clone(),
            holds,
            found: found.collect(),
            parts,
            more,
        }
    }

    /// Each element on its own.
    fn elements(
        &self,
        lookup: &LookupPlan,
        inner: &Plan,
        element: Option<Json<'e>>,
    ) -> (Vec<Explanation>, usize) {
        let places = self.evaluation.places_of(lookup, element);
        let elements: Vec<Json<'e>> = places
            .iter()
            .flat_map(|&place| elements_of(place))
            .collect();
        let shown = elements
            .iter()
            .take(MAX_ELEMENTS)
            .enumerate()
            .map(|(number, &element)| {
                let inner = self.explain(inner, Some(element));
                Explanation {
                    text: format!("element {number}"),
                    holds: inner.holds,
                    found: Vec::new(),
                    parts: vec![inner],
                    more: 0,
                }
            });
        (shown.collect(), elements.len().saturating_sub(MAX_ELEMENTS))
    }

    fn found(&self, name: &str, place: &Place, element: Option<Json<'e>>) -> Found {
        let mut found = Found {
            name: name.to_owned(),
            values: Vec::new(),
            total: 0,
        };
        match place {
            Place::Expr(expr) => {
                let values = self.evaluation.values(expr);
                values
                    .as_slice()
                    .iter()
                    .for_each(|value| found.add(&value.to_text()));
            }
            Place::Lookup(lookup) => {
                for place in self.evaluation.places_of(lookup, element) {
                    any_member(place, &mut |value| {
                        found.add(&value.text());
                        false
                    });
                    // An empty list is something else than nothing.
                    if place.kind() == JsonKind::Array && place.elements().next().is_none() {
                        found.add(b"[]");
                    }
                }
            }
        }
        found
    }
}

impl Found {
    fn add(&mut self, text: &[u8]) {
        self.total += 1;
        if self.values.len() < MAX_VALUES {
            self.values
                .push(text.get(..MAX_TEXT).unwrap_or(text).to_vec());
        }
    }
}
