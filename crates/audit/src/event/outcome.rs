//! What became of a request.

use std::fmt;

use super::Stage;

/// What became of a request, as far as one event can tell.
///
/// A denied try and a granted request are different news, so alerts are graded by it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It was carried out, or may have been.
    Allowed,
    /// The API server refused it: who asked is unknown (401) or may not (403, or the authorizer said so).
    Denied,
    /// It was let through but went wrong, or was turned away for another reason: 400, 404, 409, 429, 5xx but 504.
    Failed,
    /// It is still going on: received and nothing decided yet, or let through and running.
    Started,
    /// The API server panicked over it.
    Panicked,
}

impl Outcome {
    /// The outcome that an event's stage, its `responseStatus.code` and its annotations
    /// `authorization.k8s.io/decision` and `kubevigil.io/outcome` tell.
    ///
    /// The first that applies: a panic; a refusal at any stage, by code or annotation; an event that only says
    /// that the request came in; any other code from 400 up; a response that has begun; otherwise allowed. An
    /// event that tells neither stage, code nor decision says no more than that the request came in.
    ///
    /// When in doubt, an alert keeps its urgency: a finished response without a code counts as allowed, and so do 504 and what
    /// a gateway calls `unknown`. A time-out is answered while the request is still being carried out, and clients choose it.
    pub fn of(
        stage: Option<&Stage>,
        code: Option<i64>,
        decision: Option<&str>,
        said: Option<&str>,
    ) -> Self {
        match (stage, code) {
            (Some(Stage::Panic), _) => Self::Panicked,
            (_, Some(401 | 403)) => Self::Denied,
            _ if decision == Some("forbid") => Self::Denied,
            (Some(Stage::RequestReceived), _) => Self::Started,
            (Some(Stage::ResponseComplete), Some(504)) => Self::Allowed,
            (Some(Stage::ResponseComplete), _) if said == Some("unknown") => Self::Allowed,
            (_, Some(400..)) => Self::Failed,
            (Some(Stage::ResponseStarted), _) => Self::Started,
            (None | Some(Stage::Other(_)), None) if decision.is_none() => Self::Started,
            _ => Self::Allowed,
        }
    }

    /// The word for it: `allowed`, `denied`, `failed`, `started`, `panicked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Started => "started",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_stage_table_has_its_outcome() {
        let cases = [
            ("RequestReceived", None, None, "started"),
            ("ResponseComplete", Some(200), Some("allow"), "allowed"),
            ("ResponseComplete", Some(304), None, "allowed"),
            ("ResponseComplete", Some(403), Some("forbid"), "denied"),
            ("ResponseComplete", Some(403), None, "denied"),
            ("ResponseComplete", None, Some("forbid"), "denied"),
            ("ResponseComplete", Some(404), Some("allow"), "failed"),
            ("ResponseComplete", Some(429), None, "failed"),
            ("ResponseComplete", Some(500), None, "failed"),
            ("ResponseComplete", Some(504), None, "allowed"),
            ("ResponseStarted", Some(504), None, "failed"),
            ("ResponseComplete", None, None, "allowed"),
            ("ResponseComplete", Some(101), Some("allow"), "allowed"),
            ("ResponseStarted", Some(101), Some("allow"), "started"),
            ("ResponseStarted", Some(200), Some("allow"), "started"),
            ("ResponseStarted", Some(401), None, "denied"),
            ("ResponseStarted", Some(403), Some("forbid"), "denied"),
            ("ResponseStarted", Some(400), None, "failed"),
            ("Panic", Some(500), Some("allow"), "panicked"),
            ("Panic", Some(403), Some("forbid"), "panicked"),
            ("", None, None, "started"),
            ("", Some(201), None, "allowed"),
            ("Later", None, Some("allow"), "allowed"),
        ];
        for (stage, code, decision, outcome) in cases {
            let stage = (!stage.is_empty()).then(|| Stage::parse(stage.into()));
            let told = Outcome::of(stage.as_ref(), code, decision, None);
            assert_eq!(told.as_str(), outcome, "{stage:?} {code:?} {decision:?}");
        }
    }

    #[test]
    fn what_may_have_been_carried_out_counts_as_carried_out() {
        let told = |stage, code| Outcome::of(Some(&stage), Some(code), None, Some("unknown"));
        assert_eq!(told(Stage::ResponseComplete, 502), Outcome::Allowed);
        assert_eq!(told(Stage::ResponseComplete, 403), Outcome::Denied);
        assert_eq!(told(Stage::Panic, 500), Outcome::Panicked);
        assert_eq!(told(Stage::RequestReceived, 502), Outcome::Started);
    }
}
