//! Health checks, metrics, memory.

use std::collections::HashSet;
use std::process::Stdio;

use crate::daemon::{Daemon, MARKED, Setup};
use crate::events::{event, list, quiet};

#[test]
fn a_daemon_is_alive_and_ready() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    for path in ["/healthz", "/readyz"] {
        let answer = daemon.get(path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "ok\n"),
            "{path}"
        );
        assert_eq!(
            daemon.sender().get(path).status,
            200,
            "{path} of the webhook"
        );
    }
    assert_eq!(daemon.get("/").status, 404);
}

#[test]
fn metrics_count_what_happened() {
    let mut setup = Setup::new();
    let mut daemon = setup.start();
    let batch = list(&[event("a"), quiet("b"), quiet("c")]);
    daemon.sender().deliver(&batch);
    setup.alerts().wait_for(1);
    daemon.sender().deliver(&batch);
    assert_eq!(daemon.sender().post("no JSON").status, 400);
    let bytes = (event("a").len() + 2 * quiet("b").len()) as u64;
    let samples = [
        ("source_events_total{source=\"webhook\"}", 6),
        ("source_bytes_total{source=\"webhook\"}", 2 * bytes),
        ("source_batches_total{source=\"webhook\"}", 2),
        ("source_problems_total{source=\"webhook\"}", 1),
        ("webhook_answers_total{status=\"200\"}", 2),
        ("webhook_answers_total{status=\"400\"}", 1),
        ("webhook_dead_letters_total", 1),
        ("detect_events_total", 3),
        ("alerts_total", 1),
        ("rule_matches_total{rule=\"Marked request\"}", 1),
        ("journal_records{journal=\"events\"}", 3),
        ("journal_duplicates_total{journal=\"events\"}", 3),
        ("journal_lag{journal=\"events\",reader=\"detect\"}", 0),
        ("journal_records{journal=\"alerts\"}", 1),
        ("output_delivered_total{output=\"file\"}", 1),
        ("output_lag{output=\"file\"}", 0),
    ];
    for (sample, value) in samples {
        daemon.counts(&format!("kubevigil_{sample}"), value);
    }
    assert!(
        daemon
            .metric("kubevigil_journal_bytes{journal=\"events\"}")
            .unwrap()
            > bytes
    );
}

/// The tables of the page are those of the catalogue; this is about what is really served.
#[test]
fn the_metrics_that_are_served_are_those_that_are_documented() {
    let mut setup = Setup::new();
    // The source that has most to count.
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    setup.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0'}}, record: {{policy: {}, log: {{path: {}, mode: durable}}, \
         gateway: {{listen: '127.0.0.1:0', upstream: {{server: 'http://127.0.0.1:1'}}}}}}}}",
        setup.write("policy.yaml", policy).display(),
        setup.path("audit.log").display()
    );
    let daemon = setup.start();
    let body = daemon.get("/metrics").body;
    let families = body.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let suffix = if kind == "counter" { "_total" } else { "" };
        Some(format!("{name}{suffix}"))
    });
    let page = include_str!("../../docs/metrics.md");
    let listed = page.lines().filter_map(|line| {
        let row = line.strip_prefix("| `")?;
        let (name, rest) = row.split_once("` | ")?;
        (rest.starts_with("counter |") || rest.starts_with("gauge |")).then(|| name.to_owned())
    });
    let (served, listed): (HashSet<_>, HashSet<_>) = (families.collect(), listed.collect());
    assert!(served.len() > 50, "{served:?}");
    let differing: Vec<_> = served.symmetric_difference(&listed).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

/// The grammar of OpenMetrics, as far as it is used.
#[test]
fn metrics_are_openmetrics() {
    let mut setup = Setup::new();
    let log = setup.path("audit.log");
    setup.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0'}}, files: [{{paths: [{0}]}}, {{paths: [{0}.other]}}]}}",
        log.display()
    );
    let name = r#"rule: 'A "quoted" \ name'"#;
    setup.write("rules.yaml", &MARKED.replace("rule: Marked request", name));
    let daemon = setup.start();
    daemon.sender().deliver(&list(&[event("a")]));
    setup.alerts().wait_for(1);
    let answer = daemon.get("/metrics");
    let content_type = answer.header("content-type").unwrap();
    assert!(
        content_type.starts_with("application/openmetrics-text; version=1.0.0"),
        "{content_type}"
    );
    let body = answer.body.strip_suffix("# EOF\n").expect("the end mark");
    let sample = regex::Regex::new(r#"^[a-z_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9.]+$"#).unwrap();
    let (mut families, mut samples, mut current) = (HashSet::new(), HashSet::new(), String::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(current.clone()), "{current} twice");
        } else if !line.starts_with("# HELP ") {
            assert!(sample.is_match(line), "no sample: {line}");
            assert!(line.starts_with(&current), "{line} stands in {current}");
            assert!(
                samples.insert(line.rsplit_once(' ').unwrap().0),
                "{line} twice"
            );
        }
    }
    assert!(body.contains(r#"rule="A \"quoted\" \\ name""#), "{body}");
}

#[test]
fn an_idle_daemon_takes_little_memory() {
    let setup = Setup::new();
    // As people start it first: everything at its default, but for the ports.
    let config = "sources: {webhook: {listen: '127.0.0.1:0'}}\nhealth: {listen: '127.0.0.1:0'}\n";
    let file = setup.write("idle.yaml", config);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    command
        .args(["run", "-c"])
        .arg(file)
        .arg("--state-dir")
        .arg(&setup.state)
        .stdout(Stdio::null());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.says("health checks and metrics on");
    let Some(idle) = daemon.memory() else {
        eprintln!("skipped: this system does not tell how much memory a process takes");
        return;
    };
    eprintln!("an idle daemon takes {idle} KiB");
    assert!(idle < 48 << 10, "{idle} KiB");
}
