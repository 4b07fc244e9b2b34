//! One JSON value inside an event's bytes.

use std::borrow::Cow;

use super::block::{BLOCK, Depth, Scanner};

/// One JSON value: the bytes where it stands, without blanks around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Json<'e> {
    raw: &'e [u8],
}

/// What kind of value a [`Json`] is, told from its first byte.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "JSON's own words")]
pub enum JsonKind {
    Array,
    Bool,
    Null,
    Number,
    Object,
    String,
    /// Bytes that start no JSON value (`nan`, nothing at all).
    Other,
}

impl<'e> Json<'e> {
    /// The value that is exactly `raw`: no blanks around it, and it ends where the slice does.
    #[inline]
    pub(super) fn from_raw(raw: &'e [u8]) -> Self {
        Self { raw }
    }

    /// The value that starts at the first byte of `bytes` that is not blank; what follows it is left out.
    pub fn first_in(bytes: &'e [u8]) -> Option<Self> {
        let start = skip_blanks(bytes, 0);
        let end = value_end(bytes, start);
        let raw = bytes.get(start..end)?;
        (!raw.is_empty()).then_some(Self { raw })
    }

    /// Where the value stands in the text that it was found in; some offset behind its end in any other.
    #[inline]
    pub(crate) fn offset_in(self, text: &[u8]) -> usize {
        (self.raw.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize)
    }

    /// The bytes of the value as they stand in the event.
    pub fn raw(self) -> &'e [u8] {
        self.raw
    }

    /// The kind of the value.
    pub fn kind(self) -> JsonKind {
        match self.raw.first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') if self.raw == b"null" => JsonKind::Null,
            Some(b'-' | b'0'..=b'9') => JsonKind::Number,
            _ => JsonKind::Other,
        }
    }

    /// The content of a string, escapes decoded; `None` for any other kind.
    ///
    /// A lone surrogate becomes U+FFFD, an unknown escape stands for itself.
    pub fn string(self) -> Option<Cow<'e, [u8]>> {
        let inner = self.raw.strip_prefix(b"\"")?;
        let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
        Some(super::text::unescape(inner))
    }

    /// The value as text: a string's content, for anything else its JSON without blanks between tokens.
    pub fn text(self) -> Cow<'e, [u8]> {
        self.string().unwrap_or_else(|| self.compact())
    }

    /// The value's JSON without blanks between tokens; numbers, escapes and the order of members as in the source.
    pub fn compact(self) -> Cow<'e, [u8]> {
        super::text::compact(self.raw)
    }

    /// The member called `key` of an object, the first one if there are several.
    pub fn member(self, key: &str) -> Option<Json<'e>> {
        self.members()
            .find(|(name, _)| name.as_ref() == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// The member called `key` of an object, the last one if there are several.
    pub fn last_member(self, key: &str) -> Option<Json<'e>> {
        self.members()
            .filter(|(name, _)| name.as_ref() == key.as_bytes())
            .last()
            .map(|(_, value)| value)
    }

    /// The members of an object in order; nothing for any other kind.
    pub fn members(self) -> Members<'e> {
        let at = if self.kind() == JsonKind::Object {
            1
        } else {
            self.raw.len()
        };
        Members { raw: self.raw, at }
    }

    /// The elements of an array in order; nothing for any other kind.
    pub fn elements(self) -> Elements<'e> {
        let at = if self.kind() == JsonKind::Array {
            1
        } else {
            self.raw.len()
        };
        Elements { raw: self.raw, at }
    }
}

/// The members of an object, keys decoded. See [`Json::members`].
#[derive(Clone, Debug)]
pub struct Members<'e> {
    raw: &'e [u8],
    at: usize,
}

impl<'e> Iterator for Members<'e> {
    type Item = (Cow<'e, [u8]>, Json<'e>);

    fn next(&mut self) -> Option<Self::Item> {
        self.at = skip_separators(self.raw, self.at);
        let key_end = value_end(self.raw, self.at);
        let key = Json {
            raw: self.raw.get(self.at..key_end)?,
        }
        .string()?;
        let start = skip_separators(self.raw, key_end);
        self.at = value_end(self.raw, start);
        let raw = self.raw.get(start..self.at)?;
        (!raw.is_empty()).then_some((key, Json { raw }))
    }
}

/// The elements of an array. See [`Json::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'e> {
    raw: &'e [u8],
    at: usize,
}

impl<'e> Iterator for Elements<'e> {
    type Item = Json<'e>;

    fn next(&mut self) -> Option<Json<'e>> {
        let start = skip_separators(self.raw, self.at);
        self.at = value_end(self.raw, start);
        let raw = self.raw.get(start..self.at)?;
        (!raw.is_empty()).then_some(Json { raw })
    }
}

fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    skip_while(bytes, from, |byte| {
        matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
    })
}

fn skip_separators(bytes: &[u8], from: usize) -> usize {
    skip_while(bytes, from, |byte| {
        matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')
    })
}

fn skip_while(bytes: &[u8], from: usize, skip: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest
        .iter()
        .position(|&byte| !skip(byte))
        .unwrap_or(rest.len())
}

/// Where the value that starts at `start` ends; `start` itself when none starts there.
fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => container_end(bytes, start),
        Some(_) => scalar_end(bytes, start),
        None => start.min(bytes.len()),
    }
}

fn scalar_end(bytes: &[u8], start: usize) -> usize {
    skip_while(bytes, start, |byte| {
        !matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b']' | b'}' | b'[' | b'{' | b'"'
        )
    })
}

/// Where the string that starts at `start` ends: behind its closing quote, or at the end of the bytes.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            None => return bytes.len(),
            Some(found) if rest.get(found) == Some(&b'"') => return at + found + 1,
            Some(found) => at += found + 2,
        }
    }
}

/// Where the object or array that starts at `start` ends, or the end of the bytes. Short ones are walked byte by byte,
/// the rest of long ones a block at a time.
fn container_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_u32;
    let mut at = start;
    while at < start + BLOCK {
        match bytes.get(at) {
            Some(b'"') => {
                at = string_end(bytes, at);
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') => depth = depth.saturating_sub(1),
            Some(_) => {}
            None => return bytes.len(),
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    rest_end(bytes, at, Depth(depth))
}

/// Where the open brackets are closed, from `from`, which is outside strings.
fn rest_end(bytes: &[u8], from: usize, mut depth: Depth) -> usize {
    let mut scanner = Scanner::default();
    let (whole, tail) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
    for (number, block) in whole.iter().enumerate() {
        if let Some(at) = depth.closed(scanner.block(block)) {
            return from + number * BLOCK + at + 1;
        }
    }
    let at = depth.closed(scanner.tail(tail));
    at.map_or(bytes.len(), |at| from + whole.len() * BLOCK + at + 1)
}
