//! Any text as a correlation among Sigma rules: loaded, or refused with reports that can be shown. What is loaded compiles, and takes events.

#![no_main]

use std::sync::Arc;

use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
use kubevigil_rules::sigma::{Loader, Options};
use libfuzzer_sys::fuzz_target;

const RULES: &str = "title: a\nname: a\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: get}, condition: s}\n---\n\
title: b\nname: b\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: [get, list]}, condition: s}\n---\n";

fuzz_target!(|text: &str| {
    let mut loader = Loader::new(Options::default());
    loader.load_file("fuzz.yml", &format!("{RULES}{text}"));
    let loaded = loader.finish();
    assert_eq!(loaded.files.len(), 1);
    let Ok(matcher) = Matcher::compile(&loaded.rules, RuleMatching::All) else {
        return;
    };
    let mut state = State::new(&matcher, StateLimits::default());
    for event in [
        r#"{"verb":"get","user":{"username":"eve","groups":["x","y"]}}"#,
        r#"{"verb":"list","code":7}"#,
    ] {
        let found = matcher.detect(
            event.as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        );
        let found = found.expect("an object is an event");
        state.observe(
            &found,
            &Occasion {
                received: found.time,
            },
            &mut || Arc::from(*b"event"),
        );
    }
});
