//! Pieces that the read functions of several themes are made of.

use std::borrow::Cow;

use kubevigil_audit::json::{Json, JsonKind};

use crate::field::{Inputs, Value, Values};

/// What a read function looks for below an array's element. Read functions are plain function pointers, so the keys
/// come as a type argument.
pub(super) trait Member {
    /// The way from the element to the value.
    const KEYS: &'static [&'static str];
}

/// Declares types that stand for keys.
macro_rules! members {
    ($($name:ident = [$($key:literal),+];)+) => {
        $(
            pub(super) enum $name {}

            impl crate::falco::fields::readers::Member for $name {
                const KEYS: &'static [&'static str] = &[$($key),+];
            }
        )+
    };
}
pub(super) use members;

/// The text of a JSON value: a string's content up to the first NUL, for anything else its compact JSON.
pub(super) fn text(json: Json<'_>) -> Cow<'_, [u8]> {
    match json.text() {
        Cow::Borrowed(text) => Cow::Borrowed(before_nul(text)),
        Cow::Owned(mut text) => {
            text.truncate(before_nul(&text).len());
            Cow::Owned(text)
        }
    }
}

pub(super) fn value(json: Json<'_>) -> Value<'_> {
    Value::Text(text(json))
}

fn before_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// What stands at `keys` below `json`, by objects only.
pub(super) fn below<'e>(json: Json<'e>, keys: &[&str]) -> Option<Json<'e>> {
    keys.iter().try_fold(json, |json, key| json.member(key))
}

/// The first input, if it is an array.
pub(super) fn array<'e>(inputs: &Inputs<'_, 'e>) -> Option<Json<'e>> {
    inputs
        .first(0)
        .filter(|json| json.kind() == JsonKind::Array)
}

/// The elements of the first input; with an index only that one, and `None` when there is no such element.
pub(super) fn elements<'e>(inputs: &Inputs<'_, 'e>) -> Option<impl Iterator<Item = Json<'e>>> {
    let array = array(inputs)?;
    let index: Option<usize> = match inputs.argument {
        Some(argument) => Some(argument.parse().ok()?),
        None => None,
    };
    if let Some(index) = index {
        array.elements().nth(index)?;
    }
    Some(
        array
            .elements()
            .skip(index.unwrap_or(0))
            .take(index.map_or(usize::MAX, |_| 1)),
    )
}

/// The texts of the elements of the first input, all of them.
pub(super) fn each<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let elements = array(inputs).into_iter().flat_map(Json::elements);
    Values::list(elements.map(value).collect())
}

/// The texts of a member of each element, those left out that lack it.
pub(super) fn skip<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let elements = elements(inputs).into_iter().flatten();
    Values::list(
        elements
            .filter_map(|element| below(element, M::KEYS))
            .map(value)
            .collect(),
    )
}

/// The texts of a member of each element; absent when one lacks it.
pub(super) fn strict<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let values = elements(inputs).and_then(|elements| {
        elements
            .map(|element| below(element, M::KEYS).map(value))
            .collect::<Option<Vec<_>>>()
    });
    Values::list(values.unwrap_or_default())
}

/// The texts in an array that each element has as a member, all in one list.
pub(super) fn flatten<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let elements = elements(inputs).into_iter().flatten();
    let arrays = elements.filter_map(|element| below(element, M::KEYS));
    Values::list(arrays.flat_map(Json::elements).map(value).collect())
}

/// A constant text.
pub(super) fn fixed(text: &'static str) -> Values<'static> {
    Values::One(Value::borrowed(text.as_bytes()))
}

/// `true` or `false` as text.
pub(super) fn truth(holds: bool) -> Values<'static> {
    fixed(if holds { "true" } else { "false" })
}
