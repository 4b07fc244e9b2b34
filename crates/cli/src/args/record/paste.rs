//! A kube-apiserver's command line, read as that program reads it (pflag), so that it can be pasted.
//!
//! `--name=value` and `--name value`; a switch takes a value only behind an equals sign; underscores are dashes; of equal flags the last
//! counts, or all of a list. Each flag is put to clap by itself, so that one run shows every mistake of the line. clap alone would
//! stop at the first flag that it does not know, take a value that begins with a dash for a flag, and want `--` to mean something.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::Path;

use clap::{Args as _, Command};
use kubevigil_diagnostics::closest;

use super::RecordArgs;
use super::ignored::{SWITCHES, WITH_VALUE};

/// What a pasted command line holds besides flags that are honoured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Pasted {
    /// Flags of kube-apiserver that mean nothing here, by name, in their order, each once.
    pub(crate) ignored: Vec<String>,
    /// What is wrong with the line, in the words that people read.
    pub(crate) mistakes: Vec<String>,
}

/// Makes the arguments of `kubevigil record` such that clap can read them; those of other commands stay what they are.
pub(crate) fn unpack(arguments: Vec<OsString>) -> (Vec<OsString>, Pasted) {
    let asks_for_help = |word: &OsString| word == "-h" || word == "--help";
    let Some(start) = after_record(&arguments).filter(|_| !arguments.iter().any(asks_for_help))
    else {
        return (arguments, Pasted::default());
    };
    let mut arguments = arguments.into_iter();
    let mut line = Line {
        command: RecordArgs::augment_args(Command::new("record")),
        unpacked: arguments.by_ref().take(start).collect(),
        pasted: Pasted::default(),
    };
    line.read(arguments);
    (line.unpacked, line.pasted)
}

/// Where the arguments of `record` begin; `None` for another command.
fn after_record(arguments: &[OsString]) -> Option<usize> {
    let mut words = arguments.iter().enumerate().skip(1);
    while let Some((position, word)) = words.next() {
        match word.to_str() {
            Some("record") => return Some(position + 1),
            Some("--color") => drop(words.next()),
            Some(word) if word.starts_with("--color=") => {}
            _ => return None,
        }
    }
    None
}

struct Line {
    command: Command,
    unpacked: Vec<OsString>,
    pasted: Pasted,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Honoured,
    Ignored,
    Unknown,
}

impl Line {
    fn read(&mut self, words: impl Iterator<Item = OsString>) {
        let mut words = words.peekable();
        let mut has_named_the_program = false;
        while let Some(word) = words.next() {
            if word == "--" {
                continue;
            }
            let program = Path::new(&word).file_name();
            if !has_named_the_program && program == Some(OsStr::new("kube-apiserver")) {
                has_named_the_program = true;
                continue;
            }
            match word.to_str() {
                Some(flag) if flag.starts_with("--") => self.flag(flag, &mut words),
                Some("-v") => {
                    self.ignore("v");
                    words.next();
                }
                Some(level) if level.starts_with("-v") => self.ignore("v"),
                Some(flag) if flag.len() > 2 && flag.starts_with('-') => {
                    let flag = flag.trim_start_matches('-');
                    self.mistake(format!("-{flag}: flags begin with two dashes; write --{flag}"));
                    step_over_value(&mut words);
                }
                _ => self.mistake(format!(
                    "unexpected word `{}`: a switch takes a value only behind an equals sign, as in --audit-log-compress=true",
                    word.display()
                )),
            }
        }
    }

    fn flag(&mut self, flag: &str, words: &mut Peekable<impl Iterator<Item = OsString>>) {
        let flag = flag.trim_start_matches('-');
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (flag, None),
        };
        let name = name.replace('_', "-");
        let (fate, is_switch) = self.look_up(&name);
        if fate == Fate::Unknown {
            if value.is_none() {
                step_over_value(words);
            }
            return self.unknown(&name);
        }
        let value = match value {
            None if !is_switch => match words.next() {
                Some(value) => Some(value),
                None => return self.mistake(format!("--{name} needs a value")),
            },
            value => value,
        };
        match fate {
            Fate::Honoured => self.honour(&name, value),
            _ => self.ignore(&name),
        }
    }

    /// What becomes of a flag, and whether it is a switch.
    fn look_up(&self, name: &str) -> (Fate, bool) {
        // It belongs to the program as a whole.
        if name == "color" {
            return (Fate::Honoured, false);
        }
        let known = self
            .command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(name));
        match known {
            Some(argument) => {
                let is_bare = !argument.get_action().takes_values();
                (Fate::Honoured, is_bare || argument.is_require_equals_set())
            }
            None if WITH_VALUE.contains(&name) => (Fate::Ignored, false),
            None if SWITCHES.contains(&name) => (Fate::Ignored, true),
            None => (Fate::Unknown, false),
        }
    }

    fn honour(&mut self, name: &str, value: Option<OsString>) {
        let mut word = OsString::from(format!("--{name}"));
        if let Some(value) = value {
            word.push("=");
            word.push(value);
        }
        let alone = [OsStr::new("record"), word.as_os_str()];
        match self.command.clone().try_get_matches_from(alone) {
            Err(error) if name != "color" => self.mistake(in_one_line(&error.to_string())),
            _ => self.unpacked.push(word),
        }
    }

    fn ignore(&mut self, name: &str) {
        if !self.pasted.ignored.iter().any(|known| known == name) {
            self.pasted.ignored.push(name.to_owned());
        }
    }

    fn unknown(&mut self, name: &str) {
        let arguments = self.command.get_arguments();
        let own = arguments.filter_map(|argument| argument.get_long());
        let others = WITH_VALUE.iter().chain(SWITCHES).copied();
        let near = closest(name, own.chain(others));
        let near = near.map_or_else(String::new, |near| format!("; did you mean --{near}?"));
        self.mistake(format!(
            "neither kube-apiserver nor kubevigil has a flag --{name}{near}"
        ));
    }

    fn mistake(&mut self, message: String) {
        self.pasted.mistakes.push(message);
    }
}

/// What follows a flag that nobody knows is most likely its value.
fn step_over_value(words: &mut Peekable<impl Iterator<Item = OsString>>) {
    words.next_if(|word| !word.as_encoded_bytes().starts_with(b"-"));
}

/// What clap says of a value, without what surrounds it.
fn in_one_line(error: &str) -> String {
    let error = error.strip_prefix("error: ").unwrap_or(error);
    let first = error.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    /// What is left for clap, what is ignored, what is wrong.
    fn unpacked(line: &str) -> (String, String, Vec<String>) {
        let words = line.split(' ').map(OsString::from).collect();
        let (left, pasted) = unpack(words);
        let left: Vec<String> = left
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        (left.join(" "), pasted.ignored.join(" "), pasted.mistakes)
    }

    #[test]
    fn lines_are_read_as_kube_apiserver_reads_them() {
        // The line behind `kubevigil record`, what clap gets, what is ignored.
        let cases = [
            (
                "--audit-log-path=/a --audit-log-maxage 7",
                "--audit-log-path=/a --audit-log-maxage=7",
                "",
            ),
            ("--audit_log_path /a", "--audit-log-path=/a", ""),
            (
                "--audit-log-path - --audit-log-maxage -1",
                "--audit-log-path=- --audit-log-maxage=-1",
                "",
            ),
            (
                "--audit-log-compress --audit-log-path x",
                "--audit-log-compress --audit-log-path=x",
                "",
            ),
            ("--audit-log-compress=T", "--audit-log-compress=T", ""),
            (
                "kube-apiserver --allow-privileged=true --etcd-servers https://e:2379",
                "",
                "allow-privileged etcd-servers",
            ),
            (
                "-- /usr/local/bin/kube-apiserver --profiling --v=2",
                "",
                "profiling v",
            ),
            (
                "--upstream http://u -- kube-apiserver -v 4 --feature-gates=A=true,B=false",
                "--upstream=http://u",
                "v feature-gates",
            ),
            (
                "--upstream http://u kube-apiserver -v2",
                "--upstream=http://u",
                "v",
            ),
            ("-v2 --v=3 -v=4", "", "v"),
            (
                "--color never --identity impersonate",
                "--color=never --identity=impersonate",
                "",
            ),
            (
                "--check --audit-log-path x",
                "--check --audit-log-path=x",
                "",
            ),
            (
                "--service-account-key-file a --service-account-key-file b",
                "--service-account-key-file=a --service-account-key-file=b",
                "",
            ),
        ];
        for (line, left, ignored) in cases {
            let found = unpacked(&format!("kubevigil record {line}"));
            let left = format!("kubevigil record {left}");
            assert_eq!(
                found,
                (left.trim_end().to_owned(), ignored.to_owned(), Vec::new()),
                "{line}"
            );
        }
    }

    #[test]
    fn all_mistakes_of_a_line_are_found() {
        let line = "kubevigil record --audit-log-maxage ten --audit-polcy-file p -audit-log-path x --audit-log-compress true --identity=none --etcd-server=e --audit-log-path";
        let (left, _, mistakes) = unpacked(line);
        assert_eq!(left, "kubevigil record --audit-log-compress");
        let expected = [
            "invalid value 'ten' for '--audit-log-maxage <DAYS>': expected a whole number",
            "neither kube-apiserver nor kubevigil has a flag --audit-polcy-file; did you mean --audit-policy-file?",
            "-audit-log-path: flags begin with two dashes; write --audit-log-path",
            "unexpected word `true`: a switch takes a value only behind an equals sign",
            "invalid value 'none' for '--identity <HOW>' [possible values: passthrough, impersonate]",
            "neither kube-apiserver nor kubevigil has a flag --etcd-server; did you mean --etcd-servers?",
            "--audit-log-path needs a value",
        ];
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, expected) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(expected), "{mistake}");
        }
    }

    /// Whatever is typed, what is left for clap is what clap can read, and reading it again changes nothing.
    #[test]
    fn what_is_left_can_be_read() {
        const WORDS: [&str; 21] = [
            "--",
            "-",
            "=",
            "--=",
            "-v",
            "-v3",
            "--color=never",
            "kube-apiserver",
            "--check",
            "--check=true",
            "--audit-log-path",
            "--audit-log-path=",
            "--audit_log_maxage",
            "7",
            "--audit-log-compress",
            "--audit-log-compress=f",
            "--api-audiences=a,,b",
            "--etcd-servers",
            "--profiling=no",
            "--no-such-flag",
            "--upstream-context=\u{fc}=x",
        ];
        let mut chance = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let length = chance.usize(..8);
            let words = (0..length).map(|_| chance.choice(WORDS).unwrap());
            let line = ["kubevigil", "record"].into_iter().chain(words);
            let line: Vec<OsString> = line.map(OsString::from).collect();
            let (left, _) = unpack(line.clone());
            let again = unpack(left.clone());
            assert_eq!(again, (left.clone(), Pasted::default()), "{line:?}");
            let read = Cli::try_parse_from(&left);
            assert!(read.is_ok(), "{line:?} leaves {left:?}");
        }
    }

    #[test]
    fn other_commands_are_left_alone() {
        for line in [
            "kubevigil run -c record",
            "kubevigil",
            "kubevigil --color never scan record",
            "kubevigil record --audit_x --help",
        ] {
            assert_eq!(unpacked(line).0, line);
        }
        assert_eq!(unpacked("kubevigil --color always record --v=1").1, "v");
    }
}
