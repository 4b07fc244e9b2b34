//! What the messages of the Kubernetes API look like, and how Go writes them as JSON.
//!
//! `schema/generate.go` reads this from Go's own types and writes two files, which are part of the program:
//!
//! - `kinds`: `apiVersion kind message` in each line. What is known in every version, such as the options of requests, has `*`.
//! - `messages`: the name of a message, and below it its fields, in the order in which Go writes them:
//!   `number name type`, then `omitempty` or `omitzero` as the field's tag has it. The name `*` is an embedded struct: a message
//!   on the wire, whose members stand in the JSON object itself. Before the type stands `?` for a pointer, `[]` for a list, `{}` for
//!   a map with text as keys. The type is a scalar or a message.
//!   `special` begins a message that writes itself otherwise (`protobuf::special`); `list 1 string` is a list that is a message of its
//!   own on the wire.
//!
//! Read once, when the first body needs it: descriptors compiled into code would cost some ten thousand lines for what a
//! table of a quarter of a megabyte does.

mod expected;

use std::sync::OnceLock;

use crate::Unreadable;
pub use crate::schema::expected::Expected;

const KINDS: &str = include_str!("../schema/kinds");
const MESSAGES: &str = include_str!("../schema/messages");

/// All kinds and messages.
#[derive(Debug)]
pub(crate) struct Schema {
    /// By version and kind.
    kinds: Vec<Kind>,
    messages: Vec<Message>,
}

/// A kind and its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// `*` if every version has it.
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) message: MessageId,
}

/// A message of the [`Schema`] that it comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MessageId(u16);

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) form: Form,
    /// In the order of JSON.
    pub(crate) fields: Box<[Field]>,
    /// Numbers and places of the fields, by number.
    by_number: Box<[(i32, u16)]>,
}

/// What a message is in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// An object.
    Object,
    /// A list: the only field.
    List,
    /// What `protobuf::special` makes of it.
    Special(Special),
}

/// A message that writes itself as JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Special {
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON in bytes: `RawExtension`, `FieldsV1`, `JSON`.
    Raw,
    JsonSchemaPropsOrArray,
    JsonSchemaPropsOrBool,
    JsonSchemaPropsOrStringArray,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) value: Value,
    pub(crate) omit: Omit,
}

/// How often a field is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// Once, with a zero value if it is absent.
    Single,
    /// Once or not at all.
    Pointer,
    List,
    /// With text as keys.
    Map,
    /// Once, its members among those of the message around it.
    Embedded,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    Bool,
    Int32,
    Int64,
    Float64,
    String,
    Bytes,
    Message(MessageId),
}

/// When a field is left out of JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Omit {
    Never,
    /// When it is empty; a struct never is.
    Empty,
    /// When it is a zero struct.
    Zero,
}

impl Schema {
    /// The schema, read when it is first needed.
    pub(crate) fn get() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(Self::read)
    }

    /// The kind of this version.
    pub(crate) fn kind(&self, api_version: &[u8], kind: &[u8]) -> Option<Kind> {
        self.find(api_version, kind)
            .or_else(|| self.find(b"*", kind))
    }

    fn of_version(&self, api_version: &str) -> impl Iterator<Item = Kind> {
        let start = self
            .kinds
            .partition_point(|kind| kind.api_version < api_version);
        let kinds = self.kinds.iter().skip(start).copied();
        kinds.take_while(move |kind| kind.api_version == api_version)
    }

    fn find(&self, api_version: &[u8], kind: &[u8]) -> Option<Kind> {
        let key = |kind: &Kind| (kind.api_version.as_bytes(), kind.kind.as_bytes());
        let at = self
            .kinds
            .binary_search_by(|found| key(found).cmp(&(api_version, kind)));
        self.kinds.get(at.ok()?).copied()
    }

    /// The message. Every id is of a message that there is.
    #[inline]
    pub(crate) fn message(&self, id: MessageId) -> Result<&Message, Unreadable> {
        self.messages
            .get(usize::from(id.0))
            .ok_or(Unreadable::UnknownKind)
    }

    fn read() -> Self {
        let names: Vec<&str> = MESSAGES
            .lines()
            .filter(|line| !line.starts_with(' '))
            .collect();
        let id = |name: &str| {
            names
                .binary_search(&name)
                .ok()
                .map(|at| MessageId(at as u16))
        };
        let mut messages = Vec::with_capacity(names.len());
        let mut lines = MESSAGES.lines().peekable();
        while let Some(name) = lines.next() {
            let mut of_message = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
                of_message.push(line.trim_start());
            }
            messages.push(Message::read(name, &of_message, id));
        }
        let mut kinds: Vec<Kind> = KINDS
            .lines()
            .filter_map(|line| Kind::read(line, id))
            .collect();
        kinds.sort_unstable_by_key(|kind| (kind.api_version, kind.kind));
        Self { kinds, messages }
    }
}

impl Kind {
    fn read(line: &'static str, id: impl Fn(&str) -> Option<MessageId>) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            api_version: words.next()?,
            kind: words.next()?,
            message: id(words.next()?)?,
        })
    }
}

impl Message {
    /// The field of this number, and its place among the fields.
    #[inline]
    pub(crate) fn field(&self, number: i32) -> Option<(u16, &Field)> {
        let at = self
            .by_number
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        let (_, place) = self.by_number.get(at)?;
        Some((*place, self.fields.get(usize::from(*place))?))
    }

    fn read(name: &str, lines: &[&'static str], id: impl Fn(&str) -> Option<MessageId>) -> Self {
        let form = match lines.first() {
            Some(&"special") => Special::of(name).map_or(Form::Object, Form::Special),
            Some(line) if line.starts_with("list ") => Form::List,
            _ => Form::Object,
        };
        let fields: Vec<_> = lines
            .iter()
            .filter_map(|line| Field::read(line, &id))
            .collect();
        let numbers = fields
            .iter()
            .zip(0..)
            .map(|((number, _), place)| (*number, place));
        let mut by_number: Box<[_]> = numbers.collect();
        by_number.sort_unstable();
        Self {
            form,
            fields: fields.into_iter().map(|(_, field)| field).collect(),
            by_number,
        }
    }
}

impl Special {
    fn of(message: &str) -> Option<Self> {
        let (_, name) = message.rsplit_once('.')?;
        Some(match name {
            "Time" => Self::Time,
            "MicroTime" => Self::MicroTime,
            "Quantity" => Self::Quantity,
            "IntOrString" => Self::IntOrString,
            "RawExtension" | "FieldsV1" | "JSON" => Self::Raw,
            "JSONSchemaPropsOrArray" => Self::JsonSchemaPropsOrArray,
            "JSONSchemaPropsOrBool" => Self::JsonSchemaPropsOrBool,
            "JSONSchemaPropsOrStringArray" => Self::JsonSchemaPropsOrStringArray,
            _ => return None,
        })
    }
}

impl Field {
    /// A field and its number.
    fn read(line: &'static str, id: impl Fn(&str) -> Option<MessageId>) -> Option<(i32, Self)> {
        if let Some(list) = line.strip_prefix("list ") {
            let (number, value) = list.split_once(' ')?;
            let value = Value::of(value, id)?;
            return Some((number.parse().ok()?, Self::list(value)));
        }
        let mut words = line.split(' ');
        let number = words.next()?.parse().ok()?;
        let name = words.next()?;
        let (shape, value) = Shape::of(words.next()?);
        let omit = words.fold(Omit::Never, |omit, word| match word {
            "omitzero" => Omit::Zero,
            "omitempty" => Omit::Empty,
            _ => omit,
        });
        let field = Self {
            name,
            shape: if name == "*" { Shape::Embedded } else { shape },
            value: Value::of(value, id)?,
            omit,
        };
        Some((number, field))
    }

    fn list(value: Value) -> Self {
        Self {
            name: "",
            shape: Shape::List,
            value,
            omit: Omit::Never,
        }
    }
}

impl Shape {
    /// The shape, and the type without it.
    fn of(text: &str) -> (Self, &str) {
        let shapes = [("?", Self::Pointer), ("[]", Self::List), ("{}", Self::Map)];
        let found = shapes
            .into_iter()
            .find_map(|(mark, shape)| text.strip_prefix(mark).map(|rest| (shape, rest)));
        found.unwrap_or((Self::Single, text))
    }
}

impl Value {
    fn of(text: &str, id: impl Fn(&str) -> Option<MessageId>) -> Option<Self> {
        Some(match text {
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            message => Self::Message(id(message)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_schema_is_understood() {
        let schema = Schema::get();
        let is_field = |line: &&str| line.starts_with(' ') && *line != "  special";
        let fields: usize = schema
            .messages
            .iter()
            .map(|message| message.fields.len())
            .sum();
        assert_eq!(fields, MESSAGES.lines().filter(is_field).count());
        assert_eq!(schema.kinds.len(), KINDS.lines().count());
        let specials = schema
            .messages
            .iter()
            .filter(|message| matches!(message.form, Form::Special(_)));
        let lines = MESSAGES.lines().filter(|line| *line == "  special").count();
        assert_eq!(specials.count(), lines);
    }

    #[test]
    fn the_schema_takes_less_than_a_quarter_of_a_megabyte() {
        let schema = Schema::get();
        let of_message = |message: &Message| {
            size_of_val(message) + size_of_val(&*message.fields) + size_of_val(&*message.by_number)
        };
        let messages: usize = schema.messages.iter().map(of_message).sum();
        let bytes = messages + size_of_val(&*schema.kinds);
        assert!(bytes < 250_000, "{bytes}");
    }
}
