//! The event that shows the way from end to end.
//!
//! It is an EventList as the webhook backend sends it, with one event that says of itself what it is: no request of that path exists. Its
//! identifier holds the time, so that a second one is not taken for the first sent again.

use jiff::Timestamp;
use serde_json::json;

/// The user agent, the user and the path of the canary.
pub const NAME: &str = "kubevigil-verify";

/// The identifier of the canary of this moment.
pub fn audit_id(now: Timestamp) -> String {
    format!("{NAME}-{}", now.as_microsecond())
}

/// The body of the request.
pub fn event_list(now: Timestamp, agent: &str) -> String {
    let time = format!("{now:.6}");
    json!({
        "kind": "EventList",
        "apiVersion": "audit.k8s.io/v1",
        "metadata": {},
        "items": [{
            "level": "Metadata",
            "auditID": audit_id(now),
            "stage": "ResponseComplete",
            "requestURI": format!("/{NAME}"),
            "verb": "get",
            "user": {"username": NAME, "groups": [NAME]},
            "sourceIPs": ["127.0.0.1"],
            "userAgent": agent,
            "responseStatus": {"metadata": {}, "code": 200},
            "requestReceivedTimestamp": time,
            "stageTimestamp": time,
            "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_an_event_that_says_what_it_is() {
        let now: Timestamp = "2026-11-23T11:00:00.5Z".parse().unwrap();
        let list: serde_json::Value = serde_json::from_str(&event_list(now, "agent/1")).unwrap();
        let event = &list["items"][0];
        assert_eq!(event["auditID"], "kubevigil-verify-1795431600500000");
        assert_eq!(event["stageTimestamp"], "2026-11-23T11:00:00.500000Z");
        assert_eq!(
            (&event["requestURI"], &event["userAgent"]),
            (&"/kubevigil-verify".into(), &"agent/1".into())
        );
    }
}
