//! One case: its events, what must fire, what fired.

use std::sync::Arc;

use kubevigil_diagnostics::closest;
use kubevigil_sources::file::open::Input;

use crate::rules_command::explain::events::{Event, gather};
use crate::rules_command::explain::reasons::reasons;
use crate::rules_command::test::bench::Bench;
use crate::rules_command::test::folders::CaseFile;
use crate::rules_command::test::names;
use crate::terminal;

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The rules that must fire, by their positions in [`Bench::rules`].
    pub(super) expected: Vec<usize>,
    /// What fired, in order.
    pub(super) fired: Vec<Fired>,
    /// What keeps the case from saying anything: names that no rule has, events that cannot be read.
    pub(super) troubles: Vec<String>,
    events: Vec<Event>,
}

/// A rule that fired.
#[derive(Clone, Debug)]
pub(super) struct Fired {
    /// Its position in [`Bench::rules`].
    pub(super) rule: usize,
    /// The line on which the event begins.
    pub(super) line: u64,
}

/// What is wrong with one rule in a case.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Difference {
    /// It should have fired.
    Missing,
    /// It fired more often than once, on these lines.
    Repeated(Vec<u64>),
    /// It should not have fired, and did on these lines.
    Unexpected(Vec<u64>),
}

impl Difference {
    /// The lines of the events on which the rule fired.
    pub(super) fn lines(&self) -> &[u64] {
        match self {
            Self::Missing => &[],
            Self::Repeated(lines) | Self::Unexpected(lines) => lines,
        }
    }
}

impl Verdict {
    /// Puts the events of a case to the rules.
    pub(super) fn of(bench: &Bench, case: &CaseFile) -> Self {
        let mut verdict = Self::default();
        verdict.expect(bench, &case.names);
        verdict.run(bench, case);
        verdict
    }

    /// Whether all is as it must be.
    pub(super) fn passed(&self, bench: &Bench) -> bool {
        self.troubles.is_empty() && self.differences(bench).is_empty()
    }

    /// The rules that did something else than they must, in the order of the rules.
    pub(super) fn differences(&self, bench: &Bench) -> Vec<(usize, Difference)> {
        let judge = |rule: usize| {
            let lines = self.fired.iter().filter(|fired| fired.rule == rule);
            let lines: Vec<u64> = lines.map(|fired| fired.line).collect();
            let difference = match (self.expected.contains(&rule), lines.len()) {
                (true, 1) | (false, 0) => return None,
                (true, 2..) if self.is_counted(bench, rule) => return None,
                (true, 0) => Difference::Missing,
                (true, _) => Difference::Repeated(lines),
                (false, _) => Difference::Unexpected(lines),
            };
            Some((rule, difference))
        };
        (0..bench.rules.len()).filter_map(judge).collect()
    }

    /// Whether a correlation that must fire counts the rule, which then has to fire as often as is counted.
    fn is_counted(&self, bench: &Bench, rule: usize) -> bool {
        let expected = self
            .expected
            .iter()
            .filter_map(|&other| bench.rules.get(other));
        let mut members = expected
            .filter_map(|other| other.rule.correlation())
            .flat_map(|correlation| &correlation.members);
        let rule = bench.rules.get(rule);
        rule.is_some_and(|rule| members.any(|member| Arc::ptr_eq(&member.rule, &rule.rule)))
    }

    /// The event on a line, in words.
    pub(super) fn event_at(&self, line: u64) -> Option<String> {
        let event = self.events.iter().find(|event| event.line == line);
        event.map(Event::in_words)
    }

    /// Why a rule did not fire, in lines that are safe for a terminal.
    pub(super) fn reasons(&self, bench: &Bench, rule: usize) -> Vec<String> {
        let rule = bench.rules.get(rule);
        rule.map_or(Vec::new(), |rule| reasons(&rule.rule, &self.events))
    }

    fn expect(&mut self, bench: &Bench, folder: &str) {
        for name in names::split(folder) {
            match bench.rules.iter().position(|rule| rule.name == name) {
                Some(rule) => self.expected.push(rule),
                None => self.troubles.push(unknown(bench, name)),
            }
        }
    }

    fn run(&mut self, bench: &Bench, case: &CaseFile) {
        let input = Input::File(case.path.clone());
        if let Err(error) = gather(&input, &mut self.events, &mut self.troubles) {
            return self.troubles.push(terminal::with_causes(&error));
        }
        let mut stream = bench.stream();
        for event in &self.events {
            let line = event.line;
            match stream.event(&event.raw) {
                Ok(rules) => {
                    let fired = rules.into_iter().map(|rule| Fired { rule, line });
                    self.fired.extend(fired);
                }
                Err(error) => self.troubles.push(format!("line {line}: {error}")),
            }
        }
        if self.events.is_empty() {
            self.troubles
                .push("the file holds no audit event".to_owned());
        }
    }
}

fn unknown(bench: &Bench, name: &str) -> String {
    let names = || bench.rules.iter().map(|rule| rule.name.as_str());
    let known = match closest(name, names().chain([names::QUIET])) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "its rules are {}",
            names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    format!("no rule of this folder is called `{name}`; {known}")
}
