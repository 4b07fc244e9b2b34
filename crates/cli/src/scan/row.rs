//! Requests as rows of a table: those that agree in who, what, where and outcome are one.

use std::collections::HashMap;

use kubevigil_alerts::{Outcome, Request};
use kubevigil_audit::time::Timestamp;

/// Who asked without credentials: only the address tells one from another.
const ANONYMOUS: &str = "system:anonymous";
/// Stands where an event says nothing.
const NOTHING: &str = "–";

/// Rows and how often each has come, so many of them at most.
#[derive(Debug)]
pub(crate) struct Rows {
    rows: HashMap<Row, Times>,
    most: usize,
}

/// What requests must agree in to be one row.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) place: String,
    pub(crate) outcome: &'static str,
    /// The rule that matched, where it may be one of several.
    pub(crate) rule: String,
}

/// How often, and from when to when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) count: u64,
    /// The earliest and the latest time; `None` when no event has a time.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

impl Rows {
    /// No rows yet, and never more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            rows: HashMap::new(),
            most,
        }
    }

    /// Counts a request that happened then. One that would be a row too many is left out.
    pub(crate) fn add(&mut self, row: Row, time: Timestamp) {
        if self.rows.len() < self.most || self.rows.contains_key(&row) {
            self.rows.entry(row).or_default().add(time);
        }
    }

    /// The rows, the most frequent first, then the earliest.
    pub(crate) fn by_frequency(&self) -> Vec<(&Row, &Times)> {
        let mut rows: Vec<(&Row, &Times)> = self.rows.iter().collect();
        rows.sort_by(|(one, one_times), (other, other_times)| {
            let frequency = other_times.count.cmp(&one_times.count);
            let time = one_times.span.cmp(&other_times.span);
            frequency.then(time).then_with(|| one.cmp(other))
        });
        rows
    }

    /// The rows in the order in which they came first.
    pub(crate) fn by_time(&self) -> Vec<(&Row, &Times)> {
        let mut rows: Vec<(&Row, &Times)> = self.rows.iter().collect();
        rows.sort_by_key(|(row, times)| (times.span, *row));
        rows
    }
}

impl Row {
    /// The row of a request.
    pub(crate) fn of(request: &Request, outcome: Outcome) -> Self {
        Self {
            who: who(request),
            what: what(request),
            place: place(request),
            outcome: outcome.as_str(),
            rule: String::new(),
        }
    }
}

impl Times {
    /// Counts another.
    pub(crate) fn add(&mut self, time: Timestamp) {
        self.count += 1;
        // The epoch is what the matcher gives to an event that has no time.
        if time != Timestamp::default() {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }
}

fn who(request: &Request) -> String {
    let user = given(&request.user).unwrap_or("(no user)");
    match (given(&request.impersonated_user), given(&request.address)) {
        (Some(impersonated), _) => format!("{user} as {impersonated}"),
        (None, Some(address)) if user == ANONYMOUS => format!("{user} ({address})"),
        (None, _) => user.to_owned(),
    }
}

/// The verb and what it is applied to: a resource, or else the path of the URI.
fn what(request: &Request) -> String {
    let path = given(&request.uri).and_then(|uri| uri.split('?').next());
    let target = match (given(&request.resource), given(&request.subresource)) {
        (Some(resource), Some(subresource)) => Some(format!("{resource}/{subresource}")),
        (Some(resource), None) => Some(resource.to_owned()),
        (None, _) => path.map(str::to_owned),
    };
    let parts = [given(&request.verb).map(str::to_owned), target];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() {
        NOTHING.to_owned()
    } else {
        words.join(" ")
    }
}

/// The object, or how much of the cluster the request reaches.
fn place(request: &Request) -> String {
    let many = matches!(
        given(&request.verb),
        Some("list" | "watch" | "deletecollection")
    );
    match (given(&request.namespace), given(&request.name)) {
        // A namespace is said to lie in itself.
        (Some(namespace), Some(name))
            if given(&request.resource) == Some("namespaces") && namespace == name =>
        {
            name.to_owned()
        }
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (Some(namespace), None) if many => format!("{namespace}/*"),
        (Some(namespace), None) => format!("{namespace}/?"),
        (None, Some(name)) => name.to_owned(),
        (None, None) if many && given(&request.resource).is_some() => "cluster-wide".to_owned(),
        (None, None) => NOTHING.to_owned(),
    }
}

/// The part of a request, if there is one. A row keeps no more of it than a table could show: whoever sends events could
/// otherwise fill the memory with rows.
fn given(part: &Option<String>) -> Option<&str> {
    let text = part.as_deref().filter(|text| !text.is_empty())?;
    Some(
        text.get(..text.floor_char_boundary(MAX_PART))
            .unwrap_or(text),
    )
}

/// The most bytes of one part of a request.
const MAX_PART: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parts: [&str; 6]) -> Request {
        let [user, verb, resource, namespace, name, uri] =
            parts.map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
        Request {
            user,
            verb,
            resource,
            namespace,
            name,
            uri,
            ..Request::default()
        }
    }

    #[test]
    fn odd_requests_are_still_said_to_be_by_somebody_about_something() {
        let cases = [
            (
                ["jane", "get", "pods", "dev", "web", ""],
                ["jane", "get pods", "dev/web"],
            ),
            (
                ["jane", "list", "pods", "dev", "", ""],
                ["jane", "list pods", "dev/*"],
            ),
            (
                ["jane", "create", "pods", "dev", "", ""],
                ["jane", "create pods", "dev/?"],
            ),
            (
                ["jane", "list", "secrets", "", "", ""],
                ["jane", "list secrets", "cluster-wide"],
            ),
            (
                ["jane", "get", "nodes", "", "n1", ""],
                ["jane", "get nodes", "n1"],
            ),
            (
                ["jane", "delete", "namespaces", "dev", "dev", ""],
                ["jane", "delete namespaces", "dev"],
            ),
            (
                ["jane", "get", "", "", "", "/metrics?x=1"],
                ["jane", "get /metrics", "–"],
            ),
            (["", "", "", "", "", ""], ["(no user)", "–", "–"]),
        ];
        for (parts, expected) in cases {
            let row = Row::of(&request(parts), Outcome::Allowed);
            assert_eq!(
                [row.who.as_str(), &row.what, &row.place],
                expected,
                "{parts:?}"
            );
        }
    }

    #[test]
    fn nobody_is_told_by_address_and_a_borrowed_name_is_shown_with_its_borrower() {
        let mut request = request(["system:anonymous", "get", "", "", "", "/"]);
        request.address = Some("10.0.0.7".to_owned());
        assert_eq!(who(&request), "system:anonymous (10.0.0.7)");
        request.user = Some("jane".to_owned());
        assert_eq!(who(&request), "jane");
        request.impersonated_user = Some("root".to_owned());
        assert_eq!(who(&request), "jane as root");
    }
}
