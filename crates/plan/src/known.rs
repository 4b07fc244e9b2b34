//! What is known of a request that has not been made yet.
//!
//! Whether a rule can fire on some kind of request follows from its condition with some values filled in and the others open. Filled in are
//! stage, verb, resource, namespace and kind of user, one after another; bodies are known to be absent below the level that carries
//! them; everything else stays open. A test whose values are all known is put to a made-up event, by the code that
//! runs it for real.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_detect::Position;
use kubevigil_detect::explain::explain;
use kubevigil_rules::falco::fields as falco_fields;
use kubevigil_rules::json_test::Subject;
use kubevigil_rules::lookup::Lookup;
use kubevigil_rules::{Condition, Field};

use crate::probe::{Target, UserClass};

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
    pub user: Option<&'k UserClass<'k>>,
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
    answers: RefCell<HashMap<(usize, String), Answer>>,
    leaves: RefCell<HashMap<usize, Leaf>>,
}

/// What a test reads.
#[derive(Clone, Copy, Debug, Default)]
struct Leaf {
    target: bool,
    verb: bool,
    stage: bool,
    namespace: bool,
    user: bool,
    request_body: bool,
    response_body: bool,
    /// Something that is never known before a request is made.
    open: bool,
    /// The least level that carries the bodies it reads.
    level: PolicyLevel,
}

impl Solver {
    /// Whether the condition holds. Conditions are told apart by their address: they must outlive the solver's use.
    pub fn answer(&self, condition: &Condition, known: &Known<'_>) -> Answer {
        match condition {
            Condition::All(parts) => all(parts.iter().map(|part| self.answer(part, known))),
            Condition::Any(parts) => {
                not(all(parts.iter().map(|part| not(self.answer(part, known)))))
            }
            Condition::ExactlyOne(parts) => self.exactly_one(parts, known),
            Condition::Not(part) => not(self.answer(part, known)),
            leaf => self.leaf(leaf, known),
        }
    }

    /// The least level that carries every body which the answer depends on, `Metadata` when it depends on none.
    pub fn level(&self, condition: &Condition, known: &Known<'_>) -> PolicyLevel {
        let parts = match condition {
            Condition::All(parts) | Condition::Any(parts) | Condition::ExactlyOne(parts) => {
                parts.as_slice()
            }
            Condition::Not(part) => return self.level(part, known),
            leaf if self.answer(leaf, known) == Answer::Open => return self.reads(leaf).level,
            _ => return PolicyLevel::Metadata,
        };
        if self.answer(condition, known) != Answer::Open {
            return PolicyLevel::Metadata;
        }
        let levels = parts.iter().map(|part| self.level(part, known));
        levels.max().unwrap_or(PolicyLevel::Metadata)
    }

    fn exactly_one(&self, parts: &[Condition], known: &Known<'_>) -> Answer {
        let answers: Vec<Answer> = parts.iter().map(|part| self.answer(part, known)).collect();
        let count = |wanted: Answer| answers.iter().filter(|answer| **answer == wanted).count();
        match (count(Answer::True), count(Answer::Open)) {
            (2.., _) => Answer::False,
            (1, 0) => Answer::True,
            (0, 0) => Answer::False,
            _ => Answer::Open,
        }
    }

    fn leaf(&self, leaf: &Condition, known: &Known<'_>) -> Answer {
        let reads = self.reads(leaf);
        if !reads.is_answerable(known) {
            return Answer::Open;
        }
        let key = (address(leaf), reads.key(known));
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

    fn reads(&self, leaf: &Condition) -> Leaf {
        let mut leaves = self.leaves.borrow_mut();
        *leaves
            .entry(address(leaf))
            .or_insert_with(|| Leaf::of(leaf))
    }
}

fn address(condition: &Condition) -> usize {
    std::ptr::from_ref(condition).addr()
}

fn all(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut whole = Answer::True;
    for answer in answers {
        match answer {
            Answer::False => return Answer::False,
            Answer::Open => whole = Answer::Open,
            Answer::True => {}
        }
    }
    whole
}

fn not(answer: Answer) -> Answer {
    match answer {
        Answer::True => Answer::False,
        Answer::False => Answer::True,
        Answer::Open => Answer::Open,
    }
}

impl Leaf {
    fn of(condition: &Condition) -> Self {
        let mut leaf = Self {
            level: PolicyLevel::Metadata,
            ..Self::default()
        };
        condition.for_each_lookup(&mut |lookup| leaf.lookup(lookup));
        condition.for_each_field(&mut |field| leaf.field(field));
        if let Condition::Json(test) = condition
            && matches!(test.subject, Subject::AnyScalar)
        {
            (leaf.open, leaf.level) = (true, PolicyLevel::Request);
        }
        leaf
    }

    fn lookup(&mut self, lookup: &Lookup) {
        let (mut request, mut response) = (false, false);
        for path in lookup.paths.iter() {
            let segments = path
                .steps
                .iter()
                .flat_map(|step| step.segments.iter().map(AsRef::as_ref));
            let keys: Vec<&str> = segments.take(2).collect();
            self.path(&keys);
            request |= keys.first() == Some(&"requestObject");
            response |= keys.first() == Some(&"responseObject");
        }
        self.needs(request, response);
    }

    fn field(&mut self, field: &Field) {
        let (mut request, mut response) = (false, false);
        match &*field.name {
            "kv.identity" => self.user = true,
            // The URI of a made-up event says nothing but what the verb says.
            "kv.answered" => (self.stage, self.verb, self.target) = (true, true, true),
            _ => {
                // A field without paths reads the event as a whole, or nothing of it.
                self.open |= field.inputs.is_empty();
                for path in field.inputs.iter() {
                    let keys: Vec<&str> = path.keys.iter().map(AsRef::as_ref).take(2).collect();
                    self.path(&keys);
                    request |= keys.first() == Some(&"requestObject");
                    response |= keys.first() == Some(&"responseObject");
                }
            }
        }
        self.needs(
            request && falco_fields::level(field) != falco_fields::Level::Metadata,
            response && !request,
        );
    }

    /// Where request and response both say it, the request is enough.
    fn needs(&mut self, request: bool, response: bool) {
        let level = match (request, response) {
            (true, _) => PolicyLevel::Request,
            (false, true) => PolicyLevel::RequestResponse,
            (false, false) => PolicyLevel::Metadata,
        };
        self.level = self.level.max(level);
    }

    fn path(&mut self, keys: &[&str]) {
        match keys {
            ["verb"] => self.verb = true,
            ["stage"] => self.stage = true,
            ["objectRef", "resource" | "subresource" | "apiGroup"] => self.target = true,
            ["objectRef", "namespace"] => self.namespace = true,
            ["requestObject", ..] => self.request_body = true,
            ["responseObject", ..] => self.response_body = true,
            // Falco's fields ask whether it is there; it always is.
            ["auditID"] => {}
            _ => self.open = true,
        }
    }

    fn is_answerable(self, known: &Known<'_>) -> bool {
        let body = |reads: bool, least: PolicyLevel| {
            !reads || known.level.is_some_and(|level| level < least)
        };
        !self.open
            && (!self.target || known.target.is_some())
            && (!self.verb || known.verb.is_some())
            && (!self.stage || known.stage.is_some())
            && (!self.namespace || known.namespace.is_some())
            && (!self.user || known.user.is_some())
            && body(self.request_body, PolicyLevel::Request)
            && body(self.response_body, PolicyLevel::RequestResponse)
    }

    /// The known values that it reads.
    fn key(self, known: &Known<'_>) -> String {
        let mut key = String::new();
        if let Some(target) = known.target.filter(|_| self.target) {
            let _ = write!(key, "{target:?}");
        }
        let texts = [
            known.verb.filter(|_| self.verb),
            known.stage.filter(|_| self.stage).map(PolicyStage::as_str),
            known.namespace.filter(|_| self.namespace),
            known.user.filter(|_| self.user).map(|user| user.label),
        ];
        for text in texts {
            let _ = write!(key, "\0{}", text.unwrap_or("\u{1}"));
        }
        key
    }
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
