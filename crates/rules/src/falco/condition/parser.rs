//! The grammar of conditions, read by recursive descent (spec 2.1).

use super::ast::{Ast, Check, Literal, Node, Place, Right, Term};
use super::lexer::Lexer;
use super::operator::{EQUALITY, LISTS, Modifier, ORDERING, Operator, UNARY, WORDS};

/// How deep the grammar's rules may call each other, as in Falco: about 198 parentheses within each other.
const MAX_CALLS: usize = 1000;

/// What a comparison adds to the calls around it.
const CALLS_PER_CHECK: usize = 3;

/// The text is no condition.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The byte where reading stopped, counted from 0.
    pub offset: usize,
    /// Its line, counted from 1; a carriage return starts a new one, too.
    pub line: usize,
    /// Its byte in the line, counted from 1.
    pub column: usize,
    /// What was expected.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Reads a condition (spec 2.1).
pub fn parse(text: &str) -> Result<Ast, SyntaxError> {
    let mut parser = Parser::new(text);
    if text.is_empty() {
        return Err(parser.lexer.error("the condition is empty"));
    }
    let root = parser.or()?;
    if !parser.lexer.at_end() {
        return Err(parser
            .lexer
            .error("expected `and`, `or` or the end of the condition"));
    }
    Ok(Ast::new(root))
}

/// Reads a field or a transformation at the start of `text`; what follows it is left alone. Returns how many bytes it
/// takes.
pub(in crate::falco) fn parse_term_prefix(text: &str) -> Result<(Term, usize), SyntaxError> {
    let mut parser = Parser::new(text);
    let term = parser.left()?;
    match term {
        Some(term) => Ok((term, parser.lexer.at)),
        None => Err(parser.lexer.error("expected a field or a transformation")),
    }
}

pub(super) struct Parser<'t> {
    pub(super) lexer: Lexer<'t>,
    calls: usize,
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            lexer: Lexer::new(text),
            calls: 0,
        }
    }

    /// Runs a rule of the grammar that counts as `calls` levels.
    pub(super) fn nested<T>(
        &mut self,
        calls: usize,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        self.calls += calls;
        if self.calls >= MAX_CALLS {
            return Err(self.lexer.error("the condition is nested too deeply"));
        }
        let result = rule(self);
        self.calls -= calls;
        result
    }

    fn or(&mut self) -> Parsed<Node> {
        self.nested(1, |parser| {
            let parts = parser.joined("or", Self::and)?;
            Ok(one_or(parts, Node::Or))
        })
    }

    fn and(&mut self) -> Parsed<Node> {
        self.nested(1, |parser| {
            let parts = parser.joined("and", Self::not)?;
            Ok(one_or(parts, Node::And))
        })
    }

    /// Parts with a keyword between them. Behind a keyword stands a blank and another part, or a parenthesis, whose
    /// end ends the part.
    fn joined(
        &mut self,
        keyword: &str,
        part: impl Fn(&mut Self) -> Parsed<Node>,
    ) -> Parsed<Vec<Node>> {
        self.lexer.blank();
        let mut parts = vec![part(self)?];
        self.lexer.blank();
        while self.lexer.eat(keyword) {
            let next = if self.lexer.blank() {
                part(self)?
            } else if self.lexer.eat("(") {
                self.parenthesised()?
            } else {
                let message = format!("expected a blank or `(` behind `{keyword}`");
                return Err(self.lexer.error(message));
            };
            parts.push(next);
            self.lexer.blank();
        }
        Ok(parts)
    }

    fn not(&mut self) -> Parsed<Node> {
        self.nested(1, |parser| {
            parser.lexer.blank();
            let mut negated = false;
            while parser.lexer.eat_word("not") {
                negated = !negated;
            }
            let part = if parser.lexer.eat("not(") {
                negated = !negated;
                parser.parenthesised()?
            } else {
                parser.check()?
            };
            Ok(if negated {
                Node::Not(Box::new(part))
            } else {
                part
            })
        })
    }

    /// What follows an opening parenthesis, the closing one included.
    fn parenthesised(&mut self) -> Parsed<Node> {
        self.nested(1, |parser| {
            let inner = parser.or()?;
            if parser.lexer.eat(")") {
                return Ok(inner);
            }
            Err(parser.lexer.error("expected `)`"))
        })
    }

    fn check(&mut self) -> Parsed<Node> {
        self.nested(1, |parser| {
            parser.lexer.blank();
            let start = parser.lexer.at;
            if parser.lexer.eat("(") {
                return parser.parenthesised();
            }
            if let Some(left) = parser.left()? {
                return parser.nested(CALLS_PER_CHECK, |parser| parser.comparison(left, start));
            }
            match parser.lexer.name() {
                Some(name) => Ok(Node::Macro(name.into(), Place::at(start..parser.lexer.at))),
                None => Err(parser.lexer.error("expected a field, a macro or `(`")),
            }
        })
    }

    /// An operator and what it is compared with.
    fn comparison(&mut self, left: Term, start: usize) -> Parsed<Node> {
        self.lexer.blank();
        let (operator, modifier, right) = self.operator_and_right()?;
        let place = Place::at(start..self.lexer.at);
        Ok(Node::Check(Box::new(Check {
            left,
            operator,
            modifier,
            right,
            place,
        })))
    }

    fn operator_and_right(&mut self) -> Parsed<(Operator, Option<Modifier>, Right)> {
        if let Some(operator) = self.symbol(&UNARY) {
            return Ok((operator, None, Right::Nothing));
        }
        if let Some(operator) = self.symbol(&ORDERING) {
            self.lexer.blank();
            return Ok((operator, None, self.number_right()?));
        }
        let word = WORDS
            .into_iter()
            .find(|operator| self.lexer.eat_word(operator.word));
        let equality = if word.is_none() {
            self.symbol(&EQUALITY)
        } else {
            None
        };
        if let Some(operator) = word.or(equality) {
            let blank = self.lexer.blank() || word.is_some();
            if let Some((modifier, right)) = self.modified(blank)? {
                return Ok((operator, Some(modifier), right));
            }
            return Ok((operator, None, self.string_right()?));
        }
        if let Some(operator) = self.symbol(&LISTS) {
            self.lexer.blank();
            return Ok((operator, None, self.list_right()?));
        }
        let words = "`=`, `!=`, `in`, `intersects`, `contains`, `startswith`, `endswith`, `exists`";
        Err(self
            .lexer
            .error("expected an operator")
            .help(format!("some operators are {words}")))
    }

    fn symbol(&mut self, operators: &[Operator]) -> Option<Operator> {
        operators
            .iter()
            .copied()
            .find(|operator| self.lexer.eat(operator.word))
    }

    /// A modifier and its list; nothing is read when what stands here is an ordinary text.
    fn modified(&mut self, after_blank: bool) -> Parsed<Option<(Modifier, Right)>> {
        let start = self.lexer.at;
        let modifier = Modifier::ALL
            .into_iter()
            .find(|modifier| self.lexer.eat_word(modifier.word()));
        let Some(modifier) = modifier.filter(|_| after_blank) else {
            self.lexer.at = start;
            return Ok(None);
        };
        let before_list = self.lexer.at;
        if self.lexer.eat("(") {
            let list = self.list_rest()?;
            return Ok(Some((modifier, Right::List(list))));
        }
        match self.lexer.name() {
            Some(name) if !matches!(name, "and" | "or" | "not") => {
                let place = Place::at(before_list..self.lexer.at);
                Ok(Some((
                    modifier,
                    Right::Value(Literal {
                        text: name.into(),
                        place,
                    }),
                )))
            }
            _ => {
                self.lexer.at = start;
                Ok(None)
            }
        }
    }
}

impl SyntaxError {
    pub(super) fn new(text: &str, offset: usize, message: String) -> Self {
        let before = text.as_bytes().get(..offset).unwrap_or_default();
        let breaks = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let line = before.iter().filter(breaks).count() + 1;
        let column = before.iter().rev().take_while(|byte| !breaks(byte)).count() + 1;
        Self {
            offset,
            line,
            column,
            message,
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn one_or(mut parts: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
