//! Options of a command line, as getopt(3) reads them.

use std::borrow::Cow;

use kubevigil_rules::{Value, Values};

/// The option letters, each followed by its value; with a third argument only that option's last value.
pub(super) fn get_opt<'e>(arguments: &[Values<'_>]) -> Values<'e> {
    let text = |text: &[u8]| Value::Text(Cow::Owned(text.to_vec()));
    let words: Vec<_> = arguments[0]
        .as_slice()
        .iter()
        .map(|word| word.to_text().into_owned())
        .collect();
    let options = arguments[1].as_slice()[0].to_text().into_owned();
    let found = options_of(&words, &options);
    if let Some(letter) = arguments.get(2) {
        let letter = letter.as_slice()[0].to_text().into_owned();
        let last = found
            .iter()
            .rev()
            .find(|(found, _)| letter.first() == Some(found));
        return last.map_or(Values::Absent, |(_, value)| {
            Values::One(text(value.as_deref().unwrap_or_default()))
        });
    }
    let mut values = Vec::new();
    for (letter, value) in found {
        values.push(text(&[letter]));
        values.extend(value.map(|value| text(&value)));
    }
    Values::list(values)
}

fn options_of(words: &[Vec<u8>], options: &[u8]) -> Vec<(u8, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next().filter(|word| word.as_slice() != b"--") {
        let Some(letters) = word.strip_prefix(b"-") else {
            continue;
        };
        for (at, letter) in letters.iter().enumerate() {
            let known = options
                .iter()
                .position(|option| option == letter && *letter != b':');
            let Some(known) = known else { continue };
            if options.get(known + 1) != Some(&b':') {
                found.push((*letter, None));
                continue;
            }
            let rest = &letters[at + 1..];
            let value = if rest.is_empty() {
                words.next().cloned()
            } else {
                Some(rest.to_vec())
            };
            found.push((*letter, value));
            break;
        }
    }
    found
}
