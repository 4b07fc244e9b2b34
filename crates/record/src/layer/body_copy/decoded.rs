//! A body as JSON: without its compression, and out of the format that it was sent in.
//!
//! Nobody knows beforehand how long it becomes. Room of the budget is taken first, and the body read within it; where it does not
//! suffice, four times as much is taken, and it is read once more. To count bytes while they are written would save a third of the
//! work, and tie the formats to the budget.
//!
//! JSON stays as it is, with one exception: where a server reads two members with one key as one, what it reads is recorded
//! ([`merged`]).

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use kubevigil_media::{Expected, Format, Unreadable, merged, to_json_of};

use super::{BodyCopy, LeftOut};
use crate::auditing::Auditing;

/// How much is decompressed at a time.
const STEP: usize = 16 * 1024;
/// The least room that is taken for a body in another format.
const LEAST_ROOM: usize = 4 * 1024;
/// How much more room is taken each time.
const MORE_ROOM: usize = 4;

/// A body that can be recorded.
pub(in crate::layer) struct Decoded {
    /// Its JSON.
    pub(in crate::layer) copy: BodyCopy,
    /// What it was sent as.
    pub(in crate::layer) format: Format,
}

impl BodyCopy {
    /// The body as JSON. Not if it has another encoding than gzip, ends early, is too long, or cannot be read. What is labelled as
    /// JSON stays as it is, unless the server reads an object of the expected kind in it that says something several times.
    pub(in crate::layer) fn decoded(
        self,
        auditing: &Auditing,
        expected: Option<Expected<'_>>,
    ) -> Result<Decoded, LeftOut> {
        let plain = if self.is_gzip {
            self.decompressed()?
        } else {
            self
        };
        let format = plain.format();
        let copy = match format {
            Format::Json => plain.into_merged(expected)?,
            _ => plain.into_json(format, auditing, expected)?,
        };
        Ok(Decoded { copy, format })
    }

    fn decompressed(self) -> Result<Self, LeftOut> {
        let mut plain = Self {
            bytes: Vec::new(),
            announced: None,
            is_gzip: false,
            share: self.share.another(),
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

    fn into_merged(self, expected: Option<Expected<'_>>) -> Result<Self, LeftOut> {
        match expected.and_then(|expected| merged(&self.bytes, expected)) {
            None => Ok(self),
            Some(bytes) => {
                let mut share = self.share.another();
                if !share.resize(bytes.capacity()) {
                    return Err(LeftOut::ByUs);
                }
                Ok(Self {
                    bytes,
                    share,
                    ..self
                })
            }
        }
    }

    fn into_json(
        self,
        format: Format,
        auditing: &Auditing,
        expected: Option<Expected<'_>>,
    ) -> Result<Self, LeftOut> {
        let most = auditing.limits().recorded_body;
        let mut share = self.share.another();
        let mut room = LEAST_ROOM;
        loop {
            room = room
                .max(self.bytes.len())
                .saturating_mul(MORE_ROOM)
                .min(most);
            if !share.resize(room) {
                return Err(LeftOut::ByUs);
            }
            match to_json_of(format, &self.bytes, room, expected) {
                Ok(Cow::Borrowed(_)) => return Ok(self),
                Ok(Cow::Owned(bytes)) => {
                    // Less than was taken, so it cannot fail.
                    let _ = share.resize(bytes.capacity());
                    return Ok(Self {
                        bytes,
                        share,
                        ..self
                    });
                }
                Err(Unreadable::TooLong) if room < most => {}
                Err(Unreadable::TooLong) => return Err(LeftOut::ByUs),
                Err(_) => return Err(LeftOut::Unread),
            }
        }
    }
}
