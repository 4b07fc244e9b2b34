//! The upstream that answers as the genuine server did, and knows whose tokens are whose.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::recorded::{Listed, Recording};
use super::requests::{self, Scripted};
use crate::upstream::{self, Answer, Body, Received};

/// The answers, by what tells requests apart.
pub(super) struct Script {
    answers: Vec<(Listed, Scripted)>,
    by_id: HashMap<String, usize>,
    /// Users by token, as a `TokenReview` tells them.
    tokens: HashMap<String, Value>,
}

impl Script {
    pub(super) fn new(
        requests: &[Listed],
        everything: &Recording,
        here: &Recording,
        tokens: HashMap<String, Value>,
    ) -> Arc<Self> {
        let answers: Vec<_> = requests
            .iter()
            .map(|listed| (listed.clone(), requests::answer(listed, everything, here)))
            .collect();
        let ids = answers.iter().enumerate();
        let by_id = ids
            .filter_map(|(number, (listed, _))| Some((listed.audit_id.clone()?, number)))
            .collect();
        Arc::new(Self {
            answers,
            by_id,
            tokens,
        })
    }

    /// What is answered to a request: one of the list, or a question about who somebody is or may become.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Received,
        upgrade: OnUpgrade,
    ) -> Response<Body> {
        if let Some(scripted) = self.of_the_list(&request) {
            return scripted_answer(scripted, upgrade).await;
        }
        let question: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.path() {
            "/apis/authentication.k8s.io/v1/tokenreviews" => self.whose_token(question),
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => may_impersonate(question),
            _ => upstream::json(404, "{}"),
        }
    }

    fn of_the_list(&self, request: &Received) -> Option<&Scripted> {
        let odd = self.answers.iter().find(|(listed, _)| {
            let shared = matches!(listed.audit_id.as_deref(), None | Some("dup-id"));
            shared && listed.path == request.target
        });
        let named = self.by_id.get(request.header("audit-id"));
        let (_, scripted) = odd.or_else(|| self.answers.get(*named?))?;
        Some(scripted)
    }

    fn whose_token(&self, mut review: Value) -> Response<Body> {
        let token = review.pointer("/spec/token").and_then(Value::as_str);
        let user = token.and_then(|token| self.tokens.get(token));
        review["status"] = match user {
            Some(user) => json!({ "authenticated": true, "user": user }),
            None => json!({ "authenticated": false, "error": "invalid bearer token" }),
        };
        upstream::json(201, review.to_string())
    }
}

/// Only the administrator may be somebody else.
fn may_impersonate(mut review: Value) -> Response<Body> {
    let allowed = review.pointer("/spec/user").and_then(Value::as_str) == Some("kubernetes-admin");
    review["status"] = json!({ "allowed": allowed });
    upstream::json(201, review.to_string())
}

async fn scripted_answer(scripted: &Scripted, upgrade: OnUpgrade) -> Response<Body> {
    let Scripted {
        code,
        content_type,
        body,
        is_watch,
    } = scripted.clone();
    match code {
        101 => {
            // The tunnel is opened, and closed at once.
            tokio::spawn(upgrade);
            upstream::switching("websocket")
        }
        200 if is_watch => {
            let (pieces, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                for line in body.split_inclusive('\n') {
                    let _ = pieces.send(Ok(Bytes::from(line.to_owned()))).await;
                }
            });
            upstream::streamed(content_type, receiver)
        }
        _ => upstream::answered(code, content_type, body),
    }
}

/// The script as something that a server asks.
pub(super) fn answers(script: Arc<Script>) -> impl Fn(Received, OnUpgrade) -> Answer + Send + Sync {
    move |request, upgrade| Box::pin(script.clone().answer(request, upgrade))
}
