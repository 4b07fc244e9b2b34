//! The policy's file changes while requests are on their way.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_audit::event::{EventView, Level, Stage};
use kubevigil_audit::policy::{Policy, PolicyLevel};
use kubevigil_audit::request_info::RequestInfo;
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::encode::json_line;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::metrics::RecordMetrics;
use kubevigil_record::policy_file::{
    LivePolicy, LoadedPolicy, Look, POLICY_DIGEST, POLICY_FILE, PREVIOUS_DIGEST, PolicyError,
    change_event,
};
use kubevigil_record::sink::{Events, Sink, SinkError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Keeps events, unless it is told to lose them.
#[derive(Default)]
struct Memory {
    events: Mutex<Vec<AuditEvent>>,
    loses: AtomicBool,
}

#[async_trait]
impl Sink for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        if self.loses.load(Ordering::Relaxed) {
            return Err(SinkError::new("log", "no room"));
        }
        let events = events.iter().map(|event| AuditEvent::clone(event));
        self.events.lock().unwrap().extend(events);
        Ok(())
    }
}

/// A policy of one rule for everything.
fn policy(level: &str) -> String {
    format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: {level}\n")
}

fn level_of(policy: &Policy) -> PolicyLevel {
    policy.rules.first().unwrap().level.unwrap()
}

struct Setup {
    folder: tempfile::TempDir,
    sink: Arc<Memory>,
    auditing: Arc<Auditing>,
    live: Arc<LivePolicy>,
}

impl Setup {
    /// A file in force that wants metadata.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.yaml"), policy("Metadata")).unwrap();
        Self::of(folder)
    }

    fn of(folder: tempfile::TempDir) -> Self {
        let sink = Arc::new(Memory::default());
        let loaded = LoadedPolicy::read(folder.path().join("policy.yaml")).unwrap();
        let auditing = Auditing::new(loaded.policy.clone(), Arc::clone(&sink) as Arc<dyn Sink>);
        let live = LivePolicy::new(loaded, Arc::clone(&auditing));
        Self {
            folder,
            sink,
            auditing,
            live,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("policy.yaml")
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        fs::write(self.path(), content).unwrap();
    }

    fn in_force(&self) -> PolicyLevel {
        level_of(&self.auditing.policy())
    }

    fn events(&self) -> usize {
        self.sink.events.lock().unwrap().len()
    }

    async fn refusal(&self, insist: bool) -> PolicyError {
        match self.live.look(insist).await {
            Look::Refused(error) => error,
            other => panic!("{other:?}"),
        }
    }
}

fn is_unchanged(look: &Look) -> bool {
    matches!(look, Look::Unchanged)
}

fn b3(text: &str) -> String {
    format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())
}

#[tokio::test]
async fn another_content_is_put_into_force_and_recorded() {
    let setup = Setup::new();
    assert!(is_unchanged(&setup.live.look(true).await));
    setup.write(policy("Request"));
    let Look::Changed { digest, previous } = setup.live.look(false).await else {
        panic!("not changed");
    };
    assert_eq!(
        (&digest, &previous),
        (&b3(&policy("Request")), &b3(&policy("Metadata")))
    );
    assert_eq!(setup.in_force(), PolicyLevel::Request);
    let event = setup.sink.events.lock().unwrap().remove(0);
    let file = setup.path().to_string_lossy().into_owned();
    assert_eq!(event.annotations.get(POLICY_FILE), Some(&file));
    assert_eq!(event.annotations.get(POLICY_DIGEST), Some(&digest));
    assert_eq!(event.annotations.get(PREVIOUS_DIGEST), Some(&previous));
    assert!(event.request_received.is_some());
    assert!(is_unchanged(&setup.live.look(false).await));
    assert_eq!((setup.live.reloads(), setup.live.failed_reloads()), (1, 0));
}

#[tokio::test]
async fn a_config_map_that_swaps_its_link_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, level: &str| {
        let version = folder.path().join(name);
        fs::create_dir(&version).unwrap();
        fs::write(version.join("policy.yaml"), policy(level)).unwrap();
        version
    };
    let old = version("..1", "Metadata");
    symlink(&old, folder.path().join("..data")).unwrap();
    symlink("..data/policy.yaml", folder.path().join("policy.yaml")).unwrap();
    let new = version("..2", "None");
    let setup = Setup::of(folder);
    let swap = |to: &Path| {
        let (link, data) = (
            setup.folder.path().join("..tmp"),
            setup.folder.path().join("..data"),
        );
        symlink(to, &link).unwrap();
        fs::rename(link, data).unwrap();
    };
    swap(&new);
    assert!(matches!(setup.live.look(false).await, Look::Changed { .. }));
    assert_eq!(setup.in_force(), PolicyLevel::None);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_said_once_with_all_its_mistakes() {
    let setup = Setup::new();
    setup.write("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Everything\n- level: None\n  resources: [{group: a/b}]\n");
    let error = setup.refusal(false).await;
    let text = error.to_string();
    assert!(
        text.contains("Everything") && text.contains("a/b"),
        "{text}"
    );
    assert!(text.contains("policy.yaml:4:"), "the place is said: {text}");
    assert!(is_unchanged(&setup.live.look(false).await), "said already");
    setup.refusal(true).await;
    assert_eq!(
        (setup.in_force(), setup.events()),
        (PolicyLevel::Metadata, 0)
    );
    assert_eq!(setup.live.failed_reloads(), 2);

    setup.write(policy("Metadata"));
    assert!(
        is_unchanged(&setup.live.look(false).await),
        "what is in force is back"
    );
    setup.write(policy("Request"));
    assert!(matches!(setup.live.look(false).await, Look::Changed { .. }));
}

#[tokio::test]
async fn what_cannot_be_a_policy_says_why() {
    let setup = Setup::new();
    setup.write(b"rules:\xff");
    let path = setup.path().display().to_string();
    assert_eq!(
        setup.refusal(false).await.to_string(),
        format!("the audit policy {path} is no UTF-8 text: byte 6 is none; write it as YAML")
    );
    setup.write("");
    assert!(matches!(
        setup.refusal(false).await,
        PolicyError::Invalid { .. }
    ));
    fs::remove_file(setup.path()).unwrap();
    let error = setup.refusal(false).await.to_string();
    assert!(
        error.starts_with(&format!(
            "cannot read the audit policy {path}: No such file"
        )),
        "{error}"
    );
    assert!(is_unchanged(&setup.live.look(false).await), "said already");
    let at_start = LoadedPolicy::read(setup.path()).unwrap_err();
    assert_eq!(at_start.to_string(), error);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_put_off() {
    let setup = Setup::new();
    setup.sink.loses.store(true, Ordering::Relaxed);
    setup.write(policy("None"));
    for _ in 0..2 {
        let error = setup.refusal(false).await;
        assert!(
            error
                .to_string()
                .ends_with("cannot be recorded, so it is put off: log: no room")
        );
        assert_eq!(setup.in_force(), PolicyLevel::Metadata);
    }
    setup.sink.loses.store(false, Ordering::Relaxed);
    assert!(matches!(setup.live.look(false).await, Look::Changed { .. }));
    assert_eq!((setup.in_force(), setup.events()), (PolicyLevel::None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_until_it_is_done() {
    let setup = Setup::new();
    let whole = policy("None") + "- level: Request\n";
    setup.write(policy("None"));
    let live = Arc::clone(&setup.live);
    let look = tokio::spawn(async move { live.look(false).await });
    tokio::time::sleep(Duration::from_millis(40)).await;
    setup.write(&whole);
    assert!(is_unchanged(&look.await.unwrap()));
    assert_eq!(setup.in_force(), PolicyLevel::Metadata);
    let Look::Changed { digest, .. } = setup.live.look(false).await else {
        panic!("not changed");
    };
    assert_eq!(digest, b3(&whole));
}

#[tokio::test(start_paused = true)]
async fn the_file_is_looked_at_without_being_asked_for_it() {
    let setup = Setup::new();
    let stop = CancellationToken::new();
    let (live, stopped) = (Arc::clone(&setup.live), stop.clone());
    let watching = tokio::spawn(async move { live.watch(stopped).await });
    setup.write(policy("Request"));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(setup.in_force(), PolicyLevel::Request);
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn the_numbers_say_what_happened_to_the_policy() {
    let setup = Setup::new();
    let metrics = RecordMetrics {
        auditing: Arc::clone(&setup.auditing),
        errors: Arc::default(),
        durable: Vec::new(),
        policy: Some(Arc::clone(&setup.live)),
    };
    setup.write("rules: 1");
    setup.refusal(false).await;
    setup.write(policy("None"));
    setup.live.look(false).await;
    let figures = metrics.figures();
    assert_eq!(
        (figures.policy_reloads, figures.policy_reload_failures),
        (1, 1)
    );
    assert_eq!((figures.events, figures.requests_rejected), (1, 0));
    assert_eq!(
        figures.errors.map(|(plugin, _)| plugin),
        ["log", "webhook", "buffered", "truncate"]
    );
    assert_eq!(figures.levels.map(|(_, requests)| requests), [0; 4]);
}

#[test]
fn the_event_of_a_change_is_one_that_every_reader_of_audit_logs_understands() {
    let now = Timestamp::parse(b"2026-07-23T18:32:12.123456Z").unwrap();
    let event = change_event(
        Path::new("/etc/kubevigil/policy.yaml"),
        "blake3:new",
        "blake3:old",
        Uuid::nil(),
        now,
    );
    let line = String::from_utf8(json_line(&event).unwrap()).unwrap();
    let expected = concat!(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"00000000-0000-0000-0000-000000000000","#,
        r#""stage":"ResponseComplete","requestURI":"/apis/kubevigil.io/v1/auditpolicies/current","verb":"update","#,
        r#""user":{"username":"system:kubevigil"},"userAgent":"kubevigil/VERSION","objectRef":{"resource":"auditpolicies","#,
        r#""name":"current","apiGroup":"kubevigil.io","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"#,
        r#""requestReceivedTimestamp":"2026-07-23T18:32:12.123456Z","stageTimestamp":"2026-07-23T18:32:12.123456Z","#,
        r#""annotations":{"kubevigil.io/policy-digest":"blake3:new","kubevigil.io/policy-file":"/etc/kubevigil/policy.yaml","#,
        r#""kubevigil.io/policy-previous-digest":"blake3:old"}}"#,
        "\n"
    );
    assert_eq!(line, expected.replace("VERSION", env!("CARGO_PKG_VERSION")));

    let read = EventView::read(line.as_bytes()).unwrap();
    assert_eq!(
        (read.level(), read.stage()),
        (Some(Level::Metadata), Some(Stage::ResponseComplete))
    );
    assert_eq!(
        read.annotation(POLICY_DIGEST).as_deref(),
        Some("blake3:new")
    );
    let info = RequestInfo::of("PUT", &event.request_uri).unwrap();
    let object = event.object_ref.unwrap();
    assert_eq!(
        (&*info.verb, &*info.resource, &*info.name, &*info.api_group),
        (
            "update",
            object.resource.as_str(),
            object.name.as_str(),
            object.api_group.as_str()
        )
    );
}
