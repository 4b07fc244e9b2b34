//! A policy file, read as the API server reads it.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Source};
use kubevigil_yaml::Node;

use super::Policy;
use super::decode;
use super::faults::{Faults, NOT_A_POLICY, codes};
use super::scalar::JsonType;
use super::validate;

/// What became of a file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The policy, if there is enough of one to evaluate it; also when the server refuses it for what stands in it.
    pub policy: Option<Policy>,
    /// What stops the API server, in the order in which it looks; empty when it accepts the file.
    pub refusals: Vec<Refusal>,
    /// The refusals, and the keys that the server drops or takes twice, with their places.
    pub diagnostics: Vec<Diagnostic>,
    /// The text that places count in.
    pub source: Arc<Source>,
    /// The policy as a tree; `None` when the file is no YAML.
    root: Option<Node>,
}

/// Something that stops the API server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Which step of loading fails.
    pub layer: Layer,
    /// The path as the server prints it (`rules[0].level`); empty where it prints none.
    pub path: String,
    /// The server's label for what it validates (`Required value`); empty elsewhere.
    pub label: &'static str,
    /// One sentence, lower case, without a full stop.
    pub message: String,
}

/// The steps in which the API server loads a policy (spec 3.2); a step is reached only when those before it succeed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Layer {
    /// Syntax, types, kind and version.
    Decode,
    /// Whether an apiVersion was given.
    Version,
    /// The values.
    Validate,
    /// Whether there are rules.
    Count,
}

const API_VERSION: &str = "audit.k8s.io/v1";
/// Gone since Kubernetes 1.24.
const LEGACY_VERSIONS: [&str; 2] = ["audit.k8s.io/v1alpha1", "audit.k8s.io/v1beta1"];

impl PolicyFile {
    /// Reads a policy. `name` is what messages call the file.
    pub fn read(name: &str, text: &str) -> Self {
        Self::of_source(&Source::file(name, text))
    }

    /// Reads a policy that is a text inside another file.
    pub fn of_source(source: &Arc<Source>) -> Self {
        let mut faults = Faults::new(source);
        let root = parse(&source.text, &mut faults);
        Self::of(root, faults)
    }

    /// Reads a policy that is a map inside another file. Places are those of the whole file.
    pub fn of_node(source: &Arc<Source>, root: &Node) -> Self {
        Self::of(Some(root.clone()), Faults::new(source))
    }

    /// The same file, read as a server before Kubernetes 1.24 reads it: such servers take the versions before v1, whose keys are the same.
    #[must_use]
    pub fn for_legacy_servers(&self) -> Self {
        let version = self.root.as_ref().and_then(|root| root.get("apiVersion"));
        let is_legacy = version
            .and_then(Node::text)
            .is_some_and(|version| LEGACY_VERSIONS.contains(&version));
        if is_legacy {
            let faults = Faults::new(&self.source);
            Self::of_version(self.root.clone(), faults, &LEGACY_VERSIONS)
        } else {
            self.clone()
        }
    }

    fn of(root: Option<Node>, faults: Faults) -> Self {
        Self::of_version(root, faults, &[API_VERSION])
    }

    fn of_version(root: Option<Node>, mut faults: Faults, served: &[&str]) -> Self {
        let policy = root
            .as_ref()
            .and_then(|root| document(root, served, &mut faults));
        Self {
            policy,
            refusals: faults.refusals,
            diagnostics: faults.diagnostics,
            source: faults.source,
            root,
        }
    }

    /// Where a value stands, by its path as the server writes paths: `rules[0].resources[1].group`. The place of the nearest value
    /// around it when it does not stand in the file.
    pub fn span(&self, path: &str) -> Range<usize> {
        let Some(mut node) = self.root.as_ref() else {
            return 0..0;
        };
        for step in path.split(['.', '[']) {
            let below = match step.strip_suffix(']') {
                Some(number) => number
                    .parse()
                    .ok()
                    .and_then(|number: usize| node.items()?.get(number)),
                None => node.get(step),
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        node.span.clone()
    }

    /// Whether the API server accepts the file.
    pub fn is_valid(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// The first document of a file; what is wrong with the text is noted.
fn parse(text: &str, faults: &mut Faults) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = faults.source.text.len() - text.len();
    if text.trim_start().starts_with('{')
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text)
    {
        let message =
            format!("a file that begins with `{{` must be JSON, and this is none: {error}");
        let help = "mend it, or write it as YAML in block style";
        faults.refuse(Layer::Decode, "", "", 0..0, message, Some(help.to_owned()));
        return None;
    }
    let documents = match kubevigil_yaml::parse(&faults.source.text.clone()) {
        Ok(documents) => documents,
        Err(error) => {
            let place = error.offset.max(mark)..error.offset.max(mark);
            faults.refuse(
                Layer::Decode,
                "",
                "",
                place,
                format!("the file is no YAML: {}", error.message),
                None,
            );
            return None;
        }
    };
    if let Some(second) = documents.get(1) {
        let message =
            "the API server reads only the first document of the file; this one means nothing";
        let diagnostic = Diagnostic::error(codes::RULES, message)
            .at(&faults.source, second.root.span.clone())
            .help("put all rules under one `rules:`");
        faults.diagnostics.push(diagnostic);
    }
    let first = documents.into_iter().next();
    if first.is_none() {
        no_version(0..0, faults);
    }
    first.map(|first| first.root)
}

fn document(root: &Node, served: &[&str], faults: &mut Faults) -> Option<Policy> {
    match JsonType::of(root) {
        JsonType::Object => {}
        JsonType::Null => {
            no_version(root.span.clone(), faults);
            return None;
        }
        other => {
            let message = format!("a policy must be a map of keys, not {}", other.word());
            let help = "begin with `apiVersion: audit.k8s.io/v1`, `kind: Policy`, `rules:`";
            faults.refuse(
                Layer::Decode,
                "",
                "",
                root.span.clone(),
                message,
                Some(help.to_owned()),
            );
            return None;
        }
    }
    if !is_policy(root, served, faults) {
        return None;
    }
    let draft = decode::policy(root, faults);
    if faults.refusals.is_empty() {
        match root
            .get("apiVersion")
            .and_then(Node::text)
            .filter(|version| !version.is_empty())
        {
            Some(version) if served.contains(&version) => validate::check(&draft, faults),
            _ => no_version(start_of(root), faults),
        }
    }
    Some(draft.policy())
}

/// Whether kind and version are those of a policy, or missing, which the server notices later.
fn is_policy(root: &Node, served: &[&str], faults: &mut Faults) -> bool {
    let text = |key: &str| root.get(key).filter(|node| !node.is_null());
    let version = text("apiVersion").and_then(Node::text).unwrap_or_default();
    let kind = text("kind").and_then(Node::text).unwrap_or_default();
    let (key, message, help) = if !matches!(version, "" | "__internal")
        && !served.contains(&version)
    {
        let help = match version {
            "audit.k8s.io/v1alpha1" | "audit.k8s.io/v1beta1" => {
                "write `apiVersion: audit.k8s.io/v1`; the older versions were removed in Kubernetes 1.24, the keys are the same"
            }
            _ => "write `apiVersion: audit.k8s.io/v1`",
        };
        let message = format!(
            "no kind `{kind}` is registered for version `{version}`, so the API server cannot decode the file"
        );
        ("apiVersion", message, help)
    } else if kind == "PolicyList" {
        (
            "kind",
            "a PolicyList cannot be converted into a Policy".to_owned(),
            "put one Policy into the file",
        )
    } else if !matches!(kind, "" | "Policy") {
        (
            "kind",
            format!("no kind `{kind}` is registered for version `{API_VERSION}`"),
            "write `kind: Policy`",
        )
    } else {
        return true;
    };
    let span = text(key).map_or(root.span.clone(), |node| node.span.clone());
    faults.refuse(
        Layer::Decode,
        "",
        NOT_A_POLICY,
        span,
        message,
        Some(help.to_owned()),
    );
    // The older versions had the same keys, so there is something to look at.
    LEGACY_VERSIONS.contains(&version)
}

fn no_version(span: Range<usize>, faults: &mut Faults) {
    let message =
        "the file names no apiVersion, so the API server does not recognise it as a policy";
    let help = "put `apiVersion: audit.k8s.io/v1` and `kind: Policy` at the top";
    faults.refuse(
        Layer::Version,
        "",
        "",
        span,
        message.to_owned(),
        Some(help.to_owned()),
    );
}

fn start_of(root: &Node) -> Range<usize> {
    let first = root.pairs().and_then(<[_]>::first);
    first.map_or(root.span.clone(), |(key, _)| key.span.clone())
}
