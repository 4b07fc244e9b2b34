//! Whatever an event holds, derived fields neither panic nor take more time than its length allows, and the matcher asks them as the
//! slow reference does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../rules/tests/reference/mod.rs"]
mod reference;

use std::fs;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::{EventContext, Rule, derived, falco, sigma};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value as Any, json};

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/tests/cases/derived");

/// The events of all tables.
static EVENTS: LazyLock<Vec<Any>> = LazyLock::new(|| {
    let names = derived::catalogue().iter().map(|entry| entry.name);
    let tables = names.map(|name| fs::read_to_string(format!("{TABLES}/{name}.json")).unwrap());
    let cases = tables.flat_map(|table| serde_json::from_str::<Vec<Any>>(&table).unwrap());
    cases.map(|case| case["event"].clone()).collect()
});

/// For every field some questions in each language.
static MATCHER: LazyLock<Matcher> = LazyLock::new(|| {
    let mut rules = Vec::new();
    for entry in derived::catalogue() {
        rules.extend(sigma_rules(entry.name));
        rules.extend(falco_rules(entry.name));
    }
    Matcher::compile(&rules, RuleMatching::All).unwrap()
});

fn sigma_rules(field: &str) -> Vec<Arc<Rule>> {
    let mut loader = sigma::Loader::new(sigma::Options::default());
    for (key, value) in [
        ("", json!(null)),
        ("", json!("*")),
        ("", json!(true)),
        ("|exists", json!(false)),
        ("|contains", json!(["system", "a", "1"])),
        ("|contains|all", json!(["/", "e"])),
        ("|re", json!("^[a-z]+$")),
        ("|gte", json!(1)),
        ("|cidr", json!("10.0.0.0/8")),
        ("|fieldref", json!("verb")),
        ("|fieldref|contains", json!("kv.identity")),
    ] {
        let rule = json!({
            "title": format!("{field}{key}: {value}"),
            "logsource": {"product": "kubernetes", "service": "audit"},
            "detection": {"it": {format!("{field}{key}"): value}, "condition": "it"},
        });
        loader.load_file("rule.yml", &rule.to_string());
    }
    let loaded = loader.finish();
    assert!(loaded.successful(), "{:#?}", loaded.files);
    loaded.rules
}

fn falco_rules(field: &str) -> Vec<Arc<Rule>> {
    let mut loader = falco::Loader::new(falco::Options::default());
    for question in ["exists", "intersects (true, person, \"*\")"] {
        let rule = json!([{
            "rule": format!("{field} {question}"), "desc": "d", "source": "k8s_audit", "priority": "INFO",
            "condition": format!("{field} {question}"), "output": format!("%{field}"),
        }]);
        loader.load_file("rule.yaml", &rule.to_string());
    }
    loader.finish().rules
}

/// What may stand anywhere.
fn odd_value() -> impl Strategy<Value = Any> {
    select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(""),
        json!("*"),
        json!("All"),
        json!("system:anonymous"),
        json!("é\u{0}\u{202e}%zz/../\\\""),
        json!([]),
        json!({}),
        json!([[["a"], {"name": "x"}], null]),
        json!({"spec": {"containers": [{"securityContext": {"privileged": true}}]}}),
        json!([{"op": "add", "path": "/spec/containers/-/securityContext", "value": {"runAsUser": 0}}]),
        json!([{"op": "replace", "path": "/~01/~/~2", "value": 1}, {"op": "add", "path": "/", "value": {}}, 7]),
        json!({"rules": [{"verbs": ["*", 1], "resources": ["*"], "apiGroups": [""]}, null]}),
    ])
}

/// An event of the tables with parts of another one and odd values put in at random places.
fn event() -> impl Strategy<Value = Any> {
    let changes = prop::collection::vec((any::<Index>(), odd_value()), 0..4);
    (any::<Index>(), any::<Index>(), changes).prop_map(|(one, other, changes)| {
        let mut event = EVENTS[one.index(EVENTS.len())].clone();
        let other = &EVENTS[other.index(EVENTS.len())];
        for (key, value) in other.as_object().into_iter().flatten() {
            event
                .as_object_mut()
                .unwrap()
                .entry(key)
                .or_insert(value.clone());
        }
        for (place, value) in changes {
            let count = event.as_object().map_or(0, count);
            if count > 0 {
                put(&mut event, &mut place.index(count).clone(), value);
            }
        }
        event
    })
}

fn count(object: &Map<String, Any>) -> usize {
    let below = |value: &Any| match value {
        Any::Object(object) => count(object),
        _ => 0,
    };
    object.values().map(|value| 1 + below(value)).sum()
}

/// Replaces the member with this number, counted depth first.
fn put(value: &mut Any, number: &mut usize, new: Any) -> bool {
    for member in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if *number == 0 {
            *member = new;
            return true;
        }
        *number -= 1;
        if put(member, number, new.clone()) {
            return true;
        }
    }
    false
}

fn context(raw: &str) -> EventContext<'_> {
    EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    }
}

fn assert_agreement(raw: &str) {
    let mut scratch = Scratch::default();
    let found = MATCHER
        .detect(raw.as_bytes(), &Position::default(), &mut scratch)
        .unwrap();
    let holding: Vec<&str> = found.list.iter().map(|one| &*one.rule.name).collect();
    let event = context(raw);
    let rules = MATCHER.rules().iter();
    let expected: Vec<&str> = rules
        .filter(|rule| reference::holds(rule.condition().unwrap(), &event))
        .map(|rule| &*rule.name)
        .collect();
    assert_eq!(holding, expected, "{raw}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_agrees_with_the_reference(event in event()) {
        assert_agreement(&event.to_string());
    }

    #[test]
    fn of_equal_keys_the_last_counts(one in event(), other in event()) {
        let (one, other) = (one.to_string(), other.to_string());
        if one.len() > 2 && other.len() > 2 {
            let (one, other) = (one.strip_suffix('}').unwrap(), other.strip_prefix('{').unwrap());
            let both = format!("{one},{other}");
            assert_agreement(&both);
        }
    }

    #[test]
    fn no_bytes_make_a_field_panic(event in event(), at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = event.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = MATCHER.detect(&bytes, &Position::default(), &mut Scratch::default());
    }
}

/// Events of about a hundred kilobytes, each long in another way.
fn long_events() -> Vec<(&'static str, String)> {
    let list =
        |count: usize, element: &dyn Fn(usize) -> Any| (0..count).map(element).collect::<Any>();
    let body = |body: Any| {
        json!({"verb": "patch", "objectRef": {"resource": "pods"}, "requestObject": body, "responseObject": body}).to_string()
    };
    let raw_body = |body: &str| {
        format!(r#"{{"verb":"patch","requestObject":{body},"objectRef":{{"resource":"pods"}}}}"#)
    };
    let junk: Map<String, Any> = (0..3_000)
        .map(|number| (format!("k{number}"), json!(number)))
        .collect();
    let uri = |part: &str| {
        json!({"requestURI": format!("/x?{}", part.repeat(100_000 / part.len())), "verb": "create",
        "objectRef": {"resource": "nodes", "subresource": "exec"}})
        .to_string()
    };
    vec![
        ("containers", body(json!({"spec": {"containers": list(2_000, &|n| json!({"image": n.to_string(), "args": ["a", n.to_string()]}))}}))),
        ("containers under a long context", body(json!({"spec": {"securityContext": junk.clone(), "containers": list(2_000, &|_| json!({}))}}))),
        ("volumes", body(json!({"spec": {"volumes": list(2_000, &|n| json!({"hostPath": {"path": format!("/{n}")}}))}}))),
        ("one path", body(json!({"spec": {"volumes": [{"hostPath": {"path": "/a/..".repeat(8_000)}}]}}))),
        ("capabilities", body(json!({"spec": {"containers": [{"securityContext": {"capabilities": {"add": list(5_000, &|n| json!(format!("c{n}")))}}}]}}))),
        ("annotations", body(json!({"metadata": {"annotations": junk.clone()}, "spec": {}}))),
        ("operations", body(list(900, &|n| json!({"op": "add", "path": format!("/spec/volumes/{n}"), "value": {"hostPath": {"path": n.to_string()}}})))),
        ("one pointer", body(json!([{"op": "add", "path": "/spec".repeat(10_000), "value": 1}]))),
        ("one pointer through arrays", body(json!([{"op": "add", "path": format!("/rules{}", "/0".repeat(20_000)), "value": 1}]))),
        ("verbs and resources", body(json!({"rules": [{"verbs": list(5_000, &|n| json!(n.to_string())), "apiGroups": ["a", "b"], "resources": list(5_000, &|n| json!(n.to_string()))}]}))),
        ("rules", body(json!({"rules": list(900, &|n| json!({"verbs": ["get"], "apiGroups": [""], "resources": [n.to_string()]}))}))),
        ("parts of rules", body(list(900, &|n| json!({"op": "add", "path": "/rules/0/verbs/-", "value": n.to_string()})))),
        ("subjects", body(json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": list(900, &|n| json!({"kind": "User", "name": n.to_string()}))}))),
        ("equal keys", raw_body(&format!("{{{}\"a\":1}}", r#""spec":{"template":{"spec":{}}},"#.repeat(3_000)))),
        ("objects in objects", raw_body(&format!("{}1{}", r#"{"spec":"#.repeat(10_000), "}".repeat(10_000)))),
        ("templates in templates", raw_body(&format!("{}1{}", r#"{"template":{"spec":"#.repeat(5_000), "}}".repeat(5_000)))),
        ("arrays in arrays", raw_body(&format!(r#"{{"spec":{{"containers":{}1{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000)))),
        ("parameters", uri("command=a&")),
        ("escapes", uri("%41+")),
        ("addresses", json!({"sourceIPs": list(5_000, &|n| json!(n.to_string()))}).to_string()),
        ("groups", json!({"user": {"username": "system:node:n", "groups": list(5_000, &|n| json!(n.to_string()))}}).to_string()),
        ("agent", json!({"userAgent": "É".repeat(50_000)}).to_string()),
    ]
}

/// Time in proportion to the length is a second or two for all fields, even without optimisation and on a busy machine; with the square
/// of it, minutes.
#[test]
fn a_long_event_takes_time_in_proportion_to_its_length() {
    let rules = derived::catalogue()
        .iter()
        .flat_map(|entry| falco_rules(entry.name));
    let rules: Vec<Arc<Rule>> = rules.collect();
    let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
    let mut scratch = Scratch::default();
    for (what, raw) in long_events() {
        let start = Instant::now();
        matcher
            .detect(raw.as_bytes(), &Position::default(), &mut scratch)
            .unwrap();
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(20), "{what}: {taken:?}");
    }
}
