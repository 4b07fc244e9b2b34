//! A copy of a body, made while it passes.
//!
//! Frames are copied, not shared: a frame is often a slice of a larger read buffer, and a sender that writes a byte at a time
//! would make each byte cost a buffer. Memory is taken as bytes arrive, never as they are announced, and the moment that a body turns out
//! to be of no use its copy is gone.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use crate::auditing::{Auditing, Share};

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

impl Tap {
    /// For a body with these headers of which the first `wanted` bytes are of use; none of them if there are more.
    pub(super) fn new(auditing: &Auditing, wanted: usize, headers: &HeaderMap) -> Self {
        let limit = wanted.min(auditing.limits().recorded_body);
        let announced = content_length(headers);
        if wanted == 0 || announced == Some(0) || is_binary(headers) {
            return Self::Closed;
        }
        let is_capped = limit < wanted;
        let encoding = encoding(headers);
        let is_longer = announced.is_some_and(|announced| announced > limit);
        if encoding == Encoding::Unknown || is_longer {
            if !is_longer || is_capped {
                auditing.counters().count_dropped_body();
            }
            return Self::Closed;
        }
        Self::Open(BodyCopy {
            bytes: Vec::new(),
            limit,
            is_capped,
            announced,
            is_gzip: encoding == Encoding::Gzip,
            share: auditing.share(),
        })
    }

    /// Copies bytes that pass.
    pub(super) fn copy(&mut self, data: &[u8], auditing: &Auditing) {
        if let Self::Open(copy) = self
            && !copy.push(data)
        {
            copy.count_as_dropped(data.len(), auditing);
            *self = Self::Closed;
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

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Without its content encoding. `None` if it has another one, ends early, or is too long.
    pub(super) fn decoded(self, auditing: &Auditing) -> Option<Self> {
        if !self.is_gzip {
            return Some(self);
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
            let read = decoder.read(&mut step);
            let data = read.ok().and_then(|read| step.get(..read));
            let Some(data) = data else {
                auditing.counters().count_dropped_body();
                return None;
            };
            if data.is_empty() {
                return Some(plain);
            }
            if !plain.push(data) {
                plain.count_as_dropped(data.len(), auditing);
                return None;
            }
        }
    }

    /// Counts what could not be added, unless the event would not hold it anyway.
    fn count_as_dropped(&self, more: usize, auditing: &Auditing) {
        let is_short_of_memory = self.fits(more);
        if self.is_capped || is_short_of_memory {
            auditing.counters().count_dropped_body();
        }
    }

    /// False, and nothing is added, if it gets too long or memory is short.
    fn push(&mut self, data: &[u8]) -> bool {
        if !self.fits(data.len()) {
            return false;
        }
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity() * 2;
            let end = self.announced.unwrap_or(self.limit);
            let capacity = doubled.min(end).max(needed);
            if !self.share.resize(capacity) {
                return false;
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        true
    }

    fn fits(&self, more: usize) -> bool {
        more <= self.limit - self.bytes.len()
    }
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

/// Whether the body cannot be JSON, so that no event would hold it.
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
