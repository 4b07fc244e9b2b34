//! Any text as a condition of a Falco rule: parsed or refused, never a panic, a hang or a deep recursion.

#![no_main]

use kubevigil_rules::falco::condition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = condition::parse(text);
});
