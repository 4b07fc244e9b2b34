//! The matcher: rules compiled, events through them.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use kubevigil_audit::json::{Duplicates, JsonError, PathScratch, Paths, PathsBuilder};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{EventContext, Rule};

use crate::bits::Bits;
use crate::compile::{CompileError, NodeId, OutputPlan, Program};
use crate::detection::Detection;
use crate::digest::Digester;
use crate::evaluate::{Evaluation, Memo};
use crate::event_time::EventTime;
use crate::hit::{Hit, HitReader};
use crate::index::{KeyPlan, RuleIndex};
use crate::keyword::Texts;
use crate::plan::{Correlations, Definition, RuleList};
use crate::recurring::{Conjunct, GroupSet, Recurring, Remembered};
use crate::render;
use crate::rendering::{Rendering, SeenEvent};

/// Rules compiled into one program. Immutable; share it between threads.
#[derive(Clone, Debug)]
pub struct Matcher {
    engine: Arc<Engine>,
}

/// What a matcher is made of.
#[derive(Debug)]
pub(crate) struct Engine {
    rules: Arc<[Arc<Rule>]>,
    matching: RuleMatching,
    paths: Paths,
    times: EventTime,
    program: Program,
    compiled: Vec<CompiledRule>,
    correlations: Correlations,
    index: RuleIndex,
    recurring: Recurring,
}

/// How many rules of an event are reported (Falco's `rule_matching`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RuleMatching {
    /// Only the first rule that holds, in the order of the rules. Correlations are not touched by it.
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
    reading: Reading,
    memo: Memo,
    candidates: Bits,
    holding: Vec<usize>,
    digester: Digester,
    remembered: Remembered,
}

/// The working memory of reading.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    paths: PathScratch,
    last: PathScratch,
}

/// The event's bytes are not a JSON object that can be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the event cannot be read: {0}")]
pub struct EventError(#[from] pub JsonError);

#[derive(Debug)]
struct CompiledRule {
    root: NodeId,
    /// What must hold together for the rule to hold.
    conjuncts: Box<[Conjunct]>,
    output: OutputPlan,
    /// What it finds is reported.
    raises: bool,
    /// Some correlation counts it.
    counted: bool,
}

impl Matcher {
    /// Compiles rules in the order in which they are tried, correlations among them. Disabled rules are compiled too: choose before.
    ///
    /// Rules that are not listed but that a listed correlation counts are compiled as well and raise nothing. Nor does a
    /// listed rule that listed correlations count, unless one of them says `generate`.
    pub fn compile(rules: &[Arc<Rule>], matching: RuleMatching) -> Result<Self, CompileError> {
        let mut builder = PathsBuilder::default();
        let mut program = Program::default();
        let times = EventTime::new(&mut builder);
        let list = RuleList::new(rules);
        let correlations = Correlations::new(&list, &mut program, &mut builder);
        let mut compiled = Vec::with_capacity(list.rules.len());
        let roles = list.raises.iter().zip(&correlations.counted_as);
        for (rule, (&raises, counted_as)) in list.rules.iter().zip(roles) {
            compiled.push(CompiledRule {
                root: program.add_rule(rule, &mut builder)?,
                conjuncts: Box::default(),
                output: program.add_output(&rule.output, &mut builder),
                raises,
                counted: !counted_as.is_empty(),
            });
        }
        let mut index = RuleIndex::new(&list.rules, &mut program, &mut builder);
        let roots: Vec<NodeId> = compiled.iter().map(|rule| rule.root).collect();
        let recurring = Recurring::new(&program, &roots, &mut index, &mut builder);
        for rule in &mut compiled {
            rule.conjuncts = recurring.conjuncts(rule.root, &program);
        }
        let engine = Engine {
            rules: list.rules.into(),
            matching,
            paths: builder.build(),
            times,
            program,
            compiled,
            correlations,
            index,
            recurring,
        };
        Ok(Self {
            engine: Arc::new(engine),
        })
    }

    /// The rules in the order in which they are tried; behind those that it was given the ones that only correlations need.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.engine.rules
    }

    /// Whether what the rule at this position of [`Matcher::rules`] finds is reported, or only counted by correlations.
    pub fn raises(&self, rule_number: usize) -> bool {
        let compiled = self.engine.compiled.get(rule_number);
        compiled.is_some_and(|rule| rule.raises)
    }

    /// The correlations, each behind those that it counts.
    pub(crate) fn definitions(&self) -> &Arc<[Definition]> {
        &self.engine.correlations.definitions
    }

    /// What the rules find in an event, in the order of the rules. `event` is one JSON object.
    pub fn detect(
        &self,
        event: &[u8],
        position: &Position,
        scratch: &mut Scratch,
    ) -> Result<Detections, EventError> {
        let Scratch {
            reading,
            memo,
            candidates,
            holding,
            digester,
            remembered,
        } = scratch;
        let engine = &self.engine;
        engine.read(event, position, reading, |evaluation| {
            let value = |plan: &KeyPlan| evaluation.index_value(plan);
            memo.start(engine.program.nodes.len());
            candidates.copy_from(engine.index.all());
            let root = |number: usize| Some(engine.compiled.get(number)?.root);
            let recurring = &engine.recurring;
            let known = recurring.narrow(evaluation, root, candidates, memo, remembered);
            engine.index.narrow(candidates, value);
            engine.index.narrow_by_derived(candidates, value);
            holding.clear();
            Detections {
                time: evaluation.event.time,
                list: engine.matches(evaluation, candidates, known, memo, holding),
                hits: self.hits(evaluation, position, holding, digester),
            }
        })
    }

    fn hits(
        &self,
        evaluation: &Evaluation<'_, '_>,
        position: &Position,
        holding: &[usize],
        digester: &mut Digester,
    ) -> Vec<Hit> {
        if holding.is_empty() {
            return Vec::new();
        }
        let seen = OnceCell::new();
        let output = |rule: usize| {
            let output = &self.engine.compiled.get(rule)?.output;
            let is_empty = output.pieces.is_empty() && output.fields.is_empty();
            (!is_empty).then(|| {
                let keep = || SeenEvent::new(&self.engine, evaluation.event.raw, position);
                Rendering::new(Arc::clone(seen.get_or_init(keep)), rule)
            })
        };
        let mut reader = HitReader {
            correlations: &self.engine.correlations,
            evaluation,
            digester,
            output: &output,
        };
        reader.read(holding)
    }
}

impl Engine {
    /// Reads an event in one pass and hands it over.
    pub(crate) fn read<T>(
        &self,
        event: &[u8],
        position: &Position,
        reading: &mut Reading,
        work: impl FnOnce(&Evaluation<'_, '_>) -> T,
    ) -> Result<T, EventError> {
        let Reading { paths, last } = reading;
        let found = self.paths.read(event, Duplicates::First, paths)?;
        let found_last = if found.has_duplicates() {
            self.paths.read(event, Duplicates::Last, last)?
        } else {
            found
        };
        let time = self.times.of(&found).unwrap_or(position.received);
        let context = EventContext {
            raw: event,
            number: position.number,
            time,
            first_time: position.first_time.unwrap_or(time),
        };
        Ok(work(&Evaluation {
            program: &self.program,
            found: &found,
            found_last: &found_last,
            event: &context,
            field_values: RefCell::default(),
            places: RefCell::default(),
            texts: Texts::default(),
        }))
    }

    /// The output of a rule.
    pub(crate) fn output(&self, rule: usize) -> Option<&OutputPlan> {
        self.compiled.get(rule).map(|rule| &rule.output)
    }

    /// What is reported. Rules that correlations count and that hold are appended to `holding`, whether reported or not.
    fn matches(
        &self,
        evaluation: &Evaluation<'_, '_>,
        candidates: &Bits,
        known: GroupSet,
        memo: &mut Memo,
        holding: &mut Vec<usize>,
    ) -> Vec<Detection> {
        let mut list = Vec::new();
        for number in candidates.iter() {
            let Some((compiled, rule)) = self.compiled.get(number).zip(self.rules.get(number))
            else {
                continue;
            };
            let reported = match self.matching {
                RuleMatching::First => compiled.raises && list.is_empty(),
                RuleMatching::All => compiled.raises,
            };
            let is_wanted = reported || compiled.counted;
            if !is_wanted || !evaluation.all_hold(&compiled.conjuncts, known, memo) {
                continue;
            }
            if compiled.counted {
                holding.push(number);
            }
            if reported {
                list.push(Detection {
                    rule: Arc::clone(rule),
                    rule_number: number,
                    time: evaluation.event.time,
                    message: render::message(&compiled.output, evaluation),
                    fields: render::fields(&compiled.output, evaluation),
                });
            }
        }
        list
    }
}

/// What was found in one event.
#[derive(Clone, Debug)]
pub struct Detections {
    /// When the event happened.
    pub time: Timestamp,
    /// One for each rule that holds.
    pub list: Vec<Detection>,
    /// What [`State::observe`](crate::State::observe) is to see of the event. Complete whatever [`RuleMatching`] says.
    pub hits: Vec<Hit>,
}
