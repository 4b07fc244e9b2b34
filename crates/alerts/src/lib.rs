//! The alert, how it is written, and how it is delivered.

pub mod alert;
pub mod backoff;
pub mod bounds;
pub mod config;
pub mod courier;
pub mod dead_letters;
pub mod deliveries;
pub mod escape;
pub mod format;
pub mod metrics;
pub mod outbox;
pub mod output;

pub use crate::alert::{Alert, AlertId, EventReference, FieldValue, Finding, Outcome, Request};
pub use crate::format::{FalcoStyle, Format, Renderer};
