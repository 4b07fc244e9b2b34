//! Certificates, keys and authorities from files, replaced while connections live.
//!
//! One place decides how PEM is read, what an error about it says, and when a changed file counts, so that the webhook, the
//! gateway and the clients of API servers cannot differ in it. The cost is one crate more; the price of the alternative was
//! three readers, of which two would have kept an expired certificate until a restart.
//!
//! | type | what it is |
//! |---|---|
//! | [`Pem`], [`PemSource`] | PEM text, with errors that name file and block |
//! | [`ServerCredentials`], [`ClientCertificates`] | what a server proves itself with, and what it wants to see of clients |
//! | [`Authorities`] | who vouches for a client certificate, asked long after the handshake |
//! | [`ClientCertificate`] | what a client proves itself with |
//! | [`Reloadable`] | any value made from files |
//!
//! The TLS provider is aws-lc-rs throughout ([`provider`]).
//!
//! # Example
//!
//! An error names what the text came from, so that somebody can find it:
//!
//! ```
//! use kubevigil_tls::{Pem, PemSource};
//!
//! let source = PemSource::Text {
//!     name: "certificate-authority-data of cluster live in config".to_owned(),
//!     content: b"no certificate".to_vec(),
//! };
//! let content = source.read()?;
//! let wrong = Pem::new(&source, &content).root_store().err().ok_or("no error")?;
//! assert!(wrong.to_string().contains("certificate-authority-data of cluster live in config"), "{wrong}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authorities;
mod client;
mod error;
mod pem;
mod reload;
mod server;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use crate::authorities::Authorities;
pub use crate::client::ClientCertificate;
pub use crate::error::{CredentialsError, ReadError};
pub use crate::pem::{Pem, PemSource, certified_key};
pub use crate::reload::{Look, Reloadable};
pub use crate::server::{ClientCertificates, ServerCredentials, ServerFiles};

/// The one TLS provider: what every configuration is built with, so that nothing depends on a default of the process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
