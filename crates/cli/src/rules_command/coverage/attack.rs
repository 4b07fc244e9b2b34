//! MITRE ATT&CK as this program knows it: version 18, the techniques of its Containers matrix and those others that rules name.
//!
//! A table of ours, not MITRE's data: the whole of ATT&CK is forty times as large, changes twice a year, and says nothing about what an audit
//! log can show, which is what a gap has to be explained by. Techniques that the table lacks are still counted, by their ids.

/// A tactic: what an adversary wants to achieve.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tactic {
    /// The word in tags: `initial-access`.
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
}

/// A technique: how an adversary achieves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Technique {
    /// `T1609`, or `T1552.007` for a sub-technique.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// The slugs of its tactics, in the order of [`TACTICS`].
    pub(super) tactics: &'static [&'static str],
    /// Whether it is in the matrix for containers.
    pub(super) in_containers: bool,
    /// What of it leaves no trace in an audit log, if it is all of it or most.
    pub(super) unseen: Option<&'static str>,
}

/// The tactics, in the order of the matrix.
pub(super) const TACTICS: [Tactic; 14] = [
    tactic("reconnaissance", "Reconnaissance"),
    tactic("resource-development", "Resource development"),
    tactic("initial-access", "Initial access"),
    tactic("execution", "Execution"),
    tactic("persistence", "Persistence"),
    tactic("privilege-escalation", "Privilege escalation"),
    tactic("defense-evasion", "Defense evasion"),
    tactic("credential-access", "Credential access"),
    tactic("discovery", "Discovery"),
    tactic("lateral-movement", "Lateral movement"),
    tactic("collection", "Collection"),
    tactic("command-and-control", "Command and control"),
    tactic("exfiltration", "Exfiltration"),
    tactic("impact", "Impact"),
];

const ACCOUNTS: &[&str] = &[
    "initial-access",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
];
const SCHEDULED: &[&str] = &["execution", "persistence", "privilege-escalation"];
const MANIPULATED: &[&str] = &["persistence", "privilege-escalation"];
const EVASION: &[&str] = &["defense-evasion"];
const CREDENTIALS: &[&str] = &["credential-access"];
const TOKENS: &[&str] = &["defense-evasion", "lateral-movement"];
const IMPACT: &[&str] = &["impact"];
const GUESSED: &str = "Guessed credentials are answered with 401 before anybody is known: the log has the address and the time, not the name that was tried.";
const FLOOD: &str = "Traffic is not logged, only requests to the API server are.";

/// The techniques, sorted by id.
pub(super) const TECHNIQUES: &[Technique] = &[
    other("T1005", "Data from Local System", &["collection"]),
    other("T1027", "Obfuscated Files or Information", EVASION),
    other("T1027.010", "Command Obfuscation", EVASION),
    containers("T1036", "Masquerading", EVASION),
    containers(
        "T1036.005",
        "Match Legitimate Resource Name or Location",
        EVASION,
    ),
    containers("T1036.010", "Masquerade Account Name", EVASION),
    other(
        "T1040",
        "Network Sniffing",
        &["credential-access", "discovery"],
    ),
    unseen(
        "T1046",
        "Network Service Discovery",
        &["discovery"],
        "Scans between pods do not pass the API server.",
    ),
    containers("T1053", "Scheduled Task/Job", SCHEDULED),
    containers("T1053.007", "Container Orchestration Job", SCHEDULED),
    unseen(
        "T1059",
        "Command and Scripting Interpreter",
        &["execution"],
        "Of what runs in a container only the first command of an exec is in the log, not what is typed afterwards.",
    ),
    other("T1059.004", "Unix Shell", &["execution"]),
    unseen(
        "T1059.013",
        "Container CLI/API",
        &["execution"],
        "Commands to a node's container runtime do not pass the API server.",
    ),
    unseen(
        "T1068",
        "Exploitation for Privilege Escalation",
        &["privilege-escalation"],
        "An exploit in a kernel or a runtime makes no request.",
    ),
    containers("T1069", "Permission Groups Discovery", &["discovery"]),
    other("T1069.003", "Cloud Groups", &["discovery"]),
    containers("T1070", "Indicator Removal", EVASION),
    other("T1070.009", "Clear Persistence", EVASION),
    other(
        "T1071",
        "Application Layer Protocol",
        &["command-and-control"],
    ),
    other("T1071.001", "Web Protocols", &["command-and-control"]),
    containers("T1078", "Valid Accounts", ACCOUNTS),
    containers("T1078.001", "Default Accounts", ACCOUNTS),
    unseen(
        "T1078.003",
        "Local Accounts",
        ACCOUNTS,
        "Logins at a node's own accounts are in the node's log.",
    ),
    other("T1078.004", "Cloud Accounts", ACCOUNTS),
    other("T1087", "Account Discovery", &["discovery"]),
    other("T1087.004", "Cloud Account", &["discovery"]),
    other("T1090", "Proxy", &["command-and-control"]),
    other("T1090.001", "Internal Proxy", &["command-and-control"]),
    other("T1090.003", "Multi-hop Proxy", &["command-and-control"]),
    containers("T1098", "Account Manipulation", MANIPULATED),
    other("T1098.001", "Additional Cloud Credentials", MANIPULATED),
    other("T1098.003", "Additional Cloud Roles", MANIPULATED),
    containers(
        "T1098.006",
        "Additional Container Cluster Roles",
        MANIPULATED,
    ),
    other("T1105", "Ingress Tool Transfer", &["command-and-control"]),
    containers("T1110", "Brute Force", CREDENTIALS),
    unseen("T1110.001", "Password Guessing", CREDENTIALS, GUESSED),
    unseen("T1110.003", "Password Spraying", CREDENTIALS, GUESSED),
    unseen("T1110.004", "Credential Stuffing", CREDENTIALS, GUESSED),
    containers(
        "T1133",
        "External Remote Services",
        &["initial-access", "persistence"],
    ),
    other(
        "T1134",
        "Access Token Manipulation",
        &["privilege-escalation", "defense-evasion"],
    ),
    other(
        "T1134.001",
        "Token Impersonation/Theft",
        &["privilege-escalation", "defense-evasion"],
    ),
    containers("T1136", "Create Account", &["persistence"]),
    unseen(
        "T1136.001",
        "Local Account",
        &["persistence"],
        "A node's own accounts are made on the node. Service accounts are seen, as T1136.",
    ),
    other("T1136.003", "Cloud Account", &["persistence"]),
    unseen(
        "T1190",
        "Exploit Public-Facing Application",
        &["initial-access"],
        "Requests to applications do not pass the API server; only what an intruder asks of it afterwards does.",
    ),
    other("T1195", "Supply Chain Compromise", &["initial-access"]),
    other(
        "T1195.002",
        "Compromise Software Supply Chain",
        &["initial-access"],
    ),
    other("T1199", "Trusted Relationship", &["initial-access"]),
    unseen(
        "T1204",
        "User Execution",
        &["execution"],
        "That somebody was led to run an image is in no log; what runs is, by its name.",
    ),
    unseen(
        "T1204.003",
        "Malicious Image",
        &["execution"],
        "The log has the names of images, not what is in them.",
    ),
    other(
        "T1210",
        "Exploitation of Remote Services",
        &["lateral-movement"],
    ),
    other("T1212", "Exploitation for Credential Access", CREDENTIALS),
    containers("T1485", "Data Destruction", IMPACT),
    other("T1486", "Data Encrypted for Impact", IMPACT),
    other("T1489", "Service Stop", IMPACT),
    containers("T1490", "Inhibit System Recovery", IMPACT),
    containers("T1496", "Resource Hijacking", IMPACT),
    containers("T1496.001", "Compute Hijacking", IMPACT),
    unseen("T1496.002", "Bandwidth Hijacking", IMPACT, FLOOD),
    unseen("T1498", "Network Denial of Service", IMPACT, FLOOD),
    containers("T1499", "Endpoint Denial of Service", IMPACT),
    other("T1499.003", "Application Exhaustion Flood", IMPACT),
    unseen(
        "T1525",
        "Implant Internal Image",
        &["persistence"],
        "Pushing to a registry does not pass the API server.",
    ),
    other("T1526", "Cloud Service Discovery", &["discovery"]),
    containers("T1528", "Steal Application Access Token", CREDENTIALS),
    other("T1530", "Data from Cloud Storage", &["collection"]),
    other("T1531", "Account Access Removal", IMPACT),
    other("T1538", "Cloud Service Dashboard", &["discovery"]),
    containers("T1543", "Create or Modify System Process", MANIPULATED),
    containers("T1543.005", "Container Service", MANIPULATED),
    other("T1546", "Event Triggered Execution", MANIPULATED),
    other(
        "T1548",
        "Abuse Elevation Control Mechanism",
        &["privilege-escalation", "defense-evasion"],
    ),
    containers("T1550", "Use Alternate Authentication Material", TOKENS),
    containers("T1550.001", "Application Access Token", TOKENS),
    containers("T1552", "Unsecured Credentials", CREDENTIALS),
    containers("T1552.001", "Credentials In Files", CREDENTIALS),
    other("T1552.004", "Private Keys", CREDENTIALS),
    other("T1552.005", "Cloud Instance Metadata API", CREDENTIALS),
    containers("T1552.007", "Container API", CREDENTIALS),
    other("T1553", "Subvert Trust Controls", EVASION),
    other(
        "T1556",
        "Modify Authentication Process",
        &["persistence", "defense-evasion", "credential-access"],
    ),
    other(
        "T1557",
        "Adversary-in-the-Middle",
        &["credential-access", "collection"],
    ),
    containers("T1562", "Impair Defenses", EVASION),
    containers("T1562.001", "Disable or Modify Tools", EVASION),
    other("T1562.006", "Indicator Blocking", EVASION),
    other("T1562.007", "Disable or Modify Cloud Firewall", EVASION),
    other("T1562.008", "Disable or Modify Cloud Logs", EVASION),
    other("T1565", "Data Manipulation", IMPACT),
    other("T1565.001", "Stored Data Manipulation", IMPACT),
    other("T1565.002", "Transmitted Data Manipulation", IMPACT),
    other("T1567", "Exfiltration Over Web Service", &["exfiltration"]),
    other("T1570", "Lateral Tool Transfer", &["lateral-movement"]),
    other("T1572", "Protocol Tunneling", &["command-and-control"]),
    other("T1578", "Modify Cloud Compute Infrastructure", EVASION),
    other("T1578.002", "Create Cloud Instance", EVASION),
    other("T1578.003", "Delete Cloud Instance", EVASION),
    other("T1580", "Cloud Infrastructure Discovery", &["discovery"]),
    other("T1595", "Active Scanning", &["reconnaissance"]),
    other("T1595.001", "Scanning IP Blocks", &["reconnaissance"]),
    other("T1595.002", "Vulnerability Scanning", &["reconnaissance"]),
    other("T1595.003", "Wordlist Scanning", &["reconnaissance"]),
    containers("T1609", "Container Administration Command", &["execution"]),
    containers(
        "T1610",
        "Deploy Container",
        &["execution", "defense-evasion"],
    ),
    containers("T1611", "Escape to Host", &["privilege-escalation"]),
    unseen(
        "T1612",
        "Build Image on Host",
        EVASION,
        "Builds are orders to a node's container runtime, which do not pass the API server.",
    ),
    containers("T1613", "Container and Resource Discovery", &["discovery"]),
    other("T1648", "Serverless Execution", &["execution"]),
    other(
        "T1649",
        "Steal or Forge Authentication Certificates",
        CREDENTIALS,
    ),
    other("T1651", "Cloud Administration Command", &["execution"]),
    other("T1654", "Log Enumeration", &["discovery"]),
];

const fn tactic(slug: &'static str, name: &'static str) -> Tactic {
    Tactic { slug, name }
}

/// A technique of the matrix for containers.
const fn containers(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
) -> Technique {
    Technique {
        in_containers: true,
        ..other(id, name, tactics)
    }
}

/// A technique of the matrix for containers that an audit log shows little or nothing of.
const fn unseen(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
    why: &'static str,
) -> Technique {
    Technique {
        unseen: Some(why),
        ..containers(id, name, tactics)
    }
}

/// A technique outside the matrix for containers.
const fn other(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
) -> Technique {
    Technique {
        id,
        name,
        tactics,
        in_containers: false,
        unseen: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_are_sorted_and_have_tactics_in_order() {
        assert!(TECHNIQUES.is_sorted_by(|one, other| one.id < other.id));
        for technique in TECHNIQUES {
            let place = |slug: &&str| TACTICS.iter().position(|tactic| tactic.slug == *slug);
            let places: Option<Vec<usize>> = technique.tactics.iter().map(place).collect();
            let places = places.unwrap_or_default();
            assert!(!places.is_empty() && places.is_sorted(), "{}", technique.id);
        }
    }

    #[test]
    fn a_sub_technique_stands_below_its_technique_in_the_matrix() {
        let in_containers = TECHNIQUES
            .iter()
            .filter(|technique| technique.in_containers);
        for (parent, _) in in_containers.filter_map(|technique| technique.id.split_once('.')) {
            let is_parent =
                |technique: &&Technique| technique.id == parent && technique.in_containers;
            assert!(
                TECHNIQUES.iter().any(|technique| is_parent(&technique)),
                "{parent}"
            );
        }
    }
}
