//! Issuers of tokens that the gateway verifies itself.

mod oidc;
mod service_account;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kubevigil_record::event::UserInfo;

pub(super) use self::oidc::Oidc;
use super::config::{OidcConfig, ServiceAccountConfig, SigningAlgorithm};
use super::jwt::{Jwt, Leeway};
use super::keys::{Keys, Source, Verdict};
use super::refused::Refused;

/// Clocks of a cluster's nodes; what kube-apiserver allows.
const SERVICE_ACCOUNT_LEEWAY: Leeway = Leeway {
    after: Duration::from_secs(60),
    before: Duration::from_secs(60),
    checks_issue: true,
};
const OIDC_LEEWAY: Leeway = Leeway {
    after: Duration::ZERO,
    before: Duration::from_secs(60),
    checks_issue: false,
};
/// What a cluster's keys can sign with.
const SERVICE_ACCOUNT_ALGORITHMS: [SigningAlgorithm; 3] = [
    SigningAlgorithm::RS256,
    SigningAlgorithm::ES256,
    SigningAlgorithm::ES384,
];
/// Google says its name in two ways.
const GOOGLE: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Somebody whose signature is believed.
pub(super) struct Issuer {
    names: Vec<String>,
    audiences: Vec<String>,
    algorithms: Vec<SigningAlgorithm>,
    leeway: Leeway,
    keys: Arc<Keys>,
    claims: Claims,
}

/// How the claims of a token become a user.
enum Claims {
    ServiceAccount,
    Oidc(Oidc),
}

impl Issuer {
    pub(super) fn of_service_accounts(config: &ServiceAccountConfig, source: Source) -> Self {
        let audiences = match config.audiences.as_slice() {
            [] => &config.issuers,
            audiences => audiences,
        };
        let name = config.issuers.first().map_or("", String::as_str);
        Self {
            names: config.issuers.clone(),
            audiences: audiences.to_vec(),
            algorithms: SERVICE_ACCOUNT_ALGORITHMS.to_vec(),
            leeway: SERVICE_ACCOUNT_LEEWAY,
            keys: Arc::new(Keys::new(name, source)),
            claims: Claims::ServiceAccount,
        }
    }

    pub(super) fn of_oidc(config: &OidcConfig, source: Source) -> Self {
        let mut names = vec![config.issuer.clone()];
        if GOOGLE.contains(&config.issuer.as_str()) {
            names = GOOGLE.map(str::to_owned).to_vec();
        }
        Self {
            names,
            audiences: config.audiences.clone(),
            algorithms: config.signing_algorithms.clone(),
            leeway: OIDC_LEEWAY,
            keys: Arc::new(Keys::new(&config.issuer, source)),
            claims: Claims::Oidc(Oidc::new(config)),
        }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a token says that it is of this issuer.
    pub(super) fn claims(&self, jwt: &Jwt<'_>) -> bool {
        let issuer = jwt.issuer();
        self.names.iter().any(|name| name == issuer)
    }

    /// Whose a token is, and when it expires.
    pub(super) async fn identify(
        &self,
        jwt: &Jwt<'_>,
        now: SystemTime,
    ) -> Result<(UserInfo, SystemTime), Refused> {
        let refused = |problem: String| Refused::Token {
            issuer: jwt.issuer().to_owned(),
            problem,
        };
        let problem = match self.keys.verify(jwt, &self.algorithms, now).await {
            Verdict::Good => None,
            Verdict::Bad => Some("its signature or algorithm is not good"),
            Verdict::NoKey => Some("none of the known keys made its signature"),
        };
        if let Some(problem) = problem {
            return Err(refused(problem.to_owned()));
        }
        if !jwt.is_for(&self.audiences) {
            return Err(refused("it is meant for another audience".to_owned()));
        }
        let times = jwt.check_times(now, &self.leeway);
        let expires = times.map_err(|error| refused(error.to_string()))?;
        let user = match &self.claims {
            Claims::ServiceAccount => service_account::user(jwt),
            Claims::Oidc(oidc) => oidc.user(jwt),
        };
        Ok((user.map_err(refused)?, expires + self.leeway.after))
    }
}
