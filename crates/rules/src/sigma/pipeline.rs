//! Pipelines: a small part of pySigma's, for names of fields and values of placeholders.
//!
//! A file with `transformations` or `vars` is a pipeline. Of pySigma's transformations those are known that only rename fields:
//! `field_name_mapping`, `field_name_prefix_mapping` and, without effect because placeholders are always replaced,
//! `value_placeholders`. Any other is refused: a rule that is silently not rewritten asks the wrong question.

use kubevigil_yaml::Node;

use crate::sigma::codes;
use crate::sigma::fields::Fields;
use crate::sigma::problems::Problems;
use crate::sigma::values::Placeholders;

const KINDS: [&str; 3] = [
    "field_name_mapping",
    "field_name_prefix_mapping",
    "value_placeholders",
];

/// Whether a document is a pipeline.
pub(super) fn is_pipeline(node: &Node) -> bool {
    let is_rule = ["detection", "filter", "correlation"]
        .iter()
        .any(|key| node.get(key).is_some());
    !is_rule && (node.get("transformations").is_some() || node.get("vars").is_some())
}

/// Adds what a pipeline says; later ones add to and replace what earlier ones said.
pub(super) fn read(
    node: &Node,
    fields: &mut Fields,
    placeholders: &mut Placeholders,
    problems: &mut Problems,
) {
    if let Some(vars) = node.get("vars") {
        for (name, values) in map(vars, "vars", problems) {
            placeholders.extend(texts(values, problems).map(|values| (name, values)));
        }
    }
    let Some(transformations) = node.get("transformations") else {
        return;
    };
    let Some(items) = transformations.items() else {
        problems.error::<()>(
            codes::PIPELINE,
            transformations.span.clone(),
            "`transformations` must be a list",
        );
        return;
    };
    for item in items {
        transformation(item, fields, problems);
    }
}

fn transformation(item: &Node, fields: &mut Fields, problems: &mut Problems) {
    let kind = item.get("type").and_then(Node::text).unwrap_or_default();
    for key in [
        "rule_conditions",
        "detection_item_conditions",
        "field_name_conditions",
    ] {
        if let Some((key_node, _)) = item.entry(key) {
            let message = format!("`{key}` is not supported: a transformation holds for all rules");
            problems.error::<()>(codes::PIPELINE, key_node.span.clone(), message);
        }
    }
    let mapping = item.get("mapping");
    match (kind, mapping) {
        ("field_name_mapping", Some(mapping)) => {
            for (name, values) in map(mapping, "mapping", problems) {
                fields
                    .mapping
                    .extend(texts(values, problems).map(|names| (name, names)));
            }
        }
        ("field_name_prefix_mapping", Some(mapping)) => {
            for (prefix, value) in map(mapping, "mapping", problems) {
                match value.text() {
                    Some(new) => drop(fields.prefixes.insert(prefix, new.to_owned())),
                    None => drop(problems.error::<()>(
                        codes::PIPELINE,
                        value.span.clone(),
                        "a text is expected",
                    )),
                }
            }
        }
        ("value_placeholders", _) => {}
        ("field_name_mapping" | "field_name_prefix_mapping", None) => {
            problems.error::<()>(
                codes::PIPELINE,
                item.span.clone(),
                "key `mapping` is missing",
            );
        }
        _ => {
            let span = item
                .get("type")
                .map_or(item.span.clone(), |kind| kind.span.clone());
            let message = format!("the transformation `{kind}` is not supported");
            problems.unknown::<()>(codes::PIPELINE, span, message, kind, KINDS);
        }
    }
}

fn map<'n>(node: &'n Node, name: &str, problems: &mut Problems) -> Vec<(String, &'n Node)> {
    let Some(pairs) = node.pairs() else {
        problems.error::<()>(
            codes::PIPELINE,
            node.span.clone(),
            format!("`{name}` must be a map"),
        );
        return Vec::new();
    };
    let named = pairs
        .iter()
        .filter_map(|(key, value)| Some((key.text()?.to_owned(), value)));
    named.collect()
}

/// A text or a list of texts.
fn texts(node: &Node, problems: &mut Problems) -> Option<Vec<String>> {
    let nodes = node.items().unwrap_or(std::slice::from_ref(node));
    let texts: Option<Vec<String>> = nodes
        .iter()
        .map(|node| node.text().map(str::to_owned))
        .collect();
    match texts {
        Some(texts) if !texts.is_empty() => Some(texts),
        _ => problems.error(
            codes::PIPELINE,
            node.span.clone(),
            "a text or a list of texts is expected",
        ),
    }
}
