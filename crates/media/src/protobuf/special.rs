//! Messages that write themselves as JSON otherwise than by their fields.

use serde::de::IgnoredAny;

use crate::Unreadable;
use crate::protobuf::found::Run;
use crate::protobuf::object::Writer;
use crate::protobuf::time;
use crate::schema::{Message, Special, Value};

impl Writer<'_, '_> {
    pub(super) fn special(
        &mut self,
        special: Special,
        message: &'static Message,
        parts: Run,
    ) -> Result<(), Unreadable> {
        match special {
            Special::Time => {
                self.spend_moment(&parts)?;
                let text = self.time(&parts)?;
                self.text_or_null(text)
            }
            Special::MicroTime => {
                self.spend_moment(&parts)?;
                let moment = self.moment(&parts)?;
                let write = |(seconds, nanos)| time::microseconds(seconds, nanos);
                self.text_or_null(moment.and_then(write))
            }
            other => {
                let run = self.enter(message, parts)?;
                self.of_fields(other, message, &run)?;
                self.leave(run);
                Ok(())
            }
        }
    }

    fn spend_moment(&mut self, parts: &Run) -> Result<(), Unreadable> {
        match self.found.last(parts) {
            Some(found) => self.found.spend(self.wire_at(found.at).sized()?.len()),
            None => Ok(()),
        }
    }

    /// The text of a `Time`; nothing for the zero of Go.
    pub(super) fn time(&self, parts: &Run) -> Result<Option<String>, Unreadable> {
        let moment = self.moment(parts)?;
        Ok(moment.and_then(|(seconds, _)| time::seconds(seconds)))
    }

    /// Seconds and nanoseconds; nothing if there are none. A moment that stands there several times is the last of them, and not
    /// one made of all.
    fn moment(&self, parts: &Run) -> Result<Option<(i64, i32)>, Unreadable> {
        let Some(found) = self.found.last(parts) else {
            return Ok(None);
        };
        let part = self.wire_at(found.at).sized()?;
        if part.is_empty() {
            return Ok(None);
        }
        let mut moment = (0, 0);
        let mut wire = self.wire_of(part);
        while !wire.is_at_end() {
            let start = wire;
            match wire.field()?.number {
                1 => moment.0 = wire.varint()? as i64,
                2 => moment.1 = wire.varint()? as i32,
                _ => {
                    wire = start;
                    wire.skip_field()?;
                }
            }
        }
        Ok(Some(moment))
    }

    fn of_fields(
        &mut self,
        special: Special,
        message: &Message,
        run: &Run,
    ) -> Result<(), Unreadable> {
        let first = self.found.of_field(0, run);
        let second = self.found.of_field(1, &(first.end..run.end));
        let third = self.found.of_field(2, &(second.end..run.end));
        match special {
            Special::Quantity if first.is_empty() => self.raw(b"\"0\""),
            Special::Quantity => self.single(Value::String, first),
            // The server knows types 0 and 1 only and cannot write any other.
            Special::IntOrString if self.is_zero(Value::Int64, &first)? => {
                self.single(Value::Int32, second)
            }
            Special::IntOrString => self.single(Value::String, third),
            Special::JsonSchemaPropsOrBool if second.is_empty() => self.single(Value::Bool, first),
            Special::JsonSchemaPropsOrBool => self.field(message, 1, second),
            Special::JsonSchemaPropsOrArray | Special::JsonSchemaPropsOrStringArray => {
                match (second.is_empty(), first.is_empty()) {
                    (false, _) => self.field(message, 1, second),
                    (true, false) => self.field(message, 0, first),
                    (true, true) => self.null(),
                }
            }
            Special::Raw | Special::Time | Special::MicroTime => self.embedded_json(&first),
        }
    }

    /// JSON in bytes. What is no JSON is written as base64 like other bytes: the server may pass over it, as it does in the managed
    /// fields, and an object must not be able to hide behind it.
    fn embedded_json(&mut self, run: &Run) -> Result<(), Unreadable> {
        let Some(found) = self.found.last(run) else {
            return self.null();
        };
        let part = self.wire_at(found.at).sized()?;
        let bytes = self.bytes(part.clone());
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => self.raw(bytes),
            Err(_) if bytes.is_empty() => self.null(),
            Err(_) => self.base64(part),
        }
    }

    fn field(&mut self, message: &Message, place: usize, run: Run) -> Result<(), Unreadable> {
        match message.fields.get(place) {
            Some(field) => self.value(field, run),
            None => self.null(),
        }
    }

    fn text_or_null(&mut self, text: Option<String>) -> Result<(), Unreadable> {
        self.raw(text.as_deref().unwrap_or("null").as_bytes())
    }
}
