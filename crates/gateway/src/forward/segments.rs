//! Paths that somebody behind the gateway might take for others.
//!
//! No API server resolves `.` and `..`, but fronts of API servers do, and to them `pods/../secrets/y` is a secret, while the
//! policy and the events have a pod. Such a path is refused, escaped or not. Only what runs behind the server's own proxy may
//! see such segments, as long as they do not lead out of its part of the path.

use kubevigil_audit::request_info::RequestInfo;
use percent_encoding::percent_decode_str;

/// Whether everybody reads the path alike. `info` is that of a request that may be proxied, else empty.
pub(super) fn are_settled(path: &str, info: &RequestInfo) -> bool {
    if !path.contains("/.") && !path.contains('%') {
        return true;
    }
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let segments: Vec<&[u8]> = trimmed(&decoded).split(|byte| *byte == b'/').collect();
    let behind_proxy = match (info.verb.as_str(), info.subresource.as_str()) {
        ("proxy", _) => info.parts.len().saturating_sub(2),
        (_, "proxy") => info.parts.len().saturating_sub(3),
        _ => 0,
    };
    let (own, passed_on) = segments.split_at(segments.len().saturating_sub(behind_proxy));
    let is_dots = |segment: &&[u8]| matches!(*segment, b"." | b"..");
    !own.iter().any(is_dots) && stays_inside(passed_on)
}

/// Whether going along the segments never leads above their beginning.
fn stays_inside(segments: &[&[u8]]) -> bool {
    let mut depth = 0_usize;
    segments.iter().all(|segment| {
        let next = match *segment {
            b".." => depth.checked_sub(1),
            // Some fronts merge slashes, so that nothing is gained by an empty segment.
            b"." | b"" => Some(depth),
            _ => Some(depth + 1),
        };
        depth = next.unwrap_or_default();
        next.is_some()
    })
}

fn trimmed(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|byte| *byte != b'/');
    let end = path.iter().rposition(|byte| *byte != b'/');
    let inner = start
        .zip(end)
        .and_then(|(start, end)| path.get(start..=end));
    inner.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_refused_but_behind_the_servers_proxy() {
        let cases = [
            ("/api/v1/namespaces/x/pods/web.0", true),
            ("/api/v1/namespaces/x/configmaps/a..b", true),
            ("/api/v1/namespaces/x/configmaps/.a", true),
            ("/api/v1/namespaces/x/pods/a%3Ab", true),
            ("/api/v1/namespaces/x/pods/../secrets/y", false),
            ("/api/v1/namespaces/x/pods/%2e%2E/secrets/y", false),
            ("/api/v1/namespaces/x/pods/.%2e/secrets/y", false),
            ("/api/v1/namespaces/x/pods/..%2fsecrets/y", false),
            ("/api/v1/./pods", false),
            ("/healthz/../api/v1/pods", false),
            ("/..", false),
            ("/api/v1/pods/.", false),
            ("/api/v1/namespaces/x/services/s/proxy/a/../b", true),
            ("/api/v1/namespaces/x/services/s/proxy/./a/b/../..", true),
            ("/api/v1/namespaces/x/services/s/proxy/..", false),
            (
                "/api/v1/namespaces/x/services/s/proxy/a/../../../secrets",
                false,
            ),
            ("/api/v1/namespaces/x/services/s/proxy//..", false),
            ("/api/v1/namespaces/x/services/s/proxy/a/..%2f..", false),
            (
                "/api/v1/namespaces/proxy/services/s/proxy/a/../../../pods",
                false,
            ),
            ("/api/v1/namespaces/../services/s/proxy/a", false),
            ("/api/v1/nodes/n/proxy/logs/../x/", true),
            ("/api/v1/proxy/namespaces/x/services/s/a/../b", true),
            ("/api/v1/proxy/namespaces/x/services/s/..", false),
        ];
        for (path, expected) in cases {
            let info = RequestInfo::of("GET", path).unwrap_or_default();
            assert_eq!(are_settled(path, &info), expected, "{path}");
        }
    }
}
