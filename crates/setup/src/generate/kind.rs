//! kind: a Cluster whose control plane mounts the folder, with kubeadm's configuration as a patch.
//!
//! Which version of its configuration kubeadm is given is kind's business. A patch that names a version applies to that version alone,
//! so both are there and one of them is used.

use std::fmt::Write as _;

use super::kubeadm::{ConfigVersion, cluster_configuration};
use super::quoted;
use crate::File;
use crate::choice::Choice;

pub(super) fn files(choice: &Choice) -> Vec<File> {
    vec![File::public("kind/cluster.yaml", cluster(choice))]
}

fn cluster(choice: &Choice) -> String {
    let mut text = format!(
        "# kind create cluster --config kind/cluster.yaml\nkind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n  extraMounts:\n\
         \x20 - hostPath: {}\n    containerPath: {}\n    readOnly: true\n  kubeadmConfigPatches:\n",
        quoted(&format!("{}/api-server", choice.folder)),
        choice.distribution.folder(),
    );
    for version in [ConfigVersion::V1Beta4, ConfigVersion::V1Beta3] {
        text.push_str("  - |\n");
        for line in cluster_configuration(choice, version).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}
