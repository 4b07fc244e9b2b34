//! The kubeconfig of the webhook.
//!
//! Certificates, key and token stand in the file itself: one file to copy and mount, and no path that could be wrong inside a container.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::quoted;
use crate::choice::{Authentication, Choice};
use crate::credentials::Credentials;

/// The kubeconfig as YAML.
pub(super) fn kubeconfig(choice: &Choice, credentials: &Credentials) -> String {
    let encode = |text: &str| STANDARD.encode(text);
    let user = match choice.authentication {
        Authentication::Certificate => format!(
            "    client-certificate-data: {}\n    client-key-data: {}\n",
            encode(&credentials.client),
            encode(&credentials.client_key)
        ),
        Authentication::Token => format!("    token: {}\n", credentials.token),
    };
    // A Service is reached by its address, but known by its name.
    let name = if choice.cluster_ip.is_some() {
        format!(
            "    tls-server-name: {}\n",
            quoted(&choice.address.host.to_string())
        )
    } else {
        String::new()
    };
    format!(
        "# Where the API server posts its audit events. Holds a secret: readable by root only.\n\
         apiVersion: v1\nkind: Config\nclusters:\n- name: kubevigil\n  cluster:\n    server: {}\n{name}    certificate-authority-data: {}\n\
         users:\n- name: kube-apiserver\n  user:\n{user}contexts:\n- name: kubevigil\n  context:\n    cluster: kubevigil\n    user: kube-apiserver\n\
         current-context: kubevigil\n",
        quoted(&choice.url()),
        encode(&credentials.authority),
    )
}
