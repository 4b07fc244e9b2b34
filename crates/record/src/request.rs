//! What an event says of a request before anything is decided (spec 2.1, 2.6).
//!
//! Headers are bytes that a client chose. They are made text the way Go's encoder does it, one U+FFFD for every byte that is
//! no UTF-8, because sizes and truncation are counted in what is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use kubevigil_audit::request_info::{RequestInfo, RequestInfoError};

use crate::event::{ObjectReference, UserInfo};

/// The longest user agent that is recorded, in bytes.
const USER_AGENT_LIMIT: usize = 1024;
/// The end of a text that was cut.
pub(crate) const CUT: &str = "...TRUNCATED";

/// A request's metadata: what its events have in common.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The header `Audit-ID` as it came; empty when there was none, and then the caller has to make one up.
    pub audit_id: String,
    /// Path and query as the server would write them.
    pub request_uri: String,
    /// What is asked of what.
    pub info: RequestInfo,
    /// Who asks; `None` when credentials were refused. [`Self::read`] leaves it empty.
    pub user: Option<UserInfo>,
    /// Claimed addresses, then the peer.
    pub source_ips: Vec<String>,
    /// What the client calls itself, cut to 1,024 bytes.
    pub user_agent: String,
}

impl RequestHead {
    /// Reads method, target (path and query, as it was sent) and headers of a request from `peer`.
    ///
    /// # Errors
    ///
    /// When the server could not tell what the request is about: it answers 500 (or 400) and leaves no event.
    pub fn read(
        method: &str,
        target: &str,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Self, RequestInfoError> {
        let header = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
        Ok(Self {
            audit_id: text(header("audit-id").unwrap_or_default()),
            request_uri: request_uri(target),
            info: RequestInfo::of(method, target)?,
            user: None,
            source_ips: source_addresses(headers, peer)
                .iter()
                .map(ToString::to_string)
                .collect(),
            user_agent: user_agent(header("user-agent").unwrap_or_default()),
        })
    }

    /// The object as the URL names it; `None` when no resource is meant.
    pub fn object_ref(&self) -> Option<ObjectReference> {
        let info = &self.info;
        info.is_resource_request.then(|| ObjectReference {
            resource: info.resource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            api_group: info.api_group.clone(),
            api_version: info.api_version.clone(),
            subresource: info.subresource.clone(),
            ..ObjectReference::default()
        })
    }
}

/// What the server notes about refused credentials until the error's own message replaces it (spec 6.4).
pub fn refusal(headers: &HeaderMap, target: &str, has_certificate: bool) -> String {
    let header = headers
        .get(http::header::AUTHORIZATION)
        .map(http::HeaderValue::as_bytes);
    let header = text(header.unwrap_or_default());
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let has_token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("access_token="))
        .is_some_and(|token| !token.trim_matches('+').is_empty());
    let methods = [
        (
            scheme.eq_ignore_ascii_case("basic") && !rest.is_empty(),
            "basic",
        ),
        (scheme.eq_ignore_ascii_case("bearer"), "bearer"),
        (has_token, "access_token"),
        (has_certificate, "x509"),
    ];
    let attempted = methods.iter().filter(|(is_there, _)| *is_there);
    let attempted: Vec<&str> = attempted.map(|(_, method)| *method).collect();
    if attempted.is_empty() {
        return "Authentication failed, no credentials provided".to_owned();
    }
    format!("Authentication failed, attempted: {}", attempted.join(", "))
}

/// Bytes as text: every byte that is no UTF-8 becomes one U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
    }
    text
}

fn user_agent(agent: &[u8]) -> String {
    match agent.get(..USER_AGENT_LIMIT) {
        Some(start) if agent.len() > USER_AGENT_LIMIT => text(start) + CUT,
        _ => text(agent),
    }
}

/// The path as Go writes it, and the query as it came. Go keeps an escaped path if it could have escaped it so itself;
/// otherwise it decodes and escapes anew.
fn request_uri(target: &str) -> String {
    let target = target.split_once('#').map_or(target, |(before, _)| before);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut uri = if path.bytes().all(is_kept) {
        path.to_owned()
    } else {
        escape_path(path)
    };
    if uri.is_empty() {
        uri.push('/');
    }
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
}

/// Whether an escaped path may hold the byte.
fn is_kept(byte: u8) -> bool {
    byte == b'%' || is_plain(byte) || b"!'()*[]".contains(&byte)
}

/// Whether Go leaves the byte of a path alone.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

fn escape_path(path: &str) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    let mut escaped = String::with_capacity(path.len());
    for byte in unescape(path.as_bytes()) {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}

fn unescape(path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, behind)) = rest.split_first() {
        let value = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        let pair = (value(behind.first()), value(behind.get(1)));
        if let (b'%', (Some(high), Some(low))) = (first, pair) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = behind.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    bytes
}

/// The addresses of a request from `peer`, as its events have them. Everything but the last is what the client says (spec 2.6).
pub fn source_addresses(headers: &HeaderMap, peer: Option<IpAddr>) -> Vec<IpAddr> {
    let header = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    addresses(header("x-forwarded-for"), header("x-real-ip"), peer)
}

fn addresses(forwarded: Option<&[u8]>, real: Option<&[u8]>, peer: Option<IpAddr>) -> Vec<IpAddr> {
    let parse = |text: &[u8]| std::str::from_utf8(text).ok().and_then(address);
    let mut addresses: Vec<IpAddr> = forwarded
        .unwrap_or_default()
        .split(|byte| *byte == b',')
        .filter_map(parse)
        .collect();
    if let Some(real) = real
        .and_then(parse)
        .filter(|real| !addresses.contains(real))
    {
        addresses.push(real);
    }
    if let Some(peer) = peer.map(|peer| peer.to_canonical())
        && addresses.last() != Some(&peer)
    {
        addresses.push(peer);
    }
    addresses
}

/// An address as Go's lenient reader takes it: leading zeros do not matter, a mapped IPv4 address is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if !text.contains(':') {
        return four(text).map(IpAddr::V4);
    }
    let groups: Option<Vec<String>> = text
        .split(':')
        .map(|group| {
            if group.contains('.') {
                return four(group).map(|four| four.to_string());
            }
            let digits = group.trim_start_matches('0');
            let zero = digits.is_empty() && !group.is_empty();
            Some(if zero { "0" } else { digits }.to_owned())
        })
        .collect();
    let address: Ipv6Addr = groups?.join(":").parse().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

fn four(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut bytes {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *byte = if digits.is_empty() {
            0
        } else {
            digits.parse().ok()?
        };
    }
    parts.next().is_none().then_some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_the_client_says_and_then_the_peer() {
        // X-Forwarded-For, X-Real-Ip, peer, what is recorded.
        let cases = [
            ("", "", "10.0.0.1", "10.0.0.1"),
            (
                "192.0.2.1, 192.0.2.2",
                "",
                "10.0.0.1",
                "192.0.2.1 192.0.2.2 10.0.0.1",
            ),
            (
                "nonsense,,192.0.2.1:80, 192.0.2.2",
                "",
                "10.0.0.1",
                "192.0.2.2 10.0.0.1",
            ),
            ("010.001.0.08", "", "10.0.0.1", "10.1.0.8 10.0.0.1"),
            ("192.0.2.1", "192.0.2.1", "10.0.0.1", "192.0.2.1 10.0.0.1"),
            (
                "192.0.2.1",
                "192.0.2.9",
                "10.0.0.1",
                "192.0.2.1 192.0.2.9 10.0.0.1",
            ),
            ("192.0.2.1", "unknown", "10.0.0.1", "192.0.2.1 10.0.0.1"),
            ("192.0.2.1,10.0.0.1", "", "10.0.0.1", "192.0.2.1 10.0.0.1"),
            (
                "10.0.0.1,192.0.2.1",
                "",
                "10.0.0.1",
                "10.0.0.1 192.0.2.1 10.0.0.1",
            ),
            (
                "192.0.2.1,192.0.2.1",
                "",
                "10.0.0.1",
                "192.0.2.1 192.0.2.1 10.0.0.1",
            ),
            ("2001:DB8:0:0:0:0:0:0001", "", "::1", "2001:db8::1 ::1"),
            (
                "::ffff:192.0.2.1",
                "192.0.2.1",
                "10.0.0.1",
                "192.0.2.1 10.0.0.1",
            ),
            ("fe80::1%eth0, [::1], 1.2.3, 1.2.3.256", "", "::1", "::1"),
            ("", "", "::ffff:10.0.0.1", "10.0.0.1"),
        ];
        for (forwarded, real, peer, expected) in cases {
            let some = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
            let found = addresses(some(forwarded), some(real), peer.parse().ok());
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{forwarded} | {real} | {peer}");
        }
    }

    #[test]
    fn only_the_first_line_of_forwarded_addresses_counts() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "192.0.2.1".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.2".parse().unwrap());
        let head = RequestHead::read("GET", "/", &headers, None).unwrap();
        assert_eq!(head.source_ips, ["192.0.2.1"]);
    }

    #[test]
    fn the_user_agent_is_cut_behind_1024_bytes() {
        let exact = "a".repeat(1024);
        assert_eq!(user_agent(exact.as_bytes()), exact);
        let longer = format!("{exact}b");
        assert_eq!(
            user_agent(longer.as_bytes()),
            format!("{exact}...TRUNCATED")
        );
        let split = format!("{}\u{20ac}", "a".repeat(1022));
        let cut = format!("{}\u{fffd}\u{fffd}...TRUNCATED", "a".repeat(1022));
        assert_eq!(user_agent(split.as_bytes()), cut);
    }

    #[test]
    fn refused_credentials_are_named() {
        let cases = [
            ("", "/", false, "no credentials provided"),
            ("Basic YTpi", "/", false, "attempted: basic"),
            (
                "bearer x",
                "/?access_token=y",
                true,
                "attempted: bearer, access_token, x509",
            ),
            (
                "Bearer",
                "/?access_token=",
                false,
                "no credentials provided",
            ),
        ];
        for (header, target, has_certificate, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", header.parse().unwrap());
            let found = refusal(&headers, target, has_certificate);
            assert_eq!(
                found,
                format!("Authentication failed, {expected}"),
                "{header} {target}"
            );
        }
    }

    #[test]
    fn paths_are_written_as_go_writes_them() {
        let cases = [
            ("/api/v1/pods?limit=5", "/api/v1/pods?limit=5"),
            ("/a%2fb", "/a%2fb"),
            ("/a(b)'!*[c]", "/a(b)'!*[c]"),
            ("/a(b)|c", "/a%28b%29%7Cc"),
            ("/\u{e9}", "/%C3%A9"),
            ("/a%20\"b", "/a%20%22b"),
            ("/a?", "/a?"),
            ("/a?b=<c>#d", "/a?b=<c>"),
            ("//api/v1", "//api/v1"),
            ("", "/"),
        ];
        for (target, expected) in cases {
            assert_eq!(request_uri(target), expected, "{target}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_one_by_one() {
        assert_eq!(text(b"a\xff\xe2\x82z"), "a\u{fffd}\u{fffd}\u{fffd}z");
    }
}
