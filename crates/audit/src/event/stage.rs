//! Where in its life a request is when an event tells of it.

use std::borrow::Cow;
use std::fmt;

/// The stage of a request that an event tells of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Stage {
    /// The request has come in; nothing is decided yet.
    RequestReceived,
    /// The header of the response is sent, its body follows; only for watches, logs, upgraded connections.
    ResponseStarted,
    /// The response is sent.
    ResponseComplete,
    /// The API server panicked over the request.
    Panic,
    /// Some other text, as it stands in the event.
    Other(Box<str>),
}

impl Stage {
    /// The stage that this text names; capitals count, as everywhere in Kubernetes.
    pub fn parse(text: Cow<'_, str>) -> Self {
        match &*text {
            "RequestReceived" => Self::RequestReceived,
            "ResponseStarted" => Self::ResponseStarted,
            "ResponseComplete" => Self::ResponseComplete,
            "Panic" => Self::Panic,
            _ => Self::Other(text.into()),
        }
    }

    /// The text that the event has.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
