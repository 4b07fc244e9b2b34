//! Rules of Sigma's with mistakes, and rules that a profile leaves out, in the daemon.

use crate::daemon::Setup;
use crate::events::{event, list};

const GOOD: &str = "
title: A marked request
name: good
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection}
level: low
";

const BROKEN: &str = "
title: Half a rule
name: broken
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection and}
level: low
";

const NOISY: &str = "
title: A noisy rule
name: noisy
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection}
level: low
tags: [kubevigil.paranoid]
";

fn rules(setup: &Setup, count: usize) -> Vec<String> {
    let alerts = setup.alerts().wait_for(count);
    let rules = alerts.iter().map(|alert| alert["rule"].as_str().unwrap());
    rules.map(str::to_owned).collect()
}

#[test]
fn a_broken_rule_is_refused_alone_and_seen() {
    let mut setup = Setup::new().with_rules("rules.yml", &format!("{BROKEN}---{GOOD}"));
    let mut daemon = setup.start();
    daemon.sender().deliver(&list(&[event("a")]));
    assert_eq!(rules(&setup, 1), ["A marked request"]);
    assert_eq!(daemon.metric("kubevigil_rules"), Some(1));
    assert_eq!(daemon.metric("kubevigil_rules_refused"), Some(1));
    let log = daemon.log();
    for said in [
        "Half a rule",
        "rules.yml",
        "is running: 1 rule",
        "1 refused",
    ] {
        assert!(log.contains(said), "expected `{said}` in:\n{log}");
    }
    setup.write("rules.yml", GOOD);
    daemon.signal("HUP");
    daemon.counts("kubevigil_rules_refused", 0);
    setup.write("rules.yml", BROKEN);
    daemon.signal("HUP");
    daemon.counts("kubevigil_rules_refused", 1);
    assert_eq!(daemon.metric("kubevigil_rules"), Some(0));
}

#[test]
fn the_profile_of_the_configuration_decides_which_rules_alert() {
    for (profile, expected) in [
        ("standard", vec!["A marked request"]),
        ("paranoid", vec!["A marked request", "A noisy rule"]),
    ] {
        let mut setup = Setup::new();
        let file = setup.write("rules.yml", &format!("{GOOD}---{NOISY}"));
        setup.rules = format!(
            "{{default_rules: false, profile: {profile}, files: [{}]}}",
            file.display()
        );
        let daemon = setup.start();
        daemon.sender().deliver(&list(&[event("a")]));
        assert_eq!(rules(&setup, expected.len()), expected, "{profile}");
        drop(daemon);
    }
}
