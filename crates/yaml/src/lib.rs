//! YAML as a tree that keeps raw scalars and their places.
//!
//! Readers of rules disagree about what `yes`, `010` or `2.50` are: Falco takes every value as text, Sigma has types of
//! its own. So the tree resolves nothing. A scalar is its text after YAML's quoting and folding, and how it was quoted;
//! what it means is decided by who reads it. Every node knows the bytes that it came from, so that a mistake inside a
//! folded block of twenty lines can still be shown in the file ([`Node::source_offset`]).
//!
//! Two things stand beside the tree: [`Resolved`], what a scalar is to Kubernetes, and [`first_document`], the pieces of a document without a
//! tree, for texts of any size from anybody.
//!
//! The tree is built from the events of `granit-parser` (YAML 1.2, `forbid(unsafe_code)`); the crates that build trees
//! themselves resolve types, which loses what was written. Only this crate knows that parser.
//!
//! # Invariants
//!
//! - No tree is deeper than [`MAX_DEPTH`], so code that walks one may recurse.
//! - Aliases are copies of what they name. Their total size is bounded by [`MAX_ALIASED`]: a small file cannot become a
//!   large tree. An alias inside the node that it names is an error.
//! - Merge keys (`<<`) are ordinary keys. All pairs of a mapping are kept; of equal keys [`Node::get`] finds the first.
//!
//! # Example
//!
//! ```
//! let documents = kubevigil_yaml::parse("- rule: exec\n  enabled: yes\n")?;
//! let rule = &documents[0].root.items().unwrap()[0];
//! let enabled = rule.get("enabled").unwrap();
//! assert_eq!((enabled.text(), enabled.as_bool()), (Some("yes"), Some(true)));
//! assert_eq!(enabled.span, 24..27);
//! # Ok::<(), kubevigil_yaml::SyntaxError>(())
//! ```

mod build;
mod event;
mod node;
mod offset;
mod parse;
mod resolve;

pub use crate::build::{MAX_ALIASED, MAX_DEPTH};
pub use crate::event::{Event, first_document};
pub use crate::node::{Document, Kind, Node, Style};
pub use crate::parse::{SyntaxError, parse};
pub use crate::resolve::Resolved;
