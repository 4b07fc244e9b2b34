//! Output texts of rules, read into templates (spec 4.1).
//!
//! Behind a `%` stand an optional width and a field or a transformation. How far a field's name reaches cannot be told
//! from the text: it is the longest start that is a field, so `%ka.uri.param` without an argument is `%ka.uri` and the
//! text `.param`. A percent sign cannot be escaped.

use std::ops::Range;

use super::condition::{CompileOptions, Lowering, TransformName, parse_term_prefix};
use super::fields::{self, FieldOptions};
use crate::condition::Expr;
use crate::field::Field;
use crate::template::{Piece, Template};

/// A template, and what its author may not expect.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledOutput {
    /// The template.
    pub template: Template,
    /// Warnings, in the order of the text.
    pub warnings: Vec<OutputWarning>,
}

/// Something that compiles but hardly does what was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputWarning {
    /// Falco's code.
    pub code: &'static str,
    /// Bytes of the output text.
    pub span: Range<usize>,
    /// One sentence: what is odd.
    pub message: String,
}

/// The text is no output.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct OutputProblem {
    /// What kind of mistake it is.
    pub class: OutputClass,
    /// Bytes of the output text.
    pub span: Range<usize>,
    /// One sentence: what is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The kinds of mistakes in outputs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OutputClass {
    /// The text is empty, or ends where a field must follow.
    Incomplete,
    /// What follows a percent sign does not look like a field.
    NoField,
    /// There is no such field, or a transformation does not take what it is given.
    UnknownField,
}

/// Fields that Falco has given up; their mere name in an output is worth a warning.
const GIVEN_UP: [&str; 6] = [
    "evt.dir",
    "evt.latency.human",
    "evt.latency.ns",
    "evt.latency.s",
    "evt.wait_latency",
    "evt.latency",
];

/// A placeholder of Falco's that it removes from outputs.
const REMOVED: &str = "%container.info";

/// Reads an output text.
pub fn compile_output(text: &str, options: &FieldOptions) -> Result<CompiledOutput, OutputProblem> {
    if text.is_empty() {
        let message = "the output is empty".to_owned();
        return Err(OutputProblem {
            class: OutputClass::Incomplete,
            span: 0..0,
            message,
            help: None,
        });
    }
    let options = CompileOptions {
        fields: options.clone(),
        ..CompileOptions::default()
    };
    let mut reader = Reader::new(text, &options);
    reader.read()?;
    let pieces = reader.pieces;
    let template = Template {
        fields: fields_of(&pieces),
        pieces,
        text: text.to_owned(),
    };
    Ok(CompiledOutput {
        template,
        warnings: warnings(text),
    })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    options: &'t CompileOptions,
    longest_name: usize,
    pieces: Vec<Piece>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, options: &'t CompileOptions) -> Self {
        // A star in front only says that absent fields are printed, which they always are.
        let at = usize::from(text.starts_with('*'));
        let longest_name = fields::longest_name(&options.fields);
        Self {
            text,
            at,
            options,
            longest_name,
            pieces: Vec::new(),
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn read(&mut self) -> Result<(), OutputProblem> {
        loop {
            let rest = self.rest();
            let (literal, placeholder) = match rest.split_once('%') {
                Some((literal, _)) => (literal, true),
                None => (rest, false),
            };
            self.literal(literal);
            self.at += literal.len();
            if !placeholder {
                return Ok(());
            }
            if self.rest().starts_with(REMOVED) {
                self.at += REMOVED.len();
            } else {
                self.at += 1;
                self.value()?;
            }
        }
    }

    fn literal(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(literal)) => literal.push_str(text),
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// What follows a percent sign.
    fn value(&mut self) -> Result<(), OutputProblem> {
        let start = self.at;
        let rest = self.rest();
        let name = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        self.at += rest.len() - name.len();
        if name.is_empty() {
            return Err(self.problem(
                start,
                OutputClass::Incomplete,
                "the output ends behind a `%`",
            ));
        }
        let digits = rest.get(..rest.len() - name.len()).unwrap_or_default();
        let width = if digits.is_empty() {
            0
        } else {
            self.width(digits, start)?
        };
        let width = (width > 0).then_some(width);
        let (expr, length) = if TransformName::opens(name) {
            self.transform(name)?
        } else {
            let (field, length) = self.field(name).ok_or_else(|| self.no_field(name))?;
            (Expr::Field(field), length)
        };
        self.at += length;
        self.pieces.push(Piece::Value { expr, width });
        Ok(())
    }

    fn width(&self, digits: &str, start: usize) -> Result<usize, OutputProblem> {
        /// Wider columns are mistakes, and would let one rule fill the memory.
        const WIDEST: usize = 65_536;
        digits
            .parse()
            .ok()
            .filter(|&width| width <= WIDEST)
            .ok_or_else(|| {
                self.problem(
                    start,
                    OutputClass::NoField,
                    format!("the width {digits} is more than {WIDEST}"),
                )
            })
    }

    /// The longest start of `rest` that is a field, and how long it is.
    fn field(&self, rest: &str) -> Option<(Field, usize)> {
        let run = name_run(rest);
        if let Some((argument, length)) = argument(rest.get(run..).unwrap_or_default()) {
            let name = rest.get(..run).unwrap_or_default();
            if let Ok(field) = fields::resolve(name, Some(argument), &self.options.fields) {
                return Some((field, run + length));
            }
        }
        (1..=run.min(self.longest_name)).rev().find_map(|length| {
            let name = rest.get(..length)?;
            let field = fields::resolve_exactly(name, &self.options.fields)?;
            Some((field, length))
        })
    }

    fn transform(&self, rest: &str) -> Result<(Expr, usize), OutputProblem> {
        let wrong = |message: String| self.problem(self.at, OutputClass::UnknownField, message);
        let (term, length) = parse_term_prefix(rest).map_err(|error| {
            let message = format!("the transformation is not valid: {}", error.message);
            OutputProblem {
                span: self.at..self.at + error.offset,
                help: error.help,
                ..wrong(message)
            }
        })?;
        let mut lowering = Lowering::new(self.options);
        match lowering.term(&term) {
            Some(typed) => Ok((typed.expr, length)),
            None => {
                let problem = lowering.problems.into_iter().next();
                let message = problem
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string);
                let help = problem.and_then(|problem| problem.help);
                Err(OutputProblem {
                    span: self.at..self.at + length,
                    help,
                    ..wrong(message)
                })
            }
        }
    }

    fn no_field(&self, rest: &str) -> OutputProblem {
        let name = rest.get(..name_run(rest)).unwrap_or_default();
        if !name.contains('.') {
            let problem = self.problem(
                self.at,
                OutputClass::NoField,
                "`%` must be followed by a field",
            );
            let help = "a percent sign cannot be escaped; write `percent`";
            return OutputProblem {
                help: Some(help.to_owned()),
                ..problem
            };
        }
        match fields::resolve(name, None, &self.options.fields) {
            Err(error) => {
                let problem = self.problem(self.at, OutputClass::UnknownField, error.to_string());
                let span = self.at..self.at + name.len();
                OutputProblem {
                    span,
                    help: error.help(),
                    ..problem
                }
            }
            Ok(_) => self.problem(
                self.at,
                OutputClass::UnknownField,
                format!("`{name}` is no field"),
            ),
        }
    }

    fn problem(
        &self,
        start: usize,
        class: OutputClass,
        message: impl Into<String>,
    ) -> OutputProblem {
        let end = self.at.max(start);
        OutputProblem {
            class,
            span: start.saturating_sub(1)..end,
            message: message.into(),
            help: None,
        }
    }
}

impl OutputClass {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "output_syntax",
            Self::NoField => "syntax",
            Self::UnknownField => "output_field",
        }
    }
}

impl OutputProblem {
    /// Whether a rule with `skip-if-unknown-filter` is skipped for it.
    pub fn unknown_field(&self) -> bool {
        self.class != OutputClass::Incomplete
    }
}

/// How many bytes at the start can belong to a field's name.
fn name_run(text: &str) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    text.bytes().take_while(belongs).count()
}

/// The argument in brackets that `text` starts with, quotes dropped, and how many bytes it takes.
fn argument(text: &str) -> Option<(&str, usize)> {
    let inside = text.strip_prefix('[')?;
    for quote in ['"', '\''] {
        if let Some((argument, rest)) = inside
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
        {
            return rest
                .starts_with(']')
                .then_some((argument, argument.len() + 4));
        }
    }
    let (argument, _) = inside.split_once(']')?;
    let bare = !argument.is_empty() && !argument.contains(['[', '"', '\'']);
    bare.then_some((argument, argument.len() + 2))
}

/// The fields in the pieces, sorted by name, each once.
fn fields_of(pieces: &[Piece]) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for piece in pieces {
        let Piece::Value { expr, .. } = piece else {
            continue;
        };
        expr.for_each(&mut |expr| {
            if let Expr::Field(field) = expr {
                found.push(field.clone());
            }
        });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.dedup();
    found
}

fn warnings(text: &str) -> Vec<OutputWarning> {
    let mut found: Vec<OutputWarning> = Vec::new();
    let names = std::iter::once(REMOVED).chain(GIVEN_UP);
    for name in names {
        let Some(start) = text.find(name) else {
            continue;
        };
        // The names are tried from the longest on, so that the start of another one is not found again.
        if found.iter().any(|warning| warning.span.start == start) {
            continue;
        }
        let message = match name {
            REMOVED => format!("`{REMOVED}` is deprecated; it is removed from the output"),
            _ => format!("`{name}` is deprecated"),
        };
        let span = start..start + name.len();
        found.push(OutputWarning {
            code: "LOAD_DEPRECATED_ITEM",
            span,
            message,
        });
    }
    found.sort_by_key(|warning| warning.span.start);
    found
}
