//! JSON in which nothing invisible is left.
//!
//! A character of a JSON string may be written as `\u202e` instead of as itself: programs read the same, and a person who
//! looks at the line in a terminal is not deceived. Falco's format cannot do so, because it is Falco's to the letter.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use kubevigil_diagnostics::escape::is_hostile;

/// The value as compact JSON whose strings hold no character that could act on a terminal or hide on it.
pub(super) fn to_harmless_json(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    // Writing to memory cannot fail, and the alert holds nothing that JSON lacks.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut json, Harmless));
    String::from_utf8(json).unwrap_or_default()
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hostile)) = rest
            .char_indices()
            .find(|&(_, character)| is_hostile(character))
        {
            let (harmless, found) = rest.split_at(at);
            writer.write_all(harmless.as_bytes())?;
            for unit in hostile.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = found.split_at(hostile.len_utf8()).1;
        }
        writer.write_all(rest.as_bytes())
    }
}
