//! The words of the grammar: operators, modifiers, transformers.

use crate::condition::Compare;

/// An operator as it is spelt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operator {
    /// The spelling, which tells `=` from `==`.
    pub word: &'static str,
    /// The meaning.
    pub kind: OperatorKind,
}

/// What an operator means.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "Falco's own words")]
pub enum OperatorKind {
    BytesContain,
    BytesStartWith,
    Compare(Compare),
    Contains,
    ContainsFolded,
    EndsWith,
    Exists,
    Glob,
    GlobFolded,
    In,
    Intersects,
    NotEqual,
    PathMatch,
    Regex,
    StartsWith,
}

/// How the list behind a string operator counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Modifier {
    /// Every element satisfies the operator.
    AllOf,
    /// Some element does.
    AnyOf,
    /// Exactly one does.
    OneOf,
}

/// A function that conditions and outputs can call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "Falco's own words")]
pub enum TransformName {
    Base64,
    Basename,
    Concat,
    GetOpt,
    Join,
    Len,
    ToLower,
    ToUpper,
}

/// What an operator wants on its right side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OperatorShape {
    /// Nothing: `exists`.
    Unary,
    /// One number: `<` and its like.
    Number,
    /// One text.
    Single,
    /// A list.
    List,
    /// A list, by a modifier: `startswith anyof`.
    Modified,
}

const fn op(word: &'static str, kind: OperatorKind) -> Operator {
    Operator { word, kind }
}

/// Operators that need no right side.
pub(super) const UNARY: [Operator; 1] = [op("exists", OperatorKind::Exists)];

/// Operators before a number, the longer one first where one starts another.
pub(super) const ORDERING: [Operator; 4] = [
    op("<=", OperatorKind::Compare(Compare::LessOrEqual)),
    op("<", OperatorKind::Compare(Compare::Less)),
    op(">=", OperatorKind::Compare(Compare::GreaterOrEqual)),
    op(">", OperatorKind::Compare(Compare::Greater)),
];

/// Operators of symbols before a text, the longer one first.
pub(super) const EQUALITY: [Operator; 3] = [
    op("==", OperatorKind::Compare(Compare::Equal)),
    op("=", OperatorKind::Compare(Compare::Equal)),
    op("!=", OperatorKind::NotEqual),
];

/// Operators of letters before a text; a blank must follow them.
pub(super) const WORDS: [Operator; 9] = [
    op("glob", OperatorKind::Glob),
    op("iglob", OperatorKind::GlobFolded),
    op("contains", OperatorKind::Contains),
    op("icontains", OperatorKind::ContainsFolded),
    op("bcontains", OperatorKind::BytesContain),
    op("startswith", OperatorKind::StartsWith),
    op("bstartswith", OperatorKind::BytesStartWith),
    op("endswith", OperatorKind::EndsWith),
    op("regex", OperatorKind::Regex),
];

/// Operators before a list.
pub(super) const LISTS: [Operator; 3] = [
    op("intersects", OperatorKind::Intersects),
    op("in", OperatorKind::In),
    op("pmatch", OperatorKind::PathMatch),
];

impl Modifier {
    pub(super) const ALL: [Self; 3] = [Self::OneOf, Self::AnyOf, Self::AllOf];

    /// The spelling.
    pub fn word(self) -> &'static str {
        match self {
            Self::AllOf => "allof",
            Self::AnyOf => "anyof",
            Self::OneOf => "oneof",
        }
    }
}

impl TransformName {
    pub(super) const ALL: [Self; 8] = [
        Self::ToLower,
        Self::ToUpper,
        Self::Base64,
        Self::Basename,
        Self::Len,
        Self::Join,
        Self::Concat,
        Self::GetOpt,
    ];

    /// The spelling.
    pub fn word(self) -> &'static str {
        match self {
            Self::Base64 => "b64",
            Self::Basename => "basename",
            Self::Concat => "concat",
            Self::GetOpt => "getopt",
            Self::Join => "join",
            Self::Len => "len",
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
        }
    }

    /// Whether `text` starts with a call of any transformer.
    pub(in crate::falco) fn opens(text: &str) -> bool {
        let opens = |name: Self| {
            text.strip_prefix(name.word())
                .is_some_and(|rest| rest.starts_with('('))
        };
        Self::ALL.into_iter().any(opens)
    }

    /// Whether it takes two or more arguments; the others take exactly one.
    pub(super) fn takes_several(self) -> bool {
        matches!(self, Self::Concat | Self::GetOpt | Self::Join)
    }
}

/// What the operator `word` wants on its right side; `None` when there is no such operator. Words of a modified
/// operator may be any blanks apart.
pub fn is_operator(word: &str) -> Option<OperatorShape> {
    let mut words = word.split_ascii_whitespace();
    let (operator, modifier) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let known = |operators: &[Operator]| operators.iter().any(|known| known.word == operator);
    let single = known(&EQUALITY) || known(&WORDS);
    if let Some(modifier) = modifier {
        let valid = single && Modifier::ALL.iter().any(|known| known.word() == modifier);
        return valid.then_some(OperatorShape::Modified);
    }
    match () {
        () if single => Some(OperatorShape::Single),
        () if known(&LISTS) => Some(OperatorShape::List),
        () if known(&ORDERING) => Some(OperatorShape::Number),
        () => known(&UNARY).then_some(OperatorShape::Unary),
    }
}
