//! Any bytes as a body in any format: refused, or one JSON value within the limit.

#![no_main]

use kubevigil_media::{Format, to_json};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

const LIMIT: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((format, body)) = input.split_first() else {
        return;
    };
    let format = match format % 3 {
        0 => Format::Yaml,
        1 => Format::Cbor,
        _ => Format::Protobuf,
    };
    if let Ok(json) = to_json(format, body, LIMIT) {
        assert!(json.len() <= LIMIT || json.as_ref() == body);
        assert!(serde_json::from_slice::<IgnoredAny>(&json).is_ok());
    }
});
