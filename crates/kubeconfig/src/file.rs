//! A kubeconfig as it stands in its file: what a context names, and where.
//!
//! It holds secrets, and what is wrong with it is shown with the line in question, perhaps in the log of a build. So findings lie in a copy
//! of the text in which secrets are stars.

use std::fmt;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Place, Source};
use kubevigil_yaml::Node;

use crate::masked::without_secrets;

/// How many contexts are named to somebody who asks for one that is not there.
const SHOWN: usize = 8;

/// The code of everything that is said about a kubeconfig.
pub const CODE: &str = "KUBECONFIG";

/// A kubeconfig, seen from one of its contexts.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// The cluster that the context names; `None` when the names do not resolve.
    pub cluster: Option<Entry>,
    /// The user that it names; `None` when it names none, or the names do not resolve.
    pub user: Option<Entry>,
    /// What keeps the names from resolving.
    pub unresolved: Option<Unresolved>,
    /// The whole file, secrets masked.
    pub place: Place,
}

/// The fields of a cluster or a user that are set. `Debug` shows their names.
#[derive(Clone, Default)]
pub struct Entry {
    fields: Vec<Field>,
}

/// A field that is set.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The text of a scalar, else an ellipsis.
    pub(crate) shown: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// A name that leads nowhere.
#[derive(Clone, Debug)]
pub struct Unresolved {
    /// What it should have led to.
    pub missing: Missing,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where.
    pub place: Place,
}

/// What a name should have led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// There is no `current-context`, and none was asked for.
    CurrentContext,
    /// A context.
    Context,
    /// A cluster.
    Cluster,
    /// A user.
    User,
}

impl Kubeconfig {
    /// Reads a kubeconfig and follows its `current-context`. `name` is what findings call the file.
    ///
    /// # Errors
    ///
    /// The file is no YAML, or no mapping.
    pub fn read(name: &str, text: &str) -> Result<Self, Box<Diagnostic>> {
        Self::read_context(name, text, None)
    }

    /// The same for another context than the current one.
    ///
    /// # Errors
    ///
    /// As [`Kubeconfig::read`].
    pub fn read_context(
        name: &str,
        text: &str,
        context: Option<&str>,
    ) -> Result<Self, Box<Diagnostic>> {
        let documents = kubevigil_yaml::parse(text).map_err(|error| {
            let (line, _) = Source::file(name, text).position(error.offset);
            let message = format!("the kubeconfig {name} is no YAML (line {line}): {error}");
            Box::new(Diagnostic::error(CODE, message))
        })?;
        let root = documents.first().map(|document| &document.root);
        let masked = root.map_or_else(String::new, |root| without_secrets(text, root));
        let source = Source::file(name, masked);
        match root {
            Some(root) if root.pairs().is_some() => Ok(resolve(&source, root, context)),
            _ => {
                let wrong = Diagnostic::error(CODE, "the file is no kubeconfig");
                Err(Box::new(wrong.at(&source, 0..0)))
            }
        }
    }
}

impl Entry {
    /// The fields of a mapping.
    pub(crate) fn of(source: &Arc<Source>, node: &Node) -> Self {
        let field = |(key, value): &(Node, Node)| {
            let shown = value.text().unwrap_or("…").to_owned();
            let is_set = !value.is_null() && !shown.is_empty();
            is_set.then(|| Field {
                name: key.text().unwrap_or_default().to_owned(),
                shown,
                place: place(source, value),
                node: value.clone(),
            })
        };
        let pairs = node.pairs().unwrap_or_default();
        Self {
            fields: pairs.iter().filter_map(field).collect(),
        }
    }

    /// The value of a field and its place, if it is set. What is no text comes out as an ellipsis.
    pub fn get(&self, name: &str) -> Option<(&str, &Place)> {
        self.field(name)
            .map(|field| (field.shown.as_str(), &field.place))
    }

    /// The first of these fields that is set.
    pub fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &Place)> {
        let find = |name: &&'n str| self.get(name).map(|(_, place)| (*name, place));
        names.iter().find_map(find)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields.iter().map(|field| &field.name);
        f.debug_set().entries(names).finish()
    }
}

/// Where a node stands.
pub(crate) fn place(source: &Arc<Source>, node: &Node) -> Place {
    Place {
        source: Arc::clone(source),
        span: node.span.clone(),
    }
}

fn resolve(source: &Arc<Source>, root: &Node, wanted: Option<&str>) -> Kubeconfig {
    let mut config = Kubeconfig {
        cluster: None,
        user: None,
        unresolved: None,
        place: Place {
            source: Arc::clone(source),
            span: 0..0,
        },
    };
    let current = root.get("current-context");
    let name = wanted.or(current.and_then(Node::text)).unwrap_or_default();
    let Some(context) = named(root, "contexts", name, "context") else {
        config.unresolved = Some(no_context(source, root, name, wanted.is_some()));
        return config;
    };
    let mut follow = |missing: Missing, kind: &str, list: &str| {
        let node = context.get(kind);
        let name = node.and_then(Node::text).unwrap_or_default();
        let found = named(root, list, name, kind);
        let optional = missing == Missing::User && name.is_empty();
        if found.is_none() && !optional && config.unresolved.is_none() {
            config.unresolved = Some(Unresolved {
                missing,
                message: format!("there is no {kind} named `{name}`"),
                place: place(source, node.unwrap_or(context)),
            });
        }
        found.map(|found| Entry::of(source, found))
    };
    let cluster = follow(Missing::Cluster, "cluster", "clusters");
    let user = follow(Missing::User, "user", "users");
    Kubeconfig {
        cluster,
        user,
        ..config
    }
}

fn no_context(source: &Arc<Source>, root: &Node, name: &str, is_wanted: bool) -> Unresolved {
    let contexts = root.entry("contexts").map_or(root, |(key, _)| key);
    let (missing, message, node) = if name.is_empty() {
        let message = "no `current-context` is named".to_owned();
        (Missing::CurrentContext, message, contexts)
    } else {
        let current = root.get("current-context").filter(|_| !is_wanted);
        let message = format!(
            "there is no context named `{name}`; {}",
            those_there_are(root)
        );
        (Missing::Context, message, current.unwrap_or(contexts))
    };
    Unresolved {
        missing,
        message,
        place: place(source, node),
    }
}

/// The names of contexts, as many as one cares to read.
fn those_there_are(root: &Node) -> String {
    let contexts = root.get("contexts").and_then(Node::items);
    let names = contexts.unwrap_or_default().iter();
    let names: Vec<String> = names
        .filter_map(|context| context.get("name")?.text())
        .map(|name| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => "there are no contexts".to_owned(),
        [only] => format!("the only one is {only}"),
        [first @ .., last] if first.len() <= SHOWN => {
            format!("there are {} and {last}", first.join(", "))
        }
        names => {
            let shown = names.get(..SHOWN).unwrap_or_default();
            let more = names.len() - shown.len();
            format!("there are {} and {more} more", shown.join(", "))
        }
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
        let text = "x: &t fortune-teller\nusers:\n- name: a\n  user: {token: \"häpless\", tokenFile: /t}\n- name: b\n  user:\n    client-key-data: >\n      abc\n      def\n- token: misplaced\n- user: {token: *t}\n- user: {exec: {env: [{name: A, value: key3long}]}}\nclusters: [{cluster: {proxy-url: http://u:pa@h:1}}]\n";
        let config = Kubeconfig::read("webhook.yaml", text).unwrap();
        let shown = &config.place.source.text;
        assert_eq!(shown.len(), text.len());
        for secret in [
            "pless",
            "abc",
            "def",
            "misplaced",
            "fortune",
            "key3long",
            "u:pa",
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        for text in ["tokenFile: /t", "client-key-data: >", "@h:1"] {
            assert!(shown.contains(text), "{text} not in {shown}");
        }
    }

    #[test]
    fn a_context_is_asked_for_by_name() {
        let text = "current-context: a\ncontexts:\n- {name: a, context: {cluster: a}}\n- {name: b, context: {cluster: b}}\nclusters:\n- {name: a, cluster: {server: http://a}}\n- {name: b, cluster: {server: http://b}}\n";
        let server = |context| {
            let config = Kubeconfig::read_context("k", text, context).unwrap();
            let cluster = config.cluster.map(|cluster| {
                let (server, _) = cluster.get("server").unwrap();
                server.to_owned()
            });
            (
                cluster,
                config.unresolved.map(|unresolved| unresolved.missing),
            )
        };
        assert_eq!(server(None), (Some("http://a".to_owned()), None));
        assert_eq!(server(Some("b")), (Some("http://b".to_owned()), None));
        assert_eq!(server(Some("c")), (None, Some(Missing::Context)));
    }

    #[test]
    fn contexts_that_there_are_are_named_to_who_asks_for_another() {
        let cases = [
            (0, "there are no contexts"),
            (1, "the only one is `1`"),
            (3, "there are `1`, `2` and `3`"),
            (
                9,
                "there are `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8` and `9`",
            ),
            (
                10,
                "there are `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8` and 2 more",
            ),
        ];
        for (count, expected) in cases {
            let contexts = (1..=count).map(|number| format!("{{name: {number}, context: {{}}}}"));
            let contexts: Vec<String> = contexts.collect();
            let text = format!("contexts: [{}]\n", contexts.join(", "));
            let config = Kubeconfig::read_context("k", &text, Some("x")).unwrap();
            let message = config.unresolved.unwrap().message;
            assert_eq!(
                message,
                format!("there is no context named `x`; {expected}")
            );
        }
    }
}
