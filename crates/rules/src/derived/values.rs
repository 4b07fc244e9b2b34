//! Pieces that the read functions of several themes are made of.

use std::borrow::Cow;

use kubevigil_audit::json::Json;

use crate::field::{Inputs, Value, Values};

/// The text of a JSON string that is not empty.
pub(super) fn text(value: Option<Json<'_>>) -> Option<Cow<'_, [u8]>> {
    value?.string().filter(|text| !text.is_empty())
}

/// The text of the input at `position`.
pub(super) fn input<'e>(inputs: &Inputs<'_, 'e>, position: usize) -> Option<Cow<'e, [u8]>> {
    text(inputs.first(position))
}

/// Whether the input at `position` is this text.
pub(super) fn input_is(inputs: &Inputs<'_, '_>, position: usize, expected: &[u8]) -> bool {
    input(inputs, position).is_some_and(|text| *text == *expected)
}

/// The texts that are the elements of an array.
pub(super) fn texts<'e>(array: Option<Json<'e>>) -> impl Iterator<Item = Cow<'e, [u8]>> {
    let elements = array.into_iter().flat_map(Json::elements);
    elements.filter_map(|element| text(Some(element)))
}

/// A truth value.
pub(super) fn truth(holds: bool) -> Values<'static> {
    Values::One(Value::Bool(holds))
}

/// A constant text.
pub(super) fn word(text: &'static str) -> Values<'static> {
    Values::One(Value::borrowed(text.as_bytes()))
}

/// A list of texts.
pub(super) fn list<'e>(texts: impl Iterator<Item = Cow<'e, [u8]>>) -> Values<'e> {
    Values::list(texts.map(Value::Text).collect())
}

/// A text that was made.
pub(super) fn made<'e>(text: Option<Vec<u8>>) -> Values<'e> {
    Values::text(text.map(Cow::Owned))
}
