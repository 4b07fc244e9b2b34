//! What the guides show, and give people to copy: a report, an audit policy, the manifests of a cluster.

use std::fs;
use std::path::Path;

use kubevigil_yaml::Node;
use serde_json::Value;

use crate::kubevigil::{finish, kubevigil, run};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs").join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

fn block_with(page: &str, text: &str) -> String {
    let found = blocks(page).into_iter().find(|block| block.contains(text));
    found.unwrap()
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    let outcome = run(arguments, b"");
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_report_of_the_introduction_is_the_one_that_its_command_prints() {
    let page = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (_, block) = page.split_once("```console\n$ kubevigil ").unwrap();
    let mut shown = block.split("```").next().unwrap().lines();
    let mut command = kubevigil();
    command.args(shown.next().unwrap().split(' '));
    command.current_dir(ROOT);
    let printed = finish(command, b"").stdout;

    let but_for_the_time = |line: &str| line.split(" read in ").next().unwrap().to_owned();
    let printed: Vec<String> = printed.lines().map(but_for_the_time).collect();
    for line in shown.filter(|line| *line != "…").map(but_for_the_time) {
        assert!(printed.contains(&line), "{line}");
    }
}

#[test]
fn the_policy_of_the_guide_is_without_findings_and_lets_every_default_rule_fire() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, block_with("kube-apiserver.md", "kind: Policy\n")).unwrap();
    let file = file.to_str().unwrap();

    let reports = lines(&["policy", "check", "--format", "json", file]);
    assert_eq!(reports.len(), 1);
    let findings = reports[0]["diagnostics"].as_array().unwrap();
    assert!(findings.is_empty(), "{findings:?}");

    let rules = lines(&[
        "policy", "coverage", "--policy", file, "--all", "--format", "json",
    ]);
    assert!(rules.len() > 200, "only {} rules", rules.len());
    let silent = |rule: &&Value| rule["fires"] != "fully" && rule["fires"] != "partly";
    let silent: Vec<&Value> = rules
        .iter()
        .filter(silent)
        .map(|rule| &rule["rule"])
        .collect();
    assert!(silent.is_empty(), "never fire under it: {silent:?}");
}

fn step<'n>(node: &'n Node, step: &str) -> &'n Node {
    match step.parse::<usize>() {
        Ok(position) => &node.items().unwrap()[position],
        Err(_) => node.get(step).unwrap(),
    }
}

fn at<'n>(node: &'n Node, path: &str) -> &'n Node {
    path.split(' ').fold(node, step)
}

fn number(node: &Node, path: &str) -> u64 {
    at(node, path).text().unwrap().parse().unwrap()
}

/// The manifest of the gateways in a cluster, a document an object.
fn manifest() -> Vec<Node> {
    objects("kind: StatefulSet\n")
}

/// The manifest that has this line.
fn objects(line: &str) -> Vec<Node> {
    let text = block_with("record.md", line);
    let documents = kubevigil_yaml::parse(&text).unwrap();
    documents
        .into_iter()
        .map(|document| document.root)
        .collect()
}

fn of_kind<'m>(manifest: &'m [Node], kind: &str) -> &'m Node {
    let is_wanted = |object: &&Node| at(object, "kind").text() == Some(kind);
    manifest.iter().find(is_wanted).unwrap()
}

#[test]
fn the_manifest_of_the_gateway_names_flags_that_there_are() {
    let manifest = manifest();
    let container = at(
        of_kind(&manifest, "StatefulSet"),
        "spec template spec containers 0",
    );
    let arguments = at(container, "args").items().unwrap();
    let arguments: Vec<&str> = arguments.iter().map(|item| item.text().unwrap()).collect();
    assert_eq!(arguments[0], "record");

    let help = run(["record", "--help"], b"").stdout;
    for argument in &arguments[1..] {
        let flag = argument.split('=').next().unwrap();
        let is_named = |line: &str| line.trim().split([' ', '[']).next() == Some(flag);
        assert!(help.lines().any(is_named), "{flag}");
    }
}

#[test]
fn the_manifest_gives_the_gateway_the_time_that_it_takes_to_stop() {
    let manifest = manifest();
    let pod = at(of_kind(&manifest, "StatefulSet"), "spec template spec");
    let rest = number(pod, "containers 0 lifecycle preStop sleep seconds");
    let grace = number(pod, "terminationGracePeriodSeconds");
    let (drain, backends) = (15, 10);
    assert!(grace >= rest + drain + backends, "{grace} s");
    assert!(
        run(["record", "--help"], b"")
            .stdout
            .contains(&format!("[default: {drain}s]"))
    );
}

#[test]
fn the_parts_of_the_manifest_find_each_other() {
    let manifest = manifest();
    let set = of_kind(&manifest, "StatefulSet");
    let name = "app.kubernetes.io/name";
    let label = at(set, "spec template metadata labels")
        .get(name)
        .unwrap()
        .text();
    let account = at(of_kind(&manifest, "ServiceAccount"), "metadata name").text();
    for (kind, path) in [
        ("Service", "spec selector"),
        ("StatefulSet", "spec selector matchLabels"),
        ("PodDisruptionBudget", "spec selector matchLabels"),
        ("NetworkPolicy", "spec podSelector matchLabels"),
    ] {
        let selector = at(of_kind(&manifest, kind), path);
        assert_eq!(selector.get(name).unwrap().text(), label, "{kind}");
    }
    let pod = at(set, "spec template spec");
    assert_eq!(at(pod, "serviceAccountName").text(), account);
    let binding = of_kind(&manifest, "ClusterRoleBinding");
    assert_eq!(at(binding, "subjects 0 name").text(), account);

    let role = at(binding, "roleRef name").text().unwrap();
    let is_the_role = |block: &String| {
        block.contains("kind: ClusterRole\n") && block.contains(&format!("{{name: {role}}}"))
    };
    assert!(blocks("record.md").iter().any(is_the_role), "{role}");
}

#[test]
fn the_daemon_of_the_manifest_takes_its_configuration_and_what_the_gateways_send() {
    let objects = objects("kind: Deployment\n");
    let data = at(of_kind(&objects, "ConfigMap"), "data");
    let configuration = data.get("kubevigil.yaml").unwrap().text().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubevigil.yaml");
    fs::write(&file, configuration).unwrap();
    let file = file.to_str().unwrap();
    let report = &lines(&["config", "check", "--format", "json", file])[0];
    let errors = report["errors"].as_array().unwrap();
    let is_about_others =
        |error: &&Value| error["message"].as_str().unwrap().contains("cannot read");
    assert_eq!(
        errors.iter().filter(is_about_others).count(),
        errors.len(),
        "{report}"
    );

    let service = of_kind(&objects, "Service");
    let port = number(service, "spec ports 0 port");
    let name = at(service, "metadata name").text().unwrap();
    let webhook = block_with("record.md", "kind: Config\n");
    let server = format!("server: https://{name}.kubevigil.svc:{port}/k8s_audit\n");
    assert!(webhook.contains(&server), "{server}");
}
