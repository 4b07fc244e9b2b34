//! Any bytes as the head of a request to the gateway: what goes on to the upstream is what its events say, in whosever name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

#[path = "../../crates/gateway/tests/oracle/stack.rs"]
mod oracle;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
}

fuzz_target!(|text: &[u8]| {
    let _ = RUNTIME.with(|runtime| runtime.block_on(oracle::Sent::read(text).check()));
});
