//! The wire format, read as the API server's generated code reads it.
//!
//! Lenient where that code is: numbers may have more bytes than they need and bits that do not count, a field's number is cut
//! to 32 bits, and groups are stepped over where nothing is known. Who is stricter than the server does not see what it sees.

use std::ops::Range;

use crate::Unreadable;

/// How a value is written (the low three bits of a tag).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    /// A length and so many bytes.
    Sized,
    EndOfGroup,
    /// The beginning of a group, or four bytes: no field of the API is written so.
    Other,
}

/// What begins a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    /// Above zero for every field that a message may have.
    pub(super) number: i32,
    pub(super) wire_type: WireType,
}

/// Reads a part of a body. Places are counted from the body's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'b> {
    /// The body up to where the part ends.
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Wire<'b> {
    /// Reads this part of the body; nothing, when it is not all there.
    pub(super) fn new(body: &'b [u8], part: Range<usize>) -> Self {
        let bytes = body.get(..part.end).unwrap_or_default();
        let at = part.start.min(bytes.len());
        Self { bytes, at }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Where the next byte stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What begins the next field.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<Tag, Unreadable> {
        let tag = self.varint()?;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Sized,
            4 => WireType::EndOfGroup,
            _ => WireType::Other,
        };
        Ok(Tag {
            number: (tag >> 3) as i32,
            wire_type,
        })
    }

    /// The same, of a message: the end of a group that did not begin, or a field without a number, is an error.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Tag, Unreadable> {
        let tag = self.tag()?;
        if tag.number <= 0 || tag.wire_type == WireType::EndOfGroup {
            return Err(Unreadable::Malformed);
        }
        Ok(tag)
    }

    /// A number of one to ten bytes. What is beyond 64 bits is dropped.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Unreadable::Malformed)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable::Malformed)
    }

    /// Eight bytes.
    pub(super) fn fixed64(&mut self) -> Result<u64, Unreadable> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk());
        self.at += 8;
        bytes
            .map(|bytes| u64::from_le_bytes(*bytes))
            .ok_or(Unreadable::Malformed)
    }

    /// A length and so many bytes: where those stand.
    #[inline]
    pub(super) fn sized(&mut self) -> Result<Range<usize>, Unreadable> {
        let length = usize::try_from(self.varint()?).map_err(|_| Unreadable::Malformed)?;
        let start = self.at;
        self.advance(length)?;
        Ok(start..self.at)
    }

    /// Steps over a value of a field that is known.
    #[inline]
    pub(super) fn skip_value(&mut self, wire_type: WireType) -> Result<(), Unreadable> {
        match wire_type {
            WireType::Varint => self.varint().map(|_| ()),
            WireType::Fixed64 => self.advance(8),
            WireType::Sized => self.sized().map(|_| ()),
            WireType::EndOfGroup | WireType::Other => Err(Unreadable::Malformed),
        }
    }

    /// Steps over numbers that stand together. The server lets the last of them reach beyond the end of the others.
    pub(super) fn skip_pack(&mut self) -> Result<(), Unreadable> {
        let mut numbers = *self;
        let pack = numbers.sized()?;
        self.at = pack.start;
        while self.at < pack.end {
            self.varint()?;
        }
        Ok(())
    }

    /// Steps over a whole field that is not known, from its tag on; a group with all that is in it.
    pub(super) fn skip_field(&mut self) -> Result<(), Unreadable> {
        let mut depth = 0_usize;
        loop {
            match self.varint()? & 7 {
                0 => self.skip_value(WireType::Varint)?,
                1 => self.advance(8)?,
                2 => self.skip_value(WireType::Sized)?,
                3 => depth += 1,
                4 => depth = depth.checked_sub(1).ok_or(Unreadable::Malformed)?,
                5 => self.advance(4)?,
                _ => return Err(Unreadable::Malformed),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, length: usize) -> Result<(), Unreadable> {
        if length > self.bytes.len() - self.at {
            return Err(Unreadable::Malformed);
        }
        self.at += length;
        Ok(())
    }
}
