//! Regular expressions: RE2's POSIX dialect, translated to the syntax of the `regex` crate.
//!
//! Falco sets RE2 to POSIX syntax and wants the whole value to match (spec 2.3). That dialect has no Perl classes, no
//! `\b`, no groups with `?` and no lazy quantifiers (`a*?` is "`a*`, or nothing"), while `^` and `$` match at line
//! ends. The `regex` crate would accept more, and read some of it differently, so every token is checked and written
//! anew here; what is not in the dialect is a mistake.
//!
//! The translation is one pass with a list of open groups instead of recursion.

mod brackets;

use regex::bytes::RegexBuilder;

use brackets::literal;

/// The pattern is not valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct PatternError(String);

/// The largest count in `{n,m}`, as in RE2.
const MOST_REPETITIONS: u32 = 1000;

/// Translates a pattern, and compiles the result once to be sure that it is valid.
pub(super) fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut translation = Translation {
        rest: pattern,
        ..Translation::default()
    };
    while !translation.rest.is_empty() {
        translation.token()?;
    }
    if !translation.groups.is_empty() {
        return Err(PatternError("a `(` is not closed".to_owned()));
    }
    let whole = format!(r"\A(?:{})\z", translation.out);
    match RegexBuilder::new(&whole).unicode(true).build() {
        Ok(_) => Ok(whole),
        Err(regex::Error::CompiledTooBig(_)) => Err(PatternError("it is too large".to_owned())),
        Err(error) => Err(PatternError(error.to_string().replace('\n', " "))),
    }
}

/// Whether the pattern does nothing that `=`, `startswith`, `endswith` or `contains` could not.
pub(super) fn is_needless(pattern: &str) -> bool {
    let dots = [".*", ".+", ".?"];
    let start = pattern.strip_prefix('^');
    let start = start.or_else(|| dots.iter().find_map(|dot| pattern.strip_prefix(dot)));
    let rest = start.unwrap_or(pattern);
    let end = rest.strip_suffix('$');
    let end = end.or_else(|| dots.iter().find_map(|dot| rest.strip_suffix(dot)));
    !end.unwrap_or(rest).contains([
        '.', '*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '\\', '^', '$',
    ])
}

#[derive(Default)]
struct Translation<'p> {
    rest: &'p str,
    out: String,
    /// Where in `out` the open groups start.
    groups: Vec<usize>,
    /// Where in `out` the thing starts that a quantifier would apply to.
    operand: Option<usize>,
    /// Whether that thing ends in a quantifier.
    quantified: bool,
}

impl Translation<'_> {
    fn token(&mut self) -> Result<(), PatternError> {
        let Some(letter) = self.rest.chars().next() else {
            return Ok(());
        };
        if letter == '{'
            && let Some(counts) = self.counts()?
        {
            return self.quantifier(&counts);
        }
        self.skip(letter.len_utf8());
        match letter {
            '*' | '+' | '?' => self.quantifier(letter.encode_utf8(&mut [0; 4])),
            '(' => {
                self.groups.push(self.out.len());
                self.out.push_str("(?:");
                self.operand = None;
                Ok(())
            }
            ')' => self.close_group(),
            '|' => {
                self.out.push('|');
                self.operand = None;
                Ok(())
            }
            '^' => self.atom("(?m:^)"),
            '$' => self.atom("(?m:$)"),
            '.' => self.atom("[^\\n]"),
            '[' => self.class(),
            '\\' => {
                let letter = self.escape()?;
                self.atom(&literal(letter))
            }
            _ => self.atom(&literal(letter)),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last step of fallible tokens")]
    fn atom(&mut self, text: &str) -> Result<(), PatternError> {
        self.operand = Some(self.out.len());
        self.quantified = false;
        self.out.push_str(text);
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        let Some(start) = self.groups.pop() else {
            return Err(PatternError("a `)` has no `(`".to_owned()));
        };
        self.out.push(')');
        self.operand = Some(start);
        self.quantified = false;
        Ok(())
    }

    /// Adds a quantifier. A second one applies to the first one's result; written side by side the `regex` crate
    /// would take `*?` for a lazy `*`.
    fn quantifier(&mut self, text: &str) -> Result<(), PatternError> {
        let Some(start) = self.operand else {
            return Err(PatternError(format!(
                "there is nothing before `{text}` to repeat"
            )));
        };
        if self.quantified {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(text);
        self.quantified = true;
        Ok(())
    }

    /// Takes `{n}`, `{n,}` or `{n,m}`; anything else that starts with a brace is ordinary text.
    fn counts(&mut self) -> Result<Option<String>, PatternError> {
        let Some((inside, _)) = self
            .rest
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
        else {
            return Ok(None);
        };
        let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if least.is_empty() || !digits(least) || !digits(most) {
            return Ok(None);
        }
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let most = if most.is_empty() {
            number(least)
        } else {
            number(most)
        };
        if most > MOST_REPETITIONS || number(least) > most {
            let message = format!(
                "`{{{inside}}}` is no valid repetition: counts rise and are at most {MOST_REPETITIONS}"
            );
            return Err(PatternError(message));
        }
        let counts = format!("{{{inside}}}");
        self.skip(counts.len());
        Ok(Some(counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        regex::Regex::new(&translate(pattern).unwrap())
            .unwrap()
            .is_match(text)
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        assert!(matches("a.c", "abc"));
        assert!(!matches("b", "abc"));
        assert!(matches("a|abc", "abc"));
    }

    #[test]
    fn a_second_quantifier_makes_the_first_ones_result_optional() {
        assert!(matches("a+?", ""));
        assert!(matches("(ab){2}*", "abababab"));
    }

    #[test]
    fn anchors_match_at_line_ends_and_the_dot_stays_in_the_line() {
        assert!(matches("a$\n^b", "a\nb"));
        assert!(!matches("a.b", "a\nb"));
        assert!(matches("a[^x]b", "a\nb"));
    }

    #[test]
    fn braces_without_counts_are_text() {
        assert!(matches("{a}", "{a}"));
        assert!(matches("a{,2}", "a{,2}"));
        assert!(translate("{2}").is_err());
    }

    #[test]
    fn brackets_hold_ranges_names_and_escapes() {
        assert!(matches("[]a]+", "a]"));
        assert!(matches("[[:digit:]a-c-]+", "b1-"));
        assert!(matches(r"[\]\x41]+", "]A"));
        assert!(matches("[&&~~]+", "&~"));
        assert!(translate("[a-b-c]").is_err());
    }

    #[test]
    fn perl_syntax_is_refused() {
        let patterns = [
            r"\d", r"\w+", r"\bx", "(?i)x", r"\A", r"\1", "*a", "(", ")", "[a", r"a\", "a{1001}",
        ];
        for pattern in patterns {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_plain_operators_could_replace_are_found() {
        for pattern in [".*", "^abc", "abc$", ".*abc.*", "bob.*", "abc"] {
            assert!(is_needless(pattern), "{pattern}");
        }
        for pattern in ["[a-z]+", "a.c", "a|b", r"a\.b"] {
            assert!(!is_needless(pattern), "{pattern}");
        }
    }
}
