//! What was asked for, how it ended, and what the event carries of it.

use std::borrow::Cow;

use kubevigil_audit::event::{Outcome, Stage};
use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_audit::request_info::LONG_RUNNING_SUBRESOURCES;

use crate::derived::query;
use crate::derived::values::{input, input_is, list, made, text, texts, truth, word};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Kind, Read, ReadFn, Values};

const fn entry(
    name: &'static str,
    kind: Kind,
    read: ReadFn,
    paths: &'static [Path],
    doc: &'static str,
) -> Entry {
    Entry::new(name, kind, Read::With(read), paths, doc)
}

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "kv.answered",
        Kind::Bool,
        |inputs| truth(is_answered(inputs)),
        &[&["stage"], &["verb"], &["objectRef", "subresource"], &["requestURI"]],
        "Whether this is the one event of its request that first tells the outcome: `ResponseStarted` of what stays open (watches, \
         logs, exec, attach, port-forward, proxy), `ResponseComplete` or `Panic` of everything else, failed authentication.",
    )
    .note(
        "Under an audit policy that omits the stage ResponseStarted no event of an exec is one: ask for `stage: ResponseComplete` \
         there. A panic over what stays open is none: it was answered already, or nothing came of it.",
    )
    .only_beginning(&["requestURI"], PROFILES.len()),
    entry(
        "kv.outcome",
        Kind::Text,
        |inputs| word(outcome(inputs).as_str()),
        &[
            &["stage"],
            &["responseStatus", "code"],
            &["annotations", "authorization.k8s.io/decision"],
            &["annotations", "kubevigil.io/outcome"],
        ],
        "What became of the request: `allowed` (or nobody knows: 504, a finished response without a code, a gateway's \
         `kubevigil.io/outcome: unknown`), `denied` (401, 403 or the authorizer said so), `failed` (other errors), `started` (not \
         decided, or let through and still open) or `panicked`.",
    )
    .note(
        "With `kv.answered: true`, `started` means let through: exec, attach, port-forward, watches and logs are reported when they \
         begin. Ask for `[allowed, started]` where those are meant too.",
    ),
    entry(
        "kv.dryRun",
        Kind::Bool,
        |inputs| truth(is_dry_run(inputs)),
        &[
            &["verb"],
            &["requestURI"],
            &["objectRef", "subresource"],
            &["objectRef", "apiGroup"],
        ],
        "Whether the request only asks what would happen: a create, update or patch with `dryRun=All`, or a delete whose body says so.",
    )
    .also(&[&["requestObject", "dryRun"]])
    .note(
        "False where the parameter means nothing: exec, tokens, access reviews. Of a delete only the body counts, because the API server \
         does not read the query when there is one.",
    ),
    entry(
        "kv.patch",
        Kind::Text,
        patch,
        &[&["verb"], &["requestURI"], &["requestObject"]],
        "The kind of a patch: `json` (a list of operations), `apply` (server-side apply) or `merge` (a merge patch of either kind). Absent \
         when the request is no patch or its body is not there.",
    ),
    entry(
        "kv.bodyPresent",
        Kind::Bool,
        |inputs| truth(is_present(inputs)),
        &[],
        "Whether the event has the body of the request.",
    )
    .also(&[&["requestObject"]]),
    entry(
        "kv.responsePresent",
        Kind::Bool,
        |inputs| truth(is_present(inputs)),
        &[],
        "Whether the event has the body of the response.",
    )
    .also(&[&["responseObject"]]),
    entry(
        "kv.truncated",
        Kind::Bool,
        |inputs| truth(input_is(inputs, 0, b"true")),
        &[&["annotations", "audit.k8s.io/truncated"]],
        "Whether the API server says that it left out the bodies because they were too large.",
    )
    .note("It may mark a copy that still has them; see kv.bodyPresent."),
    entry(
        "kv.failedOpen",
        Kind::TextList,
        |inputs| list(failed_open(inputs)),
        &[&["annotations"]],
        "The admission webhooks that did not answer and that the object was let in without, because their failurePolicy is Ignore.",
    )
    .note("From the annotations `failed-open.validating.webhook.admission.k8s.io/…` and `failed-open.mutation.…`."),
    entry(
        "kv.subject",
        Kind::Text,
        |inputs| made(subject(inputs)),
        &[
            &["objectRef", "namespace"],
            &["objectRef", "name"],
            &["objectRef", "resource"],
        ],
        "The object that the request is about, as `namespace/name`, or `name` when it is in no namespace. The name of a creation can stand \
         in the bodies only.",
    )
    .also(&[
        &["responseObject", "metadata", "name"],
        &["requestObject", "metadata", "name"],
    ]),
];

/// Where the API server offers profiles of itself, which take as long as the client asks for.
const PROFILES: &[u8] = b"/debug/pprof/";

/// Whether the event is the first of its request to tell the outcome (spec 5.1, 6.3).
///
/// The stage ResponseStarted exists for requests that stay open, and for failed authentication, which has no other.
fn is_answered(inputs: &Inputs<'_, '_>) -> bool {
    match input(inputs, 0).as_deref() {
        Some(b"ResponseStarted") => true,
        Some(b"ResponseComplete" | b"Panic") => !stays_open(inputs),
        _ => false,
    }
}

fn stays_open(inputs: &Inputs<'_, '_>) -> bool {
    let verb = input(inputs, 1);
    if matches!(verb.as_deref(), Some(b"watch" | b"proxy")) {
        return true;
    }
    match input(inputs, 2).as_deref() {
        Some(subresource) => LONG_RUNNING_SUBRESOURCES
            .iter()
            .any(|long| long.as_bytes() == subresource),
        None => input(inputs, 3).is_some_and(|uri| uri.starts_with(PROFILES)),
    }
}

fn outcome(inputs: &Inputs<'_, '_>) -> Outcome {
    let (stage, decision) = (input(inputs, 0), input(inputs, 2));
    let stage = stage.as_deref().map(String::from_utf8_lossy);
    let stage = stage.map(Stage::parse);
    let code = inputs
        .first(1)
        .and_then(|code| std::str::from_utf8(code.raw()).ok()?.parse().ok());
    let decision = decision.as_deref().map(String::from_utf8_lossy);
    let said = input(inputs, 3);
    let said = said.as_deref().map(String::from_utf8_lossy);
    Outcome::of(stage.as_ref(), code, decision.as_deref(), said.as_deref())
}

fn is_dry_run(inputs: &Inputs<'_, '_>) -> bool {
    match input(inputs, 0).as_deref() {
        Some(b"create" | b"update" | b"patch") => {
            let uri = input(inputs, 1).unwrap_or_default();
            is_kept(inputs) && query::values(&uri, "dryRun").any(|value| *value == *b"All")
        }
        Some(b"delete" | b"deletecollection") => {
            texts(inputs.first(4)).any(|value| *value == *b"All")
        }
        _ => false,
    }
}

/// Whether the request would keep what it writes. What has its effect in the answer has it in a dry run, too.
fn is_kept(inputs: &Inputs<'_, '_>) -> bool {
    let subresource = input(inputs, 2);
    let acts = matches!(
        subresource.as_deref(),
        Some(b"attach" | b"exec" | b"portforward" | b"proxy" | b"token")
    );
    let group = input(inputs, 3);
    let reviews = matches!(
        group.as_deref(),
        Some(b"authentication.k8s.io" | b"authorization.k8s.io")
    );
    !acts && !reviews
}

fn patch<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let is_patch = input_is(inputs, 0, b"patch");
    let Some(body) = inputs.first(2).filter(|_| is_patch) else {
        return Values::Absent;
    };
    match body.kind() {
        JsonKind::Array => word("json"),
        JsonKind::Object if is_apply(inputs, body) => word("apply"),
        JsonKind::Object => word("merge"),
        _ => Values::Absent,
    }
}

/// Server-side apply must name its manager and sends a whole object; other patches seldom say what they are a patch of.
fn is_apply(inputs: &Inputs<'_, '_>, body: Json<'_>) -> bool {
    let uri = input(inputs, 1).unwrap_or_default();
    let says = |key| text(body.last_member(key)).is_some();
    says("apiVersion") && says("kind") && query::values(&uri, "fieldManager").next().is_some()
}

fn is_present(inputs: &Inputs<'_, '_>) -> bool {
    inputs
        .first(0)
        .is_some_and(|body| body.kind() != JsonKind::Null)
}

/// The API server names the annotation after the place of the webhook among those it asked.
fn failed_open<'e>(inputs: &Inputs<'_, 'e>) -> impl Iterator<Item = Cow<'e, [u8]>> {
    const WEBHOOKS: [&[u8]; 2] = [
        b"failed-open.validating.webhook.admission.k8s.io/",
        b"failed-open.mutation.webhook.admission.k8s.io/",
    ];
    let annotations = inputs.first(0).into_iter().flat_map(Json::members);
    let of_webhooks = annotations.filter(|(name, _)| {
        let mut beginnings = WEBHOOKS.iter();
        beginnings.any(|beginning| name.starts_with(beginning))
    });
    of_webhooks.filter_map(|(_, webhook)| text(Some(webhook)))
}

fn subject(inputs: &Inputs<'_, '_>) -> Option<Vec<u8>> {
    let name = (1..=4)
        .filter(|position| *position != 2)
        .find_map(|position| input(inputs, position))?;
    // A request on a namespace carries its own name as the namespace (spec 4.3).
    let namespace = input(inputs, 0).filter(|_| !input_is(inputs, 2, b"namespaces"));
    Some(match namespace {
        Some(namespace) => [&*namespace, b"/", &*name].concat(),
        None => name.into_owned(),
    })
}
