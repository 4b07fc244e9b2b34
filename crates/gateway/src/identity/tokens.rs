//! Whose a bearer token is: the issuers that the gateway knows, then the upstream.
//!
//! An issuer that knows a token decides alone. kube-apiserver would go on to ask its webhook about an expired token of its own;
//! the answer is the same, and expired tokens are what a broken client sends without end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kubevigil_record::event::UserInfo;

use super::cache::{Key, Keyed, Remembered};
use super::issuer::Issuer;
use super::jwt::Jwt;
use super::refused::Refused;
use super::token_review::TokenReviews;

/// How long a verified token is taken without verifying it again; what kube-apiserver does.
const REMEMBER: Duration = Duration::from_secs(10);
const MOST_REMEMBERED: usize = 10_000;

/// All that know tokens.
pub(super) struct Tokens {
    issuers: Vec<Issuer>,
    reviews: Option<TokenReviews>,
    remembered: Remembered<Arc<UserInfo>>,
    keyed: Keyed,
}

impl Tokens {
    pub(super) fn new(issuers: Vec<Issuer>, reviews: Option<TokenReviews>, keyed: Keyed) -> Self {
        Self {
            issuers,
            reviews,
            remembered: Remembered::new(MOST_REMEMBERED),
            keyed,
        }
    }

    /// Whose the token is that came from `address`.
    pub(super) async fn identify(
        &self,
        token: &[u8],
        address: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<Arc<UserInfo>, Refused> {
        let token = std::str::from_utf8(token).map_err(|_| Refused::UnknownToken)?;
        let key = self.keyed.of([token.as_bytes()]);
        if let Some(known) = self.known(&key, now) {
            return known;
        }
        if let Some(judgement) = self.verify(token, now).await {
            let (user, expires) = judgement?;
            let user = Arc::new(user);
            let until = expires.min(now + REMEMBER);
            self.remembered.put(key, Arc::clone(&user), now, until);
            return Ok(user);
        }
        match &self.reviews {
            Some(reviews) => reviews.identify(key, token, address, now).await,
            None => Err(Refused::UnknownToken),
        }
    }

    /// What was found out lately, before the token itself is looked at: a token has one judge, so that only one of them can know it.
    fn known(&self, key: &Key, now: SystemTime) -> Option<Result<Arc<UserInfo>, Refused>> {
        let verified = self.remembered.get(key, now).map(Ok);
        let reviews = self.reviews.as_ref();
        verified.or_else(|| reviews?.known(key, now))
    }

    /// What the token's issuer says; `None` when it is of none that is known.
    async fn verify(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Option<Result<(UserInfo, SystemTime), Refused>> {
        if self.issuers.is_empty() {
            return None;
        }
        let jwt = Jwt::read(token)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.claims(&jwt))?;
        Some(issuer.identify(&jwt, now).await)
    }
}
