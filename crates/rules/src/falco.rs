//! Falco's rule language.
//!
//! Rule files that run in Falco today run here unmodified, so this module follows Falco's engine (0.63) where its
//! documentation and its behaviour differ: lists are pasted into conditions as text before those are parsed, macros are
//! visible by order of definition, and every problem has Falco's code. One thing is different by intent: Falco stops at
//! the first mistake, [`Loader`] goes on and reports all mistakes of all files in one run. The first error that it
//! reports is the one that Falco would have stopped at.
//!
//! # How a file becomes rules
//!
//! 1. [`Loader::load_file`] reads the YAML; items (lists, macros, rules, required versions) are checked one by one and
//!    added to, or merged into, what earlier items and files defined (`items`, `lists`, `macros`, `definition`,
//!    `overrides`, `exceptions`, `versions`).
//! 2. After each file everything defined so far is compiled (`compile`), because Falco does: a rule may use macros of its
//!    own and of earlier files, never of later ones. List names are replaced in the text (`lists`), the text is parsed
//!    ([`condition`]), macros are put in, and the result is type-checked and becomes a [`Condition`](crate::Condition).
//! 3. [`Loader::finish`] gives the rules of the last compilation in the order of their first definition, disabled ones
//!    included. [`selection`] decides which of them run.
//!
//! Texts remember where each of their bytes was written (`text`), through appends, exceptions and list substitution, so
//! that a caret can point into the file.
//!
//! # Example
//!
//! ```
//! use kubevigil_rules::falco::{Loader, Options};
//!
//! let mut loader = Loader::new(Options::default());
//! loader.load_file(
//!     "exec.yaml",
//!     "- rule: Exec into a pod\n  desc: Somebody runs a command in a pod\n  priority: NOTICE\n  source: k8s_audit\n  \
//!      condition: ka.target.subresource = exec\n  output: exec by %ka.user.name\n",
//! );
//! let loaded = loader.finish();
//! assert!(loaded.successful());
//! assert_eq!(loaded.rules[0].condition_text.as_ref(), "ka.target.subresource = exec");
//! ```

pub mod condition;
pub mod fields;
pub mod output;
pub mod selection;

mod cache;
mod codes;
mod collection;
mod compile;
mod definition;
mod exceptions;
mod expansion;
mod findings;
mod items;
mod lists;
mod load;
mod macros;
mod overrides;
mod text;
mod versions;

pub use crate::falco::load::{ListInfo, Loaded, Loader, MacroInfo, Options};
pub use crate::falco::versions::EngineVersion;
