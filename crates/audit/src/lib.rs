//! Kubernetes audit events: their bytes, a fast reader, and a typed view.
//!
//! **An event is its bytes.** The JSON that the API server wrote is kept as received; nothing here re-serialises it.
//! What a reader needs is located in the bytes and borrowed from them.
//!
//! This crate is pure: no I/O, no clock. It never panics and never recurses on input, whatever the bytes hold: the
//! API server embeds bodies that clients wrote, nested up to 10,000 levels deep.
//!
//! # How the parts meet
//!
//! 1. [`payload::split`] takes apart what somebody sent: one event, an EventList, arrays of them.
//! 2. [`json::Paths`] reads all paths that anybody asks about from an event in one pass and leaves the rest unread.
//!    The matcher compiles the fields of its rules to one such set.
//! 3. [`event::EventView`] is such a set for people: the event's fields by name, older versions read as v1.
//! 4. [`json::Json`] is one value that was found, and [`time::Timestamp`] a point in time.
//!
//! ```
//! use bytes::Bytes;
//! use kubevigil_audit::event::EventView;
//! use kubevigil_audit::payload::split;
//!
//! let body = Bytes::from_static(br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[
//!     {"auditID":"1","verb":"create","objectRef":{"resource":"pods","subresource":"exec"},
//!      "user":{"username":"jane"},"responseStatus":{"code":101},"stage":"ResponseStarted"}]}"#);
//! for event in split(&body)?.events {
//!     let event = EventView::read(&event)?;
//!     let object = event.object_ref().unwrap_or_default();
//!     assert_eq!(event.user().and_then(|user| user.name()).as_deref(), Some("jane"));
//!     assert_eq!(object.subresource.as_deref(), Some("exec"));
//!     assert_eq!(event.outcome().as_str(), "started");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod event;
pub mod json;
pub mod payload;
pub mod policy;
pub mod request_info;
pub mod time;
