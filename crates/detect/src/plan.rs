//! Correlations, compiled: what is read from an event for them, and what is asked of what was read.
//!
//! Correlations are numbered so that each comes after those that it counts: going through them by number, the state knows of every
//! nested one whether it fired before it comes to the one around it.
//!
//! [`Definition`] is what the state works with, [`Reading`] what the matcher reads from an event; they share the number.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use kubevigil_audit::json::PathsBuilder;
use kubevigil_rules::{Correlation, CorrelationKind, EventValue, Member, Origin, Rule};

use crate::compile::{ExprPlan, Program};
use crate::digest::{Digest, Digester};
use crate::lookup::LookupPlan;

/// A correlation as the state needs it.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) rule: Arc<Rule>,
    /// The rule's position among all compiled rules.
    pub(crate) rule_number: usize,
    pub(crate) kind: CorrelationKind,
    pub(crate) members: Vec<Counted>,
    /// Nanoseconds.
    pub(crate) span: i64,
    /// Whether what it finds is reported.
    pub(crate) raises: bool,
    /// What its memory means: memories of equal digests can be exchanged.
    pub(crate) digest: Digest,
}

/// A member of a correlation.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) rule: Arc<Rule>,
    /// The number of the nested correlation, when it is one.
    pub(crate) inner: Option<usize>,
}

/// What an event is asked for when a member's rule holds.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) group: Vec<ValuePlan>,
    pub(crate) values: Vec<(Arc<str>, ValuePlan)>,
}

/// An [`EventValue`], compiled.
#[derive(Debug)]
pub(crate) enum ValuePlan {
    Field(ExprPlan),
    Lookup(LookupPlan),
}

/// A member of a correlation: the numbers of both.
pub(crate) type MemberNumber = (usize, usize);

/// All correlations of a matcher.
#[derive(Debug, Default)]
pub(crate) struct Correlations {
    pub(crate) definitions: Arc<[Definition]>,
    /// By correlation and member.
    pub(crate) readings: Vec<Vec<Reading>>,
    /// By rule, the members that it is.
    pub(crate) counted_as: Vec<Vec<MemberNumber>>,
}

/// The rules to be compiled: those that take part, and behind them those that they count.
#[derive(Debug, Default)]
pub(crate) struct RuleList {
    pub(crate) rules: Vec<Arc<Rule>>,
    /// By rule, whether what it finds is reported.
    pub(crate) raises: Vec<bool>,
    by_address: HashMap<usize, usize>,
    by_origin: HashMap<RuleOrigin, usize>,
}

/// Name, file and line.
type RuleOrigin = (Arc<str>, Arc<str>, usize);

impl RuleList {
    /// The listed rules first, in their order. A listed rule that listed correlations count, none of which lets it, raises nothing.
    pub(crate) fn new(listed: &[Arc<Rule>]) -> Self {
        let mut list = Self::default();
        for rule in listed {
            list.add(rule, true);
        }
        let correlations = listed.iter().filter_map(|rule| rule.correlation());
        let (mut silent, mut loud) = (Vec::new(), Vec::new());
        for correlation in correlations {
            for member in &correlation.members {
                let number = list.add(&member.rule, false);
                let numbers = if correlation.generate {
                    &mut loud
                } else {
                    &mut silent
                };
                numbers.push(number);
                list.add_members(&member.rule);
            }
        }
        for number in silent.into_iter().filter(|number| !loud.contains(number)) {
            if let Some(raises) = list.raises.get_mut(number) {
                *raises = false;
            }
        }
        list
    }

    /// The position of a rule.
    pub(crate) fn number(&self, rule: &Arc<Rule>) -> Option<usize> {
        let known = self.by_address.get(&Arc::as_ptr(rule).addr());
        let number = known.or_else(|| self.by_origin.get(&origin(rule)?));
        number.copied()
    }

    fn add(&mut self, rule: &Arc<Rule>, raises: bool) -> usize {
        if let Some(number) = self.number(rule).filter(|_| !raises) {
            return number;
        }
        let number = self.rules.len();
        self.rules.push(Arc::clone(rule));
        self.raises.push(raises);
        self.by_address
            .entry(Arc::as_ptr(rule).addr())
            .or_insert(number);
        if let Some(origin) = origin(rule) {
            self.by_origin.entry(origin).or_insert(number);
        }
        number
    }

    /// Recursion follows the nesting of correlations, which their reader bounds.
    fn add_members(&mut self, rule: &Arc<Rule>) {
        let members = rule
            .correlation()
            .into_iter()
            .flat_map(|correlation| &correlation.members);
        for member in members {
            self.add(&member.rule, false);
            self.add_members(&member.rule);
        }
    }
}

/// What two copies of one rule have in common when it was loaded twice; `None` for rules that come from no file.
fn origin(rule: &Rule) -> Option<RuleOrigin> {
    let Origin { file, line } = &rule.origin;
    (rule.origin != Origin::default()).then(|| (Arc::clone(&rule.name), Arc::clone(file), *line))
}

impl Definition {
    /// How many values of an event are looked at, at most; 1 when it is none.
    pub(crate) fn values_per_event(&self) -> usize {
        let members = self
            .rule
            .correlation()
            .map(|correlation| correlation.members.as_slice());
        let counts = members
            .unwrap_or_default()
            .iter()
            .map(|member| member.values.len());
        counts.max().unwrap_or_default().max(1)
    }

    /// Whether values of the events are looked at.
    pub(crate) fn looks_at_values(&self) -> bool {
        let members = self
            .rule
            .correlation()
            .map(|correlation| correlation.members.as_slice());
        members
            .unwrap_or_default()
            .iter()
            .any(|member| !member.values.is_empty())
    }

    /// What people call the values that tell groups apart.
    pub(crate) fn group_by(&self) -> &[Arc<str>] {
        self.rule
            .correlation()
            .map(|correlation| correlation.group_by.as_slice())
            .unwrap_or_default()
    }
}

impl Correlations {
    /// Compiles the correlations among the rules.
    pub(crate) fn new(list: &RuleList, program: &mut Program, paths: &mut PathsBuilder) -> Self {
        let mut order = Vec::new();
        for rule in &list.rules {
            arrange(rule, list, &mut order);
        }
        let numbers: HashMap<usize, usize> = order
            .iter()
            .enumerate()
            .map(|(number, &rule)| (rule, number))
            .collect();
        let mut all = Self {
            counted_as: vec![Vec::new(); list.rules.len()],
            ..Self::default()
        };
        let mut definitions = Vec::new();
        for (number, &rule_number) in order.iter().enumerate() {
            let Some(rule) = list.rules.get(rule_number) else {
                continue;
            };
            let Some(correlation) = rule.correlation() else {
                continue;
            };
            let inner = |member: &Member| {
                list.number(&member.rule)
                    .and_then(|rule| numbers.get(&rule))
                    .copied()
            };
            let members = correlation.members.iter().map(|member| Counted {
                rule: Arc::clone(&member.rule),
                inner: inner(member),
            });
            definitions.push(Definition {
                rule: Arc::clone(rule),
                rule_number,
                kind: correlation.kind.clone(),
                members: members.collect(),
                span: nanoseconds(correlation.timespan),
                raises: list.raises.get(rule_number).copied().unwrap_or_default(),
                digest: digest(rule, correlation),
            });
            all.add_readings(number, correlation, list, program, paths);
        }
        all.definitions = definitions.into();
        all
    }

    fn add_readings(
        &mut self,
        number: usize,
        correlation: &Correlation,
        list: &RuleList,
        program: &mut Program,
        paths: &mut PathsBuilder,
    ) {
        let mut readings = Vec::new();
        for (position, member) in correlation.members.iter().enumerate() {
            let group = member
                .group
                .iter()
                .map(|value| value_plan(value, program, paths));
            let group = group.collect();
            let values = member.values.iter().map(|value| {
                (
                    Arc::clone(value_name(value)),
                    value_plan(value, program, paths),
                )
            });
            readings.push(Reading {
                group,
                values: values.collect(),
            });
            let counted = list
                .number(&member.rule)
                .and_then(|rule| self.counted_as.get_mut(rule));
            if let Some(counted) = counted {
                counted.push((number, position));
            }
        }
        self.readings.push(readings);
    }
}

/// Appends the numbers of the correlations in a rule, nested ones before those around them.
fn arrange(rule: &Arc<Rule>, list: &RuleList, order: &mut Vec<usize>) {
    let Some(correlation) = rule.correlation() else {
        return;
    };
    for member in &correlation.members {
        arrange(&member.rule, list, order);
    }
    if let Some(number) = list.number(rule).filter(|number| !order.contains(number)) {
        order.push(number);
    }
}

fn value_plan(value: &EventValue, program: &mut Program, paths: &mut PathsBuilder) -> ValuePlan {
    match value {
        EventValue::Field(field) => ValuePlan::Field(program.field(field, paths)),
        EventValue::Lookup(lookup) => ValuePlan::Lookup(LookupPlan::new(lookup, paths)),
    }
}

fn value_name(value: &EventValue) -> &Arc<str> {
    match value {
        EventValue::Field(field) => &field.name,
        EventValue::Lookup(lookup) => &lookup.name,
    }
}

/// Spans beyond three centuries are as good as endless.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What the memory of a correlation means.
///
/// Windows are short: any change of what is asked starts them anew. What `first_seen` has learned is worth weeks, so it outlives
/// changes of the conditions, of how long it learns and for how long it remembers.
fn digest(rule: &Rule, correlation: &Correlation) -> Digest {
    let mut digester = Digester::default();
    let lasting = matches!(correlation.kind, CorrelationKind::FirstSeen { .. });
    digester.text(rule.id.as_ref().unwrap_or(&rule.name));
    digester.text(correlation.kind.as_str());
    if !lasting {
        digester.text(&format!("{:?}", correlation.kind));
        digester.number(correlation.timespan.as_nanos());
    }
    digester.number(correlation.members.len() as u128);
    for member in &correlation.members {
        add_rule(&member.rule, lasting, &mut digester);
        for values in [&member.group, &member.values] {
            digester.number(values.len() as u128);
            values
                .iter()
                .for_each(|value| digester.text(value_name(value)));
        }
    }
    digester.finish()
}

fn add_rule(rule: &Rule, lasting: bool, digester: &mut Digester) {
    digester.text(rule.id.as_ref().unwrap_or(&rule.name));
    match rule.correlation() {
        _ if lasting => {}
        Some(correlation) => digester.bytes(&digest(rule, correlation)),
        None => digester.text(&rule.condition_text),
    }
}
