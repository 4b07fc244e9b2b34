//! The syntax tree of a condition.

use std::ops::Range;
use std::sync::Arc;

use bstr::BString;

use super::operator::{Modifier, Operator, TransformName};

/// How deep a condition may be after macros are put in. Written rules stay below 20; the bound keeps every walk of the
/// tree within a small stack.
pub const MAX_DEPTH: usize = 400;

/// How many nodes a condition may have after macros are put in: macros that use macros grow exponentially.
pub const MAX_SIZE: usize = 100_000;

/// A condition as its author structured it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    pub(super) root: Node,
    size: usize,
    depth: usize,
}

/// A node of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Parts joined by `and`, two or more.
    And(Vec<Node>),
    /// Parts joined by `or`, two or more.
    Or(Vec<Node>),
    /// `not` before a part.
    Not(Box<Node>),
    /// A comparison.
    Check(Box<Check>),
    /// A bare name, which stands for a macro.
    Macro(Arc<str>, Place),
}

/// A comparison: what is looked at, the operator, and the other side.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is looked at.
    pub left: Term,
    /// The operator.
    pub operator: Operator,
    /// `oneof`, `anyof` or `allof` behind the operator.
    pub modifier: Option<Modifier>,
    /// What it is compared with.
    pub right: Right,
    /// The whole comparison.
    pub place: Place,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    /// Nothing, for `exists`.
    Nothing,
    /// One constant; for list operators a bare name that counts as a list of one.
    Value(Literal),
    /// Constants in parentheses.
    List(Vec<Literal>),
    /// `val(FIELD)`.
    Val(Term),
    /// A transformation.
    Term(Term),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// Its text, escapes decoded: any bytes.
    pub text: BString,
    /// Where it stands.
    pub place: Place,
}

/// Something that has a value for an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A field with its argument, quotes dropped.
    Field {
        /// The field's name.
        name: Arc<str>,
        /// What stands between brackets.
        argument: Option<BString>,
        /// Where it stands, argument included.
        place: Place,
    },
    /// A transformation of other terms.
    Transform {
        /// Which one.
        name: TransformName,
        /// Its arguments, one or more.
        arguments: Vec<Term>,
        /// What stands between brackets behind it.
        selector: Option<BString>,
        /// Where it stands.
        place: Place,
    },
    /// A quoted text inside a transformation.
    Text(Literal),
    /// A number inside a transformation.
    Number(Literal),
    /// Terms in parentheses inside a transformation.
    List(Vec<Term>, Place),
}

/// A stretch of text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Bytes of the condition's own text. For what came from a macro: of the macro's name in it.
    pub span: Range<usize>,
    /// For what came from a macro: where it stands in the macro's own text.
    pub within: Option<Within>,
}

/// A stretch of a macro's text; of the innermost macro when macros use macros.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Within {
    /// The macro's name.
    pub name: Arc<str>,
    /// Bytes of its text.
    pub span: Range<usize>,
}

/// A name that stands for a macro.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MacroRef<'a> {
    /// The macro's name.
    pub name: &'a str,
    /// Where the name stands.
    pub place: &'a Place,
}

/// Putting a macro in would make the condition too large.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the condition with its macros put in is too large: at most {MAX_DEPTH} levels and {MAX_SIZE} parts are allowed, \
     it has {depth} and {size}"
)]
pub struct TooBig {
    /// How many levels there would be.
    pub depth: usize,
    /// How many parts there would be.
    pub size: usize,
}

/// Finds a macro's tree by its name.
type Resolve<'r> = &'r dyn Fn(&str) -> Option<Arc<Ast>>;

impl Ast {
    pub(super) fn new(root: Node) -> Self {
        let (size, depth) = measure(&root, &|_| None);
        Self { root, size, depth }
    }

    /// The outermost node.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// How many nodes there are, the elements of constant lists not counted.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many nodes lie on the longest way from the root to a leaf.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The macros that are still referred to by name, in the order of the text.
    pub fn macros(&self) -> Vec<MacroRef<'_>> {
        let mut found = Vec::new();
        collect_macros(&self.root, &mut found);
        found
    }

    /// The condition with macros put in where their names stand; names that `resolve` does not know stay. What is put
    /// in is taken as it is, so macros that use macros must have been substituted themselves.
    ///
    /// Fails before anything is copied when the result would pass [`MAX_DEPTH`] or [`MAX_SIZE`].
    pub fn substitute(&self, resolve: Resolve<'_>) -> Result<Self, TooBig> {
        let (size, depth) = measure(&self.root, resolve);
        if size > MAX_SIZE || depth > MAX_DEPTH {
            return Err(TooBig { depth, size });
        }
        Ok(Self {
            root: put_in(&self.root, resolve),
            size,
            depth,
        })
    }
}

impl Place {
    pub(super) fn at(span: Range<usize>) -> Self {
        Self { span, within: None }
    }

    /// This place of the macro `name`, seen from a text that uses the macro at `span`.
    fn seen_from(&self, name: &Arc<str>, span: &Range<usize>) -> Self {
        let within = self.within.clone();
        let within = within.unwrap_or_else(|| Within {
            name: Arc::clone(name),
            span: self.span.clone(),
        });
        Self {
            span: span.clone(),
            within: Some(within),
        }
    }
}

impl Node {
    fn parts(&self) -> &[Node] {
        match self {
            Self::And(parts) | Self::Or(parts) => parts,
            Self::Not(part) => std::slice::from_ref(part),
            Self::Check(_) | Self::Macro(..) => &[],
        }
    }
}

impl Term {
    /// Where the term stands.
    pub fn place(&self) -> &Place {
        match self {
            Self::Field { place, .. } | Self::Transform { place, .. } | Self::List(_, place) => {
                place
            }
            Self::Text(literal) | Self::Number(literal) => &literal.place,
        }
    }

    fn for_each_place(&mut self, change: &dyn Fn(&mut Place)) {
        match self {
            Self::Field { place, .. } => change(place),
            Self::Transform {
                arguments, place, ..
            } => {
                change(place);
                arguments
                    .iter_mut()
                    .for_each(|argument| argument.for_each_place(change));
            }
            Self::Text(literal) | Self::Number(literal) => change(&mut literal.place),
            Self::List(terms, place) => {
                change(place);
                terms
                    .iter_mut()
                    .for_each(|term| term.for_each_place(change));
            }
        }
    }
}

impl Check {
    fn for_each_place(&mut self, change: &dyn Fn(&mut Place)) {
        change(&mut self.place);
        self.left.for_each_place(change);
        match &mut self.right {
            Right::Nothing => {}
            Right::Value(literal) => change(&mut literal.place),
            Right::List(literals) => {
                literals
                    .iter_mut()
                    .for_each(|literal| change(&mut literal.place));
            }
            Right::Val(term) | Right::Term(term) => term.for_each_place(change),
        }
    }
}

/// Size and depth of the tree with macros put in.
fn measure(node: &Node, resolve: Resolve<'_>) -> (usize, usize) {
    if let Node::Macro(name, _) = node {
        return resolve(name).map_or((1, 1), |ast| (ast.size, ast.depth));
    }
    let parts = node.parts().iter().map(|part| measure(part, resolve));
    let (size, depth) = parts.fold((0_usize, 0), |(size, depth), (part_size, part_depth)| {
        (size.saturating_add(part_size), depth.max(part_depth))
    });
    (size.saturating_add(1), depth + 1)
}

fn put_in(node: &Node, resolve: Resolve<'_>) -> Node {
    match node {
        Node::And(parts) => Node::And(parts.iter().map(|part| put_in(part, resolve)).collect()),
        Node::Or(parts) => Node::Or(parts.iter().map(|part| put_in(part, resolve)).collect()),
        Node::Not(part) => Node::Not(Box::new(put_in(part, resolve))),
        Node::Check(_) => node.clone(),
        Node::Macro(name, place) => {
            resolve(name).map_or_else(|| node.clone(), |ast| moved(&ast.root, name, &place.span))
        }
    }
}

/// A copy of a macro's node for a text that uses the macro at `span`.
fn moved(node: &Node, name: &Arc<str>, span: &Range<usize>) -> Node {
    let each = |parts: &[Node]| parts.iter().map(|part| moved(part, name, span)).collect();
    match node {
        Node::And(parts) => Node::And(each(parts)),
        Node::Or(parts) => Node::Or(each(parts)),
        Node::Not(part) => Node::Not(Box::new(moved(part, name, span))),
        Node::Check(check) => {
            let mut check = check.clone();
            check.for_each_place(&|place| *place = place.seen_from(name, span));
            Node::Check(check)
        }
        Node::Macro(inner, place) => Node::Macro(Arc::clone(inner), place.seen_from(name, span)),
    }
}

fn collect_macros<'a>(node: &'a Node, found: &mut Vec<MacroRef<'a>>) {
    if let Node::Macro(name, place) = node {
        found.push(MacroRef { name, place });
    }
    node.parts()
        .iter()
        .for_each(|part| collect_macros(part, found));
}
