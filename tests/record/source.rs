//! The gateway as a source of the daemon.

use std::fs;

use crate::backends::READS_BY_JANE;
use crate::daemon::Setup;
use crate::gate::{Client, POLICY, events, kubeconfig};
use crate::upstream::Upstream;

/// A daemon whose only source is a gateway, with more keys for `record` and for its gateway.
pub(crate) fn setup(upstream: &Upstream, record: &str) -> Setup {
    let mut setup = Setup::new().with_rules("rules.yaml", READS_BY_JANE);
    setup.write("policy.yaml", POLICY);
    setup.write(
        "upstream.yaml",
        &kubeconfig(&format!("http://{}", upstream.address)),
    );
    setup.sources = format!(
        "{{webhook: null, record: {{policy: {}, {record} gateway: {{listen: '127.0.0.1:0', upstream: {{kubeconfig: {}}}, identity: {{token_review: {{}}}}}}}}}}",
        setup.path("policy.yaml").display(),
        setup.path("upstream.yaml").display()
    );
    setup
}

#[test]
fn an_attack_through_the_gateway_raises_an_alert() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "");
    let daemon = setup.start();
    let mut client = Client::connect(&daemon);
    client.ask("admin", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    client.ask("jane", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    let alert = &setup.alerts().wait_for(1)[0];
    assert_eq!(alert["output"], "jane read db");
    assert_eq!(alert["event"]["stage"], "ResponseComplete");
    assert_eq!(
        daemon.metric("kubevigil_source_events_total{source=\"record\"}"),
        Some(2)
    );
    assert_eq!(daemon.metric("kubevigil_gateway_requests_total"), Some(2));
    assert_eq!(daemon.metric("apiserver_audit_event_total"), Some(2));
    assert_eq!(daemon.get("/readyz").status, 200);
    let log = daemon.terminate();
    assert!(
        log.contains("auditing gateway on http://127.0.0.1:"),
        "{log}"
    );
}

#[test]
fn another_api_server_can_be_asked_about_tokens() {
    let (upstream, reviewing) = (Upstream::start(), Upstream::start());
    let mut setup = setup(&upstream, "");
    let server = format!("http://{}", reviewing.address);
    setup.write("reviewing.yaml", &kubeconfig(&server));
    let asked = format!(
        "token_review: {{}}, authentication_kubeconfig: {}",
        setup.path("reviewing.yaml").display()
    );
    setup.sources = setup.sources.replace("token_review: {}", &asked);
    let daemon = setup.start();
    let path = "/api/v1/namespaces/dev/secrets/db";
    let answer = Client::connect(&daemon).ask("jane", "GET", path, "");
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.targets(), [path]);
    let reviews = ["/apis/authentication.k8s.io/v1/tokenreviews"];
    assert_eq!(reviewing.targets(), reviews);
    let log = daemon.terminate();
    assert!(
        log.contains("questions about tokens go to the API server of"),
        "{log}"
    );
}

#[test]
fn a_policy_that_leaves_a_rule_without_events_is_said_after_the_start() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "");
    let policy = POLICY.replace("RequestReceived", "ResponseComplete");
    setup.write("policy.yaml", &policy);
    let rule = "title: Secret read\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  \
                read: {objectRef.resource: secrets, stage: ResponseComplete}\n  condition: read\n";
    setup.write("rules.yaml", rule);
    let mut daemon = setup.start();
    daemon.says("1 of 1 rules can never fire on what the gateway records; the policy omits ResponseComplete");
}

#[test]
fn what_was_answered_is_looked_at_after_a_kill() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "");
    let daemon = setup.start();
    let mut client = Client::connect(&daemon);
    let answer = client.ask("jane", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    assert_eq!(answer.status, 200);
    daemon.kill();
    let _daemon = setup.start();
    setup.alerts().wait_for(1);
}

#[test]
fn all_that_was_answered_is_detected_before_the_end() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "");
    let daemon = setup.start();
    let mut client = Client::connect(&daemon);
    for number in 0..200 {
        let target = format!("/api/v1/namespaces/dev/secrets/db?number={number}");
        assert_eq!(client.ask("jane", "GET", &target, "").status, 200);
    }
    daemon.terminate();
    assert_eq!(setup.alerts().ids().len(), 200);
}

#[test]
fn a_log_beside_the_journal_gets_the_same_events() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "log: {path: LOG},");
    let path = setup.path("audit.log");
    setup.sources = setup.sources.replace("LOG", path.to_str().unwrap());
    let daemon = setup.start();
    Client::connect(&daemon).ask("jane", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    setup.alerts().wait_for(1);
    let log = events(&fs::read_to_string(path).unwrap());
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["user"]["username"], "jane");
}

#[test]
fn a_reload_takes_over_a_new_policy() {
    let upstream = Upstream::start();
    let mut setup = setup(&upstream, "");
    let mut daemon = setup.start();
    setup.write(
        "policy.yaml",
        &POLICY.replace("RequestResponse", "Metadata"),
    );
    daemon.signal("HUP");
    daemon.counts("kubevigil_record_policy_reloads_total", 1);
    daemon.says("rules reloaded");
    assert_eq!(
        daemon.metric("kubevigil_source_events_total{source=\"record\"}"),
        Some(1),
        "the change itself"
    );
}

#[test]
fn a_gateway_that_cannot_start_is_an_error_of_its_source() {
    let upstream = Upstream::start();
    let setup = setup(&upstream, "");
    fs::remove_file(setup.path("policy.yaml")).unwrap();
    let (code, log) = setup.fails();
    assert_eq!(code, Some(2));
    assert!(
        log.contains("sources.record") && log.contains("policy.yaml"),
        "{log}"
    );
}
