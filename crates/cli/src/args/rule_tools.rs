//! What can be typed after `rules test`, `rules explain` and `rules coverage`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{Format, RuleArgs};

/// Run the audit events that lie beside rules, and compare what fires with what should.
///
/// Every folder that holds rule files (.yml, .yaml) and a folder `tests` is tested on its own, with all of its rules enabled. A file in
/// `tests/NAMES/` holds the events of one case, in order: the rules that NAMES names, joined by `+`, must fire once each, and no
/// other rule of the folder may fire. In `tests/quiet/` none may. What a correlation finds again within its time span does not count, and a rule
/// that a named correlation counts may fire more than once.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil rules test                                everything below this folder
  kubevigil rules test -v my-rules/exec               one line a case
  kubevigil rules test --filter refused --format json detections

Exit codes: 0 every case passed; 1 a case failed; 2 the tests could not be run.")]
pub(crate) struct TestArgs {
    /// Where to look for tested rules, and below.
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// A file of rules, or a folder of them, that is loaded before each folder's own: rules, macros, filters or pipelines that they need. Not
    /// tested itself; may be given again.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// Only cases whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Show cases that pass, too.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Fail when a rule has no case in which it fires or none in which it stays quiet.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What to print; JSON is one object a case.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Say where the tests of the default rules are, and do nothing else.
    #[arg(long, conflicts_with_all = ["folders", "rules", "filter"])]
    pub(crate) default_rules: bool,
    /// Read fields as their descriptions say where Falco's plugin does something else.
    #[arg(long)]
    pub(crate) fixed_fields: bool,
}

/// Show why a rule fires on audit events, or does not.
///
/// Puts the events to one rule: each part of its condition, whether it holds, and what was found where it looks. For a correlation, what
/// the rules that it counts matched, and how far each group came.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil rules explain 'Exec into a pod' --event event.json
  kubectl logs … | grep mallory | kubevigil rules explain many_secrets_read --event -
  kubevigil rules explain my_rule --rules my.yml --no-default-rules --event audit.log --format json")]
pub(crate) struct ExplainArgs {
    /// The rule's title, name or id.
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
    /// A file with one audit event or more, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: String,
    /// Show every part of the condition, however many events there are; otherwise of more than three only what decides.
    #[arg(long)]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What to print; JSON is one object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show which techniques of ATT&CK and of Microsoft's threat matrix for Kubernetes the rules detect, and which not.
///
/// Counts the rules that take part, by the techniques in their tags. Techniques that an audit log cannot show are no gaps; the table says
/// why it cannot.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil rules coverage
  kubevigil rules coverage --profile quiet --format json | jq .gaps
  kubevigil rules coverage --format navigator > layer.json   for the ATT&CK Navigator")]
pub(crate) struct CoverageArgs {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What to print.
    #[arg(long, value_enum, default_value_t = CoverageFormat::Text)]
    pub(crate) format: CoverageFormat,
    /// The version of ATT&CK to count by; ids of the other version are translated.
    #[arg(long, value_enum, default_value_t = AttackVersion::V18, value_name = "VERSION")]
    pub(crate) attack_version: AttackVersion,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum CoverageFormat {
    /// Tables for people.
    Text,
    /// One object.
    Json,
    /// A layer of the ATT&CK Navigator.
    Navigator,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum AttackVersion {
    #[value(name = "18")]
    V18,
    #[value(name = "19")]
    V19,
}
