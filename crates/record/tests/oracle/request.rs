//! Any bytes as a request and its answer: the events are what kubevigil's own reader reads, and look as a server writes them.
//!
//! Shared by the property test and the fuzz target.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use kubevigil_audit::event::EventView;
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditor::Audit;
use kubevigil_record::encode::{json_line, legacy_line};
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::request::RequestHead;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an event in the order in which servers write them (spec 2.1).
const MEMBERS: &[&str] = &[
    "kind",
    "apiVersion",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user",
    "impersonatedUser",
    "authenticationMetadata",
    "sourceIPs",
    "userAgent",
    "objectRef",
    "responseStatus",
    "requestObject",
    "responseObject",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations",
];

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n";
    PolicyFile::read("policy.yaml", rules)
        .policy
        .expect("a good policy")
});

/// A request and what became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) user: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) code: u16,
    pub(crate) answer: Vec<u8>,
    pub(crate) panics: bool,
}

impl Exchange {
    /// Reads lines: method, target; headers up to an empty one; then body, code and answer with an empty line between them.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut exchange = Self {
            user: Some("jane".to_owned()),
            ..Self::default()
        };
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
        (exchange.method, exchange.target) = (method.to_owned(), target.to_owned());
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            exchange
                .headers
                .push((name, parts.next().unwrap_or_default().to_vec()));
        }
        exchange.body = lines.next().unwrap_or_default().to_vec();
        let code = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let number = code.trim_start_matches('!').parse().unwrap_or(200);
        exchange.code = if (100..=999).contains(&number) {
            number
        } else {
            200
        };
        exchange.panics = code.starts_with('!');
        if exchange.code == 401 {
            exchange.user = None;
        }
        exchange.answer = lines.next().unwrap_or_default().to_vec();
        exchange
    }

    /// The events, in their order.
    pub(crate) fn events(&self) -> Vec<AuditEvent> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Ok(mut head) = RequestHead::read(&self.method, &self.target, &headers, Some(peer))
        else {
            return Vec::new();
        };
        head.user = self.user.as_ref().map(|name| UserInfo {
            username: name.clone(),
            ..UserInfo::default()
        });
        let Some(mut audit) = Audit::begin(&POLICY, head, at(1)) else {
            return Vec::new();
        };
        let mut events: Vec<_> = audit.received().into_iter().collect();
        audit.request_body(&self.body);
        events.extend(audit.response_started(self.code, at(2)));
        audit.response_body(&self.answer);
        events.extend(match self.panics {
            true => audit.panicked("net/http: abort Handler", at(3)),
            false => audit.complete(at(3)),
        });
        events
    }

    /// Panics unless the events are well-formed and say what was asked.
    pub(crate) fn check(&self) {
        let events = self.events();
        let mut last = None;
        for event in &events {
            check(event);
            assert_ne!(last, Some(event.stage.as_str()), "a stage comes twice");
            last = Some(event.stage.as_str());
        }
        if self.user.is_none() {
            assert!(events.len() <= 1, "refused credentials leave one event");
        }
    }
}

/// The keys of an object in their order. Its values are JSON, but half surrogates may stand in them, as Go lets them.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, _)) = map.next_entry::<String, &RawValue>()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

fn at(seconds: i128) -> Timestamp {
    Timestamp {
        nanoseconds: seconds * 1_000_000_000,
    }
}

fn check(event: &AuditEvent) {
    // Bodies that are no JSON are left out before, so that every event can be written.
    let line = json_line(event).expect("an event that can be written");
    assert_eq!(
        line.iter().filter(|byte| **byte == b'\n').count(),
        1,
        "one line"
    );
    assert!(line.ends_with(b"\n"));
    let text = std::str::from_utf8(&line).expect("JSON is UTF-8");
    let raw = |character: char| {
        matches!(
            character,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\t'
        )
    };
    assert!(!text.contains(raw), "written otherwise by a server: {text}");
    let Keys(keys) = serde_json::from_str(text).expect("JSON");
    let known: Vec<_> = keys
        .iter()
        .filter_map(|key| MEMBERS.iter().position(|known| known == key))
        .collect();
    assert_eq!(
        known.len(),
        keys.len(),
        "a member that no server writes: {text}"
    );
    assert!(known.is_sorted(), "another order of members: {text}");
    let view = EventView::read(text.trim_end().as_bytes()).expect("read by our own reader");
    assert_eq!(view.audit_id().as_deref(), Some(event.audit_id.as_str()));
    assert_eq!(
        view.request_uri().as_deref(),
        Some(event.request_uri.as_str())
    );
    assert_eq!(view.verb().as_deref(), Some(event.verb.as_str()));
    assert_eq!(view.stage().as_ref(), Some(&event.stage));
    let status = view.response_status().and_then(|status| status.code);
    let code = event
        .response_status
        .as_ref()
        .map(|status| i64::from(status.code));
    assert_eq!(status, code);
    // A body may be `null`, which reads as none.
    let is_there = |body: &Option<Bytes>| body.as_ref().is_some_and(|body| body != "null");
    assert_eq!(
        view.request_object().is_some(),
        is_there(&event.request_object)
    );
    assert_eq!(
        view.response_object().is_some(),
        is_there(&event.response_object)
    );
    let legacy = legacy_line(event);
    assert_eq!(legacy.lines().count(), 1, "one legacy line");
}
