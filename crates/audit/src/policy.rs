//! Audit policies: which requests leave events, how much of them, and at which stages.
//!
//! What is not recorded can never be found. So a policy is not only read but evaluated, exactly as the API server does it (spec
//! 3 and 4): the first rule that matches decides, selectors are compared byte for byte, a plain resource never covers its
//! subresources, and what no rule matches leaves nothing.
//!
//! # How the parts meet
//!
//! - [`PolicyFile::read`] reads a file as the server does, leniently where it is lenient, and reports everything that stops it, and
//!   everything it would have passed over with a line in its log, with places.
//! - [`Policy::decide`] puts a request, given by its [`Attributes`], to the rules. It allocates nothing, so that it can run for
//!   every event of a big log.
//!
//! A [`Policy`] may be one that the server refuses: it can be evaluated all the same, to show its author what it would have done.
//!
//! ```
//! use kubevigil_audit::policy::{Attributes, PolicyFile, PolicyLevel};
//! use kubevigil_audit::request_info::RequestInfo;
//!
//! let file = PolicyFile::read("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: Metadata, resources: [{resources: [secrets]}]}\n");
//! let policy = file.policy.filter(|_| file.diagnostics.is_empty()).expect("it is valid");
//! let info = RequestInfo::of("GET", "/api/v1/namespaces/dev/secrets/db")?;
//! let decision = policy.decide(&Attributes::of(&info, Some(("jane", &[]))));
//! assert_eq!((decision.level, decision.matched_rule), (PolicyLevel::Metadata, Some(0)));
//! # Ok::<(), kubevigil_audit::request_info::RequestInfoError>(())
//! ```

mod decide;
mod decode;
mod faults;
mod file;
mod scalar;
mod stages;
mod validate;

use std::fmt;
use std::ops::Range;

pub use crate::policy::decide::{Attributes, Decision, Mismatch, User};
pub use crate::policy::faults::codes;
pub use crate::policy::file::{Layer, PolicyFile, Refusal};
pub use crate::policy::stages::{PolicyStage, StageSet};

/// An audit policy (`audit.k8s.io/v1`, spec 3.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The rules; the first that matches decides.
    pub rules: Vec<PolicyRule>,
    /// Stages that leave no event, whichever rule matches.
    pub omit_stages: StageSet,
    /// Whether bodies lose their managed fields where a rule does not say.
    pub omit_managed_fields: bool,
}

/// A rule of a policy. All selectors must match; an empty one does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyRule {
    /// How much is recorded; `None` when the file names no level that there is.
    pub level: Option<PolicyLevel>,
    /// Exact names of users.
    pub users: Vec<Box<str>>,
    /// Groups, one of which the user must be in.
    pub user_groups: Vec<Box<str>>,
    /// Exact verbs.
    pub verbs: Vec<Box<str>>,
    /// Resources, one of which must be meant; makes the rule one for resource requests.
    pub resources: Vec<GroupResources>,
    /// Exact namespaces, `""` for requests without one; makes the rule one for resource requests.
    pub namespaces: Vec<Box<str>>,
    /// Patterns of paths; makes the rule one for all other requests.
    pub non_resource_urls: Vec<Box<str>>,
    /// Stages that leave no event, besides those of the policy.
    pub omit_stages: StageSet,
    /// Whether bodies lose their managed fields; `None` leaves it to the policy.
    pub omit_managed_fields: Option<bool>,
    /// Where the rule stands in its file.
    pub span: Range<usize>,
}

/// Resources of one API group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupResources {
    /// The group: `""` for the core group, `*` for every group (since Kubernetes 1.36).
    pub group: Box<str>,
    /// Patterns: `pods`, `pods/log`, `pods/*`, `*/scale`, `*`. Empty for all of the group.
    pub resources: Vec<Box<str>>,
    /// Exact names of objects, as the URL gives them. Empty for any.
    pub resource_names: Vec<Box<str>>,
}

/// How much a policy records, the least first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PolicyLevel {
    /// Nothing.
    #[default]
    None,
    /// Everything but the bodies.
    Metadata,
    /// The body of the request as well.
    Request,
    /// The bodies of request and response as well.
    RequestResponse,
}

impl PolicyLevel {
    /// All levels, the least first.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::Metadata,
        Self::Request,
        Self::RequestResponse,
    ];

    /// The level of this name; capitals count.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// The name that policies and events use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

impl fmt::Display for PolicyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
