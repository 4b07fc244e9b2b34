//! Correlations of all types, what they count, and events in the order of their times.

use proptest::prelude::*;
use serde_json::{Value as Any, json};

use crate::detections::document;

/// Four rules of which one event matches one, in the order of the file, and one that also matches where another does.
const RULES: [&str; 4] = ["get", "list", "create", "delete"];

/// The documents of the rules that are counted. `wide` goes last, so that where two match the evaluator takes them in the order of `rules`.
pub(crate) fn rules() -> String {
    let one = |name: &&str| {
        document(
            name,
            &format!("name: {name}\n"),
            &json!({"sel": {"verb": name}, "condition": "sel"}),
        )
    };
    let mut documents: Vec<String> = RULES.iter().map(one).collect();
    documents.push(document(
        "wide",
        "name: wide\n",
        &json!({"sel": {"verb": ["get", "list"]}, "condition": "sel"}),
    ));
    documents.join("---\n")
}

/// Never objects: the evaluator prints them as Python does, and here they are no values.
const GROUPS: &[&str] = &[
    "user.username",
    "user.groups",
    "sourceIPs",
    "objectRef.namespace",
    "annotations.authorization.k8s.io/decision",
];
const VALUES: &[&str] = &[
    "objectRef.name",
    "user.groups",
    "responseStatus.code",
    "requestObject.spec.replicas",
    "user.extra.scopes",
];

/// Group-by and aliases for the rules that are counted.
fn grouping(counted: Vec<&'static str>) -> BoxedStrategy<Any> {
    let group = || prop::sample::select(GROUPS);
    prop_oneof![
        1 => Just(json!({})),
        2 => group().prop_map(|group| json!({"group-by": group})),
        2 => prop::sample::subsequence(GROUPS, 1..3).prop_map(|groups| json!({"group-by": groups})),
        2 => (prop::collection::vec(group(), counted.len()), prop::option::of(group())).prop_map(move |(places, other)| {
            let places: Any = counted.iter().zip(places).map(|(rule, place)| ((*rule).to_owned(), Any::from(place))).collect();
            let names: Vec<&str> = other.into_iter().chain(["who"]).collect();
            json!({"group-by": names, "aliases": {"who": places}})
        }),
    ]
    .boxed()
}

/// Relations of a number that some events reach. Ones that more events can break are `false`, since the evaluator also looks at the state
/// between two rules that match one event: only together with rules of which an event matches one.
fn relations(numbers: std::ops::Range<i32>, monotone: bool) -> BoxedStrategy<Any> {
    let growing = (prop::sample::select(vec!["gt", "gte"]), numbers.clone())
        .prop_map(|(name, number)| json!({name: number}));
    if monotone {
        return growing.boxed();
    }
    let other = (
        prop::sample::select(vec!["eq", "neq", "lte", "lt"]),
        numbers.clone(),
    )
        .prop_map(|(name, number)| json!({name: number + 1}));
    let range = (numbers, 0..3).prop_map(|(low, more)| json!({"gte": low, "lte": low + more}));
    prop_oneof![2 => growing, 1 => other, 1 => range].boxed()
}

/// Type and condition for so many rules.
fn asked(counted: Vec<&'static str>, monotone: bool) -> BoxedStrategy<Any> {
    let count = i32::try_from(counted.len()).unwrap();
    let with = |kind: &'static str, field: Any, more: Any, mut condition: Any| {
        condition["field"] = field;
        condition
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"type": kind, "condition": condition})
    };
    let field = || prop::sample::select(VALUES).prop_map(Any::from);
    let fields =
        prop_oneof![3 => field(), 1 => prop::sample::subsequence(VALUES, 2).prop_map(Any::from)];
    let number = (
        prop::sample::select(vec!["value_sum", "value_avg", "value_median"]),
        field(),
        relations(-3..12, false),
    )
        .prop_map(move |(kind, field, condition)| with(kind, field, json!({}), condition));
    let percentile = (
        field(),
        prop::sample::select(vec![0, 10, 25, 50, 75, 90, 100]),
        relations(-3..12, false),
    )
        .prop_map(move |(field, percentile, condition)| {
            with(
                "value_percentile",
                field,
                json!({"percentile": percentile}),
                condition,
            )
        });
    let numeric = if monotone {
        Just(json!({"type": "temporal"})).boxed()
    } else {
        prop_oneof![2 => number, 1 => percentile].boxed()
    };
    let temporal = if count == 1 {
        Just(json!({"type": "temporal"})).boxed()
    } else {
        let more = (1..=count)
            .prop_map(|number| json!({"type": "temporal", "condition": {"gte": number}}));
        prop_oneof![1 => Just(json!({"type": "temporal"})), 1 => more, 1 => expression(counted).prop_map(|text| json!({"type": "temporal", "condition": text}))].boxed()
    };
    prop_oneof![
        3 => relations(1..5, monotone).prop_map(|condition| json!({"type": "event_count", "condition": condition})),
        3 => (fields, relations(1..4, monotone)).prop_map(move |(field, condition)| with("value_count", field, json!({}), condition)),
        3 => numeric,
        3 => temporal,
        2 => Just(json!({"type": "temporal_ordered"})),
    ]
    .boxed()
}

/// `a and (b or c)` over all of the names, without `not`: there the evaluator looks between two rules of one event, too.
fn expression(counted: Vec<&'static str>) -> BoxedStrategy<String> {
    let words = prop::collection::vec(prop::sample::select(vec!["and", "or"]), counted.len());
    (words, any::<bool>())
        .prop_map(move |(words, inner)| {
            let (first, rest) = counted.split_first().unwrap();
            let rest = rest
                .iter()
                .zip(&words[1..])
                .map(|(name, word)| format!("{name} {word} "))
                .collect::<String>();
            let rest = rest
                .trim_end_matches("and ")
                .trim_end_matches("or ")
                .trim_end();
            if inner {
                format!("{first} {} ({rest})", words[0])
            } else {
                format!("{first} {} {rest}", words[0])
            }
        })
        .boxed()
}

/// A correlation's document. All generate, so that what they count is told as well.
fn correlation(title: &str, counted: &[&str], parts: [Any; 2], seconds: i64, more: &str) -> String {
    let timespan = match seconds {
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    };
    let mut asked = json!({"rules": counted, "timespan": timespan, "generate": true});
    for part in parts {
        asked
            .as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
    }
    format!("title: {title}\n{more}correlation: {asked}\n")
}

fn counted() -> BoxedStrategy<(Vec<&'static str>, bool)> {
    prop_oneof![
        3 => prop::sample::subsequence(RULES.to_vec(), 1..4).prop_shuffle().prop_map(|rules| (rules, false)),
        1 => prop::sample::subsequence(RULES.to_vec(), 1..3).prop_map(|mut rules| { rules.push("wide"); (rules, true) }),
    ]
    .boxed()
}

fn seconds() -> BoxedStrategy<i64> {
    prop::sample::select(vec![1, 5, 10, 60, 120]).boxed()
}

/// A correlation over rules, and often one over that one and a rule that does not take part in it: the evaluator takes correlations after
/// rules when both hold for one event.
pub(crate) fn correlations() -> BoxedStrategy<String> {
    let inner = counted().prop_flat_map(|(counted, monotone)| {
        (
            Just(counted.clone()),
            grouping(counted.clone()),
            asked(counted, monotone),
            seconds(),
        )
    });
    inner
        .prop_flat_map(|(counted, grouping_of_inner, asked_of_inner, span)| {
            let inner = correlation(
                "inner",
                &counted,
                [grouping_of_inner, asked_of_inner],
                span,
                "name: inner\n",
            );
            let other = RULES
                .iter()
                .find(|name| !counted.contains(name) && !counted.contains(&"wide"))
                .copied();
            let outer: Vec<&str> = ["inner"].into_iter().chain(other).collect();
            let outer = (
                any::<bool>(),
                grouping(outer.clone()),
                asked(outer.clone(), false),
                seconds(),
            )
                .prop_map(move |(nested, grouping, asked, span)| {
                    if nested {
                        format!(
                            "---\n{}",
                            correlation("outer", &outer, [grouping, asked], span, "")
                        )
                    } else {
                        String::new()
                    }
                });
            (Just(inner), outer)
        })
        .prop_map(|(inner, outer)| format!("{}---\n{inner}{outer}", rules()))
        .boxed()
}

/// A few values, so that groups meet, and lists of them.
fn small() -> BoxedStrategy<Option<Any>> {
    let scalar = prop::sample::select(vec![
        json!("a"),
        json!("b"),
        json!("A"),
        json!("a,b"),
        json!("1"),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(4),
        json!(""),
        json!(true),
        Any::Null,
    ]);
    let list = prop::collection::vec(scalar.clone(), 0..3).prop_map(Any::from);
    prop::option::weighted(0.85, prop_oneof![5 => scalar, 2 => list.clone(), 1 => prop::collection::vec(list, 0..3).prop_map(Any::from)]).boxed()
}

/// Events with their times.
pub(crate) fn events() -> BoxedStrategy<Vec<(i64, Any)>> {
    let verb = prop::sample::select(["get", "get", "list", "create", "delete", "watch"].to_vec());
    let event = (verb, prop::collection::vec(small(), 9), 0_i64..20).prop_map(|(verb, values, later)| {
        let mut values = values.into_iter();
        let mut event = json!({"verb": verb, "user": {"extra": {}}, "objectRef": {}, "annotations": {}, "responseStatus": {}, "requestObject": {"spec": {}}});
        for place in ["/user/username", "/user/groups", "/user/extra/scopes", "/objectRef/namespace", "/objectRef/name", "/responseStatus/code", "/requestObject/spec/replicas"] {
            let (parent, key) = place.rsplit_once('/').unwrap();
            if let Some(value) = values.next().flatten() {
                event.pointer_mut(parent).unwrap()[key] = value;
            }
        }
        for (parent, key) in [("", "sourceIPs"), ("/annotations", "authorization.k8s.io/decision")] {
            if let Some(value) = values.next().flatten() {
                event.pointer_mut(parent).unwrap()[key] = value;
            }
        }
        (later / 3, event)
    });
    prop::collection::vec(event, 1..16)
        .prop_map(|events| {
            let mut now = 1_000_000;
            events
                .into_iter()
                .map(|(later, event)| {
                    now += later;
                    (now, event)
                })
                .collect()
        })
        .boxed()
}
