//! Payloads taken apart.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

use bytes::Bytes;
use kubevigil_audit::payload::{
    Documents, MAX_PROBLEMS, PayloadError, Split, split, split_at_most,
};
use proptest::prelude::*;

fn taken(payload: &str) -> Split {
    split(&Bytes::copy_from_slice(payload.as_bytes())).unwrap()
}

/// The events and, behind an exclamation mark, the problems.
fn summary(payload: &str) -> Vec<String> {
    let split = taken(payload);
    let events = split
        .events
        .iter()
        .map(|event| String::from_utf8(event.to_vec()).unwrap());
    events
        .chain(split.problems.iter().map(|problem| format!("! {problem}")))
        .collect()
}

#[test]
fn events_are_found_in_every_shape() {
    let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a"}"#;
    let cases = [
        (event.to_owned(), 1),
        (format!(" \n{event}\r\n"), 1),
        (format!("\u{feff}{event}"), 1),
        (format!("[{event} , [[{event}]], [], {event}]"), 3),
        (
            format!(r#"{{"kind":"EventList","items":[{event},{event}]}}"#),
            2,
        ),
        (
            format!(r#"[{{"items":[{event}],"kind":"EventList"}},{event}]"#),
            2,
        ),
        (
            r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":null}"#.to_owned(),
            0,
        ),
        (r#"{"kind":"EventList","items":[ ]}"#.to_owned(), 0),
        (r#"{"kind":"EventList"}"#.to_owned(), 0),
        ("[]".to_owned(), 0),
        ("[[],[[]]]".to_owned(), 0),
        (r#"{"kind":"Event"}"#.to_owned(), 1),
        (
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1alpha1"}"#.to_owned(),
            1,
        ),
        (
            r#"{"kind":"Event","apiVersion":"audit.example/v7"}"#.to_owned(),
            1,
        ),
        (r#"{"kind":"Pod","kind":"Event"}"#.to_owned(), 1),
        (r#"{"\u006bind":"Event"}"#.to_owned(), 1),
        (r#"{"auditID":"x"}"#.to_owned(), 1),
        (r#"{"kind":null,"auditID":"x"}"#.to_owned(), 1),
        (r#"{"stage":"Panic","verb":"get"}"#.to_owned(), 1),
        (r#"{"stage":"Panic","requestURI":"/"}"#.to_owned(), 1),
        (
            r#"{"kind":"EventList","items":[{"kind":"Pod"},{}]}"#.to_owned(),
            2,
        ),
    ];
    for (payload, count) in cases {
        let split = taken(&payload);
        assert_eq!(
            (split.events.len(), &split.problems),
            (count, &vec![]),
            "{payload}"
        );
    }
}

#[test]
fn what_is_no_event_is_told_and_its_neighbours_stay() {
    let cases = [
        (
            r#"{"kind":"Pod","auditID":"x"}"#,
            "! expected Event, EventList or an array of them, found kind `Pod` (at byte 0)",
        ),
        (
            r#"{"kind":"Event","apiVersion":"v1"}"#,
            "! this is a cluster Event object, not an audit event: expected apiVersion audit.k8s.io/v1, \
             found `v1` (at byte 0)",
        ),
        (
            r#"{"kind":"Event","apiVersion":"events.k8s.io/v1"}"#,
            "! this is a cluster Event object, not an audit event: expected apiVersion audit.k8s.io/v1, \
             found `events.k8s.io/v1` (at byte 0)",
        ),
        (
            r#"{"stage":"Panic"}"#,
            "! expected Event, EventList or an array of them, found an object without kind, auditID \
             and stage (at byte 0)",
        ),
        (
            "\"text\"",
            "! expected an audit event, found a string (at byte 0)",
        ),
        (
            r#"{"kind":"EventList","items":7}"#,
            "! expected an array as items of the EventList, found a number (at byte 0)",
        ),
    ];
    for (payload, message) in cases {
        assert_eq!(summary(payload), [message], "{payload}");
    }
    let mixed =
        r#"[{"auditID":"1"},7,{"auditID" 2},{"kind":"EventList","items":[null,{"a":3},[{}]]}]"#;
    assert_eq!(
        summary(mixed),
        [
            r#"{"auditID":"1"}"#,
            r#"{"a":3}"#,
            "! expected an audit event, found a number (at byte 17)",
            "! expected a colon at byte 30, found `2` (at byte 19)",
            "! expected an audit event, found null (at byte 62)",
            "! expected an audit event, found an array (at byte 75)",
        ]
    );
}

#[test]
fn a_payload_that_does_not_hold_together_is_refused() {
    let cases = [
        ("", "expected a value at byte 0, found the end of the text"),
        ("[", "expected a value at byte 1, found the end of the text"),
        (
            "[1",
            "expected a comma or a closing bracket at byte 2, found the end of the text",
        ),
        ("[1,]", "expected a value at byte 3, found `]`"),
        ("]", "expected a value at byte 0, found `]`"),
        ("{} {}", "expected the end of the text at byte 3, found `{`"),
        (
            "[{\"a\":[1]",
            "the bracket at byte 1 is never closed; the text may have been cut off",
        ),
        (
            "[{\"a",
            "the string at byte 2 never ends; the text may have been cut off",
        ),
        (
            "{\"kind\":\"EventList\",\"items\":[{} {}]}",
            "expected a comma or a closing bracket",
        ),
    ];
    for (payload, message) in cases {
        let error = split(&Bytes::copy_from_slice(payload.as_bytes()))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("the payload is not JSON: {message}")),
            "{payload}: {error}"
        );
    }
}

#[test]
fn problems_without_end_are_counted() {
    let split = taken(&format!("[{}1]", "1,".repeat(500)));
    assert_eq!(
        (split.problems.len(), split.further_problems),
        (MAX_PROBLEMS, 501 - MAX_PROBLEMS)
    );
}

#[test]
fn arrays_nested_as_deep_as_wanted_are_taken_apart() {
    let payload = format!(
        "{}{{\"auditID\":1}}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(taken(&payload).events, ["{\"auditID\":1}"]);
}

#[test]
fn events_are_slices_of_the_payload() {
    let payload = Bytes::from_static(br#"[{"auditID":"x"}]"#);
    let events = split(&payload).unwrap().events;
    assert!(
        payload
            .as_ptr_range()
            .contains(&events.first().unwrap().as_ptr())
    );
}

/// Line and text of each document, or line and error.
fn documents(text: &str) -> Vec<String> {
    let show = |found| match found {
        Ok(document) => {
            let document: kubevigil_audit::payload::Document = document;
            format!(
                "{}: {}",
                document.line,
                text.get(document.range).unwrap().replace('\n', "~")
            )
        }
        Err(error) => {
            let error: kubevigil_audit::payload::DocumentError = error;
            format!("! {error}")
        }
    };
    Documents::new(text.as_bytes()).map(show).collect()
}

#[test]
fn documents_stand_one_after_another() {
    let text = "\u{feff}\n{\n  \"a\": \"}\\\"\"\n}{}\n[\n{},\n{}\n]\n  {\"b\":1}  ";
    assert_eq!(
        documents(text),
        [
            "2: {~  \"a\": \"}\\\"\"~}",
            "4: {}",
            "5: [~{},~{}~]",
            "9: {\"b\":1}"
        ]
    );
    assert_eq!(documents(" \n\t"), Vec::<String>::new());
}

#[test]
fn a_broken_document_does_not_lose_the_next() {
    assert_eq!(
        documents("{\n \"a\": [\n}\n{\"b\":1}\nwords\n  {\n{\"c\":2}"),
        [
            "! line 1: the bracket at byte 0 is never closed; the text may have been cut off",
            "4: {\"b\":1}",
            "! line 5: expected an object or an array at byte 20, found `w`",
            "7: {\"c\":2}",
        ]
    );
    assert_eq!(
        documents("{\"a\":\"x}\n{\"b\":1}\n}\n{}"),
        [
            "! line 1: the string at byte 5 never ends; the text may have been cut off",
            "2: {\"b\":1}",
            "! line 3: expected an object or an array at byte 17, found `}`",
            "4: {}",
        ]
    );
}

#[test]
fn many_broken_documents_take_time_in_proportion_to_the_text() {
    let text = "{\n".repeat(200_000);
    assert_eq!(
        Documents::new(text.as_bytes())
            .filter(Result::is_err)
            .count(),
        200_000
    );
    let text = "{\n".repeat(100) + &"{\"a\":\n1}\n".repeat(100);
    assert_eq!(
        Documents::new(text.as_bytes())
            .filter(Result::is_ok)
            .count(),
        100
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(payload in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:\ "#.to_vec())], 0..200,
    )) {
        let documents = Documents::new(&payload);
        let mut behind = 0;
        for found in documents {
            let range = found.map_or_else(|error| error.range, |document| document.range);
            prop_assert!(range.start >= behind && range.end > range.start);
            behind = range.end;
        }
        if let Ok(split) = split(&Bytes::from(payload)) {
            let whole = split.events.iter().all(|event| event.first() == Some(&b'{') && event.len() > 1);
            prop_assert!(whole);
        }
    }

    #[test]
    fn values_in_a_row_are_found_again(
        values in prop::collection::vec(prop::sample::select(vec![
            "{}", "[]", "[[{}],\n3]", "{\n\"a\": {\"b\": \"]}\\\\\\\"{\"}\n}", "[\n{},\n{}\n]",
        ]), 0..9),
        blanks in prop::collection::vec("[ \n\r\t]{0,3}", 10),
    ) {
        let text: String = values.iter().zip(&blanks).map(|(value, blank)| format!("{blank}{value}")).collect();
        let found: Vec<_> = Documents::new(text.as_bytes()).map(|found| text[found.unwrap().range].to_owned()).collect();
        prop_assert_eq!(found, values);
    }
}

#[test]
fn more_events_than_there_is_room_for_are_refused_together() {
    for text in [
        r#"{"kind":"EventList","items":[{},{},{}]}"#,
        r#"[{"kind":"Event"},{"kind":"EventList","items":[{}]},{"auditID":"a"}]"#,
    ] {
        let payload = Bytes::from_static(text.as_bytes());
        assert_eq!(split_at_most(&payload, 3).unwrap().events.len(), 3);
        assert_eq!(
            split_at_most(&payload, 2).unwrap_err(),
            PayloadError::TooMany { limit: 2 }
        );
    }
}
