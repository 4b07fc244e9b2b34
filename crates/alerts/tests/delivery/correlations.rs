//! Alerts that rest on several events.

use kubevigil_alerts::evidence::MAX_EVENTS;
use kubevigil_alerts::outbox::{decode, encode};
use kubevigil_alerts::{Alert, EvidenceEvent, FieldValue, Format, Outcome, Renderer, receipt};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{Language, Priority, Rule};
use proptest::prelude::*;

use crate::alerts;

fn correlation() -> Rule {
    Rule {
        id: Some("5b0d3c52-59f1-4b0c-8f8b-2f9c39a0a111".into()),
        language: Language::Sigma,
        ..alerts::rule("Many shells", Priority::Error)
    }
}

/// The events with these numbers, eight seconds apart.
fn evidence(numbers: std::ops::Range<u64>) -> Vec<EvidenceEvent> {
    let rule = alerts::rule("Shell in a pod", Priority::Informational);
    let event = |number: u64| {
        let (finding, mut summary) = alerts::finding(number);
        summary.outcome = Outcome::Denied;
        summary.request.name = Some("web\u{1b}[2J".to_owned());
        let nanoseconds = finding.time.nanoseconds + i128::from(number) * 8_000_000_000;
        EvidenceEvent::new(&rule, Timestamp { nanoseconds }, &receipt::encode(&summary))
    };
    numbers.map(event).collect()
}

fn alert(user: &str) -> Alert {
    let (mut finding, event) = alerts::finding(4);
    finding.message = format!("Many shells (user={user})");
    finding.fields = vec![("user".to_owned(), FieldValue::Text(user.to_owned()))];
    Alert::from_correlation_parts(&correlation(), finding, &event, evidence(0..5), 17)
}

#[test]
fn the_evidence_is_in_json_counted_in_text_and_unknown_to_falco() {
    for (name, format) in [
        ("json", Format::Json),
        ("text", Format::Text),
        ("falco", Format::Falco),
    ] {
        let line = Renderer::new(format).line(&alert("jane"));
        insta::assert_snapshot!(format!("correlation_in_{name}"), line);
    }
}

#[test]
fn an_alert_with_evidence_is_stored_and_comes_back_whole() {
    let stored = encode(&alert("jane"));
    assert_eq!(decode(&stored).unwrap(), alert("jane"));
    insta::assert_snapshot!("stored_correlation", String::from_utf8_lossy(&stored));
}

#[test]
fn an_alert_that_was_stored_before_there_was_evidence_is_read() {
    let mut stored: serde_json::Value = serde_json::from_slice(&encode(&alert("jane"))).unwrap();
    let fields = stored["alert"].as_object_mut().unwrap();
    fields.remove("evidence").unwrap();
    fields.remove("evidence_total").unwrap();
    let read = decode(stored.to_string().as_bytes()).unwrap();
    assert_eq!((read.evidence.len(), read.evidence_total), (0, 0));
}

#[test]
fn one_event_that_completes_two_groups_gives_two_alerts() {
    let identities = [alert("jane").id, alert("eve").id];
    assert_ne!(identities[0], identities[1]);
    assert_eq!(alert("jane").id, identities[0]);
    let (finding, event) = alerts::finding(4);
    let alone = Alert::from_parts(&correlation(), finding, &event);
    assert!(!identities.contains(&alone.id));
}

#[test]
fn evidence_that_cannot_be_read_still_says_when_and_by_which_rule() {
    let rule = alerts::rule("Shell in a pod", Priority::Informational);
    let time = alerts::finding(1).0.time;
    for receipt in [&b""[..], b"\x02of a newer program"] {
        let event = EvidenceEvent::new(&rule, time, receipt);
        assert_eq!((event.rule.as_str(), event.time), ("Shell in a pod", time));
        assert_eq!(event.request, Default::default());
    }
}

proptest! {
    #[test]
    fn whatever_evidence_says_an_alert_is_one_harmless_line(user: String, name: String, title: String) {
        let (finding, mut summary) = alerts::finding(1);
        summary.request.user = Some(user.clone());
        summary.request.name = Some(name);
        let rule = alerts::rule(&title, Priority::Informational);
        let event = EvidenceEvent::new(&rule, finding.time, &receipt::encode(&summary));
        let alert = Alert::from_correlation_parts(&correlation(), finding, &summary, vec![event], 2);
        for format in [Format::Json, Format::Text] {
            let line = Renderer::new(format).line(&alert);
            prop_assert!(!line.chars().any(kubevigil_diagnostics::escape::is_hostile), "{line}");
        }
        let json: serde_json::Value = serde_json::from_str(&Renderer::new(Format::Json).line(&alert)).unwrap();
        let evidence = &json["evidence"][0];
        prop_assert_eq!(&evidence["rule"], &title);
        prop_assert!(user.len() > 256 || evidence["request"]["user"] == user.as_str());
        prop_assert_eq!(decode(&encode(&alert)).unwrap(), alert);
    }
}

#[test]
fn an_alert_lists_the_first_and_the_last_of_very_many_events() {
    let (finding, event) = alerts::finding(4);
    let many = evidence(0..1_000);
    let alert = Alert::from_correlation_parts(&correlation(), finding, &event, many.clone(), 5_000);
    assert_eq!(alert.evidence.len(), MAX_EVENTS);
    assert_eq!(alert.evidence.first(), many.first());
    assert_eq!(alert.evidence.last(), many.last());
    assert_eq!(alert.evidence_total, 5_000);
}
