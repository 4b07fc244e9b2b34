//! Sigma's rule language, version 2.1 of the specification.
//!
//! Any dotted name is a field, values compare without letter case, an array stands for its members, and a missing field only fails
//! the test that asks for it. All of this is spelled out in [`Condition::Json`](crate::Condition::Json) and
//! [`Condition::Elements`](crate::Condition::Elements), so nobody behind this module knows that a rule was Sigma's. Where the
//! specification is silent, pySigma decides; what neither says is decided in `docs/sigma.md`.
//!
//! # How a file becomes rules
//!
//! 1. [`Loader::load_file`] reads the YAML documents; `collection` merges those with an `action`. A document is a rule, a correlation,
//!    a filter or a pipeline.
//! 2. [`Loader::finish`] compiles, because filters and pipelines of one file hold for the rules of all: `document` reads what stands
//!    around a detection, `selection`, `item` and `values` turn selections into conditions, `condition` joins them, `fields`
//!    translates names, `lints` looks for the traps of the language.
//! 3. `correlation` reads documents that ask about several events, Sigma's and kubevigil's own, and links them: the rules that they
//!    name may stand in any file, and, with [`Loader::finish_with`], in files of other languages.
//! 4. A rule with a mistake is refused alone, with all of its mistakes; so are the correlations that count it.
//!
//! # Example
//!
//! ```
//! use kubevigil_rules::sigma::{Loader, Options};
//!
//! let mut loader = Loader::new(Options::default());
//! loader.load_file(
//!     "exec.yml",
//!     "title: Exec into a pod\nlogsource: {product: kubernetes, service: audit}\nlevel: medium\ndetection:\n  \
//!      sel: {objectRef.resource: pods, objectRef.subresource: exec}\n  condition: sel\n",
//! );
//! let loaded = loader.finish();
//! assert!(loaded.successful());
//! assert_eq!(loaded.rules[0].name.as_ref(), "Exec into a pod");
//! ```

mod codes;
mod collection;
mod condition;
mod correlation;
mod detection;
mod document;
mod encodings;
mod fields;
mod filter;
mod item;
mod language;
mod lints;
mod load;
mod modifiers;
mod numeric;
mod output;
mod paths;
mod pipeline;
mod problems;
mod scalar;
mod selection;
mod values;

pub use crate::sigma::language::is_sigma;
pub use crate::sigma::load::{Loaded, Loader, Options};
