//! kubectl works through the gateway, and what it does is recorded.
//!
//! The oldest and the newest kubectl that are found are run: they ask for different protocols. Without one the tests are skipped.

mod cluster;
mod spdy;
mod websocket;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kubevigil_gateway::identity::TokenReviewConfig;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use self::cluster::Cluster;
use crate::authority::Authority;
use crate::gateway::{Files, Running, kubeconfig};
use crate::upstream::Upstream;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: dev\ndata:\n  colour: ";

/// What is run: arguments, standard input.
const COMMANDS: &[(&str, &str)] = &[
    ("get pods -o name", ""),
    ("get configmap missing", ""),
    ("apply --validate=false -f MANIFEST", "red"),
    ("apply --validate=false -f MANIFEST", "green"),
    (
        "apply --validate=false --server-side --force-conflicts -f MANIFEST",
        "blue",
    ),
    ("get configmap settings -o jsonpath={.data.colour}", ""),
    ("get pods --watch -o name", ""),
    ("logs -f web", ""),
    ("exec -i web -- cat", "over and back"),
    ("get pods -o name --as=jane", ""),
    ("delete configmap settings --wait=false", ""),
];

/// What every kubectl prints, whatever else it asks for.
const PRINTED: &[&str] = &[
    "configmaps \"missing\" not found",
    "configmap/settings created",
    "configmap/settings configured",
    "configmap/settings serverside-applied",
    "$ kubectl get configmap settings -o jsonpath={.data.colour}\nblue\n",
    "pod/web\npod/db\npod/cache\n",
    "started\nready\n",
    "over and back\n",
    " as jane 200 ",
    "configmap \"settings\" deleted",
];
/// The minor versions that ask for the same.
const SNAPPED: std::ops::RangeInclusive<u32> = 27..=33;

/// A kubectl with a home of its own.
struct Kubectl {
    program: PathBuf,
    home: tempfile::TempDir,
    config: PathBuf,
}

impl Kubectl {
    /// Runs a command; what it prints, and what it complains about.
    async fn run(&self, arguments: &str, input: &str) -> String {
        let manifest = self.home.path().join("manifest.yaml");
        fs::write(&manifest, format!("{MANIFEST}{input}\n")).unwrap();
        let arguments = arguments.replace("MANIFEST", &manifest.display().to_string());
        let mut running = Command::new(&self.program)
            .args(arguments.split(' '))
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &self.config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let limit = std::time::Duration::from_secs(60);
        let output = tokio::time::timeout(limit, running.wait_with_output());
        let output = output.await.expect("kubectl does not end").unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    }
}

/// The programs that are really kubectl, oldest first: a dispatcher in the path has the versions beside it.
fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("kubectl"));
    let Some(found) = found
        .filter_map(|program| program.canonicalize().ok())
        .next()
    else {
        return Vec::new();
    };
    let beside = fs::read_dir(found.parent().unwrap_or(Path::new("/")));
    let mut versions: Vec<PathBuf> = beside
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("kubectl.1.")
        })
        .collect();
    versions.sort();
    match versions.len() {
        0 => vec![found],
        1 => versions,
        count => vec![versions[0].clone(), versions[count - 1].clone()],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_through_it_and_what_it_does_is_recorded() {
    let programs = programs();
    if programs.is_empty() {
        eprintln!("skipped: there is no kubectl");
    }
    for program in programs {
        let (transcript, minor) = transcript(program).await;
        for printed in PRINTED {
            assert!(
                transcript.contains(printed),
                "1.{minor} did not print {printed}: {transcript}"
            );
        }
        // Which protocol is asked for is told apart by the verb.
        let protocol = match transcript.contains("get /api/v1/namespaces/dev/pods/web/exec") {
            true => "websocket",
            false => "spdy",
        };
        if SNAPPED.contains(&minor) {
            insta::assert_snapshot!(format!("kubectl_over_{protocol}"), transcript);
        }
    }
}

/// The minor version of the kubectl that sent these requests, as it says itself: `kubectl/v1.33.1 (linux/amd64)`.
fn minor(lines: &[String]) -> u32 {
    let events = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut agents = events.map(|event| event["userAgent"].as_str().unwrap_or_default().to_owned());
    let agent = agents.find_map(|agent| Some(agent.split_once("/v1.")?.1.to_owned()));
    let minor = agent.unwrap_or_default();
    minor
        .split('.')
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or_default()
}

/// What a kubectl printed and what was recorded of it, and its version.
async fn transcript(program: PathBuf) -> (String, u32) {
    let servers = Authority::new("servers");
    let certificate = servers.server();
    let upstream = Upstream::start(Some(certificate.server_config()), Cluster::answers()).await;
    let files = Files::new();
    let mut config = files.config(&servers, upstream.address);
    config.identity.token_review = Some(TokenReviewConfig::default());
    let gateway = Running::start(config, "rules: [{level: RequestResponse}]").await;
    let ca = files.write("ca.crt", &servers.pem());
    let access = kubeconfig(&format!("https://{}", gateway.address), &ca, "admin");
    let kubectl = Kubectl {
        program,
        home: tempfile::tempdir().unwrap(),
        config: files.write("kubeconfig", &access),
    };
    let mut transcript = String::new();
    for (arguments, input) in COMMANDS {
        let seen = gateway.lines().len();
        let printed = kubectl.run(arguments, input).await;
        transcript += &format!("$ kubectl {arguments}\n{}\n", printed.trim_end());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        for line in &gateway.lines()[seen..] {
            transcript += &told(line);
        }
    }
    let minor = minor(&gateway.finish().await);
    (transcript, minor)
}

/// An event in short; none of those by which kubectl finds out what there is.
fn told(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let uri = text("/requestURI");
    if !uri.starts_with("/api/v1/") {
        return String::new();
    }
    let mut told = format!(
        "  {:16} {} {uri} {}",
        text("/stage"),
        text("/verb"),
        text("/user/username")
    );
    if event.get("impersonatedUser").is_some() {
        told += &format!(" as {}", text("/impersonatedUser/username"));
    }
    if let Some(code) = event.pointer("/responseStatus/code") {
        told += &format!(" {code}");
    }
    for object in ["requestObject", "responseObject"] {
        if let Some(object) = event.get(object) {
            told += &format!(" {}", object["kind"].as_str().unwrap_or("object"));
        }
    }
    told + "\n"
}
