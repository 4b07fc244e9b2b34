//! Requests made up to find out what a policy does.
//!
//! Whether a rule is dead or a secret ends up in a log cannot be read off single rules: the first that matches decides. So findings rest
//! on requests that are put to the whole policy. All selectors compare texts, so a value that no rule names stands for every
//! other one, and a handful of values a dimension covers what a policy can tell apart.

use kubevigil_audit::policy::{Attributes, Decision, Policy, User};

use crate::resources::{RESOURCES, Resource};

/// A request with an owner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Probe {
    /// Who asks; `None` for a request whose credentials were refused.
    pub user: Option<(Box<str>, Vec<Box<str>>)>,
    /// The verb.
    pub verb: Box<str>,
    /// What is asked for.
    pub target: Target,
}

/// What a request asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A path outside the resources.
    Path(Box<str>),
    /// A resource.
    Resource {
        /// The API group.
        group: Box<str>,
        /// The plural.
        resource: Box<str>,
        /// The subresource, or empty.
        subresource: Box<str>,
        /// The namespace, or empty.
        namespace: Box<str>,
        /// The object's name, or empty.
        name: Box<str>,
    },
}

/// A kind of user that policies tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserClass<'n> {
    /// What messages call it.
    pub label: &'n str,
    /// The name; `None` for a request whose credentials were refused.
    pub name: Option<&'n str>,
    /// The groups.
    pub groups: &'n [&'n str],
}

/// The verbs of resource requests.
pub const RESOURCE_VERBS: [&str; 9] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "proxy",
];

/// The kinds of users that every cluster has.
pub const USER_CLASSES: [UserClass<'static>; 6] = [
    ORDINARY_USER,
    UserClass {
        label: "an administrator (group system:masters)",
        name: Some("kubernetes-admin"),
        groups: &["system:masters", "system:authenticated"],
    },
    UserClass {
        label: "a service account",
        name: Some("system:serviceaccount:probe-namespace:probe"),
        groups: &[
            "system:serviceaccounts",
            "system:serviceaccounts:probe-namespace",
            "system:authenticated",
        ],
    },
    UserClass {
        label: "a node",
        name: Some("system:node:probe-node"),
        groups: &["system:nodes", "system:authenticated"],
    },
    UserClass {
        label: "an anonymous user",
        name: Some("system:anonymous"),
        groups: &["system:unauthenticated"],
    },
    UserClass {
        label: "a request with refused credentials",
        name: None,
        groups: &[],
    },
];

/// Somebody of whom the policy knows nothing in particular.
pub const ORDINARY_USER: UserClass<'static> = UserClass {
    label: "an ordinary user",
    name: Some("probe-user"),
    groups: &["system:authenticated"],
};

/// A namespace that no policy names.
pub const NAMESPACE: &str = "probe-namespace";
/// An object that no policy names.
pub const NAME: &str = "probe-object";

impl Probe {
    /// A request by somebody for an object, or the collection, of a resource.
    pub fn resource(
        class: &UserClass<'_>,
        verb: &str,
        resource: &Resource,
        subresource: &str,
    ) -> Self {
        let has_name = !matches!(verb, "list" | "watch" | "create" | "deletecollection")
            || !subresource.is_empty();
        Self {
            user: class.user(),
            verb: verb.into(),
            target: Target::Resource {
                group: resource.group.into(),
                resource: resource.name.into(),
                subresource: subresource.into(),
                namespace: if resource.namespaced { NAMESPACE } else { "" }.into(),
                name: if has_name { NAME } else { "" }.into(),
            },
        }
    }

    /// A request by somebody for a path.
    pub fn path(class: &UserClass<'_>, verb: &str, path: &str) -> Self {
        Self {
            user: class.user(),
            verb: verb.into(),
            target: Target::Path(path.into()),
        }
    }

    /// What the policy looks at.
    pub fn attributes(&self) -> Attributes<'_> {
        let user = self
            .user
            .as_ref()
            .map(|(name, groups)| User { name, groups });
        match &self.target {
            Target::Path(path) => Attributes {
                user,
                verb: &self.verb,
                path,
                ..Attributes::default()
            },
            Target::Resource {
                group,
                resource,
                subresource,
                namespace,
                name,
            } => Attributes {
                user,
                verb: &self.verb,
                path: "",
                is_resource_request: true,
                namespace,
                api_group: group,
                resource,
                subresource,
                name,
            },
        }
    }

    /// What the policy does with it.
    pub fn decide(&self, policy: &Policy) -> Decision {
        policy.decide(&self.attributes())
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::Path(Box::default())
    }
}

impl UserClass<'_> {
    /// The user as a probe has it.
    pub fn user(&self) -> Option<(Box<str>, Vec<Box<str>>)> {
        let groups = self.groups.iter().map(|&group| group.into());
        self.name.map(|name| (name.into(), groups.collect()))
    }
}

/// Every built-in resource with every subresource, the resource itself first.
pub fn resource_targets() -> impl Iterator<Item = (&'static Resource, &'static str)> {
    RESOURCES.iter().flat_map(|resource| {
        let subresources = resource.subresources.iter().copied();
        std::iter::once("")
            .chain(subresources)
            .map(move |subresource| (resource, subresource))
    })
}
