//! Conditions and outputs evaluated against one event.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bstr::ByteSlice;
use kubevigil_audit::json::{Duplicates, Found, Json, PathId};
use kubevigil_rules::condition::Case;
use kubevigil_rules::{EventContext, Inputs, Members, Read, Value, Values};
use smallvec::SmallVec;

use crate::check::{compare_holds, contains_folded, ends_with, starts_with};
use crate::compile::{
    Against, ExprPlan, FieldPlan, Node, NodeId, Program, Question, TestPlan, TextPlan,
};
use crate::keyword::Texts;
use crate::transform;

/// The answers of nodes for the current event. An entry of another generation is no answer, so a new event costs one
/// increment.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    answers: Vec<u32>,
    generation: u32,
}

impl Memo {
    /// Forgets all answers and makes room for `nodes` of them.
    pub(crate) fn start(&mut self, nodes: usize) {
        self.generation += 2;
        if self.generation >= u32::MAX - 2 {
            self.answers.clear();
            self.generation = 2;
        }
        self.answers.resize(nodes, 0);
    }

    fn get(&self, node: NodeId) -> Option<bool> {
        let answer = *self.answers.get(node)?;
        (answer & !1 == self.generation).then_some(answer & 1 == 1)
    }

    fn set(&mut self, node: NodeId, answer: bool) {
        if let Some(slot) = self.answers.get_mut(node) {
            *slot = self.generation | u32::from(answer);
        }
    }
}

/// Values of fields that were computed for an event, by the field's number.
pub(crate) type FieldValues<'e> = SmallVec<[(usize, Rc<Values<'e>>); 12]>;

/// One event before the program.
pub(crate) struct Evaluation<'a, 'e> {
    pub(crate) program: &'a Program,
    pub(crate) found: &'a Found<'a, 'e>,
    /// The same reading with the last of equal keys, for questions to JSON values. The same as `found` when no key came twice.
    pub(crate) found_last: &'a Found<'a, 'e>,
    pub(crate) event: &'a EventContext<'e>,
    /// The values of fields that are more than the text of a path. Few events get to ask for any.
    pub(crate) field_values: RefCell<FieldValues<'e>>,
    /// Working memory of [`Evaluation::read`].
    pub(crate) places: RefCell<Vec<Json<'e>>>,
    /// For questions to any value of the event.
    pub(crate) texts: Texts,
}

impl<'a, 'e> Evaluation<'a, 'e> {
    /// Whether the condition holds. Recursion follows the rule's nesting, which its reader bounds.
    pub(crate) fn holds(&self, node: NodeId, memo: &mut Memo) -> bool {
        if let Some(answer) = memo.get(node) {
            return answer;
        }
        let answer = match self.program.nodes.get(node) {
            Some(Node::All(parts)) => parts.iter().all(|&part| self.holds(part, memo)),
            Some(Node::Any(parts)) => parts.iter().any(|&part| self.holds(part, memo)),
            Some(Node::ExactlyOne(parts)) => {
                parts.iter().filter(|&&part| self.holds(part, memo)).count() == 1
            }
            Some(Node::Not(part)) => !self.holds(*part, memo),
            Some(Node::Test(test)) => self.test(test),
            Some(Node::Json(plan)) => self.json_holds(plan),
            Some(Node::Elements(plan)) => self.elements_hold(plan),
            None => false,
        };
        memo.set(node, answer);
        answer
    }

    /// The values of an expression. Shared, since a hostile event can hold a list of millions.
    pub(crate) fn values(&self, expr: &'a ExprPlan) -> Rc<Values<'a>>
    where
        'e: 'a,
    {
        Rc::new(match expr {
            ExprPlan::Constant(texts) => match texts.as_slice() {
                [text] => Values::One(Value::borrowed(text)),
                texts => Values::list(texts.iter().map(|text| Value::borrowed(text)).collect()),
            },
            ExprPlan::Field(field) => return self.field(*field),
            ExprPlan::Text(plan) => self.texts(plan),
            ExprPlan::Transform(transform, arguments) => {
                let arguments: Vec<Rc<Values<'a>>> = arguments
                    .iter()
                    .map(|argument| self.values(argument))
                    .collect();
                transform::apply(*transform, &arguments)
            }
        })
    }

    /// The text of a simple field, when it stands at one place.
    pub(crate) fn text(&self, plan: &TextPlan) -> Option<Cow<'e, [u8]>> {
        if plan
            .needs
            .is_some_and(|needs| self.found.get(needs).is_none())
        {
            return None;
        }
        self.found
            .get(plan.path)
            .map(|json| text_of(json, plan.cut_at_nul))
    }

    fn test(&self, test: &TestPlan) -> bool {
        if let (ExprPlan::Text(plan), Question::Check(check)) = (&test.subject, &test.question) {
            match self.text(plan) {
                Some(text) => return check.holds_for_text(&text),
                None if !self.found.crosses_array(plan.path) => return false,
                None => {}
            }
        }
        let subject = self.values(&test.subject);
        let mut values = subject.as_slice().iter();
        match test.members {
            Members::All => {
                values.len() > 0 && values.all(|value| self.answer(&test.question, value))
            }
            Members::Any => values.any(|value| self.answer(&test.question, value)),
        }
    }

    fn answer(&self, question: &Question, value: &Value<'_>) -> bool {
        match question {
            Question::Check(check) => check.holds_for(value),
            Question::OneOfValues(expr) => self
                .values(expr)
                .as_slice()
                .iter()
                .any(|other| value.to_text() == other.to_text()),
            Question::Against(against, expr) => match &*self.values(expr) {
                Values::One(other) => stands_against(*against, value, other),
                Values::Absent | Values::Many(_) => false,
            },
        }
    }

    fn texts(&self, plan: &TextPlan) -> Values<'e> {
        if let Some(text) = self.text(plan) {
            return Values::One(Value::Text(text));
        }
        if !self.found.crosses_array(plan.path)
            || plan
                .needs
                .is_some_and(|needs| self.found.get(needs).is_none())
        {
            return Values::Absent;
        }
        let mut places = Vec::new();
        self.add_places(plan.path, Duplicates::First, &mut places);
        Values::text(places.first().map(|&json| text_of(json, plan.cut_at_nul)))
    }

    fn field(&self, position: usize) -> Rc<Values<'e>> {
        let known = self
            .field_values
            .borrow()
            .iter()
            .find(|(known, _)| *known == position)
            .map(|(_, values)| Rc::clone(values));
        if let Some(values) = known {
            return values;
        }
        let values = self
            .program
            .fields
            .get(position)
            .map_or(Values::Absent, |plan| self.read(plan));
        let values = Rc::new(values);
        self.field_values
            .borrow_mut()
            .push((position, Rc::clone(&values)));
        values
    }

    fn read(&self, plan: &FieldPlan) -> Values<'e> {
        let read = match plan.field.read {
            Read::With(read) => read,
            Read::Part(_, part) => {
                let whole = plan.whole.map(|whole| self.field(whole));
                return whole.map_or(Values::Absent, |whole| part(&whole));
            }
            Read::Text { .. } => return Values::Absent,
        };
        if plan
            .needs
            .is_some_and(|needs| self.found.get(needs).is_none())
        {
            return Values::Absent;
        }
        // One buffer for all inputs of all fields of the event: a vector for each would be most of the time.
        let mut places = self.places.take();
        let mut ends = SmallVec::<[usize; 4]>::new();
        for (input, &path) in plan.field.inputs.iter().zip(&plan.inputs) {
            self.add_places(path, input.duplicates, &mut places);
            ends.push(places.len());
        }
        let mut start = 0;
        let found: SmallVec<[&[Json<'e>]; 4]> = ends
            .iter()
            .map(|&end| {
                let places = places.get(start..end).unwrap_or_default();
                start = end;
                places
            })
            .collect();
        let values = read(&Inputs {
            found: &found,
            argument: plan.field.argument.as_deref(),
            event: self.event,
        });
        drop(found);
        places.clear();
        self.places.replace(places);
        values
    }

    fn add_places(&self, path: PathId, duplicates: Duplicates, places: &mut Vec<Json<'e>>) {
        let found = match duplicates {
            Duplicates::First => self.found,
            Duplicates::Last => self.found_last,
        };
        found.places_with(path, duplicates, places);
    }
}

fn text_of(json: Json<'_>, cut_at_nul: bool) -> Cow<'_, [u8]> {
    let text = json.text();
    match memchr::memchr(0, &text) {
        Some(end) if cut_at_nul => Cow::Owned(text.get(..end).unwrap_or_default().to_vec()),
        _ => text,
    }
}

fn stands_against(against: Against, value: &Value<'_>, other: &Value<'_>) -> bool {
    if let (Against::Compare(compare), Value::Integer(value, _), Value::Integer(other, _)) =
        (against, value, other)
    {
        return compare_holds(compare, value, other);
    }
    let (value, other) = (value.to_text(), other.to_text());
    match against {
        Against::Compare(compare) => compare_holds(compare, &value, &other),
        Against::Contains(Case::AsciiInsensitive) => contains_folded(&value, &other),
        Against::Contains(Case::Sensitive) => value.contains_str(&other),
        Against::EndsWith(case) => ends_with(&value, &other, case),
        Against::StartsWith(case) => starts_with(&value, &other, case),
    }
}
