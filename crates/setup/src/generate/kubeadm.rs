//! kubeadm: a ClusterConfiguration in both of its versions, and a patch of the static pod.
//!
//! The patch is one of JSON operations (`target+json.yaml`): a strategic merge replaces the whole command of the container.

use std::fmt::Write as _;

use super::flags::flags;
use super::quoted;
use crate::File;
use crate::choice::Choice;

/// A version of kubeadm's configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ConfigVersion {
    /// Kubernetes 1.22 to 1.30, read by later ones as well; flags are a map.
    V1Beta3,
    /// Kubernetes 1.31 and later; flags are a list.
    V1Beta4,
}

pub(super) fn files(choice: &Choice) -> Vec<File> {
    vec![
        File::public(
            "kubeadm/cluster-configuration-v1beta4.yaml",
            cluster_configuration(choice, ConfigVersion::V1Beta4),
        ),
        File::public(
            "kubeadm/cluster-configuration-v1beta3.yaml",
            cluster_configuration(choice, ConfigVersion::V1Beta3),
        ),
        File::public("kubeadm/patches/kube-apiserver+json.yaml", patch(choice)),
    ]
}

/// The folders that the API server needs: name, path, whether for reading only, and their type.
fn mounts(choice: &Choice) -> Vec<(&'static str, String, bool, &'static str)> {
    let log = choice
        .distribution
        .log()
        .and_then(|log| log.rsplit_once('/'));
    let mut mounts = vec![(
        "audit",
        choice.distribution.folder().to_owned(),
        true,
        "Directory",
    )];
    mounts.extend(
        log.map(|(folder, _)| ("audit-log", folder.to_owned(), false, "DirectoryOrCreate")),
    );
    mounts
}

/// The part of a ClusterConfiguration that turns auditing on.
pub(super) fn cluster_configuration(choice: &Choice, version: ConfigVersion) -> String {
    let mut text = match version {
        ConfigVersion::V1Beta3 => "apiVersion: kubeadm.k8s.io/v1beta3\n",
        ConfigVersion::V1Beta4 => "apiVersion: kubeadm.k8s.io/v1beta4\n",
    }
    .to_owned();
    text.push_str("kind: ClusterConfiguration\napiServer:\n  extraArgs:\n");
    for flag in flags(choice) {
        let (name, value) = (flag.name, quoted(&flag.value));
        let _ = match version {
            ConfigVersion::V1Beta3 => writeln!(text, "    {name}: {value}"),
            ConfigVersion::V1Beta4 => writeln!(text, "  - name: {name}\n    value: {value}"),
        };
    }
    text.push_str("  extraVolumes:\n");
    for (name, path, read_only, kind) in mounts(choice) {
        let _ = writeln!(
            text,
            "  - name: {name}\n    hostPath: {path}\n    mountPath: {path}\n    readOnly: {read_only}\n    pathType: {kind}"
        );
    }
    text
}

/// JSON operations on the static pod's manifest.
fn patch(choice: &Choice) -> String {
    let mut text = "# For `kubeadm --patches`, which finds it by its name.\n".to_owned();
    for flag in flags(choice) {
        let value = quoted(&format!("--{}={}", flag.name, flag.value));
        let _ = writeln!(
            text,
            "- op: add\n  path: /spec/containers/0/command/-\n  value: {value}"
        );
    }
    for (name, path, read_only, kind) in mounts(choice) {
        let _ = writeln!(
            text,
            "- op: add\n  path: /spec/containers/0/volumeMounts/-\n  value: {{name: {name}, mountPath: {path}, readOnly: {read_only}}}\n\
             - op: add\n  path: /spec/volumes/-\n  value: {{name: {name}, hostPath: {{path: {path}, type: {kind}}}}}"
        );
    }
    text
}
