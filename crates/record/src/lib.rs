//! Auditing for any API server: the events, where they go, and a layer that makes them for any HTTP service.
//!
//! Data flows one way: a request becomes a [`request::RequestHead`], the policy makes an [`auditor::Audit`] of it, that hands out
//! [`event::AuditEvent`]s as the request goes on, a [`sink::Sink`] keeps them, [`encode`] makes them bytes. Everything up to the
//! sinks is pure: it knows no clock and does no I/O, so that it can be compared with what a real API server recorded.
//!
//! | | |
//! |---|---|
//! | [`request`], [`auditor`], [`latency`] | what becomes of a request under a policy |
//! | [`event`], [`encode`], [`body`] | the event and its bytes, JSON or legacy |
//! | [`log`], [`webhook`] | the backends |
//! | [`backend`], [`buffered`], [`truncate`], [`sink`] | modes, and how backends are put together |
//! | [`durable`] | the mode that loses nothing |
//! | [`layer`], [`auditing`] | a tower layer that does all that for any HTTP service |
//! | [`policy_file`], [`metrics`] | the policy that changes while requests are on their way; the numbers |
//!
//! ```
//! use http::HeaderMap;
//! use kubevigil_audit::policy::PolicyFile;
//! use kubevigil_audit::time::Timestamp;
//! use kubevigil_record::auditor::Audit;
//! use kubevigil_record::encode::json_line;
//! use kubevigil_record::event::UserInfo;
//! use kubevigil_record::request::RequestHead;
//!
//! let file = PolicyFile::read("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n");
//! let policy = file.policy.ok_or("no policy")?;
//! let mut head = RequestHead::read("GET", "/api/v1/namespaces/dev/secrets/db", &HeaderMap::new(), None)?;
//! head.audit_id = "1".to_owned();
//! head.user = Some(UserInfo { username: "jane".to_owned(), ..UserInfo::default() });
//!
//! let now = Timestamp::default();
//! let mut audit = Audit::begin(&policy, head, now).ok_or("nothing is recorded")?;
//! let mut events: Vec<_> = audit.received().into_iter().collect();
//! events.extend(audit.response_started(403, now));
//! events.extend(audit.complete(now));
//! let line = String::from_utf8(json_line(&events[1])?)?;
//! assert!(line.contains(r#""stage":"ResponseComplete","requestURI":"/api/v1/namespaces/dev/secrets/db","verb":"get""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! That is how it works inside. Who wants a Rust service audited needs [`layer`], whose page begins with an example.
//!
//! # What a gateway cannot know
//!
//! It leaves out what only the server knows, and does not guess:
//!
//! - the annotations of authorization, admission, tokens and deprecated APIs, and the latencies of the server's parts;
//! - bodies in protobuf of kinds that are not known here (those of aggregated APIs), and what else cannot be read: they are left out,
//!   with the name of an object that is created so;
//! - the constraint under which an impersonation was allowed (`authenticationMetadata`);
//! - the `Status` of an answer to HEAD, which is not sent;
//! - how a request ended inside the server after it was answered with 504;
//! - whether a request was carried out whose client went away before the answer: its last event has no code and the annotation
//!   `kubevigil.io/outcome: unknown`;
//! - whether somebody was impersonated, if the answer is an error: it is taken for allowed unless the API server itself says that it was
//!   not, and what pods and aggregated APIs answer does not count;
//! - whether a request that was refused had been decoded, and its body recorded: that is concluded from the answer, whose
//!   words are the server's.
//!
//! And it writes differently, with the same meaning:
//!
//! - the objects of requests stand as they were sent; the server writes them anew, without unknown fields and in its own order,
//!   `DeleteOptions` with the version `meta.k8s.io/__internal`. Only an object of a built-in kind in which a member is repeated is
//!   written as the server reads it ([`kubevigil_media::merged`]);
//! - U+FFFD in texts is always written as an escape;
//! - paths with `.` or `..` as a segment are refused with 400 by the gateway, where a server has its own reasons to refuse them;
//! - a gateway that asks in the names of others says in its own words why an impersonation is refused;
//! - YAML, CBOR and protobuf are read as JSON ([`kubevigil_media`]), YAML as go-yaml 2 does, and in the order in which it came;
//! - a body beyond the limits of memory, or that cannot be read, is left out, and the event marked with `audit.k8s.io/truncated`.
//!
//! An aggregated API records no bodies at the aggregator; a gateway cannot tell one from a built-in API and records them.

pub mod auditing;
pub mod auditor;
pub mod backend;
pub mod body;
pub mod buffered;
pub mod durable;
pub mod encode;
pub mod event;
pub mod latency;
pub mod layer;
pub mod log;
pub mod metrics;
pub mod policy_file;
pub mod quote;
pub mod request;
pub mod shorten;
pub mod sink;
pub mod truncate;
pub mod webhook;
mod writable;

pub use crate::writable::FolderError;
