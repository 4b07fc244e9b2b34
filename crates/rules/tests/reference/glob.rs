//! Patterns of file names and paths.

use bstr::ByteSlice;

/// fnmatch(3) with no flags in the "C" locale.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((b'[', rest)) => match bracket(rest, text.first().copied()) {
            Some((matched, rest)) => !text.is_empty() && matched && glob(rest, &text[1..]),
            None => text.first() == Some(&b'[') && glob(rest, &text[1..]),
        },
        Some((b'\\', rest)) => match rest.split_first() {
            Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
            None => false,
        },
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

/// Whether the byte is in the bracket, and the pattern behind it; `None` when it is not closed.
fn bracket(pattern: &[u8], byte: Option<u8>) -> Option<(bool, &[u8])> {
    let byte = byte.unwrap_or_default();
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut matched = false;
    let mut first = true;
    loop {
        let next = *pattern.get(at)?;
        if next == b']' && !first {
            return Some((matched != negated, &pattern[at + 1..]));
        }
        first = false;
        if let Some(rest) = pattern[at..].strip_prefix(b"[:")
            && let Some(end) = rest.find(b":]")
        {
            matched |= in_class(&rest[..end], byte);
            at += end + 4;
            continue;
        }
        let low = bracket_byte(pattern, &mut at)?;
        let high = match (pattern.get(at), pattern.get(at + 1)) {
            (Some(b'-'), Some(after)) if *after != b']' => {
                at += 1;
                bracket_byte(pattern, &mut at)?
            }
            _ => low,
        };
        matched |= (low..=high).contains(&byte);
    }
}

fn bracket_byte(pattern: &[u8], at: &mut usize) -> Option<u8> {
    if pattern.get(*at) == Some(&b'\\') {
        *at += 1;
    }
    let byte = *pattern.get(*at)?;
    *at += 1;
    Some(byte)
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Whether the path starts with the components of `prefix`, which may be globs.
pub(super) fn path_prefix(prefix: &[u8], path: &[u8]) -> bool {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split_str("/")
            .filter(|part| !part.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (prefix, path) = (parts(prefix), parts(path));
    prefix.len() <= path.len()
        && prefix
            .iter()
            .zip(&path)
            .all(|(one, other)| glob(one, other))
}
