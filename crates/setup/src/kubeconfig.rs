//! The kubeconfig of the audit webhook, as the API server reads it.
//!
//! It holds secrets, and what is wrong with it is shown with the line in question, perhaps in the log of a build. So findings lie in a copy of the
//! text in which secrets are stars.

use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Place, Source};
use kubevigil_yaml::Node;

use crate::check::codes;
use crate::server::place;

/// Fields of a user that are not for everybody's eyes.
const SECRETS: [&str; 4] = ["client-key-data", "exec", "password", "token"];

/// A webhook's kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// The cluster that the current context names; `None` when the names do not resolve.
    pub cluster: Option<Entry>,
    /// The user that it names; `None` when the names do not resolve.
    pub user: Option<Entry>,
    /// What keeps the names from resolving.
    pub unresolved: Option<Unresolved>,
    /// The whole file.
    pub place: Place,
}

/// The fields of a cluster or a user that are set.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    fields: Vec<(String, String, Place)>,
}

/// A name that leads nowhere.
#[derive(Clone, Debug)]
pub struct Unresolved {
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where.
    pub place: Place,
}

impl Kubeconfig {
    /// Reads a kubeconfig.
    ///
    /// # Errors
    ///
    /// The file is no YAML, or no mapping.
    pub fn read(name: &str, text: &str) -> Result<Self, Box<Diagnostic>> {
        let documents = kubevigil_yaml::parse(text).map_err(|error| {
            let (line, _) = Source::file(name, text).position(error.offset);
            let message = format!(
                "the API server does not start: the kubeconfig {name} is no YAML (line {line}): {error}"
            );
            Box::new(Diagnostic::error(codes::WEBHOOK, message))
        })?;
        let root = documents.first().map(|document| &document.root);
        let masked = root.map_or_else(String::new, |root| without_secrets(text, root));
        let source = Source::file(name, masked);
        match root {
            Some(root) if root.pairs().is_some() => Ok(resolve(&source, root)),
            _ => {
                let message = "the API server does not start: the file is no kubeconfig";
                Err(Box::new(
                    Diagnostic::error(codes::WEBHOOK, message).at(&source, 0..0),
                ))
            }
        }
    }
}

/// The text with a star for each byte of a secret, so that all places stay what they are.
fn without_secrets(text: &str, root: &Node) -> String {
    let users = root.get("users").and_then(Node::items).unwrap_or_default();
    let fields = users
        .iter()
        .filter_map(|user| user.get("user")?.pairs())
        .flatten();
    let mut bytes = text.as_bytes().to_vec();
    for (key, value) in fields {
        if !key.text().is_some_and(|key| SECRETS.contains(&key)) {
            continue;
        }
        for byte in bytes.get_mut(value.span.clone()).unwrap_or_default() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

impl Entry {
    fn of(source: &Arc<Source>, node: &Node) -> Self {
        let field = |(key, value): &(Node, Node)| {
            let shown = value.text().unwrap_or("…").to_owned();
            let is_set = !value.is_null() && !shown.is_empty();
            is_set.then(|| {
                (
                    key.text().unwrap_or_default().to_owned(),
                    shown,
                    place(source, value.span.clone()),
                )
            })
        };
        Self {
            fields: node
                .pairs()
                .unwrap_or_default()
                .iter()
                .filter_map(field)
                .collect(),
        }
    }

    /// The value of a field and its place, if it is set.
    pub fn get(&self, name: &str) -> Option<(&str, &Place)> {
        self.fields
            .iter()
            .find(|(field, ..)| field == name)
            .map(|(_, value, place)| (value.as_str(), place))
    }

    /// The first of these fields that is set.
    pub fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &Place)> {
        let find = |name: &&'n str| self.get(name).map(|(_, place)| (*name, place));
        names.iter().find_map(find)
    }
}

fn resolve(source: &Arc<Source>, root: &Node) -> Kubeconfig {
    let mut config = Kubeconfig {
        cluster: None,
        user: None,
        unresolved: None,
        place: place(source, 0..0),
    };
    let unresolved = |message: String, node: &Node| Unresolved {
        message,
        place: place(source, node.span.clone()),
    };
    let current = root
        .get("current-context")
        .and_then(Node::text)
        .unwrap_or_default();
    let Some(context) = named(root, "contexts", current, "context") else {
        let (message, node) = if current.is_empty() {
            (
                "no `current-context` is named".to_owned(),
                root.entry("contexts").map_or(root, |(key, _)| key),
            )
        } else {
            (
                format!("there is no context named `{current}`"),
                root.get("current-context").unwrap_or(root),
            )
        };
        config.unresolved = Some(unresolved(message, node));
        return config;
    };
    let mut follow = |kind: &str, list: &str| {
        let node = context.get(kind);
        let name = node.and_then(Node::text).unwrap_or_default();
        let found = named(root, list, name, kind);
        let optional = kind == "user" && name.is_empty();
        if found.is_none() && !optional && config.unresolved.is_none() {
            let message = format!("there is no {kind} named `{name}`");
            config.unresolved = Some(unresolved(message, node.unwrap_or(context)));
        }
        found.map(|found| Entry::of(source, found))
    };
    let cluster = follow("cluster", "clusters");
    let user = follow("user", "users");
    Kubeconfig {
        cluster,
        user,
        ..config
    }
}

/// What is called `name` in a list of the kubeconfig.
fn named<'n>(root: &'n Node, list: &str, name: &str, kind: &str) -> Option<&'n Node> {
    let items = root.get(list)?.items()?;
    let item = items
        .iter()
        .find(|item| item.get("name").and_then(Node::text).unwrap_or_default() == name)?;
    item.get(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let text = "users:\n- name: a\n  user: {token: \"häpless\", tokenFile: /t}\n- name: b\n  user:\n    client-key-data: >\n      abc\n      def\n";
        let config = Kubeconfig::read("webhook.yaml", text).unwrap();
        let shown = &config.place.source.text;
        assert_eq!(shown.len(), text.len());
        for secret in ["pless", "abc", "def"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(
            shown.contains("tokenFile: /t") && shown.contains("client-key-data: >"),
            "{shown}"
        );
    }
}
