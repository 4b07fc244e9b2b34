//! `make run`, as a newcomer types it: but for the profile, because an optimised build takes minutes, and for free ports.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A build may have to come first.
const PATIENCE: Duration = Duration::from_secs(600);

/// `make run` in a process group of its own, ended with its children.
struct Make(Child);

impl Make {
    fn run(config: &str, folder: &tempfile::TempDir) -> Option<Self> {
        let file = folder.path().join("kubevigil.yaml");
        fs::write(&file, config).unwrap();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let made = Command::new("make")
            .args(["--no-print-directory", "run", "PROFILE=dev"])
            .arg(format!("CARGO={}", env!("CARGO")))
            .arg(format!("ARGUMENTS=-c {}", file.display()))
            .current_dir(root)
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        if made.is_err() {
            eprintln!("skipped: there is no make here");
        }
        made.ok().map(Self)
    }

    /// What Ctrl-C sends, to the whole group as a terminal does.
    fn interrupt(&self) {
        let group = format!("-{}", self.0.id());
        assert!(
            Command::new("kill")
                .args(["-INT", "--", &group])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Make {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill")
            .args(["-TERM", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.0.wait();
    }
}

/// The lines of a stream, as they come.
fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn make_run_shows_alerts_and_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = "sources: {webhook: {listen: '127.0.0.1:0'}}\nhealth: {listen: '127.0.0.1:0'}\n";
    let Some(mut make) = Make::run(config, &folder) else {
        return;
    };
    let (stdout, stderr) = (make.0.stdout.take().unwrap(), make.0.stderr.take().unwrap());
    thread::spawn(move || std::io::copy(&mut { stderr }, &mut std::io::sink()));
    let output = lines(stdout);
    let mut seen = Vec::new();
    while !seen
        .iter()
        .any(|line: &String| line.starts_with("Ctrl-C ends it"))
    {
        seen.push(
            output
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{}", seen.join("\n"))),
        );
    }
    let alerts: Vec<_> = seen
        .iter()
        .filter(|line| line.contains("Exec into a pod (kv.effectiveUser="))
        .collect();
    assert!(alerts.len() >= 2, "{}", seen.join("\n"));
    assert!(
        seen.iter().any(|line| line.contains("events acknowledged")),
        "{}",
        seen.join("\n")
    );
    assert!(make.0.try_wait().unwrap().is_none(), "it stays up");
    make.interrupt();
    while let Ok(line) = output.recv_timeout(Duration::from_secs(20)) {
        seen.push(line);
    }
    make.0.wait().unwrap();
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["kubevigil.yaml"], "nothing is left behind");
}

#[test]
fn make_run_says_that_a_port_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!(
        "sources: {{webhook: {{listen: '{address}'}}}}\nhealth: {{listen: '127.0.0.1:0'}}\n"
    );
    let Some(make) = Make::run(&config, &folder) else {
        return;
    };
    let mut make = make;
    let (stdout, stderr) = (make.0.stdout.take().unwrap(), make.0.stderr.take().unwrap());
    thread::spawn(move || std::io::copy(&mut { stdout }, &mut std::io::sink()));
    let said: String = BufReader::new(stderr)
        .lines()
        .map_while(Result::ok)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(!make.0.wait().unwrap().success(), "{said}");
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(said.contains("another kubevigil may be running"), "{said}");
}
