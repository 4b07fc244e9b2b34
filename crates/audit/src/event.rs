//! Audit events with their fields by name.
//!
//! An [`EventView`] borrows from the bytes of one event of `audit.k8s.io` v1, v1beta1 or v1alpha1 and speaks of
//! all three as of v1. It is made in one pass and owns no text. What is present but null, or of another type than
//! it should be, counts as absent: logs are read years later, through other people's pipelines.

mod level;
mod objects;
mod outcome;
mod stage;
mod view;

pub use level::Level;
pub use objects::{ObjectRef, ResponseStatus, User};
pub use outcome::Outcome;
pub use stage::Stage;
pub use view::EventView;
