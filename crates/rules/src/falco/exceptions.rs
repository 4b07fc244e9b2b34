//! Exceptions of a rule: reading and checking them.
//!
//! What they do to the condition is in `expansion`.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Source, closest};
use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::condition::{CompileOptions, OperatorShape, check_field_expression, is_operator};
use crate::falco::items::{Noted, Read, Reader};
use crate::falco::text::Text;

/// A named exception.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    pub(super) name: String,
    /// `fields` and `comps`; `None` in an item that only adds values.
    pub(super) shape: Option<Shape>,
    pub(super) values: Vec<Value>,
    /// The file, and the exception's name in it.
    pub(super) source: Arc<Source>,
    pub(super) span: Range<usize>,
}

/// What an exception compares, and how.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One field against all values at once.
    One(Text, Text),
    /// Several fields, each with its operator, against values of the same number.
    Many(Vec<(Text, Text)>),
}

/// A value, possibly a list of values.
#[derive(Clone, Debug)]
pub(super) enum Value {
    One(Text),
    Many(Vec<Value>),
}

/// What an item with exceptions is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// A definition or replacement: each exception is complete.
    Define,
    /// An addition: an exception may leave out what an earlier one of the same name has.
    Append,
}

/// A text, a list of texts, or nothing, as it is written.
enum Written {
    One(Text),
    Many(Vec<Text>),
}

/// Reads the `exceptions` of an item. `options` is `None` when the rule's fields are not known here.
pub(super) fn read(
    reader: &mut Reader<'_>,
    item: &Node,
    purpose: Purpose,
    options: Option<&CompileOptions>,
) -> Read<Vec<Exception>> {
    let Some(list) = item.get("exceptions").filter(|node| !node.is_null()) else {
        return Ok(Vec::new());
    };
    let Some(nodes) = list.items() else {
        return Err(reader.error_in(
            "exceptions",
            codes::YAML_VALIDATE,
            list.span.clone(),
            "exceptions must be a list",
        ));
    };
    let mut exceptions: Vec<Exception> = Vec::new();
    let mut result = Ok(());
    for node in nodes {
        match reader.inside("exception", node.span.clone(), |reader| {
            read_one(reader, node, purpose, options)
        }) {
            Ok(exception) => {
                warn_of_repetition(reader, &exceptions, &exception);
                exceptions.push(exception);
            }
            Err(noted) => result = Err(noted),
        }
    }
    result.map(|()| exceptions)
}

fn warn_of_repetition(reader: &mut Reader<'_>, earlier: &[Exception], exception: &Exception) {
    let name = &exception.name;
    if earlier.iter().any(|other| other.name == *name) {
        let warning = Diagnostic::warning(
            codes::EXCEPTION_NAME_NOT_UNIQUE,
            format!("exception `{name}` stands twice in the rule, and both apply"),
        );
        reader.note(
            warning,
            &format!("exception \"{name}\""),
            exception.span.clone(),
        );
    }
}

fn read_one(
    reader: &mut Reader<'_>,
    node: &Node,
    purpose: Purpose,
    options: Option<&CompileOptions>,
) -> Read<Exception> {
    if node.pairs().is_none() {
        let message = "an exception must be a map with `name`, `fields` and `values`";
        return Err(reader.error(codes::YAML_VALIDATE, node.span.clone(), message));
    }
    let name = reader.text(node, "name")?.as_str().to_owned();
    let span = node
        .get("name")
        .map_or(node.span.clone(), |name| name.span.clone());
    reader.item = format!("{} \"{name}\"", reader.item);
    reader.name_span = span.clone();
    let values = read_values(reader, node, purpose);
    let shape = read_shape(reader, node, purpose, options)?;
    Ok(Exception {
        name,
        shape,
        values: values?,
        source: Arc::clone(&reader.source),
        span,
    })
}

/// Adds exceptions to those of a rule that there is.
pub(super) fn append(
    reader: &mut Reader<'_>,
    existing: &mut Vec<Exception>,
    added: Vec<Exception>,
) -> Read<()> {
    let mut result = Ok(());
    for exception in added {
        let part = format!("exception \"{}\"", exception.name);
        let earlier = existing
            .iter_mut()
            .find(|earlier| earlier.name == exception.name);
        let problem = match (earlier, &exception.shape) {
            (Some(earlier), None) => {
                earlier.values.extend(exception.values);
                continue;
            }
            (Some(_), Some(_)) => {
                "an addition to an existing exception has only `values`, no `fields` or `comps`"
            }
            (None, None) => "the rule has no such exception yet, and a new one needs `fields`",
            (None, Some(_)) if exception.values.is_empty() => "a new exception needs `values`",
            (None, Some(_)) => {
                existing.push(exception);
                continue;
            }
        };
        result = Err(reader.error_in(&part, codes::VALIDATE, exception.span, problem));
    }
    result
}

fn read_values(reader: &mut Reader<'_>, node: &Node, purpose: Purpose) -> Read<Vec<Value>> {
    let Some(values) = node.get("values") else {
        if purpose == Purpose::Append {
            warn_of_no_values(reader, node);
        }
        return Ok(Vec::new());
    };
    let Some(items) = values.items() else {
        return Err(reader.error(
            codes::YAML_VALIDATE,
            values.span.clone(),
            "`values` must be a list",
        ));
    };
    let values: Vec<_> = items.iter().map(|item| read_value(reader, item)).collect();
    values.into_iter().collect()
}

fn warn_of_no_values(reader: &mut Reader<'_>, node: &Node) {
    let mut warning = Diagnostic::warning(
        codes::APPEND_NO_VALUES,
        "the addition has no `values`, so it adds nothing",
    );
    let keys = node
        .pairs()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, _)| key.text());
    if let Some(near) = closest(
        "values",
        keys.filter(|key| !["name", "fields", "comps"].contains(key)),
    ) {
        warning = warning.help(format!("`{near}` is not read; did you mean `values`?"));
    }
    reader.note(warning, "", reader.name_span.clone());
}

fn read_value(reader: &mut Reader<'_>, node: &Node) -> Read<Value> {
    let Some(items) = node.items() else {
        return reader.non_empty(node, "values").map(Value::One);
    };
    let values: Vec<_> = items.iter().map(|item| read_value(reader, item)).collect();
    values.into_iter().collect::<Read<_>>().map(Value::Many)
}

fn read_shape(
    reader: &mut Reader<'_>,
    node: &Node,
    purpose: Purpose,
    options: Option<&CompileOptions>,
) -> Read<Option<Shape>> {
    let fields = match (purpose, node.get("fields")) {
        (Purpose::Append, None) => None,
        _ => Some(reader.required(node, "fields")?),
    };
    let fields = fields
        .map(|fields| read_written(reader, fields, "fields"))
        .transpose()?;
    let comps = node.get("comps").filter(|comps| !comps.is_null());
    let comps = comps
        .map(|comps| read_written(reader, comps, "comps"))
        .transpose()?;
    match (fields, comps) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let span = node.get("comps").map_or(0..0, |comps| comps.span.clone());
            Err(reader.error(
                codes::VALIDATE,
                span,
                "`comps` cannot stand without `fields`",
            ))
        }
        (Some(Written::One(field)), comps) => shape_of_one(reader, field, comps, options).map(Some),
        (Some(Written::Many(fields)), comps) => {
            shape_of_many(reader, fields, comps, options).map(Some)
        }
    }
}

fn read_written(reader: &mut Reader<'_>, node: &Node, part: &str) -> Read<Written> {
    let Some(items) = node.items() else {
        return reader.non_empty(node, part).map(Written::One);
    };
    let texts: Vec<_> = items
        .iter()
        .map(|item| reader.non_empty(item, part))
        .collect();
    texts.into_iter().collect::<Read<_>>().map(Written::Many)
}

fn shape_of_one(
    reader: &mut Reader<'_>,
    field: Text,
    comps: Option<Written>,
    options: Option<&CompileOptions>,
) -> Read<Shape> {
    let comp = match comps {
        None => constant("in"),
        Some(Written::One(comp)) => comp.trimmed(),
        Some(Written::Many(_)) => {
            let span = reader.name_span.clone();
            return Err(reader.error(
                codes::VALIDATE,
                span,
                "`comps` must be one operator when `fields` is one field",
            ));
        }
    };
    if !takes_list(comp.as_str()) {
        let message = format!(
            "operator `{}` cannot take all values at once",
            comp.as_str()
        );
        let problem = Diagnostic::error(codes::VALIDATE, message).help(
            "write `in`, `pmatch`, `intersects` or an operator with a modifier (`startswith anyof`), or make `fields` a list",
        );
        return Err(reader.note(problem, "", comp.place(0..comp.as_str().len()).span));
    }
    check_field(reader, &field, options)?;
    Ok(Shape::One(field, comp))
}

fn shape_of_many(
    reader: &mut Reader<'_>,
    fields: Vec<Text>,
    comps: Option<Written>,
    options: Option<&CompileOptions>,
) -> Read<Shape> {
    let comps = match comps {
        None => vec![constant("="); fields.len()],
        Some(Written::Many(comps)) => comps.iter().map(Text::trimmed).collect(),
        Some(Written::One(_)) => Vec::new(),
    };
    if fields.len() != comps.len() {
        let message = "`fields` and `comps` must be lists of the same length";
        return Err(reader.error(codes::VALIDATE, reader.name_span.clone(), message));
    }
    let checks: Vec<_> = comps
        .iter()
        .map(|comp| check_operator(reader, comp))
        .collect();
    checks.into_iter().collect::<Read<()>>()?;
    let checks: Vec<_> = fields
        .iter()
        .map(|field| check_field(reader, field, options))
        .collect();
    checks.into_iter().collect::<Read<()>>()?;
    Ok(Shape::Many(fields.into_iter().zip(comps).collect()))
}

fn constant(text: &str) -> Text {
    let mut constant = Text::default();
    constant.push(text);
    constant
}

/// Whether an operator has a list on its right.
pub(super) fn takes_list(operator: &str) -> bool {
    matches!(
        is_operator(operator),
        Some(OperatorShape::List | OperatorShape::Modified)
    )
}

fn check_operator(reader: &mut Reader<'_>, operator: &Text) -> Read<()> {
    if is_operator(operator.as_str()).is_some() {
        return Ok(());
    }
    let message = format!("there is no operator `{}`", operator.as_str());
    Err(reader.error(
        codes::VALIDATE,
        operator.place(0..operator.as_str().len()).span,
        message,
    ))
}

fn check_field(
    reader: &mut Reader<'_>,
    field: &Text,
    options: Option<&CompileOptions>,
) -> Read<()> {
    let Some(options) = options else {
        return Ok(());
    };
    let Err(problems) = check_field_expression(field.as_str(), options) else {
        return Ok(());
    };
    for problem in problems {
        let mut diagnostic = Diagnostic::error(codes::VALIDATE, problem.message);
        diagnostic.help = problem.help;
        reader.note(diagnostic, "", field.place(problem.place.span).span);
    }
    Err(Noted)
}
