//! k3s and RKE2: a drop-in for their configuration.
//!
//! `kube-apiserver-arg+` adds to the list of other files instead of replacing it. In k3s the API server is a part of its process and sees
//! the machine's files. RKE2 runs it as a static pod, has an option of its own for the policy, and mounts the log's folder itself.

use std::fmt::Write as _;

use super::flags::flags;
use super::quoted;
use crate::File;
use crate::choice::{Choice, Distribution};

pub(super) fn files(choice: &Choice) -> Vec<File> {
    let name = choice.distribution.name();
    vec![File::public(
        &format!("{name}/50-kubevigil.yaml"),
        drop_in(choice),
    )]
}

fn drop_in(choice: &Choice) -> String {
    let name = choice.distribution.name();
    let is_rke2 = choice.distribution == Distribution::Rke2;
    let folder = choice.distribution.folder();
    let mut text =
        format!("# Goes to /etc/rancher/{name}/config.yaml.d/50-kubevigil.yaml on each server.\n");
    if is_rke2 {
        let _ = writeln!(
            text,
            "audit-policy-file: {folder}/policy.yaml\nkube-apiserver-extra-mount+:\n- {}",
            quoted(&format!("{folder}:{folder}:ro"))
        );
    }
    text.push_str("kube-apiserver-arg+:\n");
    let own_option = |name: &str| is_rke2 && name == "audit-policy-file";
    for flag in flags(choice).iter().filter(|flag| !own_option(flag.name)) {
        let _ = writeln!(
            text,
            "- {}",
            quoted(&format!("{}={}", flag.name, flag.value))
        );
    }
    text
}
