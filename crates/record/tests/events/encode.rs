//! Events are written as the API server writes them: byte for byte, on everything that was recorded.

use std::sync::Arc;

use crate::recorded;
use kubevigil_audit::event::{Level, Stage};
use kubevigil_audit::time::Timestamp;
use kubevigil_record::body::compact;
use kubevigil_record::encode::{event_list, json_line, legacy_line};
use kubevigil_record::event::{AuditEvent, ObjectReference, ResponseStatus, UserInfo};

fn line(event: &AuditEvent) -> String {
    String::from_utf8(json_line(event).unwrap()).unwrap()
}

#[test]
fn every_recorded_line_is_written_again_byte_for_byte() {
    let Some(logs) = recorded::logs() else { return };
    let mut events = 0;
    for log in logs {
        for (number, expected) in log.text.lines().enumerate() {
            let found = line(&recorded::event(expected));
            assert_eq!(found.trim_end(), expected, "{}:{}", log.name, number + 1);
            events += 1;
        }
    }
    assert!(events > 9_000, "only {events} events were compared");
}

#[test]
fn every_recorded_list_is_written_again_byte_for_byte() {
    let Some(bodies) = recorded::webhook_bodies() else {
        return;
    };
    for body in bodies {
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        let items = list["items"].as_array().unwrap();
        let events: Vec<Arc<AuditEvent>> = items
            .iter()
            .map(|item| Arc::new(recorded::event(&item.to_string())))
            .collect();
        let (found, lost) = event_list(&events);
        assert_eq!(lost, 0);
        // Whoever stored the lists put blanks between their tokens.
        let expected = compact(body.as_bytes(), false).unwrap();
        assert_eq!(
            String::from_utf8(found).unwrap().trim_end(),
            String::from_utf8(expected).unwrap()
        );
    }
}

#[test]
fn the_zero_event_and_the_empty_list_are_as_long_as_the_servers() {
    let zero = line(&AuditEvent::default());
    assert_eq!(
        zero,
        concat!(
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"","auditID":"","stage":"","requestURI":"","#,
            r#""verb":"","user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}"#,
            "\n"
        )
    );
    assert_eq!(zero.len(), 173);
    let (list, _) = event_list(&[]);
    assert_eq!(
        list,
        b"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":null}\n"
    );
    assert_eq!(list.len(), 79);
}

#[test]
fn a_status_writes_its_metadata_and_its_code() {
    let event = AuditEvent {
        response_status: Some(ResponseStatus {
            code: 201,
            ..ResponseStatus::default()
        }),
        ..AuditEvent::default()
    };
    assert!(line(&event).contains(r#""responseStatus":{"metadata":{},"code":201},"#));
}

#[test]
fn texts_are_escaped_as_go_escapes_them() {
    let event = AuditEvent {
        verb: "<&>\u{2028}\u{2029}\u{7f}\u{1}\u{8}\u{c}\n\r\t\"\\/\u{e2}\u{20ac}".to_owned(),
        ..AuditEvent::default()
    };
    let expected = concat!(
        r#""verb":"\u003c\u0026\u003e\u2028\u2029"#,
        "\u{7f}",
        r#"\u0001\b\f\n\r\t\"\\/"#,
        "\u{e2}\u{20ac}\""
    );
    assert!(line(&event).contains(expected), "{}", line(&event));
}

#[test]
fn times_are_cut_to_microseconds() {
    let event = AuditEvent {
        request_received: Timestamp::parse(b"2026-07-23T18:32:12.999999999Z"),
        stage_time: Timestamp::parse(b"2026-07-23T18:32:13Z"),
        ..AuditEvent::default()
    };
    assert!(line(&event).contains(
        r#""requestReceivedTimestamp":"2026-07-23T18:32:12.999999Z","stageTimestamp":"2026-07-23T18:32:13.000000Z""#
    ));
}

#[test]
fn an_event_whose_body_is_no_json_cannot_be_written_but_its_list_can() {
    let with_body = |body: &'static str| AuditEvent {
        request_object: Some(body.into()),
        ..AuditEvent::default()
    };
    assert!(json_line(&with_body("spec: {}")).is_err());
    assert!(line(&with_body("")).contains(r#""requestObject":null"#));
    let events = [with_body("{} {}"), with_body("[ 1 ]"), with_body("x")].map(Arc::new);
    let (list, lost) = event_list(&events);
    assert_eq!(lost, 2);
    let list = String::from_utf8(list).unwrap();
    assert!(list.contains(r#""items":[{"level":"","#), "{list}");
    assert!(list.contains(r#""requestObject":[1],"#), "{list}");
}

#[test]
fn the_legacy_line_is_the_servers() {
    let user = |name: &str, groups: &[&str]| UserInfo {
        username: name.to_owned(),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..UserInfo::default()
    };
    let event = AuditEvent {
        level: Level::Metadata,
        audit_id: "id-1".to_owned(),
        stage: Stage::ResponseComplete,
        request_uri: "/api/v1/pods?limit=5&a=<b>".to_owned(),
        verb: "create".to_owned(),
        user: user("u", &["g1", "g2"]),
        impersonated_user: Some(user("i", &[])),
        source_ips: vec!["10.0.0.1".to_owned()],
        user_agent: "ua".to_owned(),
        object_ref: Some(ObjectReference {
            namespace: "n".to_owned(),
            ..ObjectReference::default()
        }),
        response_status: Some(ResponseStatus {
            code: 201,
            ..ResponseStatus::default()
        }),
        request_received: Timestamp::parse(b"2026-07-23T18:32:12.123456789Z"),
        ..AuditEvent::default()
    };
    assert_eq!(
        legacy_line(&event),
        concat!(
            r#"2026-07-23T18:32:12.123456789Z AUDIT: id="id-1" stage="ResponseComplete" ip="10.0.0.1" method="create" "#,
            r#"user="u" groups="\"g1\",\"g2\"" as="i" asgroups="<lookup>" user-agent="ua" namespace="n" "#,
            r#"uri="/api/v1/pods?limit=5&a=<b>" response="201""#,
            "\n"
        )
    );
    assert_eq!(
        legacy_line(&AuditEvent::default()),
        concat!(
            r#"0001-01-01T00:00:00Z AUDIT: id="" stage="" ip="<unknown>" method="" user="<none>" groups="<none>" "#,
            r#"as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="" response="<deferred>""#,
            "\n"
        )
    );
}
