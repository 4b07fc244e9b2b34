//! What the pods in the bodies of an event ask for.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{REQUEST, RESPONSE, below, elements};
use crate::derived::collected::Collected;
use crate::derived::pod_spec::{Pod, each_pod, is_true};
use crate::derived::values::{made, text, texts, truth};
use crate::falco::fields::Entry;
use crate::field::{Inputs, Kind, Read, ReadFn, Values};
use crate::json_test::number_of;

const fn flag(name: &'static str, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, Kind::Bool, Read::With(read), REQUEST, doc).also(RESPONSE)
}

const fn list(name: &'static str, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, Kind::TextList, Read::With(read), REQUEST, doc).also(RESPONSE)
}

const fn one(name: &'static str, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, Kind::Text, Read::With(read), REQUEST, doc).also(RESPONSE)
}

pub(super) const ENTRIES: &[Entry] = &[
    flag(
        "kv.pod.privileged",
        |inputs| any(inputs, is_privileged),
        "Whether a container is privileged, or a process of the host on Windows.",
    ),
    flag(
        "kv.pod.hostNetwork",
        |inputs| any(inputs, |pod| pod.says(&["hostNetwork"])),
        "Whether the pod shares the network of its node.",
    ),
    flag(
        "kv.pod.hostPID",
        |inputs| any(inputs, |pod| pod.says(&["hostPID"])),
        "Whether the pod sees the processes of its node.",
    ),
    flag(
        "kv.pod.hostIPC",
        |inputs| any(inputs, |pod| pod.says(&["hostIPC"])),
        "Whether the pod shares the IPC namespace of its node.",
    ),
    flag(
        "kv.pod.runsAsRoot",
        |inputs| any(inputs, runs_as_root),
        "Whether a container asks for user 0 (`runAsUser`, its own or else the pod's), or names no user and says `runAsNonRoot: false`.",
    )
    .note("A container that says nothing runs as its image wants, mostly root; that is not counted."),
    flag(
        "kv.pod.privilegeEscalation",
        |inputs| any(inputs, |pod| in_contexts(pod, &["allowPrivilegeEscalation"], is_true)),
        "Whether a container says `allowPrivilegeEscalation: true`.",
    )
    .note("It is the default, too; only what is said is counted."),
    flag(
        "kv.pod.procMountUnmasked",
        |inputs| any(inputs, |pod| in_contexts(pod, &["procMount"], |value| is(value, b"Unmasked"))),
        "Whether a container sees all of /proc.",
    ),
    flag(
        "kv.pod.unconfined",
        |inputs| any(inputs, is_unconfined),
        "Whether the pod or a container switches seccomp, AppArmor or SELinux off, by profile, type or old annotation.",
    ),
    list(
        "kv.pod.hostPaths",
        |inputs| gathered(inputs, host_paths),
        "The paths of the node that volumes mount, written in their shortest form: `//etc/./x/` is `/etc/x`.",
    ),
    list(
        "kv.pod.capabilities",
        |inputs| gathered(inputs, capabilities),
        "The capabilities that containers add, in capitals and without `CAP_`; `ALL` for all.",
    ),
    list(
        "kv.pod.images",
        |inputs| gathered(inputs, |pod, images| add_texts(pod.containers(), &["image"], images)),
        "The images of the containers.",
    ),
    list(
        "kv.pod.commands",
        |inputs| gathered(inputs, commands),
        "The command and arguments of each container that has any, joined by blanks.",
    ),
    list(
        "kv.pod.hostPorts",
        |inputs| gathered(inputs, host_ports),
        "The ports of the node that containers take.",
    ),
    list(
        "kv.pod.sysctls",
        |inputs| gathered(inputs, sysctls),
        "The kernel parameters that the pod sets, as `name=value`.",
    ),
    one(
        "kv.pod.serviceAccount",
        |inputs| last(inputs, &["serviceAccountName", "serviceAccount"]),
        "The name of the service account that the pod runs as; where the response is there, the one that it was given.",
    ),
    one(
        "kv.pod.nodeName",
        |inputs| last(inputs, &["nodeName"]),
        "The node that the pod asks for by name, past the scheduler; where the response is there, the node that it is on.",
    ),
];

/// Whether it holds for any pod; absent when the event has none.
fn any<'e>(inputs: &Inputs<'_, 'e>, holds: fn(Pod<'_>) -> bool) -> Values<'e> {
    let mut found = None;
    each_pod(inputs, &mut |pod| {
        found = Some(found == Some(true) || holds(pod))
    });
    found.map_or(Values::Absent, truth)
}

fn gathered<'e>(inputs: &Inputs<'_, 'e>, gather: fn(Pod<'_>, &mut Collected)) -> Values<'e> {
    let mut values = Collected::default();
    each_pod(inputs, &mut |pod| gather(pod, &mut values));
    values.into_values()
}

/// The text under the first of `keys` that a pod has; that of the last pod, which is the response's.
fn last<'e>(inputs: &Inputs<'_, 'e>, keys: &[&str]) -> Values<'e> {
    let mut found = None;
    each_pod(inputs, &mut |pod| {
        let mut texts = keys.iter().filter_map(|key| text(pod.at(&[key])));
        if let Some(text) = texts.next() {
            found = Some(text.into_owned());
        }
    });
    made(found)
}

fn in_contexts(pod: Pod<'_>, keys: &[&str], holds: fn(Option<Json<'_>>) -> bool) -> bool {
    pod.contexts().any(|context| holds(below(context, keys)))
}

fn is(value: Option<Json<'_>>, expected: &[u8]) -> bool {
    text(value).is_some_and(|text| *text == *expected)
}

fn is_privileged(pod: Pod<'_>) -> bool {
    in_contexts(pod, &["privileged"], is_true)
        || in_contexts(pod, &["windowsOptions", "hostProcess"], is_true)
}

fn runs_as_root(pod: Pod<'_>) -> bool {
    // The pod's own context is read once: a hostile one is as long as all containers together.
    let own = Users::of(pod.at(&["securityContext"]));
    let mut containers = pod.containers().peekable();
    if containers.peek().is_none() {
        return own.is_root();
    }
    containers.any(|container| {
        let users = Users::of(container.last_member("securityContext"));
        users.or(own).is_root()
    })
}

/// What a security context says about users.
#[derive(Clone, Copy)]
struct Users {
    user: Said,
    non_root: Said,
}

impl Users {
    fn of(context: Option<Json<'_>>) -> Self {
        let says = |key| {
            context
                .and_then(|context| context.last_member(key))
                .map_or(Said::Nothing, said)
        };
        Self {
            user: says("runAsUser"),
            non_root: says("runAsNonRoot"),
        }
    }

    fn or(self, other: Self) -> Self {
        let known = |own, other| if own == Said::Nothing { other } else { own };
        Self {
            user: known(self.user, other.user),
            non_root: known(self.non_root, other.non_root),
        }
    }

    fn is_root(self) -> bool {
        match self.user {
            Said::Zero => true,
            Said::Nothing => self.non_root == Said::False,
            Said::False | Said::Other => false,
        }
    }
}

/// What stands in the place of a user or of a truth value.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    False,
    Nothing,
    Other,
    Zero,
}

fn said(value: Json<'_>) -> Said {
    match value.kind() {
        JsonKind::Null => Said::Nothing,
        JsonKind::Bool if value.raw() == b"false" => Said::False,
        JsonKind::Number if number_of(value) == Some(0.0) => Said::Zero,
        _ => Said::Other,
    }
}

fn is_unconfined(pod: Pod<'_>) -> bool {
    let unconfined = |value: Option<Json<'_>>| is(value, b"Unconfined");
    in_contexts(pod, &["seccompProfile", "type"], unconfined)
        || in_contexts(pod, &["appArmorProfile", "type"], unconfined)
        || in_contexts(pod, &["seLinuxOptions", "type"], |value| {
            is(value, b"spc_t")
        })
        || pod.is_annotated(
            b"container.apparmor.security.beta.kubernetes.io/",
            b"unconfined",
        )
        || pod.is_annotated(
            b"container.seccomp.security.alpha.kubernetes.io/",
            b"unconfined",
        )
        || pod.is_annotated(b"seccomp.security.alpha.kubernetes.io/pod", b"unconfined")
}

fn add_texts<'b>(from: impl Iterator<Item = Json<'b>>, keys: &[&str], out: &mut Collected) {
    let found = from.filter_map(|value| text(below(value, keys)));
    found.for_each(|text| out.add(&text));
}

fn host_paths(pod: Pod<'_>, out: &mut Collected) {
    let paths = pod
        .each("volumes")
        .filter_map(|volume| text(below(volume, &["hostPath", "path"])));
    paths.for_each(|path| out.add(&shortest(&path)));
}

/// An absolute path without empty parts, `.` and `..`. The kernel reads both the same.
fn shortest(path: &[u8]) -> Vec<u8> {
    if !path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    [b"/".as_slice(), &parts.join(b"/".as_slice())].concat()
}

fn capabilities(pod: Pod<'_>, out: &mut Collected) {
    let keys = &["securityContext", "capabilities", "add"];
    for name in pod
        .containers()
        .flat_map(|container| texts(below(container, keys)))
    {
        let name = name.to_ascii_uppercase();
        out.add(name.strip_prefix(b"CAP_").unwrap_or(&name));
    }
}

fn commands(pod: Pod<'_>, out: &mut Collected) {
    for container in pod.containers() {
        let command = texts(container.last_member("command"));
        let words: Vec<_> = command
            .chain(texts(container.last_member("args")))
            .collect();
        out.add(&words.join(b" ".as_slice()));
    }
}

fn host_ports(pod: Pod<'_>, out: &mut Collected) {
    let ports = pod
        .containers()
        .flat_map(|container| elements(container, "ports"));
    let numbers = ports.filter_map(|port| port.last_member("hostPort"));
    let numbers =
        numbers.filter(|number| number.kind() == JsonKind::Number && number.raw() != b"0");
    numbers.for_each(|number| out.add(number.raw()));
}

fn sysctls(pod: Pod<'_>, out: &mut Collected) {
    let all = pod.at(&["securityContext"]).into_iter();
    for sysctl in all.flat_map(|context| elements(context, "sysctls")) {
        if let Some(name) = text(sysctl.last_member("name")) {
            let value = text(sysctl.last_member("value")).unwrap_or_default();
            out.add(&[&*name, b"=", &*value].concat());
        }
    }
}
