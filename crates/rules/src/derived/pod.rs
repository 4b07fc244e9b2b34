//! What the pods in the bodies of an event ask for.
//!
//! All fields are parts of one [`summary`](super::pod_summary), so that pods are walked once an event, whichever of the fields rules ask.

use std::borrow::Cow;

use crate::derived::pod_spec::{ALSO, REQUEST};
use crate::derived::pod_summary::{Trait, summary};
use crate::derived::values::truth;
use crate::falco::fields::Entry;
use crate::field::{Kind, PartFn, Read, Value, Values, Whole};

const PODS: &Whole = &Whole {
    name: "kv.pod",
    read: summary,
};

const fn entry(name: &'static str, kind: Kind, part: PartFn, doc: &'static str) -> Entry {
    Entry::new(name, kind, Read::Part(PODS, part), REQUEST, doc).also(ALSO)
}

const fn flag(name: &'static str, part: PartFn, doc: &'static str) -> Entry {
    entry(name, Kind::Bool, part, doc)
}

const fn list(name: &'static str, part: PartFn, doc: &'static str) -> Entry {
    entry(name, Kind::TextList, part, doc)
}

const fn one(name: &'static str, part: PartFn, doc: &'static str) -> Entry {
    entry(name, Kind::Text, part, doc)
}

pub(super) const ENTRIES: &[Entry] = &[
    flag(
        "kv.pod.privileged",
        |pods| flag_of(pods, Trait::Privileged),
        "Whether a container is privileged, or a process of the host on Windows.",
    ),
    flag(
        "kv.pod.hostNetwork",
        |pods| flag_of(pods, Trait::HostNetwork),
        "Whether the pod shares the network of its node.",
    ),
    flag(
        "kv.pod.hostPID",
        |pods| flag_of(pods, Trait::HostPid),
        "Whether the pod sees the processes of its node.",
    ),
    flag(
        "kv.pod.hostIPC",
        |pods| flag_of(pods, Trait::HostIpc),
        "Whether the pod shares the IPC namespace of its node.",
    ),
    flag(
        "kv.pod.runsAsRoot",
        |pods| flag_of(pods, Trait::RunsAsRoot),
        "Whether a container asks for user 0 (`runAsUser`, its own or else the pod's), or names no user and says `runAsNonRoot: false`.",
    )
    .note("A container that says nothing runs as its image wants, mostly root; that is not counted."),
    flag(
        "kv.pod.privilegeEscalation",
        |pods| flag_of(pods, Trait::PrivilegeEscalation),
        "Whether a container says `allowPrivilegeEscalation: true`.",
    )
    .note("It is the default, too; only what is said is counted."),
    flag(
        "kv.pod.procMountUnmasked",
        |pods| flag_of(pods, Trait::ProcMountUnmasked),
        "Whether a container sees all of /proc.",
    ),
    flag(
        "kv.pod.unconfined",
        |pods| flag_of(pods, Trait::Unconfined),
        "Whether the pod or a container switches seccomp, AppArmor or SELinux off, by profile, type or old annotation.",
    ),
    list(
        "kv.pod.hostPaths",
        |pods| list_of(pods, Trait::HostPath),
        "The paths of the node that volumes mount, written in their shortest form: `//etc/./x/` is `/etc/x`.",
    ),
    list(
        "kv.pod.capabilities",
        |pods| list_of(pods, Trait::Capability),
        "The capabilities that containers add, in capitals and without `CAP_`; `ALL` for all.",
    ),
    list(
        "kv.pod.images",
        |pods| list_of(pods, Trait::Image),
        "The images of the containers.",
    ),
    list(
        "kv.pod.commands",
        |pods| list_of(pods, Trait::Command),
        "The command and arguments of each container that has any, joined by blanks.",
    ),
    list(
        "kv.pod.hostPorts",
        |pods| list_of(pods, Trait::HostPort),
        "The ports of the node that containers take.",
    ),
    list(
        "kv.pod.extendedResources",
        |pods| list_of(pods, Trait::ExtendedResource),
        "The devices and other resources beyond processor and memory that limits of containers name, such as `nvidia.com/gpu`.",
    ),
    list(
        "kv.pod.sysctls",
        |pods| list_of(pods, Trait::Sysctl),
        "The kernel parameters that the pod sets, as `name=value`.",
    ),
    one(
        "kv.pod.serviceAccount",
        |pods| last_of(pods, Trait::ServiceAccount),
        "The name of the service account that the pod runs as; where the response is there, the one that it was given.",
    ),
    one(
        "kv.pod.nodeName",
        |pods| last_of(pods, Trait::NodeName),
        "The node that the pod asks for by name, past the scheduler; where the response is there, the node that it is on.",
    ),
];

/// Whether the summary has the trait; absent when there is no pod.
fn flag_of<'e>(pods: &Values<'e>, wanted: Trait) -> Values<'e> {
    match pods {
        Values::Absent => Values::Absent,
        _ => truth(texts(pods, wanted).next().is_some()),
    }
}

fn list_of<'e>(pods: &Values<'e>, wanted: Trait) -> Values<'e> {
    Values::list(texts(pods, wanted).map(owned).collect())
}

/// The text of the last pod that has one, which is that of the response.
fn last_of<'e>(pods: &Values<'e>, wanted: Trait) -> Values<'e> {
    texts(pods, wanted)
        .last()
        .map_or(Values::Absent, |text| Values::One(owned(text)))
}

fn texts<'v>(pods: &'v Values<'_>, wanted: Trait) -> impl Iterator<Item = &'v [u8]> {
    let values = pods.as_slice().iter();
    values.filter_map(move |value| match value {
        Value::Text(text) => text.strip_prefix(&[wanted as u8]),
        Value::Bool(_) | Value::Integer(..) => None,
    })
}

fn owned<'e>(text: &[u8]) -> Value<'e> {
    Value::Text(Cow::Owned(text.to_vec()))
}
