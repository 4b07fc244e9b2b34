//! Correlations: from documents to the questions that they become.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use kubevigil_diagnostics::render_text;
use kubevigil_rules::correlation::{Presence, PresenceExpr, Relation};
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use kubevigil_rules::{Correlation, CorrelationKind, EventValue};

/// Rules to be counted, and what stands around the correlation of a row.
const BASE: &str = "title: A\nid: '1'\nname: a\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: get}, condition: s}
---
title: B\nname: b\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: list}, condition: s}
---
title: C\nname: c\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: watch}, condition: s}
";

fn load(files: &[&str]) -> Loaded {
    let mut loader = Loader::new(Options::default());
    for (number, text) in files.iter().enumerate() {
        loader.load_file(&format!("{number}.yml"), text);
    }
    loader.finish()
}

fn shown(loaded: &Loaded) -> String {
    let files = loaded.files.iter();
    files
        .map(|file| render_text(&file.diagnostics, false))
        .collect()
}

/// The correlation of a document in flow style, beside the rules of [`BASE`].
fn correlation(document: &str) -> Correlation {
    let loaded = load(&[BASE, &format!("title: T\n{document}\n")]);
    assert!(loaded.successful(), "{}", shown(&loaded));
    loaded.rules[3].correlation().unwrap().clone()
}

fn names(correlation: &Correlation) -> Vec<&str> {
    let members = correlation.members.iter();
    members.map(|member| &*member.rule.name).collect()
}

/// What values are called: the name of a field, or the paths of a lookup.
fn called(values: &[EventValue]) -> String {
    let called = values.iter().map(|value| match value {
        EventValue::Field(field) => field.name.to_string(),
        EventValue::Lookup(lookup) => lookup.name.to_string(),
    });
    called.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_type_becomes_its_question() {
    use PresenceExpr::{And, Member, Not, Or};
    let bounds = |relation, number| kubevigil_rules::correlation::Bounds(vec![(relation, number)]);
    for (document, expected) in [
        (
            "{type: event_count, rules: a, timespan: 5m, condition: {gte: 10}}",
            CorrelationKind::EventCount(bounds(Relation::GreaterOrEqual, 10.0)),
        ),
        (
            "{type: value_count, rules: a, timespan: 5m, condition: {field: x, gt: 1}}",
            CorrelationKind::ValueCount(bounds(Relation::Greater, 1.0)),
        ),
        (
            "{type: value_sum, rules: a, timespan: 5m, condition: {field: x, lt: 1.5}}",
            CorrelationKind::ValueSum(bounds(Relation::Less, 1.5)),
        ),
        (
            "{type: value_avg, rules: a, timespan: 5m, condition: {field: x, lte: -1}}",
            CorrelationKind::ValueAvg(bounds(Relation::LessOrEqual, -1.0)),
        ),
        (
            "{type: value_percentile, rules: a, timespan: 5m, condition: {field: x, percentile: 95, eq: 1}}",
            CorrelationKind::ValuePercentile {
                percentile: 95.0,
                bounds: bounds(Relation::Equal, 1.0),
            },
        ),
        (
            "{type: value_median, rules: a, timespan: 5m, condition: {field: x, neq: 1}}",
            CorrelationKind::ValuePercentile {
                percentile: 50.0,
                bounds: bounds(Relation::NotEqual, 1.0),
            },
        ),
        (
            "{type: temporal, rules: [a, b], timespan: 5m}",
            CorrelationKind::Temporal(Presence::All),
        ),
        (
            "{type: temporal, rules: [a, b, c], timespan: 5m, condition: {gte: 2}}",
            CorrelationKind::Temporal(Presence::Count(bounds(Relation::GreaterOrEqual, 2.0))),
        ),
        (
            "{type: temporal, timespan: 5m, condition: c and (a or not b)}",
            CorrelationKind::Temporal(Presence::Expression(And(vec![
                Member(0),
                Or(vec![Member(1), Not(Box::new(Member(2)))]),
            ]))),
        ),
        (
            "{type: temporal_ordered, rules: [b, a], timespan: 5m, condition: a and b}",
            CorrelationKind::TemporalOrdered,
        ),
    ] {
        let correlation = correlation(&format!("correlation: {document}"));
        assert_eq!(correlation.kind, expected, "{document}");
        assert_eq!(correlation.timespan, Duration::from_secs(300));
    }
    let first_seen = "{type: first_seen, rules: a, field: x, learning: 7d, timespan: 90d}";
    assert_eq!(
        correlation(&format!("kubevigil: {first_seen}")).kind,
        CorrelationKind::FirstSeen {
            learning: Duration::from_secs(7 * 86_400)
        }
    );
}

#[test]
fn members_stand_in_the_order_of_their_author() {
    for (document, expected) in [
        (
            "{type: temporal_ordered, rules: [c, '1'], timespan: 1h}",
            ["C", "A"],
        ),
        (
            "{type: temporal_ordered, timespan: 1h, condition: b and a}",
            ["B", "A"],
        ),
        (
            "{type: temporal_ordered, rules: [b, c], timespan: 1h, condition: c and b}",
            ["B", "C"],
        ),
        (
            "{type: temporal, timespan: 1h, condition: b or a or b}",
            ["B", "A"],
        ),
    ] {
        let correlation = correlation(&format!("correlation: {document}"));
        assert_eq!(names(&correlation), expected, "{document}");
    }
}

#[test]
fn values_are_those_of_each_member() {
    let join = correlation(
        "kubevigil:\n  type: join\n  rules: [a, b]\n  group-by: [credential, objectRef.namespace, username]\n  \
         differ: [where, kv.agent]\n  timespan: 24h\n  aliases:\n    \
         credential: {a: kv.issuedCredential, b: kv.credential}\n    where: {'1': kv.address, b: sourceIPs}",
    );
    assert_eq!(join.kind, CorrelationKind::Join);
    assert_eq!(
        join.group_by
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>(),
        ["credential", "objectRef.namespace", "username"]
    );
    let [first, second] = join.members.as_slice() else {
        panic!("two members")
    };
    assert_eq!(
        called(&first.group),
        "kv.issuedCredential objectRef.namespace username"
    );
    assert_eq!(
        called(&second.group),
        "kv.credential objectRef.namespace username"
    );
    assert_eq!(called(&first.values), "kv.address kv.agent");
    assert_eq!(called(&second.values), "sourceIPs kv.agent");
    let EventValue::Lookup(lookup) = &first.group[2] else {
        panic!("a dotted name")
    };
    assert_eq!(
        lookup.paths[0],
        kubevigil_rules::lookup::Dotted::new("user.username")
    );
}

#[test]
fn what_is_left_out_has_a_meaning() {
    let correlation = correlation(
        "correlation: {type: event_count, rules: a, timespan: 1s, condition: {gt: 1, lte: 3}}",
    );
    assert!(correlation.group_by.is_empty() && correlation.members[0].group.is_empty());
    assert!(!correlation.generate);
    let CorrelationKind::EventCount(bounds) = correlation.kind else {
        panic!("counts events")
    };
    assert_eq!(
        [1.0, 2.0, 3.0, 4.0].map(|count| bounds.hold(count)),
        [false, true, true, false]
    );
}

#[test]
fn older_rules_say_beside_the_correlation_whether_its_rules_raise_alerts() {
    let body = "{type: temporal, rules: [a, b], timespan: 5m";
    for (document, expected) in [
        (format!("correlation: {body}}}"), false),
        (format!("generate: true\ncorrelation: {body}}}"), true),
        (
            format!("generate: true\ncorrelation: {body}, generate: false}}"),
            false,
        ),
    ] {
        assert_eq!(correlation(&document).generate, expected, "{document}");
    }
}

#[test]
fn a_correlation_is_a_rule_with_all_that_its_author_wrote() {
    let loaded = load(&[
        BASE,
        "title: Many\nid: '9'\nname: many\nlevel: high\ndescription: ' why '\ntags: [attack.t1, a]\nfields: [verb, user.username]\n\
         falsepositives: [tests]\ntuning: [raise the count]\ncovers: [A01]\nattack-version: 18\n\
         correlation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 10}, generate: true}\n",
    ]);
    assert!(loaded.successful(), "{}", shown(&loaded));
    let rule = &loaded.rules[3];
    assert_eq!(rule.id.as_deref(), Some("9"));
    assert_eq!(rule.short_name.as_deref(), Some("many"));
    assert_eq!(&*rule.description, "why");
    assert_eq!(rule.priority, kubevigil_rules::Priority::Error);
    assert_eq!(
        rule.output.text,
        "Many (verb=%verb user.username=%user.username)"
    );
    assert_eq!(&*rule.condition_text, "event_count of a within 5m, gte 10");
    assert_eq!((&*rule.origin.file, rule.origin.line), ("1.yml", 1));
    let keys: Vec<&str> = rule.notes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "falsepositives",
            "fields",
            "tuning",
            "covers",
            "attack-version"
        ]
    );
    assert!(rule.correlation().unwrap().generate);
    assert!(Arc::ptr_eq(
        &rule.correlation().unwrap().members[0].rule,
        &loaded.rules[0]
    ));
}

#[test]
fn without_fields_the_output_is_left_to_who_knows_the_group() {
    let loaded = load(&[
        BASE,
        "title: T\ncorrelation: {type: temporal, rules: [a, b], timespan: 5m}\n",
    ]);
    assert_eq!(loaded.rules[3].output, kubevigil_rules::Template::default());
}
