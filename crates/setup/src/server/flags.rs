//! Flags and their values.

use std::sync::Arc;

use kubevigil_diagnostics::{Place, Source};

use super::place;

/// The flags of an API server, in the order in which they are given.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// All of them, repeated ones included.
    pub list: Vec<Flag>,
}

/// A flag.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Its name, without dashes before it and with dashes for underscores, as the server reads it.
    pub name: String,
    /// Its value; `None` for a switch without one.
    pub value: Option<String>,
    /// Where it is written.
    pub place: Place,
}

impl Flags {
    /// The flag of this name; of several the last, which is the one that counts.
    pub fn get(&self, name: &str) -> Option<&Flag> {
        self.list.iter().rev().find(|flag| flag.name == name)
    }

    /// The value of a flag; `None` when it is not given, empty, or a mere switch.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?.value.as_deref()?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// A whole number, as Go reads it in base ten; `None` when the flag is not given or is none.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A number; `None` when the flag is not given or is none.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    /// A switch, which is on without a value; `None` when it is not given or is none.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match &self.get(name)?.value {
            None => Some(true),
            Some(value) => boolean(value),
        }
    }

    /// A duration in seconds; `None` when the flag is not given or is none.
    pub fn seconds(&self, name: &str) -> Option<f64> {
        duration(self.text(name)?)
    }

    /// Takes one word: `--name=value`, `--name`, or a value that belongs to the word before it. Whether it begins a flag whose value may follow.
    pub(super) fn take(&mut self, word: &str, at: Place, value_may_follow: bool) -> bool {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            if let Some(last) = self.list.last_mut().filter(|_| value_may_follow) {
                last.value = Some(word.to_owned());
            }
            return false;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let waits = value.is_none() && !is_switch(name);
        self.add(name, value, at);
        waits
    }

    pub(super) fn add(&mut self, name: &str, value: Option<String>, at: Place) {
        if !name.is_empty() {
            self.list.push(Flag {
                name: name.replace('_', "-"),
                value,
                place: at,
            });
        }
    }
}

/// The booleans among the flags of auditing, which never take the next word as their value.
fn is_switch(name: &str) -> bool {
    name.ends_with("-enable") || name.ends_with("-enabled") || name.ends_with("-compress")
}

/// Words separated by blanks or lines. Comments, the name of the program, dashes of lists, quotes and continued lines are left out.
pub(super) fn of_text(source: &Arc<Source>) -> Flags {
    let mut flags = Flags::default();
    let mut value_may_follow = false;
    let mut offset = 0;
    for line in source.text.split_inclusive('\n') {
        let commented = line.trim_start().starts_with('#');
        let mut rest = line;
        while let Some(start) = rest
            .find(|letter: char| !letter.is_whitespace())
            .filter(|_| !commented)
        {
            let (_, from_word) = rest.split_at(start);
            let end = from_word
                .find(char::is_whitespace)
                .unwrap_or(from_word.len());
            let (word, behind) = from_word.split_at(end);
            let at = offset + line.len() - from_word.len();
            let bare = word.trim_matches(['"', '\'', ',']);
            if !matches!(bare, "-" | "\\" | "") {
                value_may_follow =
                    flags.take(bare, place(source, at..at + word.len()), value_may_follow);
            }
            rest = behind;
        }
        offset += line.len();
    }
    flags
}

/// Go's words for booleans (`strconv.ParseBool`).
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's durations (`time.ParseDuration`), in seconds: `30s`, `1m30s`, `500ms`, `0`.
pub fn duration(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ns", 1e-9),
        ("h", 3600.0),
        ("m", 60.0),
        ("s", 1.0),
    ];
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut seconds = 0.0;
    let mut parts = 0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at(end);
        let (unit, scale) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = behind.strip_prefix(unit)?;
        parts += 1;
    }
    (parts > 0).then_some(if negative { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<String> {
        let flags = of_text(&Source::file("flags", text));
        let show = |flag: &Flag| {
            let place = &flag.place;
            assert!(
                place
                    .source
                    .text
                    .get(place.span.clone())
                    .unwrap()
                    .contains('-')
            );
            format!("{}={}", flag.name, flag.value.as_deref().unwrap_or("?"))
        };
        flags.list.iter().map(show).collect()
    }

    #[test]
    fn flags_are_read_however_they_are_pasted() {
        let expected = [
            "audit-log-path=/a b",
            "audit-log-compress=?",
            "audit-log-maxage=7",
        ];
        let expected: Vec<_> = expected.map(|flag| flag.replace("/a b", "/a")).to_vec();
        for text in [
            "kube-apiserver --audit-log-path=/a --audit-log-compress --audit-log-maxage 7",
            "# comment --x\n--audit_log_path=/a\n--audit-log-compress\n\n--audit-log-maxage=7\n",
            "- --audit-log-path=/a\n- --audit-log-compress\n- '--audit-log-maxage=7'\n",
            "kube-apiserver \\\n  --audit-log-path /a \\\n  --audit-log-compress \\\n  --audit-log-maxage=7",
        ] {
            assert_eq!(pairs(text), expected, "{text}");
        }
    }

    #[test]
    fn of_equal_flags_the_last_counts() {
        let flags = of_text(&Source::file("flags", "--a=1 --a=2"));
        assert_eq!(flags.integer("a"), Some(2));
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("1m30s", 90.0),
            ("500ms", 0.5),
            ("0", 0.0),
            ("1.5h", 5400.0),
            ("-1s", -1.0),
        ] {
            assert_eq!(duration(text), Some(seconds), "{text}");
        }
        for text in ["", "30", "s", "1x", "1m30", "-", "µ"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
