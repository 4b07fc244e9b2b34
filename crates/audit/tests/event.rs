//! Events with their fields by name.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_audit::event::{EventView, Level, Outcome, Stage};

fn view(event: &str) -> EventView<'_> {
    EventView::read(event.as_bytes()).unwrap()
}

#[test]
fn every_field_is_found() {
    let event = view(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"id-1",
        "stage":"ResponseComplete","requestURI":"/api?x=1\u0026y","verb":"create",
        "user":{"username":"jane","uid":"u-1","groups":["g1","g2"],"extra":{"k":["v"]}},
        "impersonatedUser":{"username":"root"},"sourceIPs":["1.1.1.1","10.0.0.2"],"userAgent":"curl",
        "objectRef":{"resource":"pods","namespace":"dev","name":"web","uid":"o-1","apiGroup":"g.io",
        "apiVersion":"v1","resourceVersion":"7","subresource":"exec"},
        "responseStatus":{"metadata":{},"status":"Failure","message":"no","reason":"Forbidden","code":403},
        "requestObject":[1],"responseObject":{"a":2},
        "requestReceivedTimestamp":"2026-11-23T05:12:26.000001Z",
        "stageTimestamp":"2026-11-23T05:12:26.000002Z",
        "annotations":{"authorization.k8s.io/decision":"forbid","audit.k8s.io/truncated":"true"}}"#,
    );
    assert_eq!(event.level(), Some(Level::Request));
    assert_eq!(event.audit_id().as_deref(), Some("id-1"));
    assert_eq!(event.stage(), Some(Stage::ResponseComplete));
    assert_eq!(event.request_uri().as_deref(), Some("/api?x=1&y"));
    assert_eq!(event.verb().as_deref(), Some("create"));
    let user = event.user().unwrap();
    assert_eq!(
        (user.name().as_deref(), user.uid().as_deref()),
        (Some("jane"), Some("u-1"))
    );
    assert_eq!(user.groups().collect::<Vec<_>>(), ["g1", "g2"]);
    assert_eq!(user.extra().unwrap().raw(), br#"{"k":["v"]}"#);
    let impersonated = event.impersonated_user().unwrap();
    assert_eq!(
        (
            impersonated.name().as_deref(),
            impersonated.groups().count()
        ),
        (Some("root"), 0)
    );
    assert_eq!(
        event.source_ips().collect::<Vec<_>>(),
        ["1.1.1.1", "10.0.0.2"]
    );
    assert_eq!(event.last_hop().as_deref(), Some("10.0.0.2"));
    assert_eq!(event.user_agent().as_deref(), Some("curl"));
    let object = event.object_ref().unwrap();
    let texts = [
        object.resource,
        object.namespace,
        object.name,
        object.uid,
        object.api_group,
        object.api_version,
        object.resource_version,
        object.subresource,
    ];
    assert_eq!(
        texts.map(Option::unwrap),
        ["pods", "dev", "web", "o-1", "g.io", "v1", "7", "exec"]
    );
    let status = event.response_status().unwrap();
    assert_eq!(status.code, Some(403));
    assert_eq!(
        [status.status, status.reason, status.message].map(Option::unwrap),
        ["Failure", "Forbidden", "no"]
    );
    assert_eq!(event.request_object().unwrap().raw(), b"[1]");
    assert_eq!(event.response_object().unwrap().raw(), b"{\"a\":2}");
    assert_eq!(
        event.received().unwrap().to_string(),
        "2026-11-23T05:12:26.000001000Z"
    );
    assert_eq!(
        event.time().unwrap().to_string(),
        "2026-11-23T05:12:26.000002000Z"
    );
    assert_eq!(
        event.annotation("authorization.k8s.io/decision").as_deref(),
        Some("forbid")
    );
    assert_eq!(event.annotation("other"), None);
    assert_eq!(event.annotations().count(), 2);
    assert!(event.truncated() && event.body_present());
    assert_eq!(event.outcome(), Outcome::Denied);
}

#[test]
fn what_is_null_or_of_another_type_is_absent() {
    for other in ["null", "7", "[]", "[null]", "true", "{\"x\":1}"] {
        let text = format!(
            r#"{{"level":{other},"user":{other},"sourceIPs":{other},"objectRef":{other},
            "responseStatus":{other},"stageTimestamp":{other},"annotations":{other},"verb":{other}}}"#
        );
        let event = view(&text);
        assert_eq!(
            (event.level(), event.verb(), event.time()),
            (None, None, None),
            "{other}"
        );
        assert_eq!(
            (event.last_hop(), event.annotation("a")),
            (None, None),
            "{other}"
        );
        assert_eq!(event.user().and_then(|user| user.name()), None, "{other}");
        assert_eq!(
            event.object_ref().and_then(|object| object.resource),
            None,
            "{other}"
        );
        assert_eq!(
            event.response_status().and_then(|status| status.code),
            None,
            "{other}"
        );
        assert_eq!(event.outcome(), Outcome::Started, "{other}");
    }
    let event = view(r#"{"requestObject":null,"user":{}}"#);
    assert!(!event.body_present());
    assert!(event.user().is_some());
}

#[test]
fn the_last_of_the_source_addresses_counts_even_when_it_is_no_text() {
    assert_eq!(view(r#"{"sourceIPs":["1.2.3.4",null]}"#).last_hop(), None);
}

#[test]
fn older_versions_are_read_as_v1() {
    let event = view(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1alpha1",
        "metadata":{"creationTimestamp":"2018-01-02T03:04:06Z"},"timestamp":"2018-01-02T03:04:05Z",
        "objectRef":{"resource":"roles","apiVersion":"rbac.authorization.k8s.io/v1"}}"#,
    );
    assert_eq!(
        event.time().unwrap().to_string(),
        "2018-01-02T03:04:06.000000000Z"
    );
    assert_eq!(
        event.received().unwrap().to_string(),
        "2018-01-02T03:04:05.000000000Z"
    );
    let object = event.object_ref().unwrap();
    assert_eq!(
        object.api_group.as_deref(),
        Some("rbac.authorization.k8s.io")
    );
    assert_eq!(object.api_version.as_deref(), Some("v1"));
    let core = view(r#"{"objectRef":{"apiVersion":"v1"}}"#)
        .object_ref()
        .unwrap();
    assert_eq!(
        (core.api_group.as_deref(), core.api_version.as_deref()),
        (None, Some("v1"))
    );
}

#[test]
fn the_time_is_the_nearest_that_the_event_tells() {
    let all = [
        r#""stageTimestamp":"2026-01-01T00:00:04Z""#,
        r#""metadata":{"creationTimestamp":"2026-01-01T00:00:03Z"}"#,
        r#""requestReceivedTimestamp":"2026-01-01T00:00:02Z""#,
        r#""timestamp":"2026-01-01T00:00:01Z""#,
    ];
    for from in 0..all.len() {
        let text = format!(
            "{{\"stageTimestamp\":null,{}}}",
            all.get(from..).unwrap().join(",")
        );
        let second = view(&text).time().unwrap().civil().5;
        assert_eq!(second as usize, 4 - from, "{text}");
    }
    assert_eq!(view(r#"{"stageTimestamp":"yesterday"}"#).time(), None);
}

#[test]
fn unknown_words_are_kept() {
    let event = view(r#"{"level":"Everything","stage":"panic"}"#);
    assert_eq!(event.level().unwrap().to_string(), "Everything");
    assert_eq!(event.stage(), Some(Stage::Other("panic".into())));
}

#[test]
fn recorded_events_are_read_without_a_gap() {
    let recorded = include_str!("../benches/events.jsonl");
    for line in recorded.lines() {
        let event = view(line);
        assert!(
            event.time().is_some() && event.received().is_some(),
            "{line}"
        );
        assert!(
            event
                .level()
                .is_some_and(|level| !matches!(level, Level::Other(_))),
            "{line}"
        );
        assert!(
            event
                .stage()
                .is_some_and(|stage| !matches!(stage, Stage::Other(_))),
            "{line}"
        );
        assert!(
            event.verb().is_some() && event.request_uri().is_some(),
            "{line}"
        );
        assert!(
            event.user().is_some() && event.last_hop().is_some(),
            "{line}"
        );
    }
}
