//! minikube: flags on the command line that starts the cluster.

use super::flags::flags;
use crate::choice::Choice;

/// The command that starts the cluster with the flags.
pub(super) fn start(choice: &Choice) -> String {
    let mut command = "minikube start".to_owned();
    for flag in flags(choice) {
        command = format!(
            "{command} \\\n  --extra-config=apiserver.{}={}",
            flag.name, flag.value
        );
    }
    command
}
