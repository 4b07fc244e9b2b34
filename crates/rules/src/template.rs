//! The text of an alert with fields in it.

use crate::condition::Expr;
use crate::field::Field;

/// The text of an alert: literal pieces and expressions, in order.
///
/// An absent expression prints as `<NA>`, a list as `(a,b)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// The fields whose values go with the alert, sorted by name, without repetition: every field that stands in a
    /// piece, those inside transformations under their own name.
    pub fields: Vec<Field>,
    /// The text as it was written.
    pub text: String,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text that stands as it is.
    Literal(String),
    /// The value of an expression, padded with blanks on the right or cut to `width` bytes if that is given.
    Value {
        /// What is printed.
        expr: Expr,
        /// The exact number of bytes to fill.
        width: Option<usize>,
    },
}
