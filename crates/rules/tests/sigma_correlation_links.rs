//! Linking: what the names in correlations lead to, and what keeps a few documents from becoming a large question.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kubevigil_diagnostics::render_text;
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use kubevigil_rules::{Correlation, EventValue, Rule, falco};
use proptest::prelude::*;
use serde_json::Value as Any;

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

fn names(correlation: &Correlation) -> Vec<&str> {
    let members = correlation.members.iter();
    members.map(|member| &*member.rule.name).collect()
}

#[test]
fn the_order_of_documents_and_files_does_not_matter() {
    let top = "title: Top\ncorrelation: {type: temporal_ordered, rules: [many, b], timespan: 5m}\n";
    let many = "title: Many\nname: many\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 2}}\n";
    for files in [[BASE, many, top], [top, many, BASE], [many, BASE, top]] {
        let loaded = load(&files);
        assert!(loaded.successful(), "{}", shown(&loaded));
        let rule = loaded
            .rules
            .iter()
            .find(|rule| &*rule.name == "Top")
            .unwrap();
        assert_eq!(names(rule.correlation().unwrap()), ["Many", "B"]);
        let mut conditions = 0;
        rule.for_each_condition(&mut |_| conditions += 1);
        assert_eq!(conditions, 2);
    }
    let order: Vec<String> = load(&[top, many, BASE])
        .rules
        .iter()
        .map(|rule| rule.name.to_string())
        .collect();
    assert_eq!(order, ["Top", "Many", "A", "B", "C"], "as in the files");
}

#[test]
fn a_name_means_the_rule_of_the_same_file_whatever_else_is_loaded() {
    let file = |title: &str| {
        format!(
            "{}---\ntitle: Of {title}\ncorrelation: {{type: temporal, rules: [a, b], timespan: 5m}}\n",
            BASE.replace("title: ", &format!("title: {title}"))
                .replace("'1'", title)
        )
    };
    let elsewhere =
        "title: Of neither\ncorrelation: {type: temporal, rules: [a, x], timespan: 5m}\n";
    let loaded = load(&[&file("x"), &file("y"), elsewhere]);
    let correlations = loaded.rules.iter().filter_map(|rule| rule.correlation());
    let counted: Vec<_> = correlations
        .map(|correlation| names(correlation).join(" "))
        .collect();
    assert_eq!(counted, ["xA xB", "yA yB"]);
    assert_eq!(loaded.refused[0].reason, "several rules are called `a`");
}

#[test]
fn rules_of_falco_are_found_by_name_behind_those_of_sigma() {
    let mut falco = falco::Loader::new(falco::Options::default());
    let rule = |name| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: ka.verb = get\n  output: o\n  priority: ERROR\n  source: k8s_audit\n"
        )
    };
    falco.load_file("falco.yaml", &(rule("Read it") + &rule("a")));
    let others = falco.finish().rules;
    let mut loader = Loader::new(Options::default());
    let correlation = "title: T\ncorrelation: {type: temporal, rules: [Read it, a], timespan: 5m, generate: true}\n";
    loader.load_file("rules.yml", &format!("{BASE}---\n{correlation}"));
    let loaded = loader.finish_with(&others);
    assert!(loaded.successful(), "{}", shown(&loaded));
    assert_eq!(loaded.rules.len(), 4, "Falco's rules stay where they are");
    let members = &loaded.rules[3].correlation().unwrap().members;
    let languages: Vec<_> = members.iter().map(|member| member.rule.language).collect();
    assert_eq!(
        languages,
        [
            kubevigil_rules::Language::Falco,
            kubevigil_rules::Language::Sigma
        ]
    );
}

#[test]
fn pipelines_rename_what_correlations_look_at() {
    let pipeline =
        "transformations:\n  - {type: field_name_mapping, mapping: {who: user.username}}\n";
    let loaded = load(&[
        BASE,
        "title: T\ncorrelation: {type: temporal, rules: [a, b], group-by: [who], timespan: 5m}\n",
        pipeline,
    ]);
    let correlation = loaded.rules[3].correlation().unwrap();
    assert_eq!(*correlation.group_by[0], *"who");
    let EventValue::Lookup(lookup) = &correlation.members[0].group[0] else {
        panic!("a dotted name")
    };
    assert_eq!(
        lookup.paths[0],
        kubevigil_rules::lookup::Dotted::new("user.username")
    );
}

/// Correlations that each count the one before, the first of them rule `a`.
fn tower(height: usize) -> String {
    let mut text = BASE.to_owned();
    let mut below = "a".to_owned();
    for level in 1..=height {
        let name = format!("level{level}");
        write!(text, "---\ntitle: {name}\nname: {name}\ncorrelation: {{type: event_count, rules: {below}, timespan: 1h, condition: {{gte: 2}}}}\n").unwrap();
        below = name;
    }
    text
}

#[test]
fn sixteen_levels_may_be_nested_and_a_tower_of_thousands_is_refused_calmly() {
    let loaded = load(&[&tower(16)]);
    assert!(loaded.successful(), "{}", shown(&loaded));
    let loaded = load(&[&tower(3_000)]);
    assert_eq!((loaded.rules.len(), loaded.refused.len()), (19, 2_984));
    assert_eq!(
        loaded.refused[0].reason,
        "correlations are nested deeper than 16 levels"
    );
    assert_eq!(
        loaded.refused[1].reason,
        "rule `level17` is refused, so there is nothing to count"
    );
}

#[test]
fn a_few_documents_cannot_count_a_rule_a_million_times() {
    let mut text = BASE.to_owned();
    let document = |name: &str, rules: &str| {
        format!(
            "---\ntitle: {name}\nname: {name}\ncorrelation: {{type: temporal, rules: [{rules}], timespan: 1h}}\n"
        )
    };
    text += &document("x0", "a, b");
    text += &document("y0", "a, c");
    for level in 1..16 {
        let below = format!("x{0}, y{0}, a, b, c", level - 1);
        text += &document(&format!("x{level}"), &below);
        text += &document(&format!("y{level}"), &below);
    }
    let loaded = load(&[&text]);
    assert!(loaded.refused.iter().any(|refused| {
        refused.reason == "the correlation counts more than 10000 rules, nested ones included"
    }));
    for rule in &loaded.rules {
        let mut conditions = 0;
        rule.for_each_condition(&mut |_| conditions += 1);
        assert!(conditions <= 10_000, "{}: {conditions}", rule.name);
    }
}

/// Sigma's vectors, or a word on standard error.
fn vectors() -> Vec<Any> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/sigma-vectors.json"
    );
    if !Path::new(path).exists() {
        eprintln!("skipped: {path} is not beside the checkout");
        return Vec::new();
    }
    let all: Any = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all["vectors"].as_array().unwrap().clone()
}

/// The texts of the vectors with correlations under a key.
fn with_correlations(key: &str) -> Vec<(String, String)> {
    let texts = vectors().into_iter().filter_map(|vector| {
        let text = vector[key].as_str()?.to_owned();
        text.contains("correlation:")
            .then(|| (vector["id"].to_string(), text))
    });
    texts.collect()
}

#[test]
fn every_vector_with_correlations_loads() {
    for (id, text) in with_correlations("rules") {
        let loaded = load(&[&text]);
        assert!(loaded.successful(), "{id}: {}", shown(&loaded));
        assert_eq!(loaded.rules.len(), text.split("\n---\n").count(), "{id}");
        assert!(
            loaded.rules.iter().any(|rule| rule.correlation().is_some()),
            "{id}"
        );
    }
}

#[test]
fn every_wrong_vector_with_a_correlation_is_refused_alone() {
    for (id, text) in with_correlations("rule") {
        let loaded = load(&[&text]);
        assert_eq!(loaded.refused.len(), 1, "{id}");
        assert_eq!(
            loaded.rules.len(),
            text.split("\n---\n").count() - 1,
            "{id}"
        );
    }
}

/// Lines of a correlation, right and wrong ones.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let values = |key: &'static str, values: &'static [&'static str]| {
        prop::option::weighted(
            0.9,
            prop::sample::select(values).prop_map(move |value| format!("{key}: {value}")),
        )
    };
    let line = (
        values(
            "type",
            &[
                "event_count",
                "value_count",
                "temporal",
                "temporal_ordered",
                "value_sum",
                "value_percentile",
                "first_seen",
                "join",
                "x",
            ],
        ),
        values(
            "rules",
            &[
                "a",
                "[a, b]",
                "[a, b, x]",
                "[x, y]",
                "y",
                "[]",
                "{a: b}",
                "[a, '1']",
            ],
        ),
        values(
            "group-by",
            &[
                "user.username",
                "[who, sourceIPs]",
                "kv.x",
                "[kv.address]",
                "''",
            ],
        ),
        values("timespan", &["5m", "1y", "0s", "5", "[]", "é"]),
        values(
            "condition",
            &[
                "{gte: 2}",
                "{field: n, gt: 1, percentile: 50}",
                "a and not b",
                "1 of *",
                "((",
                "{lt: x}",
                "a é",
            ],
        ),
        values(
            "aliases",
            &[
                "{who: {a: b, x: c}}",
                "{who: {}}",
                "[]",
                "{who: {a: kv.credential, b: verb}}",
            ],
        ),
        values("field", &["verb", "[a, who]"]),
        values("learning", &["1h", "0s"]),
    );
    line.prop_map(|(a, b, c, d, e, f, g, h)| {
        [a, b, c, d, e, f, g, h].into_iter().flatten().collect()
    })
}

proptest! {
    #[test]
    fn any_correlation_is_a_rule_or_is_refused_with_a_reason(
        documents in prop::collection::vec((lines(), "[xyz]", prop::sample::select(vec!["correlation", "kubevigil"])), 1..6),
    ) {
        let mut text = BASE.to_owned();
        for (lines, name, key) in &documents {
            write!(text, "---\ntitle: T\nname: {name}\n{key}:\n  {}\n", lines.join("\n  ")).unwrap();
        }
        let loaded = load(&[&text]);
        prop_assert_eq!(loaded.rules.len() + loaded.refused.len(), 3 + documents.len());
        let is_sound = |rule: &&Arc<Rule>| rule.correlation().is_none_or(|correlation| {
            let width = correlation.group_by.len();
            !correlation.members.is_empty() && correlation.members.iter().all(|member| member.group.len() == width)
        });
        prop_assert!(loaded.rules.iter().all(|rule| is_sound(&rule)));
        prop_assert_eq!(loaded.successful(), loaded.refused.is_empty());
    }

    #[test]
    fn any_text_in_a_correlation_is_read_or_refused(kind in "[ -~é]{0,12}", condition in "[a-c()| notrd*1f]{0,30}", span in "[ -~é]{0,6}", alias in "[ -~é]{0,8}") {
        let body = serde_json::json!({"type": kind, "rules": ["a", "b"], "timespan": span, "condition": condition, "aliases": {&alias: {"a": alias}}});
        let temporal = serde_json::json!({"type": "temporal", "timespan": "5m", "condition": condition});
        for key in ["correlation", "kubevigil"] {
            for body in [&body, &temporal] {
                let loaded = load(&[BASE, &format!("title: T\n{key}: {body}\n")]);
                prop_assert_eq!(loaded.rules.len() + loaded.refused.len(), 4);
            }
        }
    }
}
