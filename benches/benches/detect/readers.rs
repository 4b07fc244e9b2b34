//! Yardsticks: other ways to read the same bytes.

use kubevigil_audit::json::{Duplicates, PathScratch, PathsBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Contestant;

/// What every reader looks for: the envelope, and something deep in the body.
const PATHS: [&[&str]; 15] = [
    &["auditID"],
    &["stage"],
    &["verb"],
    &["requestURI"],
    &["userAgent"],
    &["stageTimestamp"],
    &["user", "username"],
    &["user", "groups"],
    &["objectRef", "resource"],
    &["objectRef", "namespace"],
    &["objectRef", "name"],
    &["objectRef", "subresource"],
    &["responseStatus", "code"],
    &["annotations", "authorization.k8s.io/decision"],
    &["requestObject", "spec", "containers"],
];

/// All of them; the one whose name starts with `yardstick: fastest` is the measure.
pub(crate) fn all() -> Vec<Contestant> {
    vec![
        contestant("yardstick: bytes touched (find a newline)", |event| {
            memchr::memchr(b'\n', event).is_none().into()
        }),
        contestant("yardstick: serde_json into a tree", |event| {
            serde_json::from_slice::<serde_json::Value>(event)
                .unwrap()
                .as_object()
                .unwrap()
                .len() as u64
        }),
        contestant("yardstick: serde_json into borrowed structs", |event| {
            serde_json::from_slice::<Event<'_>>(event).unwrap().seen()
        }),
        sonic(),
        contestant("yardstick: fastest validating reader (jiter)", jiter),
        reader(),
    ]
}

fn contestant(name: &str, mut read: impl FnMut(&[u8]) -> u64 + 'static) -> Contestant {
    let run = move |events: &[Vec<u8>]| events.iter().map(|event| read(event)).sum();
    Contestant {
        name: name.to_owned(),
        run: Box::new(run),
    }
}

fn reader() -> Contestant {
    let mut builder = PathsBuilder::new();
    let ids = PATHS.map(|keys| builder.add(keys));
    let paths = builder.build();
    let mut scratch = PathScratch::default();
    contestant("reader: kubevigil, 15 paths", move |event| {
        let found = paths.read(event, Duplicates::First, &mut scratch).unwrap();
        ids.iter()
            .filter_map(|&id| found.get(id))
            .map(|json| json.raw().len() as u64)
            .sum()
    })
}

/// The same paths through sonic-rs, checked.
fn sonic() -> Contestant {
    let mut tree = sonic_rs::PointerTree::new();
    for keys in PATHS {
        tree.add_path(keys);
    }
    contestant("yardstick: sonic-rs, 15 paths, checked", move |event| {
        let found = sonic_rs::get_many(event, &tree).unwrap();
        found
            .iter()
            .flatten()
            .map(|value| value.as_raw_str().len() as u64)
            .sum()
    })
}

/// Every value of the event validated, none kept.
fn jiter(event: &[u8]) -> u64 {
    let mut jiter = jiter::Jiter::new(event);
    jiter.next_skip().unwrap();
    jiter.finish().unwrap();
    event.len() as u64
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'e> {
    #[serde(borrow, rename = "auditID")]
    audit_id: &'e RawValue,
    #[serde(borrow)]
    stage: &'e RawValue,
    #[serde(borrow)]
    verb: &'e RawValue,
    #[serde(borrow, rename = "requestURI")]
    request_uri: &'e RawValue,
    #[serde(borrow)]
    user_agent: Option<&'e RawValue>,
    #[serde(borrow)]
    stage_timestamp: &'e RawValue,
    #[serde(borrow)]
    user: User<'e>,
    #[serde(borrow)]
    object_ref: Option<ObjectRef<'e>>,
    #[serde(borrow)]
    response_status: Option<Status<'e>>,
    #[serde(borrow)]
    request_object: Option<&'e RawValue>,
    #[serde(borrow)]
    annotations: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct User<'e> {
    #[serde(borrow)]
    username: &'e RawValue,
    #[serde(borrow)]
    groups: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct ObjectRef<'e> {
    #[serde(borrow)]
    resource: &'e RawValue,
    #[serde(borrow)]
    namespace: Option<&'e RawValue>,
    #[serde(borrow)]
    name: Option<&'e RawValue>,
    #[serde(borrow)]
    subresource: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct Status<'e> {
    #[serde(borrow)]
    code: Option<&'e RawValue>,
}

impl Event<'_> {
    fn seen(&self) -> u64 {
        let object = self.object_ref.as_ref();
        let always = [
            self.audit_id,
            self.stage,
            self.verb,
            self.request_uri,
            self.stage_timestamp,
            self.user.username,
        ];
        let sometimes = [
            self.user_agent,
            self.user.groups,
            self.request_object,
            self.annotations,
            object.map(|object| object.resource),
            object.and_then(|object| object.namespace),
            object.and_then(|object| object.name),
            object.and_then(|object| object.subresource),
            self.response_status.as_ref().and_then(|status| status.code),
        ];
        always
            .into_iter()
            .chain(sometimes.into_iter().flatten())
            .map(|raw| raw.get().len() as u64)
            .sum()
    }
}
