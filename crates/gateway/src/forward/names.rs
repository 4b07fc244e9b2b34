//! What a header's name means for who the upstream sees, however it is spelt.
//!
//! Servers behind the upstream may take `X_Remote_User` or `X.Remote.User` for `X-Remote-User` (CGI, WSGI and some proxies fold
//! everything into underscores). So names are compared by their letters and digits alone, and a name that folds to a
//! meaningful one without being it is never sent on. Comparing exact names only would leave a hole in exactly the header that
//! decides who somebody is.

/// What a header is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// Nothing that matters here.
    Ordinary,
    /// The connection, not the message (RFC 9110 7.6.1); never sent on.
    Hop,
    /// The client's credentials.
    Authorization,
    /// Whom the client wants to be.
    Impersonation,
    /// Who the client says that somebody is (`X-Remote-*`), which only a front proxy may.
    FrontProxy,
    /// Says that the request is another one, or somebody else's, than it looks: `X-HTTP-Method-Override`, `X-Original-URL`,
    /// `X-Forwarded-User`. Servers that believe it would do something else than what was recorded.
    Override,
    /// What a browser proves itself with. The API server knows no cookies, but what runs behind its proxy may.
    Cookie,
    /// Looks like one of those that matter, and is not spelt like it.
    Disguised,
}

/// Names that audit events are made of, and that a `Connection` header cannot take off a request.
const AUDITED: [&str; 4] = ["audit-id", "user-agent", "x-forwarded-for", "x-real-ip"];

/// What overrides begins with; all of `X-Forwarded-*` but the addresses among it.
const OVERRIDES: [&str; 14] = [
    "forwarded",
    "remoteemail",
    "remotegroup",
    "remotename",
    "remoteuser",
    "xauthrequest",
    "xforwarded",
    "xhttpmethod",
    "xmethodoverride",
    "xoriginalmethod",
    "xoriginalur",
    "xrewriteur",
    "xwebauth",
    "xauthenticated",
];

/// More of what decides how an upstream reads a message; names that begin with these stay, too, whatever `Connection` lists.
const MESSAGE: [&str; 7] = [
    "accept",
    "access-control-",
    "content-",
    "host",
    "origin",
    "sec-",
    "via",
];

impl Meaning {
    /// What the name means; it is in lower case, as `HeaderName` has it.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "http2-settings" => Self::Hop,
            "authorization" => Self::Authorization,
            "cookie" => Self::Cookie,
            _ if can_fold_to_meaning(name) => Self::folded(name),
            _ => Self::Ordinary,
        }
    }

    fn folded(name: &str) -> Self {
        if folds_to_start(name, "impersonate") {
            return if is_impersonation(name) {
                Self::Impersonation
            } else {
                Self::Disguised
            };
        }
        if folds_to_start(name, "xremote") {
            return Self::FrontProxy;
        }
        if name != "x-forwarded-for" && OVERRIDES.iter().any(|start| folds_to_start(name, start)) {
            return Self::Override;
        }
        let is_disguise = |real: &str| name != real && folds_to(name, real);
        if folds_to(name, "authorization") || AUDITED.iter().any(|real| is_disguise(real)) {
            return Self::Disguised;
        }
        Self::Ordinary
    }
}

/// Whether a header may be taken off because `Connection` lists it: a client must not change by that who the upstream sees,
/// what was recorded, or how the message is read.
pub(super) fn may_be_listed(name: &str) -> bool {
    Meaning::of(name) == Meaning::Ordinary
        && !AUDITED.contains(&name)
        && !MESSAGE.iter().any(|start| name.starts_with(start))
}

/// A cheap look that most names do not pass.
fn can_fold_to_meaning(name: &str) -> bool {
    let first = name.bytes().find(u8::is_ascii_alphanumeric);
    matches!(first, Some(b'a' | b'f' | b'i' | b'r' | b'u' | b'x'))
}

/// `Impersonate-*` as the API server knows it. The keys of extra fields may hold anything that a name may.
fn is_impersonation(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.starts_with("impersonate-extra-")
        || (name.starts_with("impersonate-") && name.bytes().all(plain))
}

fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric)
}

fn folds_to_start(name: &str, start: &str) -> bool {
    let mut letters = letters(name);
    start.bytes().all(|byte| letters.next() == Some(byte))
}

fn folds_to(name: &str, real: &str) -> bool {
    letters(name).eq(letters(real))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Meaning::*;
    use super::*;

    #[test]
    fn names_mean_what_they_fold_to() {
        let cases = [
            ("authorization", Authorization),
            ("proxy-authorization", Hop),
            ("_authorization", Disguised),
            ("author_ization", Disguised),
            ("impersonate-user", Impersonation),
            ("impersonate-uid", Impersonation),
            ("impersonate-group", Impersonation),
            ("impersonate-extra-foo%2fbar_baz", Impersonation),
            ("impersonate_user", Disguised),
            ("impersonate-user_", Disguised),
            ("impersonate_extra-scopes", Disguised),
            ("impersonate.user", Disguised),
            ("x-remote-user", FrontProxy),
            ("x_remote_user", FrontProxy),
            ("x-remote_extra-scopes", FrontProxy),
            ("xremoteuser", FrontProxy),
            ("x-forwarded-for", Ordinary),
            ("x_forwarded_for", Override),
            ("x-forwarded-user", Override),
            ("x_forwarded-groups", Override),
            ("x-forwarded-host", Override),
            ("forwarded", Override),
            ("x-http-method-override", Override),
            ("x-http-method", Override),
            ("x_method_override", Override),
            ("x-original-url", Override),
            ("x-original-uri", Override),
            ("x-rewrite-url", Override),
            ("x-auth-request-user", Override),
            ("remote-user", Override),
            ("remote_groups", Override),
            ("x-webauth-user", Override),
            ("cookie", Cookie),
            ("range", Ordinary),
            ("referer", Ordinary),
            ("audit_id", Disguised),
            ("audit-id", Ordinary),
            ("user_agent", Disguised),
            ("x.real.ip", Disguised),
            ("accept", Ordinary),
            ("x-requested-with", Ordinary),
            ("authorization-hint", Ordinary),
            ("transfer-encoding", Hop),
            ("trailer", Ordinary),
            ("if-match", Ordinary),
        ];
        for (name, meaning) in cases {
            assert_eq!(Meaning::of(name), meaning, "{name}");
        }
    }

    #[test]
    fn only_what_does_not_matter_can_be_listed() {
        for name in ["x-hop", "warning", "priority"] {
            assert!(may_be_listed(name), "{name}");
        }
        let kept = [
            "authorization",
            "impersonate-user",
            "x-remote-user",
            "audit-id",
            "x-forwarded-for",
            "x-forwarded-proto",
            "user-agent",
            "x-real-ip",
            "content-length",
            "content-type",
            "host",
            "accept-encoding",
            "cookie",
            "sec-websocket-key",
        ];
        for name in kept {
            assert!(!may_be_listed(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_meaningful_name_is_ordinary(
            real in "authorization|impersonate-(user|uid|group|extra-[a-z]{1,3})|x-remote-(user|uid|group|extra-[a-z]{1,3})",
            places in prop::collection::vec((0_usize..24, "[-_.!#$%&'*+^`|~]"), 0..4),
            keeps_dashes in any::<bool>(),
        ) {
            let mut name = if keeps_dashes { real.clone() } else { real.replace('-', "") };
            for (place, sign) in places {
                name.insert_str(place.min(name.len()), &sign);
            }
            let name = http::HeaderName::try_from(name).unwrap();
            prop_assert_ne!(Meaning::of(name.as_str()), Ordinary);
            prop_assert!(!may_be_listed(name.as_str()));
        }
    }
}
