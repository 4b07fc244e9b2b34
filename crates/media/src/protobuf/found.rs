//! Where the fields of a message stand in the body.

use std::ops::Range;

use crate::Unreadable;
use crate::protobuf::wire::{Tag, Wire, WireType};
use crate::schema::{Message, Shape, Value};

/// How many values may be kept in mind at once. Every value has two bytes or more, and a request to an API server has three
/// megabytes at most: only an answer with more than two million entries in one list comes up to this.
const MOST: usize = 1 << 21;

/// One time that a field stands in a message.
///
/// Eight bytes, since a hostile body has one of these for every two bytes of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence {
    /// Where the value begins, behind the tag.
    pub(super) at: u32,
    /// The place of the field among those of its message.
    field: u16,
    /// Numbers written together as one sized value.
    pub(super) is_packed: bool,
}

/// The occurrences of the message that is being written, behind those of the messages around it.
#[derive(Debug)]
pub(super) struct Found {
    all: Vec<Occurrence>,
    /// How many bytes may still be read.
    budget: usize,
}

/// Some neighbours among the occurrences: those of a message, or of one field of it.
pub(super) type Run = Range<usize>;

impl Found {
    /// Nothing yet, of a body of so many bytes.
    pub(super) fn new(length: usize) -> Self {
        Self {
            all: Vec::new(),
            budget: length.saturating_mul(2),
        }
    }

    /// Counts bytes that are read. Each byte is read once, but where entries of maps reach into one another, as the server lets them:
    /// twice in all is enough for whatever is meant well, and keeps a hostile body from costing the square of its length.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Unreadable> {
        let rest = self.budget.checked_sub(bytes);
        self.budget = rest.ok_or(Unreadable::Malformed)?;
        Ok(())
    }

    pub(super) fn get(&self, place: usize) -> Result<Occurrence, Unreadable> {
        self.all.get(place).copied().ok_or(Unreadable::Malformed)
    }

    /// The occurrences of a run.
    pub(super) fn of(&self, run: &Run) -> &[Occurrence] {
        self.all.get(run.clone()).unwrap_or_default()
    }

    /// The last of a run: of several values for one field the last one counts.
    #[inline]
    pub(super) fn last(&self, run: &Run) -> Option<Occurrence> {
        self.of(run).last().copied()
    }

    /// The occurrences of the field at this place, which begin the run or are not in it.
    #[inline]
    pub(super) fn of_field(&self, place: usize, rest: &Run) -> Run {
        let run = self.of(rest).iter();
        let count = run
            .take_while(|found| usize::from(found.field) == place)
            .count();
        rest.start..rest.start + count
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets all but the first so many.
    pub(super) fn truncate(&mut self, len: usize) {
        self.all.truncate(len);
    }

    /// A value that stands at this place of the body.
    pub(super) fn push(&mut self, at: usize) -> Result<(), Unreadable> {
        self.add(0, at, false)
    }

    /// Finds the fields of a message in one part of the body.
    ///
    /// A message that stands there several times is one message, as if its parts were one.
    pub(super) fn collect(
        &mut self,
        message: &Message,
        body: &[u8],
        part: Range<usize>,
    ) -> Result<(), Unreadable> {
        let mut wire = Wire::new(body, part);
        while !wire.is_at_end() {
            let start = wire;
            let tag = wire.field()?;
            let Some((place, field)) = message.field(tag.number) else {
                wire = start;
                wire.skip_field()?;
                self.spend(wire.at() - start.at())?;
                continue;
            };
            let is_packed = is_packed(field.shape, field.value, tag)?;
            self.spend(1)?;
            self.add(place, wire.at(), is_packed)?;
            if is_packed {
                wire.skip_pack()?;
            } else {
                wire.skip_value(tag.wire_type)?;
            }
        }
        Ok(())
    }

    /// Brings the occurrences from this one on into the order of the fields, those of one field as they stand in the body.
    pub(super) fn sort(&mut self, from: usize) -> Run {
        let run = from..self.all.len();
        if let Some(found) = self.all.get_mut(from..) {
            found.sort_unstable_by_key(|found| (found.field, found.at));
        }
        run
    }

    fn add(&mut self, field: u16, at: usize, is_packed: bool) -> Result<(), Unreadable> {
        if self.all.len() == MOST {
            return Err(Unreadable::TooLong);
        }
        self.all.push(Occurrence {
            at: u32::try_from(at).map_err(|_| Unreadable::TooLong)?,
            field,
            is_packed,
        });
        Ok(())
    }
}

/// Whether numbers stand together; an error if the value cannot be written so.
fn is_packed(shape: Shape, value: Value, tag: Tag) -> Result<bool, Unreadable> {
    let expected = match (shape, value) {
        (Shape::Map, _) => WireType::Sized,
        (_, Value::Bool | Value::Int32 | Value::Int64) => WireType::Varint,
        (_, Value::Float64) => WireType::Fixed64,
        (_, Value::String | Value::Bytes | Value::Message(_)) => WireType::Sized,
    };
    let is_packed = shape == Shape::List && tag.wire_type == WireType::Sized;
    match expected == tag.wire_type {
        true => Ok(false),
        false if is_packed => Ok(true),
        false => Err(Unreadable::Malformed),
    }
}
