//! The resources that every Kubernetes API server serves.
//!
//! Policies name resources by group and plural. Whether a name exists can only be told against a list, so here is one: that of Kubernetes
//! 1.36, with subresources, singular and short names. Custom resources are not in it, so a name that is missing proves nothing;
//! a name that is here under another group does.

/// A resource as the API server serves it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The plural that URLs and policies use.
    pub name: &'static str,
    /// Singular and short names, which policies do not understand.
    pub other_names: &'static [&'static str],
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// What can stand behind an object's name.
    pub subresources: &'static [&'static str],
}

const fn namespaced(
    group: &'static str,
    name: &'static str,
    other_names: &'static [&'static str],
    subresources: &'static [&'static str],
) -> Resource {
    Resource {
        group,
        name,
        other_names,
        namespaced: true,
        subresources,
    }
}

const fn cluster(
    group: &'static str,
    name: &'static str,
    other_names: &'static [&'static str],
    subresources: &'static [&'static str],
) -> Resource {
    Resource {
        group,
        name,
        other_names,
        namespaced: false,
        subresources,
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// All of them, sorted by group and name.
pub const RESOURCES: &[Resource] = &[
    namespaced("", "bindings", &["binding"], &[]),
    cluster("", "componentstatuses", &["componentstatus", "cs"], &[]),
    namespaced("", "configmaps", &["configmap", "cm"], &[]),
    namespaced("", "endpoints", &["endpoint", "ep"], &[]),
    namespaced("", "events", &["event", "ev"], &[]),
    namespaced("", "limitranges", &["limitrange", "limits"], &[]),
    cluster(
        "",
        "namespaces",
        &["namespace", "ns"],
        &["finalize", "status"],
    ),
    cluster("", "nodes", &["node", "no"], &["proxy", "status"]),
    namespaced(
        "",
        "persistentvolumeclaims",
        &["persistentvolumeclaim", "pvc"],
        &["status"],
    ),
    cluster(
        "",
        "persistentvolumes",
        &["persistentvolume", "pv"],
        &["status"],
    ),
    namespaced(
        "",
        "pods",
        &["pod", "po"],
        &[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ],
    ),
    namespaced("", "podtemplates", &["podtemplate"], &[]),
    namespaced(
        "",
        "replicationcontrollers",
        &["replicationcontroller", "rc"],
        &["scale", "status"],
    ),
    namespaced(
        "",
        "resourcequotas",
        &["resourcequota", "quota"],
        &["status"],
    ),
    namespaced("", "secrets", &["secret"], &[]),
    namespaced("", "serviceaccounts", &["serviceaccount", "sa"], &["token"]),
    namespaced("", "services", &["service", "svc"], &["proxy", "status"]),
    cluster(
        ADMISSION,
        "mutatingadmissionpolicies",
        &["mutatingadmissionpolicy"],
        &[],
    ),
    cluster(
        ADMISSION,
        "mutatingadmissionpolicybindings",
        &["mutatingadmissionpolicybinding"],
        &[],
    ),
    cluster(
        ADMISSION,
        "mutatingwebhookconfigurations",
        &["mutatingwebhookconfiguration"],
        &[],
    ),
    cluster(
        ADMISSION,
        "validatingadmissionpolicies",
        &["validatingadmissionpolicy"],
        &["status"],
    ),
    cluster(
        ADMISSION,
        "validatingadmissionpolicybindings",
        &["validatingadmissionpolicybinding"],
        &[],
    ),
    cluster(
        ADMISSION,
        "validatingwebhookconfigurations",
        &["validatingwebhookconfiguration"],
        &[],
    ),
    cluster(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &["customresourcedefinition", "crd", "crds"],
        &["status"],
    ),
    cluster(
        "apiregistration.k8s.io",
        "apiservices",
        &["apiservice"],
        &["status"],
    ),
    namespaced("apps", "controllerrevisions", &["controllerrevision"], &[]),
    namespaced("apps", "daemonsets", &["daemonset", "ds"], &["status"]),
    namespaced(
        "apps",
        "deployments",
        &["deployment", "deploy"],
        &["scale", "status"],
    ),
    namespaced(
        "apps",
        "replicasets",
        &["replicaset", "rs"],
        &["scale", "status"],
    ),
    namespaced(
        "apps",
        "statefulsets",
        &["statefulset", "sts"],
        &["scale", "status"],
    ),
    cluster(
        AUTHENTICATION,
        "selfsubjectreviews",
        &["selfsubjectreview"],
        &[],
    ),
    cluster(AUTHENTICATION, "tokenreviews", &["tokenreview"], &[]),
    namespaced(
        AUTHORIZATION,
        "localsubjectaccessreviews",
        &["localsubjectaccessreview"],
        &[],
    ),
    cluster(
        AUTHORIZATION,
        "selfsubjectaccessreviews",
        &["selfsubjectaccessreview"],
        &[],
    ),
    cluster(
        AUTHORIZATION,
        "selfsubjectrulesreviews",
        &["selfsubjectrulesreview"],
        &[],
    ),
    cluster(
        AUTHORIZATION,
        "subjectaccessreviews",
        &["subjectaccessreview"],
        &[],
    ),
    namespaced(
        "autoscaling",
        "horizontalpodautoscalers",
        &["horizontalpodautoscaler", "hpa"],
        &["status"],
    ),
    namespaced("batch", "cronjobs", &["cronjob", "cj"], &["status"]),
    namespaced("batch", "jobs", &["job"], &["status"]),
    cluster(
        CERTIFICATES,
        "certificatesigningrequests",
        &["certificatesigningrequest", "csr"],
        &["approval", "status"],
    ),
    cluster(
        CERTIFICATES,
        "clustertrustbundles",
        &["clustertrustbundle"],
        &[],
    ),
    namespaced(COORDINATION, "leases", &["lease"], &[]),
    namespaced(
        "discovery.k8s.io",
        "endpointslices",
        &["endpointslice"],
        &[],
    ),
    namespaced("events.k8s.io", "events", &["event", "ev"], &[]),
    cluster(FLOW, "flowschemas", &["flowschema"], &["status"]),
    cluster(
        FLOW,
        "prioritylevelconfigurations",
        &["prioritylevelconfiguration"],
        &["status"],
    ),
    cluster(NETWORKING, "ingressclasses", &["ingressclass"], &[]),
    namespaced(NETWORKING, "ingresses", &["ingress", "ing"], &["status"]),
    cluster(NETWORKING, "ipaddresses", &["ipaddress", "ip"], &[]),
    namespaced(
        NETWORKING,
        "networkpolicies",
        &["networkpolicy", "netpol"],
        &[],
    ),
    cluster(NETWORKING, "servicecidrs", &["servicecidr"], &["status"]),
    cluster("node.k8s.io", "runtimeclasses", &["runtimeclass"], &[]),
    namespaced(
        "policy",
        "poddisruptionbudgets",
        &["poddisruptionbudget", "pdb"],
        &["status"],
    ),
    cluster(RBAC, "clusterrolebindings", &["clusterrolebinding"], &[]),
    cluster(RBAC, "clusterroles", &["clusterrole"], &[]),
    namespaced(RBAC, "rolebindings", &["rolebinding"], &[]),
    namespaced(RBAC, "roles", &["role"], &[]),
    cluster("resource.k8s.io", "deviceclasses", &["deviceclass"], &[]),
    namespaced(
        "resource.k8s.io",
        "resourceclaims",
        &["resourceclaim"],
        &["status"],
    ),
    namespaced(
        "resource.k8s.io",
        "resourceclaimtemplates",
        &["resourceclaimtemplate"],
        &[],
    ),
    cluster("resource.k8s.io", "resourceslices", &["resourceslice"], &[]),
    cluster(
        "scheduling.k8s.io",
        "priorityclasses",
        &["priorityclass", "pc"],
        &[],
    ),
    cluster(STORAGE, "csidrivers", &["csidriver"], &[]),
    cluster(STORAGE, "csinodes", &["csinode"], &[]),
    namespaced(
        STORAGE,
        "csistoragecapacities",
        &["csistoragecapacity"],
        &[],
    ),
    cluster(STORAGE, "storageclasses", &["storageclass", "sc"], &[]),
    cluster(
        STORAGE,
        "volumeattachments",
        &["volumeattachment"],
        &["status"],
    ),
];

/// A resource as `kubectl` writes it: `deployments.apps/scale`.
pub fn text(group: &str, resource: &str, subresource: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if subresource.is_empty() { "" } else { "/" };
    format!("{resource}{dot}{group}{slash}{subresource}")
}

/// The resources of this plural, one for each group that serves it.
pub fn of_name(name: &str) -> impl Iterator<Item = &'static Resource> {
    RESOURCES
        .iter()
        .filter(move |resource| resource.name == name)
}

/// The resource of this group and plural.
pub fn find(group: &str, name: &str) -> Option<&'static Resource> {
    of_name(name).find(|resource| resource.group == group)
}

/// Whether a built-in resource is in this group.
pub fn is_group(group: &str) -> bool {
    RESOURCES.iter().any(|resource| resource.group == group)
}

/// The resource that somebody means with a singular, a short name or a kind.
pub fn meant(name: &str) -> Option<&'static Resource> {
    let lower = name.to_ascii_lowercase();
    let is_other = |resource: &&Resource| {
        resource.other_names.contains(&lower.as_str()) || (lower != name && resource.name == lower)
    };
    RESOURCES.iter().find(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_sorted_and_there_once() {
        let keys: Vec<_> = RESOURCES
            .iter()
            .map(|resource| (resource.group, resource.name))
            .collect();
        assert!(keys.is_sorted_by(|one, other| one < other));
        for resource in RESOURCES {
            assert!(resource.subresources.is_sorted(), "{}", resource.name);
        }
    }

    #[test]
    fn what_people_type_is_recognised() {
        for (typed, meant_name) in [
            ("po", "pods"),
            ("Secret", "secrets"),
            ("Deployments", "deployments"),
            ("sa", "serviceaccounts"),
        ] {
            assert_eq!(
                meant(typed).map(|resource| resource.name),
                Some(meant_name),
                "{typed}"
            );
        }
        assert_eq!(meant("pods"), None);
        assert_eq!(meant("widgets"), None);
    }
}
