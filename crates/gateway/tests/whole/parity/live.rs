//! The same comparison with a server that runs somewhere: its own audit log is the genuine one.
//!
//! The list goes through a gateway that asks in the names of the callers, to any kube-apiserver:
//!
//! ```text
//! KUBEVIGIL_LIVE_KUBECONFIG=admin.kubeconfig \
//! KUBEVIGIL_LIVE_AUDIT_LOG=/var/log/kubernetes/audit.log \
//!     cargo test -p kubevigil-gateway --test whole live -- --nocapture
//! ```
//!
//! The kubeconfig's user must be allowed everything. The server must log in JSON, in mode `blocking`, under a policy that records
//! everything (`rules: [{level: RequestResponse}]`). The list makes and deletes namespaces, roles and pods: use a cluster of
//! no other use. If it is older than the list, `KUBEVIGIL_LIVE_MINOR` names its minor version (`20`), and what such servers are
//! known to write otherwise is allowed for. `KUBEVIGIL_LIVE_USER` names the kubeconfig's user as the server sees it, if it is not `kubernetes-admin`.
//!
//! A kube-apiserver 1.20 can be built of Debian's source package `kubernetes` (bookworm), and runs with its package `etcd-server`.
//!
//! What the server calls the impersonated user is the caller here, and its last source address is the gateway's. The rest is held
//! to the table of exceptions, in which rows may be left over: a real server need not do all that was recorded once.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::compare::Outcome;
use super::exceptions::{Case, Mode, has_dots};
use super::identities::{self, Identities};
use super::older;
use super::recorded::{Event, Listed, Recordings};
use super::requests;
use super::script::{self, Script};
use crate::client::Client;
use crate::gateway::{Files, Running, kubeconfig};
use crate::upstream::Upstream;

/// A server that audits itself.
struct Live {
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    /// Who the gateway is to it.
    user: String,
    /// Its minor version.
    minor: u32,
}

impl Live {
    fn from_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("KUBEVIGIL_LIVE_{name}")).ok();
        Some(Self {
            kubeconfig: variable("KUBECONFIG")?.into(),
            audit_log: variable("AUDIT_LOG")?.into(),
            user: variable("USER").unwrap_or_else(|| "kubernetes-admin".to_owned()),
            minor: variable("MINOR").map_or(older::LISTED, |minor| minor.parse().unwrap()),
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_server_records_the_same() {
    let (Some(live), Some(recordings)) = (Live::from_environment(), Recordings::read()) else {
        eprintln!("skipped: KUBEVIGIL_LIVE_KUBECONFIG and KUBEVIGIL_LIVE_AUDIT_LOG name no server");
        return;
    };
    let outcome = compared(&live, &recordings, &Identities::new()).await;
    eprint!("live: {outcome}");
    assert!(
        outcome.different.is_empty(),
        "{}",
        outcome.different.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_with_a_live_server_works_with_a_recorded_one() {
    let Some(recordings) = Recordings::read() else {
        return;
    };
    let (identities, files) = (Identities::new(), Files::new());
    let (requests, everything) = (&recordings.requests, &recordings.everything);
    let script = Script::new(requests, everything, everything, HashMap::new());
    let certificate = identities.servers.server();
    let answers = script::answers(script);
    let upstream = Upstream::start(Some(certificate.server_config()), answers).await;
    let ca = files.write("servers.crt", &identities.servers.pem());
    let access = kubeconfig(&format!("https://{}", upstream.address), &ca, "gateway");
    let live = Live {
        kubeconfig: files.write("live.kubeconfig", &access),
        audit_log: files.write("audit.log", ""),
        user: "gateway".to_owned(),
        minor: older::LISTED,
    };
    let lines = everything
        .events
        .iter()
        .map(|event| behind_the_gateway(event, requests, &identities));
    let log = lines.collect::<Vec<_>>().join("\n");
    let outcome = compared_with(&live, &recordings, &identities, || {
        files.write("audit.log", &log);
    });
    let outcome = outcome.await;
    assert!(
        outcome.different.is_empty(),
        "{}",
        outcome.different.join("\n")
    );
    assert!(outcome.events > 1_000, "{outcome}");
}

async fn compared(live: &Live, recordings: &Recordings, identities: &Identities) -> Outcome {
    compared_with(live, recordings, identities, || {}).await
}

/// Sends the list, waits for the server's log, which `and_then` may write, and compares.
async fn compared_with(
    live: &Live,
    recordings: &Recordings,
    identities: &Identities,
    and_then: impl FnOnce(),
) -> Outcome {
    let skipped = fs::metadata(&live.audit_log).map_or(0, |log| log.len()) as usize;
    let (files, everything) = (Files::new(), &recordings.everything);
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let mut config = super::config(&files, identities, nowhere, Mode::Impersonate);
    config.upstream.kubeconfig = Some(live.kubeconfig.clone());
    let gateway = Running::start(config, &everything.policy).await;
    let mut clients = HashMap::new();
    let sent = sent(&recordings.requests);
    for listed in &sent {
        let client = clients.entry(listed.identity.as_str()).or_insert_with(|| {
            let tls = identities.tls(&listed.identity, Mode::Impersonate);
            Client::new(gateway.address, Some(tls))
        });
        let request = requests::request(listed, everything, everything);
        client.send(request).await;
    }
    let lines = gateway.finish().await;
    // The last events of the server come behind its last answer.
    tokio::time::sleep(Duration::from_secs(1)).await;
    and_then();
    let log = fs::read(&live.audit_log).unwrap();
    let log = String::from_utf8_lossy(&log[skipped..]).into_owned();
    let ours: Vec<Event> = lines.iter().map(|line| Event::read(line)).collect();
    let genuine: Vec<Event> = log.lines().map(Event::read).collect();
    put_beside(&sent, &genuine, &ours, live)
}

/// The requests that a gateway can send on as they are: by certificate, and of anonymous callers, but not those that the gateway
/// refuses itself, nor those by which a caller is somebody else, which are two impersonations to the server.
fn sent(requests: &[Listed]) -> Vec<&Listed> {
    let is_sent = |listed: &&Listed| {
        let by_token = identities::token(&listed.identity, Mode::Impersonate).is_some();
        let refused = listed.label == "bad timeout"
            || listed.label.starts_with("impersonate ")
            || has_dots(listed);
        !by_token && !refused
    };
    requests.iter().filter(is_sent).collect()
}

fn put_beside(sent: &[&Listed], genuine: &[Event], ours: &[Event], live: &Live) -> Outcome {
    let mut outcome = Outcome::default();
    for listed in sent {
        let ours: Vec<&Event> = ours.iter().filter(|event| listed.is_of(event)).collect();
        let genuine = genuine.iter().filter(|event| listed.is_of(event));
        let mut genuine: Vec<Event> = genuine.cloned().collect();
        for (event, ours) in genuine.iter_mut().zip(&ours) {
            without_the_gateway(event, ours, live);
            older::renew(event, ours, live.minor);
            if listed.label == "yaml" {
                as_in_yaml(event, ours);
            }
        }
        let case = Case {
            listed,
            mode: Mode::Impersonate,
            credential: None,
        };
        outcome.compare(&case, &genuine.iter().collect::<Vec<_>>(), &ours);
    }
    outcome
}

/// An answer in YAML has its members sorted, and is recorded so; the server records it in the order of its JSON.
fn as_in_yaml(event: &mut Event, ours: &Event) {
    if let (Some(object), true) = (
        ours.raw("responseObject"),
        event.get("responseObject") == ours.get("responseObject"),
    ) {
        event.set("responseObject", object.to_owned());
    }
}

/// Makes of the server's event what it would be without the gateway between.
fn without_the_gateway(event: &mut Event, ours: &Event, live: &Live) {
    if event.get("user")["username"] == live.user.as_str() {
        // A request that comes in is not impersonated yet: its first stage names the gateway only.
        let caller = event.raw("impersonatedUser").or(ours.raw("user"));
        let caller = caller.unwrap_or("{}").to_owned();
        event.set("user", caller);
        event.remove("impersonatedUser");
        event.remove("authenticationMetadata");
    }
    let (addresses, without) = (event.get("sourceIPs"), ours.get("sourceIPs"));
    let addresses = addresses.as_array().map(Vec::as_slice).unwrap_or_default();
    if let [callers @ .., _] = addresses
        && without.as_array().is_some_and(|without| without == callers)
    {
        event.set("sourceIPs", without.to_string());
    }
}

/// A recorded event as the server would have written it with a gateway in front.
fn behind_the_gateway(event: &Event, requests: &[Listed], identities: &Identities) -> String {
    let mut event = event.clone();
    let mut user = event.get("user");
    let listed = requests.iter().find(|listed| listed.is_of(&event));
    let own = listed.and_then(|listed| identities.credential(&listed.identity));
    let slot = user.pointer_mut("/extra/authentication.kubernetes.io~1credential-id/0");
    if let (Some(slot), Some(own)) = (slot, own) {
        *slot = own.into();
    }
    event.set("user", r#"{"username":"gateway"}"#.to_owned());
    if event.text("stage") != "RequestReceived" {
        event
            .members
            .insert(8, ("impersonatedUser".to_owned(), user.to_string()));
    }
    let mut addresses = event.get("sourceIPs");
    if let Some(addresses) = addresses.as_array_mut() {
        addresses.push("10.0.0.7".into());
    }
    event.set("sourceIPs", addresses.to_string());
    event.line()
}
