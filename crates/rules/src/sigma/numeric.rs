//! Networks, comparisons and parts of points in time.

use std::net::IpAddr;
use std::ops::Range;

use crate::condition::Compare;
use crate::json_test::{JsonPredicate, Network, TimePart};
use crate::sigma::codes;
use crate::sigma::modifiers::{Key, Modifier};
use crate::sigma::problems::Problems;
use crate::sigma::scalar::Scalar;

/// Reads a block of addresses.
pub(super) fn network(
    key: &Key,
    value: Scalar<'_>,
    span: Range<usize>,
    problems: &mut Problems,
) -> Option<JsonPredicate> {
    if let Some(other) = key.first_not(|modifier| modifier == Modifier::Cidr) {
        let message = format!("`cidr` cannot be combined with `{}`", other.word);
        return problems.error(codes::MODIFIER, other.span.clone(), message);
    }
    let help = "write it as ADDRESS/BITS: `10.0.0.0/8`, `fd00::/8`";
    let Scalar::Text(text) = value else {
        return problems.error_with_help(codes::VALUE, span, "a network is expected", help);
    };
    let Some(network) = parse(text) else {
        let message = format!("`{text}` is no network");
        return problems.error_with_help(codes::VALUE, span, message, help);
    };
    if !network.is_aligned() {
        let message = format!("`{text}` has bits set behind the first {}", network.bits);
        let help = "give the first address of the network";
        return problems.error_with_help(codes::VALUE, span, message, help);
    }
    Some(JsonPredicate::Network(vec![network]))
}

fn parse(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
        None => width,
    };
    (bits <= width).then_some(Network { address, bits })
}

/// Reads a comparison with a number, of the value itself or of a part of the point in time that it is.
pub(super) fn comparison(
    key: &Key,
    value: Scalar<'_>,
    span: Range<usize>,
    problems: &mut Problems,
) -> Option<JsonPredicate> {
    let (mut part, mut relation): (Option<TimePart>, Option<Compare>) = (None, None);
    for written in &key.chain {
        match written.modifier {
            Modifier::Time(time) if part.is_none() => part = Some(time),
            Modifier::Compare(compare) if relation.is_none() => relation = Some(compare),
            _ => {
                let message = format!(
                    "`{}` cannot be combined with a comparison of numbers",
                    written.word
                );
                let help = "one part of a time (`hour`) and one relation (`gte`) can stand together; for a range write two keys";
                return problems.error_with_help(
                    codes::MODIFIER,
                    written.span.clone(),
                    message,
                    help,
                );
            }
        }
    }
    let Scalar::Number(number, _) = value else {
        let message = format!("a number without quotes is expected, not {}", value.kind());
        return problems.error(codes::VALUE, span, message);
    };
    let compare = relation.unwrap_or(Compare::Equal);
    Some(match part {
        Some(part) => JsonPredicate::TimePart(part, compare, number),
        None => JsonPredicate::Compare(compare, number),
    })
}
