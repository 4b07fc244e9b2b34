//! Who asks, and in whose name: real certificates, signed tokens, and a review server on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod authority;
mod certificates;
mod forgeries;
mod forward_as;
mod front_proxy;
mod impersonation;
mod issuer;
mod key_sources;
mod latency;
mod left_headers;
mod providers;
mod questions;
mod recorded;
mod renewal;
mod request;
mod reviews;
mod stack;
mod tokens;
mod upstream;
