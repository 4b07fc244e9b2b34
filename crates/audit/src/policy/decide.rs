//! Requests put to a policy.

use std::borrow::Borrow;

use super::{GroupResources, Policy, PolicyLevel, PolicyRule, StageSet};
use crate::request_info::RequestInfo;

/// What a policy looks at (spec 4). Texts are empty where there is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'r> {
    /// Who asks, before impersonation; `None` when nobody was recognised (a 401).
    pub user: Option<User<'r>>,
    /// The verb.
    pub verb: &'r str,
    /// The decoded path without the query.
    pub path: &'r str,
    /// Whether it is about an API resource.
    pub is_resource_request: bool,
    /// The namespace.
    pub namespace: &'r str,
    /// The API group.
    pub api_group: &'r str,
    /// The resource.
    pub resource: &'r str,
    /// The subresource.
    pub subresource: &'r str,
    /// The object's name as the URL gives it.
    pub name: &'r str,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct User<'r> {
    /// The name; may be empty.
    pub name: &'r str,
    /// The groups.
    pub groups: &'r [Box<str>],
}

/// What a policy does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision {
    /// How much is recorded.
    pub level: PolicyLevel,
    /// The stages that leave no event.
    pub omit_stages: StageSet,
    /// Whether bodies lose their managed fields.
    pub omit_managed_fields: bool,
    /// The rule that decided, counted from 0; `None` when none matched.
    pub matched_rule: Option<usize>,
}

/// Why a rule does not match a request: the first selector that fails, in the order in which the server looks at them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mismatch {
    /// `users`
    Users,
    /// `userGroups`
    UserGroups,
    /// `verbs`
    Verbs,
    /// The rule is for resource requests, this is none.
    NotAResource,
    /// `namespaces`
    Namespaces,
    /// `resources`
    Resources,
    /// The rule is for other requests, this is about a resource.
    IsAResource,
    /// `nonResourceURLs`
    NonResourceUrls,
}

impl Policy {
    /// What becomes of a request: the first rule that matches decides, and without one nothing is recorded (spec 4.1).
    pub fn decide(&self, request: &Attributes<'_>) -> Decision {
        let mut rules = self.rules.iter().enumerate();
        let matched = rules.find(|(_, rule)| rule.mismatch(request).is_none());
        let Some((number, rule)) = matched else {
            return Decision {
                level: PolicyLevel::None,
                omit_stages: self.omit_stages,
                omit_managed_fields: self.omit_managed_fields,
                matched_rule: None,
            };
        };
        Decision {
            level: rule.level.unwrap_or_default(),
            omit_stages: self.omit_stages.union(rule.omit_stages),
            omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            matched_rule: Some(number),
        }
    }
}

impl PolicyRule {
    /// Why the rule does not match; `None` when it does (spec 4.2).
    pub fn mismatch(&self, request: &Attributes<'_>) -> Option<Mismatch> {
        let user = request.user;
        if !self.users.is_empty() && !user.is_some_and(|user| lists(&self.users, user.name)) {
            return Some(Mismatch::Users);
        }
        let in_group = |user: User<'_>| {
            user.groups
                .iter()
                .any(|group| lists(&self.user_groups, group))
        };
        if !self.user_groups.is_empty() && !user.is_some_and(in_group) {
            return Some(Mismatch::UserGroups);
        }
        if !self.verbs.is_empty() && !lists(&self.verbs, request.verb) {
            return Some(Mismatch::Verbs);
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return self.resource_mismatch(request);
        }
        if self.non_resource_urls.is_empty() {
            return None;
        }
        if request.is_resource_request {
            return Some(Mismatch::IsAResource);
        }
        let matches = |pattern| matches_url(pattern, request.path);
        (!self
            .non_resource_urls
            .iter()
            .map(AsRef::as_ref)
            .any(matches))
        .then_some(Mismatch::NonResourceUrls)
    }

    /// The same for a rule about resources (spec 4.3).
    fn resource_mismatch(&self, request: &Attributes<'_>) -> Option<Mismatch> {
        if !request.is_resource_request {
            return Some(Mismatch::NotAResource);
        }
        if !self.namespaces.is_empty() && !lists(&self.namespaces, request.namespace) {
            return Some(Mismatch::Namespaces);
        }
        let matches = |entry: &GroupResources| entry.matches(request);
        (!self.resources.is_empty() && !self.resources.iter().any(matches))
            .then_some(Mismatch::Resources)
    }
}

impl GroupResources {
    /// Whether the request is about one of these.
    pub fn matches(&self, request: &Attributes<'_>) -> bool {
        if !matches!(&*self.group, "*") && &*self.group != request.api_group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        let named = self.resource_names.is_empty() || lists(&self.resource_names, request.name);
        named
            && self
                .resources
                .iter()
                .any(|pattern| matches_resource(pattern, request))
    }
}

/// Whether a pattern means the request's resource. `pods/*` means `pods` as well, against the field's documentation.
fn matches_resource(pattern: &str, request: &Attributes<'_>) -> bool {
    let (resource, subresource) = (request.resource, request.subresource);
    let is_full = match pattern.strip_prefix(resource) {
        Some("") => subresource.is_empty(),
        Some(rest) => !subresource.is_empty() && rest.strip_prefix('/') == Some(subresource),
        None => false,
    };
    pattern == "*"
        || is_full
        || (!subresource.is_empty() && pattern.strip_prefix("*/") == Some(subresource))
        || pattern.strip_suffix("/*") == Some(resource)
}

/// Whether a pattern means the path (spec 4.4).
fn matches_url(pattern: &str, path: &str) -> bool {
    let prefix = pattern.trim_end_matches('*');
    pattern == "*" || pattern == path || (prefix.len() < pattern.len() && path.starts_with(prefix))
}

fn lists<T: Borrow<str>>(texts: &[T], text: &str) -> bool {
    texts.iter().any(|one| one.borrow() == text)
}

impl<'r> Attributes<'r> {
    /// The attributes of a request; the user is a name and groups.
    pub fn of(info: &'r RequestInfo, user: Option<(&'r str, &'r [Box<str>])>) -> Self {
        Self {
            user: user.map(|(name, groups)| User { name, groups }),
            verb: &info.verb,
            path: &info.path,
            is_resource_request: info.is_resource_request,
            namespace: &info.namespace,
            api_group: &info.api_group,
            resource: &info.resource,
            subresource: &info.subresource,
            name: &info.name,
        }
    }
}
