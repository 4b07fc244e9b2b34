//! The webhook over real sockets: every test starts a server on a port of its own and talks to it as an API server, a person
//! with curl, or an attacker would.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "tests"
)]

mod any_body;
mod authority;
mod broken_files;
mod delivery;
mod drain;
mod falco;
mod limits;
mod recorded;
mod requests;
mod server;
mod start;
mod tls;
mod tokens;
mod wire;
