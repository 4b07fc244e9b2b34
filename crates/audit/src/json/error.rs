//! What can be wrong with JSON.

use std::fmt;

/// Why bytes are not an event that can be read. Offsets count bytes from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JsonError {
    /// Something else than JSON's grammar asks for.
    #[error("expected {expected} at byte {offset}, found {found}")]
    Unexpected {
        /// Where it stands.
        offset: usize,
        /// What should stand there.
        expected: Expected,
        /// What stands there.
        found: FoundByte,
    },
    /// A bracket without its partner.
    #[error("the bracket at byte {offset} is never closed; the text may have been cut off")]
    Unclosed {
        /// Where the bracket opens.
        offset: usize,
    },
    /// A string without its closing quote.
    #[error("the string at byte {offset} never ends; the text may have been cut off")]
    UnterminatedString {
        /// Where the string begins.
        offset: usize,
    },
    /// Bytes that are not text.
    #[error("byte {offset} is not UTF-8")]
    NotUtf8 {
        /// The first byte that belongs to no character.
        offset: usize,
    },
    /// More than the offsets of the reader can hold: 4 GiB.
    #[error("{length} bytes are more than one reading can hold (4 GiB)")]
    TooLong {
        /// How many bytes there are.
        length: usize,
    },
}

/// What JSON's grammar asks for at some place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// `{`: an event is an object.
    Object,
    /// `{` or `[`: events come as objects, lists and arrays.
    ObjectOrArray,
    /// `"` or, in an empty object, `}`.
    Key,
    /// `:` behind a key.
    Colon,
    /// The beginning of a value.
    Value,
    /// `,` or the end of the object.
    CommaOrBrace,
    /// `,` or the end of the array.
    CommaOrBracket,
    /// Nothing but blanks.
    End,
}

/// A byte as an error message shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FoundByte(pub(super) Option<u8>);

impl JsonError {
    /// The error that `bytes` do not hold what is `expected` at `offset`.
    #[cold]
    pub(crate) fn unexpected(bytes: &[u8], offset: usize, expected: Expected) -> Self {
        Self::Unexpected {
            offset,
            expected,
            found: FoundByte(bytes.get(offset).copied()),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::ObjectOrArray => "an object or an array",
            Self::Key => "a key in quotes",
            Self::Colon => "a colon",
            Self::Value => "a value",
            Self::CommaOrBrace => "a comma or a closing brace",
            Self::CommaOrBracket => "a comma or a closing bracket",
            Self::End => "the end of the text",
        })
    }
}

impl fmt::Display for FoundByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("the end of the text"),
            Some(byte @ 0x21..=0x7e) => write!(f, "`{}`", char::from(byte)),
            Some(byte) => write!(f, "the byte 0x{byte:02x}"),
        }
    }
}
