//! A JSON object while it is written, member by member.

/// An object that is open. Nothing but its members may be written until [`Object::close`].
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self::opened(out)
    }

    /// The object whose brace, and perhaps first members with their comma, are written already.
    pub(super) fn opened(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: true,
        }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key; the value goes to what is handed out.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        quoted(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        quoted(self.key(key), value);
    }

    /// Writes the text unless it is empty.
    pub(super) fn some_text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub(super) fn texts(&mut self, key: &str, values: &[String]) {
        let out = self.key(key);
        out.push(b'[');
        for (number, value) in values.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            quoted(out, value);
        }
        out.push(b']');
    }

    /// Writes the texts unless there are none.
    pub(super) fn some_texts(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.texts(key, values);
        }
    }
}

/// A text in quotes, escaped as Go does: control characters, what HTML and JavaScript stumble over.
///
/// Go writes a byte that is no UTF-8 as the escape `\ufffd`, a U+FFFD that somebody sent as the character. Events hold both as the
/// character, and it is written as the escape: broken bytes are what scanners send, and both mean the same to a reader.
pub(crate) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let length = escape(out, from);
        rest = from.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    matches!(
        byte,
        0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2 | 0xef
    )
}

/// Writes the first character; how many bytes of the text it had.
fn escape(out: &mut Vec<u8>, from: &[u8]) -> usize {
    let (written, length): (&[u8], usize) = match from {
        [b'"', ..] => (br#"\""#, 1),
        [b'\\', ..] => (br"\\", 1),
        [b'\n', ..] => (br"\n", 1),
        [b'\r', ..] => (br"\r", 1),
        [b'\t', ..] => (br"\t", 1),
        [8, ..] => (br"\b", 1),
        [12, ..] => (br"\f", 1),
        [0xe2, 0x80, 0xa8, ..] => (br"\u2028", 3),
        [0xe2, 0x80, 0xa9, ..] => (br"\u2029", 3),
        [0xef, 0xbf, 0xbd, ..] => (br"\ufffd", 3),
        [byte @ (0..0x20 | b'<' | b'>' | b'&'), ..] => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return 1;
        }
        _ => (from.get(..1).unwrap_or_default(), 1),
    };
    out.extend_from_slice(written);
    length
}
