//! Bodies in the media types of the Kubernetes API, read as JSON.
//!
//! A Kubernetes API server takes and gives objects as JSON, YAML, CBOR and protobuf, and its audit writes all of them as JSON. Who
//! records events from outside has to do the same: a body that is left out because of its media type is a body that an attacker can
//! choose not to have recorded, and `kubectl create` sends protobuf without being asked.
//!
//! | part | what it is |
//! |---|---|
//! | [`Format`] | what a body is, by its first bytes and its `Content-Type` |
//! | [`to_json`], [`to_json_of`] | the JSON of a body, up to a limit |
//! | [`merged`] | a JSON body with members that stand there several times, as the server reads it |
//! | [`Expected`] | what the request says of the object, where the body leaves it out |
//! | [`Unreadable`] | why there is none |
//!
//! Each format is a module. None builds a tree: JSON is written while the body is read (YAML, CBOR), or after one pass has noted where
//! the fields of a message stand (protobuf), so memory is bounded by the body and the limit. All depths are bounded, and no length
//! that a body announces is believed. What Go's types know of protobuf messages lies in `schema/`, made by `schema/generate.go` from
//! Kubernetes 1.36.4; it is read when the first protobuf body comes, and takes 200 kB.
//!
//! The result is JSON as the client would have written it, in no canonical form; who writes events makes it compact.
//!
//! # Example
//!
//! ```
//! use kubevigil_media::{Format, to_json};
//!
//! let body = b"kind: ConfigMap\ndata: {port: \"0644\", debug: yes}\n";
//! let format = Format::of(b"application/yaml", body);
//! let json = to_json(format, body, 1024)?;
//! assert_eq!(*json, *br#"{"kind":"ConfigMap","data":{"port":"0644","debug":true}}"#);
//! # Ok::<(), kubevigil_media::Unreadable>(())
//! ```

mod cbor;
mod format;
mod json;
mod number;
mod protobuf;
mod repeated;
mod schema;
mod yaml;

pub use crate::format::Format;
pub use crate::repeated::merged;
pub use crate::schema::Expected;

use std::borrow::Cow;

use crate::json::{Json, TooLong};

/// Why a body has no JSON form here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The JSON would be longer than wanted.
    #[error("its JSON is too long")]
    TooLong,
    /// It is nested too deep.
    #[error("it is nested too deep")]
    TooDeep,
    /// It does not have the format that it claims to have.
    #[error("it is not what it claims to be")]
    Malformed,
    /// It is of a kind whose messages are not known here.
    #[error("its kind is not known")]
    UnknownKind,
}

impl From<TooLong> for Unreadable {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

/// The body as JSON of at most `limit` bytes. A body that is JSON already is given back as it is, whatever its length, and so is one of
/// [`Format::Json`], whatever it holds.
///
/// # Errors
///
/// When it cannot be read, or is too long.
pub fn to_json(format: Format, body: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, Unreadable> {
    to_json_of(format, body, limit, None)
}

/// The same, of a body about which the request says more.
///
/// # Errors
///
/// When it cannot be read, or is too long.
pub fn to_json_of<'b>(
    format: Format,
    body: &'b [u8],
    limit: usize,
    expected: Option<Expected<'_>>,
) -> Result<Cow<'b, [u8]>, Unreadable> {
    let mut json = Json::new(limit);
    match format {
        Format::Json => return Ok(Cow::Borrowed(body)),
        Format::Yaml if yaml::is_json(body) => return Ok(Cow::Borrowed(body)),
        Format::Yaml => yaml::read(body, &mut json)?,
        Format::Cbor => cbor::read(body, &mut json)?,
        Format::Protobuf => protobuf::read(body, &mut json, expected)?,
    }
    Ok(Cow::Owned(json.into_bytes()))
}
