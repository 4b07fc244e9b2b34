//! Policies inside other files.
//!
//! A policy often travels inside something else: a ConfigMap, the files of a kops or Cluster API manifest, the configuration of a distribution. So a file
//! is searched for what says that it is a policy, as a map or as a text that is one. What says nothing of the kind is read as a
//! policy itself, so that its author learns what is missing.

use std::sync::Arc;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::Source;
use kubevigil_yaml::{Kind, Node};

/// A policy of a file.
#[derive(Clone, Debug)]
pub struct Wrapped {
    /// The path to it inside the file (`data.policy.yaml`); empty when the file is the policy.
    pub path: String,
    /// The policy as it was read. Places in it are those of the whole file; columns of a text inside a text begin at the text.
    pub file: PolicyFile,
}

/// The policies of a file; at least one, since a file without any is taken for a broken one.
pub fn policies(name: &str, text: &str) -> Vec<Wrapped> {
    let documents = kubevigil_yaml::parse(text).unwrap_or_default();
    let is_plain = documents
        .first()
        .is_none_or(|first| looks_like_policy(&first.root));
    let mut found = Vec::new();
    if !is_plain {
        let source = Source::file(name, text);
        for document in &documents {
            search(&source, &document.root, String::new(), &mut found);
        }
    }
    if found.is_empty() {
        found.push(Wrapped {
            path: String::new(),
            file: PolicyFile::read(name, text),
        });
    }
    found
}

/// Whether a map is meant as a policy, however badly it is written.
fn looks_like_policy(node: &Node) -> bool {
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
    let has_rules = node.pairs().is_some_and(|pairs| {
        pairs.iter().any(|(key, _)| {
            key.text()
                .is_some_and(|key| key.eq_ignore_ascii_case("rules"))
        })
    });
    text("apiVersion").starts_with("audit.k8s.io") || (text("apiVersion").is_empty() && has_rules)
}

/// Depth is bounded by the YAML reader.
fn search(source: &Arc<Source>, node: &Node, path: String, found: &mut Vec<Wrapped>) {
    if text_of(node, "apiVersion").starts_with("audit.k8s.io/") {
        found.push(Wrapped {
            path,
            file: PolicyFile::of_node(source, node),
        });
        return;
    }
    let below = |step: &str| {
        if path.is_empty() {
            step.to_owned()
        } else {
            format!("{path}.{step}")
        }
    };
    match &node.kind {
        Kind::Mapping(pairs) => {
            for (key, value) in pairs {
                search(source, value, below(key.text().unwrap_or_default()), found);
            }
        }
        Kind::Sequence(items) => {
            for (number, item) in items.iter().enumerate() {
                search(source, item, format!("{path}[{number}]"), found);
            }
        }
        Kind::Scalar { text, .. } if text.contains("audit.k8s.io/") => {
            let is_policy = kubevigil_yaml::parse(text).is_ok_and(|inner| {
                inner
                    .first()
                    .is_some_and(|inner| looks_like_policy(&inner.root))
            });
            if is_policy {
                let (line, _) = source.position(node.source_offset(&source.text, 0));
                let part = Source::part(source.name.clone(), text.clone(), line.saturating_sub(1));
                found.push(Wrapped {
                    path,
                    file: PolicyFile::of_source(&part),
                });
            }
        }
        Kind::Scalar { .. } => {}
    }
}

fn text_of<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n- levle: None\n";

    fn indented(by: usize) -> String {
        POLICY
            .lines()
            .map(|line| format!("{:by$}{line}\n", ""))
            .collect()
    }

    #[test]
    fn a_policy_is_found_wherever_it_travels() {
        for (wrapper, path, line) in [
            (POLICY.to_owned(), "", 5),
            (
                format!(
                    "apiVersion: v1\nkind: ConfigMap\ndata:\n  audit.yaml: |\n{}",
                    indented(4)
                ),
                "data.audit.yaml",
                9,
            ),
            (
                format!(
                    "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nspec:\n  fileAssets:\n  - name: audit\n    content: |\n{}",
                    indented(6)
                ),
                "spec.fileAssets[0].content",
                11,
            ),
            (
                format!("kube-apiserver:\n  audit:\n    policy:\n{}", indented(6)),
                "kube-apiserver.audit.policy",
                8,
            ),
        ] {
            let found = policies("file.yaml", &wrapper);
            assert_eq!(found.len(), 1, "{wrapper}");
            assert_eq!(found[0].path, path);
            let diagnostic = &found[0].file.diagnostics[0];
            let place = diagnostic.place.as_ref().unwrap();
            assert_eq!(place.source.position(place.span.start).0, line, "{wrapper}");
        }
    }

    #[test]
    fn a_file_that_says_nothing_of_policies_is_read_as_one() {
        let found = policies("file.yaml", "Rules:\n- level: None\n");
        assert!(!found[0].file.is_valid());
    }
}
