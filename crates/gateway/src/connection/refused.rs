//! Requests that hyper refuses before any service sees them.
//!
//! It answers 400, 414 or 431 by itself, or nothing, and the connection ends with an error; that is how they are counted. Over HTTP/2 what is
//! wrong with one request only resets its stream, which hyper keeps to itself.

use std::error::Error as _;
use std::io;

use kubevigil_connections::Protocol;

use crate::counters::Malformed;

/// Why a connection that ended with an error had a request refused, if that is why. `is_tls`: it began as TLS does, where nobody speaks it.
pub(super) fn refused(error: &hyper::Error, protocol: Protocol, is_tls: bool) -> Option<Malformed> {
    if error.is_parse() {
        return Some(match error {
            _ if is_tls => Malformed::Tls,
            _ if error.is_parse_too_large() => Malformed::TooLarge,
            _ if error.is_parse_version_h2() => Malformed::Http2,
            _ => Malformed::Syntax,
        });
    }
    // Whoever just goes away leaves an error of the system.
    let source = error.source().filter(|source| !source.is::<io::Error>());
    let breaks_rules = protocol == Protocol::Http2 && !error.is_user() && source.is_some();
    breaks_rules.then_some(Malformed::Http2)
}
