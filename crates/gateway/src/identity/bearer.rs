//! Bearer tokens as they come, and what is left of them for the upstream.
//!
//! What goes on must be what was judged. A request may carry several credentials, and an upstream that reads another one than
//! the gateway would act for somebody whom no event names. So everything that could name a caller is removed from the headers,
//! and at most one token, the one that was judged, is put back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};

use super::refused::Refused;

const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token of the `Authorization` header: the second word, if the first is `Bearer`. Without one, or with an empty one, the
/// header means nothing, as for kube-apiserver. Only the first such header counts.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes().trim_ascii();
    let mut words = value.split(|byte| *byte == b' ');
    let is_bearer = words.next()?.eq_ignore_ascii_case(b"bearer");
    words.next().filter(|token| is_bearer && !token.is_empty())
}

/// The token among the subprotocols of a WebSocket request, where browsers put it.
pub(super) fn subprotocol(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    if !is_web_socket(headers) {
        return Ok(None);
    }
    let mut tokens =
        protocols(headers).filter_map(|protocol| protocol.strip_prefix(PROTOCOL.as_bytes()));
    let (Some(token), more) = (tokens.next(), tokens.next()) else {
        return Ok(None);
    };
    if more.is_some() {
        return Err(Refused::Subprotocol("there is more than one token"));
    }
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let token = decoded.and_then(|token| String::from_utf8(token).ok());
    let token = token.ok_or(Refused::Subprotocol("the token is not in base64url"))?;
    if token.is_empty() {
        return Ok(None);
    }
    if rest(headers).is_empty() {
        return Err(Refused::Subprotocol(
            "besides the token another protocol is needed",
        ));
    }
    Ok(Some(token))
}

/// Removes every token, and puts `keep` back as the only one.
pub(super) fn tidy(headers: &mut HeaderMap, keep: Option<HeaderValue>) {
    if headers.contains_key(SEC_WEBSOCKET_PROTOCOL) && protocols(headers).any(is_token) {
        let rest = HeaderValue::from_bytes(&rest(headers)).ok();
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, rest);
        }
    }
    headers.remove(AUTHORIZATION);
    if let Some(mut keep) = keep {
        keep.set_sensitive(true);
        headers.insert(AUTHORIZATION, keep);
    }
}

/// The header that carries a token and nothing else.
pub(super) fn header(token: &[u8]) -> Option<HeaderValue> {
    HeaderValue::try_from([b"Bearer ", token].concat()).ok()
}

/// Whether a query has a parameter `access_token`, however it is written.
pub(super) fn has_query_token(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
    })
}

fn is_web_socket(headers: &HeaderMap) -> bool {
    let first = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let mut connection = first(CONNECTION).split(|byte| *byte == b',');
    first(UPGRADE).eq_ignore_ascii_case(b"websocket")
        && connection.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn is_token(protocol: &[u8]) -> bool {
    protocol.starts_with(PROTOCOL.as_bytes())
}

/// The subprotocols that are no tokens, in one line.
fn rest(headers: &HeaderMap) -> Vec<u8> {
    let rest: Vec<&[u8]> = protocols(headers)
        .filter(|protocol| !is_token(protocol))
        .collect();
    rest.join(&b','.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn socket(protocols: &[&'static str]) -> HeaderMap {
        let mut lines = vec![
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
        ];
        lines.extend(
            protocols
                .iter()
                .map(|protocol| ("sec-websocket-protocol", *protocol)),
        );
        headers(&lines)
    }

    #[test]
    fn the_second_word_is_the_token() {
        let cases: [(&str, Option<&str>); 11] = [
            ("Bearer abc", Some("abc")),
            ("bEARER abc", Some("abc")),
            ("  Bearer abc  ", Some("abc")),
            ("Bearer abc def", Some("abc")),
            ("Bearer  abc", None),
            ("Bearer\tabc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic YTpi", None),
            ("Bearerabc", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let headers = headers(&[("authorization", value)]);
            assert_eq!(
                authorization(&headers),
                expected.map(str::as_bytes),
                "{value}"
            );
        }
        let two = headers(&[
            ("authorization", "Basic x"),
            ("authorization", "Bearer abc"),
        ]);
        assert_eq!(authorization(&two), None);
    }

    #[test]
    fn a_web_socket_may_bring_its_token_as_a_protocol() {
        const TOKEN: &str = "base64url.bearer.authorization.k8s.io.YWJj";
        const BROKEN: &str = "base64url.bearer.authorization.k8s.io.a+b/";
        type Found = Result<Option<&'static str>, ()>;
        let cases: [(&[&'static str], Found); 8] = [
            (&["v4.channel.k8s.io", TOKEN], Ok(Some("abc"))),
            (
                &["base64url.bearer.authorization.k8s.io.YWJj, v4.channel.k8s.io"],
                Ok(Some("abc")),
            ),
            (&[TOKEN], Err(())),
            (&[TOKEN, TOKEN, "v4"], Err(())),
            (&[BROKEN, "v4"], Err(())),
            (&["base64url.bearer.authorization.k8s.io.", "v4"], Ok(None)),
            (&["base64url.bearer.authorization.k8s.io._w", "v4"], Err(())),
            (&["v4"], Ok(None)),
        ];
        for (protocols, expected) in cases {
            let found = subprotocol(&socket(protocols)).map_err(drop);
            assert_eq!(
                found,
                expected.map(|token| token.map(str::to_owned)),
                "{protocols:?}"
            );
        }
        let plain = headers(&[("sec-websocket-protocol", TOKEN)]);
        assert_eq!(subprotocol(&plain), Ok(None));
    }

    #[test]
    fn only_the_judged_token_is_left() {
        let mut headers = socket(&[
            "base64url.bearer.authorization.k8s.io.YWJj",
            "v4.channel.k8s.io, v5",
        ]);
        headers.append("authorization", HeaderValue::from_static("Basic x"));
        headers.append("authorization", HeaderValue::from_static("Bearer y"));
        tidy(&mut headers, header(b"abc"));
        let left = |name: &str| {
            headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(left("authorization"), ["Bearer abc"]);
        assert_eq!(left("sec-websocket-protocol"), ["v4.channel.k8s.io,v5"]);
        tidy(&mut headers, None);
        assert!(!headers.contains_key("authorization"));
    }

    #[test]
    fn protocols_without_a_token_stay_as_they_came() {
        let mut headers = socket(&["a ,b", "c"]);
        tidy(&mut headers, None);
        let lines: Vec<_> = headers.get_all("sec-websocket-protocol").iter().collect();
        assert_eq!(lines, ["a ,b", "c"]);
    }

    #[test]
    fn a_token_in_the_query_is_found_however_it_is_written() {
        let cases = [
            (Some("access_token=a"), true),
            (Some("watch=1&access%5Ftoken=a"), true),
            (Some("access_token"), true),
            (Some("x=access_token"), false),
            (Some(""), false),
            (None, false),
        ];
        for (query, expected) in cases {
            assert_eq!(has_query_token(query), expected, "{query:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_a_header_panics(
            authorizations in proptest::collection::vec(proptest::collection::vec(32_u8..=255, 0..40), 0..3),
            protocols in proptest::collection::vec(r"(base64url\.bearer\.authorization\.k8s\.io\.)?[a-zA-Z0-9_.,= -]{0,20}", 0..4),
        ) {
            let mut headers = socket(&[]);
            for value in authorizations {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append("authorization", value);
                }
            }
            for value in protocols {
                headers.append("sec-websocket-protocol", value.parse().unwrap());
            }
            let _ = authorization(&headers);
            let _ = subprotocol(&headers);
            tidy(&mut headers, None);
            prop_assert!(!headers.contains_key("authorization"));
            prop_assert!(!protocols_of(&headers).contains(PROTOCOL));
        }
    }

    fn protocols_of(headers: &HeaderMap) -> String {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
        lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
