//! What is known of a request that has not been made yet.
//!
//! Whether a rule can fire on some kind of request follows from its condition with some values filled in and the others open. Filled in are
//! stage, verb, resource, namespace and kind of user, one after another; bodies are known to be absent below the level that carries
//! them; everything else stays open. A test whose values are all known is put to a made-up event, by the code that
//! runs it for real.
//!
//! With each value that is filled in the condition shrinks to a [`Rest`](crate::rest::Rest): tests that are decided go, and so do the parts that they decide.
//! Asking the whole condition for each combination of values instead took ten times as long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_detect::Position;
use kubevigil_detect::explain::explain;

use kubevigil_rules::Condition;

use crate::probe::Target;
use crate::rest::Values;

/// Values that are filled in; the others are open.
#[derive(Clone, Debug, Default)]
pub struct Known<'k> {
    /// What is asked for.
    pub target: Option<&'k Target>,
    /// The verb.
    pub verb: Option<&'k str>,
    /// The stage.
    pub stage: Option<PolicyStage>,
    /// The namespace; empty for none.
    pub namespace: Option<&'k str>,
    /// Who asks.
    pub user: Option<&'k KnownUser>,
    /// The level of the event.
    pub level: Option<PolicyLevel>,
}

impl Known<'_> {
    /// The same at a stage.
    #[must_use]
    pub fn at(&self, stage: PolicyStage) -> Self {
        Self {
            stage: Some(stage),
            ..self.clone()
        }
    }
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct KnownUser {
    /// What messages call them; no two users share it.
    pub label: Box<str>,
    /// The name; `None` for a request whose credentials were refused.
    pub name: Option<Box<str>>,
    /// The groups.
    pub groups: Vec<Box<str>>,
    /// Whether the name is theirs, or stands for those of many.
    pub is_exact: bool,
}

/// The answer of a condition of which some values are open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It holds whatever the open values are.
    True,
    /// It does not hold whatever the open values are.
    False,
    /// It depends on them.
    Open,
}

/// Answers, remembered: the same test meets the same values thousands of times.
#[derive(Debug, Default)]
pub struct Solver {
    /// Equal tests of different rules are one: they are told apart by what they say.
    ids: RefCell<HashMap<String, u32>>,
    texts: RefCell<HashMap<Box<str>, u32>>,
    answers: RefCell<HashMap<(u32, Key), Answer>>,
}

/// The values that a test was put to, by number; 0 for one that it does not read.
type Key = [u32; 7];

impl Solver {
    /// Whether the condition holds.
    pub fn answer(&self, condition: &Condition, known: &Known<'_>) -> Answer {
        let rest = self.rest(condition);
        self.narrow(&rest, known, Values::ALL).answer()
    }

    /// The least level that carries every body which the answer depends on, `Metadata` when it depends on none.
    pub fn level(&self, condition: &Condition, known: &Known<'_>) -> PolicyLevel {
        let rest = self.rest(condition);
        self.narrow(&rest, known, Values::ALL).level()
    }

    /// The number of a test, the same for equal ones.
    pub(crate) fn id(&self, leaf: &Condition) -> u32 {
        number(&mut self.ids.borrow_mut(), format!("{leaf:?}"))
    }

    /// The answer of a test whose values are all known.
    pub(crate) fn leaf(
        &self,
        leaf: &Condition,
        id: u32,
        reads: Values,
        known: &Known<'_>,
    ) -> Answer {
        let key = (id, self.key(reads, known));
        if let Some(answer) = self.answers.borrow().get(&key) {
            return *answer;
        }
        let event = event(known);
        let answer = match explain(leaf, event.as_bytes(), &Position::default()) {
            Ok(explanation) if explanation.holds => Answer::True,
            Ok(_) => Answer::False,
            Err(_) => Answer::Open,
        };
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// The known values that it reads.
    fn key(&self, reads: Values, known: &Known<'_>) -> Key {
        let resource = |wanted: Values| {
            let target = known.target.filter(|_| reads.meets(wanted))?;
            let part = match target {
                Target::Path(_) => "/",
                Target::Resource { resource, .. } if wanted == Values::RESOURCE => resource,
                Target::Resource { group, .. } if wanted == Values::GROUP => group,
                Target::Resource { subresource, .. } => subresource,
            };
            Some(part)
        };
        let by_user = Values::USER.and(Values::USER_NAME);
        let texts: [Option<&str>; 7] = [
            resource(Values::RESOURCE),
            resource(Values::GROUP),
            resource(Values::SUBRESOURCE),
            known.verb.filter(|_| reads.meets(Values::VERB)),
            known
                .stage
                .filter(|_| reads.meets(Values::STAGE))
                .map(PolicyStage::as_str),
            known.namespace.filter(|_| reads.meets(Values::NAMESPACE)),
            known
                .user
                .filter(|_| reads.meets(by_user))
                .map(|user| &*user.label),
        ];
        let mut numbers = self.texts.borrow_mut();
        texts.map(|text| match text {
            None => 0,
            Some(text) => match numbers.get(text) {
                Some(number) => *number,
                None => number(&mut numbers, Box::from(text)),
            },
        })
    }
}

/// The number of a text, counted from 1.
fn number<T: Eq + std::hash::Hash>(numbers: &mut HashMap<T, u32>, text: T) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX - 1) + 1;
    *numbers.entry(text).or_insert(next)
}

/// An event with what is known, and nothing else.
fn event(known: &Known<'_>) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut event = String::from(r#"{"auditID":"probe""#);
    if let Some(verb) = known.verb {
        let _ = write!(event, r#","verb":{}"#, quoted(verb));
    }
    if let Some(stage) = known.stage {
        let _ = write!(event, r#","stage":{}"#, quoted(stage.as_str()));
    }
    if let Some(user) = known.user {
        let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
        let name = user
            .name
            .as_deref()
            .map(|name| format!(r#""username":{},"#, quoted(name)))
            .unwrap_or_default();
        let _ = write!(
            event,
            r#","user":{{{name}"groups":[{}]}}"#,
            groups.join(",")
        );
    }
    if let Some(Target::Resource {
        group,
        resource,
        subresource,
        ..
    }) = known.target
    {
        let _ = write!(event, r#","objectRef":{{"resource":{}"#, quoted(resource));
        let optional = [
            ("apiGroup", &**group),
            ("subresource", &**subresource),
            ("namespace", known.namespace.unwrap_or_default()),
        ];
        for (key, text) in optional.into_iter().filter(|(_, text)| !text.is_empty()) {
            let _ = write!(event, r#","{key}":{}"#, quoted(text));
        }
        event.push('}');
    }
    event.push('}');
    event
}
