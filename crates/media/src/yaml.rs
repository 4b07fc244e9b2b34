//! YAML as a Kubernetes API server reads it, which makes JSON of it before anything else.
//!
//! Only the first document counts. What an unquoted word is, is decided by [`Resolved`]; keys become texts; of equal keys the last one
//! counts; `<<` puts the members of other maps in its place, so that they win against what stands before it and lose against what
//! comes after it, as in go-yaml 2.
//!
//! `.inf` and `.nan` are written as `null`: the server refuses a body in which one is left when all is merged.
//!
//! There is no tree. The JSON is written while the text is read, an alias is a copy of JSON that was written before, and a map
//! with merges or equal keys is written anew when it ends. A tree would be forty times as large as the body that somebody sends
//! for that; so the memory is that of the JSON, whose limit bounds what aliases and merges may copy, too.
//!
//! # Where libyaml differs from the parser
//!
//! - It takes U+0085, U+2028 and U+2029 for line ends. A comment would hide from us what the server reads in the next line, so they
//!   are made line ends before anything is read; inside of quoted texts a U+2028 is therefore recorded as the blank of a folded line.
//! - It reads UTF-16 with a byte order mark.
//! - It refuses more: control characters, directives of other versions. What a server refuses is not recorded anyway.

mod merge;

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use kubevigil_yaml::{Event, Resolved, Style, first_document};
use serde::de::IgnoredAny;

use crate::number::float_key;
use crate::yaml::merge::Members;
use crate::{Json, Unreadable};

const BINARY: &str = "tag:yaml.org,2002:binary";
const MERGE: &str = "tag:yaml.org,2002:merge";

/// Base64 as Go reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether this YAML is JSON already: what Go's own clients send as `application/apply-patch+yaml` always is.
pub(crate) fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Writes the first document.
pub(crate) fn read(body: &[u8], json: &mut Json) -> Result<(), Unreadable> {
    let text = with_plain_line_ends(decoded(body)?);
    let start = json.as_bytes().len();
    let mut writer = Writer {
        json,
        open: Vec::new(),
        anchored: HashMap::new(),
        copied: 0,
    };
    for event in first_document(&text) {
        writer.take(event.map_err(|_| Unreadable::Malformed)?)?;
    }
    if json.as_bytes().len() == start {
        json.raw(b"null")?;
    }
    Ok(())
}

fn decoded(body: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let (from_bytes, units): (fn([u8; 2]) -> u16, _) = match body {
        [0xff, 0xfe, units @ ..] => (u16::from_le_bytes, units),
        [0xfe, 0xff, units @ ..] => (u16::from_be_bytes, units),
        _ => {
            let text = std::str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
            return Ok(Cow::Borrowed(text));
        }
    };
    let (units, rest) = units.as_chunks();
    let text = char::decode_utf16(units.iter().copied().map(from_bytes));
    let text: Result<String, _> = text.collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err(Unreadable::Malformed),
    }
}

fn with_plain_line_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    const OTHERS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    if text.is_ascii() || !text.contains(OTHERS) {
        return text;
    }
    Cow::Owned(text.replace(OTHERS, "\n"))
}

/// JSON that is being written.
struct Writer<'j> {
    json: &'j mut Json,
    /// The lists and maps that are open, outermost first.
    open: Vec<Open>,
    /// The JSON of nodes that have an anchor.
    anchored: HashMap<usize, Vec<u8>>,
    /// How much was copied for anchors and aliases.
    copied: usize,
}

/// A list or map whose end has not been seen.
struct Open {
    /// Where its bracket stands.
    start: usize,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List { is_empty: bool },
    Map(Members),
}

impl Writer<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), Unreadable> {
        if let Event::ListEnd | Event::MapEnd = event {
            return self.close();
        }
        if innermost_map(&mut self.open).is_some_and(|members| members.awaits_key()) {
            return self.key(event);
        }
        let start = self.begin()?;
        match event {
            Event::Scalar {
                text,
                style,
                tag,
                anchor,
            } => {
                scalar(self.json, &text, style, tag.as_deref())?;
                self.end(start, anchor)
            }
            Event::Alias(anchor) => {
                let copy = self.anchored.get(&anchor).ok_or(Unreadable::Malformed)?;
                pay(&mut self.copied, copy, self.json)?;
                self.json.raw(copy)?;
                self.end(start, 0)
            }
            Event::ListStart(anchor) => {
                self.open(b"[", start, anchor, Inside::List { is_empty: true })
            }
            Event::MapStart(anchor) => {
                self.open(b"{", start, anchor, Inside::Map(Members::default()))
            }
            Event::ListEnd | Event::MapEnd => Ok(()),
        }
    }

    /// Writes what stands before a value; where the value starts.
    fn begin(&mut self) -> Result<usize, Unreadable> {
        if let Some(Open {
            inside: Inside::List { is_empty },
            ..
        }) = self.open.last_mut()
            && !std::mem::take(is_empty)
        {
            self.json.raw(b",")?;
        }
        Ok(self.json.as_bytes().len())
    }

    /// A value is written.
    fn end(&mut self, start: usize, anchor: usize) -> Result<(), Unreadable> {
        if anchor != 0 {
            let text = self.json.as_bytes().get(start..).unwrap_or_default();
            pay(&mut self.copied, text, self.json)?;
            self.anchored.insert(anchor, text.to_owned());
        }
        if let Some(members) = innermost_map(&mut self.open) {
            members.ends_value();
        }
        Ok(())
    }

    fn open(
        &mut self,
        bracket: &[u8],
        start: usize,
        anchor: usize,
        inside: Inside,
    ) -> Result<(), Unreadable> {
        self.json.raw(bracket)?;
        self.open.push(Open {
            start,
            anchor,
            inside,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        let open = self.open.pop().ok_or(Unreadable::Malformed)?;
        match open.inside {
            Inside::List { .. } => self.json.raw(b"]")?,
            Inside::Map(members) => {
                members.settle(self.json, open.start + 1)?;
                self.json.raw(b"}")?;
            }
        }
        self.end(open.start, open.anchor)
    }

    fn key(&mut self, event: Event<'_>) -> Result<(), Unreadable> {
        let (key, anchor, is_merge): (Vec<u8>, _, _) = match event {
            Event::Scalar {
                text,
                style,
                tag,
                anchor,
            } => {
                let tag = tag.as_deref();
                let is_plain = tag.is_none() && style == Style::Plain;
                let may_merge = is_plain || tag == Some(MERGE);
                let is_merge = text == "<<" && may_merge;
                (key_text(&text, style, tag)?, anchor, is_merge)
            }
            Event::Alias(anchor) => {
                let json = self.anchored.get(&anchor).ok_or(Unreadable::Malformed)?;
                pay(&mut self.copied, json, self.json)?;
                (key_again(json)?, 0, false)
            }
            _ => return Err(Unreadable::Malformed),
        };
        if anchor != 0 {
            pay(&mut self.copied, &key, self.json)?;
            self.anchored.insert(anchor, key.clone());
        }
        let members = innermost_map(&mut self.open).ok_or(Unreadable::Malformed)?;
        members.begin(self.json, &key, is_merge)
    }
}

/// The members of what is open innermost, if that is a map.
fn innermost_map(open: &mut [Open]) -> Option<&mut Members> {
    match &mut open.last_mut()?.inside {
        Inside::Map(members) => Some(members),
        Inside::List { .. } => None,
    }
}

/// Bounds what anchors and aliases copy by what may be written.
fn pay(copied: &mut usize, text: &[u8], json: &Json) -> Result<(), Unreadable> {
    *copied += text.len();
    if *copied > json.limit() {
        return Err(Unreadable::TooLong);
    }
    Ok(())
}

fn scalar(json: &mut Json, text: &str, style: Style, tag: Option<&str>) -> Result<(), Unreadable> {
    if tag == Some(BINARY) {
        return Ok(json.string(&binary(text)?)?);
    }
    match Resolved::of(text, style, tag).ok_or(Unreadable::Malformed)? {
        Resolved::Null => json.raw(b"null")?,
        Resolved::Bool(truth) => json.raw(truth.to_string().as_bytes())?,
        Resolved::Integer(number) => json.raw(number.to_string().as_bytes())?,
        // The server refuses it, unless a later member or a merge puts something else in its place.
        Resolved::Float(number) if !number.is_finite() => json.raw(b"null")?,
        Resolved::Float(number) => json.float(number)?,
        Resolved::Text(text) => json.string(text.as_bytes())?,
    }
    Ok(())
}

/// A key in quotes. Nothing, and numbers beyond 63 bits, are none.
fn key_text(text: &str, style: Style, tag: Option<&str>) -> Result<Vec<u8>, Unreadable> {
    if tag == Some(BINARY) {
        return quoted(&binary(text)?);
    }
    match Resolved::of(text, style, tag).ok_or(Unreadable::Malformed)? {
        Resolved::Bool(truth) => quoted(truth.to_string().as_bytes()),
        Resolved::Integer(number) if i64::try_from(number).is_ok() => {
            quoted(number.to_string().as_bytes())
        }
        Resolved::Float(number) => quoted(float_key(number).as_bytes()),
        Resolved::Text(text) => quoted(text.as_bytes()),
        Resolved::Null | Resolved::Integer(_) => Err(Unreadable::Malformed),
    }
}

/// A key that is an alias of something that was written as JSON.
fn key_again(json: &[u8]) -> Result<Vec<u8>, Unreadable> {
    match json.first() {
        Some(b'"') => Ok(json.to_owned()),
        None | Some(b'{' | b'[' | b'n') => Err(Unreadable::Malformed),
        Some(_) => quoted(json),
    }
}

fn quoted(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut json = Json::new(usize::MAX);
    json.string(bytes)?;
    Ok(json.into_bytes())
}

fn binary(text: &str) -> Result<Vec<u8>, Unreadable> {
    let text = text.replace(['\r', '\n'], "");
    BASE64.decode(text).map_err(|_| Unreadable::Malformed)
}
