//! Realistic audit events from a seed.
//!
//! The same seed gives the same bytes on every machine, so figures can be compared. The mix follows what a busy cluster under the
//! example policy of the Kubernetes documentation writes: mostly leases, status updates and reads by nodes and controllers at
//! level Metadata, one event in seven with bodies, few by people, fewer still that a rule should notice. Mean 1.7 kB.

mod bodies;

use std::fmt::Write as _;

use fastrand::Rng;

/// A generator of events.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    clock_micros: u64,
}

/// What is asked of the API server, and by whom.
struct Call {
    user: &'static str,
    groups: &'static str,
    agent: &'static str,
    verb: &'static str,
    resource: &'static str,
    group: &'static str,
    subresource: &'static str,
    body: Option<fn(&mut Rng) -> String>,
    weight: u32,
}

impl Generator {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            clock_micros: 1_795_410_746_000_000,
        }
    }

    /// The next event, one JSON object without a newline.
    pub fn event(&mut self) -> String {
        let call = self.pick();
        let (namespace, name) = (
            self.namespace(),
            format!("{}-{:x}", self.word(), self.rng.u32(..)),
        );
        let denied = self.rng.u32(..100) == 0;
        let body = call.body.map(|body| body(&mut self.rng));
        let level = if body.is_some() {
            "RequestResponse"
        } else {
            "Metadata"
        };
        let mut event = format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"{level}","auditID":"{}","stage":"ResponseComplete","requestURI":"{}","verb":"{}","user":{{"username":"{}","uid":"{}","groups":[{}],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256={:064x}"]}}}},"sourceIPs":["10.{}.{}.{}"],"userAgent":"{}""#,
            self.id(),
            uri(call, &namespace, &name),
            call.verb,
            call.user,
            self.id(),
            call.groups,
            self.rng.u128(..),
            self.rng.u8(..),
            self.rng.u8(..),
            self.rng.u8(1..),
            call.agent,
        );
        self.push_object(&mut event, call, &namespace, &name);
        self.push_outcome(&mut event, call, denied, body.filter(|_| !denied));
        event
    }

    /// `count` events, one a line.
    pub fn lines(&mut self, count: usize) -> Vec<u8> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.extend_from_slice(self.event().as_bytes());
            lines.push(b'\n');
        }
        lines
    }

    fn pick(&mut self) -> &'static Call {
        let total: u32 = CALLS.iter().map(|call| call.weight).sum();
        let mut left = self.rng.u32(..total + MOST_FREQUENT.weight);
        let picked = CALLS.iter().find(|call| {
            let found = left < call.weight;
            left = left.saturating_sub(call.weight);
            found
        });
        picked.unwrap_or(&MOST_FREQUENT)
    }

    fn push_object(&mut self, event: &mut String, call: &Call, namespace: &str, name: &str) {
        let group = if call.group.is_empty() {
            String::new()
        } else {
            format!(r#","apiGroup":"{}""#, call.group)
        };
        let sub = if call.subresource.is_empty() {
            String::new()
        } else {
            format!(r#","subresource":"{}""#, call.subresource)
        };
        let name = if matches!(call.verb, "list" | "watch") {
            String::new()
        } else {
            format!(r#","name":"{name}""#)
        };
        let _ = write!(
            event,
            r#","objectRef":{{"resource":"{}","namespace":"{namespace}"{name}{group},"apiVersion":"v1"{sub}}}"#,
            call.resource
        );
    }

    fn push_outcome(
        &mut self,
        event: &mut String,
        call: &Call,
        denied: bool,
        body: Option<String>,
    ) {
        let code = match (denied, call.verb) {
            (true, _) => 403,
            (false, "create") => 201,
            _ => 200,
        };
        let _ = write!(
            event,
            r#","responseStatus":{{"metadata":{{}},"code":{code}}}"#
        );
        if let Some(body) = body {
            let _ = write!(event, r#","requestObject":{body},"responseObject":{body}"#);
        }
        self.clock_micros += self.rng.u64(1..4_000);
        let (received, done) = (time(self.clock_micros - 900), time(self.clock_micros));
        let decision = if denied { "forbid" } else { "allow" };
        let reason = if denied {
            ""
        } else {
            r#"RBAC: allowed by ClusterRoleBinding \"system:node-proxier\" of ClusterRole \"system:node-proxier\" to Group \"system:nodes\""#
        };
        let _ = write!(
            event,
            r#","requestReceivedTimestamp":"{received}","stageTimestamp":"{done}","annotations":{{"authorization.k8s.io/decision":"{decision}","authorization.k8s.io/reason":"{reason}"}}}}"#
        );
    }

    fn id(&mut self) -> String {
        let id = self.rng.u128(..);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            id >> 80 & 0xffff,
            id >> 64 & 0xffff,
            id >> 48 & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }

    fn namespace(&mut self) -> String {
        let word = self.word();
        match self.rng.u32(..10) {
            0 | 1 => "kube-system".to_owned(),
            2 => "default".to_owned(),
            _ => format!("team-{word}"),
        }
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 12] = [
            "api", "billing", "cart", "edge", "frontend", "ingest", "ledger", "mail", "orders",
            "search", "stock", "users",
        ];
        self.rng.choice(WORDS).unwrap_or("api")
    }
}

fn uri(call: &Call, namespace: &str, name: &str) -> String {
    let root = if call.group.is_empty() {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{}/v1", call.group)
    };
    let collection = format!("{root}/namespaces/{namespace}/{}", call.resource);
    match (call.verb, call.subresource) {
        ("list", _) => format!("{collection}?limit=500&resourceVersion=0"),
        ("watch", _) => format!(
            "{collection}?allowWatchBookmarks=true&resourceVersion=812734&timeoutSeconds=412&watch=true"
        ),
        ("create", "") => {
            format!("{collection}?fieldManager=kubectl-client-side-apply&fieldValidation=Strict")
        }
        (_, "") => format!("{collection}/{name}?timeout=10s"),
        ("create", "exec") => format!(
            "{collection}/{name}/exec?command=sh&command=-c&command=id&container=main&stdout=true"
        ),
        (_, sub) => format!("{collection}/{name}/{sub}"),
    }
}

/// `2026-11-23T05:12:26.477108Z` from microseconds since the epoch; the generator stays within one day.
fn time(micros: u64) -> String {
    let seconds = micros / 1_000_000 % 86_400;
    format!(
        "2026-11-23T{:02}:{:02}:{:02}.{:06}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        micros % 1_000_000
    )
}

const NODE: (&str, &str, &str) = (
    "system:node:worker-1",
    r#""system:nodes","system:authenticated""#,
    "kubelet/v1.36.2 (linux/amd64) kubernetes/98b3519",
);
const CONTROLLER: (&str, &str, &str) = (
    "system:kube-controller-manager",
    r#""system:authenticated""#,
    "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519/leader-election",
);
const ACCOUNT: (&str, &str, &str) = (
    "system:serviceaccount:team-cart:operator",
    r#""system:serviceaccounts","system:serviceaccounts:team-cart","system:authenticated""#,
    "operator/v0.0.0 (linux/amd64) kubernetes/$Format",
);
const PERSON: (&str, &str, &str) = (
    "jane@example.com",
    r#""developers","system:authenticated""#,
    "kubectl/v1.36.2 (linux/amd64) kubernetes/98b3519",
);

const fn call(
    who: (&'static str, &'static str, &'static str),
    verb: &'static str,
    what: (&'static str, &'static str, &'static str),
    body: Option<fn(&mut Rng) -> String>,
    weight: u32,
) -> Call {
    let ((user, groups, agent), (resource, group, subresource)) = (who, what);
    Call {
        user,
        groups,
        agent,
        verb,
        resource,
        group,
        subresource,
        body,
        weight,
    }
}

static MOST_FREQUENT: Call = call(
    NODE,
    "update",
    ("leases", "coordination.k8s.io", ""),
    None,
    240,
);

static CALLS: &[Call] = &[
    call(
        CONTROLLER,
        "get",
        ("leases", "coordination.k8s.io", ""),
        None,
        120,
    ),
    call(
        CONTROLLER,
        "update",
        ("leases", "coordination.k8s.io", ""),
        None,
        110,
    ),
    call(NODE, "get", ("nodes", "", ""), None, 60),
    call(NODE, "patch", ("pods", "", "status"), Some(bodies::pod), 60),
    call(NODE, "get", ("secrets", "", ""), None, 25),
    call(NODE, "create", ("serviceaccounts", "", "token"), None, 15),
    call(CONTROLLER, "list", ("pods", "", ""), None, 60),
    call(
        CONTROLLER,
        "watch",
        ("endpointslices", "discovery.k8s.io", ""),
        None,
        60,
    ),
    call(
        CONTROLLER,
        "create",
        ("pods", "", ""),
        Some(bodies::pod),
        30,
    ),
    call(
        CONTROLLER,
        "update",
        ("replicasets", "apps", "status"),
        Some(bodies::deployment),
        20,
    ),
    call(
        CONTROLLER,
        "update",
        ("endpointslices", "discovery.k8s.io", ""),
        None,
        40,
    ),
    call(ACCOUNT, "get", ("configmaps", "", ""), None, 60),
    call(ACCOUNT, "watch", ("configmaps", "", ""), None, 40),
    call(
        ACCOUNT,
        "update",
        ("configmaps", "", ""),
        Some(bodies::configmap),
        15,
    ),
    call(PERSON, "get", ("pods", "", ""), None, 20),
    call(PERSON, "list", ("deployments", "apps", ""), None, 15),
    call(PERSON, "get", ("pods", "", "log"), None, 5),
    call(
        PERSON,
        "patch",
        ("deployments", "apps", ""),
        Some(bodies::deployment),
        5,
    ),
    call(PERSON, "create", ("pods", "", "exec"), None, 1),
    call(PERSON, "create", ("pods", "", ""), Some(bodies::pod), 1),
];
