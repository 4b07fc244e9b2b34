//! What the documentation tells people to do, done.

use std::fs;
use std::path::Path;

use crate::daemon::{Daemon, Setup};
use crate::events::{event, list};
use crate::sender::Sender;

fn guide() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kube-apiserver.md"))
        .unwrap()
}

/// The first kubeconfig in the guide: the sample of the plain webhook.
fn kubeconfig(guide: &str) -> kubevigil_yaml::Node {
    let blocks = guide
        .split("```yaml\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    let block = blocks
        .into_iter()
        .find(|block| block.contains("kind: Config\n") && block.contains("server:"))
        .unwrap();
    kubevigil_yaml::parse(block).unwrap().remove(0).root
}

fn text<'n>(node: &'n kubevigil_yaml::Node, path: &[&str]) -> &'n str {
    let step = |node: &'n kubevigil_yaml::Node, step: &&str| match step.parse::<usize>() {
        Ok(position) => &node.items().unwrap()[position],
        Err(_) => node.get(step).unwrap(),
    };
    path.iter().fold(node, step).text().unwrap()
}

/// A daemon with nothing but the defaults; the ports alone are free ones.
fn with_defaults(setup: &mut Setup) -> Daemon {
    setup.rules = "{}".to_owned();
    setup.start()
}

#[test]
fn the_sample_kubeconfig_leads_to_the_webhook() {
    let config = kubeconfig(&guide());
    assert_eq!(
        text(&config, &["current-context"]),
        text(&config, &["contexts", "0", "name"])
    );
    assert_eq!(
        text(&config, &["contexts", "0", "context", "cluster"]),
        text(&config, &["clusters", "0", "name"])
    );
    assert_eq!(
        text(&config, &["contexts", "0", "context", "user"]),
        text(&config, &["users", "0", "name"])
    );
    let server = text(&config, &["clusters", "0", "cluster", "server"]);
    let (address, path) = server
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert_eq!(
        (address, path),
        ("127.0.0.1:8765", "k8s_audit"),
        "the default listener's address"
    );

    let mut setup = Setup::new();
    let daemon = setup.start();
    let mut sender = Sender::connect(daemon.webhook());
    let body = list(&[event("a")]);
    sender.write(&format!(
        "POST /{path}?timeout=30s HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(sender.answer().unwrap().status, 200);
    setup.alerts().wait_for(1);
}

#[test]
fn the_event_sent_by_hand_alerts() {
    let guide = guide();
    let body = guide
        .split_once("--data '")
        .unwrap()
        .1
        .split_once('\'')
        .unwrap()
        .0;
    let mut setup = Setup::new();
    let daemon = with_defaults(&mut setup);
    daemon.sender().deliver(body);
    daemon.sender().deliver(body);
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(alerts[0]["rule"], "Exec into a pod");
}
