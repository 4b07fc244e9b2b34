//! How to reach a server: what follows from a kubeconfig or from the pod that this process runs in.

use std::fmt;
use std::path::{Path, PathBuf};

use kubevigil_diagnostics::{Diagnostic, Severity};
use kubevigil_tls::CredentialsError;
use url::Url;

use crate::client::{self, Client, Course};
use crate::cluster::Cluster;
use crate::credentials::Credentials;
use crate::file::{CODE, Kubeconfig, Missing};
use crate::findings::Findings;
use crate::in_cluster::InCluster;
use crate::seen::Seen;
use crate::server::{ServerError, server_url};
use crate::tls::{self, ClientTls, KnownBy};
use crate::user;

/// How to reach a server.
///
/// Certificates, keys and token files are read when it is made, so that mistakes show at the start, and client certificates and tokens
/// again while it lives. Its authorities stay as they are; [`AccessSource::follow`](crate::AccessSource::follow) tells when to make it anew.
///
/// `Debug` shows neither credentials nor the proxy, whose URL may hold a password.
#[derive(Clone)]
pub struct Access {
    /// The server: http or https, its path without a slash at the end, no query.
    pub server: Url,
    /// How the server is known; `None` for http.
    pub tls: Option<ClientTls>,
    /// The proxy that the kubeconfig names, http or https, perhaps with a user and a password. `None` leaves it to the environment.
    pub proxy: Option<Url>,
    /// What to prove oneself with. There is nothing in it for http, whatever the kubeconfig says.
    pub credentials: Credentials,
    /// What the kubeconfig says and nobody heeds.
    pub warnings: Vec<Diagnostic>,
    /// What it was made of, but for what [`Credentials`] looks after.
    pub(crate) files: Vec<Seen>,
}

/// Why a server cannot be reached as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}: {source}", path.display())]
    Read {
        /// The kubeconfig.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The kubeconfig is wrong; all that is.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Diagnostic>),
    /// The address is none.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] CredentialsError),
    /// This process does not run in a pod with a service account.
    #[error(
        "this is no pod with a service account: {missing}; name a kubeconfig, or mount a service account's token"
    )]
    NoPod {
        /// What is not there.
        missing: String,
    },
    /// The service account's certificates or token cannot be used.
    #[error("the pod's service account cannot be used: {0}")]
    ServiceAccount(String),
    /// There are no authorities on this machine, and the kubeconfig names none.
    #[error(
        "this machine has no certificate authorities to know {server} by ({problem}); name one in `certificate-authority`"
    )]
    NoAuthorities {
        /// The server.
        server: String,
        /// What the system says.
        problem: String,
    },
    /// TLS was asked for with a server that is http.
    #[error("{server} is reached by http, without TLS")]
    NoTls {
        /// The server.
        server: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

impl Access {
    /// Reads a kubeconfig, and takes what `context` names, or else its `current-context`. Warnings go to the log.
    ///
    /// # Errors
    ///
    /// When the file, or one that it names, cannot be read, or is wrong; all mistakes at once.
    pub fn load(path: &Path, context: Option<&str>) -> Result<Self, AccessError> {
        let access = Self::read(path, context)?;
        access.log_warnings();
        Ok(access)
    }

    /// The same as an API server does it with the kubeconfig of its audit webhook (audit specification, 11.2): if `current-context` is
    /// missing or leads to no cluster, and this is a pod with a service account, that is used, without a word.
    ///
    /// # Errors
    ///
    /// As [`Access::load`].
    pub fn load_or_in_cluster(path: &Path, pod: &InCluster) -> Result<Self, AccessError> {
        let (kubeconfig, seen) = read_file(path, None)?;
        let missing = kubeconfig.unresolved.as_ref().map(|name| name.missing);
        let names_nobody = matches!(missing, Some(Missing::CurrentContext | Missing::Cluster));
        let access = if names_nobody && pod.is_possible() {
            pod.access()?
        } else {
            Self::of_file(&kubeconfig, seen, path)?
        };
        access.log_warnings();
        Ok(access)
    }

    /// How to reach a server that nothing but its address is known of, and perhaps a PEM file of its authorities. There are no credentials.
    ///
    /// # Errors
    ///
    /// When the address is none, or the file cannot be used.
    pub fn direct(server: &str, authority: Option<&Path>) -> Result<Self, AccessError> {
        let server = server_url(server)?;
        let (known, files) = match authority {
            Some(path) => {
                let (known, seen) = KnownBy::file(path)?;
                (known, vec![seen])
            }
            None => (KnownBy::System, Vec::new()),
        };
        let tls =
            match server.scheme() {
                "https" => Some(ClientTls::new(known, None).map_err(|problem| {
                    AccessError::NoAuthorities {
                        server: server.to_string(),
                        problem,
                    }
                })?),
                _ => None,
            };
        Ok(Self {
            server,
            tls,
            proxy: None,
            credentials: Credentials::none(),
            warnings: Vec::new(),
            files,
        })
    }

    /// What follows from a kubeconfig; relative paths in it start at `folder`.
    ///
    /// # Errors
    ///
    /// When it is wrong, or a file that it names cannot be read; all mistakes at once.
    pub fn from_kubeconfig(kubeconfig: &Kubeconfig, folder: &Path) -> Result<Self, AccessError> {
        let mut findings = Findings::default();
        if let Some(name) = &kubeconfig.unresolved {
            let help = "`kubectl config get-contexts --kubeconfig FILE` lists what is there; `current-context` names one of them, and it a cluster and a user";
            findings.error(&name.place, name.message.clone(), help);
        }
        let cluster = match &kubeconfig.cluster {
            Some(entry) => Cluster::read(entry, kubeconfig, folder, &mut findings),
            None => None,
        };
        let user = kubeconfig.user.as_ref();
        let credentials = user.map_or_else(Credentials::none, |entry| {
            user::read(entry, cluster.as_ref(), folder, &mut findings)
        });
        match cluster {
            Some(cluster) if findings.errors.is_empty() => Ok(Self {
                server: cluster.server,
                tls: cluster.tls,
                proxy: cluster.proxy,
                credentials,
                warnings: findings.warnings,
                files: cluster.authority.into_iter().collect(),
            }),
            _ => Err(AccessError::Mistakes(findings.errors)),
        }
    }

    /// What to connect with: the TLS provider is aws-lc-rs, and no default of the process is set or used. No ALPN is offered; add what you
    /// speak. The name to connect with is [`ClientTls::server_name`] if there is one, else the server's host.
    ///
    /// With the certificate, each connection presents the one of that moment, and sessions are not resumed, since they would carry an
    /// older one on. [`Credentials::authorization`] is to be awaited before connecting: an exec plugin may be about to make one.
    ///
    /// # Errors
    ///
    /// When the server is http.
    pub fn client_config(
        &self,
        with_certificate: bool,
    ) -> Result<rustls::ClientConfig, AccessError> {
        let tls = self.tls.as_ref().ok_or_else(|| AccessError::NoTls {
            server: self.server.to_string(),
        })?;
        let certificate = with_certificate.then(|| self.credentials.certificate());
        Ok(tls::client_config(tls.verifier(), certificate.flatten()))
    }

    /// An HTTP client for the server: TLS and client certificate, HTTP/2 where the server offers it, the proxy of the kubeconfig or of the
    /// environment, redirects as Go follows them, 30 s a request. It adds no `Authorization`; [`Access::client`] does.
    ///
    /// # Errors
    ///
    /// When it cannot be made, which no kubeconfig that was read brings about.
    pub fn http_client(&self) -> Result<reqwest::Client, AccessError> {
        client::http_client(self, Course::AsGo)
    }

    /// A client that proves itself with each request, and asks this server and no other: a redirect is an answer like any other, and
    /// the proxy is the kubeconfig's or none.
    ///
    /// # Errors
    ///
    /// As [`Access::http_client`].
    pub fn client(&self) -> Result<Client, AccessError> {
        Client::new(self.clone(), Course::Straight)
    }

    /// A client that proves itself with each request, and goes where redirects and the environment's proxy lead, as the clients of Go do.
    ///
    /// # Errors
    ///
    /// As [`Access::http_client`].
    pub fn following_client(&self) -> Result<Client, AccessError> {
        Client::new(self.clone(), Course::AsGo)
    }

    /// As [`Access::load`], without a word.
    pub(crate) fn read(path: &Path, context: Option<&str>) -> Result<Self, AccessError> {
        let (kubeconfig, seen) = read_file(path, context)?;
        Self::of_file(&kubeconfig, seen, path)
    }

    fn of_file(kubeconfig: &Kubeconfig, seen: Seen, path: &Path) -> Result<Self, AccessError> {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let mut access = Self::from_kubeconfig(kubeconfig, folder)?;
        access.files.push(seen);
        Ok(access)
    }

    pub(crate) fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{}", line(warning));
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("server", &self.server.as_str())
            .field("tls", &self.tls)
            .field("has_proxy", &self.proxy.is_some())
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl AccessError {
    /// What is wrong with the kubeconfig, to be drawn with the lines in question. Empty when it is not the kubeconfig.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Mistakes(mistakes) => mistakes,
            _ => &[],
        }
    }
}

fn read_file(path: &Path, context: Option<&str>) -> Result<(Kubeconfig, Seen), AccessError> {
    let text = std::fs::read_to_string(path).map_err(|source| AccessError::Read {
        path: path.to_owned(),
        source,
    })?;
    let kubeconfig = Kubeconfig::read_context(&path.display().to_string(), &text, context)
        .map_err(|wrong| AccessError::Mistakes(vec![*wrong]))?;
    Ok((kubeconfig, Seen::of(path, text.as_bytes())))
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<_> = diagnostics.iter().map(line).collect();
    lines.join("\n")
}

/// A diagnostic on one line: place, message, advice.
fn line(diagnostic: &Diagnostic) -> String {
    debug_assert!(diagnostic.code == CODE && diagnostic.severity != Severity::Info);
    let place = diagnostic.place.as_ref().map(|place| {
        let (line, column) = place.source.position(place.span.start);
        format!("{}:{line}:{column}: ", place.source.name)
    });
    let help = diagnostic.help.as_ref().map(|help| format!("; {help}"));
    let (place, help) = (place.unwrap_or_default(), help.unwrap_or_default());
    format!("{place}{}{help}", diagnostic.message)
}
