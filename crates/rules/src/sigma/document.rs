//! What stands around a detection.

use std::sync::Arc;

use kubevigil_diagnostics::closest;
use kubevigil_yaml::Node;

use crate::rule::Priority;
use crate::sigma::codes;
use crate::sigma::fields::Fields;
use crate::sigma::problems::Problems;

/// The keys of a document that mean something.
const KEYS: [&str; 26] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "sigma-version",
    "filter",
    "correlation",
    // What kubevigil adds.
    "kubevigil",
    "tuning",
    "covers",
    "attack-version",
];

/// kubevigil's key for the level when the API server refused the request or the request failed.
const REFUSED_LEVEL: &str = "refused-level";

/// Sigma's levels and the priorities that alerts carry.
const LEVELS: [(&str, Priority); 5] = [
    ("informational", Priority::Informational),
    ("low", Priority::Notice),
    ("medium", Priority::Warning),
    ("high", Priority::Error),
    ("critical", Priority::Critical),
];

/// The parts of a document that are neither detection nor filter.
pub(super) struct Head {
    pub(super) title: Arc<str>,
    pub(super) id: Option<Arc<str>>,
    pub(super) description: Arc<str>,
    pub(super) priority: Priority,
    pub(super) refused_priority: Option<Priority>,
    pub(super) tags: Vec<Arc<str>>,
    pub(super) fields: Vec<String>,
    pub(super) has_blocks: bool,
    pub(super) name: Option<Arc<str>>,
    /// What people want to read besides, by key: false positives first, then everything else that is texts, in order.
    pub(super) notes: Arc<[(String, Vec<String>)]>,
}

/// Reads the head; mistakes are noted and the rest is read all the same.
pub(super) fn head(node: &Node, problems: &mut Problems) -> Option<Head> {
    let title = title(node, problems);
    let id = text(node, "id", problems);
    let name = text(node, "name", problems);
    let description = text(node, "description", problems).unwrap_or_default();
    let priority = level(node, "level", problems);
    let refused_priority = level(node, REFUSED_LEVEL, problems);
    let mut tags: Vec<Arc<str>> = texts(node, "tags", problems)
        .iter()
        .map(|tag| tag.as_str().into())
        .collect();
    tags.sort();
    tags.dedup();
    let fields = texts(node, "fields", problems);
    let notes = notes(node, texts(node, "falsepositives", problems));
    let has_blocks = version(node, problems) >= 3;
    warn_of_near_misses(node, problems);
    Some(Head {
        title: title?.into(),
        id: id.map(Arc::from),
        description: description.trim().into(),
        priority: priority?.unwrap_or(Priority::Informational),
        refused_priority: refused_priority?,
        tags,
        fields,
        has_blocks,
        name: name.map(Arc::from),
        notes,
    })
}

/// Notes names in `fields` that no event can ever have.
pub(super) fn check_fields(node: &Node, fields: &Fields, problems: &mut Problems) {
    let Some(value) = node.get("fields") else {
        return;
    };
    for name in value.items().unwrap_or(std::slice::from_ref(value)) {
        if let Some(Err(unknown)) = name.text().map(|text| fields.resolve(text)) {
            unknown.report::<()>(name.span.clone(), problems);
        }
    }
}

/// What messages call a document.
pub(super) fn label(node: &Node) -> String {
    let kinds = [
        ("correlation", "correlation"),
        ("kubevigil", "correlation"),
        ("filter", "filter"),
    ];
    let kind = kinds.iter().find(|(key, _)| node.get(key).is_some());
    let kind = kind.map(|(_, kind)| *kind);
    match node.get("title").and_then(Node::text) {
        Some(title) => format!("{} \"{title}\"", kind.unwrap_or("rule")),
        None => kind.unwrap_or("rule").to_owned(),
    }
}

/// Whether a document states a rule, and nothing for other documents.
pub(super) fn is_rule(node: &Node) -> bool {
    let has = |key: &&str| node.get(key).is_some();
    let asks = ["detection", "correlation", "kubevigil", "title"]
        .iter()
        .any(has);
    asks && !["filter", "action"].iter().any(has)
}

/// Where messages about a whole document point.
pub(super) fn first_key(node: &Node) -> std::ops::Range<usize> {
    let entry = node.entry("title").or_else(|| node.pairs()?.first());
    entry.map_or(node.span.clone(), |(key, _)| key.span.clone())
}

fn title(node: &Node, problems: &mut Problems) -> Option<String> {
    const LONGEST: usize = 256;
    let Some((_, value)) = node.entry("title") else {
        return problems.error(codes::STRUCTURE, first_key(node), "key `title` is missing");
    };
    let title = text(node, "title", problems)?;
    if title.trim().is_empty() || title.chars().count() > LONGEST {
        let message = format!("`title` must have between 1 and {LONGEST} characters");
        return problems.error(codes::STRUCTURE, value.span.clone(), message);
    }
    Some(title)
}

/// The text of a key, if it is there and not null.
fn text(node: &Node, key: &str, problems: &mut Problems) -> Option<String> {
    let value = node.get(key).filter(|value| !value.is_null())?;
    match value.text() {
        Some(text) => Some(text.to_owned()),
        None => problems.error(
            codes::STRUCTURE,
            value.span.clone(),
            format!("`{key}` must be a text"),
        ),
    }
}

/// The texts of a key: a list, or one text.
fn texts(node: &Node, key: &str, problems: &mut Problems) -> Vec<String> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    let nodes = value.items().unwrap_or(std::slice::from_ref(value));
    let mut texts = Vec::new();
    for node in nodes.iter().filter(|node| !node.is_null()) {
        match node.text() {
            Some(text) => texts.push(text.to_owned()),
            None => drop(problems.error::<()>(
                codes::STRUCTURE,
                node.span.clone(),
                format!("`{key}` must be a list of texts"),
            )),
        }
    }
    texts
}

/// The priority of a key with a level; the inner `None` when the key is not there, the outer one after a mistake.
#[expect(clippy::option_option, reason = "a mistake is not a missing key")]
fn level(node: &Node, key: &str, problems: &mut Problems) -> Option<Option<Priority>> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Some(None);
    };
    let word = text(node, key, problems)?;
    let lower = word.to_ascii_lowercase();
    if let Some((_, priority)) = LEVELS.iter().find(|(level, _)| *level == lower) {
        return Some(Some(*priority));
    }
    let message = format!("unknown level `{word}`");
    let levels = LEVELS.map(|(level, _)| level);
    problems.unknown(codes::STRUCTURE, value.span.clone(), message, &word, levels)
}

fn version(node: &Node, problems: &mut Problems) -> u32 {
    let Some(word) = text(node, "sigma-version", problems) else {
        return 2;
    };
    let whole = word.split('.').next().unwrap_or_default();
    whole.parse().unwrap_or_else(|_| {
        let span = node
            .get("sigma-version")
            .map_or(node.span.clone(), |value| value.span.clone());
        problems.error::<()>(
            codes::STRUCTURE,
            span,
            "`sigma-version` must be a number, such as 3",
        );
        2
    })
}

/// Unknown keys are allowed; one that looks like a known one is probably a slip.
fn warn_of_near_misses(node: &Node, problems: &mut Problems) {
    for (key, _) in node.pairs().unwrap_or_default() {
        let Some(name) = key.text().filter(|name| !KEYS.contains(name)) else {
            continue;
        };
        if let Some(near) = closest(name, KEYS) {
            let message = format!("key `{name}` means nothing to Sigma");
            let help = format!("did you mean `{near}`?");
            problems.warning(codes::UNKNOWN_KEY, key.span.clone(), message, help);
        }
    }
}

fn notes(node: &Node, falsepositives: Vec<String>) -> Arc<[(String, Vec<String>)]> {
    const ELSEWHERE: [&str; 9] = [
        "title",
        "id",
        "name",
        "description",
        "detection",
        "falsepositives",
        "level",
        "tags",
        "logsource",
    ];
    let mut notes = Vec::new();
    if !falsepositives.is_empty() {
        notes.push(("falsepositives".to_owned(), falsepositives));
    }
    for (key, value) in node.pairs().unwrap_or_default() {
        let nodes = value.items().unwrap_or(std::slice::from_ref(value));
        let texts: Option<Vec<String>> = nodes
            .iter()
            .map(|node| node.text().map(str::to_owned))
            .collect();
        if let (Some(name), Some(texts)) = (key.text(), texts)
            && !ELSEWHERE.contains(&name)
        {
            notes.push((name.to_owned(), texts));
        }
    }
    notes.into()
}
