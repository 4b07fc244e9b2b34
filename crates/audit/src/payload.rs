//! Finding the events in what somebody sent.
//!
//! A sender may send one event, an EventList as the webhook backend of an API server does, or an array of such
//! values. [`split`] takes it apart without copying or changing a byte: each event is a slice of the payload.
//!
//! One element that is no audit event does not lose its neighbours: it becomes a [`PayloadProblem`]. Only a payload
//! that does not hold together as JSON is refused as a whole, since nobody knows where its events begin and end.
//!
//! [`Documents`] is for text as people paste it: several values one after another, pretty-printed over many lines.

mod documents;

pub use documents::{Document, DocumentError, Documents};

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;

use crate::json::{
    Duplicates, Expected, Found, Index, Json, JsonError, JsonKind, PathId, PathScratch, Paths,
    PathsBuilder, skip_blanks,
};

/// How many problems of one payload are kept; the others are counted. A payload of 48 MiB could hold 24 million.
pub const MAX_PROBLEMS: usize = 100;

/// What a payload holds.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// The events in order, each one JSON object as received.
    pub events: Vec<Bytes>,
    /// What else was there, in order; the first [`MAX_PROBLEMS`].
    pub problems: Vec<PayloadProblem>,
    /// How many problems came after those.
    pub further_problems: usize,
}

/// Something in a payload that is no audit event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} (at byte {offset})")]
pub struct PayloadProblem {
    /// Where it begins in the payload, in bytes from 0.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: ProblemReason,
}

/// Why something in a payload is no audit event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProblemReason {
    /// An event of the core or the events.k8s.io group, which `kubectl get events` shows.
    #[error(
        "this is a cluster Event object, not an audit event: expected apiVersion audit.k8s.io/v1, found `{0}`"
    )]
    ClusterEvent(String),
    /// Some other Kubernetes object.
    #[error("expected Event, EventList or an array of them, found kind `{0}`")]
    Kind(String),
    /// An object without a kind that does not look like an audit event.
    #[error(
        "expected Event, EventList or an array of them, found an object without kind, auditID and stage"
    )]
    NoKind,
    /// No object at all.
    #[error("expected an audit event, found {0}")]
    NotAnObject(&'static str),
    /// An EventList whose items are no array.
    #[error("expected an array as items of the EventList, found {0}")]
    Items(&'static str),
    /// An object that is not JSON inside.
    #[error(transparent)]
    Json(JsonError),
}

/// A payload of which nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PayloadError {
    /// It does not hold together as JSON.
    #[error("the payload is not JSON: {0}")]
    Json(#[from] JsonError),
    /// It holds more events than its reader has room for.
    #[error("the payload holds more than {limit} events: send fewer at a time")]
    TooMany {
        /// The most that it may hold.
        limit: usize,
    },
}

/// Finds the events in a payload that is one JSON value; a byte order mark before it is passed over.
///
/// An object is an event when its kind is `Event` in any API version but those of cluster events, or when it has no
/// kind and has either `auditID`, or `stage` with `verb` or `requestURI`, as the items of an EventList have. The items
/// of an EventList are events whatever they hold, as long as they are objects. Of equal keys the last counts.
///
/// Time and memory are proportional to the payload: it is indexed once, and events are stepped over by counting
/// brackets.
///
/// ```
/// use bytes::Bytes;
/// use kubevigil_audit::payload::split;
///
/// let payload = Bytes::from_static(br#"{"kind":"EventList","items":[{"auditID":"a"},{"auditID":"b"},3]}"#);
/// let split = split(&payload)?;
/// assert_eq!(split.events, [&br#"{"auditID":"a"}"#[..], br#"{"auditID":"b"}"#]);
/// assert_eq!(split.problems[0].to_string(), "expected an audit event, found a number (at byte 61)");
/// # Ok::<(), kubevigil_audit::payload::PayloadError>(())
/// ```
///
/// # Errors
///
/// When the payload is not UTF-8, is cut off, or arrays that hold events are malformed.
pub fn split(payload: &Bytes) -> Result<Split, PayloadError> {
    split_at_most(payload, usize::MAX)
}

/// Like [`split`], for payloads from strangers: an event of three bytes costs whoever holds it a hundred times as
/// much, so their number is limited, too.
///
/// # Errors
///
/// As [`split`], and when there are more events than `limit`.
pub fn split_at_most(payload: &Bytes, limit: usize) -> Result<Split, PayloadError> {
    let mut splitter = Splitter::new(payload, limit)?;
    splitter.values()?;
    Ok(splitter.split)
}

/// What tells an event from other objects.
struct Signs {
    paths: Paths,
    kind: PathId,
    api_version: PathId,
    items: PathId,
    audit_id: PathId,
    stage: PathId,
    verb: PathId,
    request_uri: PathId,
}

static SIGNS: LazyLock<Signs> = LazyLock::new(|| {
    let mut paths = PathsBuilder::new();
    Signs {
        kind: paths.add(&["kind"]),
        api_version: paths.add(&["apiVersion"]),
        items: paths.add(&["items"]),
        audit_id: paths.add(&["auditID"]),
        stage: paths.add(&["stage"]),
        verb: paths.add(&["verb"]),
        request_uri: paths.add(&["requestURI"]),
        paths: paths.build(),
    }
});

/// What an object turned out to be.
enum Verdict {
    Event,
    /// An EventList, and the offset of its items if there are any.
    List(Option<usize>),
    Problem(ProblemReason),
}

struct Splitter<'p> {
    payload: &'p Bytes,
    scratch: PathScratch,
    split: Split,
    limit: usize,
}

impl<'p> Splitter<'p> {
    fn new(payload: &'p Bytes, limit: usize) -> Result<Self, JsonError> {
        let mut scratch = PathScratch::default();
        scratch.index.build(payload)?;
        Ok(Self {
            payload,
            scratch,
            split: Split::default(),
            limit,
        })
    }

    /// Goes through the payload's value. Arrays in arrays need no stack: how many are open is all there is to know.
    fn values(&mut self) -> Result<(), PayloadError> {
        let mut at = skip_blanks(self.payload, skip_mark(self.payload));
        let mut depth = 0_usize;
        let mut may_close = false;
        loop {
            match self.payload.get(at) {
                Some(b'[') => {
                    depth += 1;
                    (at, may_close) = (skip_blanks(self.payload, at + 1), true);
                    continue;
                }
                Some(b']') if may_close => {}
                Some(b'{') => at = self.object(at)?,
                _ => at = self.foreign(at)?,
            }
            (at, depth) = self.close_arrays(at, depth)?;
            if depth == 0 {
                return Ok(self.expect_end(at)?);
            }
            (at, may_close) = (skip_blanks(self.payload, at + 1), false);
        }
    }

    /// Behind a value: closes the arrays that end here. Gives the place of the comma, or of the end.
    fn close_arrays(&self, from: usize, mut depth: usize) -> Result<(usize, usize), JsonError> {
        let mut at = skip_blanks(self.payload, from);
        while depth > 0 {
            match self.payload.get(at) {
                Some(b']') => depth -= 1,
                Some(b',') => return Ok((at, depth)),
                _ => return Err(self.unexpected(at, Expected::CommaOrBracket)),
            }
            at = skip_blanks(self.payload, at + 1);
        }
        Ok((at, 0))
    }

    /// Takes the object at `start` and returns where it ends.
    fn object(&mut self, start: usize) -> Result<usize, PayloadError> {
        let signs = &*SIGNS;
        let read = signs
            .paths
            .read_at(self.payload, start, Duplicates::Last, &mut self.scratch);
        let end = match read {
            Ok(end) => end,
            Err(_) => self.index().value_end(self.payload, start)?,
        };
        let verdict = match read {
            Ok(_) => {
                let found = Found::new(&signs.paths, self.payload, Duplicates::Last, &self.scratch);
                signs.judge(&found, self.payload)
            }
            Err(error) => Verdict::Problem(ProblemReason::Json(error)),
        };
        match verdict {
            Verdict::Event => self.event(start..end)?,
            Verdict::List(Some(items)) => self.items(items)?,
            Verdict::List(None) => {}
            Verdict::Problem(reason) => self.problem(start, reason),
        }
        Ok(end)
    }

    /// Takes the items of an EventList: the array at `start`.
    fn items(&mut self, start: usize) -> Result<(), PayloadError> {
        let mut at = skip_blanks(self.payload, start + 1);
        if self.payload.get(at) == Some(&b']') {
            return Ok(());
        }
        loop {
            if self.payload.get(at) == Some(&b'{') {
                let end = self.index().value_end(self.payload, at)?;
                self.event(at..end)?;
                at = end;
            } else {
                at = self.foreign(at)?;
            }
            at = skip_blanks(self.payload, at);
            match self.payload.get(at) {
                Some(b',') => at = skip_blanks(self.payload, at + 1),
                Some(b']') => return Ok(()),
                _ => return Err(self.unexpected(at, Expected::CommaOrBracket).into()),
            }
        }
    }

    fn event(&mut self, range: Range<usize>) -> Result<(), PayloadError> {
        if self.split.events.len() >= self.limit {
            return Err(PayloadError::TooMany { limit: self.limit });
        }
        self.split.events.push(self.payload.slice(range));
        Ok(())
    }

    /// Steps over a value that cannot be an event.
    fn foreign(&mut self, start: usize) -> Result<usize, JsonError> {
        let end = self.index().value_end(self.payload, start)?;
        let kind = Json::first_in(self.payload.get(start..end).unwrap_or_default());
        self.problem(
            start,
            ProblemReason::NotAnObject(kind.map_or("nothing", describe)),
        );
        Ok(end)
    }

    fn problem(&mut self, offset: usize, reason: ProblemReason) {
        if self.split.problems.len() < MAX_PROBLEMS {
            self.split.problems.push(PayloadProblem { offset, reason });
        } else {
            self.split.further_problems += 1;
        }
    }

    fn expect_end(&self, at: usize) -> Result<(), JsonError> {
        if at < self.payload.len() {
            Err(self.unexpected(at, Expected::End))
        } else {
            Ok(())
        }
    }

    fn index(&self) -> &Index {
        &self.scratch.index
    }

    fn unexpected(&self, at: usize, expected: Expected) -> JsonError {
        JsonError::unexpected(self.payload, at, expected)
    }
}

impl Signs {
    fn judge(&self, found: &Found<'_, '_>, payload: &[u8]) -> Verdict {
        let text = |id| {
            found
                .get(id)
                .and_then(Json::string)
                .filter(|text| !text.is_empty())
        };
        let short = |text: &[u8]| String::from_utf8_lossy(text).chars().take(64).collect();
        let kind = text(self.kind);
        let version = text(self.api_version).unwrap_or_default();
        let of_cluster = *version == *b"v1" || version.starts_with(b"events.k8s.io/");
        match kind.as_deref() {
            Some(b"Event" | b"EventList") if of_cluster => {
                Verdict::Problem(ProblemReason::ClusterEvent(short(&version)))
            }
            Some(b"Event") => Verdict::Event,
            Some(b"EventList") => self.list(found, payload),
            Some(other) => Verdict::Problem(ProblemReason::Kind(short(other))),
            None if self.looks_like_event(found) => Verdict::Event,
            None => Verdict::Problem(ProblemReason::NoKind),
        }
    }

    fn looks_like_event(&self, found: &Found<'_, '_>) -> bool {
        let has = |id| found.get(id).is_some();
        has(self.audit_id) || has(self.stage) && (has(self.verb) || has(self.request_uri))
    }

    fn list(&self, found: &Found<'_, '_>, payload: &[u8]) -> Verdict {
        match found.get(self.items) {
            None => Verdict::List(None),
            Some(items) => match items.kind() {
                JsonKind::Null => Verdict::List(None),
                JsonKind::Array => Verdict::List(Some(items.offset_in(payload))),
                _ => Verdict::Problem(ProblemReason::Items(describe(items))),
            },
        }
    }
}

/// How many bytes of a byte order mark the payload begins with.
fn skip_mark(payload: &[u8]) -> usize {
    if payload.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    }
}

fn describe(value: Json<'_>) -> &'static str {
    match value.kind() {
        JsonKind::Array => "an array",
        JsonKind::Bool => "a truth value",
        JsonKind::Null => "null",
        JsonKind::Number => "a number",
        JsonKind::Object => "an object",
        JsonKind::String => "a string",
        JsonKind::Other => "something that is no JSON value",
    }
}
