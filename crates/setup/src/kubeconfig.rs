//! The kubeconfig of the audit webhook, in the words of whoever sets up an API server.
//!
//! `kubevigil-kubeconfig` reads it, as for everything else that connects by a kubeconfig. Here a file that cannot be read is a finding like
//! others: the API server does not start.

use kubevigil_diagnostics::Diagnostic;

use crate::check::codes;

pub use kubevigil_kubeconfig::{Entry, Kubeconfig, Unresolved};

/// Reads a kubeconfig, with a finding if it is none.
///
/// # Errors
///
/// The file is no YAML, or no mapping.
pub fn read(name: &str, text: &str) -> Result<Kubeconfig, Box<Diagnostic>> {
    Kubeconfig::read(name, text).map_err(|wrong| {
        let message = format!("the API server does not start: {}", wrong.message);
        Box::new(Diagnostic {
            code: codes::WEBHOOK,
            message,
            ..*wrong
        })
    })
}
