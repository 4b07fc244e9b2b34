//! Any text as a file of Falco rules: loaded, or refused with reports that can be shown.

#![no_main]

use kubevigil_rules::falco::{Loader, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut loader = Loader::new(Options::default());
    loader.load_file("fuzz.yaml", text);
    let loaded = loader.finish();
    assert_eq!(loaded.files.len(), 1);
});
