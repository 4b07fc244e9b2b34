//! Microsoft's threat matrix for Kubernetes, as far as its published ids go (MS-TA9001 to MS-TA9041).

/// A technique of the matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Technique {
    /// `MS-TA9006`
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// The slugs of its tactics, which are ATT&CK's words.
    pub(super) tactics: &'static [&'static str],
    /// What of it leaves no trace in an audit log, if it is all of it or most.
    pub(super) unseen: Option<&'static str>,
}

const INSIDE: &str = "What happens in a running container makes no request to the API server; only the exec that began it does.";

/// The techniques, sorted by id.
pub(super) const TECHNIQUES: &[Technique] = &[
    technique_of(
        "MS-TA9001",
        "Using cloud credentials",
        &["initial-access"],
        Some(
            "Logins to the cloud are in the cloud provider's log; what is then asked of the API server is seen.",
        ),
    ),
    technique_of(
        "MS-TA9002",
        "Compromised image in registry",
        &["initial-access"],
        Some(
            "Pushing to and pulling from a registry does not pass the API server; the names of images do.",
        ),
    ),
    technique_of("MS-TA9003", "Kubeconfig file", &["initial-access"], None),
    technique_of(
        "MS-TA9004",
        "Application vulnerability",
        &["initial-access"],
        Some("Requests to applications do not pass the API server."),
    ),
    technique_of(
        "MS-TA9005",
        "Exposed sensitive interfaces",
        &["initial-access"],
        None,
    ),
    technique_of("MS-TA9006", "Exec into container", &["execution"], None),
    technique_of(
        "MS-TA9007",
        "Bash or cmd inside container",
        &["execution"],
        Some(INSIDE),
    ),
    technique_of("MS-TA9008", "New container", &["execution"], None),
    technique_of(
        "MS-TA9009",
        "Application exploit (RCE)",
        &["execution"],
        Some("Requests to applications do not pass the API server."),
    ),
    technique_of(
        "MS-TA9010",
        "SSH server running inside container",
        &["execution"],
        Some(INSIDE),
    ),
    technique_of("MS-TA9011", "Sidecar injection", &["execution"], None),
    technique_of("MS-TA9012", "Backdoor container", &["persistence"], None),
    technique_of(
        "MS-TA9013",
        "Writable hostPath mount",
        &["persistence", "privilege-escalation", "lateral-movement"],
        None,
    ),
    technique_of("MS-TA9014", "Kubernetes CronJob", &["persistence"], None),
    technique_of(
        "MS-TA9015",
        "Malicious admission controller",
        &["persistence", "credential-access"],
        None,
    ),
    technique_of(
        "MS-TA9016",
        "Container service account",
        &["persistence", "credential-access", "lateral-movement"],
        None,
    ),
    technique_of("MS-TA9017", "Static pods", &["persistence"], None),
    technique_of(
        "MS-TA9018",
        "Privileged container",
        &["privilege-escalation"],
        None,
    ),
    technique_of(
        "MS-TA9019",
        "Cluster-admin binding",
        &["privilege-escalation"],
        None,
    ),
    technique_of(
        "MS-TA9020",
        "Access cloud resources",
        &["privilege-escalation", "lateral-movement"],
        Some(
            "Requests to the cloud provider are in its own log; what lets a pod make them is seen.",
        ),
    ),
    technique_of(
        "MS-TA9021",
        "Clear container logs",
        &["defense-evasion"],
        Some("Log files are deleted on the node. What blinds the audit log itself is seen."),
    ),
    technique_of(
        "MS-TA9022",
        "Delete Kubernetes events",
        &["defense-evasion"],
        None,
    ),
    technique_of(
        "MS-TA9023",
        "Pod or container name similarity",
        &["defense-evasion"],
        None,
    ),
    technique_of(
        "MS-TA9024",
        "Connect from proxy server",
        &["defense-evasion"],
        Some("The log has the address of the last hop, not what stands behind it."),
    ),
    technique_of(
        "MS-TA9025",
        "List Kubernetes secrets",
        &["credential-access"],
        None,
    ),
    technique_of(
        "MS-TA9026",
        "Mount service principal",
        &["credential-access"],
        None,
    ),
    technique_of(
        "MS-TA9027",
        "Application credentials in configuration files",
        &["credential-access", "lateral-movement"],
        None,
    ),
    technique_of(
        "MS-TA9028",
        "Access managed identity credentials",
        &["credential-access"],
        Some("A pod asks the node's metadata service, not the API server."),
    ),
    technique_of(
        "MS-TA9029",
        "Access the Kubernetes API server",
        &["discovery"],
        None,
    ),
    technique_of(
        "MS-TA9030",
        "Access Kubelet API",
        &["discovery"],
        Some(
            "Requests to a kubelet's own port do not pass the API server; those through its node proxy do.",
        ),
    ),
    technique_of(
        "MS-TA9031",
        "Network mapping",
        &["discovery"],
        Some("Scans between pods do not pass the API server."),
    ),
    technique_of(
        "MS-TA9032",
        "Access Kubernetes dashboard",
        &["discovery"],
        None,
    ),
    technique_of(
        "MS-TA9033",
        "Instance metadata API",
        &["discovery"],
        Some(
            "A pod asks the node's metadata service, not the API server; only an exec that does so is seen.",
        ),
    ),
    technique_of(
        "MS-TA9034",
        "Cluster internal networking",
        &["lateral-movement"],
        Some(
            "Traffic between pods does not pass the API server; port-forwards and proxies through it do.",
        ),
    ),
    technique_of(
        "MS-TA9035",
        "CoreDNS poisoning",
        &["lateral-movement"],
        None,
    ),
    technique_of(
        "MS-TA9036",
        "ARP poisoning and IP spoofing",
        &["lateral-movement"],
        Some("Packets are not logged; Services and Endpoints that redirect traffic are."),
    ),
    technique_of(
        "MS-TA9037",
        "Images from a private registry",
        &["collection"],
        Some("Pulling from a registry does not pass the API server."),
    ),
    technique_of("MS-TA9038", "Data destruction", &["impact"], None),
    technique_of("MS-TA9039", "Resource hijacking", &["impact"], None),
    technique_of("MS-TA9040", "Denial of service", &["impact"], None),
    technique_of(
        "MS-TA9041",
        "Collecting data from pod",
        &["collection"],
        None,
    ),
];

const fn technique_of(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
    unseen: Option<&'static str>,
) -> Technique {
    Technique {
        id,
        name,
        tactics,
        unseen,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attack::TACTICS;
    use super::*;

    #[test]
    fn techniques_are_sorted_without_a_gap() {
        let ids: Vec<String> = (9001..=9041)
            .map(|number| format!("MS-TA{number}"))
            .collect();
        assert!(
            TECHNIQUES
                .iter()
                .map(|technique| technique.id)
                .eq(ids.iter().map(String::as_str))
        );
    }

    #[test]
    fn tactics_are_those_of_the_other_matrix() {
        for technique in TECHNIQUES {
            for slug in technique.tactics {
                assert!(TACTICS.iter().any(|tactic| tactic.slug == *slug), "{slug}");
            }
        }
    }
}
