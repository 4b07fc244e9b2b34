//! The alert, how it is written, and how it is delivered.
//!
//! A detection is a rule and an event at one moment in one process. An alert is what becomes of it: a value that stands
//! on its own, is written to disk, and reaches every output at least once, in order, whatever crashes in between.
//!
//! # The types and how they meet
//!
//! - [`EventSummary`] is what all alerts about one event share: which event, who did what, what became of it.
//! - [`Alert`] is made from a detection and a summary. Its [`AlertId`] comes from the rule and the event's bytes.
//! - An alert of a correlation also lists the other events that it rests on, each an [`EvidenceEvent`]. Until then they are kept as
//!   [receipts](receipt).
//! - [`Renderer`] writes an alert as one line in a [`Format`]: kubevigil's JSON, Falco's JSON, or text.
//! - [`Outbox`] keeps alerts on disk between being found and being delivered; one that is found again goes in once.
//! - An [`output::Output`] delivers alerts to one place, one attempt at a time: [standard output](output::stdout), a
//!   [file](output::file), an [HTTP address](output::http).
//! - A [`courier::Courier`] stands between the outbox and one output: it filters, retries, commits, and puts aside what is
//!   refused for good. [`Deliveries`] starts one for each [`OutputConfig`].
//! - [`kubevigil_diagnostics::escape`] makes text that an attacker wrote safe for a terminal; everything that prints text of events uses it.
//!
//! # Example
//!
//! ```
//! use kubevigil_alerts::{EventSummary, FieldValue, Finding, Alert, Format, Renderer};
//! # use kubevigil_rules::{Condition, Language, Priority, Question, Rule};
//! # let rule = Rule {
//! #     name: "Secret read".into(), id: None, short_name: None, description: "".into(), notes: Default::default(), priority: Priority::Warning, refused_priority: None, tags: [].into(),
//! #     question: Question::Event(Condition::All(Vec::new())), condition_text: "".into(), output: Default::default(), enabled: true,
//! #     source: "k8s_audit".into(), language: Language::Falco, origin: Default::default(),
//! # };
//! let raw = br#"{"auditID":"7","stage":"ResponseComplete","user":{"username":"mallory"}}"#;
//! let event = EventSummary::read(raw, &mut Default::default());
//! let finding = Finding {
//!     time: Default::default(),
//!     message: "secret read by mallory\u{1b}[2J".to_owned(),
//!     fields: vec![("ka.user.name".to_owned(), FieldValue::Text("mallory".to_owned()))],
//! };
//! let alert = Alert::from_parts(&rule, finding, &event);
//! let line = Renderer::new(Format::Text).line(&alert);
//! assert_eq!(line, r"00:00:00.000000000: Warning secret read by mallory\u{1b}[2J");
//! ```

pub mod alert;
pub mod backoff;
pub mod bounds;
pub mod config;
pub mod courier;
pub mod dead_letters;
pub mod deliveries;
pub mod event;
pub mod evidence;
pub mod format;
mod hex;
pub mod identity;
pub mod metrics;
pub mod outbox;
pub mod output;
pub mod receipt;

pub use kubevigil_audit::event::Outcome;

pub use crate::alert::{Alert, FieldValue, Finding};
pub use crate::config::OutputConfig;
pub use crate::deliveries::{Deliveries, Surroundings};
pub use crate::event::{EventReference, EventSummary, Request};
pub use crate::evidence::EvidenceEvent;
pub use crate::format::{FalcoStyle, Format, Renderer, TextEscaping};
pub use crate::identity::{AlertId, EventDigest};
pub use crate::outbox::Outbox;
