//! Stand-in until the audit crate has it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

pub(crate) fn split(text: &Bytes) -> Result<Vec<Bytes>, String> {
    let fail = |error: serde_json::Error| format!("not JSON: {error}");
    let whole: &RawValue = serde_json::from_slice(text).map_err(fail)?;
    if whole.get().starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_slice(text).map_err(fail)?;
        return Ok(all.iter().map(|item| slice(text, item)).collect());
    }
    if !whole.get().starts_with('{') {
        return Err("expected a JSON object".to_owned());
    }
    let list: List<'_> = serde_json::from_slice(text).map_err(fail)?;
    Ok(match list.items {
        Some(items) => items.iter().map(|item| slice(text, item)).collect(),
        None => vec![slice(text, whole)],
    })
}

fn slice(text: &Bytes, value: &RawValue) -> Bytes {
    text.slice_ref(value.get().as_bytes())
}
