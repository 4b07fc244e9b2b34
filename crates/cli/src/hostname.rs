//! The name that alerts give to this machine.

use std::env;

/// `FALCO_HOSTNAME`, as Falco has it, or else the system's name.
pub(crate) fn hostname() -> Option<String> {
    let configured = env::var("FALCO_HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty());
    configured.or_else(|| {
        rustix::system::uname()
            .nodename()
            .to_str()
            .ok()
            .map(str::to_owned)
    })
}
