//! The Service, when kubevigil runs in the cluster.

use super::quoted;
use crate::File;
use crate::choice::Choice;

/// The Service with a fixed address, which the kubeconfig names.
pub(super) fn file(choice: &Choice) -> Option<File> {
    let (namespace, name) = choice.address.service()?;
    let ip = choice.cluster_ip?;
    let port = choice.address.port;
    let text = format!(
        "# The address is fixed because API servers do not resolve names of Services.\napiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n  namespace: {}\n\
         spec:\n  clusterIP: {}\n  selector:\n    app.kubernetes.io/name: kubevigil\n  ports:\n  - name: webhook\n    port: {port}\n    targetPort: {port}\n",
        quoted(name),
        quoted(namespace),
        quoted(&ip.to_string()),
    );
    Some(File::public("service.yaml", text))
}
