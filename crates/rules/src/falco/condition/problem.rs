//! What can be wrong or odd with a condition whose grammar is right.

use super::ast::Place;

/// Something that keeps a condition from being compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind of mistake it is.
    pub class: ProblemClass,
    /// Where.
    pub place: Place,
    /// One sentence: what is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProblemClass {
    /// A constant does not fit: too long, no number, a bad pattern.
    BadValue,
    /// The field does not take this argument, or needs one.
    FieldArgument,
    /// A macro is not defined.
    Macro,
    /// The operator does not apply to the type.
    OperatorType,
    /// The field on the right does not go with the left side or the operator.
    RightField,
    /// The transformation does not take these arguments.
    Transformer,
    /// There is no such field.
    UnknownField,
}

/// Something that a condition's author may not expect. It compiles all the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Falco's code, such as `LOAD_UNSAFE_NA_CHECK`.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// One sentence: what is odd.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ProblemClass {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadValue => "bad_value",
            Self::FieldArgument => "field_arg",
            Self::Macro => "macro",
            Self::OperatorType => "operator_type",
            Self::RightField => "rhs_field",
            Self::Transformer => "transformer",
            Self::UnknownField => "unknown_field",
        }
    }
}

impl Problem {
    pub(super) fn new(class: ProblemClass, place: &Place, message: impl Into<String>) -> Self {
        Self {
            class,
            place: place.clone(),
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
