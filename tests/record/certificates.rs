//! TLS, and clients that are known by their certificates.

use crate::authority::Authority;
use crate::daemon::Daemon;
use crate::gate::{Client, Place};

fn secured(authority: &Authority, flags: &[&str]) -> Place {
    let place = Place::new_tls().with_log().with(flags).with(&[
        "--tls-cert-file={}/tls.crt",
        "--tls-private-key-file={}/tls.key",
    ]);
    let pair = authority.server();
    place.write("tls.crt", &pair.certificate);
    place.write("tls.key", &pair.key);
    place.write("clients.crt", &authority.pem());
    place.with(&["--bind-address=127.0.0.1"])
}

fn address(daemon: &Daemon) -> std::net::SocketAddr {
    daemon.address("auditing gateway on https://")
}

#[test]
fn a_client_certificate_says_who_asks() {
    let authority = Authority::new();
    let flags = ["--client-ca-file={}/clients.crt", "--identity=impersonate"];
    let place = secured(&authority, &flags);
    let daemon = place.start();
    let pair = authority.client("ada");
    let mut client = Client::over(authority.connect(address(&daemon), Some(&pair)));
    assert_eq!(client.ask("", "GET", "/api/v1/pods", "").status, 200);
    let asked = &place.upstream.asked()[0];
    assert_eq!(asked.header("impersonate-user"), "ada");
    assert_eq!(asked.header("authorization"), "Bearer gateway");
    assert_eq!(place.events(1)[0]["user"]["username"], "ada");
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let flags = ["--client-ca-file={}/clients.crt", "--identity=impersonate"];
    let place = secured(&authority, &flags);
    let daemon = place.start();
    let pair = other.client("ada");
    let mut client = Client::over(authority.connect(address(&daemon), Some(&pair)));
    assert_eq!(client.ask("", "GET", "/api/v1/pods", "").status, 401);
    assert!(place.upstream.asked().is_empty());
}

#[test]
fn a_new_certificate_is_in_use_after_a_reload() {
    let (old, new) = (Authority::new(), Authority::new());
    let place = secured(&old, &[]);
    let mut daemon = place.start();
    place.write("tls.crt", "no certificate");
    daemon.signal("HUP");
    daemon.counts("kubevigil_gateway_reload_failures_total", 1);
    let mut client = Client::over(old.connect(address(&daemon), None));
    assert_eq!(client.ask("jane", "GET", "/api/v1/pods", "").status, 200);
    let pair = new.server();
    place.write("tls.crt", &pair.certificate);
    place.write("tls.key", &pair.key);
    daemon.signal("HUP");
    daemon.counts("kubevigil_gateway_reloads_total", 1);
    let mut client = Client::over(new.connect(address(&daemon), None));
    assert_eq!(client.ask("jane", "GET", "/api/v1/pods", "").status, 200);
}
