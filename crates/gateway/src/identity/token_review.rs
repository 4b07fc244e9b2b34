//! Tokens that the upstream judges: `TokenReview`, asked with the gateway's credentials.
//!
//! Answers are remembered, good ones for two minutes and refusals for a short time, under a keyed hash of the token. Equal
//! questions are asked once, and questions have a budget, so that neither many requests with one token nor one flood of made-up
//! tokens reaches the upstream.

use std::collections::BTreeMap;
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
const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

type Judgement = Result<Arc<UserInfo>, Refused>;

/// Asks the upstream whose a token is.
pub(super) struct TokenReviews {
    upstream: Arc<dyn Reviewer>,
    audiences: Vec<String>,
    remember: Duration,
    remember_refusal: Duration,
    remembered: Remembered<Judgement>,
    under_way: Shared<Judgement>,
    budget: Budget,
    keyed: Keyed,
}

impl TokenReviews {
    pub(super) fn new(
        config: &TokenReviewConfig,
        upstream: Arc<dyn Reviewer>,
        keyed: Keyed,
    ) -> Self {
        Self {
            upstream,
            audiences: config.audiences.clone(),
            remember: memory(config.remember_seconds),
            remember_refusal: memory(config.remember_refusal_seconds),
            remembered: Remembered::new(config.most_remembered),
            under_way: Shared::new(),
            budget: Budget::new(config.most_at_once, config.most_a_second),
            keyed,
        }
    }

    /// Whose the token is.
    pub(super) async fn identify(&self, token: &str, now: SystemTime) -> Judgement {
        let key = self.keyed.of([token.as_bytes()]);
        if let Some(judgement) = self.remembered.get(&key, now) {
            return judgement;
        }
        self.under_way.ask(key, || self.ask(key, token, now)).await
    }

    async fn ask(&self, key: Key, token: &str, now: SystemTime) -> Judgement {
        let Some(_turn) = self.budget.leave(now).await else {
            return Err(Refused::Flood);
        };
        let judgement = self.review(token).await;
        // That the upstream is out of reach says nothing of the token.
        let time = match &judgement {
            Ok(_) => Some(self.remember),
            Err(Refused::Unasked(_)) => None,
            Err(_) => Some(self.remember_refusal),
        };
        if let Some(time) = time {
            self.remembered.put(key, judgement.clone(), now, now + time);
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
