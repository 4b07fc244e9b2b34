//! The parts of a comparison: fields, transformations and constants.

use super::ast::{Literal, Place, Right, Term};
use super::operator::TransformName;
use super::parser::{Parsed, Parser};

/// Transformations within each other count like parentheses within each other.
const CALLS_PER_TRANSFORM: usize = 5;

impl Parser<'_> {
    /// What may stand on the left of an operator: a field or a transformation. `None`, and nothing read, when neither
    /// stands here.
    pub(super) fn left(&mut self) -> Parsed<Option<Term>> {
        if let Some(field) = self.field()? {
            return Ok(Some(field));
        }
        self.transform()
    }

    /// A number, or a field by `val()` or a transformation.
    pub(super) fn number_right(&mut self) -> Parsed<Right> {
        if let Some(right) = self.field_right()? {
            return Ok(right);
        }
        let start = self.lexer.at;
        match self.lexer.number() {
            Some(number) => {
                let place = Place::at(start..self.lexer.at);
                Ok(Right::Value(Literal {
                    text: number.into(),
                    place,
                }))
            }
            None => Err(self
                .lexer
                .error("expected a number")
                .help("to compare with another field, write `val(FIELD)`")),
        }
    }

    /// A text, or a field by `val()` or a transformation.
    pub(super) fn string_right(&mut self) -> Parsed<Right> {
        if let Some(right) = self.field_right()? {
            return Ok(right);
        }
        match self.string()? {
            Some(literal) => Ok(Right::Value(literal)),
            None => Err(self
                .lexer
                .error("expected a text, `val(FIELD)` or a transformation")
                .help(
                    "a text with blanks, commas, `=`, quotes or parentheses needs quotes around it",
                )),
        }
    }

    /// A list, a bare name, or a field by `val()` or a transformation.
    pub(super) fn list_right(&mut self) -> Parsed<Right> {
        if self.lexer.eat("(") {
            return Ok(Right::List(self.list_rest()?));
        }
        if let Some(right) = self.field_right()? {
            return Ok(right);
        }
        let start = self.lexer.at;
        match self.lexer.name() {
            Some(name) => {
                let place = Place::at(start..self.lexer.at);
                Ok(Right::Value(Literal {
                    text: name.into(),
                    place,
                }))
            }
            None => Err(self
                .lexer
                .error("expected a list")
                .help("write the values in parentheses: `in (a, b)`")),
        }
    }

    /// What follows the opening parenthesis of a list of constants.
    pub(super) fn list_rest(&mut self) -> Parsed<Vec<Literal>> {
        let mut literals = Vec::new();
        self.lexer.blank();
        if let Some(first) = self.string()? {
            literals.push(first);
            self.lexer.blank();
            while self.lexer.eat(",") {
                self.lexer.blank();
                let Some(next) = self.string()? else {
                    return Err(self.lexer.error("expected a text behind the comma"));
                };
                literals.push(next);
                self.lexer.blank();
            }
        }
        if self.lexer.eat(")") {
            return Ok(literals);
        }
        Err(self
            .lexer
            .error("expected `,` or `)` in the list")
            .help("a text with blanks, commas, `=`, quotes or parentheses needs quotes around it"))
    }

    fn string(&mut self) -> Parsed<Option<Literal>> {
        let start = self.lexer.at;
        let text = match self.lexer.quoted()? {
            Some(text) => Some(text),
            None => self.lexer.bare_string().map(Into::into),
        };
        Ok(text.map(|text| Literal {
            text,
            place: Place::at(start..self.lexer.at),
        }))
    }

    /// `val(FIELD)` or a transformation.
    fn field_right(&mut self) -> Parsed<Option<Right>> {
        if !self.lexer.eat("val(") {
            return Ok(self.transform()?.map(Right::Term));
        }
        self.lexer.blank();
        let Some(field) = self.field()? else {
            return Err(self.lexer.error("expected a field within `val()`"));
        };
        self.close("val()")?;
        Ok(Some(Right::Val(field)))
    }

    fn field(&mut self) -> Parsed<Option<Term>> {
        let start = self.lexer.at;
        let Some(name) = self.lexer.field_name() else {
            return Ok(None);
        };
        let argument = self.argument()?;
        let place = Place::at(start..self.lexer.at);
        Ok(Some(Term::Field {
            name: name.into(),
            argument,
            place,
        }))
    }

    /// What stands between brackets, if they follow.
    fn argument(&mut self) -> Parsed<Option<bstr::BString>> {
        if !self.lexer.eat("[") {
            return Ok(None);
        }
        let argument = match self.lexer.quoted()? {
            Some(text) => text,
            None => match self.lexer.bare_argument() {
                Some(text) => text.into(),
                None => return Err(self.lexer.error("expected an argument between `[` and `]`")),
            },
        };
        if self.lexer.eat("]") {
            return Ok(Some(argument));
        }
        Err(self.lexer.error("expected `]` behind the argument"))
    }

    fn transform(&mut self) -> Parsed<Option<Term>> {
        let start = self.lexer.at;
        let opens = |parser: &mut Self, name: TransformName| {
            parser.lexer.eat(name.word()) && parser.lexer.eat("(")
        };
        for name in TransformName::ALL {
            if opens(self, name) {
                return self
                    .nested(CALLS_PER_TRANSFORM, |parser| {
                        parser.transform_rest(name, start)
                    })
                    .map(Some);
            }
            self.lexer.at = start;
        }
        Ok(None)
    }

    fn transform_rest(&mut self, name: TransformName, start: usize) -> Parsed<Term> {
        let arguments = self.arguments(true)?;
        self.close("the transformation")?;
        let selector = self.argument()?;
        let place = Place::at(start..self.lexer.at);
        Ok(Term::Transform {
            name,
            arguments,
            selector,
            place,
        })
    }

    /// The arguments of a transformation or the elements of a list in one.
    fn arguments(&mut self, lists: bool) -> Parsed<Vec<Term>> {
        let mut arguments = Vec::new();
        loop {
            self.lexer.blank();
            arguments.push(self.term(lists)?);
            self.lexer.blank();
            if !self.lexer.eat(",") {
                return Ok(arguments);
            }
        }
    }

    fn term(&mut self, lists: bool) -> Parsed<Term> {
        let start = self.lexer.at;
        if let Some(term) = self.left()? {
            return Ok(term);
        }
        if let Some(text) = self.lexer.quoted()? {
            return Ok(Term::Text(Literal {
                text,
                place: Place::at(start..self.lexer.at),
            }));
        }
        if let Some(number) = self.lexer.number() {
            let place = Place::at(start..self.lexer.at);
            return Ok(Term::Number(Literal {
                text: number.into(),
                place,
            }));
        }
        if lists && self.lexer.eat("(") {
            return self.term_list(start);
        }
        Err(self
            .lexer
            .error("expected a field, a transformation, a quoted text or a number"))
    }

    fn term_list(&mut self, start: usize) -> Parsed<Term> {
        self.lexer.blank();
        if self.lexer.eat(")") {
            return Ok(Term::List(Vec::new(), Place::at(start..self.lexer.at)));
        }
        let terms = self.arguments(false)?;
        self.close("the list")?;
        Ok(Term::List(terms, Place::at(start..self.lexer.at)))
    }

    fn close(&mut self, what: &str) -> Parsed<()> {
        self.lexer.blank();
        if self.lexer.eat(")") {
            return Ok(());
        }
        Err(self.lexer.error(format!("expected `)` to close {what}")))
    }
}
