//! Members that stand in a JSON object several times.
//!
//! Go reads an object of a built-in kind into a struct, one member after the other, over what is there already: of
//! `{"spec":{"hostNetwork":true},"spec":{"nodeName":"a"}}` both count. A reader that takes the last of them, as most do, would see
//! a harmless pod where the server runs another. So such bodies are written as the object that Go reads; for others, those of
//! custom resources, the last member counts in the server, too.
//!
//! Members of a list are read over those that stood at their places, `null` leaves what is there unless it is a pointer, a list, or a
//! map. (Servers before 1.23 make an empty text of a text that `null` stands behind; the others do not, and this follows them.)
//!
//! A pass over the keys finds out that there is nothing to do, at some 500 megabytes a second, one and a half times what it costs to
//! step over the body as JSON; only a body that really repeats a key is taken apart.

mod merge;
mod scan;

use std::borrow::Cow;

use crate::json::Json;
use crate::repeated::merge::{Object, object};
use crate::schema::{Expected, Schema};

/// The JSON body of a create or update request as the server reads it, if an object in it has a key twice and its kind is built
/// in; otherwise nothing, and the body is right as it is.
pub fn merged(body: &[u8], expected: Expected<'_>) -> Option<Vec<u8>> {
    if !scan::repeats_a_key(body) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let members = merge::members(&text)?;
    let [api_version, kind] = ["apiVersion", "kind"].map(|name| text_of(&members, name));
    let schema = Schema::get();
    let resolved = schema.resolve(api_version.as_bytes(), kind.as_bytes(), Some(expected));
    let message = schema.message(resolved?.0.message).ok()?;
    let object: Object<'_> = object(schema, message, &text)?;
    let mut json = Json::new(usize::MAX);
    object.write(&mut json).ok()?;
    Some(json.into_bytes())
}

/// The text that counts: the last; `null` leaves what is there.
fn text_of(members: &[(Cow<'_, str>, &str)], name: &str) -> String {
    let values = members.iter().rev().filter(|(key, _)| key == name);
    let mut texts = values.filter_map(|(_, value)| serde_json::from_str(value).ok());
    texts.next().unwrap_or_default()
}
