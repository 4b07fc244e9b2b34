//! A gateway of a test's own: `kubevigil record` before a scripted API server.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::daemon::{Daemon, PATIENCE};
use crate::sender::{Answer, Sender};
use crate::upstream::Upstream;

/// Everything, with bodies; the first stage left out.
pub(crate) const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
";

/// What a gateway starts with.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) upstream: Upstream,
    /// More arguments.
    pub(crate) flags: Vec<String>,
}

impl Place {
    /// A policy, an API server, and a kubeconfig for it. No backend yet.
    pub(crate) fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            upstream: Upstream::start(),
            flags: Vec::new(),
        };
        place.write("policy.yaml", POLICY);
        let server = format!("http://{}", place.upstream.address);
        place.write("upstream.yaml", &kubeconfig(&server));
        place
    }

    /// The same with an API server that speaks TLS, so that the gateway's own credentials reach it.
    pub(crate) fn new_tls() -> Self {
        let authority = Authority::new();
        let mut place = Self::new();
        place.upstream = Upstream::start_tls(&authority);
        let ca = place.write("upstream-ca.crt", &authority.pem());
        let address = place.upstream.address;
        let config = format!(
            "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: 'https://{address}', certificate-authority: {}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: gateway}}}}]
current-context: c
users: [{{name: gateway, user: {{token: gateway}}}}]
",
            ca.display()
        );
        place.write("upstream.yaml", &config);
        place
    }

    /// With these arguments besides; `{}` stands for the test's folder.
    pub(crate) fn with(mut self, flags: &[&str]) -> Self {
        let folder = self.folder.path().display().to_string();
        let flags = flags.iter().map(|flag| flag.replace("{}", &folder));
        self.flags.extend(flags);
        self
    }

    /// With a log that is written before requests are answered.
    pub(crate) fn with_log(self) -> Self {
        self.with(&["--audit-log-path={}/audit.log"])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// The command that runs the gateway.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.path(name).display());
        command
            .arg("record")
            .arg(file("audit-policy-file", "policy.yaml"))
            .arg(file("upstream-kubeconfig", "upstream.yaml"))
            .arg(file("state-dir", "state"))
            .args([
                "--token-review",
                "--secure-port=0",
                "--metrics-listen=127.0.0.1:0",
            ])
            .args(&self.flags)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) fn start(&self) -> Daemon {
        Daemon::spawn(self.command().stdout(Stdio::null())).ready()
    }

    /// The events in the log, once there are so many.
    pub(crate) fn events(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let events = events(&fs::read_to_string(self.path("audit.log")).unwrap_or_default());
            if events.len() >= count || start.elapsed() > PATIENCE {
                assert_eq!(events.len(), count, "{events:#?}");
                return events;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The events of a log, one a line; a last line that is not whole is none yet.
pub(crate) fn events(log: &str) -> Vec<Value> {
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A kubeconfig without credentials.
pub(crate) fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: '{server}'}}}}]
contexts: [{{name: c, context: {{cluster: c, user: ''}}}}]
current-context: c
users: []
"
    )
}

/// A client of a gateway.
pub(crate) struct Client(Sender);

impl Client {
    /// A connection to the gateway.
    pub(crate) fn connect(daemon: &Daemon) -> Self {
        Self(Sender::connect(address(daemon)))
    }

    /// A client on a connection that there is.
    pub(crate) fn over(connection: Sender) -> Self {
        Self(connection)
    }

    /// Asks as somebody whose token is their name; as nobody without one.
    pub(crate) fn ask(&mut self, token: &str, method: &str, target: &str, body: &str) -> Answer {
        self.send(token, method, target, body);
        self.0.answer().unwrap()
    }

    /// Sends a request and does not wait for its answer.
    pub(crate) fn send(&mut self, token: &str, method: &str, target: &str, body: &str) {
        let credentials = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        self.0.write(&format!(
            "{method} {target} HTTP/1.1\r\nHost: gateway\r\nUser-Agent: test\r\n{credentials}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// The answer to what was sent; `None` when the connection has ended.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        self.0.answer().ok()
    }
}

/// Where the gateway listens.
pub(crate) fn address(daemon: &Daemon) -> SocketAddr {
    daemon.address("auditing gateway on http://")
}
