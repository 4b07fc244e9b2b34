//! What the upstream is asked about callers that want to be taken for somebody else.

use std::task::Poll;

use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::Caller;
use serde_json::{Value, json};

use crate::stack::{allowing, ask, headers, impersonating, jane, send, texts};
use crate::upstream::Upstream;

#[tokio::test]
async fn questions_are_asked_in_the_name_of_the_caller() {
    let upstream = allowing(&["serviceaccounts dev/ci-bot", "groups g", "userextras/k v"]).await;
    let lines = [
        ("Impersonate-User", "system:serviceaccount:dev:ci-bot"),
        ("Impersonate-Extra-K", "v"),
        ("Impersonate-Group", "g"),
        ("Impersonate-Uid", "u"),
    ];
    let outcome = ask(&upstream, &lines).await;
    assert_eq!(outcome.status, 403);
    // The order of the server: name, uid, groups, extra. The uid is refused, so nothing more is asked.
    let asked = upstream.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].path,
        "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    );
    let spec = |attributes: Value| {
        json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "resourceAttributes": attributes, "user": "jane", "uid": "u-1",
                "groups": ["developers", "system:authenticated"], "extra": {"scopes": ["a"]},
            },
        })
    };
    let account = json!({"verb": "impersonate", "version": "v1", "resource": "serviceaccounts", "namespace": "dev", "name": "ci-bot"});
    assert_eq!(asked[0].body, spec(account));
    let uid = json!({"verb": "impersonate", "group": "authentication.k8s.io", "version": "v1", "resource": "uids", "name": "u"});
    assert_eq!(asked[1].body, spec(uid));
}

#[tokio::test]
async fn without_an_answer_of_the_upstream_nobody_is_impersonated() {
    for answer in [
        (500, json!({})),
        (403, json!({})),
        (201, json!({})),
        (201, json!({"status": {"allowed": "yes"}})),
        (201, json!({"status": {"allowed": true, "denied": true}})),
    ] {
        let upstream = Upstream::answering(move |_, _| answer.clone()).await;
        let outcome = ask(&upstream, &[("Impersonate-User", "bob")]).await;
        assert!(
            outcome.status == 500 || outcome.status == 403,
            "{}",
            outcome.status
        );
        assert!(outcome.forwarded.is_none() && outcome.impersonated.is_none());
    }
}

#[tokio::test]
async fn allowed_impersonations_are_remembered_but_for_no_other_caller() {
    let upstream = allowing(&["users bob"]).await;
    let layer = impersonating(&upstream);
    let lines = [("Impersonate-User", "bob")];
    for (name, questions) in [("jane", 1), ("jane", 1), ("joe", 2), ("jane", 2)] {
        let caller = UserInfo {
            username: name.to_owned(),
            ..jane()
        };
        let outcome = send(
            &layer,
            Caller::Known(caller),
            headers(&texts(&lines)),
            (200, "{}"),
        )
        .await;
        assert_eq!(
            (outcome.status, upstream.asked().len()),
            (200, questions),
            "{name}"
        );
    }
}

#[tokio::test]
async fn one_caller_cannot_use_up_the_questions_of_all() {
    let upstream = allowing(&["users bob"]).await;
    let layer = impersonating(&upstream);
    let as_user = |caller: &str, wanted: String| {
        let caller = UserInfo {
            username: caller.to_owned(),
            ..jane()
        };
        let lines = headers(&texts(&[("Impersonate-User", &wanted)]));
        let layer = layer.clone();
        async move {
            send(&layer, Caller::Known(caller), lines, (200, "{}"))
                .await
                .status
        }
    };
    let flood = (0..1000).map(|number| as_user("mallory", format!("user-{number}")));
    let statuses = join_all(flood.collect()).await;
    assert!(statuses.contains(&403) && statuses.contains(&429));
    assert_eq!(as_user("jane", "bob".to_owned()).await, 200);
}

/// Runs futures side by side.
async fn join_all<F: Future<Output = u16>>(futures: Vec<F>) -> Vec<u16> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(result) => {
                results.push(result);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    results
}
