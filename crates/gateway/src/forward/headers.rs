//! Headers on their way to the upstream and back.
//!
//! What concerns one connection ends there (RFC 9110 7.6.1). `TE: trailers` of a request and `Trailer` of an answer go on,
//! because trailers of answers do; those of requests do not. A wish to change the protocol goes on for SPDY and WebSocket only. Anything else (`h2c` above all) would make a
//! tunnel in which requests pass unseen; such a request goes on as an ordinary one, which every server must be ready for.

use std::io::Write as _;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use kubevigil_record::request::source_addresses;
use smallvec::SmallVec;

use super::names::{Meaning, may_be_listed};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The protocol that a request wants to change to, if it may.
pub(super) fn wanted_upgrade(headers: &HeaderMap, version: Version) -> Option<HeaderValue> {
    let protocol = headers
        .get(UPGRADE)
        .filter(|_| version == Version::HTTP_11)?;
    let asks = lists(headers, CONNECTION, "upgrade");
    let only = headers.get_all(UPGRADE).iter().count() == 1;
    let name = protocol.as_bytes().to_ascii_lowercase();
    let is_known = name == b"websocket" || (name.starts_with(b"spdy/") && !name.contains(&b','));
    (asks && only && is_known).then(|| protocol.clone())
}

/// Makes a client's headers the gateway's, but for who asks: `keeps` decides that by a name's meaning.
pub(super) fn outgoing(
    headers: &mut HeaderMap,
    upgrade: Option<HeaderValue>,
    keeps: impl Fn(Meaning) -> bool,
) {
    let wants_trailers = headers.contains_key(TE) && lists(headers, TE, "trailers");
    take_off_listed(headers);
    take_off(headers, |name| {
        *name == TRAILER || !keeps(Meaning::of(name.as_str()))
    });
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    join_cookies(headers);
}

/// Whether the request came by here before, with this mark.
pub(super) fn has_mark(headers: &HeaderMap, mark: &HeaderValue) -> bool {
    let mark = mark.as_bytes();
    headers
        .get_all(VIA)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|hop| hop.trim_ascii() == mark)
}

/// Names the upstream, and the client by the addresses that the request's events have. An API server behind puts `X-Real-Ip` after
/// `X-Forwarded-For`: sent on as they came, what a client writes there would stand behind its true address.
pub(super) fn address(headers: &mut HeaderMap, authority: HeaderValue, peer: Option<IpAddr>) {
    headers.insert(HOST, authority);
    let mut addresses = SmallVec::<[u8; 128]>::new();
    for address in source_addresses(headers, peer) {
        let between = if addresses.is_empty() { "" } else { ", " };
        // Writing to memory does not fail.
        let _ = write!(addresses, "{between}{address}");
    }
    headers.remove(REAL_IP);
    headers.remove(FORWARDED_FOR);
    if !addresses.is_empty()
        && let Ok(addresses) = HeaderValue::from_bytes(&addresses)
    {
        headers.insert(FORWARDED_FOR, addresses);
    }
}

/// Says how long the body is. Hyper would leave a body of unknown length off a GET.
pub(super) fn frame(headers: &mut HeaderMap, has_body: bool) {
    if !has_body {
        headers.remove(EXPECT);
    } else if !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes an upstream's headers the gateway's. The audit id is set further out, once.
pub(super) fn incoming(headers: &mut HeaderMap, changes_protocol: bool) {
    let protocol = headers.get(UPGRADE).filter(|_| changes_protocol).cloned();
    take_off_listed(headers);
    take_off(headers, |name| {
        Meaning::of(name.as_str()) == Meaning::Hop || *name == AUDIT_ID
    });
    if changes_protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
}

/// Whether the request asks to be told before it sends its body.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn take_off(headers: &mut HeaderMap, drops: impl Fn(&HeaderName) -> bool) {
    let dropped: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| drops(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Removes what `Connection` lists, but for what may not be listed.
fn take_off_listed(headers: &mut HeaderMap) {
    let listed: SmallVec<[HeaderValue; 2]> = headers.get_all(CONNECTION).iter().cloned().collect();
    for value in &listed {
        let names = value.as_bytes().split(|byte| *byte == b',');
        let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        for name in names.filter(|name| may_be_listed(name.as_str())) {
            headers.remove(name);
        }
    }
}

/// Whether a list header has the word, in any case.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|item| {
            let item = item.split(|byte| *byte == b';').next().unwrap_or_default();
            item.trim_ascii().eq_ignore_ascii_case(word.as_bytes())
        })
}

/// HTTP/2 may send cookies in pieces, HTTP/1.1 may not (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    if let Ok(cookies) = HeaderValue::from_bytes(&joined(headers, &COOKIE, b"; ")) {
        headers.insert(COOKIE, cookies);
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName, between: &[u8]) -> SmallVec<[u8; 128]> {
    let mut whole = SmallVec::new();
    for value in headers.get_all(name) {
        if !whole.is_empty() {
            whole.extend_from_slice(between);
        }
        whole.extend_from_slice(value.as_bytes());
    }
    whole
}

#[cfg(test)]
mod tests {
    use kubevigil_record::request::RequestHead;

    use super::*;

    fn headers(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines.split(" | ").filter_map(|line| line.split_once(": ")) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> String {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<String> = headers.iter().map(line).collect();
        lines.sort();
        lines.join(" | ")
    }

    fn sent(received: &str) -> String {
        let mut headers = headers(received);
        let upgrade = wanted_upgrade(&headers, Version::HTTP_11);
        outgoing(&mut headers, upgrade, |meaning| {
            !matches!(
                meaning,
                Meaning::Hop | Meaning::FrontProxy | Meaning::Disguised
            )
        });
        lines(&headers)
    }

    #[test]
    fn what_concerns_one_connection_ends_there() {
        // Received, sent on.
        let cases = [
            ("accept: a | connection: close", "accept: a"),
            ("connection: x-a, X-B | x-a: 1 | x-b: 2 | x-c: 3", "x-c: 3"),
            ("connection: keep-alive | keep-alive: timeout=5", ""),
            (
                "te: trailers, deflate;q=0.5 | trailer: x-sum",
                "te: trailers",
            ),
            ("te: deflate", ""),
            ("transfer-encoding: chunked | proxy-connection: x", ""),
            ("proxy-authorization: Basic x | upgrade: websocket", ""),
            (
                "connection: Upgrade | upgrade: SPDY/3.1",
                "connection: Upgrade | upgrade: SPDY/3.1",
            ),
            (
                "connection: keep-alive, upgrade | upgrade: websocket | sec-websocket-key: x",
                "connection: Upgrade | sec-websocket-key: x | upgrade: websocket",
            ),
            (
                "connection: upgrade, http2-settings | upgrade: h2c | http2-settings: x",
                "",
            ),
            ("connection: upgrade | upgrade: websocket, h2c", ""),
            (
                "connection: upgrade | upgrade: websocket | upgrade: h2c",
                "",
            ),
            ("connection: upgrade | upgrade: spdy/3.1, h2c", ""),
            ("cookie: a=1 | cookie: b=2", "cookie: a=1; b=2"),
            ("x_remote_user: root | X-Remote-User: root", ""),
        ];
        for (received, expected) in cases {
            assert_eq!(sent(received), expected, "{received}");
        }
    }

    #[test]
    fn connection_takes_off_nothing_that_matters() {
        let received = "audit-id: 1 | authorization: Bearer x | content-type: a/b | impersonate-user: jane | user-agent: k | \
                        x-forwarded-for: 192.0.2.1";
        let listing = "connection: authorization, audit-id, content-type, impersonate-user, user-agent, x-forwarded-for";
        assert_eq!(sent(&format!("{received} | {listing}")), received);
    }

    #[test]
    fn the_upstream_is_told_the_addresses_that_are_recorded() {
        let cases = [
            ("", "10.0.0.1", "10.0.0.1"),
            ("x-forwarded-for: 192.0.2.1", "::1", "192.0.2.1, ::1"),
            // Only the first line counts, and only what is an address, in one spelling.
            (
                "x-forwarded-for: 192.0.2.01,x, 192.0.2.2:80 | x-forwarded-for: 192.0.2.3",
                "::ffff:10.0.0.1",
                "192.0.2.1, 10.0.0.1",
            ),
            (
                "x-forwarded-for: 192.0.2.1 | x-real-ip: 192.0.2.9",
                "10.0.0.1",
                "192.0.2.1, 192.0.2.9, 10.0.0.1",
            ),
            ("x-real-ip: 10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("x-real-ip: unknown | x-real-ip: 192.0.2.9", "::1", "::1"),
        ];
        for (received, peer, expected) in cases {
            let mut headers = headers(received);
            let peer = peer.parse().ok();
            let recorded = RequestHead::read("GET", "/", &headers, peer).unwrap();
            address(&mut headers, HeaderValue::from_static("up:1"), peer);
            let sent = format!("host: up:1 | x-forwarded-for: {expected}");
            assert_eq!(lines(&headers), sent, "{received}");
            assert_eq!(recorded.source_ips.join(", "), expected, "{received}");
        }
        let mut headers = headers("x-forwarded-for: nonsense | x-real-ip: nonsense");
        address(&mut headers, HeaderValue::from_static("up:1"), None);
        assert_eq!(lines(&headers), "host: up:1");
    }

    #[test]
    fn the_upstreams_connection_is_not_the_clients() {
        let cases = [
            (
                "connection: close, x-a | x-a: 1 | audit-id: u | date: d | trailer: t",
                false,
                "date: d | trailer: t",
            ),
            (
                "connection: content-length | content-length: 5",
                false,
                "content-length: 5",
            ),
            (
                "connection: upgrade | upgrade: SPDY/3.1 | x-stream-protocol-version: v4",
                true,
                "connection: Upgrade | upgrade: SPDY/3.1 | x-stream-protocol-version: v4",
            ),
        ];
        for (received, changes_protocol, expected) in cases {
            let mut headers = headers(received);
            incoming(&mut headers, changes_protocol);
            assert_eq!(lines(&headers), expected, "{received}");
        }
    }
}
