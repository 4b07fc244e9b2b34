//! The text of strings, and JSON without blanks.

use std::borrow::Cow;

/// Decodes the escapes of a string's inside.
pub(super) fn unescape(inner: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return Cow::Borrowed(inner);
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = decode_escape(escape, &mut out);
        next = memchr::memchr(b'\\', rest);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Decodes the escape that `escape` starts with and returns what follows it.
fn decode_escape<'t>(escape: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let Some(&letter) = escape.get(1) else {
        return &[];
    };
    let rest = escape.get(2..).unwrap_or_default();
    let plain = match letter {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return decode_unicode(rest, out),
        other => other,
    };
    out.push(plain);
    rest
}

fn decode_unicode<'t>(digits: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let Some(unit) = hex4(digits) else {
        out.extend_from_slice("\u{fffd}".as_bytes());
        return digits;
    };
    let mut rest = digits.get(4..).unwrap_or_default();
    let mut code = unit;
    if (0xd800..0xdc00).contains(&unit) {
        let low = rest
            .strip_prefix(b"\\u")
            .and_then(hex4)
            .filter(|low| (0xdc00..0xe000).contains(low));
        if let Some(low) = low {
            code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            rest = rest.get(6..).unwrap_or_default();
        }
    }
    let mut buffer = [0; 4];
    let text = char::from_u32(code)
        .unwrap_or('\u{fffd}')
        .encode_utf8(&mut buffer);
    out.extend_from_slice(text.as_bytes());
    rest
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.get(..4)?.iter().try_fold(0, |sum, &digit| {
        Some(sum * 16 + char::from(digit).to_digit(16)?)
    })
}

/// JSON without blanks outside strings.
pub(super) fn compact(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let mut in_string = false;
    let mut escaped = false;
    for (at, &byte) in raw.iter().enumerate() {
        let blank = !in_string && matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        if blank && out.is_none() {
            out = Some(raw.get(..at).unwrap_or_default().to_vec());
        }
        if let (Some(out), false) = (out.as_mut(), blank) {
            out.push(byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    out.map_or(Cow::Borrowed(raw), Cow::Owned)
}
