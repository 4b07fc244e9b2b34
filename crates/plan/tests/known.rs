//! What is concluded from a few known values of a request holds for every event that has them.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_plan::known::{Answer, Known, KnownUser, Solver};
use kubevigil_plan::probe::Target;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use support::{load, question};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_answer_from_known_values_is_that_of_the_matcher(
        question in question(),
        request in request(),
        open in open(),
        told in prop::collection::vec(any::<bool>(), 6),
        level in select(PolicyLevel::ALL[1..].to_vec()),
    ) {
        let rules = load(&[format!("title: Rule\n{question}")]);
        let (target, verb, stage, namespace, user) = &request;
        let known = Known {
            target: told[0].then_some(target),
            verb: told[1].then_some(verb),
            stage: told[2].then_some(*stage),
            namespace: told[3].then_some(namespace),
            user: told[4].then_some(user),
            level: told[5].then_some(level),
        };
        let condition = rules.first().unwrap().condition().unwrap();
        let solver = Solver::default();
        let answer = solver.answer(condition, &known);
        let event = event(&request, &open, level).to_string();
        let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
        let found = matcher.detect(event.as_bytes(), &Position::default(), &mut Scratch::default()).unwrap();
        match answer {
            Answer::True => prop_assert!(!found.list.is_empty(), "{question}\n{event}\n{known:?}"),
            Answer::False => prop_assert!(found.list.is_empty(), "{question}\n{event}\n{known:?}"),
            Answer::Open => {}
        }
        // With one value after another the answer is the same.
        prop_assert_eq!(solver.answer(condition, &known), answer);
        let whole = Known { level: Some(level), ..known };
        if solver.level(condition, &whole) == PolicyLevel::Metadata && answer == Answer::Open {
            let bare = event_without_bodies(&event);
            let again = matcher.detect(bare.as_bytes(), &Position::default(), &mut Scratch::default()).unwrap();
            if level == PolicyLevel::RequestResponse {
                prop_assert_eq!(again.list.len(), found.list.len(), "{}\n{}", question, event);
            }
        }
    }
}

type Request = (Target, &'static str, PolicyStage, &'static str, KnownUser);

fn request() -> impl Strategy<Value = Request> {
    let target = (
        select(vec![
            "pods",
            "secrets",
            "configmaps",
            "deployments",
            "widgets",
        ]),
        select(vec!["", "exec", "status", "token", "log"]),
    );
    let target = prop_oneof![
        1 => Just(Target::Path("/version".into())),
        9 => target.prop_map(|(resource, subresource)| Target::Resource {
            group: if resource == "deployments" { "apps" } else { "" }.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: "".into(),
            name: "".into(),
        }),
    ];
    let verb = select(vec![
        "get", "list", "watch", "create", "update", "patch", "delete",
    ]);
    let stage = select(PolicyStage::ALL.to_vec());
    let namespace = select(vec!["", "kube-system", "dev", "other"]);
    (target, verb, stage, namespace, user())
}

fn user() -> impl Strategy<Value = KnownUser> {
    let user = |name: Option<&str>, groups: &[&str], is_exact| KnownUser {
        label: name.unwrap_or("nobody").into(),
        name: name.map(Box::from),
        groups: groups.iter().map(|&group| group.into()).collect(),
        is_exact,
    };
    select(vec![
        user(Some("jane"), &["system:authenticated"], true),
        user(Some("system:anonymous"), &["system:unauthenticated"], true),
        user(
            Some("system:node:a"),
            &["system:nodes", "system:authenticated"],
            false,
        ),
        user(
            Some("system:serviceaccount:dev:ci"),
            &["system:serviceaccounts", "system:authenticated"],
            false,
        ),
        user(None, &[], true),
    ])
}

/// Values that are never known.
fn open() -> impl Strategy<Value = (bool, bool, bool)> {
    any::<(bool, bool, bool)>()
}

fn event(request: &Request, open: &(bool, bool, bool), level: PolicyLevel) -> Value {
    let (target, verb, stage, namespace, user) = request;
    let mut event =
        json!({"auditID": "x", "verb": verb, "stage": stage.as_str(), "requestURI": "/x"});
    event["user"] = match &user.name {
        Some(name) => json!({"username": &**name, "groups": user.groups}),
        None => json!({}),
    };
    if let Target::Resource {
        group,
        resource,
        subresource,
        ..
    } = target
    {
        let parts = [
            ("resource", &**resource),
            ("apiGroup", group),
            ("subresource", subresource),
            ("namespace", namespace),
        ];
        for (key, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            event["objectRef"][key] = text.into();
        }
    }
    if matches!(target, Target::Path(_)) || *stage == PolicyStage::RequestReceived {
        return event;
    }
    let (host_network, privileged, failed) = *open;
    if level >= PolicyLevel::Request {
        let spec = json!({"hostNetwork": host_network, "containers": [{"name": "c", "securityContext": {"privileged": privileged}}]});
        event["requestObject"] = json!({"kind": "Pod", "spec": spec});
    }
    if level == PolicyLevel::RequestResponse {
        event["responseObject"] =
            json!({"kind": "Pod", "status": {"phase": if failed { "Failed" } else { "Running" }}});
    }
    event
}

fn event_without_bodies(event: &str) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    let members = event.as_object_mut().unwrap();
    members.remove("requestObject");
    members.remove("responseObject");
    event.to_string()
}
