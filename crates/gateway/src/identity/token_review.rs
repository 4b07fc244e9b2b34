//! Tokens that the upstream judges: `TokenReview`, asked with the gateway's credentials.
//!
//! Answers are remembered, good ones for two minutes and refusals for a short time, under a keyed hash of the token. Equal
//! questions are asked once, and questions have a budget, so that neither many requests with one token nor a flood of made-up
//! tokens reaches the upstream. The flood must not lock the others out either: whoever floods has a share only, tokens that were
//! good within the hour are asked about out of a budget of their own, and refusals do not displace good answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kubevigil_record::event::UserInfo;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::cache::{Key, Keyed, Remembered, Shared};
use super::config::TokenReviewConfig;
use super::refused::Refused;
use super::reviewer::Reviewer;

/// The longest time for which an answer is remembered, whatever is configured.
const LONGEST_MEMORY: u64 = 24 * 3600;
/// For how long a token that was good is known.
const KNOWN: Duration = Duration::from_secs(3600);
const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

type Judgement = Result<Arc<UserInfo>, Refused>;

/// Asks the upstream whose a token is.
pub(super) struct TokenReviews {
    upstream: Arc<dyn Reviewer>,
    audiences: Vec<String>,
    remember: Duration,
    remember_refusal: Duration,
    good: Remembered<Arc<UserInfo>>,
    refused: Remembered<Refused>,
    /// Tokens that were good lately.
    known: Remembered<()>,
    under_way: Shared<Judgement>,
    for_known: Budget,
    for_unknown: Budget,
    keyed: Keyed,
}

impl TokenReviews {
    pub(super) fn new(
        config: &TokenReviewConfig,
        upstream: Arc<dyn Reviewer>,
        keyed: Keyed,
    ) -> Self {
        let budget = || Budget::new(config.most_at_once, config.most_a_second);
        Self {
            upstream,
            audiences: config.audiences.clone(),
            remember: memory(config.remember_seconds),
            remember_refusal: memory(config.remember_refusal_seconds),
            good: Remembered::new(config.most_remembered),
            refused: Remembered::new(config.most_remembered),
            known: Remembered::new(config.most_remembered),
            under_way: Shared::new(),
            for_known: budget(),
            for_unknown: budget(),
            keyed,
        }
    }

    /// What the upstream said lately of the token that hashes to `key`.
    pub(super) fn known(&self, key: &Key, now: SystemTime) -> Option<Judgement> {
        let good = self.good.get(key, now).map(Ok);
        good.or_else(|| self.refused.get(key, now).map(Err))
    }

    /// Whose the token is that came from `address`, hashes to `key` and is not [`known`](Self::known).
    pub(super) async fn identify(
        &self,
        key: Key,
        token: &str,
        address: Option<IpAddr>,
        now: SystemTime,
    ) -> Judgement {
        let ask = || self.ask(key, token, address, now);
        self.under_way.ask(key, ask).await
    }

    async fn ask(
        &self,
        key: Key,
        token: &str,
        address: Option<IpAddr>,
        now: SystemTime,
    ) -> Judgement {
        let turn = match self.known.get(&key, now) {
            // Each known token asks at most once in the time for which its answer is remembered.
            Some(()) => self.for_known.leave(key, now).await,
            None => {
                let asker = self.keyed.of([network(address).as_slice()]);
                self.for_unknown.leave(asker, now).await
            }
        };
        let Some(_turn) = turn else {
            return Err(Refused::Flood);
        };
        let judgement = self.review(token).await;
        match &judgement {
            Ok(user) => {
                self.good
                    .put(key, Arc::clone(user), now, now + self.remember);
                self.known.put(key, (), now, now + KNOWN);
            }
            // That the upstream is out of reach says nothing of the token.
            Err(Refused::Unasked(_)) => {}
            Err(refused) => {
                let until = now + self.remember_refusal;
                self.refused.put(key, refused.clone(), now, until);
                self.known.put(key, (), now, now);
            }
        }
        judgement
    }

    async fn review(&self, token: &str) -> Judgement {
        let question = Question {
            kind: "TokenReview",
            api_version: "authentication.k8s.io/v1",
            spec: Spec {
                token,
                audiences: &self.audiences,
            },
        };
        let unasked = |problem: String| Refused::Unasked(problem);
        let question = serde_json::to_vec(&question).map_err(|error| unasked(error.to_string()))?;
        let answer = self.upstream.review(PATH, Bytes::from(question)).await;
        let answer = answer.map_err(|error| unasked(error.to_string()))?;
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|error| unasked(error.to_string()))?;
        self.judge(answer.status).map(Arc::new)
    }

    fn judge(&self, status: Status) -> Result<UserInfo, Refused> {
        if !status.authenticated {
            return Err(Refused::Review(status.error));
        }
        let audiences = status.audiences.unwrap_or_default();
        let is_meant = |audience: &String| self.audiences.contains(audience);
        if !self.audiences.is_empty() && !audiences.iter().any(is_meant) {
            let problem = format!("its audiences {audiences:?} are none of the wanted");
            return Err(Refused::Review(problem));
        }
        let user = status.user;
        Ok(UserInfo {
            username: user.username,
            uid: user.uid,
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default(),
        })
    }
}

/// What counts as one place: an IPv4 address, or the network of an IPv6 address, of which everybody has as many as they like.
fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().into_iter().take(8).collect(),
        None => Vec::new(),
    }
}

fn memory(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(LONGEST_MEMORY))
}

#[derive(Serialize)]
struct Question<'t> {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    spec: Spec<'t>,
}

#[derive(Serialize)]
struct Spec<'t> {
    token: &'t str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audiences: &'t [String],
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Option<Vec<String>>,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Vec<String>>>,
}
