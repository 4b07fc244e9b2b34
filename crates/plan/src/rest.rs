//! What is left of a condition when some values of the event are known.
//!
//! A rest holds only tests that are still open, so whether any body matters is read off it, and filling in a value that no test of it reads
//! costs nothing.

use std::cell::Cell;
use std::rc::Rc;

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_rules::Condition;

use crate::known::{Answer, Known, Solver};
use crate::leaf::Leaf;
use crate::probe::Target;

/// What is left of a condition.
#[derive(Debug)]
pub struct Rest<'c> {
    form: Form<'c>,
    /// What its tests read.
    reads: Values,
    level: PolicyLevel,
    /// The answers at levels that carry fewer bodies, once they were asked for.
    below: [Cell<Option<Answer>>; 4],
}

#[derive(Debug)]
enum Form<'c> {
    Decided(bool),
    Leaf(&'c Condition, u32),
    All(Vec<Rc<Rest<'c>>>),
    Any(Vec<Rc<Rest<'c>>>),
    /// Whether one part holds already, and the others.
    ExactlyOne(bool, Vec<Rc<Rest<'c>>>),
    Not(Rc<Rest<'c>>),
}

/// A set of values of an event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Values(u16);

impl Values {
    /// The resource.
    pub const RESOURCE: Self = Self(1);
    /// The API group.
    pub const GROUP: Self = Self(1 << 1);
    /// The subresource.
    pub const SUBRESOURCE: Self = Self(1 << 2);
    /// All of what is asked for.
    pub const TARGET: Self = Self(0b111);
    /// The verb.
    pub const VERB: Self = Self(1 << 3);
    /// The stage.
    pub const STAGE: Self = Self(1 << 4);
    /// The namespace.
    pub const NAMESPACE: Self = Self(1 << 5);
    /// The kind of user.
    pub const USER: Self = Self(1 << 6);
    /// The name of the user, which not every kind of user says.
    pub const USER_NAME: Self = Self(1 << 7);
    /// The body of the request, of which only its absence is ever known.
    pub const REQUEST_BODY: Self = Self(1 << 8);
    /// The body of the response, of which only its absence is ever known.
    pub const RESPONSE_BODY: Self = Self(1 << 9);
    /// What is never known before a request is made.
    pub const NEVER_KNOWN: Self = Self(1 << 10);
    /// Both bodies.
    pub const BODIES: Self = Self(0b11 << 8);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have something in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    fn of(known: &Known<'_>) -> Self {
        // Requests outside the resources have no bodies that are recorded, and nothing has any before it is handled.
        let has_none = matches!(known.target, Some(Target::Path(_)))
            || known.stage == Some(PolicyStage::RequestReceived);
        let level = match known.level {
            _ if has_none => PolicyLevel::Metadata,
            level => level.unwrap_or(PolicyLevel::RequestResponse),
        };
        [
            (known.target.is_some(), Self::TARGET),
            (known.verb.is_some(), Self::VERB),
            (known.stage.is_some(), Self::STAGE),
            (
                known.target.is_some() && known.namespace.is_some(),
                Self::NAMESPACE,
            ),
            (known.user.is_some(), Self::USER),
            (
                known.user.is_some_and(|user| user.is_exact),
                Self::USER_NAME,
            ),
            (level < PolicyLevel::Request, Self::REQUEST_BODY),
            (level < PolicyLevel::RequestResponse, Self::RESPONSE_BODY),
        ]
        .into_iter()
        .filter(|(is_known, _)| *is_known)
        .fold(Self::default(), |all, (_, values)| all.and(values))
    }
}

impl<'c> Rest<'c> {
    fn new(form: Form<'c>, reads: Values, level: PolicyLevel) -> Rc<Self> {
        Rc::new(Self {
            form,
            reads,
            level,
            below: Default::default(),
        })
    }

    fn decided(answer: bool) -> Rc<Self> {
        Self::new(
            Form::Decided(answer),
            Values::default(),
            PolicyLevel::Metadata,
        )
    }

    fn of_parts(form: impl FnOnce(Vec<Rc<Self>>) -> Form<'c>, parts: Vec<Rc<Self>>) -> Rc<Self> {
        let reads = parts
            .iter()
            .fold(Values::default(), |all, part| all.and(part.reads));
        let level = parts.iter().map(|part| part.level).max();
        Self::new(form(parts), reads, level.unwrap_or(PolicyLevel::Metadata))
    }

    fn not(part: Rc<Self>) -> Rc<Self> {
        match part.form {
            Form::Decided(answer) => Self::decided(!answer),
            _ => {
                let (reads, level) = (part.reads, part.level);
                Self::new(Form::Not(part), reads, level)
            }
        }
    }

    /// Parts of which one with `deciding` as its answer decides, and without one the others.
    fn joined(parts: Vec<Rc<Self>>, deciding: bool) -> Rc<Self> {
        let mut open = Vec::new();
        for part in parts {
            match part.form {
                Form::Decided(answer) if answer == deciding => return part,
                Form::Decided(_) => {}
                _ => open.push(part),
            }
        }
        match (open.len(), open.pop()) {
            (1, Some(only)) => only,
            (_, None) => Self::decided(!deciding),
            (_, Some(last)) => {
                open.push(last);
                let form = if deciding { Form::Any } else { Form::All };
                Self::of_parts(form, open)
            }
        }
    }

    fn exactly_one(one_holds: bool, parts: Vec<Rc<Self>>) -> Rc<Self> {
        let mut holding = usize::from(one_holds);
        let mut open = Vec::new();
        for part in parts {
            match part.form {
                Form::Decided(answer) => holding += usize::from(answer),
                _ => open.push(part),
            }
        }
        match (holding, open.is_empty()) {
            (2.., _) => Self::decided(false),
            (_, true) => Self::decided(holding == 1),
            (_, false) => Self::of_parts(|open| Form::ExactlyOne(holding == 1, open), open),
        }
    }

    /// The answer, as far as there is one.
    pub fn answer(&self) -> Answer {
        match self.form {
            Form::Decided(true) => Answer::True,
            Form::Decided(false) => Answer::False,
            _ => Answer::Open,
        }
    }

    /// The least level that carries every body which the answer depends on, `Metadata` when it depends on none.
    pub fn level(&self) -> PolicyLevel {
        self.level
    }
}

impl Solver {
    /// The whole of a condition. Recursion follows its nesting, which rule readers bound.
    pub fn rest<'c>(&self, condition: &'c Condition) -> Rc<Rest<'c>> {
        let all = |parts: &'c [Condition]| parts.iter().map(|part| self.rest(part)).collect();
        match condition {
            Condition::All(parts) => Rest::joined(all(parts), false),
            Condition::Any(parts) => Rest::joined(all(parts), true),
            Condition::ExactlyOne(parts) => Rest::exactly_one(false, all(parts)),
            Condition::Not(part) => Rest::not(self.rest(part)),
            leaf => {
                let Leaf { reads, level } = Leaf::of(leaf);
                let id = self.id(leaf);
                if reads == Values::default() {
                    // It reads nothing that differs between requests.
                    return Rest::decided(
                        self.leaf(leaf, id, reads, &Known::default()) == Answer::True,
                    );
                }
                Rest::new(Form::Leaf(leaf, id), reads, level)
            }
        }
    }

    /// What is left when `new` values became known; `known` has them and those before.
    pub fn narrow<'c>(&self, rest: &Rc<Rest<'c>>, known: &Known<'_>, new: Values) -> Rc<Rest<'c>> {
        if new == Values::ALL || rest.reads.meets(new) {
            self.narrowed(rest, known, Values::of(known), new)
        } else {
            Rc::clone(rest)
        }
    }

    fn narrowed<'c>(
        &self,
        rest: &Rc<Rest<'c>>,
        known: &Known<'_>,
        values: Values,
        new: Values,
    ) -> Rc<Rest<'c>> {
        if new != Values::ALL && !rest.reads.meets(new) {
            return Rc::clone(rest);
        }
        let all = |parts: &[Rc<Rest<'c>>]| {
            let parts = parts.iter();
            parts
                .map(|part| self.narrowed(part, known, values, new))
                .collect()
        };
        match &rest.form {
            Form::Decided(_) => Rc::clone(rest),
            Form::Leaf(leaf, id) if rest.reads.is_within(values) => {
                match self.leaf(leaf, *id, rest.reads, known) {
                    Answer::True => Rest::decided(true),
                    Answer::False => Rest::decided(false),
                    Answer::Open => Rc::clone(rest),
                }
            }
            // A new one: answers that are remembered were those for other values.
            Form::Leaf(leaf, id) => Rest::new(Form::Leaf(leaf, *id), rest.reads, rest.level),
            Form::All(parts) => Rest::joined(all(parts), false),
            Form::Any(parts) => Rest::joined(all(parts), true),
            Form::ExactlyOne(one_holds, parts) => Rest::exactly_one(*one_holds, all(parts)),
            Form::Not(part) => Rest::not(self.narrowed(part, known, values, new)),
        }
    }

    /// The answer when the event is recorded at `level`; all other values are as in `known`.
    pub fn answer_at(&self, rest: &Rc<Rest<'_>>, known: &Known<'_>, level: PolicyLevel) -> Answer {
        let bodies = Values::BODIES;
        if !rest.reads.meets(bodies) {
            return rest.answer();
        }
        let remembered = rest.below.get(level as usize);
        if let Some(answer) = remembered.and_then(Cell::get) {
            return answer;
        }
        let known = Known {
            level: Some(level),
            ..known.clone()
        };
        let answer = self.narrow(rest, &known, bodies).answer();
        if let Some(remembered) = remembered {
            remembered.set(Some(answer));
        }
        answer
    }
}
