//! Events that tests send.

/// An event that the rule [`crate::daemon::MARKED`] fires for.
pub(crate) fn event(audit_id: &str) -> String {
    event_by(audit_id, "jane")
}

/// The same by another user.
pub(crate) fn event_by(audit_id: &str, user: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{audit_id}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/dev/pods/web","verb":"marked","user":{{"username":"{user}","groups":["developers"]}},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.36.2","objectRef":{{"resource":"pods","namespace":"dev","name":"web","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-01-01T12:00:00.000000Z","stageTimestamp":"2026-01-01T12:00:00.100000Z"}}"#
    )
}

/// Nothing that any rule fires for.
pub(crate) fn quiet(audit_id: &str) -> String {
    event(audit_id).replace(r#""verb":"marked""#, r#""verb":"get""#)
}

/// What a kube-apiserver posts.
pub(crate) fn list(events: &[String]) -> String {
    format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{}]}}"#,
        events.join(",")
    )
}

/// A list of marked events with these ids.
pub(crate) fn marked(ids: impl IntoIterator<Item = String>) -> String {
    list(&ids.into_iter().map(|id| event(&id)).collect::<Vec<_>>())
}

/// A marked request with what correlations look at.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) verb: &'static str,
    pub(crate) user: String,
    pub(crate) namespace: String,
    /// Milliseconds after noon.
    pub(crate) at: u64,
}

impl Request {
    /// A marked request of Jane's, so many seconds after noon.
    pub(crate) fn new(id: &str, seconds: u64) -> Self {
        Self {
            id: id.to_owned(),
            verb: "marked",
            user: "jane".to_owned(),
            namespace: "dev".to_owned(),
            at: seconds * 1_000,
        }
    }

    /// The event of it.
    pub(crate) fn event(&self) -> String {
        let Self {
            id,
            verb,
            user,
            namespace,
            at,
        } = self;
        let (minutes, seconds, milliseconds) = (at / 60_000, at / 1_000 % 60, at % 1_000);
        let (hour, minute) = (12 + minutes / 60, minutes % 60);
        let time = format!("2026-01-01T{hour}:{minute:02}:{seconds:02}.{milliseconds:03}000Z");
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/{namespace}/pods/web","verb":"{verb}","user":{{"username":"{user}","groups":["developers"]}},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.36.2","objectRef":{{"resource":"pods","namespace":"{namespace}","name":"web","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
        )
    }
}
