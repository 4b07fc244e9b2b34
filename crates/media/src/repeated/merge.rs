//! Objects read as Go reads them: each member over what stands there already.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Json, TooLong};
use crate::schema::{Field, Form, Message, Schema, Shape, Special, Value};

/// How deep messages may be nested; what is deeper is taken as it is.
const DEEPEST: usize = 100;
const NULL: &str = "null";

/// What stands in a place so far.
#[derive(Clone, Debug)]
pub(super) enum Node<'b> {
    /// JSON as it was sent.
    Raw(&'b str),
    Object(Object<'b>),
    /// Elements behind the length are those of an earlier, longer list: a later one is read over them.
    List(Vec<Node<'b>>, usize),
}

/// The members of a struct or a map, in the order in which they came first.
#[derive(Clone, Debug, Default)]
pub(super) struct Object<'b> {
    members: Vec<(Cow<'b, str>, Node<'b>)>,
    places: HashMap<Cow<'b, str>, usize>,
}

/// An object of this message; nothing if the text is no object.
pub(super) fn object<'b>(
    schema: &'static Schema,
    message: &'static Message,
    text: &'b str,
) -> Option<Object<'b>> {
    let mut merge = Merge { schema, depth: 0 };
    match merge.message(message, text, None) {
        Node::Object(object) => Some(object),
        Node::Raw(_) | Node::List(..) => None,
    }
}

/// Keys and values of an object; nothing if the text is none.
pub(super) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    serde_json::Deserializer::from_str(text)
        .deserialize_map(Members)
        .ok()
}

struct Merge {
    schema: &'static Schema,
    depth: usize,
}

impl Merge {
    fn field<'b>(&mut self, field: &Field, text: &'b str, old: Option<Node<'b>>) -> Node<'b> {
        match field.shape {
            Shape::Pointer | Shape::List | Shape::Map if text == NULL => Node::Raw(text),
            Shape::List => self.list(field.value, text, old),
            Shape::Map => self.map(field.value, text, old),
            Shape::Single | Shape::Pointer | Shape::Embedded => self.single(field.value, text, old),
        }
    }

    fn single<'b>(&mut self, value: Value, text: &'b str, old: Option<Node<'b>>) -> Node<'b> {
        let Value::Message(id) = value else {
            let keeps = text == NULL && value != Value::Bytes;
            return old.filter(|_| keeps).unwrap_or(Node::Raw(text));
        };
        let Ok(message) = self.schema.message(id) else {
            return Node::Raw(text);
        };
        match message.form {
            Form::Object | Form::Special(Special::Raw) if text == NULL => {
                old.unwrap_or(Node::Raw(text))
            }
            Form::Object => self.message(message, text, old),
            Form::List if text == NULL => Node::Raw(text),
            Form::List => self.list(Value::String, text, old),
            Form::Special(_) => Node::Raw(text),
        }
    }

    fn message<'b>(
        &mut self,
        message: &'static Message,
        text: &'b str,
        old: Option<Node<'b>>,
    ) -> Node<'b> {
        let Some(members) = members(text).filter(|_| self.depth < DEEPEST) else {
            return Node::Raw(text);
        };
        self.depth += 1;
        let mut object = match old {
            Some(Node::Object(object)) => object,
            _ => Object::default(),
        };
        for (key, value) in members {
            let old = object.take(&key);
            let node = match self.field_of(message, &key) {
                Some(field) => self.field(&field, value, old),
                None if value == NULL => old.unwrap_or(Node::Raw(value)),
                None => Node::Raw(value),
            };
            object.put(key, node);
        }
        self.depth -= 1;
        Node::Object(object)
    }

    /// The field of this name, also in what is embedded.
    fn field_of(&self, message: &'static Message, name: &str) -> Option<Field> {
        let named = message.fields.iter().find(|field| field.name == name);
        named.copied().or_else(|| {
            let mut embedded = message.fields.iter().filter_map(|field| match field.value {
                Value::Message(id) if field.shape == Shape::Embedded => Some(id),
                _ => None,
            });
            embedded.find_map(|id| self.field_of(self.schema.message(id).ok()?, name))
        })
    }

    fn list<'b>(&mut self, value: Value, text: &'b str, old: Option<Node<'b>>) -> Node<'b> {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return Node::Raw(text);
        };
        let length = elements.len();
        let before = match old {
            Some(Node::List(before, _)) if length > 0 => before,
            _ => Vec::new(),
        };
        let mut before = before.into_iter();
        let mut all = Vec::with_capacity(length);
        for element in elements {
            all.push(self.single(value, element.get(), before.next()));
        }
        all.extend(before);
        Node::List(all, length)
    }

    /// The keys of both; a value is not read over that of before.
    fn map<'b>(&mut self, value: Value, text: &'b str, old: Option<Node<'b>>) -> Node<'b> {
        let Some(members) = members(text) else {
            return Node::Raw(text);
        };
        let mut object = match old {
            Some(Node::Object(object)) => object,
            _ => Object::default(),
        };
        for (key, text) in members {
            let node = self.single(value, text, None);
            object.put(key, node);
        }
        Node::Object(object)
    }
}

impl<'b> Object<'b> {
    fn take(&mut self, key: &str) -> Option<Node<'b>> {
        let (_, node) = self.members.get_mut(*self.places.get(key)?)?;
        Some(std::mem::replace(node, Node::Raw(NULL)))
    }

    fn put(&mut self, key: Cow<'b, str>, node: Node<'b>) {
        let place = self.places.get(&key).copied();
        match place.and_then(|place| self.members.get_mut(place)) {
            Some((_, old)) => *old = node,
            None => {
                self.places.insert(key.clone(), self.members.len());
                self.members.push((key, node));
            }
        }
    }

    pub(super) fn write(&self, json: &mut Json) -> Result<(), TooLong> {
        let mut separator: &[u8] = b"{";
        for (key, node) in &self.members {
            json.raw(separator)?;
            separator = b",";
            json.string(key.as_bytes())?;
            json.raw(b":")?;
            node.write(json)?;
        }
        if self.members.is_empty() {
            json.raw(b"{")?;
        }
        json.raw(b"}")
    }
}

impl Node<'_> {
    fn write(&self, json: &mut Json) -> Result<(), TooLong> {
        match self {
            Self::Raw(text) => json.raw(text.as_bytes()),
            Self::Object(object) => object.write(json),
            Self::List(elements, length) => {
                json.raw(b"[")?;
                for (place, element) in elements.iter().take(*length).enumerate() {
                    if place > 0 {
                        json.raw(b",")?;
                    }
                    element.write(json)?;
                }
                json.raw(b"]")
            }
        }
    }
}

struct Members;

impl<'b> Visitor<'b> for Members {
    type Value = Vec<(Cow<'b, str>, &'b str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<Key<'b>, &'b RawValue>()? {
            members.push((key.0, value.get()));
        }
        Ok(members)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'b>(#[serde(borrow)] Cow<'b, str>);
