//! What is asked for, in one form: a path that begins with a slash, and a query (RFC 9112, section 3.2).

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};

use super::TurnedAway;
use crate::counters::Malformed;

/// Refuses what Go's server refuses and hyper lets through: a `Host` that is missing or there twice, and transfer encodings other
/// than one `chunked`, about which proxies and servers have disagreed before.
pub(super) fn check_framing<B>(request: &Request<B>) -> Result<(), TurnedAway> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let is_http_11 = request.version() == Version::HTTP_11;
    if hosts > 1 {
        return Err(framing("too many Host headers"));
    }
    if is_http_11 && hosts == 0 && request.method() != Method::CONNECT {
        return Err(framing("missing required Host header"));
    }
    let mut encodings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let encoding = encodings.next();
    let is_chunked = encoding.is_none_or(|one| one.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !is_chunked || encodings.next().is_some() {
        return Err(framing("unsupported transfer encoding"));
    }
    Ok(())
}

/// Leaves path and query, whatever form they came in. `http://other/api` asks this server for `/api`, as it asks any.
pub(super) fn make_origin_form<B>(request: &mut Request<B>) -> Result<(), TurnedAway> {
    if request.method() == Method::CONNECT {
        return Err(no_target("CONNECT is not supported"));
    }
    let uri = request.uri();
    let Some(target) = uri.path_and_query() else {
        return Err(no_target("no path"));
    };
    let is_plain = uri.scheme().is_none() && uri.authority().is_none();
    let text = target.as_str();
    if text.starts_with('/') {
        if !is_plain {
            *request.uri_mut() = Uri::from(target.clone());
        }
        return Ok(());
    }
    match text {
        "*" if request.method() == Method::OPTIONS => Err(TurnedAway::Options),
        // `http://host?query`
        _ if !is_plain && (text.is_empty() || text.starts_with('?')) => {
            set(request, &format!("/{text}"))
        }
        _ => Err(no_target("no path")),
    }
}

/// Asks for what is recorded.
pub(super) fn make_recorded<B>(request: &mut Request<B>, recorded: &str) -> Result<(), TurnedAway> {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str() == recorded) {
        return Ok(());
    }
    set(request, recorded)
}

fn framing(problem: &'static str) -> TurnedAway {
    TurnedAway::Malformed(Malformed::Framing, problem)
}

fn no_target(problem: &'static str) -> TurnedAway {
    TurnedAway::Malformed(Malformed::Target, problem)
}

fn set<B>(request: &mut Request<B>, target: &str) -> Result<(), TurnedAway> {
    let target = PathAndQuery::try_from(target);
    let target = target.map_err(|_| no_target("no path"))?;
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str) -> Request<()> {
        let request = Request::builder().method(method).uri(target);
        request.body(()).unwrap()
    }

    #[test]
    fn every_form_of_a_target_becomes_a_path_or_is_refused() {
        // Method, target, what it becomes; empty when it is refused.
        let cases = [
            ("GET", "/api/v1/pods?watch=1", "/api/v1/pods?watch=1"),
            ("GET", "//api/../x", "//api/../x"),
            ("GET", "http://other:1/api?x", "/api?x"),
            ("GET", "https://user@other", "/"),
            ("GET", "http://other?x=/y", "/?x=/y"),
            ("GET", "ftp://other/a", "/a"),
            ("GET", "*", ""),
            ("CONNECT", "other:443", ""),
            ("CONNECT", "/api", ""),
            ("GET", "other:443", ""),
        ];
        for (method, target, expected) in cases {
            let mut request = request(method, target);
            let result = make_origin_form(&mut request);
            let got = result.map(|()| request.uri().to_string());
            assert_eq!(got.unwrap_or_default(), expected, "{method} {target}");
        }
        let options = make_origin_form(&mut request("OPTIONS", "*"));
        assert_eq!(options, Err(TurnedAway::Options));
    }

    #[test]
    fn only_one_host_and_only_one_plain_chunked_are_accepted() {
        // Headers, and whether they are accepted.
        let cases = [
            ("host: a", true),
            ("", false),
            ("host: a|host: a", false),
            ("host: a|transfer-encoding: Chunked", true),
            ("host: a|transfer-encoding: gzip, chunked", false),
            ("host: a|transfer-encoding: chunked, chunked", false),
            (
                "host: a|transfer-encoding: chunked|transfer-encoding: chunked",
                false,
            ),
            ("host: a|transfer-encoding: identity", false),
        ];
        for (headers, expected) in cases {
            let mut request = request("POST", "/");
            for (name, value) in headers.split('|').filter_map(|line| line.split_once(": ")) {
                let name: http::HeaderName = name.parse().unwrap();
                request.headers_mut().append(name, value.parse().unwrap());
            }
            assert_eq!(check_framing(&request).is_ok(), expected, "{headers}");
        }
    }
}
