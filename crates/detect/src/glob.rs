//! Shell patterns: fnmatch(3) in the "C" locale without flags (POSIX.1-2017, XCU 2.13).
//!
//! Hand-made because `globset` and its like are about paths: here `*` and `?` match any byte, `/` and a leading dot included,
//! a bracket expression may hold `[:class:]`, an unterminated bracket is literal, and there are no braces. The matcher keeps one
//! place to come back to (the last star), so it takes at most pattern × text steps and no memory.

use bstr::BString;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
    fold: bool,
}

#[derive(Clone, Debug)]
enum Token {
    Any,
    Byte(u8),
    Set(Box<[bool; 256]>),
    Star,
}

impl Glob {
    /// Compiles a pattern; every text is one. With `fold`, ASCII letters match in either case.
    pub(crate) fn new(pattern: &BString, fold: bool) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern.as_slice();
        while let Some((token, after)) = next_token(rest, fold) {
            let repeated = matches!((tokens.last(), &token), (Some(Token::Star), Token::Star));
            if !repeated {
                tokens.push(token);
            }
            rest = after;
        }
        Self { tokens, fold }
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut byte) = (0, 0);
        let mut resume: Option<(usize, usize)> = None;
        loop {
            match (self.tokens.get(token), text.get(byte)) {
                (Some(Token::Star), _) => {
                    resume = Some((token + 1, byte));
                    token += 1;
                }
                (None, None) => return true,
                (Some(one), Some(&actual)) if self.accepts(one, actual) => {
                    token += 1;
                    byte += 1;
                }
                _ => {
                    let Some((after_star, at)) = resume.filter(|&(_, at)| at < text.len()) else {
                        return false;
                    };
                    resume = Some((after_star, at + 1));
                    (token, byte) = (after_star, at + 1);
                }
            }
        }
    }

    fn accepts(&self, token: &Token, byte: u8) -> bool {
        let byte = if self.fold {
            byte.to_ascii_lowercase()
        } else {
            byte
        };
        match token {
            Token::Any => true,
            Token::Byte(expected) => *expected == byte,
            Token::Set(set) => set.get(usize::from(byte)).copied().unwrap_or_default(),
            Token::Star => false,
        }
    }
}

fn next_token(pattern: &[u8], fold: bool) -> Option<(Token, &[u8])> {
    let (&first, rest) = pattern.split_first()?;
    Some(match first {
        b'*' => (Token::Star, rest),
        b'?' => (Token::Any, rest),
        b'[' => match bracket(rest, fold) {
            Some((set, after)) => (Token::Set(Box::new(set)), after),
            None => (Token::Byte(b'['), rest),
        },
        b'\\' => match rest.split_first() {
            Some((&literal, after)) => (byte_token(literal, fold), after),
            // A backslash with nothing to escape matches nothing.
            None => (Token::Set(Box::new([false; 256])), rest),
        },
        literal => (byte_token(literal, fold), rest),
    })
}

fn byte_token(byte: u8, fold: bool) -> Token {
    Token::Byte(if fold {
        byte.to_ascii_lowercase()
    } else {
        byte
    })
}

/// The set of a bracket expression that starts behind its `[`, and what follows its `]`.
fn bracket(pattern: &[u8], fold: bool) -> Option<([bool; 256], &[u8])> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut rest = if negated { pattern.get(1..)? } else { pattern };
    let mut set = [false; 256];
    let mut first = true;
    loop {
        let (&byte, after) = rest.split_first()?;
        if byte == b']' && !first {
            return Some((finished(set, negated, fold), after));
        }
        first = false;
        rest = member(byte, after, &mut set)?;
    }
}

/// Adds one member of a bracket expression to the set and returns what follows it.
fn member<'p>(byte: u8, after: &'p [u8], set: &mut [bool; 256]) -> Option<&'p [u8]> {
    if byte == b'['
        && after.first() == Some(&b':')
        && let Some((class, rest)) = class(after)
    {
        (0..=u8::MAX)
            .filter(|&byte| class(byte))
            .for_each(|byte| insert(set, byte));
        return Some(rest);
    }
    let (low, after) = literal(byte, after)?;
    match after {
        [b'-', high, rest @ ..] if *high != b']' => {
            let (high, rest) = literal(*high, rest)?;
            (low..=high).for_each(|byte| insert(set, byte));
            Some(rest)
        }
        _ => {
            insert(set, low);
            Some(after)
        }
    }
}

fn literal(byte: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    if byte == b'\\' {
        let (&escaped, rest) = after.split_first()?;
        return Some((escaped, rest));
    }
    Some((byte, after))
}

fn insert(set: &mut [bool; 256], byte: u8) {
    if let Some(slot) = set.get_mut(usize::from(byte)) {
        *slot = true;
    }
}

fn finished(mut set: [bool; 256], negated: bool, fold: bool) -> [bool; 256] {
    if fold {
        for letter in b'a'..=b'z' {
            let either = set.get(usize::from(letter)) == Some(&true)
                || set.get(usize::from(letter.to_ascii_uppercase())) == Some(&true);
            if either {
                insert(&mut set, letter);
            }
        }
    }
    if negated {
        set.iter_mut().for_each(|slot| *slot = !*slot);
    }
    set
}

type Class = fn(u8) -> bool;

/// The class of `:name:]` and what follows it.
fn class(text: &[u8]) -> Option<(Class, &[u8])> {
    let classes: [(&[u8], Class); 12] = [
        (b":alnum:]", |byte| byte.is_ascii_alphanumeric()),
        (b":alpha:]", |byte| byte.is_ascii_alphabetic()),
        (b":blank:]", |byte| byte == b' ' || byte == b'\t'),
        (b":cntrl:]", |byte| byte.is_ascii_control()),
        (b":digit:]", |byte| byte.is_ascii_digit()),
        (b":graph:]", |byte| byte.is_ascii_graphic()),
        (b":lower:]", |byte| byte.is_ascii_lowercase()),
        (b":print:]", |byte| byte.is_ascii_graphic() || byte == b' '),
        (b":punct:]", |byte| byte.is_ascii_punctuation()),
        (b":space:]", |byte| {
            byte.is_ascii_whitespace() || byte == 0x0b
        }),
        (b":upper:]", |byte| byte.is_ascii_uppercase()),
        (b":xdigit:]", |byte| byte.is_ascii_hexdigit()),
    ];
    classes
        .into_iter()
        .find_map(|(name, class)| Some((class, text.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(&pattern.into(), false).matches(text.as_bytes())
    }

    #[test]
    fn patterns_match_as_fnmatch_says() {
        let table = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "/.a\nb", true),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("?", "é", false),
            ("??", "é", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("[a-]", "-", true),
            ("[[:digit:]]*", "7up", true),
            ("[[:nope:]]", ":]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", false),
            ("{a,b}", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn folding_ignores_the_case_of_ascii_letters() {
        let glob = Glob::new(&"[A-C]x*Y".into(), true);
        assert!(glob.matches(b"bXzzy"));
        assert!(!glob.matches(b"dXzzy"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(50) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
    }
}
