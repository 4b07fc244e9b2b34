//! What every pod is given to reach its API server.

use std::env;
use std::path::PathBuf;

use kubevigil_diagnostics::Diagnostic;
use url::Url;

use crate::access::{Access, AccessError};
use crate::credentials::{Authorization, Credentials};
use crate::file::CODE;
use crate::seen::Seen;
use crate::tls::{ClientTls, KnownBy};
use crate::token_file::TokenFile;

/// Where the kubelet mounts a service account.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A pod's service account, and where its API server is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InCluster {
    /// `KUBERNETES_SERVICE_HOST`
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`
    pub port: String,
    /// The folder of `token` and `ca.crt`.
    pub folder: PathBuf,
}

impl InCluster {
    /// What this process was given.
    pub fn from_environment() -> Self {
        Self {
            host: env::var("KUBERNETES_SERVICE_HOST").unwrap_or_default(),
            port: env::var("KUBERNETES_SERVICE_PORT").unwrap_or_default(),
            folder: PathBuf::from(FOLDER),
        }
    }

    /// Whether this is a pod with a service account.
    pub fn is_possible(&self) -> bool {
        self.missing().is_none()
    }

    /// How to reach the API server: its certificate is known by `ca.crt`, and by the machine's authorities if there is none.
    ///
    /// # Errors
    ///
    /// When this is no pod, or its files cannot be used.
    pub fn access(&self) -> Result<Access, AccessError> {
        if let Some(missing) = self.missing() {
            return Err(AccessError::NoPod { missing });
        }
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let address = format!("https://{host}:{}", self.port);
        let server = Url::parse(&address).map_err(|_| {
            AccessError::ServiceAccount(format!("its server has no address: `{address}`"))
        })?;
        let token = TokenFile::new(self.token(), None);
        token.check().map_err(unusable)?;
        let mut warnings = Vec::new();
        let authority = self.folder.join("ca.crt");
        let (known, seen) = if authority.exists() {
            KnownBy::file(&authority).map_err(unusable)?
        } else {
            let file = authority.display();
            let message = format!(
                "the pod has no authorities for its API server in {file}: the machine's are used"
            );
            warnings.push(Diagnostic::warning(CODE, message));
            (KnownBy::System, Seen::missing(&authority))
        };
        let tls = ClientTls::new(known, None).map_err(|problem| AccessError::NoAuthorities {
            server: server.to_string(),
            problem,
        })?;
        Ok(Access {
            tls: Some(tls),
            server,
            proxy: None,
            credentials: Credentials::new(Authorization::File(token), None),
            warnings,
            files: vec![seen],
        })
    }

    fn token(&self) -> PathBuf {
        self.folder.join("token")
    }

    fn missing(&self) -> Option<String> {
        let variables = [
            ("KUBERNETES_SERVICE_HOST", &self.host),
            ("KUBERNETES_SERVICE_PORT", &self.port),
        ];
        let unset = variables.iter().find(|(_, value)| value.is_empty());
        let unset = unset.map(|(name, _)| format!("{name} is not set"));
        let no_token = || {
            let token = self.token();
            (!token.is_file()).then(|| format!("there is no {}", token.display()))
        };
        unset.or_else(no_token)
    }
}

fn unusable(error: impl std::fmt::Display) -> AccessError {
    AccessError::ServiceAccount(error.to_string())
}
