//! Escapes and bracket expressions of RE2's POSIX dialect.

use super::{PatternError, Translation};

impl Translation<'_> {
    /// What a backslash and the letters behind it stand for.
    pub(super) fn escape(&mut self) -> Result<char, PatternError> {
        let Some(letter) = self.rest.chars().next() else {
            return Err(PatternError("it ends with a lone backslash".to_owned()));
        };
        self.skip(letter.len_utf8());
        match letter {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(letter),
            _ if letter.is_ascii_punctuation() && letter != '_' => Ok(letter),
            ' ' => Ok(' '),
            _ => Err(PatternError(format!(
                "`\\{letter}` is not in POSIX syntax; write a class such as `[[:digit:]]`, `[[:alnum:]_]` or `[[:space:]]`"
            ))),
        }
    }

    fn hexadecimal(&mut self) -> Result<char, PatternError> {
        let braced = self
            .rest
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'));
        let (digits, length) = match braced {
            Some((digits, _)) => (digits, digits.len() + 2),
            None => (self.rest.get(..2).unwrap_or_default(), 2),
        };
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let letter = u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| valid)
            .and_then(char::from_u32);
        self.skip(length);
        letter
            .ok_or_else(|| PatternError("`\\x` needs two hexadecimal digits, or `{…}`".to_owned()))
    }

    /// Up to three octal digits; a single one other than 0 would be a back reference.
    fn octal(&mut self, first: char) -> Result<char, PatternError> {
        let more = self
            .rest
            .bytes()
            .take(2)
            .take_while(|byte| (b'0'..=b'7').contains(byte))
            .count();
        if first != '0' && more == 0 {
            return Err(PatternError(format!(
                "`\\{first}`: there are no back references"
            )));
        }
        let digits = self.rest.get(..more).unwrap_or_default();
        let code = u32::from_str_radix(&format!("{first}{digits}"), 8).unwrap_or_default();
        self.skip(more);
        char::from_u32(code)
            .ok_or_else(|| PatternError("`\\` with octal digits is too large".to_owned()))
    }

    pub(super) fn class(&mut self) -> Result<(), PatternError> {
        let mut class = String::from("[");
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            class.push('^');
        }
        let mut first = true;
        loop {
            if let (Some(rest), false) = (self.rest.strip_prefix(']'), first) {
                self.rest = rest;
                class.push(']');
                return self.atom(&class);
            }
            self.class_item(&mut class, first)?;
            first = false;
        }
    }

    /// One character, range or named class.
    fn class_item(&mut self, class: &mut String, first: bool) -> Result<(), PatternError> {
        if let Some((name, rest)) = self
            .rest
            .strip_prefix("[:")
            .and_then(|rest| rest.split_once(":]"))
        {
            class.push_str(&named_class(name)?);
            self.rest = rest;
            return Ok(());
        }
        if self.rest.starts_with('-') && !first && !self.rest.starts_with("-]") {
            return Err(PatternError(
                "a `-` in brackets stands first, last or in a range".to_owned(),
            ));
        }
        let low = self.class_letter()?;
        class.push_str(&literal(low));
        let range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
        if range {
            self.skip(1);
            let high = self.class_letter()?;
            if high < low {
                return Err(PatternError(format!("the range `{low}-{high}` is empty")));
            }
            class.push('-');
            class.push_str(&literal(high));
        }
        Ok(())
    }

    fn class_letter(&mut self) -> Result<char, PatternError> {
        let Some(letter) = self.rest.chars().next() else {
            return Err(PatternError("a `[` is not closed".to_owned()));
        };
        self.skip(letter.len_utf8());
        if letter == '\\' {
            self.escape()
        } else {
            Ok(letter)
        }
    }
}

fn named_class(name: &str) -> Result<String, PatternError> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    if NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(format!("[:{name}:]"))
    } else {
        Err(PatternError(format!("there is no class `[:{name}:]`")))
    }
}

/// A character that stands for itself, in brackets and outside.
pub(super) fn literal(letter: char) -> String {
    if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
        format!("\\x{:02X}", u32::from(letter))
    } else {
        letter.to_string()
    }
}
