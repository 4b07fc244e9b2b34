//! `exec` of a user: which plugin is run, and what it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kubevigil_diagnostics::Place;
use kubevigil_yaml::Node;
use serde_json::json;

use crate::cluster::Cluster;
use crate::exec::Command;
use crate::file::{Entry, Field};
use crate::findings::Findings;

const VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
];

const FIELDS: [&str; 7] = [
    "apiVersion",
    "command",
    "args",
    "env",
    "installHint",
    "interactiveMode",
    "provideClusterInfo",
];

/// Reads `exec`.
pub(super) fn read(
    field: &Field,
    cluster: Option<&Cluster>,
    folder: &Path,
    findings: &mut Findings,
) -> Option<Command> {
    let before = findings.errors.len();
    let exec = Entry::of(&field.place.source, &field.node);
    findings.unknown_fields(&exec, "plugin", &FIELDS);
    let version = version(&exec, &field.place, findings);
    interactive_mode(&exec, &field.place, version, findings);
    let program = program(&exec, &field.place, folder, findings);
    let arguments = arguments(&exec, findings);
    let environment = environment(&exec, findings);
    let mut spec = json!({"interactive": false});
    if findings.switch(&exec, "provideClusterInfo")
        && let (Some(spec), Some(cluster)) = (spec.as_object_mut(), cluster)
    {
        spec.insert("cluster".to_owned(), cluster.exec_info.clone());
    }
    let hint = findings.text(&exec, "installHint");
    let install_hint = hint.map_or_else(String::new, |(hint, _)| hint.to_owned());
    let (version, program) = (version?, program?);
    let info = json!({"kind": "ExecCredential", "apiVersion": version, "spec": spec}).to_string();
    (findings.errors.len() == before).then(|| Command {
        program,
        arguments,
        environment,
        api_version: version.to_owned(),
        info,
        install_hint,
    })
}

fn version<'e>(exec: &'e Entry, whole: &Place, findings: &mut Findings) -> Option<&'e str> {
    let version = findings.text(exec, "apiVersion");
    let place = version.map_or(whole, |(_, place)| place);
    let known = version.filter(|(version, _)| VERSIONS.contains(version));
    if known.is_none() {
        let message = match version {
            Some((version, _)) => {
                format!("kubevigil does not speak `apiVersion: {version}` to plugins")
            }
            None => "`exec` has no `apiVersion`".to_owned(),
        };
        let help = "write client.authentication.k8s.io/v1, or v1beta1 if the plugin is old";
        findings.error(place, message, help);
    }
    known.map(|(version, _)| version)
}

/// Plugins get no terminal. v1 demands that the kubeconfig says whether they need one.
fn interactive_mode(exec: &Entry, whole: &Place, version: Option<&str>, findings: &mut Findings) {
    let help = "write `interactiveMode: IfAvailable` or `Never`";
    match findings.text(exec, "interactiveMode") {
        Some(("Never" | "IfAvailable", _)) => {}
        Some(("Always", place)) => {
            let message =
                "the plugin wants a terminal (`interactiveMode: Always`), and kubevigil has none";
            findings.error(place, message, "use credentials that need nobody to type");
        }
        Some((mode, place)) => {
            findings.error(
                place,
                format!("there is no `interactiveMode: {mode}`"),
                help,
            );
        }
        None if version == VERSIONS.first().copied() => {
            findings.error(
                whole,
                "`exec` has no `interactiveMode`, which v1 demands",
                help,
            );
        }
        None => {}
    }
}

/// A path with a slash starts at the kubeconfig's folder, a name is looked for in `PATH`.
fn program(exec: &Entry, whole: &Place, folder: &Path, findings: &mut Findings) -> Option<PathBuf> {
    let Some((command, _)) = findings.text(exec, "command") else {
        findings.error(whole, "`exec` has no `command`", "name the program to run");
        return None;
    };
    let is_name = !command.contains('/');
    Some(if is_name {
        PathBuf::from(command)
    } else {
        folder.join(command)
    })
}

fn arguments(exec: &Entry, findings: &mut Findings) -> Vec<String> {
    let Some(field) = exec.field("args") else {
        return Vec::new();
    };
    let texts = field.node.items().map(|items| {
        items
            .iter()
            .map(|item| item.text().map(str::to_owned))
            .collect()
    });
    texts.flatten().unwrap_or_else(|| {
        findings.error(
            &field.place,
            "`args` is no list of texts",
            "write `args: [one, two]`",
        );
        Vec::new()
    })
}

fn environment(exec: &Entry, findings: &mut Findings) -> BTreeMap<String, String> {
    let Some(field) = exec.field("env") else {
        return BTreeMap::new();
    };
    let variable = |item: &Node| {
        let name = item.get("name").and_then(Node::text)?;
        let value = item.get("value").map_or(Some(""), Node::text)?;
        let is_sound = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        is_sound.then(|| (name.to_owned(), value.to_owned()))
    };
    let variables = field
        .node
        .items()
        .and_then(|items| items.iter().map(variable).collect());
    variables.unwrap_or_else(|| {
        let help = "write `env: [{name: NAME, value: VALUE}]`";
        findings.error(&field.place, "`env` is no list of names and values", help);
        BTreeMap::new()
    })
}
