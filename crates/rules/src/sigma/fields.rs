//! What field names lead to: pipelines first, then the built-in taxonomy, then the name itself.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::derived;
use crate::json_test::Subject;
use crate::lookup::{Dotted, Lookup};
use crate::sigma::codes;
use crate::sigma::problems::Problems;

/// Where pods are specified in the bodies of the resources that contain one.
const POD_SPECS: [&str; 4] = [
    "requestObject.spec",
    "requestObject.spec.template.spec",
    "requestObject.spec.jobTemplate.spec.template.spec",
    "requestObject.template.spec",
];
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Translates field names.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) mapping: BTreeMap<String, Vec<String>>,
    /// Beginnings of names and what to put there; the longest that fits counts.
    pub(super) prefixes: BTreeMap<String, String>,
}

/// What a name leads to.
pub(super) struct Resolved {
    pub(super) subject: Subject,
    /// Whether the empty text in a rule means that the field is absent: the API server leaves out what is empty.
    pub(super) empty_is_absent: bool,
}

/// A name that begins like a derived field's and is none. Any other name is a field of some event; this one never is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no derived field `{name}`")]
pub(super) struct UnknownField {
    name: String,
}

impl Fields {
    /// What a name leads to in an event.
    pub(super) fn resolve(&self, name: &str) -> Result<Resolved, UnknownField> {
        let mapped = self.mapped(name);
        if let [name] = mapped.as_slice()
            && let Some(field) = derived::resolve(name)
        {
            return Ok(Resolved {
                subject: Subject::Field(field),
                empty_is_absent: false,
            });
        }
        let empty_is_absent = mapped
            .iter()
            .any(|name| matches!(name.as_str(), "apiGroup" | "subresource"));
        let names: Vec<String> = mapped.iter().flat_map(|name| taxonomy(name)).collect();
        if let Some(name) = names.iter().find(|name| derived::is_derived(name)) {
            return Err(UnknownField { name: name.clone() });
        }
        let paths = names.iter().map(|name| Dotted::new(name));
        Ok(Resolved {
            subject: Subject::Lookup(Lookup::of_paths(name, paths)),
            empty_is_absent,
        })
    }

    /// The dotted names that a name stands for.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        self.mapped(name)
            .iter()
            .flat_map(|name| taxonomy(name))
            .collect()
    }

    fn mapped(&self, name: &str) -> Vec<String> {
        if let Some(names) = self.mapping.get(name) {
            return names.clone();
        }
        let fitting = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        match fitting.max_by_key(|(prefix, _)| prefix.len()) {
            Some((prefix, new)) => {
                let rest = name.strip_prefix(prefix.as_str()).unwrap_or_default();
                vec![format!("{new}{rest}")]
            }
            None => vec![name.to_owned()],
        }
    }
}

impl UnknownField {
    /// Notes it as a mistake in a rule.
    pub(super) fn report<T>(&self, span: Range<usize>, problems: &mut Problems) -> Option<T> {
        let help = match derived::closest(&self.name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`kubevigil rules fields kv.` lists all of them".to_owned(),
        };
        problems.error_with_help(codes::FIELD, span, self.to_string(), help)
    }
}

/// The names that public rules use for Kubernetes although no event has them; any other name stands for itself.
fn taxonomy(name: &str) -> Vec<String> {
    let one = |name: &str| vec![name.to_owned()];
    match name {
        "apiGroup" => one("objectRef.apiGroup"),
        "resource" => one("objectRef.resource"),
        "subresource" => one("objectRef.subresource"),
        "namespace" => one("objectRef.namespace"),
        "username" => one("user.username"),
        "hostPath" => POD_SPECS
            .map(|spec| format!("{spec}.volumes.hostPath"))
            .to_vec(),
        "capabilities" | "privileged" => {
            let in_spec =
                |spec: &str| CONTAINERS.map(|list| format!("{spec}.{list}.securityContext.{name}"));
            POD_SPECS.into_iter().flat_map(in_spec).collect()
        }
        _ => derived::places(name).unwrap_or_else(|| one(name)),
    }
}
