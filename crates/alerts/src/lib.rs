//! The alert, how it is written, and how it is delivered.

pub mod alert;
pub mod backoff;
pub mod bounds;
pub mod config;
pub mod courier;
pub mod dead_letters;
pub mod deliveries;
pub mod escape;
pub mod event;
pub mod format;
mod hex;
pub mod identity;
pub mod metrics;
pub mod outbox;
pub mod output;

pub use kubevigil_audit::event::Outcome;

pub use crate::alert::{Alert, FieldValue, Finding};
pub use crate::config::OutputConfig;
pub use crate::deliveries::{Deliveries, Surroundings};
pub use crate::event::{EventReference, EventSummary, Request};
pub use crate::format::{FalcoStyle, Format, Renderer};
pub use crate::identity::{AlertId, EventDigest};
pub use crate::outbox::Outbox;
