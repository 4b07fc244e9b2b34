//! A copy of a body, made while it passes.
//!
//! Frames are copied, not shared: a frame is often a slice of a larger read buffer, and a sender that writes a byte at a time
//! would make each byte cost a buffer. Memory is taken as bytes arrive, never as they are announced, and the moment that a body
//! turns out to be of no use its copy is gone.
//!
//! What a client says of its body in headers decides nothing: an API server reads a body with `Content-Encoding: br` as if that were
//! not there, and a label must not hide from the audit what the server carries out. The labels of answers are the server's own.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use crate::auditing::{Auditing, Share};
use crate::layer::recording::Recording;

/// How much is decompressed at a time.
const STEP: usize = 16 * 1024;

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
}

impl Tap {
    /// For a request of which the first `wanted` bytes are of use, and none of them if there are more.
    pub(super) fn of_request(recording: &Recording, wanted: usize, headers: &HeaderMap) -> Self {
        Self::new(recording, wanted, headers, Encoding::Identity)
    }

    /// For an answer in the same way.
    pub(super) fn of_answer(recording: &Recording, wanted: usize, headers: &HeaderMap) -> Self {
        if wanted == 0 || is_binary(headers) {
            return Self::Closed;
        }
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
            share: auditing.share(),
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

    /// How many bytes have to be worked on; of a compressed body anything can come out.
    pub(super) fn weight(&self) -> usize {
        if self.is_gzip {
            usize::MAX
        } else {
            self.bytes.len()
        }
    }

    /// Without its content encoding. Not if it has another one, ends early, or is too long.
    pub(super) fn decoded(self, auditing: &Auditing) -> Result<Self, LeftOut> {
        if !self.is_gzip {
            return Ok(self);
        }
        let mut plain = Self {
            bytes: Vec::new(),
            announced: None,
            is_gzip: false,
            share: auditing.share(),
            ..self
        };
        let mut decoder = MultiGzDecoder::new(self.bytes.as_slice());
        let mut step = [0; STEP];
        loop {
            let read = decoder.read(&mut step).map_err(|_| LeftOut::ByUs)?;
            match step.get(..read).unwrap_or_default() {
                [] => return Ok(plain),
                data => plain.push(data)?,
            }
        }
    }

    /// Nothing is added if it gets too long, memory is short, or it turns out to be no JSON.
    fn push(&mut self, data: &[u8]) -> Result<(), LeftOut> {
        let is_first = self.bytes.is_empty() && !self.is_gzip;
        if is_first && !data.first().is_none_or(|byte| may_begin_json(*byte)) {
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

/// Whether JSON can begin with the byte. Protobuf, CBOR and most of YAML do not, whatever their headers say.
fn may_begin_json(byte: u8) -> bool {
    byte.is_ascii_digit() || b" \t\r\n{[\"-tfn".contains(&byte)
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

/// Whether a server says that its answer is no JSON, so that no event would hold it.
fn is_binary(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |it| it.as_bytes());
    [
        &b"application/vnd.kubernetes.protobuf"[..],
        b"application/cbor",
    ]
    .iter()
    .any(|binary| {
        let start = content_type.get(..binary.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(binary))
    })
}

/// What the header announces, if it can be read.
pub(super) fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
