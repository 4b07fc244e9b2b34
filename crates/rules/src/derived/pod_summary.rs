//! One walk over the pods of an event for everything that fields ask of them.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{below, elements};
use crate::derived::collected::Collected;
use crate::derived::pod_spec::{Pod, each_pod, is_true};
use crate::derived::values::{text, texts};
use crate::field::{Inputs, Value, Values};
use crate::json_test::number_of;

/// What a pod can have. A summary is a list of texts, each with the letter of a trait before it.
#[derive(Clone, Copy)]
pub(super) enum Trait {
    Capability = b'c' as isize,
    Command = b'r' as isize,
    HostIpc = b'i' as isize,
    HostNetwork = b'n' as isize,
    HostPath = b'v' as isize,
    HostPid = b'p' as isize,
    HostPort = b't' as isize,
    Image = b'm' as isize,
    NodeName = b'o' as isize,
    PrivilegeEscalation = b'e' as isize,
    Privileged = b'x' as isize,
    ProcMountUnmasked = b'k' as isize,
    RunsAsRoot = b'0' as isize,
    ServiceAccount = b'a' as isize,
    Sysctl = b's' as isize,
    Unconfined = b'u' as isize,
}

/// Traits that a pod has or has not.
const FLAGS: [(Trait, fn(Pod<'_>) -> bool); 8] = [
    (Trait::HostIpc, |pod| pod.says(&["hostIPC"])),
    (Trait::HostNetwork, |pod| pod.says(&["hostNetwork"])),
    (Trait::HostPid, |pod| pod.says(&["hostPID"])),
    (Trait::PrivilegeEscalation, |pod| {
        in_contexts(pod, &["allowPrivilegeEscalation"], is_true)
    }),
    (Trait::Privileged, is_privileged),
    (Trait::ProcMountUnmasked, |pod| {
        in_contexts(pod, &["procMount"], |value| is(value, b"Unmasked"))
    }),
    (Trait::RunsAsRoot, runs_as_root),
    (Trait::Unconfined, is_unconfined),
];

/// Traits of which each text counts once.
const LISTS: [fn(Pod<'_>, &mut Summary); 6] = [
    capabilities,
    commands,
    host_paths,
    host_ports,
    images,
    sysctls,
];

/// Traits with one text, and where it stands.
const TEXTS: [(Trait, &[&str]); 2] = [
    (Trait::NodeName, &["nodeName"]),
    (
        Trait::ServiceAccount,
        &["serviceAccountName", "serviceAccount"],
    ),
];

/// The traits of all pods in the bodies; absent when there is no pod.
pub(super) fn summary<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut summary = Summary::default();
    let mut is_there = false;
    each_pod(inputs, &mut |pod| {
        is_there = true;
        let flags = FLAGS.iter().filter(|(_, holds)| holds(pod));
        flags.for_each(|(flag, _)| summary.add(*flag, b"true"));
        LISTS.iter().for_each(|gather| gather(pod, &mut summary));
        for (one, keys) in TEXTS {
            let text = keys.iter().find_map(|key| text(pod.at(&[key])));
            text.into_iter()
                .for_each(|text| summary.add_again(one, &text));
        }
    });
    match summary.0.into_values() {
        Values::Absent if is_there => Values::One(Value::borrowed(b"")),
        values => values,
    }
}

#[derive(Default)]
struct Summary(Collected);

impl Summary {
    /// Adds a text that counts once.
    fn add(&mut self, of: Trait, text: &[u8]) {
        if !text.is_empty() {
            self.0.add(&[&[of as u8], text].concat());
        }
    }

    /// Adds a text whose place among the others counts.
    fn add_again(&mut self, of: Trait, text: &[u8]) {
        self.0.add_again(&[&[of as u8], text].concat());
    }
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

fn images(pod: Pod<'_>, out: &mut Summary) {
    let images = pod
        .containers()
        .filter_map(|container| text(container.last_member("image")));
    images.for_each(|image| out.add(Trait::Image, &image));
}

fn host_paths(pod: Pod<'_>, out: &mut Summary) {
    let paths = pod
        .each("volumes")
        .filter_map(|volume| text(below(volume, &["hostPath", "path"])));
    paths.for_each(|path| out.add(Trait::HostPath, &shortest(&path)));
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

fn capabilities(pod: Pod<'_>, out: &mut Summary) {
    let keys = &["securityContext", "capabilities", "add"];
    for name in pod
        .containers()
        .flat_map(|container| texts(below(container, keys)))
    {
        let name = name.to_ascii_uppercase();
        out.add(
            Trait::Capability,
            name.strip_prefix(b"CAP_").unwrap_or(&name),
        );
    }
}

fn commands(pod: Pod<'_>, out: &mut Summary) {
    for container in pod.containers() {
        let command = texts(container.last_member("command"));
        let words: Vec<_> = command
            .chain(texts(container.last_member("args")))
            .collect();
        out.add(Trait::Command, &words.join(b" ".as_slice()));
    }
}

fn host_ports(pod: Pod<'_>, out: &mut Summary) {
    let ports = pod
        .containers()
        .flat_map(|container| elements(container, "ports"));
    let numbers = ports.filter_map(|port| port.last_member("hostPort"));
    let numbers =
        numbers.filter(|number| number.kind() == JsonKind::Number && number.raw() != b"0");
    numbers.for_each(|number| out.add(Trait::HostPort, number.raw()));
}

fn sysctls(pod: Pod<'_>, out: &mut Summary) {
    let all = pod.at(&["securityContext"]).into_iter();
    for sysctl in all.flat_map(|context| elements(context, "sysctls")) {
        if let Some(name) = text(sysctl.last_member("name")) {
            let value = text(sysctl.last_member("value")).unwrap_or_default();
            out.add(Trait::Sysctl, &[&*name, b"=", &*value].concat());
        }
    }
}
