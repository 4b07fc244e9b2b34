//! A condition as text again.
//!
//! The text is Falco's own canonical form, which rule listings show; reading it gives the same tree. Parentheses stand
//! around every `and` and `or`.

use std::fmt::{self, Display, Write as _};

use bstr::ByteSlice;

use super::ast::{Ast, Check, Literal, Node, Right, Term};
use super::lexer::is_bare;
use super::operator::{LISTS, Modifier};

impl Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => list(f, parts, " and "),
            Self::Or(parts) => list(f, parts, " or "),
            // Two in a row would be read as none.
            Self::Not(part) if matches!(**part, Self::Not(_)) => write!(f, "not({part})"),
            Self::Not(part) => write!(f, "not {part}"),
            Self::Check(check) => check.fmt(f),
            // Before a blank it would be read as the operator.
            Self::Macro(name, _) if &**name == "not" => f.write_str("(not)"),
            Self::Macro(name, _) => f.write_str(name),
        }
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.operator.word)?;
        if let Some(modifier) = self.modifier {
            write!(f, " {}", modifier.word())?;
        }
        match &self.right {
            Right::Nothing => Ok(()),
            Right::Value(name) if self.names_its_list() => write!(f, " {}", name.text),
            Right::Value(literal) => write!(f, " {literal}"),
            Right::List(literals) => {
                f.write_char(' ')?;
                list(f, literals, ", ")
            }
            Right::Val(term) => write!(f, " val({term})"),
            Right::Term(term) => write!(f, " {term}"),
        }
    }
}

impl Check {
    /// Whether a single value on the right is a bare name that counts as a list of one.
    fn names_its_list(&self) -> bool {
        self.modifier.is_some() || LISTS.contains(&self.operator)
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { name, argument, .. } => {
                f.write_str(name)?;
                brackets(f, argument.as_ref().map(|argument| argument.as_slice()))
            }
            Self::Transform {
                name,
                arguments,
                selector,
                ..
            } => {
                f.write_str(name.word())?;
                list(f, arguments, ", ")?;
                brackets(f, selector.as_ref().map(|selector| selector.as_slice()))
            }
            Self::Text(literal) => quoted(f, &literal.text),
            Self::Number(literal) => write!(f, "{}", literal.text),
            Self::List(terms, _) => list(f, terms, ", "),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_slice();
        let modifier = Modifier::ALL
            .iter()
            .any(|modifier| modifier.word().as_bytes() == text);
        let bare = !text.is_empty()
            && text.iter().all(|&byte| is_bare(byte) && byte >= b' ')
            && text.is_utf8()
            && !modifier;
        if bare {
            write!(f, "{}", self.text)
        } else {
            quoted(f, text)
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, parts: &[impl Display], separator: &str) -> fmt::Result {
    f.write_char('(')?;
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(separator)?;
        }
        part.fmt(f)?;
    }
    f.write_char(')')
}

fn brackets(f: &mut fmt::Formatter<'_>, argument: Option<&[u8]>) -> fmt::Result {
    let Some(argument) = argument else {
        return Ok(());
    };
    let bare = |&byte: &u8| byte > b' ' && !matches!(byte, b'[' | b']' | b'"' | b'\'');
    f.write_char('[')?;
    match argument.to_str() {
        Ok(text) if !text.is_empty() && argument.iter().all(bare) => f.write_str(text)?,
        _ => quoted(f, argument)?,
    }
    f.write_char(']')
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_char('"')?;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            quoted_letter(f, letter)?;
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    f.write_char('"')
}

fn quoted_letter(f: &mut fmt::Formatter<'_>, letter: char) -> fmt::Result {
    match letter {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\0'..'\u{20}' => write!(f, "\\x{:02x}", u32::from(letter)),
        _ => f.write_char(letter),
    }
}
