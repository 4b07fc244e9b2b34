//! A copy of a body, made while it passes.
//!
//! Frames are copied, not shared: a frame is often a slice of a larger read buffer, and a sender that writes a byte at a time
//! would make each byte cost a buffer. Memory is taken as bytes arrive, never as they are announced, and the moment that a body
//! turns out to be of no use its copy is gone.
//!
//! What a client says of its body in headers decides what the server makes of it: an API server reads a body as what its
//! `Content-Type` names, and one with `Content-Encoding: br` as if that were not there. A label must not hide from the audit what the
//! server carries out. The labels of answers are the server's own.

mod decoded;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use kubevigil_media::Format;

use crate::auditing::Share;
use crate::layer::recording::Recording;

pub(super) use crate::layer::body_copy::decoded::Decoded;

/// How much larger than their bodies the work on other formats than JSON is taken to be.
const GROWTH: usize = 8;

/// What of a body came by so far.
#[derive(Debug)]
pub(super) struct BodyCopy {
    bytes: Vec<u8>,
    limit: usize,
    /// The limit is ours: the event would hold more.
    is_capped: bool,
    /// How long the sender says it will be.
    announced: Option<usize>,
    is_gzip: bool,
    content_type: Option<HeaderValue>,
    share: Share,
}

/// What is done with the bytes that pass.
#[derive(Debug, Default)]
pub(super) enum Tap {
    /// They are of no use.
    #[default]
    Closed,
    /// They are copied.
    Open(BodyCopy),
}

/// Who keeps a body out of the events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LeftOut {
    /// The server would not record it either.
    ByNature,
    /// Our limits, or an encoding that we do not read.
    ByUs,
    /// It is not what its label says, or of a kind that is not known here.
    Unread,
}

impl Tap {
    /// For a request of which the first `wanted` bytes are of use, and none of them if there are more.
    pub(super) fn of_request(recording: &Recording, wanted: usize, headers: &HeaderMap) -> Self {
        Self::new(recording, wanted, headers, Encoding::Identity)
    }

    /// For an answer in the same way.
    pub(super) fn of_answer(recording: &Recording, wanted: usize, headers: &HeaderMap) -> Self {
        Self::new(recording, wanted, headers, encoding(headers))
    }

    fn new(recording: &Recording, wanted: usize, headers: &HeaderMap, encoding: Encoding) -> Self {
        let auditing = recording.auditing();
        let limit = wanted.min(auditing.limits().recorded_body);
        let announced = content_length(headers);
        let copy = BodyCopy {
            bytes: Vec::new(),
            limit,
            is_capped: limit < wanted,
            announced,
            is_gzip: encoding == Encoding::Gzip,
            content_type: headers.get(CONTENT_TYPE).cloned(),
            share: recording.share(),
        };
        let has_room = copy.room_for(announced.unwrap_or_default());
        let left_out = match has_room {
            _ if wanted == 0 || announced == Some(0) => LeftOut::ByNature,
            Err(left_out) => left_out,
            Ok(()) if encoding == Encoding::Unknown => LeftOut::ByUs,
            Ok(()) => return Self::Open(copy),
        };
        left_out.note(recording);
        Self::Closed
    }

    /// Copies bytes that pass.
    pub(super) fn copy(&mut self, data: &[u8], recording: &Recording) {
        if let Self::Open(copy) = self
            && let Err(left_out) = copy.push(data)
        {
            *self = Self::Closed;
            left_out.note(recording);
        }
    }

    /// The copy, when the body is over.
    pub(super) fn take(&mut self) -> Option<BodyCopy> {
        match std::mem::take(self) {
            Self::Open(copy) => Some(copy),
            Self::Closed => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl BodyCopy {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes have to be worked on. Of a compressed body anything can come out, and of YAML with aliases.
    pub(super) fn weight(&self) -> usize {
        let has_aliases = || self.bytes.contains(&b'&') && self.bytes.contains(&b'*');
        match self.format() {
            _ if self.is_gzip => usize::MAX,
            Format::Json => self.bytes.len(),
            Format::Yaml if has_aliases() => usize::MAX,
            Format::Yaml | Format::Cbor | Format::Protobuf => {
                self.bytes.len().saturating_mul(GROWTH)
            }
        }
    }

    fn format(&self) -> Format {
        self.format_of(&self.bytes)
    }

    /// The format of a body with these headers that begins so.
    fn format_of(&self, start: &[u8]) -> Format {
        let content_type = self.content_type.as_ref();
        Format::of(content_type.map_or(&b""[..], HeaderValue::as_bytes), start)
    }

    /// Nothing is added if it gets too long, memory is short, or it turns out to be no JSON.
    fn push(&mut self, data: &[u8]) -> Result<(), LeftOut> {
        let is_first = self.bytes.is_empty() && !self.is_gzip;
        if is_first && self.format_of(data) == Format::Json && !may_begin_json(data) {
            return Err(LeftOut::ByNature);
        }
        self.room_for(data.len())?;
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity() * 2;
            let end = self.announced.filter(|announced| *announced >= needed);
            let capacity = doubled.min(end.unwrap_or(self.limit)).max(needed);
            if !self.share.resize(capacity) {
                return Err(LeftOut::ByUs);
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn room_for(&self, more: usize) -> Result<(), LeftOut> {
        match more <= self.limit - self.bytes.len() {
            true => Ok(()),
            false if self.is_capped => Err(LeftOut::ByUs),
            false => Err(LeftOut::ByNature),
        }
    }
}

impl LeftOut {
    fn note(self, recording: &Recording) {
        if self == Self::ByUs {
            recording.body_dropped();
        }
    }
}

/// Whether JSON can begin so. A text that says that it is JSON is none for the server either.
fn may_begin_json(data: &[u8]) -> bool {
    data.first()
        .is_none_or(|byte| byte.is_ascii_digit() || b" \t\r\n{[\"-tfn".contains(byte))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    Identity,
    Gzip,
    Unknown,
}

fn encoding(headers: &HeaderMap) -> Encoding {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Encoding::Identity,
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"identity") => Encoding::Identity,
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"gzip") => Encoding::Gzip,
        _ => Encoding::Unknown,
    }
}

/// What the header announces, if it can be read.
pub(super) fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
