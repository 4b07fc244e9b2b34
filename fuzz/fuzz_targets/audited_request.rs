//! Any bytes as a request and its answer: its events are well-formed and look as a server writes them.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/record/tests/oracle/request.rs"]
mod oracle;

fuzz_target!(|text: &[u8]| oracle::Exchange::read(text).check());
