//! In what the gateway's events may differ from the server's, all of it: a row that nothing needs is a defect, too.
//!
//! Each row that is about the gateway quotes the words of the crate's page that says so. The others are about this test: its cluster is
//! made up, so its clock and its certificates are others.

use serde_json::Value;

use super::recorded::Listed;

/// How the gateway tells the upstream who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Passthrough,
    Impersonate,
}

/// What is known of a request besides its events.
pub(super) struct Case<'a> {
    pub(super) listed: &'a Listed,
    pub(super) mode: Mode,
    /// The credential id of the certificate that it was sent with.
    pub(super) credential: Option<&'a str>,
}

/// The genuine member and ours.
pub(super) type Pair = (Value, Value);

/// One row of the table.
pub(super) struct Exception {
    pub(super) name: &'static str,
    /// The words of the page; empty when it is about this test.
    pub(super) said: &'static str,
    pub(super) members: &'static [&'static str],
    /// Makes even what may differ, and nothing else.
    pub(super) even: fn(&Case<'_>, Pair) -> Pair,
}

/// The page.
pub(super) const PAGE: &str = include_str!("../../../../record/src/lib.rs");

pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        name: "clock",
        said: "",
        members: &["requestReceivedTimestamp", "stageTimestamp"],
        even: clock,
    },
    Exception {
        name: "made-up Audit-ID",
        said: "",
        members: &["auditID"],
        even: made_up_id,
    },
    Exception {
        name: "certificates",
        said: "",
        members: &["user"],
        even: certificates,
    },
    Exception {
        name: "authorization",
        said: "the annotations of authorization",
        members: &["annotations"],
        even: |_, pair| without(pair, "authorization.k8s.io/"),
    },
    Exception {
        name: "admission",
        said: "admission, tokens and deprecated APIs",
        members: &["annotations"],
        even: |_, pair| without(pair, "pod-security.kubernetes.io/"),
    },
    Exception {
        name: "tokens",
        said: "admission, tokens and deprecated APIs",
        members: &["annotations"],
        even: |_, pair| without(pair, "authentication.kubernetes.io/issued-credential-id"),
    },
    Exception {
        name: "deprecated APIs",
        said: "admission, tokens and deprecated APIs",
        members: &["annotations"],
        even: |_, pair| without(without(pair, "k8s.io/deprecated"), "k8s.io/removed-release"),
    },
    Exception {
        name: "latencies",
        said: "the latencies of the server's parts",
        members: &["annotations"],
        even: |_, pair| without(pair, "apiserver.latency.k8s.io/"),
    },
    Exception {
        name: "constrained impersonation",
        said: "the constraint under which an impersonation was allowed",
        members: &["authenticationMetadata"],
        even: |_, (genuine, ours)| missing(genuine.is_object(), (genuine, ours)),
    },
    Exception {
        name: "bodies of unknown kinds",
        said: "bodies in protobuf of kinds that are not known here",
        members: &["responseObject"],
        even: |case, pair| missing(is_of_unknown_kind(case), pair),
    },
    Exception {
        name: "the mark of bodies of unknown kinds",
        said: "left out, and the event marked with `audit.k8s.io/truncated`",
        members: &["annotations"],
        even: unmarked,
    },
    Exception {
        name: "delete options",
        said: "`DeleteOptions` with the version `meta.k8s.io/__internal`",
        members: &["requestObject"],
        even: delete_options,
    },
    Exception {
        name: "answers to HEAD",
        said: "the `Status` of an answer to HEAD, which is not sent",
        members: &["responseStatus", "responseObject"],
        even: |case, pair| only_code(case.listed.method == "HEAD", pair),
    },
    Exception {
        name: "time-outs",
        said: "how a request ended inside the server after it was answered with 504",
        members: &["responseStatus", "responseObject", "annotations"],
        even: |case, pair| nothing(case.listed.label == "client timeout param", pair),
    },
    Exception {
        name: "impersonation refused by the gateway",
        said: "says in its own words why an impersonation is refused",
        members: &["responseStatus", "responseObject"],
        even: refused_impersonation,
    },
    Exception {
        name: "dots as segments",
        said: "paths with `.` or `..` as a segment are refused with 400",
        members: &["responseStatus", "responseObject"],
        even: |case, pair| {
            let refused = pair.1["code"] == 400 || pair.1.is_null();
            nothing(has_dots(case.listed) && refused, pair)
        },
    },
];

/// Whether the gateway refuses the path.
pub(super) fn has_dots(listed: &Listed) -> bool {
    listed.path.contains("/../")
}

fn clock(_: &Case<'_>, (genuine, ours): Pair) -> Pair {
    let shape = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.replace(|character: char| character.is_ascii_digit(), "0")
    };
    (shape(&genuine).into(), shape(&ours).into())
}

fn made_up_id(case: &Case<'_>, pair: Pair) -> Pair {
    let is_id = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.len() == 36 && text.matches('-').count() == 4
    };
    let both = case.listed.audit_id.is_none() && is_id(&pair.0) && is_id(&pair.1);
    if both {
        (Value::Null, Value::Null)
    } else {
        pair
    }
}

/// Puts our certificate's id in the place of the one that was recorded.
fn certificates(case: &Case<'_>, (mut genuine, ours): Pair) -> Pair {
    let slot = genuine.pointer_mut("/extra/authentication.kubernetes.io~1credential-id/0");
    if let (Some(slot), Some(credential)) = (slot, case.credential) {
        *slot = credential.into();
    }
    (genuine, ours)
}

fn without((mut genuine, ours): Pair, prefix: &str) -> Pair {
    if let Some(annotations) = genuine.as_object_mut() {
        annotations.retain(|key, _| !key.starts_with(prefix));
        if annotations.is_empty() {
            genuine = Value::Null;
        }
    }
    (genuine, ours)
}

/// The server has it, we do not.
fn missing(applies: bool, (genuine, ours): Pair) -> Pair {
    if applies && ours.is_null() {
        (Value::Null, ours)
    } else {
        (genuine, ours)
    }
}

fn nothing(applies: bool, pair: Pair) -> Pair {
    if applies {
        (Value::Null, Value::Null)
    } else {
        pair
    }
}

fn only_code(applies: bool, (genuine, ours): Pair) -> Pair {
    if !applies {
        return (genuine, ours);
    }
    let code = |value: &Value| value["code"].clone();
    match ours {
        Value::Null => (Value::Null, Value::Null),
        _ => (code(&genuine), code(&ours)),
    }
}

/// What the script answers in protobuf is of no kind at all.
fn is_of_unknown_kind(case: &Case<'_>) -> bool {
    case.listed.label == "protobuf"
}

fn unmarked(case: &Case<'_>, (genuine, mut ours): Pair) -> Pair {
    if let (true, Some(annotations)) = (is_of_unknown_kind(case), ours.as_object_mut()) {
        annotations.shift_remove("audit.k8s.io/truncated");
        if annotations.is_empty() {
            ours = Value::Null;
        }
    }
    (genuine, ours)
}

fn delete_options(_: &Case<'_>, (mut genuine, ours): Pair) -> Pair {
    if genuine["kind"] == "DeleteOptions" && genuine["apiVersion"] == "meta.k8s.io/__internal" {
        genuine["apiVersion"] = "v1".into();
    }
    (genuine, ours)
}

fn refused_impersonation(case: &Case<'_>, (genuine, ours): Pair) -> Pair {
    let refused = case.mode == Mode::Impersonate && case.listed.label.starts_with("impersonate ");
    let essence = |value: &Value| Value::from(vec![value["code"].clone(), value["reason"].clone()]);
    if refused && genuine["code"] == 403 {
        (essence(&genuine), essence(&ours))
    } else {
        (genuine, ours)
    }
}
