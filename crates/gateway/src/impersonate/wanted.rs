//! Whom a client wants to be taken for: the `Impersonate-*` headers, read as kube-apiserver reads them.
//!
//! Of several users and uids the first counts; every group and extra value counts, empty ones included. So that an upstream that
//! reads the last cannot see somebody else, [`keep_what_counts`] removes the others.

use std::collections::BTreeMap;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kubevigil_record::event::UserInfo;
use kubevigil_record::quote::literal;
use kubevigil_record::request::text;

use super::forward_as::impersonates;
use super::go::quoted_list;
use crate::identity::{
    ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, extra_key, says_recognised, service_account,
    service_account_groups,
};

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

/// Headers that name nobody who could be impersonated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unusable {
    /// Groups, a uid or extra values, but no user. The words are the server's.
    #[error("requested {0} without impersonating a user name")]
    Nameless(String),
    /// Bytes that cannot be asked about: a review is JSON.
    #[error("header {0} is not UTF-8, so nobody can say whether it may be impersonated")]
    NotText(String),
}

/// Whom the headers name, as they name them; `None` when nobody is to be impersonated.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, Unusable> {
    let first = |name| {
        headers
            .get(name)
            .map_or_else(String::new, |value| text(value.as_bytes()))
    };
    let groups = headers.get_all(GROUP).into_iter();
    let user = UserInfo {
        username: first(USER),
        uid: first(UID),
        groups: groups.map(|value| text(value.as_bytes())).collect(),
        extra: extra(headers),
    };
    let is_named = !user.username.is_empty();
    let wants_more = !user.uid.is_empty() || !user.groups.is_empty() || !user.extra.is_empty();
    if !is_named && wants_more {
        return Err(Unusable::Nameless(as_go_writes(&user)));
    }
    Ok(is_named.then_some(user))
}

/// Checks that the headers hold nothing that was changed when it was made text.
pub(super) fn check_text(headers: &HeaderMap) -> Result<(), Unusable> {
    let unusable = |name: &HeaderName| Unusable::NotText(name.to_string());
    for (name, value) in headers {
        let key = name.as_str().strip_prefix(EXTRA).map(extra_key);
        let is_read = key.is_some() || [USER, UID, GROUP].contains(&name.as_str());
        let is_text = std::str::from_utf8(value.as_bytes()).is_ok()
            && key.is_none_or(|key| String::from_utf8(key).is_ok());
        if is_read && !is_text {
            return Err(unusable(name));
        }
    }
    Ok(())
}

/// Adds the groups that the server adds (spec 6.7).
pub(super) fn complete(mut user: UserInfo) -> UserInfo {
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account(&user.username)
    {
        user.groups = service_account_groups(namespace);
    }
    if user.username == ANONYMOUS {
        if !user.groups.iter().any(|group| group == UNAUTHENTICATED) {
            user.groups.push(UNAUTHENTICATED.to_owned());
        }
    } else if !says_recognised(&user.groups) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// Removes what counts for no API server, but might count for whoever reads headers otherwise: all users and uids but the first,
/// and names that differ by `_` only.
pub(super) fn keep_what_counts(headers: &mut HeaderMap) {
    for name in [USER, UID] {
        if headers.get_all(name).iter().nth(1).is_some()
            && let Some(first) = headers.get(name).cloned()
        {
            headers.insert(name, first);
        }
    }
    let disguised = |name: &&HeaderName| {
        let name = name.as_str();
        name.contains('_') && impersonates(name) && !name.starts_with(EXTRA)
    };
    let names: Vec<HeaderName> = headers.keys().filter(disguised).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn extra(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let values = extra.entry(text(&extra_key(key))).or_default();
            values.push(text(HeaderValue::as_bytes(value)));
        }
    }
    extra
}

/// A user as the server's message has it.
fn as_go_writes(user: &UserInfo) -> String {
    let lists = user
        .extra
        .iter()
        .map(|(key, values)| format!("{}:{}", literal(key), quoted_list(values)));
    let extra = match user.extra.is_empty() {
        true => "(nil)".to_owned(),
        false => format!("{{{}}}", lists.collect::<Vec<_>>().join(", ")),
    };
    format!(
        "&user.DefaultInfo{{Name:{}, UID:{}, Groups:{}, Extra:map[string][]string{extra}}}",
        literal(&user.username),
        literal(&user.uid),
        quoted_list(&user.groups),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Lines<'l> = &'l [(&'l str, &'l str)];

    fn headers(lines: Lines<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn said(user: &UserInfo) -> String {
        format!(
            "{}|{}|{}|{:?}",
            user.username,
            user.uid,
            user.groups.join(","),
            user.extra
        )
    }

    #[test]
    fn headers_name_a_user_with_the_groups_that_the_server_adds() {
        let cases: [(Lines<'_>, Option<&str>); 12] = [
            (&[], None),
            (&[("Impersonate-User", "")], None),
            (
                &[("Impersonate-User", "jane")],
                Some("jane||system:authenticated|{}"),
            ),
            (
                &[
                    ("IMPERSONATE-USER", "root"),
                    ("Impersonate-Group", "system:masters"),
                ],
                Some("root||system:masters,system:authenticated|{}"),
            ),
            (
                &[
                    ("Impersonate-User", "jane"),
                    ("Impersonate-Group", "system:unauthenticated"),
                ],
                Some("jane||system:unauthenticated|{}"),
            ),
            (
                &[("Impersonate-User", "system:serviceaccount:dev:ci-bot")],
                Some(
                    "system:serviceaccount:dev:ci-bot||system:serviceaccounts,system:serviceaccounts:dev,system:authenticated|{}",
                ),
            ),
            (
                &[
                    ("Impersonate-User", "system:serviceaccount:dev:ci-bot"),
                    ("Impersonate-Group", "x"),
                ],
                Some("system:serviceaccount:dev:ci-bot||x,system:authenticated|{}"),
            ),
            (
                &[("Impersonate-User", "system:anonymous")],
                Some("system:anonymous||system:unauthenticated|{}"),
            ),
            (
                &[
                    ("Impersonate-User", "system:anonymous"),
                    ("Impersonate-Group", "system:authenticated"),
                ],
                Some("system:anonymous||system:authenticated,system:unauthenticated|{}"),
            ),
            (
                &[
                    ("Impersonate-User", "a"),
                    ("Impersonate-User", "b"),
                    ("Impersonate-Uid", "1"),
                    ("Impersonate-Uid", "2"),
                ],
                Some("a|1|system:authenticated|{}"),
            ),
            (
                &[
                    ("Impersonate-User", "a"),
                    ("Impersonate-Extra-Acme.com%2FProject", "x"),
                    ("Impersonate-Extra-acme.com%2fproject", "y"),
                ],
                Some(r#"a||system:authenticated|{"acme.com/project": ["x", "y"]}"#),
            ),
            (
                &[
                    ("Impersonate-User", "a"),
                    ("Impersonate-Group", ""),
                    ("Impersonate-Extra-", ""),
                ],
                Some(r#"a||,system:authenticated|{"": [""]}"#),
            ),
        ];
        for (lines, expected) in cases {
            let found = wanted(&headers(lines)).unwrap().map(complete);
            assert_eq!(found.as_ref().map(said).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn groups_without_a_user_are_refused_in_the_words_of_the_server() {
        let cases: [(Lines<'_>, &str); 4] = [
            (
                &[("Impersonate-Group", "x")],
                r#"Name:"", UID:"", Groups:[]string{"x"}, Extra:map[string][]string(nil)"#,
            ),
            (
                &[("Impersonate-Uid", "u\"")],
                r#"Name:"", UID:"u\"", Groups:[]string(nil), Extra:map[string][]string(nil)"#,
            ),
            (
                &[
                    ("Impersonate-Extra-b", "1"),
                    ("Impersonate-Extra-a", "2"),
                    ("Impersonate-Extra-b", "3"),
                ],
                r#"Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"2"}, "b":[]string{"1", "3"}}"#,
            ),
            (
                &[
                    ("Impersonate-User", ""),
                    ("Impersonate-User", "b"),
                    ("Impersonate-Group", ""),
                ],
                r#"Name:"", UID:"", Groups:[]string{""}, Extra:map[string][]string(nil)"#,
            ),
        ];
        for (lines, expected) in cases {
            let message = wanted(&headers(lines)).unwrap_err().to_string();
            let expected = format!(
                "requested &user.DefaultInfo{{{expected}}} without impersonating a user name"
            );
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn what_counts_for_nobody_goes_no_further() {
        let mut headers = headers(&[
            ("Impersonate-User", "a"),
            ("Impersonate-User", "b"),
            ("Impersonate_User", "c"),
            ("Impersonate-Group", "g"),
            ("Impersonate-Group", "h"),
            ("Impersonate_Group", "i"),
            ("Impersonate-Extra_k", "v"),
            ("Impersonate-Extra-a_b", "v"),
            ("X-Other_Header", "v"),
        ]);
        keep_what_counts(&mut headers);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        left.sort();
        let expected = [
            "impersonate-extra-a_b=v",
            "impersonate-group=g",
            "impersonate-group=h",
            "impersonate-user=a",
            "x-other_header=v",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_found_wherever_they_stand() {
        let cases: [(&str, &[u8], bool); 6] = [
            ("impersonate-user", b"\xff", false),
            ("impersonate-group", b"a\xe2\x82", false),
            ("impersonate-extra-k", b"\xff", false),
            ("impersonate-extra-%ff", b"v", false),
            ("impersonate-user", "\u{e9}".as_bytes(), true),
            ("x-other", b"\xff", true),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(&name, HeaderValue::from_bytes(value).unwrap());
            assert_eq!(check_text(&headers).is_ok(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(lines in proptest::collection::vec((
            "(impersonate-(user|uid|group|extra-[a-z%0-9]{0,6}))", proptest::collection::vec(32_u8..=255, 0..12)), 0..8,
        )) {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&value)) {
                    headers.append(name, value);
                }
            }
            let _ = check_text(&headers);
            if let Ok(Some(user)) = wanted(&headers) {
                prop_assert!(!user.username.is_empty());
                prop_assert!(!complete(user).groups.is_empty());
            }
        }
    }
}
