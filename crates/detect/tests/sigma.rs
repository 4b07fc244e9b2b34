//! Sigma's rules in the matcher: the vectors, the public rules, and random events against the slow reference.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../../rules/tests/reference/mod.rs"]
mod reference;
#[path = "../../rules/tests/sigma/vectors.rs"]
mod vectors;

use std::sync::{Arc, LazyLock};

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::falco::{self, condition};
use kubevigil_rules::{EventContext, Question, Rule};
use proptest::prelude::*;
use serde_json::{Value as Any, json};

/// For each rule whether the matcher reports it.
fn detected(matcher: &Matcher, scratch: &mut Scratch, raw: &str) -> Vec<bool> {
    let found = matcher
        .detect(raw.as_bytes(), &Position::default(), scratch)
        .unwrap();
    let mut holding = vec![false; matcher.rules().len()];
    found
        .list
        .iter()
        .for_each(|detection| holding[detection.rule_number] = true);
    holding
}

fn expected(rules: &[Arc<Rule>], raw: &str) -> Vec<bool> {
    let event = EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    };
    rules
        .iter()
        .map(|rule| reference::holds(rule.condition().unwrap(), &event))
        .collect()
}

fn loaded(documents: &[String]) -> Vec<Arc<Rule>> {
    let loaded = vectors::load(
        &documents.join("---\n"),
        &json!({"admins": ["root", "alice"], "sysns": ["kube-system"]}),
    );
    assert!(loaded.successful(), "{:?}", loaded.files[0].diagnostics);
    loaded.rules
}

fn document(name: &str, detection: &str) -> String {
    let detection = detection.replace('\n', "\n  ");
    format!(
        "title: '{name}'\nlogsource: {{product: kubernetes, service: audit}}\nsigma-version: 3\ndetection:\n  {detection}\n"
    )
}

#[test]
fn every_vector_is_as_expected_or_listed() {
    vectors::run(|rules, raw| {
        let matcher = Matcher::compile(rules, RuleMatching::All).unwrap();
        detected(&matcher, &mut Scratch::default(), raw)
    });
}

#[test]
fn all_vectors_compiled_together_decide_every_event_as_the_reference() {
    let Some(text) = vectors::shared("vectors/sigma-vectors.json") else {
        return;
    };
    let all: Any = serde_json::from_str(&text).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    let of_kind = |vector: &&Any| vector["kind"] == "detection";
    let documents: Vec<String> = vectors
        .iter()
        .filter(of_kind)
        .map(|vector| {
            document(
                vector["id"].as_str().unwrap(),
                vector["detection"].as_str().unwrap(),
            )
        })
        .collect();
    let rules = loaded(&documents);
    assert!(rules.len() > 120, "{}", rules.len());
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let mut scratch = Scratch::default();
    for vector in vectors.iter().filter(|vector| vector["event"].is_object()) {
        let raw = vector["event"].to_string();
        assert_eq!(
            detected(&matcher, &mut scratch, &raw),
            expected(&rules, &raw),
            "{}",
            vector["id"]
        );
    }
}

/// Detections over every predicate, written for this test.
const DETECTIONS: &[&str] = &[
    "s: {verb: create}\ncondition: s",
    "s: {verb: [CREATE, get], objectRef.resource: pods}\ncondition: s",
    "s: {verb|cased: create}\ncondition: s",
    "s: {verb: create}\nt: {verb: get}\ncondition: s or t",
    "s: {verb: create}\nt: {objectRef.resource: secrets}\ncondition: not s and t",
    "s: {verb|neq: [create, get]}\ncondition: s",
    "s: {objectRef.resource: '*'}\ncondition: s",
    "s: {objectRef.subresource: null}\ncondition: s",
    "s: {objectRef.subresource|exists: true}\ncondition: s",
    "s: {apiGroup: ''}\ncondition: s",
    "s: {responseStatus.code: 403}\ncondition: s",
    "s: {responseStatus.code: 0}\ncondition: s",
    "s: {responseStatus.code: [401, '403', ALLOW]}\ncondition: s",
    "s: {responseStatus.code|gte: 400, responseStatus.code|lt: 500}\ncondition: s",
    "s: {responseStatus.code: true}\ncondition: s",
    "s: {user.groups|all: [a, b]}\ncondition: s",
    "s: {user.groups|contains: [ste, '?']}\ncondition: s",
    "s: {user.username|startswith: 'system:'}\ncondition: s",
    "s: {user.username|endswith: [X, e]}\ncondition: s",
    "s: {user.username|re: '^[a-s]'}\ncondition: s",
    "s: {user.username|fieldref: objectRef.name}\ncondition: s",
    "s: {user.groups|fieldref|contains: user.username}\ncondition: s",
    "s: {sourceIPs|cidr: [10.0.0.0/8, '::1/128']}\ncondition: s",
    "s: {sourceIPs: '*'}\ncondition: s",
    "s: {stageTimestamp|hour|lt: 12}\ncondition: s",
    "s: {requestObject.spec.containers.image|contains: nginx}\ncondition: s",
    "s: {capabilities: '*'}\ncondition: s",
    "s: {hostPath: '*'}\ncondition: s",
    "s: {privileged: true}\ncondition: s",
    "s: {annotations.authorization.k8s.io/decision: [allow, a]}\ncondition: s",
    "s: {annotations.authorization.k8s.io/decision|exists: false}\ncondition: s",
    "s: {a.b.c.d.e.f.g.h.i.j: x}\ncondition: s",
    "k: [nginx, 'sys*x', 403]\ncondition: k",
    "k: {'|all': [a, b]}\ncondition: k",
    "k: {'|re': '^s'}\ncondition: k",
    "s:\n  requestObject.spec.containers[any]:\n    image|contains: nginx\n    securityContext.privileged: true\ncondition: s",
    "s:\n  requestObject.spec.containers[all]:\n    image|contains: nginx\ncondition: s",
    "s:\n  requestObject.spec.containers[none]:\n    image|contains: nginx\ncondition: s",
    "s:\n  user.groups[all_or_empty]:\n    .|startswith: 's'\ncondition: s",
    "s:\n  requestObject.spec.containers[any]:\n    a: {image: nginx}\n    b: {name: c}\n    condition: b and not a\ncondition: s",
    "s:\n  requestObject.spec.containers[any]:\n    securityContext.capabilities.add[any]:\n      .: [a, b]\ncondition: s",
    "s: {'user.groups[0]': a}\ncondition: s",
    "s: {'requestObject.spec.containers[-1].image': nginx}\ncondition: s",
];

fn scalar() -> impl Strategy<Value = Any> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "create", "Create", "get", "pods", "secrets", "system:x", "a", "b", "X", "nginx", "", "10.0.0.7", "::ffff:10.1.1.1", "403",
            "0403", "true", "TRUE", "allow", "ALLOW", "\u{212a}ube", "ÄX", "2024-01-02T03:04:05Z",
        ]).prop_map(Any::from),
        2 => prop::sample::select(vec![json!(403), json!(403.0), json!(0), json!(-0.0), json!(401.5), json!(1e3)]),
        1 => any::<String>().prop_map(Any::from),
        1 => any::<bool>().prop_map(Any::from),
        1 => Just(Any::Null),
    ]
}

fn value() -> impl Strategy<Value = Any> {
    scalar().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Any::from),
            prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "image",
                        "name",
                        "privileged",
                        "capabilities",
                        "add",
                        "b",
                        "c",
                        "b.c",
                        "d.e",
                        "resource"
                    ]),
                    inner
                ),
                0..3,
            )
            .prop_map(|pairs| pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

prop_compose! {
    fn event()(
        verb in value(), user in value(), groups in value(), resource in value(), name in value(), code in value(), group in prop::option::of(value()),
        sub in prop::option::of(value()), image in value(), privileged in value(), caps in value(), path in value(), ips in value(), other in value(),
        time in value(), decision in value(), odd in 0..12,
    ) -> Any {
        let container = json!({"name": "c", "image": image, "securityContext": {"privileged": privileged, "capabilities": caps}});
        let mut event = json!({
            "verb": verb, "stageTimestamp": time, "sourceIPs": ips, "a": other, "user": {"username": user, "groups": groups},
            "objectRef": {"resource": resource, "name": name}, "responseStatus": {"code": code},
            "annotations": {"authorization.k8s.io/decision": decision},
            "requestObject": {"spec": {"containers": [container, {"image": name}], "volumes": [{"hostPath": path}]}},
        });
        if let Some(sub) = sub { event["objectRef"]["subresource"] = sub; }
        if let Some(group) = group { event["objectRef"]["apiGroup"] = group; }
        match odd {
            0 => event["user"] = json!([event["user"].clone(), {"groups": ["a"]}]),
            1 => event["objectRef"] = Any::Null,
            2 => event["objectRef.resource"] = json!("pods"),
            3 => event["requestObject"] = json!([event["requestObject"].clone()]),
            4 => event["requestObject"]["spec"]["containers.image"] = json!("nginx"),
            5 => event["annotations"] = json!({"authorization": {"k8s.io/decision": "allow", "k8s": {"io/decision": "a"}}}),
            6 => event["a"] = json!({"b.c": {"d.e.f": {"g": {"h.i.j": "x"}}}}),
            7 => event["a"] = json!({"b": {"c": {"d": {"e": {"f": {"g": {"h": [{"i.j": "x"}]}}}}}}}),
            8 => event["requestObject"]["spec"]["containers"] = json!([]),
            _ => {}
        }
        event
    }
}

/// The event with a key written twice: serde_json keeps the last, too.
fn doubled(event: &Any, key: &str, before: &Any) -> String {
    let text = event.to_string();
    format!(
        "{{{}:{before},{}",
        Any::from(key),
        text.strip_prefix('{').unwrap()
    )
}

/// One rule for each of [`DETECTIONS`], compiled together.
static MATCHER: LazyLock<Matcher> = LazyLock::new(|| {
    let named = |(number, text): (usize, &&str)| document(&format!("rule {number}"), text);
    let rules = loaded(&DETECTIONS.iter().enumerate().map(named).collect::<Vec<_>>());
    Matcher::compile(&rules, RuleMatching::All).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_event_matches_the_rules_that_the_reference_says(event in event(), other in value()) {
        let mut scratch = Scratch::default();
        for (raw, is_doubled) in [
            (event.to_string(), false),
            (serde_json::to_string_pretty(&event).unwrap(), false),
            (doubled(&event, "objectRef", &json!({"resource": other})), true),
            (doubled(&event, "verb", &other), true),
        ] {
            let found = detected(&MATCHER, &mut scratch, &raw);
            let wanted = expected(MATCHER.rules(), &raw);
            for (number, text) in DETECTIONS.iter().enumerate() {
                // Keywords also search what an equal key hides, of which the reference knows nothing.
                if !(is_doubled && text.starts_with("k:")) {
                    prop_assert_eq!(found[number], wanted[number], "{} on {}", text, &raw);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = MATCHER.detect(&bytes, &Position::default(), &mut Scratch::default());
    }
}

#[test]
fn the_last_of_equal_keys_counts_for_sigma_and_the_first_for_falco() {
    let mut rules = loaded(&[
        document("sigma first", "s: {verb: first}\ncondition: s"),
        document(
            "sigma last",
            "s: {verb: last, objectRef.name: y}\ncondition: s",
        ),
    ]);
    for word in ["first", "last"] {
        let mut rule = Rule::clone(&rules[0]);
        let ast = condition::parse(&format!("ka.verb = {word}")).unwrap();
        let options = condition::CompileOptions {
            fields: falco::fields::FieldOptions::default(),
            tolerant_lists: false,
        };
        rule.question = Question::Event(condition::compile(&ast, &options).unwrap().condition);
        rule.name = format!("falco {word}").into();
        rules.push(Arc::new(rule));
    }
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let event = r#"{"auditID":"x","objectRef":{"name":"x"},"verb":"first","verb":"last","objectRef":{"name":"y"}}"#;
    let found = matcher
        .detect(
            event.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    let names: Vec<&str> = found
        .list
        .iter()
        .map(|detection| &*detection.rule.name)
        .collect();
    assert_eq!(names, ["sigma last", "falco first"]);
}

#[test]
fn bodies_nested_a_hundred_thousand_levels_deep_are_walked_without_recursion() {
    let arrays = format!("{}\"nginx\"{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!(
        "{}\"nginx\"{}",
        r#"{"spec":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    for body in [
        format!(r#"{{"spec":{{"containers":{arrays}}}}}"#),
        format!(r#"{{"spec":{{"containers":[{{"image":{arrays}}}]}}}}"#),
        objects,
    ] {
        let event = format!(r#"{{"verb":"create","requestObject":{body}}}"#);
        assert!(detected(&MATCHER, &mut Scratch::default(), &event)[0]);
    }
}

#[test]
fn an_alert_says_what_the_rule_asks_for() {
    let rules = loaded(&[
        document("Plain", "s: {verb: get}\ncondition: s"),
        document("Named", "s: {verb: get}\ncondition: s").replace(
            "sigma-version",
            "fields: [annotations.a.b/c, hostPath, user.groups]\nsigma-version",
        ),
    ]);
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let event = r#"{"verb":"get","user":{"username":"eve","groups":["a","b"]},"objectRef":{"resource":"pods"},"responseStatus":{"code":200},
        "annotations":{"a.b/c":"x"},"requestObject":{"spec":{"volumes":[{"hostPath":{"path":"/"}}]}}}"#;
    let found = matcher
        .detect(
            event.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    let messages: Vec<_> = found
        .list
        .iter()
        .map(|detection| String::from_utf8_lossy(&detection.message).into_owned())
        .collect();
    assert_eq!(
        messages,
        [
            "Plain (user=eve verb=get resource=pods subresource=<NA> namespace=<NA> name=<NA> code=200 source=<NA>)",
            "Named (annotations.a.b/c=x hostPath={\"path\":\"/\"} user.groups=(a,b))",
        ]
    );
}
