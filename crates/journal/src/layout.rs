//! The bytes of a segment. Integers are little-endian.
//!
//! ```text
//! segment header, 48 bytes
//!    0  8  magic         "kvjournl"
//!    8  4  version       1
//!   12  4  checksum      CRC-32 of the bytes 0..12 and 16..48
//!   16  8  first place   also the name of the file, which decides when they differ
//!   24  8  salt          random, the same for all segments of a journal
//!   32  8  created       nanoseconds since 1970
//!   40  8  zero
//!
//! record, 48 bytes and its payload
//!    0  4  magic         F5 4B 56 8A; no UTF-8 text contains F5
//!    4  4  checksum      CRC-32 of the bytes 8..48, begun with the low half of the salt
//!    8  4  length        of the payload in bytes
//!   12  4  checksum      CRC-32 of the payload, begun with the high half of the salt
//!   16  8  place
//!   24  8  appended      nanoseconds since 1970
//!   32 16  key           given by the caller; all zero when there is none
//!   48  …  payload
//! ```
//!
//! The header has a checksum of its own because a length that cannot be trusted makes every later
//! record unreachable except by search, and because the window of known keys is rebuilt from
//! headers without reading payloads. It covers the payload's checksum, so a header never pairs
//! with another payload. The cost is four bytes a record.
//!
//! The place is stored although it could be counted: after damage it tells how many records are
//! missing, and a stale record left in a file can be told from a live one.
//!
//! The salt costs nothing to check and closes a door: payloads are written by those whom the audit
//! log watches. Without it a forged record inside a payload would surface whenever the search after
//! damage passes over it.

use crc32fast::Hasher;

/// The version of the layout that this build reads and writes.
pub const VERSION: u32 = 1;
/// Bytes before the first record of a segment.
pub const SEGMENT_HEADER: usize = 48;
/// Bytes of a record before its payload.
pub const RECORD_HEADER: usize = 48;
/// The first bytes of every record.
pub const RECORD_MAGIC: [u8; 4] = [0xF5, 0x4B, 0x56, 0x8A];

const SEGMENT_MAGIC: [u8; 8] = *b"kvjournl";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    pub(crate) first: u64,
    pub(crate) salt: Salt,
    pub(crate) created_ns: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut head = [0; 12];
        let mut body = [0; 32];
        fill(&mut head, &[&SEGMENT_MAGIC, &self.version.to_le_bytes()]);
        fill(
            &mut body,
            &[
                &self.first.to_le_bytes(),
                &self.salt.0.to_le_bytes(),
                &self.created_ns.to_le_bytes(),
            ],
        );
        let checksum = segment_checksum(&head, &body).to_le_bytes();
        let mut bytes = [0; SEGMENT_HEADER];
        fill(&mut bytes, &[&head, &checksum, &body]);
        bytes
    }

    /// `None` when the bytes are not a header whose checksum holds.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<12>()?;
        let (checksum, rest) = take_u32(rest)?;
        let (body, _) = rest.split_first_chunk::<32>()?;
        let version = take_u32(head.strip_prefix(&SEGMENT_MAGIC)?)?.0;
        let (first, rest) = take_u64(body)?;
        let (salt, rest) = take_u64(rest)?;
        let (created_ns, _) = take_u64(rest)?;
        let salt = Salt(salt);
        let header = SegmentHeader {
            version,
            first,
            salt,
            created_ns,
        };
        (segment_checksum(head, body) == checksum).then_some(header)
    }
}

fn segment_checksum(head: &[u8; 12], body: &[u8; 32]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// The random number that both checksums of a record begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) u64);

impl Salt {
    /// A new one, from the operating system's randomness that also seeds std's hash maps.
    pub(crate) fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Salt(RandomState::new().hash_one("journal"))
    }

    pub(crate) fn payload_checksum(self, payload: &[u8]) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.0.to_le_bytes();
        checksum(u32::from_le_bytes([a, b, c, d]), payload)
    }

    fn header_checksum(self, fields: &[u8]) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        checksum(u32::from_le_bytes([a, b, c, d]), fields)
    }
}

fn checksum(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: u32,
    pub(crate) payload_checksum: u32,
    pub(crate) place: u64,
    pub(crate) appended_ns: u64,
    pub(crate) key: [u8; 16],
}

impl RecordHeader {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; RECORD_HEADER] {
        let mut fields = [0; 40];
        fill(
            &mut fields,
            &[
                &self.length.to_le_bytes(),
                &self.payload_checksum.to_le_bytes(),
                &self.place.to_le_bytes(),
                &self.appended_ns.to_le_bytes(),
                &self.key,
            ],
        );
        let checksum = salt.header_checksum(&fields).to_le_bytes();
        let mut bytes = [0; RECORD_HEADER];
        fill(&mut bytes, &[&RECORD_MAGIC, &checksum, &fields]);
        bytes
    }

    /// `None` when the bytes do not begin with a header whose checksum holds.
    pub(crate) fn decode(bytes: &[u8], salt: Salt) -> Option<Self> {
        let (checksum, rest) = take_u32(bytes.strip_prefix(&RECORD_MAGIC)?)?;
        let (fields, _) = rest.split_first_chunk::<40>()?;
        if salt.header_checksum(fields) != checksum {
            return None;
        }
        let (length, rest) = take_u32(fields)?;
        let (payload_checksum, rest) = take_u32(rest)?;
        let (place, rest) = take_u64(rest)?;
        let (appended_ns, rest) = take_u64(rest)?;
        let (key, _) = rest.split_first_chunk::<16>()?;
        Some(RecordHeader {
            length,
            payload_checksum,
            place,
            appended_ns,
            key: *key,
        })
    }

    /// Bytes of the whole record.
    pub(crate) fn total(&self) -> u64 {
        RECORD_HEADER as u64 + u64::from(self.length)
    }
}

fn fill(target: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().copied().flatten();
    target
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RecordHeader {
        RecordHeader {
            length: 1700,
            payload_checksum: 0xDEAD_BEEF,
            place: 41_822,
            appended_ns: 1_767_225_600_000_000_001,
            key: *b"0123456789abcdef",
        }
    }

    #[test]
    fn a_record_header_reads_back_as_it_was_written() {
        let salt = Salt(0x0123_4567_89AB_CDEF);
        let bytes = record().encode(salt);
        assert_eq!(bytes.len(), RECORD_HEADER);
        assert_eq!(RecordHeader::decode(&bytes, salt), Some(record()));
    }

    #[test]
    fn every_flipped_bit_of_a_record_header_is_noticed() {
        let salt = Salt(7);
        let good = record().encode(salt);
        for bit in 0..RECORD_HEADER * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bad, salt), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_made_without_the_salt_is_not_believed() {
        let forged = record().encode(Salt(0));
        assert_eq!(RecordHeader::decode(&forged, Salt(0x55)), None);
        assert_ne!(
            Salt(0).payload_checksum(b"x"),
            Salt(1 << 40).payload_checksum(b"x")
        );
    }

    #[test]
    fn every_flipped_bit_of_a_segment_header_is_noticed() {
        let header = SegmentHeader {
            version: VERSION,
            first: 12,
            salt: Salt(99),
            created_ns: 5,
        };
        let good = header.encode();
        assert_eq!(SegmentHeader::decode(&good), Some(header));
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bad), None, "bit {bit}");
        }
    }
}
