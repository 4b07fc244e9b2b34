//! SIGHUP: what changed is taken over, what is broken is not.

use std::fs;

use crate::authority::Authority;
use crate::daemon::{MARKED, Setup};
use crate::events::{event, list};

const BY_EVE: &str = "
- rule: Request by Eve
  desc: A request by a certain user.
  condition: ka.user.name = eve
  output: Eve was here (verb=%ka.verb)
  priority: WARNING
  source: k8s_audit
";

fn from_eve(id: &str) -> String {
    list(&[crate::events::event_by(id, "eve")])
}

#[test]
fn new_rules_are_in_force_after_a_reload() {
    let mut setup = Setup::new();
    let mut daemon = setup.start();
    daemon.sender().deliver(&from_eve("before"));
    setup.alerts().wait_for(1);
    setup.write("rules.yaml", &format!("{MARKED}{BY_EVE}"));
    daemon.signal("HUP");
    daemon.says("rules reloaded");
    daemon.sender().deliver(&from_eve("after"));
    let alerts = setup.alerts().wait_for(3);
    assert_eq!(alerts[2]["output"], "Eve was here (verb=marked)");
    assert_eq!(daemon.metric("kubevigil_rule_reloads_total"), Some(1));
    assert_eq!(
        daemon.metric("kubevigil_rule_matches_total{rule=\"Marked request\"}"),
        Some(2),
        "counters never go back"
    );
    assert_eq!(
        daemon.metric("kubevigil_rule_matches_total{rule=\"Request by Eve\"}"),
        Some(1)
    );
}

#[test]
fn a_broken_rule_file_leaves_the_old_rules_in_force_and_says_so() {
    let mut setup = Setup::new();
    let mut daemon = setup.start();
    for (number, broken) in ["- rule: Half a rule\n  condition: ka.verb = get and\n", "\t: [", "- rule: x\n  condition: ka.no_such = 1\n  desc: d\n  output: o\n  priority: DEBUG\n  source: k8s_audit\n"].iter().enumerate() {
        setup.write("rules.yaml", broken);
        daemon.signal("HUP");
        daemon.counts("kubevigil_rule_reload_failures_total", number as u64 + 1);
        daemon.sender().deliver(&list(&[event(&number.to_string())]));
        setup.alerts().wait_for(number + 1);
    }
    let log = daemon.log();
    assert!(
        log.contains("the new rules were not loaded; the old ones stay in force"),
        "{log}"
    );
    assert!(log.contains("rules.yaml"), "the file is named: {log}");
    assert!(log.contains("ka.no_such"), "the mistake is shown: {log}");
    fs::remove_file(setup.path("rules.yaml")).unwrap();
    daemon.signal("HUP");
    daemon.counts("kubevigil_rule_reload_failures_total", 4);
    daemon.terminate();
}

#[test]
fn a_renamed_alert_file_is_left_for_a_new_one() {
    let mut setup = Setup::new();
    let mut daemon = setup.start();
    daemon.sender().deliver(&list(&[event("old")]));
    setup.alerts().wait_for(1);
    fs::rename(setup.path("alerts.jsonl"), setup.path("alerts.1")).unwrap();
    daemon.signal("HUP");
    daemon.says("reopen their files");
    // Until the output has obeyed, an alert still goes to the old file, as with any log that is rotated so.
    std::thread::sleep(std::time::Duration::from_millis(300));
    daemon.sender().deliver(&list(&[event("new")]));
    setup.alerts().wait_for(1);
    assert_eq!(setup.alerts().ids(), ["new"]);
    assert_eq!(
        crate::alerts::AlertFile::new(setup.path("alerts.1")).ids(),
        ["old"]
    );
}

#[test]
fn certificates_are_replaced_and_broken_ones_are_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut setup = Setup::new();
    old.server().write(&setup, "server");
    setup.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0', tls: {{certificate: {}, key: {}}}}}}}",
        setup.path("server.crt").display(),
        setup.path("server.key").display()
    );
    let mut daemon = setup.start();
    old.sender(&daemon, None).deliver(&list(&[event("a")]));
    setup.write("server.crt", "no certificate");
    daemon.signal("HUP");
    daemon.counts("kubevigil_webhook_reload_failures_total", 1);
    old.sender(&daemon, None).deliver(&list(&[event("b")]));
    new.server().write(&setup, "server");
    daemon.signal("HUP");
    daemon.counts("kubevigil_webhook_reloads_total", 1);
    new.sender(&daemon, None).deliver(&list(&[event("c")]));
    setup.alerts().wait_for(3);
}
