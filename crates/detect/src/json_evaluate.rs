//! Questions to JSON values, evaluated against one event or one element of it.

use std::borrow::Cow;

use bstr::ByteSlice;
use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_rules::json_test::{Relation, fold, scalar_text};
use kubevigil_rules::lookup::{any_member, any_scalar};
use kubevigil_rules::{Letters, Quantifier, Values};
use smallvec::SmallVec;

use crate::compile::{ElementsPlan, ExprPlan, Node, NodeId};
use crate::evaluate::Evaluation;
use crate::index::{KeyPlan, Unknown};
use crate::json_plan::{JsonPlan, JsonQuestion, SubjectPlan};
use crate::lookup::{LookupPlan, Place};

impl<'e> Evaluation<'_, 'e> {
    /// Whether a question to values of the event has the answer yes.
    pub(crate) fn json_holds(&self, plan: &JsonPlan) -> bool {
        self.json_holds_in(plan, None)
    }

    /// Whether as many elements as wanted satisfy a condition.
    pub(crate) fn elements_hold(&self, plan: &ElementsPlan) -> bool {
        self.elements_hold_in(plan, None)
    }

    /// The value of a key of the index.
    pub(crate) fn index_value(&self, plan: &KeyPlan) -> Result<Option<Cow<'e, [u8]>>, Unknown> {
        match plan {
            KeyPlan::Text(plan) => match self.text(plan) {
                None if self.found.crosses_array(plan.path) => Err(Unknown),
                text => Ok(text),
            },
            KeyPlan::Lookup(plan) => match plan.place(self.found_last) {
                Place::One(value) => Ok(value.and_then(scalar_text).map(folded)),
                Place::Several => Err(Unknown),
            },
            KeyPlan::Derived(field) => match &*self.values(field) {
                Values::Absent => Ok(None),
                Values::One(value) => Ok(Some(Cow::Owned(fold(&value.to_text()).into_owned()))),
                Values::Many(_) => Err(Unknown),
            },
        }
    }

    /// Whether a condition holds for an element. Answers are not remembered: each element has its own.
    pub(crate) fn holds_in(&self, node: NodeId, element: Json<'e>) -> bool {
        match self.program.nodes.get(node) {
            Some(Node::All(parts)) => parts.iter().all(|&part| self.holds_in(part, element)),
            Some(Node::Any(parts)) => parts.iter().any(|&part| self.holds_in(part, element)),
            Some(Node::ExactlyOne(parts)) => {
                let holding = parts.iter().filter(|&&part| self.holds_in(part, element));
                holding.count() == 1
            }
            Some(Node::Not(part)) => !self.holds_in(*part, element),
            Some(Node::Json(plan)) => self.json_holds_in(plan, Some(element)),
            Some(Node::Elements(plan)) => self.elements_hold_in(plan, Some(element)),
            Some(Node::Test(_)) | None => false,
        }
    }

    fn json_holds_in(&self, plan: &JsonPlan, element: Option<Json<'e>>) -> bool {
        let lookup = match &plan.subject {
            SubjectPlan::AnyScalar(hint) => {
                let whole = element.or_else(|| self.whole());
                if let (Some(hint), Some(event), None) = (hint, whole, element)
                    && !hint.may_hold(&self.texts, event)
                {
                    return false;
                }
                return whole.is_some_and(|whole| {
                    any_scalar(whole, &mut |value| {
                        self.answers(&plan.question, value, element)
                    })
                });
            }
            SubjectPlan::Field(field) => return self.field_holds(field, &plan.question),
            SubjectPlan::Lookup(lookup) => lookup,
        };
        if element.is_none()
            && let Place::One(place) = lookup.place(self.found_last)
        {
            return self.answer_for_places(&plan.question, place.as_slice(), element);
        }
        let places = self.places_of(lookup, element);
        self.answer_for_places(&plan.question, &places, element)
    }

    /// Whether some value of a derived field satisfies the question. What is absent is missing.
    fn field_holds(&self, field: &ExprPlan, question: &JsonQuestion) -> bool {
        let values = self.values(field);
        let mut values = values.as_slice().iter();
        match question {
            JsonQuestion::Exists => values.len() > 0,
            JsonQuestion::Null => values.len() == 0,
            JsonQuestion::Check(check) => values.any(|value| check.holds_for_value(value)),
            JsonQuestion::Against(other, relation, letters) => values
                .any(|value| self.stands_to(other, *relation, *letters, &value.to_text(), None)),
        }
    }

    fn answer_for_places(
        &self,
        question: &JsonQuestion,
        places: &[Json<'e>],
        element: Option<Json<'e>>,
    ) -> bool {
        match question {
            JsonQuestion::Exists => !places.is_empty(),
            JsonQuestion::Null if places.is_empty() => true,
            _ => places.iter().any(|&place| {
                any_member(place, &mut |value| self.answers(question, value, element))
            }),
        }
    }

    fn answers(&self, question: &JsonQuestion, value: Json<'e>, element: Option<Json<'e>>) -> bool {
        match question {
            JsonQuestion::Exists => true,
            JsonQuestion::Null => value.kind() == JsonKind::Null,
            JsonQuestion::Check(check) => check.holds_for(value),
            JsonQuestion::Against(other, relation, letters) => scalar_text(value)
                .is_some_and(|text| self.stands_to(other, *relation, *letters, &text, element)),
        }
    }

    /// Whether a text is in the relation to some value of another subject.
    fn stands_to(
        &self,
        other: &SubjectPlan,
        relation: Relation,
        letters: Letters,
        text: &[u8],
        element: Option<Json<'e>>,
    ) -> bool {
        let stands = |other: &[u8]| stands(relation, letters, text, other);
        match other {
            SubjectPlan::AnyScalar(_) => false,
            SubjectPlan::Field(field) => {
                let values = self.values(field);
                values
                    .as_slice()
                    .iter()
                    .any(|value| stands(&value.to_text()))
            }
            SubjectPlan::Lookup(lookup) => self.places_of(lookup, element).iter().any(|&place| {
                any_member(place, &mut |other| {
                    scalar_text(other).is_some_and(|other| stands(&other))
                })
            }),
        }
    }

    fn elements_hold_in(&self, plan: &ElementsPlan, element: Option<Json<'e>>) -> bool {
        let places = self.places_of(&plan.of, element);
        let mut elements = places.iter().flat_map(|&place| elements_of(place));
        let holds = |element: Json<'e>| self.holds_in(plan.condition, element);
        match plan.quantifier {
            Quantifier::Any => elements.any(holds),
            Quantifier::None => !elements.any(holds),
            Quantifier::AllOrEmpty => elements.all(holds),
            Quantifier::All => {
                let mut elements = elements.peekable();
                elements.peek().is_some() && elements.all(holds)
            }
        }
    }

    pub(crate) fn places_of(
        &self,
        lookup: &LookupPlan,
        element: Option<Json<'e>>,
    ) -> Vec<Json<'e>> {
        let mut places = Vec::new();
        match element {
            Some(element) => lookup.places_in(element, &mut places),
            None => lookup.places(self.found_last, || self.whole(), &mut places),
        }
        places
    }

    /// Everything that stands at a lookup that begins at the event.
    pub(crate) fn places_at(&self, lookup: &LookupPlan) -> SmallVec<[Json<'e>; 1]> {
        match lookup.place(self.found_last) {
            Place::One(place) => place.into_iter().collect(),
            Place::Several => self.places_of(lookup, None).into(),
        }
    }

    fn whole(&self) -> Option<Json<'e>> {
        Json::first_in(self.event.raw)
    }
}

/// What a block's condition is put to: the elements of an array, a value that is none itself, nothing for null.
pub(crate) fn elements_of<'e>(place: Json<'e>) -> impl Iterator<Item = Json<'e>> {
    let itself = match place.kind() {
        JsonKind::Array | JsonKind::Null => None,
        _ => Some(place),
    };
    itself.into_iter().chain(place.elements())
}

fn folded(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => fold(text),
        Cow::Owned(text) => Cow::Owned(fold(&text).into_owned()),
    }
}

fn stands(relation: Relation, letters: Letters, text: &[u8], other: &[u8]) -> bool {
    let (text, other) = match letters {
        Letters::Exact => (Cow::Borrowed(text), Cow::Borrowed(other)),
        Letters::Folded => (fold(text), fold(other)),
    };
    match relation {
        Relation::Equals => text == other,
        Relation::Contains => text.contains_str(&other),
        Relation::StartsWith => text.starts_with(&other),
        Relation::EndsWith => text.ends_with(&other),
    }
}
