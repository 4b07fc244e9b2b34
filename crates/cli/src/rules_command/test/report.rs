//! What a test run says: a line for each case that matters, and a summary.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use kubevigil_diagnostics::escape;

use crate::args::{Format, TestArgs};
use crate::rules_command::test::bench::Bench;
use crate::rules_command::test::case::{Difference, Verdict};
use crate::rules_command::test::folders::{CaseFile, Folder};
use crate::scan::wording::{duration, plural};
use crate::terminal::{BOLD, DIM, ERROR, WARNING};

const PASS: Style = AnsiColor::Green.on_default().bold();

/// What a run has found so far.
pub(super) struct Report {
    verbose: bool,
    strict: bool,
    format: Format,
    begun: Instant,
    folders: u64,
    rules: u64,
    passed: u64,
    failed: u64,
    broken: u64,
    warnings: u64,
    out: anstream::AutoStream<std::io::Stdout>,
}

impl Report {
    pub(super) fn new(arguments: &TestArgs) -> Self {
        Self {
            verbose: arguments.verbose,
            strict: arguments.strict,
            format: arguments.format,
            begun: Instant::now(),
            folders: 0,
            rules: 0,
            passed: 0,
            failed: 0,
            broken: 0,
            warnings: 0,
            out: anstream::stdout(),
        }
    }

    /// How many cases there were so far, those of folders that do not load left out.
    pub(super) fn cases(&self) -> u64 {
        self.passed + self.failed + self.broken
    }

    /// A folder whose rules do not load: none of its cases says anything.
    pub(super) fn broken_folder(&mut self, folder: &Folder, problem: &str) -> anyhow::Result<()> {
        self.broken += 1;
        let path = escaped(&folder.path);
        writeln!(
            self.out,
            "{ERROR}FAIL{ERROR:#} {path}: the rules do not load\n{problem}\n"
        )?;
        Ok(())
    }

    /// The beginning of a folder: what its rules lack.
    pub(super) fn folder(&mut self, folder: &Folder, bench: &Bench) -> anyhow::Result<()> {
        self.folders += 1;
        self.rules += bench.rules.len() as u64;
        for stray in &folder.strays {
            self.warn(&format!(
                "{} is no case; cases are tests/NAMES/*.jsonl",
                escaped(stray)
            ))?;
        }
        Ok(())
    }

    fn warn(&mut self, message: &str) -> anyhow::Result<()> {
        self.warnings += 1;
        writeln!(self.out, "{WARNING}warning{WARNING:#}: {message}")?;
        Ok(())
    }

    pub(super) fn case(
        &mut self,
        bench: &Bench,
        case: &CaseFile,
        verdict: &Verdict,
        elapsed: Duration,
    ) -> anyhow::Result<()> {
        let passed = verdict.passed(bench);
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        if passed && !self.verbose {
            return Ok(());
        }
        let (word, style) = if passed {
            ("PASS", PASS)
        } else {
            ("FAIL", ERROR)
        };
        let path = escaped(&case.path);
        writeln!(
            self.out,
            "{style}{word}{style:#} {DIM}{:>6}{DIM:#} {path}",
            duration(elapsed)
        )?;
        for trouble in &verdict.troubles {
            writeln!(
                self.out,
                "  {ERROR}!{ERROR:#} {}",
                escape::terminal(trouble)
            )?;
        }
        for (rule, difference) in verdict.differences(bench) {
            let name = bench.rules.get(rule).map_or("", |rule| rule.name.as_str());
            let (mark, style, text) = wording(&difference);
            writeln!(
                self.out,
                "  {style}{mark} {}{style:#}  {text}",
                escape::terminal(name)
            )?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<ExitCode> {
        let failed = self.failed + self.broken;
        let (word, style) = if failed == 0 {
            ("passed", PASS)
        } else {
            ("failed", ERROR)
        };
        let counts = format!("{} passed, {failed} failed", self.passed);
        let of = format!(
            "{} of {}",
            plural(self.rules, "rule"),
            plural(self.folders, "folder")
        );
        if self.format == Format::Text {
            writeln!(
                self.out,
                "{style}{word}{style:#}: {BOLD}{counts}{BOLD:#}; {of}; {}",
                duration(self.begun.elapsed())
            )?;
        }
        let wanting = failed > 0 || (self.strict && self.warnings > 0);
        Ok(if wanting {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn escaped(path: &std::path::Path) -> String {
    escape::terminal(&path.to_string_lossy()).into_owned()
}

fn wording(difference: &Difference) -> (char, Style, String) {
    match difference {
        Difference::Missing => ('-', ERROR, "should have fired, and did not".to_owned()),
        Difference::Repeated(lines) => (
            '+',
            ERROR,
            format!("should have fired once, and fired on {}", lines_of(lines)),
        ),
        Difference::Unexpected(lines) => (
            '+',
            ERROR,
            format!("should not have fired, and did on {}", lines_of(lines)),
        ),
    }
}

fn lines_of(lines: &[u64]) -> String {
    match lines {
        [line] => format!("line {line}"),
        lines => {
            let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
            format!("lines {}", lines.join(", "))
        }
    }
}
