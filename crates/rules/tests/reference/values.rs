//! The values of expressions and fields: every path is walked from the top of the event.

use std::borrow::Cow;

use bstr::ByteSlice;
use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_rules::field::Duplicates;
use kubevigil_rules::{EventContext, Expr, Field, Inputs, JsonPath, Read, Value, Values};

use super::transform::transformed;

/// The values of an expression for the event.
pub(crate) fn expr_values<'e>(expr: &Expr, event: &EventContext<'e>) -> Values<'e> {
    match expr {
        Expr::Field(field) => field_values(field, event),
        Expr::Constant(texts) => {
            let owned = |text: &bstr::BString| Value::Text(Cow::Owned(text.to_vec()));
            match texts.as_slice() {
                [text] => Values::One(owned(text)),
                texts => Values::list(texts.iter().map(owned).collect()),
            }
        }
        Expr::Transform(transform, arguments) => {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| expr_values(argument, event))
                .collect();
            if arguments.contains(&Values::Absent) {
                return Values::Absent;
            }
            transformed(*transform, &arguments)
        }
    }
}

/// The values of a field for the event.
pub(crate) fn field_values<'e>(field: &Field, event: &EventContext<'e>) -> Values<'e> {
    if field
        .needs
        .as_ref()
        .is_some_and(|path| places(path, event).is_empty())
    {
        return Values::Absent;
    }
    if let (Some(whole), Read::Part(_, part)) = (field.whole(), field.read) {
        return part(&field_values(&whole, event));
    }
    let found: Vec<Vec<Json<'e>>> = field
        .inputs
        .iter()
        .map(|path| places(path, event))
        .collect();
    match field.read {
        Read::Text { cut_at_nul } => {
            let Some(json) = found.first().and_then(|places| places.first()) else {
                return Values::Absent;
            };
            let mut text = json.text().into_owned();
            if let (true, Some(end)) = (cut_at_nul, text.find_byte(0)) {
                text.truncate(end);
            }
            Values::One(Value::Text(Cow::Owned(text)))
        }
        Read::Part(..) => Values::Absent,
        Read::With(read) => {
            let found: Vec<&[Json<'e>]> = found.iter().map(Vec::as_slice).collect();
            read(&Inputs {
                found: &found,
                argument: field.argument.as_deref(),
                event,
            })
        }
    }
}

/// The places of the event that a path leads to.
fn places<'e>(path: &JsonPath, event: &EventContext<'e>) -> Vec<Json<'e>> {
    let mut places: Vec<Json<'e>> = Json::first_in(event.raw).into_iter().collect();
    for key in &path.keys {
        places = places
            .into_iter()
            .flat_map(|place| step(place, key, path.duplicates))
            .collect();
    }
    places
}

fn step<'e>(place: Json<'e>, key: &str, duplicates: Duplicates) -> Vec<Json<'e>> {
    if place.kind() == JsonKind::Array {
        return place
            .elements()
            .flat_map(|element| step(element, key, duplicates))
            .collect();
    }
    let member = match duplicates {
        Duplicates::First => place.member(key),
        Duplicates::Last => place.last_member(key),
    };
    member.into_iter().collect()
}
