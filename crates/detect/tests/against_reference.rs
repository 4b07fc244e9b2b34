//! The matcher against the slow reference evaluator of `kubevigil-rules`.
//!
//! All conditions are compiled into *one* matcher, so that the index and the sharing of parts are at work, and each event must
//! match exactly the rules that the reference says.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../../rules/tests/reference/mod.rs"]
mod reference;

use std::path::Path;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{FieldValue, Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::falco::condition::{self, CompileOptions};
use kubevigil_rules::falco::fields::FieldOptions;
use kubevigil_rules::falco::output::compile_output;
use kubevigil_rules::{Condition, EventContext, Language, Origin, Priority, Question, Rule};
use proptest::prelude::*;
use serde_json::Value as Any;

fn shared(path: &str) -> Option<String> {
    let path = format!("{}/../../../shared/{path}", env!("CARGO_MANIFEST_DIR"));
    if !Path::new(&path).exists() {
        eprintln!("skipped: {path} is not beside the checkout");
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

fn rule(name: &str, condition: Condition, output: &str) -> Arc<Rule> {
    let output = compile_output(output, &FieldOptions::default())
        .unwrap()
        .template;
    Arc::new(Rule {
        name: name.into(),
        id: None,
        short_name: None,
        refused_priority: None,
        notes: Arc::default(),
        description: "".into(),
        priority: Priority::Notice,
        tags: Arc::new([]),
        question: Question::Event(condition),
        condition_text: "".into(),
        output,
        enabled: true,
        source: "k8s_audit".into(),
        language: Language::Falco,
        origin: Origin::default(),
    })
}

fn compiled(text: &str) -> Option<Condition> {
    let ast = condition::parse(text).ok()?;
    Some(
        condition::compile(&ast, &CompileOptions::default())
            .ok()?
            .condition,
    )
}

/// One rule for each text that compiles, named by the text.
fn rules(texts: impl IntoIterator<Item = String>) -> Vec<Arc<Rule>> {
    texts
        .into_iter()
        .filter_map(|text| {
            Some(rule(
                &text,
                compiled(&text)?,
                "verb=%ka.verb groups=%ka.user.groups",
            ))
        })
        .collect()
}

fn context(raw: &str) -> EventContext<'_> {
    let parsed: Any = serde_json::from_str(raw).unwrap_or_default();
    let time = parsed["stageTimestamp"]
        .as_str()
        .and_then(|text| Timestamp::parse(text.as_bytes()))
        .unwrap_or_default();
    EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time,
        first_time: time,
    }
}

/// Panics when the matcher and the reference differ about an event.
fn compare(matcher: &Matcher, scratch: &mut Scratch, raw: &str) {
    let event = context(raw);
    let position = Position {
        number: 1,
        first_time: Some(event.first_time),
        received: event.time,
    };
    let found = matcher.detect(raw.as_bytes(), &position, scratch).unwrap();
    let mut detections = found.list.iter().peekable();
    for rule in matcher.rules() {
        let expected = reference::holds(rule.condition().unwrap(), &event);
        let detection = detections.next_if(|detection| Arc::ptr_eq(&detection.rule, rule));
        assert_eq!(detection.is_some(), expected, "{:?} on {raw}", rule.name);
        if let Some(detection) = detection {
            let message = reference::rendered(&rule.output, &event);
            assert_eq!(
                String::from_utf8_lossy(&detection.message),
                String::from_utf8_lossy(&message)
            );
        }
    }
}

#[test]
fn every_vector_decides_as_in_falco_when_all_are_compiled_together() {
    let Some(text) = shared("vectors/falco-operator-vectors.json") else {
        return;
    };
    let all: Any = serde_json::from_str(&text).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    let rules = rules(
        vectors
            .iter()
            .map(|vector| vector["condition"].as_str().unwrap().to_owned()),
    );
    assert!(rules.len() > 250, "only {} rules", rules.len());
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let mut scratch = Scratch::default();
    for (_, event) in all["events"].as_object().unwrap() {
        compare(&matcher, &mut scratch, event.as_str().unwrap());
    }
    // The reference is checked against the vectors elsewhere; a sample here guards against a reference that says no to all.
    let position = Position::default();
    let pod = all["events"]["pod"].as_str().unwrap();
    assert!(
        matcher
            .detect(pod.as_bytes(), &position, &mut scratch)
            .unwrap()
            .list
            .len()
            > 100
    );
}

#[test]
fn fields_print_as_in_falco() {
    let Some(text) = shared("vectors/falco-operator-vectors.json") else {
        return;
    };
    let all: Any = serde_json::from_str(&text).unwrap();
    for (event_name, vector) in all["field_vectors"].as_object().unwrap() {
        let raw = all["events"][event_name].as_str().unwrap();
        for name in all["field_catalogue"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
        {
            let rule = rule(name, Condition::All(Vec::new()), &format!("%{name}"));
            let matcher = Matcher::compile(&[rule], RuleMatching::First).unwrap();
            let position = Position::default();
            let found = matcher
                .detect(raw.as_bytes(), &position, &mut Scratch::default())
                .unwrap();
            let message = String::from_utf8(found.list[0].message.clone()).unwrap();
            let expected = vector["present"]
                .get(name)
                .map_or("<NA>", |field| field["text"].as_str().unwrap());
            assert_eq!(message, expected, "{event_name}: {name}");
        }
    }
}

/// Conditions over every kind of field and predicate, written for this test.
const CONDITIONS: &[&str] = &[
    "ka.verb = create",
    "ka.verb != create",
    "not ka.verb = create",
    "ka.verb in (get, list, watch)",
    "ka.verb = create and ka.target.resource = pods",
    "ka.verb = create and ka.target.resource in (pods, nodes) and not ka.target.subresource exists",
    "(ka.verb = get or ka.verb = list) and ka.target.resource = secrets",
    "ka.verb in (get, list) and ka.verb in (list, watch)",
    "ka.user.name startswith system:",
    "ka.user.name endswith X or ka.user.name icontains SYSTEM",
    "ka.user.groups in (a, b, system:masters)",
    "ka.user.groups intersects (system:masters, b)",
    "ka.response.code >= 400",
    "ka.response.code < 300 and ka.stage = ResponseComplete",
    "ka.user.name = val(ka.target.name)",
    "tolower(ka.verb) = create",
    "len(ka.user.groups) > 1",
    "len(ka.user.name) < 5",
    "b64(ka.user.groups) intersects (x)",
    "basename(ka.target.name) = 1",
    "join(\"-\", ka.user.groups) contains a-b",
    "concat(ka.verb, \"/\", ka.target.name) startswith get/",
    "getopt(ka.user.groups, \"ab:\") exists",
    "getopt(ka.user.groups, \"ab:\")[b] = a",
    "ka.req.pod.containers.image exists",
    "ka.req.pod.containers.privileged intersects (true)",
    "ka.req.pod.containers.image.repository in (nginx)",
    "ka.req.volume.hostpath[/proc*] = true",
    "jevt.value[/requestObject/spec/containers/0/name] = c",
    "ka.uri.param[a] exists",
    "ka.verb glob '[cg]*e?' or ka.verb regex '(get|create)'",
    "ka.target.name pmatch (/a/b, c)",
    "ka.user.name = oneof (a, b, a)",
    "ka.user.name startswith anyof (a, b, s)",
];

fn scalar() -> impl Strategy<Value = Any> {
    prop_oneof![
        prop::sample::select(vec![
            "create",
            "get",
            "list",
            "pods",
            "secrets",
            "system:masters",
            "a",
            "b",
            "system:X",
            "nginx:1",
            "/proc/1"
        ])
        .prop_map(Any::from),
        any::<String>().prop_map(Any::from),
        any::<bool>().prop_map(Any::from),
        any::<i32>().prop_map(Any::from),
        Just(Any::Null),
    ]
}

/// A value where an event has one: usually a scalar, sometimes anything else.
fn value() -> impl Strategy<Value = Any> {
    prop_oneof![
        4 => scalar(),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Any::from),
        1 => prop::collection::hash_map("[a-z]{1,8}", scalar(), 0..3).prop_map(|map| map.into_iter().collect()),
    ]
}

prop_compose! {
    fn event()(
        verb in value(), user in value(), groups in value(), resource in value(), name in value(), code in value(),
        sub in prop::option::of(value()), image in value(), privileged in value(), path in value(), uri in value(),
        audit_id in prop::option::of(scalar()), wrap in 0..6,
    ) -> Any {
        let mut event = serde_json::json!({
            "kind": "Event", "stage": "ResponseComplete", "verb": verb, "requestURI": uri,
            "user": {"username": user, "groups": groups},
            "objectRef": {"resource": resource, "name": name},
            "responseStatus": {"code": code},
            "requestObject": {"spec": {
                "containers": [{"name": "c", "image": image, "securityContext": {"privileged": privileged}}],
                "volumes": [{"name": "v", "hostPath": {"path": path}}]}},
            "stageTimestamp": "2024-01-02T03:04:05.678901Z",
        });
        if let Some(sub) = sub { event["objectRef"]["subresource"] = sub; }
        if let Some(id) = audit_id { event["auditID"] = id; }
        match wrap {
            0 => event["user"] = Any::from(vec![event["user"].clone(), event["user"].clone()]),
            1 => event["objectRef"] = Any::Null,
            2 => event["requestObject"] = Any::from(vec![event["requestObject"].clone()]),
            _ => {}
        }
        event
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_event_matches_the_rules_that_the_reference_says(events in prop::collection::vec(event(), 1..4)) {
        let matcher = Matcher::compile(&rules(CONDITIONS.iter().map(|text| (*text).to_owned())), RuleMatching::All).unwrap();
        assert_eq!(matcher.rules().len(), CONDITIONS.len(), "every condition compiles");
        let mut scratch = Scratch::default();
        for event in events {
            compare(&matcher, &mut scratch, &event.to_string());
            compare(&matcher, &mut scratch, &serde_json::to_string_pretty(&event).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let matcher = Matcher::compile(&rules(CONDITIONS.iter().map(|text| (*text).to_owned())), RuleMatching::All).unwrap();
        let _ = matcher.detect(&bytes, &Position::default(), &mut Scratch::default());
    }
}

#[test]
fn the_first_of_equal_keys_counts() {
    let rules = rules(["ka.verb = first".to_owned(), "ka.verb = second".to_owned()]);
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let event = br#"{"auditID":"x","verb":"first","verb":"second"}"#;
    let found = matcher
        .detect(event, &Position::default(), &mut Scratch::default())
        .unwrap();
    assert_eq!(found.list.len(), 1);
    assert_eq!(&*found.list[0].rule.name, "ka.verb = first");
}

#[test]
fn a_body_nested_a_hundred_thousand_levels_deep_is_stepped_over() {
    let rules = rules([
        "ka.verb = patch".to_owned(),
        "ka.req.pod.containers.image exists".to_owned(),
    ]);
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = format!(
        r#"{{"auditID":"x","requestObject":{{"spec":{{"containers":{deep}}}}},"verb":"patch"}}"#
    );
    let found = matcher
        .detect(
            event.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    assert_eq!(&*found.list[0].rule.name, "ka.verb = patch");
}

#[test]
fn only_the_first_rule_is_reported_when_asked_so() {
    let rules = rules([
        "ka.verb = x".to_owned(),
        "ka.verb exists".to_owned(),
        "ka.auditid exists".to_owned(),
    ]);
    let matcher = Matcher::compile(&rules, RuleMatching::First).unwrap();
    let found = matcher
        .detect(
            br#"{"auditID":"x","verb":"get"}"#,
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    assert_eq!(found.list.len(), 1);
    assert_eq!(found.list[0].rule_number, 1);
}

#[test]
fn a_list_of_millions_costs_a_bounded_alert() {
    let verbs = vec!["1"; 2_000_000].join(",");
    let event = format!(r#"{{"auditID":"x","requestObject":{{"rules":[{{"verbs":[{verbs}]}}]}}}}"#);
    let rule = rule(
        "all of them",
        compiled("ka.req.role.rules.verbs exists and ka.req.role.rules.verbs in (1)").unwrap(),
        "verbs=%ka.req.role.rules.verbs",
    );
    let matcher = Matcher::compile(&[rule], RuleMatching::All).unwrap();
    let found = matcher
        .detect(
            event.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    assert_eq!(found.list[0].message.len(), "verbs=".len() + 1_023);
    let FieldValue::List(list) = &found.list[0].fields[0].1 else {
        panic!("not a list")
    };
    assert!(list.len() < 500_000, "{} texts", list.len());
}
