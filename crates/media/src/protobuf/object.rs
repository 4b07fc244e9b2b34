//! Messages written as the JSON objects that Go makes of them.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::Json;
use crate::protobuf::found::{Found, Run};
use crate::protobuf::wire::Wire;
use crate::schema::{Field, Form, Kind, Message, MessageId, Omit, Schema, Shape, Value};
use crate::{Unreadable, protobuf};

/// How deep messages may be nested.
const DEEPEST: usize = 100;

/// Writes one body.
#[derive(Debug)]
pub(super) struct Writer<'b, 'j> {
    pub(super) schema: &'static Schema,
    pub(super) body: &'b [u8],
    pub(super) json: &'j mut Json,
    pub(super) found: Found,
    depth: usize,
}

impl<'b, 'j> Writer<'b, 'j> {
    pub(super) fn new(schema: &'static Schema, body: &'b [u8], json: &'j mut Json) -> Self {
        Self {
            schema,
            body,
            json,
            found: Found::new(body.len()),
            depth: 0,
        }
    }

    /// The whole object of a kind, from the part of the body where its message is.
    pub(super) fn whole(
        &mut self,
        kind: Kind,
        api_version: &[u8],
        raw: Option<usize>,
    ) -> Result<(), Unreadable> {
        self.json.raw(b"{\"kind\":")?;
        self.json.string(kind.kind.as_bytes())?;
        if !api_version.is_empty() {
            self.json.raw(b",\"apiVersion\":")?;
            self.json.string(api_version)?;
        }
        if let Some(at) = raw {
            self.found.push(at)?;
        }
        let parts = 0..self.found.len();
        self.embedded(kind.message, parts, &mut false)?;
        self.json.raw(b"}").map_err(Unreadable::from)
    }

    /// A message that stands at these places of the body, in parts, or nowhere.
    pub(super) fn message(&mut self, id: MessageId, parts: Run) -> Result<(), Unreadable> {
        let message = self.schema.message(id)?;
        match message.form {
            Form::Special(special) => return self.special(special, message, parts),
            Form::List if parts.is_empty() => return self.null(),
            Form::List => return self.wrapped_list(message, parts),
            Form::Object => {}
        }
        let run = self.enter(message, parts)?;
        self.raw(b"{")?;
        self.members(message, run.clone(), &mut true)?;
        self.raw(b"}")?;
        self.leave(run);
        Ok(())
    }

    /// A list that is a message of its own.
    fn wrapped_list(&mut self, message: &Message, parts: Run) -> Result<(), Unreadable> {
        let run = self.enter(message, parts)?;
        if let Some(field) = message.fields.first() {
            self.list(field.value, run.clone(), b"[]")?;
        }
        self.leave(run);
        Ok(())
    }

    /// Finds the fields of a message.
    pub(super) fn enter(&mut self, message: &Message, parts: Run) -> Result<Run, Unreadable> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        let from = self.found.len();
        for part in parts {
            let at = self.found.get(part)?.at;
            let part = self.wire_at(at).sized()?;
            self.found.collect(message, self.body, part)?;
        }
        Ok(self.found.sort(from))
    }

    /// Forgets them again.
    pub(super) fn leave(&mut self, run: Run) {
        self.found.truncate(run.start);
        self.depth -= 1;
    }

    fn members(
        &mut self,
        message: &'static Message,
        mut rest: Run,
        is_first: &mut bool,
    ) -> Result<(), Unreadable> {
        for (place, field) in message.fields.iter().enumerate() {
            let run = self.found.of_field(place, &rest);
            rest.start = run.end;
            if field.shape == Shape::Embedded {
                if let Value::Message(id) = field.value {
                    self.embedded(id, run, is_first)?;
                }
            } else if !self.is_left_out(field, &run)? {
                self.key(field.name, is_first)?;
                self.value(field, run)?;
            }
        }
        Ok(())
    }

    /// The members of a message among those of the message around it.
    fn embedded(
        &mut self,
        id: MessageId,
        parts: Run,
        is_first: &mut bool,
    ) -> Result<(), Unreadable> {
        let message = self.schema.message(id)?;
        let run = self.enter(message, parts)?;
        self.members(message, run.clone(), is_first)?;
        self.leave(run);
        Ok(())
    }

    fn key(&mut self, name: &str, is_first: &mut bool) -> Result<(), Unreadable> {
        self.json.raw(if *is_first { b"\"" } else { b",\"" })?;
        *is_first = false;
        self.json.raw(name.as_bytes())?;
        self.json.raw(b"\":").map_err(Unreadable::from)
    }

    fn is_left_out(&self, field: &Field, run: &Run) -> Result<bool, Unreadable> {
        match (field.omit, field.shape, field.value) {
            (Omit::Never, _, _) => Ok(false),
            (Omit::Zero, _, _) => Ok(self.time(run)?.is_none()),
            (Omit::Empty, Shape::Pointer | Shape::Map, _) => Ok(run.is_empty()),
            (Omit::Empty, Shape::List, _) => self.is_empty_list(run),
            (Omit::Empty, _, Value::Message(_)) => Ok(false),
            (Omit::Empty, _, value) => self.is_zero(value, run),
        }
    }

    /// Whether a list has no entries: an empty pack of numbers has none.
    fn is_empty_list(&self, run: &Run) -> Result<bool, Unreadable> {
        for found in self.found.of(run) {
            if !found.is_packed || !self.wire_at(found.at).sized()?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn is_zero(&self, value: Value, run: &Run) -> Result<bool, Unreadable> {
        let Some(found) = self.found.last(run) else {
            return Ok(true);
        };
        let mut wire = self.wire_at(found.at);
        Ok(match value {
            Value::Bool | Value::Int64 => wire.varint()? == 0,
            Value::Int32 => wire.varint()? as i32 == 0,
            Value::Float64 => f64::from_bits(wire.fixed64()?) == 0.0,
            Value::String | Value::Bytes => wire.sized()?.is_empty(),
            Value::Message(_) => false,
        })
    }

    pub(super) fn value(&mut self, field: &Field, run: Run) -> Result<(), Unreadable> {
        match field.shape {
            Shape::Pointer | Shape::Map if run.is_empty() => self.null(),
            Shape::Map => self.map(field.value, run),
            // A server's list of objects is empty and not nil, though protobuf cannot tell the one from the other.
            Shape::List if field.name == "items" => self.list(field.value, run, b"[]"),
            Shape::List => self.list(field.value, run, b"null"),
            Shape::Single | Shape::Pointer | Shape::Embedded => self.single(field.value, run),
        }
    }

    pub(super) fn single(&mut self, value: Value, run: Run) -> Result<(), Unreadable> {
        match (value, self.found.last(&run)) {
            (Value::Message(id), _) => self.message(id, run),
            (_, Some(found)) => self.scalar(value, &mut self.wire_at(found.at)),
            (Value::Bool, None) => self.raw(b"false"),
            (Value::Int32 | Value::Int64 | Value::Float64, None) => self.raw(b"0"),
            (Value::String, None) => self.raw(b"\"\""),
            (Value::Bytes, None) => self.null(),
        }
    }

    /// A list; what is given if it has no entries.
    pub(super) fn list(&mut self, value: Value, run: Run, empty: &[u8]) -> Result<(), Unreadable> {
        if self.is_empty_list(&run)? {
            return self.raw(empty);
        }
        let mut separator: &[u8] = b"[";
        for place in run {
            let found = self.found.get(place)?;
            let mut entries = self.wire_at(found.at);
            let mut end = entries.at() + 1;
            if found.is_packed {
                let pack = entries.sized()?;
                end = pack.end;
                entries = self.wire_of(pack.start..self.body.len());
            }
            while entries.at() < end {
                self.raw(separator)?;
                separator = b",";
                match value {
                    Value::Message(id) => {
                        self.message(id, place..place + 1)?;
                        break;
                    }
                    scalar => self.scalar(scalar, &mut entries)?,
                }
            }
        }
        self.raw(b"]")
    }

    /// A map, by its keys as Go sorts them; of several values for one key the last one counts.
    fn map(&mut self, value: Value, run: Run) -> Result<(), Unreadable> {
        let mut entries = Vec::with_capacity(run.len());
        for place in run {
            let at = self.found.get(place)?.at;
            entries.push(protobuf::entry::read(self.body, at, &mut self.found)?);
        }
        entries.sort_by_key(|entry| entry.key);
        let mut separator: &[u8] = b"{";
        for (entry, next) in entries
            .iter()
            .zip(entries.iter().skip(1).map(Some).chain([None]))
        {
            if next.is_some_and(|next| next.key == entry.key) {
                continue;
            }
            self.raw(separator)?;
            separator = b",";
            self.json.string(entry.key)?;
            self.raw(b":")?;
            self.map_value(value, entry.value)?;
        }
        self.raw(b"}")
    }

    /// Go makes a map's value before it reads it: lists and bytes are empty there, where a field's would be nil.
    fn map_value(&mut self, value: Value, at: Option<u32>) -> Result<(), Unreadable> {
        let from = self.found.len();
        if let Some(at) = at {
            self.found.push(at as usize)?;
        }
        let run = from..self.found.len();
        match value {
            Value::Bytes if at.is_none() => self.raw(b"\"\"")?,
            Value::Message(id) => {
                let message = self.schema.message(id)?;
                match message.form {
                    Form::List => self.wrapped_list(message, run)?,
                    _ => self.message(id, run)?,
                }
            }
            scalar => self.single(scalar, run)?,
        }
        self.found.truncate(from);
        Ok(())
    }

    /// The scalar that comes next.
    fn scalar(&mut self, value: Value, wire: &mut Wire<'b>) -> Result<(), Unreadable> {
        match value {
            Value::Bool if wire.varint()? == 0 => self.raw(b"false"),
            Value::Bool => self.raw(b"true"),
            Value::Int32 => self.integer(i64::from(wire.varint()? as i32)),
            Value::Int64 => self.integer(wire.varint()? as i64),
            Value::Float64 => self.json.float(f64::from_bits(wire.fixed64()?)),
            Value::String => {
                let text = self.bytes(wire.sized()?);
                self.json.string(text).map_err(Unreadable::from)
            }
            Value::Bytes | Value::Message(_) => self.base64(wire.sized()?),
        }
    }

    pub(super) fn integer(&mut self, number: i64) -> Result<(), Unreadable> {
        self.raw(number.to_string().as_bytes())
    }

    pub(super) fn base64(&mut self, part: Range<usize>) -> Result<(), Unreadable> {
        self.raw(b"\"")?;
        // So many at a time that the text of each is whole, and no more memory is taken than what there is room for.
        for bytes in self.bytes(part).chunks(3 * 1024) {
            self.raw(STANDARD.encode(bytes).as_bytes())?;
        }
        self.raw(b"\"")
    }

    pub(super) fn null(&mut self) -> Result<(), Unreadable> {
        self.raw(b"null")
    }

    pub(super) fn raw(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        self.json.raw(text).map_err(Unreadable::from)
    }

    pub(super) fn bytes(&self, part: Range<usize>) -> &'b [u8] {
        self.body.get(part).unwrap_or_default()
    }

    pub(super) fn wire_at(&self, at: u32) -> Wire<'b> {
        self.wire_of(at as usize..self.body.len())
    }

    pub(super) fn wire_of(&self, part: Range<usize>) -> Wire<'b> {
        Wire::new(self.body, part)
    }
}
