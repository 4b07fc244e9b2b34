//! Whether a caller may impersonate somebody: `SubjectAccessReview`, asked in the caller's name.
//!
//! Each thing is asked for by itself, in the order of kube-apiserver, and the first refusal ends it: user or service account, uid,
//! groups, extra values, each with the verb `impersonate`. The narrower verbs of constrained impersonation (Kubernetes 1.35 and
//! later) are not tried: who has only those rights is refused here.
//!
//! Answers are remembered for ten seconds, as extension API servers do, and questions have a budget, of which one caller cannot
//! take the share of the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kubevigil_record::event::UserInfo;
use kubevigil_record::quote::{json, literal};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::identity::{Budget, Key, Keyed, Remembered, Reviewer, Shared, service_account};

const PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const REMEMBER: Duration = Duration::from_secs(10);
const MOST_REMEMBERED: usize = 10_000;
/// Most things that one request may impersonate; each is a question.
const MOST_THINGS: usize = 100;
const MOST_AT_ONCE: usize = 32;
const MOST_A_SECOND: u32 = 200;
/// How long all questions of one request may take together.
const PATIENCE: Duration = Duration::from_secs(30);
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Asks the upstream who may impersonate whom.
pub(super) struct Authoriser {
    upstream: Arc<dyn Reviewer>,
    remembered: Remembered<Decision>,
    under_way: Shared<Decision>,
    budget: Budget,
    keyed: Keyed,
}

/// Why somebody is not impersonated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// The caller lacks the right; the message is in the server's words.
    Forbidden { message: String, details: String },
    /// The upstream could not be asked.
    Unasked(String),
    /// More than can be asked about.
    TooMany,
    /// Too many questions of all callers together.
    Flood,
}

/// One thing to impersonate, as an authoriser sees it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Attributes<'u> {
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'u str,
    verb: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'u str,
}

#[derive(Clone, Debug)]
enum Decision {
    Allowed,
    Denied { reason: String },
    Unasked(String),
    Flood,
}

impl Authoriser {
    pub(super) fn new(upstream: Arc<dyn Reviewer>, keyed: Keyed) -> Self {
        Self {
            upstream,
            remembered: Remembered::new(MOST_REMEMBERED),
            under_way: Shared::new(),
            budget: Budget::new(MOST_AT_ONCE, MOST_A_SECOND),
            keyed,
        }
    }

    /// Whether `caller` may be taken for `wanted`, whose groups are those that were asked for.
    pub(super) async fn authorise(
        &self,
        caller: &UserInfo,
        wanted: &UserInfo,
        now: SystemTime,
    ) -> Result<(), Denied> {
        let things: Vec<Attributes<'_>> = things(wanted).take(MOST_THINGS + 1).collect();
        if things.len() > MOST_THINGS {
            return Err(Denied::TooMany);
        }
        let all = timeout(PATIENCE, async {
            for thing in things {
                match self.decide(caller, thing, now).await {
                    Decision::Allowed => {}
                    Decision::Denied { reason } => return Err(thing.forbidden(caller, &reason)),
                    Decision::Unasked(problem) => return Err(Denied::Unasked(problem)),
                    Decision::Flood => return Err(Denied::Flood),
                }
            }
            Ok(())
        });
        let late = |_| Err(Denied::Unasked(format!("no answers within {PATIENCE:?}")));
        all.await.unwrap_or_else(late)
    }

    async fn decide(&self, caller: &UserInfo, thing: Attributes<'_>, now: SystemTime) -> Decision {
        let question = match Question::of(caller, thing) {
            Ok(question) => question,
            Err(error) => return Decision::Unasked(error.to_string()),
        };
        let key = self.keyed.of([question.as_ref()]);
        if let Some(decision) = self.remembered.get(&key, now) {
            return decision;
        }
        let asker = self.keyed.of([caller.username.as_bytes()]);
        self.under_way
            .ask(key, || self.ask(key, asker, question, now))
            .await
    }

    async fn ask(&self, key: Key, asker: Key, question: Bytes, now: SystemTime) -> Decision {
        let Some(_turn) = self.budget.leave(asker, now).await else {
            return Decision::Flood;
        };
        let answer = match self.upstream.review(PATH, question).await {
            Ok(answer) => {
                serde_json::from_slice::<Answer>(&answer).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let decision = match answer {
            Ok(Answer { status }) if status.allowed && !status.denied => Decision::Allowed,
            Ok(Answer { status }) => Decision::Denied {
                reason: status.reason,
            },
            Err(problem) => return Decision::Unasked(problem),
        };
        self.remembered
            .put(key, decision.clone(), now, now + REMEMBER);
        decision
    }
}

/// Everything of a user that needs a right.
fn things(user: &UserInfo) -> impl Iterator<Item = Attributes<'_>> {
    let core = Attributes {
        verb: "impersonate",
        version: "v1",
        ..Attributes::default()
    };
    let extended = Attributes {
        group: AUTHENTICATION,
        ..core
    };
    let name = match service_account(&user.username) {
        Some((namespace, name)) => Attributes {
            resource: "serviceaccounts",
            namespace,
            name,
            ..core
        },
        None => Attributes {
            resource: "users",
            name: &user.username,
            ..core
        },
    };
    let uid = (!user.uid.is_empty()).then_some(Attributes {
        resource: "uids",
        name: &user.uid,
        ..extended
    });
    let groups = user.groups.iter().map(move |group| Attributes {
        resource: "groups",
        name: group,
        ..core
    });
    let extra = user.extra.iter().flat_map(move |(key, values)| {
        values.iter().map(move |value| Attributes {
            resource: "userextras",
            subresource: key,
            name: value,
            ..extended
        })
    });
    std::iter::once(name).chain(uid).chain(groups).chain(extra)
}

impl Attributes<'_> {
    fn forbidden(&self, caller: &UserInfo, reason: &str) -> Denied {
        let mut message = match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}", self.resource),
        };
        if !self.name.is_empty() {
            message.extend([" ", &literal(self.name)]);
        }
        message.extend([" is forbidden: ", &self.lacking(caller)]);
        if !reason.is_empty() {
            message.extend([": ", reason]);
        }
        let parts = [
            ("name", self.name),
            ("group", self.group),
            ("kind", self.resource),
        ];
        let parts = parts.iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> = parts
            .map(|(key, value)| format!("\"{key}\":{}", json(value)))
            .collect();
        Denied::Forbidden {
            message,
            details: format!("{{{}}}", parts.join(",")),
        }
    }

    /// Which right is lacking. The server takes signs of HTML out of this part.
    fn lacking(&self, caller: &UserInfo) -> String {
        let resource = match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        };
        let scope = match self.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {}", literal(namespace)),
        };
        let lacking = format!(
            "User {} cannot {} resource {} in API group {} {scope}",
            literal(&caller.username),
            self.verb,
            literal(&resource),
            literal(self.group),
        );
        let lacking = lacking.replace('&', "&amp;");
        lacking.replace('<', "&lt;").replace('>', "&gt;")
    }
}

#[derive(Serialize)]
struct Question<'u> {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    spec: Spec<'u>,
}

#[derive(Serialize)]
struct Spec<'u> {
    #[serde(rename = "resourceAttributes")]
    attributes: Attributes<'u>,
    user: &'u str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'u [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra: &'u BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'u str,
}

impl<'u> Question<'u> {
    fn of(caller: &'u UserInfo, attributes: Attributes<'u>) -> Result<Bytes, serde_json::Error> {
        let question = Self {
            kind: "SubjectAccessReview",
            api_version: "authorization.k8s.io/v1",
            spec: Spec {
                attributes,
                user: &caller.username,
                groups: &caller.groups,
                extra: &caller.extra,
                uid: &caller.uid,
            },
        };
        serde_json::to_vec(&question).map(Bytes::from)
    }
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    allowed: bool,
    denied: bool,
    reason: String,
}
