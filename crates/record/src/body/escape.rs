//! The inside of texts that are JSON already.

/// Writes the inside of a JSON text whose own escapes stay as they are.
pub(super) fn escape_into(out: &mut Vec<u8>, content: &[u8]) {
    for chunk in content.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(at) = rest
            .iter()
            .position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2))
        {
            let (before, from) = rest.split_at(at);
            out.extend_from_slice(before);
            let (written, length): (&[u8], usize) = match from {
                [b'<', ..] => (br"\u003c", 1),
                [b'>', ..] => (br"\u003e", 1),
                [b'&', ..] => (br"\u0026", 1),
                [0xe2, 0x80, 0xa8, ..] => (br"\u2028", 3),
                [0xe2, 0x80, 0xa9, ..] => (br"\u2029", 3),
                _ => (&[0xe2], 1),
            };
            out.extend_from_slice(written);
            rest = from.get(length..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}
