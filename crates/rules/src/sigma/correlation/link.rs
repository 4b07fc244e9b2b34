//! From statements to rules: names become the rules that they lead to, whatever the order of documents and files.
//!
//! A correlation is built when everything that it counts is (Kahn's order), so nothing here recurses and a chain of any length is
//! read. What is left then runs in circles; each circle is reported once, at the first of its documents. A correlation that
//! counts a refused rule is refused as well: with a part of its question it would seem to watch and see nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::correlation::Correlation;
use crate::rule::{Language, Priority, Question, Rule};
use crate::sigma::codes;
use crate::sigma::correlation::Statement;
use crate::sigma::correlation::circle;
use crate::sigma::correlation::members::Reader;
use crate::sigma::correlation::names::{Names, Target};
use crate::sigma::fields::Fields;
use crate::sigma::load::{Entry, State};
use crate::sigma::output;
use crate::sigma::problems::Problems;
use crate::template::Template;

/// Deeper nesting is refused, so that code that walks correlations may recurse.
const MAX_DEPTH: usize = 16;
/// A correlation counts at most this many rules, those of the correlations that it counts included: a few documents that name each
/// other again and again would otherwise grow without end.
const MAX_RULES: usize = 10_000;

/// Turns all statements among the entries into rules, or refuses them. Returns the rules that refused statements were to count and that
/// should have raised no alerts because of them.
pub(in crate::sigma) fn link(
    entries: &mut [Entry],
    others: &[Arc<Rule>],
    fields: &Fields,
) -> Vec<Arc<Rule>> {
    let mut linker = Linker {
        names: Names::of(entries, others),
        rows: Vec::new(),
        generated: HashSet::new(),
        silenced: Vec::new(),
        entries,
        others,
        fields,
    };
    linker.resolve();
    linker.run();
    linker.silenced
}

struct Linker<'l> {
    entries: &'l mut [Entry],
    others: &'l [Arc<Rule>],
    fields: &'l Fields,
    names: Names,
    /// One for each entry, in the same order.
    rows: Vec<Row>,
    /// What raises alerts of its own because some correlation says so.
    generated: HashSet<Target>,
    /// What refused correlations keep from raising alerts.
    silenced: Vec<Arc<Rule>>,
}

/// What is known about an entry while linking.
#[derive(Default)]
struct Row {
    /// What the rules of its statement lead to.
    targets: Vec<Option<Target>>,
    /// The statements that count it.
    dependents: Vec<usize>,
    /// How many statements it still waits for.
    open: usize,
    settled: bool,
    size: Size,
}

/// How large a correlation is with those that it counts.
#[derive(Clone, Copy, Default)]
struct Size {
    depth: usize,
    rules: usize,
}

#[expect(
    clippy::indexing_slicing,
    reason = "numbers are those of entries, and there is a row for each entry"
)]
impl Linker<'_> {
    fn resolve(&mut self) {
        for entry in self.entries.iter_mut() {
            let mut row = Row {
                size: Size { depth: 0, rules: 1 },
                settled: true,
                ..Row::default()
            };
            if let State::Waiting(statement) = &entry.state {
                let problems = &mut entry.problems;
                let rules = statement.rules.iter();
                row.targets = rules
                    .map(|rule| self.names.resolve(rule, problems))
                    .collect();
                row.settled = false;
                if statement.generate == Some(true) {
                    self.generated.extend(row.targets.iter().flatten());
                }
            }
            self.rows.push(row);
        }
        for number in 0..self.rows.len() {
            let waits_for: Vec<usize> = self.waits_for(number).collect();
            self.rows[number].open = waits_for.len();
            for other in waits_for {
                self.rows[other].dependents.push(number);
            }
        }
    }

    /// The statements that must be settled first.
    fn waits_for(&self, number: usize) -> impl Iterator<Item = usize> {
        let targets = self.rows[number].targets.iter().flatten();
        targets.filter_map(|target| match target {
            Target::Document(other) if !self.rows[*other].settled => Some(*other),
            _ => None,
        })
    }

    fn run(&mut self) {
        let is_ready = |number: &usize| !self.rows[*number].settled && self.rows[*number].open == 0;
        let mut ready: VecDeque<usize> = (0..self.rows.len()).filter(is_ready).collect();
        let mut from = 0;
        loop {
            while let Some(number) = ready.pop_front() {
                self.settle(number);
                for dependent in std::mem::take(&mut self.rows[number].dependents) {
                    let row = &mut self.rows[dependent];
                    row.open = row.open.saturating_sub(1);
                    if row.open == 0 && !row.settled {
                        ready.push_back(dependent);
                    }
                }
            }
            from = match (from..self.rows.len()).find(|number| !self.rows[*number].settled) {
                Some(waiting) => waiting,
                None => return,
            };
            let circle = circle::find(from, |number| self.waits_for(number).next());
            ready.extend(self.break_circle(&circle));
        }
    }

    /// Refuses the first document of a circle, so that the others can be settled.
    fn break_circle(&mut self, circle: &[usize]) -> Option<usize> {
        let first = *circle.iter().min()?;
        let position = circle.iter().position(|number| *number == first)?;
        let numbers = circle.iter().cycle().skip(position).take(circle.len() + 1);
        let names: Vec<&str> = numbers.map(|number| self.called(*number, circle)).collect();
        let message = format!("the correlation counts itself: {}", circle::shown(&names));
        let entry = &mut self.entries[first];
        if let State::Waiting(statement) = &entry.state {
            let span = statement.start.clone();
            let help = "correlations can count each other in one direction only";
            entry
                .problems
                .error_with_help::<()>(codes::REFERENCE, span, message, help);
        }
        entry.state = State::Refused;
        Some(first)
    }

    /// What those who count a document in a circle call it.
    fn called(&self, number: usize, circle: &[usize]) -> &str {
        let name = circle.iter().find_map(|other| {
            let State::Waiting(statement) = &self.entries[*other].state else {
                return None;
            };
            let mut rules = statement.rules.iter().zip(&self.rows[*other].targets);
            let (rule, _) = rules.find(|(_, target)| **target == Some(Target::Document(number)))?;
            Some(rule.text.as_str())
        });
        name.unwrap_or_default()
    }

    /// Builds a correlation, or refuses it. Everything that it counts is settled.
    fn settle(&mut self, number: usize) {
        self.rows[number].settled = true;
        let state = std::mem::replace(&mut self.entries[number].state, State::Refused);
        let State::Waiting(statement) = state else {
            return;
        };
        let source = Arc::clone(&self.entries[number].problems.source);
        let item = self.entries[number].problems.item.clone();
        let mut problems = Problems::new(&source, item);
        let rules = self.counted(number, &statement, &mut problems);
        if !problems.any_error() {
            self.check_size(number, &statement, &mut problems);
        }
        let silent = match statement.generate {
            Some(true) => Vec::new(),
            Some(false) | None => rules.clone(),
        };
        let rule = self.rule(number, *statement, rules, &mut problems);
        let entry = &mut self.entries[number];
        entry.problems.list.append(&mut problems.list);
        match rule.filter(|_| !entry.problems.any_error()) {
            Some(rule) => entry.state = State::Ready(Arc::new(rule)),
            None => self.silenced.extend(silent),
        }
    }

    /// The rules that a statement counts; those that cannot be counted are noted and left out.
    fn counted(
        &self,
        number: usize,
        statement: &Statement,
        problems: &mut Problems,
    ) -> Vec<Arc<Rule>> {
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for (word, target) in statement.rules.iter().zip(&self.rows[number].targets) {
            let Some(target) = target else { continue };
            if !seen.insert(*target) {
                let message = format!("rule `{}` stands here twice", word.text);
                let help =
                    "to ask for several events of one rule, count them with `type: event_count`";
                problems.error_with_help::<()>(codes::REFERENCE, word.span.clone(), message, help);
            }
            match self.state_of(*target) {
                Ok(rule) => rules.push(Arc::clone(rule)),
                Err(message) => {
                    let message = format!("rule `{}` {message}", word.text);
                    let place = self.names.shown_place(*target).unwrap_or_default();
                    let help =
                        format!("it stands at {place}; what is said about it there comes first");
                    problems.error_with_help::<()>(
                        codes::REFERENCE,
                        word.span.clone(),
                        message,
                        help,
                    );
                }
            }
        }
        rules
    }

    fn state_of(&self, target: Target) -> Result<&Arc<Rule>, &'static str> {
        match target {
            Target::Other(number) => self.others.get(number).ok_or("is not there"),
            Target::Document(number) => match &self.entries[number].state {
                State::Ready(rule) => Ok(rule),
                State::Elsewhere => Err("is for another log source"),
                State::Refused | State::Waiting(_) => {
                    Err("is refused, so there is nothing to count")
                }
            },
        }
    }

    fn check_size(&mut self, number: usize, statement: &Statement, problems: &mut Problems) {
        let mut size = Size::default();
        for target in self.rows[number].targets.iter().flatten() {
            let of = match target {
                Target::Document(other) => self.rows[*other].size,
                Target::Other(_) => Size { depth: 0, rules: 1 },
            };
            size.depth = size.depth.max(of.depth);
            size.rules = size.rules.saturating_add(of.rules);
        }
        size.depth += 1;
        self.rows[number].size = size;
        let message = if size.depth > MAX_DEPTH {
            format!("correlations are nested deeper than {MAX_DEPTH} levels")
        } else if size.rules > MAX_RULES {
            format!("the correlation counts more than {MAX_RULES} rules, nested ones included")
        } else {
            return;
        };
        problems.error::<()>(codes::REFERENCE, statement.start.clone(), message);
    }

    fn rule(
        &self,
        number: usize,
        statement: Statement,
        rules: Vec<Arc<Rule>>,
        problems: &mut Problems,
    ) -> Option<Rule> {
        let targets = &self.rows[number].targets;
        if rules.len() == targets.len() {
            self.warn_of_silenced(&statement, &rules, targets, problems);
        }
        let reader = Reader {
            statement: &statement,
            targets,
            names: &self.names,
            fields: self.fields,
        };
        let members = reader.members(rules, problems)?;
        let group_by = statement
            .group_by
            .iter()
            .map(|word| word.text.as_str().into());
        let correlation = Correlation {
            members,
            group_by: group_by.collect(),
            kind: statement.kind?,
            timespan: statement.timespan?.duration,
            generate: statement.generate.unwrap_or_default(),
        };
        let head = statement.head?;
        let output = match head.fields.as_slice() {
            [] => Template::default(),
            fields => output::template(&head.title, fields, self.fields),
        };
        Some(Rule {
            output,
            name: head.title,
            id: head.id,
            short_name: head.name,
            description: head.description,
            notes: head.notes,
            priority: head.priority,
            refused_priority: head.refused_priority,
            tags: head.tags.into(),
            question: Question::Correlation(Box::new(correlation)),
            condition_text: statement.text.into(),
            enabled: true,
            source: "k8s_audit".into(),
            language: Language::Sigma,
            origin: self.entries[number].draft.origin(),
        })
    }

    /// An urgent rule stops raising alerts when a correlation counts it; its author should have said so.
    fn warn_of_silenced(
        &self,
        statement: &Statement,
        rules: &[Arc<Rule>],
        targets: &[Option<Target>],
        problems: &mut Problems,
    ) {
        if statement.generate.is_some() {
            return;
        }
        for ((word, rule), target) in statement.rules.iter().zip(rules).zip(targets) {
            let raises = target.is_some_and(|target| self.generated.contains(&target));
            if rule.priority >= Priority::Error && !raises {
                let message = format!(
                    "rule `{}` is urgent and raises no alert of its own any more, because it is counted here",
                    word.text
                );
                let help = "write `generate: true` to keep its alerts, or `generate: false` if none are wanted";
                problems.warning(codes::SILENCED, word.span.clone(), message, help);
            }
        }
    }
}
