//! Who acts, in classes, and as whom.
//!
//! A class says what kind of thing authenticated. It is told from full names, or from a beginning together with the group that only
//! that authenticator gives: `system:` alone begins the names of anonymous callers, of every service account and of whatever a
//! certificate says, so what is not known by its full name is a person.

use std::borrow::Cow;

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::values::{input, list, made, text, texts, word};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Kind, Read, Values};

const USER: &[Path] = &[&["user", "username"], &["user", "groups"]];
const EFFECTIVE: &[Path] = &[
    &["user", "username"],
    &["user", "groups"],
    &["impersonatedUser"],
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::made(
        "kv.identity",
        |inputs| word(class(&authenticated(inputs))),
        USER,
        "What kind of identity authenticated: `person`, `service-account`, `node` (name and group of a kubelet), `component` (of the \
         control plane or of a cloud's, by full names), `bootstrap` (a bootstrap token), `anonymous`, or `none` when nobody was \
         recognised.",
    )
    .note("Whoever fits no other class is a `person`, names that begin with `system:` and are not known included."),
    Entry::made(
        "kv.effectiveIdentity",
        |inputs| word(class(&effective(inputs))),
        EFFECTIVE,
        "The class of the effective user, in the words of kv.identity.",
    ),
    Entry::made(
        "kv.effectiveUser",
        |inputs| Values::text(effective(inputs).name),
        EFFECTIVE,
        "The user that the request acts as: the impersonated one, else the one that authenticated.",
    ),
    Entry::new(
        "kv.effectiveGroups",
        Kind::TextList,
        Read::With(|inputs| list(texts(effective(inputs).groups))),
        EFFECTIVE,
        "The groups of the effective user.",
    ),
    Entry::made(
        "kv.serviceAccount",
        |inputs| made(service_account(inputs)),
        USER,
        "The service account that authenticated, as `namespace/name`.",
    ),
    Entry::made(
        "kv.node",
        |inputs| made(node(inputs)),
        USER,
        "The name of the node whose kubelet authenticated: user `system:node:NAME` with the group `system:nodes`.",
    ),
];

/// Components by the names that they authenticate with: Kubernetes', then those of distributions and clouds.
pub const COMPONENTS: &[&str] = &[
    "kube-apiserver-etcd-client",
    "kube-apiserver-kubelet-client",
    "system:apiserver",
    "system:cloud-controller-manager",
    "system:konnectivity-server",
    "system:kube-apiserver",
    "system:kube-controller-manager",
    "system:kube-proxy",
    "system:kube-scheduler",
    // k3s and RKE2
    "k3s-cloud-controller-manager",
    "rke2-cloud-controller-manager",
    "system:k3s-controller",
    "system:rke2-controller",
    // EKS
    "eks:addon-manager",
    "eks:certificate-controller",
    "eks:cloud-controller-manager",
    "eks:cluster-event-watcher",
    "eks:fargate-manager",
    "eks:fargate-scheduler",
    "eks:k8s-metrics",
    "eks:kms-storage-migrator",
    "eks:network-policy-controller",
    "eks:node-manager",
    "eks:nodewatcher",
    "eks:pod-identity-mutating-webhook",
    "eks:tagging-controller",
    "eks:vpc-resource-controller",
    // GKE
    "system:addon-manager",
    "system:clustermetrics",
    "system:gcp-controller-manager",
    "system:gke-common-webhooks",
    "system:gke-controller-manager",
    "system:gke-master-healthcheck",
    "system:kubestore-collector",
    "system:l7-lb-controller",
    "system:managed-certificate-controller",
    "system:resource-tracker",
    "system:vpa-recommender",
    // AKS
    "aksService",
    "hcpService",
    "nodeclient",
];

const SERVICE_ACCOUNT: &[u8] = b"system:serviceaccount:";
const NODE: &[u8] = b"system:node:";
const BOOTSTRAP: &[u8] = b"system:bootstrap:";

/// A name and groups.
struct Identity<'e> {
    name: Option<Cow<'e, [u8]>>,
    groups: Option<Json<'e>>,
}

impl Identity<'_> {
    fn has_group(&self, group: &[u8]) -> bool {
        texts(self.groups).any(|member| *member == *group)
    }

    /// What follows `prefix` in the name, when the group says that the authenticator meant it.
    fn named(&self, prefix: &[u8], group: &[u8]) -> Option<&[u8]> {
        let rest = self.name.as_deref()?.strip_prefix(prefix)?;
        (!rest.is_empty() && self.has_group(group)).then_some(rest)
    }
}

fn authenticated<'e>(inputs: &Inputs<'_, 'e>) -> Identity<'e> {
    Identity {
        name: input(inputs, 0),
        groups: inputs.first(1),
    }
}

fn effective<'e>(inputs: &Inputs<'_, 'e>) -> Identity<'e> {
    let impersonated = inputs
        .first(2)
        .filter(|user| user.kind() == JsonKind::Object);
    let name = impersonated.and_then(|user| text(user.last_member("username")));
    match (impersonated, name) {
        (Some(user), Some(name)) => Identity {
            name: Some(name),
            groups: user.last_member("groups"),
        },
        _ => authenticated(inputs),
    }
}

fn class(identity: &Identity<'_>) -> &'static str {
    let name = identity.name.as_deref();
    if name == Some(b"system:anonymous") || identity.has_group(b"system:unauthenticated") {
        return "anonymous";
    }
    let Some(name) = name else { return "none" };
    if account_in(name).is_some() {
        "service-account"
    } else if identity.named(NODE, b"system:nodes").is_some() {
        "node"
    } else if identity.named(BOOTSTRAP, b"system:bootstrappers").is_some() {
        "bootstrap"
    } else if COMPONENTS
        .iter()
        .any(|component| component.as_bytes() == name)
    {
        "component"
    } else {
        "person"
    }
}

/// Namespace and name of the service account that a user name stands for.
pub(super) fn account_in(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = name
        .strip_prefix(SERVICE_ACCOUNT)?
        .split(|&byte| byte == b':');
    let (namespace, account) = (parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && !namespace.is_empty() && !account.is_empty();
    whole.then_some((namespace, account))
}

fn service_account(inputs: &Inputs<'_, '_>) -> Option<Vec<u8>> {
    let name = input(inputs, 0)?;
    let (namespace, account) = account_in(&name)?;
    Some([namespace, b"/", account].concat())
}

fn node(inputs: &Inputs<'_, '_>) -> Option<Vec<u8>> {
    let identity = authenticated(inputs);
    identity.named(NODE, b"system:nodes").map(<[u8]>::to_vec)
}
