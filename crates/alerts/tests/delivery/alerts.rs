//! Alerts to deliver.

use std::sync::Arc;

use kubevigil_alerts::{
    Alert, EventDigest, EventReference, EventSummary, FieldValue, Finding, Outcome, Request,
};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{Condition, Language, Priority, Question, Rule};

/// A rule that needs no condition, because its findings are made by hand.
pub(crate) fn rule(name: &str, priority: Priority) -> Rule {
    Rule {
        name: name.into(),
        id: None,
        short_name: None,
        refused_priority: None,
        notes: Arc::default(),
        description: "for tests".into(),
        priority,
        tags: Arc::from([Arc::from("k8s"), Arc::from("T1609")]),
        question: Question::Event(Condition::All(Vec::new())),
        condition_text: "".into(),
        output: Default::default(),
        enabled: true,
        source: "k8s_audit".into(),
        language: Language::Falco,
        origin: Default::default(),
    }
}

/// The finding number `number`, and its event; each number is another event.
pub(crate) fn finding(number: u64) -> (Finding, EventSummary) {
    let finding = Finding {
        time: Timestamp::parse(b"2026-11-23T05:12:26.477108Z").unwrap(),
        message: format!("shell number {number} (user=jane)"),
        fields: vec![
            (
                "ka.user.name".to_owned(),
                FieldValue::Text("jane".to_owned()),
            ),
            ("evt.num".to_owned(), FieldValue::Integer(number.into())),
        ],
    };
    let event = EventReference {
        audit_id: format!("id-{number}"),
        stage: "ResponseComplete".to_owned(),
        file: Some("audit.log".to_owned()),
        line: Some(number),
        place: None,
        digest: EventDigest::of(&number.to_le_bytes()),
    };
    let request = Request {
        user: Some("jane".to_owned()),
        verb: Some("create".to_owned()),
        ..Request::default()
    };
    (
        finding,
        EventSummary {
            event,
            request,
            outcome: Outcome::Allowed,
        },
    )
}

pub(crate) fn alert(number: u64) -> Alert {
    urgent(number, Priority::Warning)
}

pub(crate) fn urgent(number: u64, priority: Priority) -> Alert {
    let (finding, event) = finding(number);
    Alert::from_parts(&rule("Shell in a pod", priority), finding, &event)
}
