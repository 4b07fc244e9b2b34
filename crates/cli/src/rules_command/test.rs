//! `kubevigil rules test`: the events that lie beside rules, and what fires on them.
//!
//! The layout is the test: the name of a case's folder says which rules must fire, so that there is no second file that could
//! disagree with the first, and a rule's author adds a case by copying events into a folder. Every folder is tested on its own,
//! with none but its own rules, because a test that depends on which other rules are installed would break when they change.
//!
//! - `folders` finds what to test.
//! - `names` says what rules are called in names of folders.
//! - `bench` loads a folder's rules and puts events to them.
//! - `case` judges one case.
//! - `report` says what came of it.

mod bench;
mod case;
mod folders;
mod names;
mod report;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;

use crate::args::TestArgs;
use crate::rules_command::test::bench::Bench;
use crate::rules_command::test::case::Verdict;
use crate::rules_command::test::folders::{CaseFile, Folder};
use crate::rules_command::test::report::Report;

pub(super) fn execute(arguments: &TestArgs) -> anyhow::Result<ExitCode> {
    if arguments.default_rules {
        bail!(
            "the default rules carry no tests in the binary; they lie beside the rules in the source: `kubevigil rules test detections`"
        );
    }
    let folders = folders::find(&arguments.folders)?;
    let mut report = Report::new(arguments);
    for folder in &folders {
        test_folder(folder, arguments, &mut report)?;
    }
    if let (true, Some(text)) = (report.is_empty(), &arguments.filter) {
        bail!("no case has \"{text}\" in its path");
    }
    Ok(report.finish()?)
}

fn test_folder(folder: &Folder, arguments: &TestArgs, report: &mut Report) -> io::Result<()> {
    let filter = arguments.filter.as_deref();
    let wanted = folder
        .cases
        .iter()
        .filter(|case| filter.is_none_or(|text| case.path.to_string_lossy().contains(text)));
    let wanted: Vec<&CaseFile> = wanted.collect();
    if filter.is_some() && wanted.is_empty() {
        return Ok(());
    }
    let bench = match Bench::load(folder, arguments) {
        Ok(bench) => bench,
        Err(problem) => return report.broken_folder(folder, &problem),
    };
    report.folder(folder, &bench, filter.is_none())?;
    wanted.into_iter().try_for_each(|case| {
        let begun = Instant::now();
        let verdict = Verdict::of(&bench, case);
        report.case(&bench, case, &verdict, begun.elapsed())
    })
}
