//! What is kept of an event until a correlation needs it as evidence.
//!
//! A correlation names events that happened minutes or days before, and nobody has their bytes by then. So for each event that may
//! become evidence the state keeps a receipt: which event it was, who did what, what became of it. State is held in memory for every event
//! in every window, and written to disk, so a receipt is bytes of its own making: about 300 for an ordinary event, at most
//! [`MAX_BYTES`], where JSON would repeat every key. What does not fit into a text's share is
//! cut, since clients choose how long most of them are; the event's digest still names the whole event.
//!
//! The first byte is the version of the form. A version's form never changes; another form gets another version.

use kubevigil_audit::event::Outcome;

use crate::event::{EventReference, EventSummary, Request};
use crate::identity::EventDigest;

/// No receipt is longer.
pub const MAX_BYTES: usize = 2_048;

/// The version that this program writes, and the only one that it reads.
const VERSION: u8 = 1;

/// What stands where a text was cut.
const CUT: &str = "…";

/// The bytes are no receipt that this program can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReceiptError {
    /// Another program wrote it.
    #[error("the receipt has form {0}, and this program reads form {VERSION}")]
    Version(u8),
    /// It ends too early, or holds what no receipt holds.
    #[error("the receipt is broken")]
    Broken,
}

/// The receipt of an event: at most [`MAX_BYTES`] bytes.
///
/// ```
/// use kubevigil_alerts::{EventSummary, receipt};
///
/// let event = EventSummary::read(br#"{"auditID":"7","user":{"username":"jane"}}"#, &mut Default::default());
/// let bytes = receipt::encode(&event);
/// assert!(bytes.len() < 64);
/// assert_eq!(receipt::decode(&bytes).unwrap().request.user.as_deref(), Some("jane"));
/// ```
pub fn encode(summary: &EventSummary) -> Vec<u8> {
    let EventSummary {
        event,
        request,
        outcome,
    } = summary;
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    bytes.push(outcome_code(*outcome));
    bytes.extend(event.digest.as_bytes());
    push_number(&mut bytes, event.line);
    push_number(&mut bytes, event.place);
    // Codes are small and never negative; one that is not says nothing about what became of a request.
    push_number(
        &mut bytes,
        request.code.and_then(|code| u64::try_from(code).ok()),
    );
    for (text, most) in texts(event, request) {
        push_text(&mut bytes, text, most);
    }
    bytes
}

/// The event of a receipt.
pub fn decode(bytes: &[u8]) -> Result<EventSummary, ReceiptError> {
    let mut rest = Rest(bytes);
    match rest.byte()? {
        VERSION => {}
        other => return Err(ReceiptError::Version(other)),
    }
    let outcome = outcome_of(rest.byte()?)?;
    let digest = EventDigest::from_bytes(rest.array()?);
    let (line, place) = (rest.number()?, rest.number()?);
    let code = rest.number()?.and_then(|code| i64::try_from(code).ok());
    let event = EventReference {
        audit_id: rest.text()?.unwrap_or_default(),
        stage: rest.text()?.unwrap_or_default(),
        file: rest.text()?,
        line,
        place,
        digest,
    };
    let request = Request {
        user: rest.text()?,
        impersonated_user: rest.text()?,
        verb: rest.text()?,
        resource: rest.text()?,
        subresource: rest.text()?,
        namespace: rest.text()?,
        name: rest.text()?,
        uri: rest.text()?,
        address: rest.text()?,
        user_agent: rest.text()?,
        code,
    };
    match rest.0 {
        [] => Ok(EventSummary {
            event,
            request,
            outcome,
        }),
        _ => Err(ReceiptError::Broken),
    }
}

/// The texts of a receipt in their order, each with the most bytes that it may take. Names of Kubernetes fit whole.
fn texts<'e>(event: &'e EventReference, request: &'e Request) -> [(Option<&'e str>, usize); 13] {
    [
        (Some(&event.audit_id), 64),
        (Some(&event.stage), 32),
        (event.file.as_deref(), 256),
        (request.user.as_deref(), 256),
        (request.impersonated_user.as_deref(), 256),
        (request.verb.as_deref(), 32),
        (request.resource.as_deref(), 96),
        (request.subresource.as_deref(), 64),
        (request.namespace.as_deref(), 64),
        (request.name.as_deref(), 256),
        (request.uri.as_deref(), 384),
        (request.address.as_deref(), 48),
        (request.user_agent.as_deref(), 128),
    ]
}

/// A number that may be missing: 0 for none, otherwise one more, seven bits a byte, the lowest first.
fn push_number(bytes: &mut Vec<u8>, number: Option<u64>) {
    let mut left = number.map_or(0, |number| number.saturating_add(1));
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

/// A text that may be missing: its length as a number, and its bytes, cut at `most`.
fn push_text(bytes: &mut Vec<u8>, text: Option<&str>, most: usize) {
    let Some(text) = text else {
        return push_number(bytes, None);
    };
    let (kept, mark) = match text.len() <= most {
        true => (text, ""),
        false => {
            let end = text.floor_char_boundary(most.saturating_sub(CUT.len()));
            (text.get(..end).unwrap_or_default(), CUT)
        }
    };
    push_number(bytes, Some((kept.len() + mark.len()) as u64));
    bytes.extend(kept.as_bytes());
    bytes.extend(mark.as_bytes());
}

/// What is left to read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn byte(&mut self) -> Result<u8, ReceiptError> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReceiptError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(ReceiptError::Broken)?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<Option<u64>, ReceiptError> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part.leading_zeros() < shift {
                break;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number.checked_sub(1));
            }
        }
        Err(ReceiptError::Broken)
    }

    fn text(&mut self) -> Result<Option<String>, ReceiptError> {
        let Some(length) = self.number()? else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| ReceiptError::Broken)?;
        let (text, rest): (&'b [u8], &'b [u8]) = self
            .0
            .split_at_checked(length)
            .ok_or(ReceiptError::Broken)?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| ReceiptError::Broken)?;
        Ok(Some(text.to_owned()))
    }
}

/// The number of an outcome in receipts: it never changes.
fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Allowed => 0,
        Outcome::Denied => 1,
        Outcome::Failed => 2,
        Outcome::Started => 3,
        Outcome::Panicked => 4,
    }
}

fn outcome_of(code: u8) -> Result<Outcome, ReceiptError> {
    let all = [
        Outcome::Allowed,
        Outcome::Denied,
        Outcome::Failed,
        Outcome::Started,
        Outcome::Panicked,
    ];
    let known = all
        .into_iter()
        .find(|outcome| outcome_code(*outcome) == code);
    known.ok_or(ReceiptError::Broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A summary whose every text is `text`.
    fn all_of(text: &str) -> EventSummary {
        let some = || Some(text.to_owned());
        EventSummary {
            event: EventReference {
                audit_id: text.to_owned(),
                stage: text.to_owned(),
                file: some(),
                line: Some(u64::MAX),
                place: Some(0),
                digest: EventDigest::of(text.as_bytes()),
            },
            request: Request {
                user: some(),
                impersonated_user: some(),
                verb: some(),
                resource: some(),
                subresource: some(),
                namespace: some(),
                name: some(),
                uri: some(),
                address: some(),
                user_agent: some(),
                code: Some(i64::MAX),
            },
            outcome: Outcome::Panicked,
        }
    }

    #[test]
    fn the_longest_receipt_is_bounded_and_says_where_it_was_cut() {
        for text in ["x".repeat(100_000), "\u{10ffff}".repeat(10_000)] {
            let bytes = encode(&all_of(&text));
            assert!(bytes.len() <= MAX_BYTES, "{}", bytes.len());
            let read = decode(&bytes).unwrap();
            let user = read.request.user.unwrap();
            assert!(user.ends_with('…') && user.len() <= 256, "{user}");
        }
    }

    #[test]
    fn what_an_event_does_not_say_stays_unsaid() {
        let nothing = EventSummary::read(b"{}", &mut Default::default());
        let bytes = encode(&nothing);
        let read = decode(&bytes).unwrap();
        assert_eq!((read.event, read.request), (nothing.event, nothing.request));
        assert!(bytes.len() < 64, "{}", bytes.len());
    }

    #[test]
    fn a_receipt_of_another_version_says_so() {
        let mut bytes = encode(&all_of("x"));
        bytes[0] = 2;
        assert_eq!(decode(&bytes).unwrap_err(), ReceiptError::Version(2));
    }

    /// State files outlive programs.
    #[test]
    fn a_receipt_that_an_older_program_wrote_is_read() {
        let mut bytes = vec![1, 1];
        bytes.extend([7; 32]);
        bytes.extend([13, 0, 0xcc, 0x08]);
        bytes.extend(
            b"\x04a-1\x05Done\x00\x05jane\x00\x04get\x05pods\x05exec\x04dev\x04web\x00\x00\x00",
        );
        let read = decode(&bytes).unwrap();
        assert_eq!(encode(&read), bytes);
        assert_eq!((read.outcome, read.event.line), (Outcome::Denied, Some(12)));
        assert_eq!(read.request.code, Some(1_099));
        assert_eq!(read.request.user.as_deref(), Some("jane"));
        assert_eq!(read.request.impersonated_user, None);
        assert_eq!(read.request.name.as_deref(), Some("web"));
    }

    proptest! {
        #[test]
        fn short_texts_come_back_as_they_were(text in "\\PC{0,8}", line in any::<Option<u64>>(), code in 0..1000i64) {
            let mut event = all_of(&text);
            event.event.line = line.filter(|line| *line < u64::MAX);
            event.request.code = Some(code);
            let read = decode(&encode(&event)).unwrap();
            prop_assert_eq!(&read.event, &event.event);
            prop_assert_eq!(&read.request, &event.request);
        }

        #[test]
        fn any_bytes_are_a_receipt_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut receipt = vec![VERSION, 0];
            receipt.extend(&bytes);
            for bytes in [&bytes, &receipt] {
                if let Ok(read) = decode(bytes) {
                    prop_assert!(encode(&read).len() <= MAX_BYTES);
                }
            }
        }

        #[test]
        fn a_receipt_that_was_cut_off_is_none(text in "\\PC{0,8}", keep in 0.0..1.0f64) {
            let bytes = encode(&all_of(&text));
            let end = (bytes.len() as f64 * keep) as usize;
            prop_assert!(decode(&bytes[..end]).is_err());
        }
    }
}
