//! Protobuf bodies of the Kubernetes API, written as the JSON that Go writes of the same objects.
//!
//! A body is `k8s\0` and an envelope: version, kind, and the object's own message. What JSON comes of it only Go's types know: which
//! fields are pointers and so may be absent, which are left out when they are empty, in which order they stand, and which types
//! write themselves in their own way. `schema/` holds those facts; the wire is read by hand. Descriptors with a general reader
//! (`prost-reflect`) and generated types (`k8s-pb`) know nothing of pointers, of `omitempty` and of Go's order, so that every
//! message would need the same table beside them; they would also keep a copy of the whole object in memory, and refuse or drop
//! what the server accepts.
//!
//! The body is not copied. Of each message one pass notes where its fields stand; they are then written in Go's order, messages in
//! them in the same way. Nothing is taken for granted: lengths are compared with what is there before anything is done with them,
//! messages may be nested to a depth of 100, and the JSON ends at its limit.
//!
//! Known differences from the server's JSON:
//! - Quantities keep the spelling that they came with. Go's clients send the canonical one.
//! - The types are those of 1.36.4, with the kinds that were removed since 1.20. An older server does not write members that
//!   came later and are never left out (`availableReplicas` of a StatefulSet), and writes `"creationTimestamp":null` where there is none.
//! - The claim templates of a StatefulSet have no kind and version: the server puts them there, they are not on the wire.
//! - Raw JSON that is no JSON is a text in base64; Go fails to write such an object.

mod entry;
mod found;
mod object;
mod special;
mod time;
mod wire;

use crate::Unreadable;
use crate::format::PROTOBUF_MAGIC;
use crate::json::Json;
use crate::protobuf::object::Writer;
use crate::protobuf::wire::{Wire, WireType};
use crate::schema::{Expected, Schema};

/// Writes the object in this body.
///
/// # Errors
///
/// When it is not in the format, is of a kind that is not known, is nested too deep, or its JSON is too long.
pub(crate) fn read(
    body: &[u8],
    json: &mut Json,
    expected: Option<Expected<'_>>,
) -> Result<(), Unreadable> {
    let envelope = Envelope::read(body)?;
    let schema = Schema::get();
    let named = schema.resolve(envelope.api_version, envelope.kind, expected);
    let (kind, api_version) = named.ok_or(Unreadable::UnknownKind)?;
    Writer::new(schema, body, json).whole(kind, api_version, envelope.object)
}

/// What is around an object. Its encoding and media type are not looked at, as the server does not either.
#[derive(Clone, Copy, Debug, Default)]
struct Envelope<'b> {
    api_version: &'b [u8],
    kind: &'b [u8],
    /// Where the object's message stands.
    object: Option<usize>,
}

impl<'b> Envelope<'b> {
    fn read(body: &'b [u8]) -> Result<Self, Unreadable> {
        if !body.starts_with(PROTOBUF_MAGIC) {
            return Err(Unreadable::Malformed);
        }
        let mut envelope = Self::default();
        let mut wire = Wire::new(body, PROTOBUF_MAGIC.len()..body.len());
        while !wire.is_at_end() {
            let start = wire;
            let tag = wire.field()?;
            if !(1..=4).contains(&tag.number) {
                wire = start;
                wire.skip_field()?;
            } else if tag.wire_type != WireType::Sized {
                return Err(Unreadable::Malformed);
            } else {
                let at = wire.at();
                let part = wire.sized()?;
                match tag.number {
                    1 => envelope.read_type(Wire::new(body, part), body)?,
                    2 => envelope.object = Some(at),
                    _ => {}
                }
            }
        }
        Ok(envelope)
    }

    /// Version and kind.
    fn read_type(&mut self, mut wire: Wire<'b>, body: &'b [u8]) -> Result<(), Unreadable> {
        while !wire.is_at_end() {
            let start = wire;
            let tag = wire.field()?;
            if tag.number > 2 {
                wire = start;
                wire.skip_field()?;
            } else if tag.wire_type != WireType::Sized {
                return Err(Unreadable::Malformed);
            } else {
                let text = body.get(wire.sized()?).unwrap_or_default();
                match tag.number {
                    1 => self.api_version = text,
                    _ => self.kind = text,
                }
            }
        }
        Ok(())
    }
}
