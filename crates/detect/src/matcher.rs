//! The matcher: rules compiled, events through them.

use std::cell::RefCell;
use std::sync::Arc;

use kubevigil_audit::json::{
    Duplicates, Found, JsonError, PathId, PathScratch, Paths, PathsBuilder,
};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{EventContext, Rule};

use crate::bits::Bits;
use crate::compile::{CompileError, NodeId, OutputPlan, Program};
use crate::detection::Detection;
use crate::evaluate::{Evaluation, Memo};
use crate::index::RuleIndex;
use crate::render;

/// Rules compiled into one program. Immutable; share it between threads.
#[derive(Debug)]
pub struct Matcher {
    rules: Arc<[Arc<Rule>]>,
    matching: RuleMatching,
    paths: Paths,
    times: [PathId; 4],
    program: Program,
    compiled: Vec<CompiledRule>,
    index: RuleIndex,
}

/// How many rules of an event are reported (Falco's `rule_matching`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RuleMatching {
    /// Only the first rule that holds, in the order of the rules.
    First,
    /// Every rule that holds.
    #[default]
    All,
}

/// What the stream knows about an event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// The event's place in its stream, counted from 1.
    pub number: u64,
    /// When the stream's first event happened; `None` when this is the first.
    pub first_time: Option<Timestamp>,
    /// The time to give to an event that has none.
    pub received: Timestamp,
}

/// A thread's working memory. Reused from event to event, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    paths: PathScratch,
    last: PathScratch,
    memo: Memo,
    candidates: Bits,
}

/// The event's bytes are not a JSON object that can be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the event cannot be read: {0}")]
pub struct EventError(#[from] pub JsonError);

#[derive(Debug)]
struct CompiledRule {
    root: NodeId,
    output: OutputPlan,
}

impl Matcher {
    /// Compiles rules in the order in which they are tried. Disabled rules are compiled too: choose before.
    pub fn compile(rules: &[Arc<Rule>], matching: RuleMatching) -> Result<Self, CompileError> {
        let mut builder = PathsBuilder::default();
        let mut program = Program::default();
        let times = TIMES.map(|keys| builder.add(keys));
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            let root = program.add_rule(rule, &mut builder)?;
            let output = program.add_output(&rule.output, &mut builder);
            compiled.push(CompiledRule { root, output });
        }
        let index = RuleIndex::new(rules, &mut builder);
        Ok(Self {
            rules: rules.into(),
            matching,
            paths: builder.build(),
            times,
            program,
            compiled,
            index,
        })
    }

    /// The rules in the order in which they are tried.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// What the rules find in an event, in the order of the rules. `event` is one JSON object.
    pub fn detect(
        &self,
        event: &[u8],
        position: &Position,
        scratch: &mut Scratch,
    ) -> Result<Detections, EventError> {
        let Scratch {
            paths,
            last,
            memo,
            candidates,
        } = scratch;
        let found = self.paths.read(event, Duplicates::First, paths)?;
        let found_last = if found.has_duplicates() {
            self.paths.read(event, Duplicates::Last, last)?
        } else {
            found
        };
        let time = self.time(&found).unwrap_or(position.received);
        let context = EventContext {
            raw: event,
            number: position.number,
            time,
            first_time: position.first_time.unwrap_or(time),
        };
        let evaluation = Evaluation {
            program: &self.program,
            found: &found,
            found_last: &found_last,
            event: &context,
            field_values: RefCell::new(Vec::new()),
            places: RefCell::new(Vec::new()),
        };
        self.index
            .narrow(candidates, |plan| evaluation.index_value(plan));
        memo.start(self.program.nodes.len());
        Ok(Detections {
            time,
            list: self.matches(&evaluation, candidates, memo),
        })
    }

    fn matches(
        &self,
        evaluation: &Evaluation<'_, '_>,
        candidates: &Bits,
        memo: &mut Memo,
    ) -> Vec<Detection> {
        let holding = candidates.iter().filter_map(|number| {
            let compiled = self.compiled.get(number)?;
            if !evaluation.holds(compiled.root, memo) {
                return None;
            }
            Some(Detection {
                rule: Arc::clone(self.rules.get(number)?),
                rule_number: number,
                time: evaluation.event.time,
                message: render::message(&compiled.output, evaluation),
                fields: render::fields(&compiled.output, evaluation),
            })
        });
        match self.matching {
            RuleMatching::First => holding.take(1).collect(),
            RuleMatching::All => holding.collect(),
        }
    }

    /// When the event happened; older API versions wrote it elsewhere (see `kubevigil_audit::event`).
    fn time(&self, found: &Found<'_, '_>) -> Option<Timestamp> {
        self.times
            .iter()
            .find_map(|&path| Timestamp::parse(&found.get(path)?.string()?))
    }
}

/// Where an event's time stands, the best first.
const TIMES: [&[&str]; 4] = [
    &["stageTimestamp"],
    &["metadata", "creationTimestamp"],
    &["requestReceivedTimestamp"],
    &["timestamp"],
];

/// What was found in one event.
#[derive(Clone, Debug)]
pub struct Detections {
    /// When the event happened.
    pub time: Timestamp,
    /// One for each rule that holds.
    pub list: Vec<Detection>,
}
