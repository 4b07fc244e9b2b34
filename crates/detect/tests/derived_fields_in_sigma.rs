//! Sigma's modifiers on derived fields.

#[path = "../../rules/tests/reference/mod.rs"]
mod reference;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::EventContext;
use kubevigil_rules::sigma::{Loaded, Loader, Options};

const EVENT: &str = r#"{"stage":"ResponseStarted","verb":"get","userAgent":"kubectl/v1.31.0",
    "requestURI":"/api/v1/namespaces/dev/pods/web/exec?command=cat&command=%2Fetc%2Fpasswd",
    "user":{"username":"alice","groups":["dev","Ops"]},"sourceIPs":["127.0.0.1","10.0.3.77"],"agent":"KUBECTL",
    "objectRef":{"resource":"pods","subresource":"exec","namespace":"dev","name":"web"},"responseStatus":{"code":101}}"#;

/// Items of a selection and whether they hold for the event.
const ITEMS: &[(&str, bool)] = &[
    ("kv.answered: true", true),
    ("kv.answered: 'TRUE'", true),
    ("kv.answered: false", false),
    ("kv.answered: 1", false),
    ("kv.identity: Person", true),
    ("kv.identity|cased: Person", false),
    ("kv.identity: [node, person]", true),
    ("kv.identity|neq: person", false),
    ("kv.identity: '*'", true),
    ("kv.identity: 'p?rs*'", true),
    ("kv.identity: null", false),
    ("kv.node: null", true),
    ("kv.node: '*'", false),
    ("kv.node: ''", false),
    ("kv.node|neq: worker-1", true),
    ("kv.node|exists: false", true),
    ("kv.agent|exists: true", true),
    ("kv.agent|startswith: KUBE", true),
    ("kv.agent|endswith: let", false),
    ("kv.agent|contains|all: [kube, ctl]", true),
    ("kv.agent|re: ^kube(ctl|let)$", true),
    ("kv.agent|re: ^KUBE", false),
    ("kv.agent|re|i: ^KUBE", true),
    ("kv.address|cidr: 10.0.0.0/8", true),
    ("kv.address|cidr: [192.168.0.0/16, 127.0.0.0/8]", false),
    ("kv.network: 10.0.3.0/24", true),
    ("kv.execCommand: /etc/passwd", true),
    ("kv.execCommand|all: [cat, /etc/passwd]", true),
    ("kv.execCommand|startswith|all: [ca, /etc, /root]", false),
    ("kv.execCommandLine|contains: 'T /ETC'", true),
    ("kv.effectiveGroups: ops", true),
    ("kv.effectiveUser|gt: 1", false),
    ("kv.agent|fieldref: agent", true),
    ("kv.agent|fieldref|cased: agent", false),
    ("agent|fieldref: kv.agent", true),
    ("agent|fieldref|startswith: kv.agent", true),
    ("agent|fieldref|cased: kv.agent", false),
    ("kv.effectiveUser|fieldref: user.username", true),
    ("kv.execCommand|fieldref: kv.agent", false),
    ("kv.subject|fieldref|endswith: objectRef.name", true),
    ("kv.agent|base64: kubectl", false),
    ("kv.agent|windash|contains: kube", true),
];

fn load(items: &[&str]) -> Loaded {
    let mut loader = Loader::new(Options::default());
    for item in items {
        let rule = format!(
            "title: \"{}\"\nlogsource: {{product: kubernetes, service: audit}}\nsigma-version: 3\ndetection:\n  it:\n    {item}\n  condition: it\n",
            item.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', " ")
        );
        loader.load_file("rule.yml", &rule);
    }
    loader.finish()
}

#[test]
fn every_modifier_asks_derived_fields_like_any_other() {
    let items: Vec<&str> = ITEMS.iter().map(|(item, _)| *item).collect();
    let loaded = load(&items);
    assert!(loaded.successful(), "{:#?}", loaded.files);
    let matcher = Matcher::compile(&loaded.rules, RuleMatching::All).unwrap();
    let found = matcher
        .detect(
            EVENT.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap();
    let event = EventContext {
        raw: EVENT.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    };
    for (number, (item, expected)) in ITEMS.iter().enumerate() {
        let holds = found.list.iter().any(|one| one.rule_number == number);
        assert_eq!(holds, *expected, "{item}");
        let rule = &loaded.rules[number];
        assert_eq!(
            reference::holds(rule.condition().unwrap(), &event),
            *expected,
            "{item}, by the reference"
        );
    }
}

#[test]
fn names_that_no_derived_field_has_are_refused() {
    for (item, message) in [
        (
            "kv.adress: 10.0.0.1",
            "there is no derived field `kv.adress`",
        ),
        ("kv.podSpec: x", "there is no derived field `kv.podSpec`"),
        (
            "verb|fieldref: kv.verb",
            "there is no derived field `kv.verb`",
        ),
        (
            "kv.execCommand[any]:\n      '.': sh",
            "`kv.execCommand` has no elements that a block could ask",
        ),
    ] {
        let loaded = load(&[item]);
        let messages: Vec<&str> = loaded
            .refused
            .iter()
            .map(|one| one.reason.as_str())
            .collect();
        assert_eq!(messages, [message]);
    }
}
