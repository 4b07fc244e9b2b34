//! The callers of a genuine kube-apiserver's events, found out again.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use kubevigil_gateway::Peer;
use kubevigil_gateway::identity::{
    FrontProxyConfig, IdentityConfig, IdentityMode, KeySource, TokenReviewConfig,
};
use serde_json::json;

use crate::authority::{Authority, stranger};
use crate::issuer::{Signer, bearer, ci_bot};
use crate::request::{Event, asking, judge, written};
use crate::tokens::cluster;
use crate::upstream::Upstream;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/recorded/policies/p00-all/audit.jsonl"
);

/// Every recorded user, once, but those whose names the cluster made up.
fn recorded() -> Option<Vec<String>> {
    if !Path::new(RECORDED).exists() {
        eprintln!("skipped: the recorded events are not there");
        return None;
    }
    let lines = std::fs::read_to_string(RECORDED).unwrap();
    let events = lines
        .lines()
        .map(|line| serde_json::from_str::<Event<'_>>(line).unwrap());
    let events = events.filter(|event| event.id.starts_with("rq-"));
    let mut users: Vec<String> = events.map(|event| event.user.get().to_owned()).collect();
    users.sort();
    users.dedup();
    Some(users)
}

/// The user with the credential of `peer` in place of the recorded certificate's, whose key nobody has.
fn as_recorded(user: &str, peer: &Peer) -> String {
    let Some(certificate) = peer.certificates.first() else {
        return user.to_owned();
    };
    let hash = digest(&SHA256, certificate);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (before, behind) = user.split_once(&hash).unwrap_or_else(|| panic!("{user}"));
    format!("{before}HASH{behind}")
}

fn without_hash(user: &str) -> String {
    match user.split_once("X509SHA256=") {
        Some((before, behind)) => format!("{before}X509SHA256=HASH{}", &behind[64..]),
        None => user.to_owned(),
    }
}

#[tokio::test]
async fn recorded_callers_are_written_as_the_server_wrote_them() {
    let Some(recorded) = recorded() else { return };
    let (clients, proxies, signer) = (Authority::new(), Authority::new(), Signer::rsa());
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::answering(|_, review| {
        let user = json!({"username": "jane", "uid": "jane-uid", "groups": ["developers"]});
        let is_jane = review["spec"]["token"] == "jane-token";
        (
            201,
            json!({"status": {"authenticated": is_jane, "user": user}}),
        )
    })
    .await;
    let config = IdentityConfig {
        mode: IdentityMode::Impersonate,
        client_ca: Some(clients.file()),
        front_proxy: Some(FrontProxyConfig::new(proxies.file())),
        token_review: Some(TokenReviewConfig::default()),
        ..cluster(KeySource::Files(vec![signer.file(folder.path())]))
    };
    let authenticator = asking(&config, &upstream.reviewer());
    let (name, ci_bot) = bearer(&signer.sign(&ci_bot(&json!({}))));
    let certificate = |name: &str, groups: &[&str]| (clients.client(name, groups), vec![]);
    let callers: Vec<(Peer, Vec<(&str, &str)>)> = vec![
        certificate("kubernetes-admin", &["system:masters"]),
        certificate("jane", &["developers"]),
        certificate("mallory", &["contractors"]),
        certificate("system:node:worker-1", &["system:nodes"]),
        certificate("system:kube-proxy", &[]),
        (stranger(), vec![(name, &ci_bot)]),
        (stranger(), vec![(name, "Bearer jane-token")]),
        (stranger(), vec![]),
        (
            proxies.client("front-proxy-client", &[]),
            vec![
                ("X-Remote-User", "fp-user"),
                ("X-Remote-Group", "system:masters"),
            ],
        ),
        (stranger(), vec![(name, "Bearer nonsense")]),
    ];
    let mut found = Vec::new();
    for (peer, headers) in callers {
        let user = judge(&authenticator, &headers, &peer)
            .await
            .map(|identity| written(identity.user));
        let user = user.unwrap_or_else(|_| "{}".to_owned());
        let has_hash = user.contains("X509SHA256=");
        found.push(if has_hash {
            as_recorded(&user, &peer)
        } else {
            user
        });
    }
    found.sort();
    let mut expected: Vec<String> = recorded.iter().map(|user| without_hash(user)).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(found, expected);
}
