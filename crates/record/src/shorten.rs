//! Events made smaller, for sinks that may not drop any.
//!
//! The server drops what is too large (spec 10). Where that would let a request through without a trace, less is better than nothing: first
//! the bodies go, then what is left of the texts that the client chose and the lists it filled. Who asked, for what and with which
//! outcome stays, and so does the peer's address, the only one that nobody can make up.

use std::sync::Arc;

use bytes::Bytes;

use crate::encode::json_line;
use crate::event::{AuditEvent, UserInfo};
use crate::request::CUT;
use crate::truncate::mark;

/// The longest line that a journal is given, in bytes; a record there may have 64 MiB.
pub const LONGEST_LINE: usize = 48 * 1024 * 1024;

/// The longest text that is left, in bytes.
const LONGEST_TEXT: usize = 1024;
/// The longest list that is left, in entries.
const LONGEST_LIST: usize = 16;

/// The event as it can be written within `limit` bytes of JSON, and how many those are: as it is, without its bodies, or with everything
/// long cut. The last is given even if it is longer than that; `None` if not even that can be written.
pub fn to_fit(event: &Arc<AuditEvent>, limit: usize) -> Option<(Arc<AuditEvent>, usize)> {
    let measure = |event: &AuditEvent| json_line(event).map(|line| line.len());
    let (size, smaller) = first_that_fits(event, limit, measure, |size| *size).ok()?;
    Some((smaller.map_or_else(|| Arc::clone(event), Arc::new), size))
}

/// What `write` makes of the event, or of a smaller form of it if that is needed to write at most `limit` bytes. Also whether it was
/// needed.
///
/// # Errors
///
/// When not even the smallest form can be written.
pub fn written<E>(
    event: &AuditEvent,
    limit: usize,
    write: impl Fn(&AuditEvent) -> Result<Bytes, E>,
) -> Result<(Bytes, bool), E> {
    let (bytes, smaller) = first_that_fits(event, limit, write, Bytes::len)?;
    Ok((bytes, smaller.is_some()))
}

/// What is made of the largest form of the event that fits, or of the smallest; and that form, unless it is the event itself.
fn first_that_fits<W, E>(
    event: &AuditEvent,
    limit: usize,
    write: impl Fn(&AuditEvent) -> Result<W, E>,
    length: impl Fn(&W) -> usize,
) -> Result<(W, Option<AuditEvent>), E> {
    let fitting = |event: &AuditEvent| write(event).ok().filter(|whole| length(whole) <= limit);
    if let Some(whole) = fitting(event) {
        return Ok((whole, None));
    }
    let bare = without_bodies(event);
    if let Some(whole) = fitting(&bare) {
        return Ok((whole, Some(bare)));
    }
    let short = shortened(bare);
    Ok((write(&short)?, Some(short)))
}

/// The event without its bodies, and with the annotation that says so.
pub fn without_bodies(event: &AuditEvent) -> AuditEvent {
    let mut event = event.clone();
    event.request_object = None;
    event.response_object = None;
    mark(&mut event);
    event
}

fn shortened(mut event: AuditEvent) -> AuditEvent {
    cut(&mut event.audit_id);
    cut(&mut event.request_uri);
    cut(&mut event.verb);
    cut(&mut event.user_agent);
    // The last address is the peer's, the others are what the client says.
    let claimed = event.source_ips.len().saturating_sub(LONGEST_LIST);
    event.source_ips.drain(..claimed);
    shorten_user(&mut event.user);
    event.impersonated_user.iter_mut().for_each(shorten_user);
    if let Some(object) = &mut event.object_ref {
        let texts = [
            &mut object.resource,
            &mut object.namespace,
            &mut object.name,
            &mut object.uid,
            &mut object.api_group,
            &mut object.api_version,
            &mut object.resource_version,
            &mut object.subresource,
        ];
        texts.into_iter().for_each(cut);
    }
    if let Some(status) = &mut event.response_status {
        cut(&mut status.message);
        cut(&mut status.reason);
        cut(&mut status.status);
        status.details = None;
    }
    event.annotations.values_mut().for_each(cut);
    event
}

fn shorten_user(user: &mut UserInfo) {
    cut(&mut user.username);
    cut(&mut user.uid);
    user.groups.truncate(LONGEST_LIST);
    user.groups.iter_mut().for_each(cut);
    user.extra.retain(|key, _| key.len() <= LONGEST_TEXT);
    while user.extra.len() > LONGEST_LIST {
        user.extra.pop_last();
    }
    for values in user.extra.values_mut() {
        values.truncate(LONGEST_LIST);
        values.iter_mut().for_each(cut);
    }
}

/// Cuts a text as the server cuts long user agents, but between two characters.
fn cut(text: &mut String) {
    if text.len() > LONGEST_TEXT + CUT.len() {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truncate::TRUNCATED;

    fn event() -> AuditEvent {
        AuditEvent {
            audit_id: "1".to_owned(),
            request_uri: "/api/v1/pods".to_owned(),
            source_ips: vec!["192.0.2.1".to_owned(), "10.0.0.1".to_owned()],
            ..AuditEvent::default()
        }
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let whole = Arc::new(AuditEvent {
            request_object: Some(Bytes::from_static(b"{}")),
            ..event()
        });
        assert!(Arc::ptr_eq(&to_fit(&whole, 1024).unwrap().0, &whole));
        let bare = Arc::new(event());
        assert!(Arc::ptr_eq(&to_fit(&bare, 1 << 20).unwrap().0, &bare));
    }

    #[test]
    fn bodies_go_first() {
        let body = format!("\"{}\"", "<".repeat(1000));
        let long = Arc::new(AuditEvent {
            response_object: Some(Bytes::from(body)),
            ..event()
        });
        let (found, size) = to_fit(&long, 4096).unwrap();
        assert_eq!(size, json_line(&found).unwrap().len());
        assert_eq!(found.response_object, None);
        assert_eq!(found.annotations.get(TRUNCATED).unwrap(), "true");
        assert_eq!(found.source_ips, long.source_ips);
    }

    #[test]
    fn bodies_that_cannot_be_written_go_too() {
        let broken = Arc::new(AuditEvent {
            request_object: Some(Bytes::from_static(b"no JSON")),
            ..event()
        });
        assert_eq!(to_fit(&broken, 1 << 20).unwrap().0.request_object, None);
        let write = |event: &AuditEvent| json_line(event).map(Bytes::from);
        let (line, is_smaller) = written(&broken, 1 << 20, write).unwrap();
        assert!(is_smaller && !line.is_empty());
    }

    #[test]
    fn what_a_client_makes_long_is_cut_and_the_peer_stays() {
        let many = |text: &str| vec![text.repeat(3000); 3000];
        let mut addresses = vec!["192.0.2.1".to_owned(); 13_500];
        addresses.push("10.0.0.1".to_owned());
        let long = Arc::new(AuditEvent {
            audit_id: "<".repeat(100_000),
            request_uri: "/\u{e9}".repeat(50_000),
            source_ips: addresses,
            user: UserInfo {
                username: "jane".to_owned(),
                groups: many("g"),
                extra: (0..3000)
                    .map(|key| (key.to_string(), many("x")))
                    .take(20)
                    .collect(),
                ..UserInfo::default()
            },
            ..event()
        });
        let (found, _) = to_fit(&long, 100 * 1024).unwrap();
        assert!(json_line(&found).unwrap().len() < 700 * 1024);
        assert_eq!(found.user.username, "jane");
        assert_eq!(found.source_ips.last().unwrap(), "10.0.0.1");
        assert!(found.audit_id.ends_with(CUT) && found.request_uri.ends_with(CUT));
    }
}
