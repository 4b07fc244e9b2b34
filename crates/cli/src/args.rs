//! What can be typed. Help, completions and the reference in the docs come from here.

pub(crate) mod policy;
pub(crate) mod record;
mod rule_tools;
pub(crate) mod setup;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use kubevigil_detect::RuleMatching;
use kubevigil_rules::Priority;

use crate::rule_set::Profile;

pub(crate) use crate::args::rule_tools::{
    AttackVersion, CoverageArgs, CoverageFormat, ExplainArgs, TestArgs,
};

/// Watch a Kubernetes cluster through its audit log.
///
/// kubevigil takes in audit events by webhook, log file or standard input, runs detection rules over them (Falco's and
/// Sigma's files run unmodified), and raises alerts. Nothing that it has acknowledged is lost.
#[derive(Debug, Parser)]
#[command(name = "kubevigil", version, max_term_width = 110)]
#[command(after_help = "Examples:
  kubevigil scan /var/log/kubernetes/audit*.log
  kubevigil run
  kubevigil rules check my-rules.yaml

Exit codes: 0 done; 1 what was asked about was found wanting (rules check with errors, scan --fail-on); 2 could not do it.")]
pub(crate) struct Cli {
    /// When to use colour: on a terminal, always, or never.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Scan(ScanArgs),
    Run(RunArgs),
    Record(Box<record::RecordArgs>),
    Rules(RulesArgs),
    Policy(policy::PolicyArgs),
    Setup(setup::SetupArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
}

/// Find what matters in existing audit logs.
///
/// Reads files of audit events, one JSON value a line or pretty-printed, plain or compressed with gzip or zstd, and reports what the
/// rules find. A line that cannot be read never stops a scan: it is counted, and the first few are shown.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil scan audit.log                            a report for people
  kubevigil scan '/var/log/kubernetes/audit-*.log.gz' every backup, sorted by name
  kubectl logs … | kubevigil scan -                   standard input
  kubevigil scan --format json audit.log | jq .rule   one alert a line
  kubevigil scan --rules k8s_audit_rules.yaml --no-default-rules --format falco audit.log
  kubevigil scan --fail-on warning audit.log          exit 1 if anything that urgent was found")]
pub(crate) struct ScanArgs {
    /// Log files, globs, or `-` for standard input, which is also the default.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<String>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// What to print.
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub(crate) format: ScanFormat,
    /// Exit with 1 if an alert of this priority or a more urgent one was found.
    #[arg(long, value_name = "PRIORITY", ignore_case = true, value_parser = priorities())]
    pub(crate) fail_on: Option<Priority>,
    /// Exit with 2 if anything in the input could not be read.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The longest line to read, in bytes; longer ones are reported and skipped.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub(crate) max_line_bytes: usize,
    /// Write times in Falco alerts in ISO 8601, as Falco's `time_format_iso_8601`.
    #[arg(long)]
    pub(crate) iso_time: bool,
    /// The `hostname` of Falco alerts; FALCO_HOSTNAME, or else this machine's name.
    #[arg(long, value_name = "NAME", env = "FALCO_HOSTNAME")]
    pub(crate) hostname: Option<String>,
}

/// Run as a daemon: sources, journal, rules, alerts.
///
/// Without a configuration file it listens for audit webhooks on 127.0.0.1:8765 with the default rules and prints alerts.
/// SIGTERM drains and stops; SIGHUP reloads rules and certificates.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil run
  kubevigil run -c /etc/kubevigil/kubevigil.yaml
  kubevigil config check kubevigil.yaml               see what is wrong with a configuration first")]
pub(crate) struct RunArgs {
    /// The configuration file. Every key has a default: see `kubevigil config schema`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the journal and other state lie; overrides the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Check, list and explain rules.
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    Check(CheckArgs),
    /// List rules with their priority and whether they take part, or why not.
    List {
        #[command(flatten)]
        rules: RuleArgs,
        /// What to print; JSON is one object a rule.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show one rule: what it detects, its condition with everything substituted, its output, its author's notes.
    Show {
        /// The rule's name, or its identifier.
        rule: String,
        #[command(flatten)]
        rules: RuleArgs,
        /// What to print.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// List the fields that conditions and outputs can use.
    Fields {
        /// Only fields whose name contains this text.
        #[arg(value_name = "TEXT")]
        filter: Option<String>,
        /// What to print; JSON is one object a field.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    Test(TestArgs),
    Explain(ExplainArgs),
    Coverage(CoverageArgs),
}

/// Report every mistake in rule files.
///
/// The files are loaded in the given order, one after the other, as Falco does: later ones may refer to earlier ones. They stand
/// alone unless `--with-default-rules` puts the default rules before them, as `scan` and `run` do.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil rules check my-rules.yaml
  kubevigil rules check --with-default-rules my-exceptions.yaml
  kubevigil rules check --format json rules.d/

Exit codes: 0 every file can be loaded; 1 a file has mistakes; 2 a file cannot be read.")]
pub(crate) struct CheckArgs {
    /// Rule files and folders of rule files (.yaml, .yml), in loading order.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Load the default rules first, for files that use their macros and lists or change their rules.
    #[arg(long)]
    pub(crate) with_default_rules: bool,
    /// What to print; JSON is one object a file.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Read fields as their descriptions say where Falco's plugin does something else.
    #[arg(long)]
    pub(crate) fixed_fields: bool,
}

/// Check a configuration, or print its schema.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report what is wrong with a configuration file, and what it refers to: rules, certificates, token files.
    Check {
        /// The configuration file.
        #[arg(default_value = "kubevigil.yaml", value_name = "FILE")]
        file: PathBuf,
        /// What to print.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print the JSON schema of the configuration file, with every key's meaning and default.
    Schema,
}

/// Print the completion script of a shell.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  kubevigil completions bash > /etc/bash_completion.d/kubevigil")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Which rules take part.
#[derive(Args, Clone, Debug)]
pub(crate) struct RuleArgs {
    /// A file of Falco's or Sigma's rules, or a folder of them (.yaml, .yml, sorted by path); may be given again. Loaded in this
    /// order after the default rules.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// Leave the default rules out.
    #[arg(long)]
    pub(crate) no_default_rules: bool,
    /// Report the first rule that matches an event, or every one.
    #[arg(long, value_enum, default_value_t = Matching::All, value_name = "WHICH")]
    pub(crate) rule_matching: Matching,
    /// Leave out rules less urgent than this.
    #[arg(long, value_name = "PRIORITY", default_value = "debug", ignore_case = true, value_parser = priorities())]
    pub(crate) min_priority: Priority,
    /// How much to hear from the default rules: only what is always worth a look, what a team that reads alerts every day wants, or
    /// everything. Rules without a profile take part in all three.
    #[arg(long, value_enum, default_value_t = Profile::Standard, hide_possible_values = true, value_name = "quiet|standard|paranoid")]
    pub(crate) profile: Profile,
    /// Read fields as their descriptions say where Falco's plugin does something else (see docs/deviations.md).
    #[arg(long)]
    pub(crate) fixed_fields: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// A report for people.
    Text,
    /// One alert a line.
    Json,
    /// One alert a line, exactly as Falco prints it.
    Falco,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Matching {
    First,
    All,
}

impl From<Matching> for RuleMatching {
    fn from(matching: Matching) -> Self {
        match matching {
            Matching::All => Self::All,
            Matching::First => Self::First,
        }
    }
}

/// The priorities as they are typed, in any letter case.
fn priorities() -> impl TypedValueParser<Value = Priority> {
    let words = [
        "emergency",
        "alert",
        "critical",
        "error",
        "warning",
        "notice",
        "informational",
        "debug",
    ];
    let value = |word| match word {
        "informational" => PossibleValue::new(word).alias("info"),
        _ => PossibleValue::new(word),
    };
    PossibleValuesParser::new(words.map(value)).try_map(|word| word.parse::<Priority>())
}

/// What was typed, and what of it was pasted for `record` and is not for clap. Ends the process when it makes no sense.
pub(crate) fn parse() -> Cli {
    let (arguments, pasted) = record::unpack(std::env::args_os().collect());
    let mut cli = Cli::parse_from(arguments);
    if let Command::Record(arguments) = &mut cli.command {
        arguments.pasted = pasted;
    }
    cli
}

/// Prints the completion script to standard output.
pub(crate) fn print_completions(arguments: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    // The generator panics when its writer fails, as standard output does in `| head`.
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "kubevigil",
        &mut script,
    );
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
