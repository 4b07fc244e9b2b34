//! Whom the upstream is told to take a request for.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use kubevigil_gateway::impersonate::{ForwardAs, Unwritable};
use kubevigil_record::event::UserInfo;
use proptest::prelude::*;

use crate::request::{Lines, request};
use crate::stack::jane;

fn headers(lines: Lines<'_>) -> HeaderMap {
    request("/", lines).headers
}

fn forward(user: UserInfo, headers: &mut HeaderMap) -> Result<(), Unwritable> {
    ForwardAs { user }.write(headers)
}

#[test]
fn a_user_is_written_whole_and_in_place_of_everything_that_was_there() {
    let mut written = headers(&[
        ("impersonate-user", "eve"),
        ("impersonate-user", "eve"),
        ("impersonate-group", "system:masters"),
        ("impersonate-uid", "0"),
        ("impersonate-extra-a", "b"),
        ("impersonate_group", "c"),
        ("accept", "x"),
    ]);
    let mut user = jane();
    user.extra.insert(
        "acme.com/Team_%".to_owned(),
        vec!["x".to_owned(), String::new()],
    );
    forward(user, &mut written).unwrap();
    let expected = [
        ("accept", "x"),
        ("impersonate-user", "jane"),
        ("impersonate-uid", "u-1"),
        ("impersonate-group", "developers"),
        ("impersonate-group", "system:authenticated"),
        ("impersonate-extra-acme.com%2f%54eam%5f%25", "x"),
        ("impersonate-extra-acme.com%2f%54eam%5f%25", ""),
        ("impersonate-extra-scopes", "a"),
    ];
    assert_eq!(written, headers(&expected));
}

#[test]
fn a_user_whom_headers_would_change_is_not_written() {
    type Change = fn(&mut UserInfo);
    let cases: [(&str, Change); 9] = [
        ("no name", |user| user.username.clear()),
        ("a blank before", |user| user.username = " admin".to_owned()),
        ("a tab behind", |user| user.username = "admin\t".to_owned()),
        ("a line feed", |user| {
            user.username = "a\r\nimpersonate-group: system:masters".to_owned()
        }),
        ("a zero", |user| user.username = "admin\0".to_owned()),
        ("a group", |user| {
            user.groups.push(" system:masters".to_owned())
        }),
        ("a uid", |user| user.uid = "\u{7f}".to_owned()),
        ("a value", |user| {
            drop(user.extra.insert("k".to_owned(), vec![" v".to_owned()]))
        }),
        ("only blanks", |user| user.username = "  ".to_owned()),
    ];
    for (what, change) in cases {
        let mut user = jane();
        change(&mut user);
        let mut headers = headers(&[("impersonate-user", "eve"), ("accept", "x")]);
        assert!(forward(user, &mut headers).is_err(), "{what}");
        assert_eq!(headers, self::headers(&[("accept", "x")]), "{what}");
    }
}

proptest! {
    #[test]
    fn the_upstream_reads_the_user_that_was_written(
        username in ".{1,12}", uid in ".{0,6}",
        groups in proptest::collection::vec(".{0,8}", 0..5),
        extra in proptest::collection::btree_map(".{0,8}", proptest::collection::vec(".{0,6}", 1..3), 0..4),
    ) {
        let user = UserInfo { username, uid, groups, extra };
        let mut headers = HeaderMap::new();
        if forward(user.clone(), &mut headers).is_ok() {
            prop_assert_eq!(read(&headers), user);
        } else {
            prop_assert!(headers.is_empty());
        }
    }
}

/// Reads a user as an API server does: names are lower case before they are decoded, values without blanks at their ends.
fn read(headers: &HeaderMap) -> UserInfo {
    let text = |value: &HeaderValue| {
        let text = String::from_utf8(value.as_bytes().to_vec()).unwrap();
        text.trim_matches([' ', '\t']).to_owned()
    };
    let all = |name: &str| headers.get_all(name).iter().map(text).collect::<Vec<_>>();
    let mut extra = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        if let Some(key) = name
            .as_str()
            .to_lowercase()
            .strip_prefix("impersonate-extra-")
        {
            let key = percent_encoding::percent_decode_str(key)
                .decode_utf8()
                .unwrap();
            extra.entry(key.into_owned()).or_default().push(text(value));
        }
    }
    UserInfo {
        username: all("impersonate-user").concat(),
        uid: all("impersonate-uid").concat(),
        groups: all("impersonate-group"),
        extra,
    }
}
