//! How much of a request an event records.

use std::borrow::Cow;
use std::fmt;

/// The level that the audit policy chose for a request.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Level {
    /// Nothing is recorded; no event of a real API server has it.
    None,
    /// Everything but the bodies.
    Metadata,
    /// The body of the request as well.
    Request,
    /// The bodies of request and response as well.
    RequestResponse,
    /// Some other text, as it stands in the event.
    Other(Box<str>),
}

impl Level {
    /// The level that this text names; capitals count, as everywhere in Kubernetes.
    pub fn parse(text: Cow<'_, str>) -> Self {
        match &*text {
            "None" => Self::None,
            "Metadata" => Self::Metadata,
            "Request" => Self::Request,
            "RequestResponse" => Self::RequestResponse,
            _ => Self::Other(text.into()),
        }
    }

    /// The text that the event has.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
