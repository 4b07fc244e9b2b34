//! What a test run says: a line for each case that matters and a summary, or an object for each case.
//!
//! Failures are told at once, not gathered for the end, so that a long run can be stopped when it has shown enough.

mod json;
mod text;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::args::{Format, TestArgs};
use crate::rules_command::test::bench::Bench;
use crate::rules_command::test::case::Verdict;
use crate::rules_command::test::folders::{CaseFile, Folder};
use crate::rules_command::test::names;
use crate::rules_command::write_json;
use crate::terminal;

/// What a run has found so far.
pub(super) struct Report {
    verbose: bool,
    strict: bool,
    format: Format,
    begun: Instant,
    counts: Counts,
    out: anstream::AutoStream<std::io::Stdout>,
}

/// A case with what came of it.
struct Judged<'c> {
    bench: &'c Bench,
    case: &'c CaseFile,
    verdict: &'c Verdict,
    elapsed: Duration,
}

#[derive(Default)]
struct Counts {
    folders: u64,
    rules: u64,
    passed: u64,
    failed: u64,
    /// Folders whose rules do not load.
    broken: u64,
    warnings: u64,
}

impl Report {
    pub(super) fn new(arguments: &TestArgs) -> Self {
        Self {
            verbose: arguments.verbose,
            strict: arguments.strict,
            format: arguments.format,
            begun: Instant::now(),
            counts: Counts::default(),
            out: anstream::stdout(),
        }
    }

    /// Whether nothing was tested so far, not even in vain.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.passed + self.counts.failed + self.counts.broken == 0
    }

    /// A folder whose rules do not load: none of its cases says anything.
    pub(super) fn broken_folder(&mut self, folder: &Folder, problem: &str) -> io::Result<()> {
        self.counts.folders += 1;
        self.counts.broken += 1;
        match self.format {
            Format::Json => write_json(&mut self.out, &json::broken(folder, problem)),
            Format::Text => text::broken(&mut self.out, folder, problem),
        }
    }

    /// A folder that is about to be tested. `whole` says that none of its cases is left out.
    pub(super) fn folder(&mut self, folder: &Folder, bench: &Bench, whole: bool) -> io::Result<()> {
        self.counts.folders += 1;
        self.counts.rules += bench.rules.len() as u64;
        for warning in &bench.warnings {
            self.warn(warning)?;
        }
        if whole {
            for warning in lacking(folder, bench) {
                self.warn(&warning)?;
            }
        }
        Ok(())
    }

    /// A case that was run.
    pub(super) fn case(
        &mut self,
        bench: &Bench,
        case: &CaseFile,
        verdict: &Verdict,
        elapsed: Duration,
    ) -> io::Result<()> {
        let judged = Judged {
            bench,
            case,
            verdict,
            elapsed,
        };
        let passed = verdict.passed(bench);
        if passed {
            self.counts.passed += 1;
        } else {
            self.counts.failed += 1;
        }
        match self.format {
            Format::Json => write_json(&mut self.out, &json::CaseSummary::new(&judged)),
            Format::Text if passed && !self.verbose => Ok(()),
            Format::Text => text::case(&mut self.out, &judged),
        }
    }

    /// The end of the run: the summary, and the exit code.
    pub(super) fn finish(mut self) -> io::Result<ExitCode> {
        let wanting = self.counts.failures() > 0 || (self.strict && self.counts.warnings > 0);
        if self.format == Format::Text {
            text::summary(&mut self.out, &self.counts, wanting, self.begun.elapsed())?;
        }
        Ok(if wanting {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }

    fn warn(&mut self, message: &str) -> io::Result<()> {
        self.counts.warnings += 1;
        match self.format {
            Format::Json => terminal::warn(message),
            Format::Text => text::warning(&mut self.out, message)?,
        }
        Ok(())
    }
}

impl Counts {
    fn failures(&self) -> u64 {
        self.failed + self.broken
    }
}

/// What the cases of a folder leave out.
fn lacking(folder: &Folder, bench: &Bench) -> Vec<String> {
    let mut lacking: Vec<String> = folder
        .strays
        .iter()
        .map(|stray| {
            format!(
                "{} is no case; cases are tests/NAMES/*.jsonl",
                stray.display()
            )
        })
        .collect();
    for rule in &bench.rules {
        let names = |case: &&CaseFile| names::split(&case.names).contains(&rule.name.as_str());
        let firing = folder.cases.iter().filter(names).count();
        let missing = match (firing, folder.cases.len() - firing) {
            (0, 0) => "no case",
            (0, _) => "no case in which it fires",
            (_, 0) => "no case in which it stays quiet",
            _ => continue,
        };
        let origin = &rule.rule.origin;
        lacking.push(format!(
            "{}:{}: rule `{}` has {missing}",
            origin.file, origin.line, rule.name
        ));
    }
    lacking
}
