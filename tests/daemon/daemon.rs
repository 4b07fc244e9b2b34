//! A daemon of a test's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::alerts::AlertFile;
use crate::sender::{Answer, Sender};

/// The longest that anything a test waits for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One rule that fires for each event whose verb is `marked`, which [`crate::events::event`] makes.
pub(crate) const MARKED: &str = "
- rule: Marked request
  desc: A request that a test has marked.
  condition: ka.verb = marked
  output: Marked request (user=%ka.user.name)
  priority: NOTICE
  source: k8s_audit
";

/// What a daemon starts with: a folder for everything, and its configuration.
pub(crate) struct Setup {
    folder: Arc<TempDir>,
    /// Where the state lies.
    pub(crate) state: PathBuf,
    /// Parts of the configuration, each a top-level key and what is below it.
    pub(crate) sources: String,
    pub(crate) rules: String,
    pub(crate) outputs: String,
    pub(crate) journal: String,
    pub(crate) limits: String,
    pub(crate) stdin: Stdio,
}

impl Setup {
    /// A webhook, the rule [`MARKED`] alone, alerts to a file.
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        fs::write(folder.path().join("rules.yaml"), MARKED).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        Self {
            state: folder.path().join("state"),
            sources: "{webhook: {listen: '127.0.0.1:0'}}".to_owned(),
            rules: format!("{{default_rules: false, files: [{}]}}", path("rules.yaml")),
            outputs: format!("[file: {{path: {}}}]", path("alerts.jsonl")),
            journal: "{}".to_owned(),
            limits: "{}".to_owned(),
            stdin: Stdio::null(),
            folder,
        }
    }

    /// A file of this name in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets only rules of this file run.
    pub(crate) fn with_rules(mut self, name: &str, rules: &str) -> Self {
        let file = self.write(name, rules);
        self.rules = format!("{{default_rules: false, files: [{}]}}", file.display());
        self
    }

    /// Writes a file into the test's folder.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// The alerts in the file output.
    pub(crate) fn alerts(&self) -> AlertFile {
        AlertFile::new(self.path("alerts.jsonl"))
    }

    /// The command that runs the daemon.
    pub(crate) fn command(&self) -> Command {
        let config = format!(
            "state_dir: {}\nsources: {}\nrules: {}\nstate: {}\njournal: {}\noutputs: {}\nhealth: {{listen: '127.0.0.1:0'}}\n",
            self.state.display(),
            self.sources,
            self.rules,
            self.limits,
            self.journal,
            self.outputs
        );
        let file = self.write("kubevigil.yaml", &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
        command
            .arg("run")
            .arg("-c")
            .arg(file)
            .env_remove("RUST_LOG");
        command
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn start(&mut self) -> Daemon {
        let stdin = std::mem::replace(&mut self.stdin, Stdio::null());
        let mut command = self.command();
        Daemon::spawn(command.stdin(stdin).stdout(Stdio::null())).ready()
    }

    /// Runs a daemon that is expected to fail at its start; gives its exit code and what it says.
    pub(crate) fn fails(&self) -> (Option<i32>, String) {
        failure(&mut self.command())
    }
}

/// Runs a command that is expected to end by itself; gives its exit code and what it says on standard error.
pub(crate) fn failure(command: &mut Command) -> (Option<i32>, String) {
    let mut daemon = Daemon::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()));
    let status = daemon.wait();
    (status.code(), daemon.log())
}

/// A running daemon; killed when the test ends.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    log: Arc<Mutex<String>>,
    reader: thread::JoinHandle<()>,
}

impl Daemon {
    /// Starts a command whose standard error is a daemon's log.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (into, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        let reader = thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                into.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { child, log, reader }
    }

    /// Waits until it listens.
    pub(crate) fn ready(mut self) -> Self {
        self.until("health checks and metrics on", |daemon| {
            assert!(
                daemon.child.try_wait().unwrap().is_none(),
                "the daemon has ended:\n{}",
                daemon.log()
            );
            daemon.log().contains("health checks and metrics on")
        });
        self
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log contains a text.
    pub(crate) fn says(&mut self, text: &str) {
        self.until(text, |daemon| daemon.log().contains(text));
    }

    /// Waits until something holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for: {what}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing is left; says what is if that takes too long without anything getting less.
    pub(crate) fn eventually(
        &mut self,
        what: &str,
        mut left: impl FnMut(&mut Self) -> Vec<String>,
    ) {
        let (mut start, mut before) = (Instant::now(), usize::MAX);
        loop {
            let left = left(self);
            if left.is_empty() {
                return;
            }
            if left.len() < before {
                (start, before) = (Instant::now(), left.len());
            }
            let some = &left[..left.len().min(10)];
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {}, like {some:?}\n{}",
                left.len(),
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The address that follows a text of the log.
    pub(crate) fn address(&self, after: &str) -> SocketAddr {
        let log = self.log();
        let rest = log.split_once(after).expect("no such address in the log").1;
        rest.split(['/', ' ', '\n'])
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Where the webhook listens.
    pub(crate) fn webhook(&self) -> SocketAddr {
        let scheme = if self.log().contains("audit webhook on https") {
            "https"
        } else {
            "http"
        };
        self.address(&format!("audit webhook on {scheme}://"))
    }

    /// A connection to the webhook.
    pub(crate) fn sender(&self) -> Sender {
        Sender::connect(self.webhook())
    }

    /// Asks the health server.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Sender::connect(self.address("health checks and metrics on http://")).get(path)
    }

    /// A metric's value, by its name and labels as they stand in the exposition.
    pub(crate) fn metric(&self, sample: &str) -> Option<u64> {
        let text = self.get("/metrics").body;
        let line = text.lines().find(|line| {
            line.strip_prefix(sample)
                .is_some_and(|rest| rest.starts_with(' '))
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until a metric has a value.
    pub(crate) fn counts(&mut self, sample: &str, value: u64) {
        self.until(&format!("{sample} {value}"), |daemon| {
            daemon.metric(sample) == Some(value)
        });
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        assert!(
            Command::new("kill")
                .args([&signal, &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        self.until("the end of the process", |daemon| {
            status = daemon.child.try_wait().unwrap();
            status.is_some()
        });
        self.read_to_the_end();
        status.unwrap()
    }

    /// What it said last may still be on its way through the pipe. A child of its own that lives on would keep the pipe open,
    /// so there is a limit.
    fn read_to_the_end(&self) {
        let start = Instant::now();
        while !self.reader.is_finished() && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn terminate(mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }

    /// Kilobytes of memory that are in use, without the pages of the program itself: those of a build for tests are many.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(
            Path::new("/proc")
                .join(self.child.id().to_string())
                .join("status"),
        )
        .ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
