//! One JSON value, checked, compacted and escaped in one pass.

use super::escape::escape_into;
use super::place::Place;

/// The bytes are not exactly one JSON value, so no event can hold them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {at} of the body does not belong to exactly one JSON value")]
pub struct NotOneValue {
    /// Where it goes wrong, counted from 0.
    pub at: usize,
}

/// The value without blanks outside of texts, and with what HTML and JavaScript stumble over escaped (spec 2.4): `<`, `>`, `&`,
/// U+2028, U+2029. Members keep their order, numbers and escapes their spelling. Bytes that are no UTF-8 become U+FFFD.
///
/// With `omit_managed_fields` the `metadata.managedFields` of the object, of the items of a list and of the objects in the rows of a
/// table are left out (spec 6.6).
///
/// # Errors
///
/// When the bytes are not exactly one JSON value.
pub fn compact(bytes: &[u8], omit_managed_fields: bool) -> Result<Vec<u8>, NotOneValue> {
    let mut out = Vec::with_capacity(bytes.len());
    compact_into(&mut out, bytes, omit_managed_fields).map(|()| out)
}

/// The same, written behind what `out` holds. After an error a part of the value stands there.
pub(crate) fn compact_into(
    out: &mut Vec<u8>,
    bytes: &[u8],
    omit_managed_fields: bool,
) -> Result<(), NotOneValue> {
    out.reserve(bytes.len());
    let mut scan = Scan {
        bytes,
        at: 0,
        out,
        open: Vec::new(),
        omit: omit_managed_fields,
    };
    scan.value(Place::Object)?;
    while !scan.open.is_empty() {
        scan.step()?;
    }
    scan.blanks();
    if scan.at == bytes.len() {
        Ok(())
    } else {
        Err(scan.fault())
    }
}

/// An open object or array.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    place: Place,
    /// A comma is due before the next element that is written.
    has_written: bool,
    /// Something was read, so a comma has to be read before the next.
    has_read: bool,
    /// Where to cut the output once the element that is being read has ended.
    cut: Option<(usize, bool)>,
}

struct Scan<'b, 'o> {
    bytes: &'b [u8],
    at: usize,
    out: &'o mut Vec<u8>,
    open: Vec<Open>,
    omit: bool,
}

impl Scan<'_, '_> {
    /// Reads the next element of the innermost bracket, or its end.
    fn step(&mut self) -> Result<(), NotOneValue> {
        self.blanks();
        let fault = self.fault();
        let Some(mut open) = self.open.last().copied() else {
            return Err(fault);
        };
        if let Some((length, had_written)) = open.cut.take() {
            self.out.truncate(length);
            open.has_written = had_written;
        }
        let closing = if open.is_object { b'}' } else { b']' };
        if self.peek() == Some(closing) {
            self.at += 1;
            self.out.push(closing);
            self.open.pop();
            return Ok(());
        }
        if open.has_read {
            self.expect(b',')?;
            self.blanks();
        }
        let (length, had_written) = (self.out.len(), open.has_written);
        if open.has_written {
            self.out.push(b',');
        }
        let place = self.key(&open)?;
        (open.has_read, open.has_written) = (true, true);
        open.cut = (place == Place::ManagedFields).then_some((length, had_written));
        if let Some(last) = self.open.last_mut() {
            *last = open;
        }
        self.value(place)
    }

    /// Reads a member's key; where the value stands.
    fn key(&mut self, open: &Open) -> Result<Place, NotOneValue> {
        if !open.is_object {
            return Ok(open.place.element());
        }
        let start = self.at;
        self.string()?;
        let key = self.bytes.get(start..self.at).unwrap_or_default();
        let place = if self.omit {
            open.place.member(key)
        } else {
            Place::Elsewhere
        };
        self.blanks();
        self.expect(b':')?;
        self.out.push(b':');
        Ok(place)
    }

    /// Reads a value, of an object or array the opening bracket only.
    fn value(&mut self, place: Place) -> Result<(), NotOneValue> {
        self.blanks();
        match self.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                self.at += 1;
                self.out.push(bracket);
                self.open.push(Open {
                    is_object: bracket == b'{',
                    place,
                    has_written: false,
                    has_read: false,
                    cut: None,
                });
                Ok(())
            }
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotOneValue> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.fault());
        }
        self.at += word.len();
        self.out.extend_from_slice(word);
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotOneValue> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let number = self.bytes.get(start..self.at).unwrap_or_default();
        self.out.extend_from_slice(number);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotOneValue> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.fault())
        } else {
            Ok(())
        }
    }

    fn string(&mut self) -> Result<(), NotOneValue> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.fault()),
            }
        }
        let content = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        self.out.push(b'"');
        escape_into(self.out, content);
        self.out.push(b'"');
        Ok(())
    }

    fn escape(&mut self) -> Result<(), NotOneValue> {
        self.at += 1;
        let kind = self.peek();
        let digits = match kind {
            Some(b'u') => self.bytes.get(self.at + 1..self.at + 5),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some([].as_slice()),
            _ => None,
        };
        match digits {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                self.at += 1 + digits.len();
                Ok(())
            }
            _ => Err(self.fault()),
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotOneValue> {
        if self.skip(byte) {
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self) -> NotOneValue {
        NotOneValue { at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compacted(text: &str, omit: bool) -> String {
        match compact(text.as_bytes(), omit) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(fault) => format!("byte {}", fault.at),
        }
    }

    #[test]
    fn bodies_lose_their_blanks_and_nothing_else() {
        let cases = [
            ("null", "null"),
            (
                " { \"a\" : [ 1 , -2.5e+3 , \"x y\" ] , \"b\":{}}\n",
                r#"{"a":[1,-2.5e+3,"x y"],"b":{}}"#,
            ),
            (
                r#""a<b>&c \u003c \/""#,
                r#""a\u003cb\u003e\u0026c \u003c \/""#,
            ),
            ("\"\u{2028}\u{2029}\u{20ac}\"", "\"\\u2028\\u2029\u{20ac}\""),
            ("", "byte 0"),
            ("  ", "byte 2"),
            ("{}{}", "byte 2"),
            ("[1,]", "byte 3"),
            ("[1 2]", "byte 3"),
            ("{\"a\":1,}", "byte 7"),
            ("{a:1}", "byte 1"),
            ("[01]", "byte 2"),
            ("nul", "byte 0"),
            ("\"\\x\"", "byte 2"),
            ("\"\\u12g4\"", "byte 2"),
            ("\"a\nb\"", "byte 2"),
            ("- a: yaml", "byte 1"),
            ("[", "byte 1"),
        ];
        for (text, expected) in cases {
            assert_eq!(compacted(text, false), expected, "{text}");
        }
    }

    #[test]
    fn managed_fields_go_where_the_server_takes_them_out() {
        let cases = [
            (
                r#"{"metadata":{"managedFields":[{"a":{}}],"name":"x"},"spec":1}"#,
                r#"{"metadata":{"name":"x"},"spec":1}"#,
            ),
            (
                r#"{"metadata":{"name":"x","managedFields":[]},"spec":1}"#,
                r#"{"metadata":{"name":"x"},"spec":1}"#,
            ),
            (
                r#"{"metadata":{"a":1,"managedFields":null,"b":2}}"#,
                r#"{"metadata":{"a":1,"b":2}}"#,
            ),
            (r#"{"metadata":{"managedFields":[]}}"#, r#"{"metadata":{}}"#),
            (
                r#"{"items":[{"metadata":{"managedFields":[]}},{"metadata":{"managedFields":1}}]}"#,
                r#"{"items":[{"metadata":{}},{"metadata":{}}]}"#,
            ),
            (
                r#"{"rows":[{"cells":[],"object":{"metadata":{"managedFields":[],"a":1}}},{}]}"#,
                r#"{"rows":[{"cells":[],"object":{"metadata":{"a":1}}},{}]}"#,
            ),
            (
                r#"{"spec":{"metadata":{"managedFields":[]}}}"#,
                r#"{"spec":{"metadata":{"managedFields":[]}}}"#,
            ),
            (
                r#"{"managedFields":[],"data":{"managedFields":1}}"#,
                r#"{"managedFields":[],"data":{"managedFields":1}}"#,
            ),
            (
                r#"[{"metadata":{"managedFields":[]}}]"#,
                r#"[{"metadata":{"managedFields":[]}}]"#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(compacted(text, true), expected, "{text}");
            assert_eq!(compacted(text, false), text);
        }
    }

    #[test]
    fn a_million_open_brackets_are_no_trouble() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(compacted(&deep, true), deep);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_one_by_one() {
        let found = compact(b"\"a\xff\xfe\"", false).unwrap();
        assert_eq!(found, "\"a\u{fffd}\u{fffd}\"".as_bytes());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_a_parser_accepts(text in r#"[\[\]{}:,"0-9a-e\\ .eu+-]{0,12}|(\[|\{"a":|1|,|"x"|\}|\]|null|-| ){0,9}"#) {
            let ours = compact(text.as_bytes(), false);
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        }

        #[test]
        fn a_compact_body_stays_as_it_is(text in r#"(\[|\{"a":|1|,|"x<"|\}|\]|null| ){0,12}"#) {
            if let Ok(once) = compact(text.as_bytes(), true) {
                prop_assert_eq!(compact(&once, true).unwrap(), once);
            }
        }
    }
}
