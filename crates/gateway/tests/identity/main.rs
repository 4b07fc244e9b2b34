//! Who asks, and in whose name: real certificates, signed tokens, and a review server on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod authority;
mod certificates;
mod front_proxy;
mod impersonation;
mod issuer;
mod left_headers;
mod recorded;
mod request;
mod reviews;
mod tokens;
mod upstream;
