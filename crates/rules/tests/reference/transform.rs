//! The transformations of Falco's language.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use kubevigil_rules::{Transform, Value, Values};

use super::options::get_opt;

/// What a transformation makes of its arguments, none of which is absent.
pub(super) fn transformed<'e>(transform: Transform, arguments: &[Values<'_>]) -> Values<'e> {
    let text = |text: Vec<u8>| Value::Text(Cow::Owned(text));
    let each = |change: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        let changed = |value: &Value<'_>| change(&value.to_text()).map(text);
        match &arguments[0] {
            Values::Absent => Values::Absent,
            Values::One(value) => changed(value).map_or(Values::Absent, Values::One),
            Values::Many(values) => {
                let changed: Option<Vec<_>> = values.iter().map(changed).collect();
                changed.map_or(Values::Absent, Values::Many)
            }
        }
    };
    let texts = |from: usize| -> Vec<Vec<u8>> {
        let values = arguments
            .get(from..)
            .unwrap_or_default()
            .iter()
            .flat_map(Values::as_slice);
        values.map(|value| value.to_text().into_owned()).collect()
    };
    match transform {
        Transform::Base64 => each(&|text| decode_base64(text)),
        Transform::Basename => {
            each(&|text| text.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec))
        }
        Transform::Concat => Values::One(text(texts(0).concat())),
        Transform::GetOpt => get_opt(arguments),
        Transform::Join if arguments.len() < 2 => Values::Absent,
        Transform::Join => {
            let separator = arguments[0].as_slice()[0].to_text();
            Values::One(text(texts(1).join(separator.as_ref())))
        }
        Transform::LenList => number(arguments[0].as_slice().len()),
        Transform::LenText => number(texts(0).concat().len()),
        Transform::ToLower => each(&|text| Some(text.to_ascii_lowercase())),
        Transform::ToUpper => each(&|text| Some(text.to_ascii_uppercase())),
    }
}

fn number<'e>(number: usize) -> Values<'e> {
    Values::One(Value::Integer(number.try_into().unwrap(), None))
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new();
    let config = config.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
        .decode(text)
        .ok()
}
