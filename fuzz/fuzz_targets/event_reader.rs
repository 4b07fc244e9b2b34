//! The reader of many paths finds what a plain reading by `serde_json` finds, and survives everything else.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/audit/tests/oracle/reader.rs"]
mod oracle;

static ASKED: LazyLock<oracle::Asked> = LazyLock::new(oracle::Asked::new);

fuzz_target!(|text: &[u8]| ASKED.check(text));
