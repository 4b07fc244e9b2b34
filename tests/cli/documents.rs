//! What the documentation says and what the program does are the same.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::kubevigil::{kubevigil, run};

fn document(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

/// `UPDATE_DOCS=1 cargo test -p kubevigil --test cli` writes the schema anew.
#[test]
fn the_schema_in_the_documentation_is_the_one_that_the_program_prints() {
    let printed = run(["config", "schema"], b"").stdout;
    let path = document("config.schema.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == printed,
        "docs/config.schema.json is stale; run the tests with UPDATE_DOCS=1"
    );
}

#[test]
fn the_schema_describes_every_key_and_forbids_others() {
    let schema: Value = serde_json::from_str(&run(["config", "schema"], b"").stdout).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let definitions = schema["$defs"].as_object().unwrap().values();
    let objects: Vec<&Value> = definitions
        .chain([&schema])
        .filter(|object| object.get("properties").is_some())
        .collect();
    assert!(objects.len() > 8, "only {} objects", objects.len());
    for object in objects {
        assert_eq!(object["additionalProperties"], false, "{object}");
        for (key, property) in object["properties"].as_object().unwrap() {
            let described = property.get("description").is_some();
            assert!(
                described || is_variant(object),
                "{key} is not described in {object}"
            );
        }
    }
}

/// Whether an object is one kind of something, described as a whole.
fn is_variant(object: &Value) -> bool {
    object["required"]
        .as_array()
        .is_some_and(|required| required.len() == 1)
}

/// Pages show configurations; some name files that only their reader has.
#[test]
fn the_configurations_in_the_documentation_are_accepted() {
    for (page, count) in [
        ("configuration.md", 2),
        ("record.md", 1),
        ("kube-apiserver.md", 2),
        ("falco.md", 1),
    ] {
        let text = fs::read_to_string(document(page)).unwrap();
        let examples = text.split("```yaml\n").skip(1);
        let examples = examples.map(|rest| rest.split("```").next().unwrap());
        let is_ours = |example: &&str| example.lines().any(|line| line == "sources:");
        let reports: Vec<Value> = examples.filter(is_ours).map(check).collect();
        assert_eq!(reports.len(), count, "{page}");
        for report in reports {
            let errors = report["errors"].as_array().unwrap();
            let of_the_file = errors.iter().filter(|error| !about_other_files(error));
            assert_eq!(of_the_file.count(), 0, "{page}: {report}");
        }
    }
}

/// What `config check` says of a configuration whose files are there and empty.
fn check(configuration: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubevigil.yaml");
    fs::write(&file, configuration).unwrap();
    for name in [
        "tls.crt",
        "tls.key",
        "client-ca.crt",
        "webhook-token",
        "sink-token",
        "policy.yaml",
        "upstream.yaml",
    ] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let arguments = [
        "config",
        "check",
        "--format",
        "json",
        file.to_str().unwrap(),
    ];
    serde_json::from_str(&run(arguments, b"").stdout).unwrap()
}

fn about_other_files(error: &Value) -> bool {
    let message = error["message"].as_str().unwrap();
    message.contains("cannot be read") || message.contains("cannot read")
}

#[test]
fn the_reference_of_the_command_line_has_every_option() {
    let page = fs::read_to_string(document("cli.md")).unwrap();
    for command in [
        "scan",
        "run",
        "record",
        "rules check",
        "rules list",
        "rules show",
        "rules test",
        "rules explain",
        "rules coverage",
        "rules fields",
        "policy check",
        "policy coverage",
        "policy eval",
        "policy explain",
        "policy recommend",
        "policy simulate",
        "policy request-info",
        "config check",
    ] {
        let (_, section) = page
            .split_once(&format!("## kubevigil {command}\n"))
            .unwrap();
        let section = section.split("\n## ").next().unwrap();
        let help = run(command.split(' ').chain(["--help"]), b"").stdout;
        let options = help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--"));
        let options = options.map(|rest| rest.split([' ', ',', '[']).next().unwrap());
        for option in options.filter(|option| !["color", "help"].contains(option)) {
            assert!(
                section.contains(&format!("`--{option}")),
                "{command} --{option} is not in docs/cli.md"
            );
        }
    }
}

#[test]
fn a_reader_who_stops_reading_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let sample = include_str!("sessions/formats/audit.log");
    fs::write(&log, sample.repeat(200)).unwrap();
    for format in ["text", "json", "falco"] {
        let mut scan = kubevigil();
        scan.args(["scan", "--format", format]).arg(&log);
        scan.stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = scan.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success(),
            "{format}: {} {complaints}",
            output.status
        );
        assert_eq!(complaints, "", "{format}");
    }
}
