//! The gateway records what a genuine server records.
//!
//! A list of requests was sent to kube-apiserver 1.36.2 under six policies. The same requests go through the gateway here, under
//! the same policies, to an upstream that answers as that server did. Every member of every event must be the server's byte for
//! byte, but for what [`exceptions`] lists.
//!
//! Each policy is tried in both ways in which the gateway tells the upstream who asks. A certificate cannot be passed through: there
//! everybody has a token, and the requests of the proxy in front are left out.

mod compare;
mod exceptions;
mod identities;
mod live;
mod older;
mod recorded;
mod requests;
mod script;

use std::collections::HashMap;
use std::net::SocketAddr;

use http::{HeaderValue, header};
use kubevigil_gateway::identity::{FrontProxyConfig, IdentityMode, TokenReviewConfig};

use self::compare::{Outcome, unneeded};
use self::exceptions::{Case, EXCEPTIONS, Mode, PAGE};
use self::identities::Identities;
use self::recorded::{Event, Listed, Recording, Recordings};
use self::script::Script;
use crate::client::Client;
use crate::gateway::{Files, Running};
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_records_what_the_server_recorded() {
    let Some(recordings) = Recordings::read() else {
        return;
    };
    let identities = Identities::new();
    let mut all = Outcome::default();
    for recording in &recordings.all {
        for mode in [Mode::Passthrough, Mode::Impersonate] {
            let outcome = replay(&recordings, recording, &identities, mode).await;
            eprint!("{}, {mode:?}: {outcome}", recording.name);
            all.add(outcome);
        }
    }
    eprint!("all policies: {all}");
    let different = all.different.len();
    all.different.truncate(40);
    assert!(different == 0, "{different}:\n{}", all.different.join("\n"));
    assert!(
        all.events > 8_000,
        "only {} events were compared",
        all.events
    );
    let unneeded = unneeded(&all);
    assert!(unneeded.is_empty(), "rows that nothing needs: {unneeded:?}");
}

#[test]
fn every_difference_is_told_to_users() {
    let page = PAGE.lines().map(|line| line.trim_start_matches("//!"));
    let page: Vec<&str> = page.flat_map(str::split_whitespace).collect();
    let page = page.join(" ");
    for row in EXCEPTIONS {
        assert!(page.contains(row.said), "{}: `{}`", row.name, row.said);
    }
}

/// Sends the list under one policy, and compares.
async fn replay(
    recordings: &Recordings,
    here: &Recording,
    identities: &Identities,
    mode: Mode,
) -> Outcome {
    let (requests, everything) = (&recordings.requests, &recordings.everything);
    let tokens = identities::tokens(requests, everything, here);
    let script = Script::new(requests, everything, here, tokens);
    let certificate = identities.servers.server();
    let upstream =
        Upstream::start(Some(certificate.server_config()), script::answers(script)).await;
    let files = Files::new();
    let config = config(&files, identities, upstream.address, mode);
    let gateway = Running::start(config, &here.policy).await;
    let mut clients = HashMap::new();
    let sent: Vec<&Listed> = requests
        .iter()
        .filter(|listed| is_sent(listed, mode))
        .collect();
    for listed in &sent {
        let client = clients.entry(listed.identity.as_str()).or_insert_with(|| {
            Client::new(
                gateway.address,
                Some(identities.tls(&listed.identity, mode)),
            )
        });
        send(client, listed, everything, here, mode).await;
    }
    let lines = gateway.finish().await;
    let ours: Vec<Event> = lines.iter().map(|line| Event::read(line)).collect();
    compared(&sent, here, &ours, identities, mode)
}

fn is_sent(listed: &Listed, mode: Mode) -> bool {
    mode == Mode::Impersonate || listed.identity != "front-proxy-client"
}

fn config(
    files: &Files,
    identities: &Identities,
    upstream: SocketAddr,
    mode: Mode,
) -> kubevigil_gateway::GatewayConfig {
    let mut config = files.config(&identities.servers, upstream);
    config.identity.token_review = Some(TokenReviewConfig {
        most_a_second: 1_000,
        ..TokenReviewConfig::default()
    });
    if mode == Mode::Impersonate {
        config.identity.mode = IdentityMode::Impersonate;
        let callers = files.write("callers.crt", &identities.callers.pem());
        let front = files.write("front.crt", &identities.front.pem());
        config.identity.client_ca = Some(callers);
        config.identity.front_proxy = Some(FrontProxyConfig::new(front));
    }
    config
}

async fn send(
    client: &mut Client,
    listed: &Listed,
    everything: &Recording,
    here: &Recording,
    mode: Mode,
) {
    let mut request = requests::request(listed, everything, here);
    if let Some(token) = identities::token(&listed.identity, mode) {
        let token = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, token);
    }
    let answer = client.send(request).await;
    let expected = match exceptions::has_dots(listed) {
        true => 400,
        false => listed.status,
    };
    let id = listed.audit_id.as_deref().unwrap_or("no id");
    assert!(answer.is_whole, "{id}");
    assert_eq!(answer.code, expected, "{id} {mode:?}: {}", answer.text());
    let own = answer
        .headers
        .get("audit-id")
        .map(|id| id.to_str().unwrap_or_default());
    assert!(
        own.is_some_and(|own| own == id || id == "no id"),
        "{id}: {own:?}"
    );
}

fn compared(
    sent: &[&Listed],
    here: &Recording,
    ours: &[Event],
    identities: &Identities,
    mode: Mode,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut used = 0;
    for listed in sent {
        let credential = identities.credential(&listed.identity);
        let case = Case {
            listed,
            mode,
            credential: credential.as_deref().filter(|_| mode == Mode::Impersonate),
        };
        let ours: Vec<&Event> = ours.iter().filter(|event| listed.is_of(event)).collect();
        used += ours.len();
        outcome.compare(&case, &here.of(listed), &ours);
    }
    if used != ours.len() {
        outcome.different.push(format!(
            "{} events are of no request of the list",
            ours.len() - used
        ));
    }
    outcome
}
