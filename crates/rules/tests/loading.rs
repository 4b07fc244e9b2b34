//! How files change what earlier files defined, and how much they may ask for.

use kubevigil_rules::falco::{Loader, Options};

const OLD_LIST_OPERATOR: &str = "- rule: wildcard\n  desc: d\n  condition: ka.req.role.rules.resources contains '*'\n  \
                                 output: o\n  priority: NOTICE\n  source: k8s_audit\n";

#[test]
fn files_of_old_engines_load_with_a_warning_when_that_is_asked_for() {
    let mut loader = Loader::new(Options {
        tolerant_lists: true,
        ..Options::default()
    });
    loader.load_file("old.yaml", OLD_LIST_OPERATOR);
    let loaded = loader.finish();
    assert!(loaded.successful());
    assert_eq!(loaded.files[0].warnings().count(), 1);
    assert_eq!(loaded.rules.len(), 1);
}

#[test]
fn files_of_old_engines_fail_as_in_falco_by_default() {
    let mut loader = Loader::new(Options::default());
    loader.load_file("old.yaml", OLD_LIST_OPERATOR);
    let loaded = loader.finish();
    let codes: Vec<_> = loaded.files[0].errors().map(|error| error.code).collect();
    assert_eq!(codes, ["LOAD_ERR_COMPILE_CONDITION"]);
}

#[test]
fn a_rule_follows_the_lists_and_macros_that_later_files_change() {
    let rule = "- list: l\n  items: [get]\n- macro: m\n  condition: ka.verb in (l)\n- rule: r\n  desc: d\n  \
                condition: m and ka.target.name = later\n  output: o\n  priority: NOTICE\n  source: k8s_audit\n";
    let mut loader = Loader::new(Options::default());
    loader.load_file("a.yaml", rule);
    loader.load_file("nothing.yaml", "- macro: other\n  condition: m\n");
    loader.load_file("list.yaml", "- list: l\n  items: [list]\n");
    loader.load_file(
        "macro.yaml",
        "- macro: m\n  condition: not ka.verb in (l)\n",
    );
    loader.load_file("new.yaml", "- list: later\n  items: [sooner]\n");
    let loaded = loader.finish();
    let text = loaded.rules[0].condition_text.as_ref();
    assert_eq!(text, "(not ka.verb in (list) and ka.target.name = sooner)");
    assert!(loaded.lists.iter().all(|list| list.used));
    assert!(loaded.macros[0].used && !loaded.macros[1].used);
}

#[test]
fn a_rule_that_is_taken_from_the_cache_still_uses_its_lists_and_macros() {
    let rule = "- list: l\n  items: [get]\n- macro: m\n  condition: ka.verb = get\n- rule: r\n  desc: d\n  \
                condition: m and ka.verb in (l)\n  output: o\n  priority: NOTICE\n  source: k8s_audit\n";
    let mut loader = Loader::new(Options::default());
    loader.load_file("a.yaml", rule);
    loader.load_file(
        "b.yaml",
        "- rule: r\n  enabled: false\n  override: {enabled: replace}\n",
    );
    loader.load_file("c.yaml", "- macro: m2\n  condition: m\n");
    let loaded = loader.finish();
    assert!(!loaded.rules[0].enabled);
    assert!(loaded.lists[0].used && loaded.macros[0].used);
    let warnings = loaded
        .files
        .iter()
        .flat_map(|file| file.warnings())
        .map(|warning| warning.item.as_str());
    assert_eq!(warnings.collect::<Vec<_>>(), ["macro \"m2\""]);
}

#[test]
fn lists_that_name_lists_cannot_grow_a_condition_without_bound() {
    let mut file = String::new();
    for level in 0..40 {
        let next = format!("l{} l{0} l{0} l{0}", level + 1);
        file.push_str(&format!("- list: l{level}\n  items: [\"'{next}'\"]\n"));
    }
    file.push_str("- macro: m\n  condition: ka.verb in (l0)\n");
    let mut loader = Loader::new(Options::default());
    loader.load_file("bomb.yaml", &file);
    let loaded = loader.finish();
    let message = &loaded.files[0].errors().next().unwrap().message;
    assert_eq!(
        message,
        "the condition is longer than 8 MiB after lists are put in"
    );
}

/// Written out, the second list has 10 GB.
#[test]
fn a_list_of_lists_takes_no_more_memory_than_a_condition_may_have() {
    let items = |item: &str| vec![item; 30_000].join(", ");
    let (long, twice) = (items("0123456789"), items("long"));
    let rule = "- rule: r\n  desc: d\n  condition: ka.verb in (twice)\n  output: o\n  priority: NOTICE\n  source: k8s_audit\n";
    let file =
        format!("- list: long\n  items: [{long}]\n- list: twice\n  items: [{twice}]\n{rule}");
    let mut loader = Loader::new(Options::default());
    loader.load_file("bomb.yaml", &file);
    let loaded = loader.finish();
    assert_eq!(
        loaded.files[0].errors().next().unwrap().message,
        "the condition is longer than 8 MiB after lists are put in"
    );
}

#[test]
fn macros_that_name_macros_cannot_grow_a_condition_without_bound() {
    let mut file = "- macro: m0\n  condition: ka.verb = get\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        file.push_str(&format!(
            "- macro: m{level}\n  condition: m{below} or not m{below}\n"
        ));
    }
    let mut loader = Loader::new(Options::default());
    loader.load_file("bomb.yaml", &file);
    let loaded = loader.finish();
    assert_eq!(loaded.files[0].errors().count(), 1);
}

#[test]
fn a_long_chain_of_macros_is_followed_without_recursion() {
    let mut file = "- macro: m0\n  condition: ka.verb = get\n".to_owned();
    for level in (1..1500).rev() {
        file.push_str(&format!("- macro: m{level}\n  condition: ka.verb = get\n"));
    }
    for level in (1..1500).rev() {
        file.push_str(&format!("- macro: m{level}\n  condition: m{}\n", level - 1));
    }
    file.push_str("- rule: r\n  desc: d\n  condition: m1499\n  output: o\n  priority: NOTICE\n  source: k8s_audit\n");
    let mut loader = Loader::new(Options::default());
    loader.load_file("chain.yaml", &file);
    let loaded = loader.finish();
    assert!(loaded.successful());
    assert_eq!(loaded.rules[0].condition_text.as_ref(), "ka.verb = get");
}
