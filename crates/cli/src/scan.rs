//! `kubevigil scan`: what matters in existing logs.
//!
//! The same rules, matcher and correlations as the daemon, without a journal: read, match, correlate, print. A place that cannot be read
//! never stops a scan. Files are one stream as long as time goes on from one to the next; where it goes back, as when the newest of
//! rotated logs comes first, windows begin anew.

mod ahead;
mod events;
mod finding;
mod group;
mod problems;
mod progress;
mod report;
mod row;
mod summary;
pub(crate) mod table;
mod tally;
pub(crate) mod wording;

use std::io::{BufWriter, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use kubevigil_alerts::{Alert, FalcoStyle, Format, Renderer, receipt};
use kubevigil_audit::json::PathScratch;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Occasion, Scratch, State, StateLimits};
use kubevigil_rules::Rule;
use kubevigil_sources::Arrival;
use kubevigil_sources::file::open::{Input, resolve};
use kubevigil_sources::file::scan::{Events, Found};

use crate::args::{ScanArgs, ScanFormat};
use crate::hostname::hostname;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::scan::ahead::Ahead;
use crate::scan::problems::Problems;
use crate::scan::progress::Progress;
use crate::scan::report::Report;
use crate::scan::summary::Summary;
use crate::scan::tally::Tally;
use crate::terminal;

pub(crate) fn execute(arguments: &ScanArgs) -> anyhow::Result<ExitCode> {
    let rule_set = RuleSet::load(&RuleChoice::from(&arguments.rules));
    rule_set.require_loaded()?;
    ensure!(
        !rule_set.selected.is_empty(),
        "no rule takes part, so nothing can be found; name rules with --rules, or look at `kubevigil rules list` with the same options"
    );
    let matcher = Matcher::compile(&rule_set.selected, arguments.rules.rule_matching.into())?;
    let inputs = inputs(&arguments.files)?;
    let printer = Printer::new(arguments);
    let out = BufWriter::with_capacity(1 << 16, printer.stream());
    let mut scan = Scan::new(&matcher, arguments, printer, out);
    for input in &inputs {
        scan.read(input)?;
    }
    scan.finish(arguments)
}

fn inputs(files: &[String]) -> anyhow::Result<Vec<Input>> {
    if files.is_empty() {
        // Somebody who types the bare command wants to know what it needs, not to type audit events.
        ensure!(
            !std::io::stdin().is_terminal(),
            "nothing to scan; name a log file, a pattern such as '/var/log/kubernetes/audit*.log', or - for standard input"
        );
        return Ok(vec![Input::Stdin]);
    }
    resolve(files).or_else(|errors| {
        let complaints = errors.into_iter().map(anyhow::Error::from);
        complaints.for_each(|error| terminal::complain(&error));
        bail!("nothing was scanned")
    })
}

/// A scan under way.
struct Scan<'a, W: Write> {
    matcher: &'a Matcher,
    scratch: Scratch,
    state: State,
    occasion: Occasion,
    summary: PathScratch,
    line_limit: usize,
    printer: Printer,
    report: Report,
    problems: Problems,
    tally: Tally,
    progress: Progress,
    /// Whether there is an input of which nothing could be read.
    unopened: bool,
    out: W,
}

/// What happens to an alert at once.
enum Printer {
    /// It is printed as a line.
    Lines(Renderer),
    /// It waits for the report.
    Report,
}

impl<'a, W: Write> Scan<'a, W> {
    fn new(matcher: &'a Matcher, arguments: &ScanArgs, printer: Printer, out: W) -> Self {
        Self {
            matcher,
            scratch: Scratch::default(),
            state: State::new(matcher, StateLimits::default()),
            // No event can have happened later.
            occasion: Occasion { received: now() },
            summary: PathScratch::default(),
            line_limit: arguments.max_line_bytes,
            printer,
            report: Report::default(),
            problems: Problems::default(),
            tally: Tally::default(),
            progress: Progress::default(),
            unopened: false,
            out,
        }
    }

    fn read(&mut self, input: &Input) -> anyhow::Result<()> {
        let name = input.name();
        let stream = match input.open() {
            Ok(stream) => stream,
            Err(error) => {
                self.unopened = true;
                self.progress.finish();
                terminal::complain(&error.into());
                return Ok(());
            }
        };
        self.progress.file(input, Arc::clone(&stream.progress));
        self.tally.input();
        let events = Events::new(Arc::clone(&name), Box::new(stream), self.line_limit);
        Ahead::of(events).for_each(|batch| {
            batch.into_iter().try_for_each(|found| match found {
                Found::Event(arrival) => self.event(&name, &arrival),
                Found::Problem(problem) => {
                    self.problems
                        .add(&problem.file, problem.line, &problem.reason);
                    Ok(())
                }
            })
        })?;
        self.tally.file();
        Ok(())
    }

    fn event(&mut self, file: &Arc<str>, arrival: &Arrival) -> anyhow::Result<()> {
        let position = self.tally.next_position(arrival);
        let found = match self
            .matcher
            .detect(&arrival.raw, &position, &mut self.scratch)
        {
            Ok(found) => found,
            Err(error) => {
                self.tally.unreadable();
                self.problems.add(file, arrival.line, &error);
                return Ok(());
            }
        };
        if self.tally.event_at(found.time) {
            self.state.begin_stream();
        }
        self.progress.event(self.tally.events());
        let mut summary = Summary::new(file, arrival, &mut self.summary);
        let mut receipt = || receipt::encode(summary.get()).into();
        let correlations = self.state.observe(&found, &self.occasion, &mut receipt);
        let mut raised: Vec<(Arc<Rule>, Alert, String)> = Vec::new();
        for detection in found.list {
            let alert = Alert::new(&detection, summary.get());
            raised.push((detection.rule, alert, String::new()));
        }
        for found in correlations {
            if found.repeated {
                self.tally.repeated();
                self.report.repeat(&found.rule);
                continue;
            }
            let alert = Alert::of_correlation(&found, summary.get());
            let group = group::in_words(&found);
            raised.push((found.rule, alert, group));
        }
        raised
            .iter()
            .try_for_each(|(rule, alert, group)| self.raise(rule, alert, group))
    }

    fn raise(&mut self, rule: &Rule, alert: &Alert, group: &str) -> anyhow::Result<()> {
        self.tally.alert(alert.priority);
        match &self.printer {
            Printer::Lines(renderer) => {
                writeln!(self.out, "{}", renderer.line(alert)).context("cannot print")?;
            }
            Printer::Report => self.report.add(rule, alert, group),
        }
        Ok(())
    }

    fn finish(mut self, arguments: &ScanArgs) -> anyhow::Result<ExitCode> {
        self.progress.finish();
        if matches!(self.printer, Printer::Report) {
            self.report.write(&mut self.out, terminal::width())?;
            let state = self.state.stats();
            self.tally
                .write(&mut self.out, &self.report, &self.problems, &state)?;
        }
        self.out.flush()?;
        self.problems.show();
        let worst = self.tally.worst();
        let found_wanting = arguments
            .fail_on
            .is_some_and(|limit| worst.is_some_and(|worst| worst >= limit));
        let could_not = self.unopened || (arguments.strict && !self.problems.is_empty());
        Ok(match (could_not, found_wanting) {
            (true, _) => ExitCode::from(2),
            (false, true) => ExitCode::from(1),
            (false, false) => ExitCode::SUCCESS,
        })
    }
}

/// The time of day.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = i128::try_from(since.unwrap_or_default().as_nanos());
    Timestamp {
        nanoseconds: nanoseconds.unwrap_or(i128::MAX),
    }
}

impl Printer {
    fn new(arguments: &ScanArgs) -> Self {
        let format = match arguments.format {
            ScanFormat::Falco => Format::Falco,
            ScanFormat::Json => Format::Json,
            ScanFormat::Text => return Self::Report,
        };
        let falco = FalcoStyle {
            time_format_iso_8601: arguments.iso_time,
            ..FalcoStyle::default()
        };
        let hostname = arguments.hostname.clone().or_else(hostname);
        Self::Lines(Renderer {
            format,
            falco,
            hostname: hostname.filter(|_| format == Format::Falco),
        })
    }

    /// Where it prints to. JSON goes out as it is: what strips colours from a report would strip characters from a text.
    fn stream(&self) -> Box<dyn Write> {
        match self {
            Self::Lines(_) => Box::new(std::io::stdout()),
            Self::Report => Box::new(anstream::stdout()),
        }
    }
}
