//! Identities as text: lower-case hexadecimal digits.

use std::fmt;

pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The bytes, if the text is exactly that many pairs of digits.
pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16)?.try_into().ok())
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let bytes: Vec<u8> = pairs
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_number_of_digits_is_read() {
        assert_eq!(read::<2>("00fF"), Some([0, 255]));
        for text in ["", "00f", "00ff0", "00ff00", "00fg", "+0ff", "00f\u{0660}"] {
            assert_eq!(read::<2>(text), None, "{text}");
        }
    }
}
