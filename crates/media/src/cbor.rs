//! CBOR (RFC 8949) as a Kubernetes API server reads it.
//!
//! What Kubernetes makes of CBOR where nothing else is known of a value (`apimachinery`, `pkg/runtime/serializer/cbor/internal/modes`, KEP
//! 4222):
//!
//! | CBOR | JSON |
//! |---|---|
//! | byte string | its bytes as text: Go's strings are sent so, and values that are bytes come as base64 already |
//! | byte string below tag 21, 22, 23 | text in base64url, base64, base16: how Go's byte slices are sent |
//! | key | text or byte string |
//! | tag 1 with a number of seconds | the time as text (RFC 3339) |
//! | tags 2 and 3, numbers beyond 64 bits | refused |
//! | any other tag | its content |
//! | `undefined`, simple values, NaN, infinities, other keys, something behind the value | refused |
//!
//! What it refuses is refused here, but for its limits: 64 levels, 1,024 elements. Equal keys, which it refuses, too, are written as they
//! stand.
//!
//! The decoder is `minicbor`'s, which is maintained, and hands out one head at a time of a slice, so that strings are borrowed, an announced
//! length is compared with what is there before anything is done with it, and nesting is a stack of ours. `ciborium` builds
//! values with recursion and copies; `cbor4ii` and `serde_cbor` deserialise into types by recursion, and the latter is no longer maintained.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use crate::{Json, TooLong, Unreadable};

/// How many lists and maps may stand in one another; Go's JSON has the same limit.
const MAX_OPEN: usize = 10_000;

impl From<Error> for Unreadable {
    fn from(_: Error) -> Self {
        Self::Malformed
    }
}

/// Writes the only value.
pub(crate) fn read(body: &[u8], json: &mut Json) -> Result<(), Unreadable> {
    let mut reader = Reader {
        decoder: Decoder::new(body),
        json,
        open: Vec::new(),
    };
    reader.value()?;
    while !reader.open.is_empty() {
        reader.step()?;
    }
    if reader.decoder.position() == body.len() {
        Ok(())
    } else {
        Err(Unreadable::Malformed)
    }
}

struct Reader<'b, 'j> {
    decoder: Decoder<'b>,
    json: &'j mut Json,
    /// The lists and maps that are open, outermost first.
    open: Vec<Open>,
}

/// A list or map whose end has not been seen.
#[derive(Clone, Copy)]
struct Open {
    /// How many elements or members are to come, if that was said.
    left: Option<u64>,
    is_map: bool,
    has_members: bool,
    later: Option<Later>,
}

/// How a byte string is written.
#[derive(Clone, Copy)]
enum Later {
    Base64Url,
    Base64,
    Base16,
}

/// What the tags before a value say.
#[derive(Clone, Copy)]
struct Tags {
    later: Option<Later>,
    is_time: bool,
}

impl Reader<'_, '_> {
    /// Reads the next element or member of the innermost list or map, or its end.
    fn step(&mut self) -> Result<(), Unreadable> {
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let is_over = match &mut open.left {
            Some(left) => {
                let is_over = *left == 0;
                *left = left.saturating_sub(1);
                is_over
            }
            None => self.decoder.datatype()? == Type::Break,
        };
        let Open { left, is_map, .. } = *open;
        if is_over {
            if left.is_none() {
                self.decoder.set_position(self.decoder.position() + 1);
            }
            self.open.pop();
            return Ok(self.json.raw(if is_map { b"}" } else { b"]" })?);
        }
        if std::mem::replace(&mut open.has_members, true) {
            self.json.raw(b",")?;
        }
        if is_map {
            self.key()?;
        }
        self.value()
    }

    fn key(&mut self) -> Result<(), Unreadable> {
        self.tags()?;
        self.string(None)?;
        Ok(self.json.raw(b":")?)
    }

    /// Reads a value, of a list or map only the beginning.
    fn value(&mut self) -> Result<(), Unreadable> {
        let tags = self.tags()?;
        if tags.is_time {
            return self.time();
        }
        match self.decoder.datatype()? {
            Type::Bool => {
                let truth = self.decoder.bool()?;
                self.json.raw(truth.to_string().as_bytes())?;
            }
            Type::Null => {
                self.decoder.null()?;
                self.json.raw(b"null")?;
            }
            Type::F16 | Type::F32 | Type::F64 => {
                let number = self.decoder.f64()?;
                self.json.float(number)?;
            }
            Type::Array | Type::ArrayIndef => {
                let length = self.decoder.array()?;
                self.open(length, false, tags.later)?;
            }
            Type::Map | Type::MapIndef => {
                let length = self.decoder.map()?;
                self.open(length, true, tags.later)?;
            }
            Type::Bytes | Type::BytesIndef | Type::String | Type::StringIndef => {
                self.string(tags.later)?;
            }
            _ => {
                let number = i128::from(self.decoder.int()?);
                self.json.raw(number.to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    fn tags(&mut self) -> Result<Tags, Unreadable> {
        let mut tags = Tags {
            later: self.open.last().and_then(|open| open.later),
            is_time: false,
        };
        while self.decoder.datatype()? == Type::Tag {
            match self.decoder.tag()?.as_u64() {
                1 => tags.is_time = true,
                2 | 3 => return Err(Unreadable::Malformed),
                21 => tags.later = Some(Later::Base64Url),
                22 => tags.later = Some(Later::Base64),
                23 => tags.later = Some(Later::Base16),
                _ => {}
            }
        }
        Ok(tags)
    }

    fn open(
        &mut self,
        left: Option<u64>,
        is_map: bool,
        later: Option<Later>,
    ) -> Result<(), Unreadable> {
        if self.open.len() >= MAX_OPEN {
            return Err(Unreadable::TooDeep);
        }
        self.json.raw(if is_map { b"{" } else { b"[" })?;
        self.open.push(Open {
            left,
            is_map,
            has_members: false,
            later,
        });
        Ok(())
    }

    fn string(&mut self, later: Option<Later>) -> Result<(), Unreadable> {
        match self.decoder.datatype()? {
            Type::Bytes => {
                let bytes = self.decoder.bytes()?;
                self.bytes(bytes, later)
            }
            Type::BytesIndef => {
                let pieces: Result<Vec<&[u8]>, Error> = self.decoder.bytes_iter()?.collect();
                self.bytes(&pieces?.concat(), later)
            }
            Type::String => {
                let text = self.decoder.str()?;
                Ok(self.text(text)?)
            }
            Type::StringIndef => {
                let text: Result<String, Error> = self.decoder.str_iter()?.collect();
                Ok(self.text(&text?)?)
            }
            _ => Err(Unreadable::Malformed),
        }
    }

    fn bytes(&mut self, bytes: &[u8], later: Option<Later>) -> Result<(), Unreadable> {
        // What is written is longer than what is read, never shorter.
        if bytes.len() > self.json.limit() {
            return Err(Unreadable::TooLong);
        }
        let written = match later {
            None => self.json.string(bytes),
            Some(Later::Base64Url) => self.text(&URL_SAFE_NO_PAD.encode(bytes)),
            Some(Later::Base64) => self.text(&STANDARD.encode(bytes)),
            Some(Later::Base16) => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                self.text(&digits.collect::<String>())
            }
        };
        Ok(written?)
    }

    fn text(&mut self, text: &str) -> Result<(), TooLong> {
        self.json.string(text.as_bytes())
    }

    /// A point in time, in seconds since 1970.
    fn time(&mut self) -> Result<(), Unreadable> {
        let time = match self.decoder.datatype()? {
            Type::F16 | Type::F32 | Type::F64 => {
                let seconds = self.decoder.f64()?;
                jiff::SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration)
            }
            _ => {
                let seconds = i64::try_from(i128::from(self.decoder.int()?));
                Timestamp::from_second(seconds.map_err(|_| Unreadable::Malformed)?)
            }
        };
        let time = time.map_err(|_| Unreadable::Malformed)?;
        Ok(self.text(&time.to_string())?)
    }
}
