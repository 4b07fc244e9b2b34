//! What the API server makes of a method and a URL before it does anything else.
//!
//! Policies, authorization and the event's `verb` and `objectRef` all speak of the outcome, so whoever predicts a policy's
//! decision must cut URLs as the API server does, oddities included: a name may come out of a field selector, an empty
//! segment counts, dots are not resolved (spec 5).

mod field_selector;
mod label_selector;
mod query;

pub use crate::request_info::label_selector::is_subdomain;
use crate::request_info::query::Query;
pub use crate::request_info::query::query_pairs;

/// A request as the API server understands it (Kubernetes' `RequestInfo`; spec 5). Texts are empty where there is nothing.
///
/// ```
/// use kubevigil_audit::request_info::RequestInfo;
///
/// let info = RequestInfo::of("GET", "/api/v1/namespaces/dev/pods?watch=1")?;
/// assert!(info.is_resource_request);
/// assert_eq!((info.verb.as_str(), info.namespace.as_str(), info.resource.as_str()), ("watch", "dev", "pods"));
/// # Ok::<(), kubevigil_audit::request_info::RequestInfoError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestInfo {
    /// Whether it is about an API resource; otherwise only `path` and `verb` say anything.
    pub is_resource_request: bool,
    /// The verb; for other requests the method in lower case. May be empty.
    pub verb: String,
    /// The decoded path, without the query.
    pub path: String,
    /// `api` or `apis`.
    pub api_prefix: String,
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The version of the group.
    pub api_version: String,
    /// The namespace; a request about a Namespace lies in itself.
    pub namespace: String,
    /// The resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The object's name as the URL gives it, or the only one that a field selector admits.
    pub name: String,
    /// The path behind the version and the namespace.
    pub parts: Vec<String>,
    /// The first field selector of a list, watch or deletecollection, as it was sent.
    pub field_selector: String,
    /// The first label selector of a list, watch or deletecollection, as it was sent.
    pub label_selector: String,
}

/// The API server cannot tell what the request is about. It answers 500 before auditing, so there is no event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestInfoError {
    /// Nothing follows `watch` or `proxy`.
    #[error(
        "nothing follows `{word}` in `{path}`, so the API server cannot tell what is meant and answers 500 without an audit event"
    )]
    NothingBehind {
        /// `watch` or `proxy`.
        word: String,
        /// The decoded path.
        path: String,
    },
    /// A `%` in the path is not followed by two hexadecimal digits.
    #[error(
        "the path of `{url}` has a broken percent escape: a server refuses the request before it looks at it"
    )]
    Escape {
        /// The URL as it was given.
        url: String,
    },
}

/// Subresources whose requests kube-apiserver treats as long-running, whatever the verb (spec 5.1).
pub const LONG_RUNNING_SUBRESOURCES: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];

/// The words that a path may begin with and that make the verb.
const VERBS_BY_PATH: [&str; 2] = ["watch", "proxy"];

impl RequestInfo {
    /// The outcome for a method (`GET`) and a URL: path and query (`/api/v1/pods?limit=5`), scheme and host optional.
    ///
    /// # Errors
    ///
    /// When the API server would answer 400 or 500 instead.
    pub fn of(method: &str, url: &str) -> Result<Self, RequestInfoError> {
        let target = without_host(url);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = query::decode_path(path).ok_or_else(|| RequestInfoError::Escape {
            url: url.to_owned(),
        })?;
        let mut info = Self {
            verb: method.to_lowercase(),
            path,
            ..Self::default()
        };
        let path = info.path.clone();
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = trimmed.split('/').collect();
        let Some(rest) = info.prefix(&parts) else {
            return Ok(info);
        };
        info.resource(method, rest)?;
        info.query(&Query::parse(query), is_verb_by_path(rest));
        Ok(info)
    }

    /// Whether the API server treats it as long-running: its events have the stage `ResponseStarted` (spec 5.1).
    pub fn is_long_running(&self) -> bool {
        VERBS_BY_PATH.contains(&self.verb.as_str())
            || (self.is_resource_request
                && LONG_RUNNING_SUBRESOURCES.contains(&self.subresource.as_str()))
            || (!self.is_resource_request && self.path.starts_with("/debug/pprof/"))
    }

    /// Reads prefix, group and version; what follows them, if it is a resource request.
    fn prefix<'p>(&mut self, parts: &'p [&'p str]) -> Option<&'p [&'p str]> {
        let (&prefix, rest) = parts.split_first()?;
        if parts.len() < 3 || !matches!(prefix, "api" | "apis") {
            return None;
        }
        self.api_prefix = prefix.to_owned();
        let rest = if prefix == "apis" {
            if parts.len() < 4 {
                return None;
            }
            let (group, rest) = rest.split_first()?;
            self.api_group = (*group).to_owned();
            rest
        } else {
            rest
        };
        let (version, rest) = rest.split_first()?;
        self.api_version = (*version).to_owned();
        self.is_resource_request = true;
        Some(rest)
    }

    fn resource(&mut self, method: &str, rest: &[&str]) -> Result<(), RequestInfoError> {
        let mut rest = rest;
        match rest.split_first() {
            Some((word, behind)) if VERBS_BY_PATH.contains(word) => {
                if behind.is_empty() {
                    return Err(RequestInfoError::NothingBehind {
                        word: (*word).to_owned(),
                        path: self.path.clone(),
                    });
                }
                self.verb = (*word).to_owned();
                rest = behind;
            }
            _ => self.verb = verb_of(method).to_owned(),
        }
        if let ["namespaces", namespace, behind @ ..] = rest {
            self.namespace = (*namespace).to_owned();
            if behind
                .first()
                .is_some_and(|part| !matches!(*part, "status" | "finalize"))
            {
                rest = behind;
            }
        }
        let part = |number: usize| rest.get(number).copied().unwrap_or_default().to_owned();
        self.resource = part(0);
        self.name = part(1);
        if self.verb != "proxy" {
            self.subresource = part(2);
        }
        self.parts = rest.iter().map(|part| (*part).to_owned()).collect();
        Ok(())
    }

    /// What the query says of a request without a name.
    fn query(&mut self, query: &Query, verb_by_path: bool) {
        if self.name.is_empty() && self.verb == "get" {
            match query.list_options() {
                Some(options) => {
                    self.verb = list_or_watch(options.watch).to_owned();
                    self.name = options.name.unwrap_or_default();
                }
                None => self.verb = list_or_watch(query.wants_watch()).to_owned(),
            }
        }
        if self.name.is_empty() && self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
        if !verb_by_path && matches!(self.verb.as_str(), "list" | "watch" | "deletecollection") {
            self.field_selector = query.first("fieldSelector").unwrap_or_default().to_owned();
            self.label_selector = query.first("labelSelector").unwrap_or_default().to_owned();
        }
    }
}

fn is_verb_by_path(rest: &[&str]) -> bool {
    rest.first()
        .is_some_and(|word| VERBS_BY_PATH.contains(word))
}

fn list_or_watch(watch: bool) -> &'static str {
    if watch { "watch" } else { "list" }
}

/// The verb of a method on a resource; methods are compared exactly.
fn verb_of(method: &str) -> &'static str {
    match method {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// A URL's path and query: people paste whole URLs. What begins with a slash has no host, however many slashes it begins with.
fn without_host(url: &str) -> &str {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => rest
            .find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/"),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_url_is_cut_to_its_path() {
        let info =
            RequestInfo::of("GET", "https://10.0.0.1:6443/api/v1/nodes/n1?pretty=1").unwrap();
        assert_eq!(
            (info.resource.as_str(), info.name.as_str()),
            ("nodes", "n1")
        );
        assert_eq!(info.path, "/api/v1/nodes/n1");
    }

    #[test]
    fn a_broken_escape_is_an_error_with_the_url() {
        let error = RequestInfo::of("GET", "/api/v1/po%zzds").unwrap_err();
        assert!(error.to_string().contains("/api/v1/po%zzds"), "{error}");
    }

    #[test]
    fn watches_exec_and_logs_are_long_running() {
        for (url, expected) in [
            ("/api/v1/pods?watch=1", true),
            ("/api/v1/namespaces/d/pods/p/log", true),
            ("/api/v1/namespaces/d/pods/p/exec?command=ls", true),
            ("/api/v1/namespaces/d/pods/p", false),
            ("/debug/pprof/profile", true),
            ("/healthz", false),
        ] {
            let info = RequestInfo::of("GET", url).unwrap();
            assert_eq!(info.is_long_running(), expected, "{url}");
        }
    }
}
