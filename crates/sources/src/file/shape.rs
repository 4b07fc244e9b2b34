//! Where a JSON value ends that comes in pieces.
//!
//! Pretty-printed JSON spreads one value over many lines. To gather them one must know, after each line, whether the value
//! is still open, has closed, or can no longer become one. Counting brackets would not tell the third: one
//! truncated line in a log would swallow all that follow. So this follows the grammar of objects, arrays and strings; numbers and names are
//! left to the reader that gets the gathered text.

use memchr::memchr2;

/// Follows one value from its first byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// The open brackets: true for an object.
    open: Vec<bool>,
    expect: Expect,
}

/// What is known after a piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The value goes on.
    Open,
    /// The value ended before this offset of the piece.
    Closed(usize),
    /// No value can begin like this.
    Broken,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Expect {
    #[default]
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

impl Shape {
    /// Follows the value through its next piece. A piece ends where a string cannot go on: at a line end.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Verdict {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let next = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => Some(at + 1),
                b'"' => self.string(piece, at),
                b'{' | b'[' => self.enter(byte == b'{').then_some(at + 1),
                b'}' | b']' => self.leave(byte == b'}').then_some(at + 1),
                b',' => self.comma().then_some(at + 1),
                b':' => self.colon().then_some(at + 1),
                _ => self.scalar(piece, at),
            };
            let Some(next) = next else {
                return Verdict::Broken;
            };
            at = next;
            if self.open.is_empty() && self.expect == Expect::CommaOrEnd {
                return Verdict::Closed(at);
            }
        }
        Verdict::Open
    }

    fn enter(&mut self, object: bool) -> bool {
        let expected = matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        self.open.push(object);
        self.expect = if object {
            Expect::KeyOrEnd
        } else {
            Expect::ValueOrEnd
        };
        expected
    }

    fn leave(&mut self, object: bool) -> bool {
        let may_end = if object {
            Expect::KeyOrEnd
        } else {
            Expect::ValueOrEnd
        };
        let expected = self.expect == may_end || self.expect == Expect::CommaOrEnd;
        self.expect = Expect::CommaOrEnd;
        self.open.pop() == Some(object) && expected
    }

    fn comma(&mut self) -> bool {
        let expected = self.expect == Expect::CommaOrEnd;
        self.expect = match self.open.last() {
            Some(true) => Expect::Key,
            _ => Expect::Value,
        };
        expected
    }

    fn colon(&mut self) -> bool {
        let expected = self.expect == Expect::Colon;
        self.expect = Expect::Value;
        expected
    }

    /// The offset after the string that begins at `start`; `None` when it may not stand here or does not end.
    fn string(&mut self, piece: &[u8], start: usize) -> Option<usize> {
        self.expect = match self.expect {
            Expect::Key | Expect::KeyOrEnd => Expect::Colon,
            Expect::Value | Expect::ValueOrEnd => Expect::CommaOrEnd,
            Expect::Colon | Expect::CommaOrEnd => return None,
        };
        let mut at = start + 1;
        loop {
            at += memchr2(b'"', b'\\', piece.get(at..)?)?;
            if piece.get(at) == Some(&b'"') {
                return Some(at + 1);
            }
            at += 2;
        }
    }

    /// The offset after the number or name that begins at `start`.
    fn scalar(&mut self, piece: &[u8], start: usize) -> Option<usize> {
        if !matches!(self.expect, Expect::Value | Expect::ValueOrEnd) {
            return None;
        }
        self.expect = Expect::CommaOrEnd;
        let rest = piece.get(start..)?;
        let in_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = rest.iter().take_while(|byte| in_scalar(byte)).count();
        (length > 0).then_some(start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Broken, Closed, Open};
    use super::*;

    fn verdicts(pieces: &[&str]) -> Vec<Verdict> {
        let mut shape = Shape::default();
        pieces
            .iter()
            .map(|piece| shape.feed(piece.as_bytes()))
            .collect()
    }

    #[test]
    fn a_value_is_open_until_its_last_bracket() {
        assert_eq!(verdicts(&["{}"]), [Closed(2)]);
        assert_eq!(verdicts(&["{\"a\":[1,true,\"}\\\"\"]} {"]), [Closed(20)]);
        assert_eq!(
            verdicts(&["{", "  \"a\": [", "{ \"b\": -1.5e3", "}", "]", "}, {"]),
            [Open, Open, Open, Open, Open, Closed(1)]
        );
        assert_eq!(verdicts(&["\"a\""]), [Closed(3)]);
    }

    #[test]
    fn a_truncated_line_is_known_to_be_broken_within_the_next_two() {
        let next = "{\"kind\":\"Event\"}";
        let cases: [(&str, &[Verdict]); 7] = [
            ("{\"a", &[Broken]),
            ("{\"a\"", &[Open, Broken]),
            ("{\"a\":", &[Open, Open, Broken]),
            ("{\"a\":1", &[Open, Broken]),
            ("{\"a\":1,", &[Open, Broken]),
            ("{\"a\":[", &[Open, Open, Broken]),
            ("{\"a\":[]", &[Open, Broken]),
        ];
        for (line, expected) in cases {
            let seen = verdicts(&[line, next, next]);
            assert_eq!(&seen[..expected.len()], expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_json_is_broken_at_once() {
        for text in [
            "}", "]", ",", ":", "{]", "[}", "{1", "{\"a\" 1", "[1 2", "[,", "\u{1}", "ü",
        ] {
            assert_eq!(verdicts(&[text]), [Broken], "{text}");
        }
    }

    #[test]
    fn depth_costs_memory_and_no_stack() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(verdicts(&[&deep]), [Open]);
    }
}
