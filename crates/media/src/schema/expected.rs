//! What a request says of a body that does not say it itself.

use crate::schema::{Kind, Schema};

/// What a request is about.
///
/// A body may leave out its kind, or its version, or both: a server fills in what the request's path says. Who did not do the same
/// would not see such objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected<'r> {
    /// Group and version of the path, such as `apps/v1`, or `v1` for the core group.
    pub api_version: &'r str,
    /// The resource of the path, such as `deployments`; `deleteoptions` for the body of a DELETE.
    pub resource: &'r str,
    /// The subresource of the path, or nothing.
    pub subresource: &'r str,
}

impl Schema {
    /// The kind that a body names, and its version as it is to be written; what the body leaves empty is what is expected.
    pub(crate) fn resolve<'t>(
        &self,
        api_version: &'t [u8],
        kind: &'t [u8],
        expected: Option<Expected<'t>>,
    ) -> Option<(Kind, &'t [u8])> {
        let default = || expected.and_then(|expected| Some((self.expected(expected)?, expected)));
        let kind = match kind {
            b"" => default()?.0.kind.as_bytes(),
            named => named,
        };
        let version = match (named(api_version), default()) {
            (Some(named), _) => named,
            (None, Some((default, expected))) if default.api_version == "*" => {
                expected.api_version.as_bytes()
            }
            (None, Some((default, _))) => default.api_version.as_bytes(),
            (None, None) => b"",
        };
        Some((self.kind(version, kind)?, version))
    }

    fn expected(&self, expected: Expected<'_>) -> Option<Kind> {
        let (api_version, kind) = match (expected.subresource, expected.resource) {
            ("binding", _) => ("v1", "Binding"),
            ("eviction", _) => ("policy/v1", "Eviction"),
            ("scale", _) => ("autoscaling/v1", "Scale"),
            ("token", _) => ("authentication.k8s.io/v1", "TokenRequest"),
            (_, "deleteoptions") => ("*", "DeleteOptions"),
            (_, resource) => {
                let mut of_version = self.of_version(expected.api_version);
                return of_version.find(|kind| is_resource(kind.kind, resource));
            }
        };
        self.kind(api_version.as_bytes(), kind.as_bytes())
    }
}

/// The version without the slash of an empty group; nothing if it names no version, or has more than two parts.
fn named(api_version: &[u8]) -> Option<&[u8]> {
    let mut parts = api_version.split(|byte| *byte == b'/');
    match (parts.next()?, parts.next(), parts.next()) {
        (_, _, Some(_)) | (b"", None, _) | (_, Some(b""), _) => None,
        (b"", Some(version), _) => Some(version),
        _ => Some(api_version),
    }
}

/// Whether this is the resource of the kind, by the rule that Kubernetes names them by.
fn is_resource(kind: &str, resource: &str) -> bool {
    let singular = kind.to_ascii_lowercase();
    let plural = match singular.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if singular.ends_with('s') => format!("{singular}es"),
        None => format!("{singular}s"),
    };
    resource == plural || resource == singular
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(api_version: &str, kind: &str, path: [&str; 3]) -> Option<(String, String)> {
        let [version, resource, subresource] = path;
        let expected = Expected {
            api_version: version,
            resource,
            subresource,
        };
        let schema = Schema::get();
        let (kind, version) =
            schema.resolve(api_version.as_bytes(), kind.as_bytes(), Some(expected))?;
        Some((
            String::from_utf8(version.to_vec()).ok()?,
            kind.kind.to_owned(),
        ))
    }

    #[test]
    fn what_a_body_leaves_empty_comes_from_the_path() {
        let cases = [
            ("", "", ["v1", "pods", ""], "v1 Pod"),
            ("/", "", ["v1", "pods", "status"], "v1 Pod"),
            ("/v1", "Pod", ["v1", "pods", ""], "v1 Pod"),
            (
                "",
                "Deployment",
                ["apps/v1", "deployments", ""],
                "apps/v1 Deployment",
            ),
            (
                "apps/",
                "",
                ["apps/v1", "deployments", "scale"],
                "autoscaling/v1 Scale",
            ),
            (
                "a/b/c",
                "",
                ["networking.k8s.io/v1", "networkpolicies", ""],
                "networking.k8s.io/v1 NetworkPolicy",
            ),
            (
                "",
                "",
                ["networking.k8s.io/v1", "ingresses", ""],
                "networking.k8s.io/v1 Ingress",
            ),
            ("", "", ["v1", "endpoints", ""], "v1 Endpoints"),
            (
                "",
                "",
                ["v1", "serviceaccounts", "token"],
                "authentication.k8s.io/v1 TokenRequest",
            ),
            (
                "",
                "",
                ["example.com/v1", "deleteoptions", ""],
                "example.com/v1 DeleteOptions",
            ),
        ];
        for (api_version, kind, path, expected) in cases {
            let found = resolved(api_version, kind, path);
            let found = found.map(|(version, kind)| format!("{version} {kind}"));
            assert_eq!(
                found.as_deref(),
                Some(expected),
                "{api_version} {kind} {path:?}"
            );
        }
        assert_eq!(resolved("", "", ["example.com/v1", "widgets", ""]), None);
        assert_eq!(resolved("v1", "Widget", ["v1", "pods", ""]), None);
    }

    #[test]
    fn every_kind_with_a_list_has_a_resource() {
        let schema = Schema::get();
        let lists = schema
            .kinds
            .iter()
            .filter(|kind| kind.kind.ends_with("List"));
        for list in lists {
            let kind = list.kind.trim_end_matches("List").to_ascii_lowercase();
            let resource = match kind.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None if kind.ends_with("ss") => format!("{kind}es"),
                None => format!("{}s", kind.trim_end_matches('s')),
            };
            if schema
                .kind(
                    list.api_version.as_bytes(),
                    list.kind.trim_end_matches("List").as_bytes(),
                )
                .is_some()
            {
                let expected = Expected {
                    api_version: list.api_version,
                    resource: &resource,
                    subresource: "",
                };
                assert!(
                    schema.expected(expected).is_some(),
                    "{} {resource}",
                    list.kind
                );
            }
        }
    }
}
