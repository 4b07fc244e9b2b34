//! The binary `kubevigil`: arguments, configuration, wiring. The only place that knows every crate.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | the command line, a struct a command; what `--help` says stands there |
//! | `scan`, `rules_command`, `policy_command`, `setup_command`, `config_command` | the commands that look at files and end |
//! | `run` | the daemon: `run/daemon.rs` puts sources, journal, rules and outputs together, starts and stops them |
//! | `record_command` | `kubevigil record`; `gate` is what it shares with `sources.record` of the daemon |
//! | `config` | the daemon's configuration, each key with the doc that its users read |
//! | `rule_set` | the rules that take part, from files, profile and selection |
//! | `unfed` | rules that the gateway's policy leaves without events |
//! | `mistakes`, `terminal` | how mistakes and reports look |
//!
//! Exit codes are part of the contract: 0 done, 1 what was asked about was found wanting, 2 could not do it.

mod args;
mod config;
mod config_command;
mod gate;
mod hostname;
mod mistakes;
mod policy_command;
mod record_command;
mod rule_set;
mod rules_command;
mod run;
mod scan;
mod server_findings;
mod setup_command;
mod terminal;
mod unfed;

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::args::{Cli, Command};

/// Reading JSON into trees is a fifth faster with it than with the system's allocator, and its memory stays flat in a daemon that
/// allocates on many threads; it builds everywhere without a configure step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command could not be done.
const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    match execute(args::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(COULD_NOT)
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    terminal::set_color(cli.color);
    match cli.command {
        Command::Completions(arguments) => args::print_completions(&arguments),
        Command::Config(arguments) => config_command::execute(&arguments),
        Command::Policy(arguments) => policy_command::execute(&arguments),
        Command::Record(arguments) => record_command::execute(&arguments),
        Command::Rules(arguments) => rules_command::execute(&arguments),
        Command::Run(arguments) => run::execute(&arguments),
        Command::Scan(arguments) => scan::execute(&arguments),
        Command::Setup(arguments) => setup_command::execute(&arguments),
    }
}

/// Whoever reads the output may stop reading: `kubevigil scan audit.log | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
