//! The client certificate of the moment.
//!
//! It changes in its files, or an exec plugin hands out another one. Connections are told when they are made; whoever keeps them compares
//! versions ([`Credentials::certificate_version`](crate::Credentials::certificate_version)).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kubevigil_tls::{ClientCertificate, Look};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);

/// A client certificate that may change.
pub(crate) struct Certificate {
    held: Held,
    version: AtomicU64,
}

enum Held {
    /// In the kubeconfig, or in files that are looked at now and then.
    Named {
        certificate: ClientCertificate,
        next_look: Mutex<Instant>,
    },
    /// By an exec plugin, from its first answer on.
    Plugin(ArcSwapOption<CertifiedKey>),
}

impl Certificate {
    pub(crate) fn named(certificate: ClientCertificate) -> Arc<Self> {
        let next_look = Mutex::new(Instant::now() + LOOK);
        Self::of(Held::Named {
            certificate,
            next_look,
        })
    }

    pub(crate) fn of_plugin() -> Arc<Self> {
        Self::of(Held::Plugin(ArcSwapOption::empty()))
    }

    fn of(held: Held) -> Arc<Self> {
        let version = AtomicU64::new(0);
        Arc::new(Self { held, version })
    }

    /// Takes what a plugin handed out.
    pub(crate) fn replace(&self, certified: Option<CertifiedKey>) {
        if let Held::Plugin(current) = &self.held {
            let before = current.swap(certified.map(Arc::new));
            let after = current.load();
            let chain = |certified: &CertifiedKey| certified.cert.clone();
            if before.as_deref().map(chain) != after.as_deref().map(chain) {
                self.version.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Looks at the files, unless that was done within a minute. What is wrong with them goes to the log, and the old certificate stays.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if self.is_look_due() {
            let certificate = Arc::clone(self);
            let _ = tokio::task::spawn_blocking(move || certificate.look()).await;
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether to look now; who is told so does it.
    fn is_look_due(&self) -> bool {
        let Held::Named { next_look, .. } = &self.held else {
            return false;
        };
        let now = Instant::now();
        let mut next = next_look.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now >= *next;
        if is_due {
            *next = now + LOOK;
        }
        is_due
    }

    fn look(&self) {
        let Held::Named { certificate, .. } = &self.held else {
            return;
        };
        match certificate.reload(false) {
            Ok(Look::Same) => {}
            Ok(Look::Replaced) => {
                self.version.fetch_add(1, Ordering::Release);
            }
            Err(error) => {
                tracing::warn!(%error, "the old client certificate stays in use");
            }
        }
    }

    fn current(&self) -> Option<Arc<CertifiedKey>> {
        match &self.held {
            Held::Named { certificate, .. } => Some(certificate.current()),
            Held::Plugin(current) => current.load_full(),
        }
    }
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current()
            .filter(|certified| certified.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.current().is_some()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}
