//! Which format a body has.

/// What begins a protobuf body of the Kubernetes API.
pub(crate) const PROTOBUF_MAGIC: &[u8] = b"k8s\0";
/// CBOR's own tag, which begins a CBOR body of the Kubernetes API (RFC 8949, 3.4.6).
pub(crate) const CBOR_MAGIC: &[u8] = b"\xd9\xd9\xf7";

/// A format of API objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// JSON, or what nobody knows.
    Json,
    /// YAML, of which JSON is a part.
    Yaml,
    /// CBOR (RFC 8949).
    Cbor,
    /// Protobuf in the envelope of Kubernetes.
    Protobuf,
}

/// The labels of YAML, with that of server-side apply.
const YAML: [&str; 2] = ["application/yaml", "application/apply-patch+yaml"];
/// The labels of CBOR.
const CBOR: [&str; 2] = ["application/cbor", "application/apply-patch+cbor"];
/// The label of protobuf. Others that end so, those of OpenAPI, are no API objects.
const PROTOBUF: [&str; 1] = ["application/vnd.kubernetes.protobuf"];

impl Format {
    /// The format of a body that begins so, with this `Content-Type`.
    ///
    /// What the first bytes say counts more than the header: a label must not hide from the audit what the server reads. For the
    /// same reason only whole names count: a server takes `application/json;a=yaml` for JSON.
    pub fn of(content_type: &[u8], start: &[u8]) -> Self {
        let name = content_type.split(|byte| *byte == b';').next();
        let name = name.unwrap_or_default().trim_ascii();
        let is_of = |names: &[&str]| {
            names
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        };
        match start {
            _ if start.starts_with(PROTOBUF_MAGIC) => Self::Protobuf,
            _ if start.starts_with(CBOR_MAGIC) => Self::Cbor,
            _ if is_of(&YAML) => Self::Yaml,
            _ if is_of(&CBOR) => Self::Cbor,
            _ if is_of(&PROTOBUF) => Self::Protobuf,
            _ => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_and_then_the_whole_name_decide() {
        let cases: [(&str, &[u8], Format); 11] = [
            ("application/json", b"{}", Format::Json),
            ("", b"a: b", Format::Json),
            ("application/yaml", b"{}", Format::Yaml),
            ("Application/YAML ; charset=utf-8", b"", Format::Yaml),
            ("application/apply-patch+yaml", b"a: b", Format::Yaml),
            ("application/json;a=yaml", b"{}", Format::Json),
            ("application/apply-patch+cbor", b"\xa0", Format::Cbor),
            ("application/json", b"\xd9\xd9\xf7\xa0", Format::Cbor),
            ("application/yaml", b"k8s\0", Format::Protobuf),
            (
                "application/vnd.kubernetes.protobuf;as=Table",
                b"",
                Format::Protobuf,
            ),
            (
                "application/com.github.openapi.v3.v1.0+protobuf",
                b"\n",
                Format::Json,
            ),
        ];
        for (content_type, start, format) in cases {
            let found = Format::of(content_type.as_bytes(), start);
            assert_eq!(found, format, "{content_type} {start:?}");
        }
    }
}
