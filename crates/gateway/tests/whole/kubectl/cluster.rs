//! As much of an API server as kubectl needs: a namespace with a pod and some config maps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{spdy, websocket};
use crate::upstream::{self, Answer, Body, Received};

const CONFIG_MAPS: &str = "/api/v1/namespaces/dev/configmaps";
const PODS: &str = "/api/v1/namespaces/dev/pods";
const WEB: &str = "/api/v1/namespaces/dev/pods/web";

/// The cluster: its config maps by name.
#[derive(Default)]
pub(super) struct Cluster {
    config_maps: Mutex<BTreeMap<String, Value>>,
}

impl Cluster {
    pub(super) fn answers() -> impl Fn(Received, OnUpgrade) -> Answer + Send + Sync {
        let cluster = Arc::new(Cluster::default());
        move |request, upgrade| {
            let cluster = cluster.clone();
            Box::pin(async move { cluster.answer(&request, upgrade) })
        }
    }

    fn answer(&self, request: &Received, upgrade: OnUpgrade) -> Response<Body> {
        let path = request.path();
        if let Some(name) = path.strip_prefix(CONFIG_MAPS) {
            return self.config_map(request, name.trim_start_matches('/'));
        }
        match path {
            "/apis/authentication.k8s.io/v1/tokenreviews" => whose_token(request),
            "/api" => object(200, &json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => object(
                200,
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            ),
            "/api/v1/namespaces/dev" => object(
                200,
                &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "dev"}}),
            ),
            "/api/v1" => object(200, &resources()),
            PODS if request.parameter("watch").is_some() => watch(),
            PODS => object(
                200,
                &json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [pod("web")]}),
            ),
            WEB => object(200, &pod("web")),
            _ if path.ends_with("/web/log") => log(),
            _ if path.ends_with("/web/exec") => exec(request, upgrade),
            _ => not_found("pages", path),
        }
    }

    fn config_map(&self, request: &Received, name: &str) -> Response<Body> {
        let mut config_maps = self.config_maps.lock().unwrap();
        let known = config_maps.get(name).cloned();
        let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match (request.method.as_str(), known) {
            ("POST", _) => {
                let name = sent["metadata"]["name"].as_str().unwrap().to_owned();
                config_maps.insert(name, sent.clone());
                object(201, &sent)
            }
            // The only patches that are sent here replace the data; server-side apply sends YAML, and creates.
            ("PATCH", known) => {
                let mut patched = known.unwrap_or_else(|| config_map(name));
                if let Some(data) = sent.get("data") {
                    patched["data"] = data.clone();
                }
                config_maps.insert(name.to_owned(), patched.clone());
                object(200, &patched)
            }
            ("DELETE", Some(_)) => {
                config_maps.remove(name);
                object(
                    200,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": name, "kind": "configmaps"}}),
                )
            }
            ("GET", Some(config_map)) => object(200, &config_map),
            _ => not_found("configmaps", name),
        }
    }
}

fn object(code: u16, object: &Value) -> Response<Body> {
    upstream::json(code, object.to_string())
}

fn not_found(kind: &str, name: &str) -> Response<Body> {
    let message = format!("{kind} \"{name}\" not found");
    object(
        404,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": "NotFound", "details": {"name": name, "kind": kind}, "code": 404,
        }),
    )
}

/// A token is good if it is the name of somebody.
fn whose_token(request: &Received) -> Response<Body> {
    let mut review: Value = serde_json::from_slice(&request.body).unwrap();
    let token = review["spec"]["token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    review["status"] = match token.as_str() {
        "admin" | "jane" => {
            json!({"authenticated": true, "user": {"username": token, "groups": ["system:authenticated"]}})
        }
        _ => json!({"authenticated": false}),
    };
    object(201, &review)
}

fn resources() -> Value {
    let verbs = [
        "create", "delete", "get", "list", "patch", "update", "watch",
    ];
    let resource = |name: &str, singular: &str, kind: &str| json!({"name": name, "singularName": singular, "namespaced": true, "kind": kind, "verbs": verbs});
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1",
        "resources": [resource("configmaps", "configmap", "ConfigMap"), resource("pods", "pod", "Pod")],
    })
}

fn pod(name: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "dev", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "c", "image": "web"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]},
    })
}

fn config_map(name: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "dev"}})
}

/// Two pods appear, then the server has enough.
fn watch() -> Response<Body> {
    let event = |name: &str| format!("{}\n", json!({"type": "ADDED", "object": pod(name)}));
    slowly("application/json", vec![event("db"), event("cache")])
}

fn log() -> Response<Body> {
    slowly(
        "text/plain",
        vec!["started\n".to_owned(), "ready\n".to_owned()],
    )
}

fn slowly(content_type: &str, pieces: Vec<String>) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for piece in pieces {
            let _ = sender.send(Ok(Bytes::from(piece))).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    upstream::streamed(content_type, receiver)
}

/// Runs `cat`: what comes in goes out again.
fn exec(request: &Received, upgrade: OnUpgrade) -> Response<Body> {
    match request.header("upgrade") {
        "websocket" => websocket::cat(request, upgrade),
        _ => spdy::cat(upgrade),
    }
}
