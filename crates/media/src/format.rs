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

impl Format {
    /// The format of a body that begins so, with this `Content-Type`.
    ///
    /// What the first bytes say counts more than the header: a label must not hide from the audit what the server reads.
    pub fn of(content_type: &[u8], start: &[u8]) -> Self {
        let is = |name: &[u8]| {
            content_type
                .windows(name.len())
                .any(|part| part.eq_ignore_ascii_case(name))
        };
        match start {
            _ if start.starts_with(PROTOBUF_MAGIC) => Self::Protobuf,
            _ if start.starts_with(CBOR_MAGIC) => Self::Cbor,
            _ if is(b"yaml") => Self::Yaml,
            _ if is(b"cbor") => Self::Cbor,
            _ if is(b"protobuf") => Self::Protobuf,
            _ => Self::Json,
        }
    }
}
