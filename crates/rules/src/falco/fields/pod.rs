//! The pod in the request, apart from its containers and volumes.

use super::Entry;
use super::readers::each;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::text(
        "ka.req.pod.host_ipc",
        &[&["requestObject", "spec", "hostIPC"]],
        "Whether the pod shares the IPC namespace of its node.",
    ),
    Entry::text(
        "ka.req.pod.host_network",
        &[&["requestObject", "spec", "hostNetwork"]],
        "Whether the pod shares the network of its node.",
    ),
    Entry::text(
        "ka.req.container.host_network",
        &[&["requestObject", "spec", "hostNetwork"]],
        "Whether the pod shares the network of its node.",
    )
    .note("Deprecated: the same as ka.req.pod.host_network."),
    Entry::text(
        "ka.req.pod.host_pid",
        &[&["requestObject", "spec", "hostPID"]],
        "Whether the pod sees the processes of its node.",
    ),
    Entry::text(
        "ka.req.pod.run_as_user",
        &[&["requestObject", "spec", "securityContext", "runAsUser"]],
        "The user that the pod's processes run as.",
    ),
    Entry::text(
        "ka.req.pod.run_as_group",
        &[&["requestObject", "spec", "securityContext", "runAsGroup"]],
        "The group that the pod's processes run as.",
    ),
    Entry::text(
        "ka.req.pod.fs_group",
        &[&["requestObject", "spec", "securityContext", "fsGroup"]],
        "The group that owns the pod's volumes.",
    ),
    Entry::list(
        "ka.req.pod.supplemental_groups",
        each,
        &[&[
            "requestObject",
            "spec",
            "securityContext",
            "supplementalGroups",
        ]],
        "Further groups of the pod's processes.",
    ),
];
