//! An event as it lies in the journal: its bytes behind a short header that says where it came from.
//!
//! # Layout
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | version, 1 |
//! | 1 | origin: 0 standard input, 1 webhook, 2 file, 3 the auditing gateway |
//! | 8 | when it arrived, nanoseconds since the Unix epoch, little-endian, signed |
//! | 8 | line of its file, little-endian, 0 for none |
//! | 2 | length of the file's path in bytes, little-endian, 0 for none |
//! | n | the path, UTF-8, cut to 65,535 bytes |
//! | rest | the event, as received |
//!
//! A reader that meets another version refuses the record; the number goes up when a field is added.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Arrival, Origin};

const VERSION: u8 = 1;

/// One event with its origin, as read back from the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Where it came from.
    pub origin: Origin,
    /// When it arrived: nanoseconds since the Unix epoch.
    pub received: i128,
    /// The event.
    pub arrival: Arrival,
}

/// The record is no envelope that this version can read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EnvelopeError {
    #[error("the record ends within its header")]
    Short,
    #[error(
        "the record has version {0}, this kubevigil reads version {VERSION}: it was written by a newer one"
    )]
    Version(u8),
    #[error(
        "the record's origin is {0}, expected 0 (standard input), 1 (webhook), 2 (file) or 3 (auditing gateway)"
    )]
    Origin(u8),
}

impl Envelope {
    /// The record of this event.
    pub fn encode(origin: &Origin, received: i128, arrival: &Arrival) -> Bytes {
        let (tag, path) = match origin {
            Origin::Stdin => (0, ""),
            Origin::Webhook => (1, ""),
            Origin::File(path) => (2, path.as_ref()),
            Origin::Record => (3, ""),
        };
        let path = path.as_bytes();
        let path = path.get(..usize::from(u16::MAX)).unwrap_or(path);
        let mut record = BytesMut::with_capacity(20 + path.len() + arrival.raw.len());
        record.put_u8(VERSION);
        record.put_u8(tag);
        record.put_i64_le(i64::try_from(received).unwrap_or_default());
        record.put_u64_le(arrival.line);
        record.put_u16_le(u16::try_from(path.len()).unwrap_or_default());
        record.put_slice(path);
        record.put_slice(&arrival.raw);
        record.freeze()
    }

    /// Reads a record; the event's bytes are shared with it, not copied.
    pub fn decode(record: &Bytes) -> Result<Self, EnvelopeError> {
        let [version, tag, ..] = record.as_ref() else {
            return Err(EnvelopeError::Short);
        };
        if *version != VERSION {
            return Err(EnvelopeError::Version(*version));
        }
        let received = i64::from_le_bytes(array(record, 2)?);
        let line = u64::from_le_bytes(array(record, 10)?);
        let path_end = 20 + usize::from(u16::from_le_bytes(array(record, 18)?));
        let path = record.get(20..path_end).ok_or(EnvelopeError::Short)?;
        let origin = match tag {
            0 => Origin::Stdin,
            1 => Origin::Webhook,
            2 => Origin::File(Arc::from(String::from_utf8_lossy(path))),
            3 => Origin::Record,
            other => return Err(EnvelopeError::Origin(*other)),
        };
        let arrival = Arrival {
            raw: record.slice(path_end..),
            line,
        };
        Ok(Self {
            origin,
            received: i128::from(received),
            arrival,
        })
    }
}

fn array<const N: usize>(record: &[u8], at: usize) -> Result<[u8; N], EnvelopeError> {
    record
        .get(at..at + N)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(EnvelopeError::Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for origin in [
            Origin::Stdin,
            Origin::Webhook,
            Origin::Record,
            Origin::File("a/ü.log".into()),
        ] {
            let arrival = Arrival {
                raw: Bytes::from_static(b"{}"),
                line: 7,
            };
            let record = Envelope::encode(&origin, 1_795_410_746_477_108_000, &arrival);
            let envelope = Envelope::decode(&record).unwrap();
            assert_eq!(
                envelope,
                Envelope {
                    origin,
                    received: 1_795_410_746_477_108_000,
                    arrival
                }
            );
        }
    }

    #[test]
    fn a_record_cut_anywhere_in_its_header_is_refused() {
        let arrival = Arrival {
            raw: Bytes::from_static(b"{}"),
            line: 7,
        };
        let record = Envelope::encode(&Origin::File("log".into()), 1, &arrival);
        for end in 0..23 {
            assert_eq!(
                Envelope::decode(&record.slice(..end)),
                Err(EnvelopeError::Short)
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused_in_plain_words() {
        let error = Envelope::decode(&Bytes::from_static(&[2, 1])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the record has version 2, this kubevigil reads version 1: it was written by a newer one"
        );
    }
}
