//! The bodies of an event: objects, parts of objects, and the operations of a JSON Patch.
//!
//! Where a body is an object, fields read what they want of it by paths, in the matcher's one pass over the event: walking the body again
//! for each of two dozen fields took most of the time of all. An operation of a JSON Patch is a place and a value; it is turned into the
//! part of the object that it writes, so that whoever looks for a pod or a role needs to know one form only. What an operation moves,
//! copies or removes is not in the request; the response shows it, where the audit level records that.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::values::text;
use crate::field::Inputs;

/// The API server takes no more operations in one patch.
const MAX_OPERATIONS: usize = 10_000;

/// The body of the request, which is the first input, when it is a JSON Patch.
pub(super) fn json_patch<'e>(inputs: &Inputs<'_, 'e>) -> Option<Json<'e>> {
    inputs
        .first(0)
        .filter(|body| body.kind() == JsonKind::Array)
}

/// What stands at `keys` below a value, by objects only.
pub(super) fn below<'e>(value: Json<'e>, keys: &[&str]) -> Option<Json<'e>> {
    keys.iter()
        .try_fold(value, |value, key| value.last_member(key))
}

/// What an object has under some keys, in one walk over its members; of equal keys the last counts.
pub(super) fn members<'e, const N: usize>(
    object: Option<Json<'e>>,
    keys: [&str; N],
) -> [Option<Json<'e>>; N] {
    let mut found = [None; N];
    for (name, value) in object.into_iter().flat_map(Json::members) {
        let mut places = keys.iter().zip(&mut found);
        if let Some((_, place)) = places.find(|(key, _)| *key.as_bytes() == *name) {
            *place = Some(value);
        }
    }
    found
}

/// The elements of the array at `key`.
pub(super) fn elements<'e>(value: Json<'e>, key: &str) -> impl Iterator<Item = Json<'e>> {
    value.last_member(key).into_iter().flat_map(Json::elements)
}

/// Calls `visit` with the part of an object that each operation writes.
pub(super) fn each_operation(patch: Json<'_>, visit: &mut dyn FnMut(Json<'_>)) {
    let mut written = Vec::new();
    for operation in patch.elements().take(MAX_OPERATIONS) {
        written.clear();
        let object = write_object(operation, &mut written);
        if object.is_some()
            && let Some(object) = Json::first_in(&written)
        {
            visit(object);
        }
    }
}

/// Writes the object that has nothing but what the operation adds or replaces.
fn write_object(operation: Json<'_>, out: &mut Vec<u8>) -> Option<()> {
    let name = text(operation.last_member("op"))?;
    let writes = matches!(&*name, b"add" | b"replace");
    let value = operation.last_member("value").filter(|_| writes)?;
    let pointer = operation.last_member("path")?.string()?;
    let tokens = match pointer.strip_prefix(b"/") {
        Some(tokens) => tokens,
        None if pointer.is_empty() => {
            out.extend_from_slice(value.raw());
            return Some(());
        }
        None => return None,
    };
    let mut closing = Vec::new();
    for token in tokens.split(|&byte| byte == b'/') {
        if is_index(token) {
            out.push(b'[');
            closing.push(b']');
        } else {
            out.push(b'{');
            write_key(token, out);
            closing.push(b'}');
        }
    }
    out.extend_from_slice(value.raw());
    closing.reverse();
    out.append(&mut closing);
    Some(())
}

fn is_index(token: &[u8]) -> bool {
    token == b"-" || (!token.is_empty() && token.iter().all(u8::is_ascii_digit))
}

/// A token of a JSON pointer (RFC 6901) as a key.
fn write_key(token: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut bytes = token.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'~', Some(b'1')) => {
                bytes.next();
                out.push(b'/');
            }
            (b'~', Some(b'0')) => {
                bytes.next();
                out.push(b'~');
            }
            (b'"' | b'\\', _) => out.extend([b'\\', byte]),
            (0..0x20, _) => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(operation: &str) -> Option<String> {
        let mut out = Vec::new();
        write_object(Json::first_in(operation.as_bytes()).unwrap(), &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_operation_is_the_object_that_it_writes() {
        for (operation, expected) in [
            (
                r#"{"op":"add","path":"/a/b","value":1}"#,
                Some(r#"{"a":{"b":1}}"#),
            ),
            (
                r#"{"op":"replace","path":"/a/0/b","value":[2]}"#,
                Some(r#"{"a":[{"b":[2]}]}"#),
            ),
            (
                r#"{"op":"add","path":"/a/-","value":{"c":3}}"#,
                Some(r#"{"a":[{"c":3}]}"#),
            ),
            (
                r#"{"op":"add","path":"","value":{"c":3}}"#,
                Some(r#"{"c":3}"#),
            ),
            (r#"{"op":"add","path":"/","value":1}"#, Some(r#"{"":1}"#)),
            (
                r#"{"op":"add","path":"/a~1b~0c/\"\\\n","value":1}"#,
                Some(r#"{"a/b~c":{"\"\\\u000a":1}}"#),
            ),
            (r#"{"op":"add","path":"a","value":1}"#, None),
            (r#"{"op":"remove","path":"/a"}"#, None),
            (r#"{"op":"test","path":"/a","value":1}"#, None),
            (r#"{"op":"add","path":"/a"}"#, None),
            (r#"["add","/a",1]"#, None),
        ] {
            assert_eq!(object(operation).as_deref(), expected, "{operation}");
        }
    }
}
