//! One walk over the pods of an event for everything that fields ask of them.
//!
//! Each object on the way is walked once, whatever is wanted of it: a walk for each of the sixteen fields took ten times as long.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::members;
use crate::derived::collected::Collected;
use crate::derived::pod_spec::{Pod, each_pod};
use crate::derived::security_context::{SecurityContext, is_true};
use crate::derived::values::{text, texts};
use crate::field::{Inputs, Value, Values};

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
    ExtendedResource = b'g' as isize,
    ProcMountUnmasked = b'k' as isize,
    RunsAsRoot = b'0' as isize,
    ServiceAccount = b'a' as isize,
    Sysctl = b's' as isize,
    Unconfined = b'u' as isize,
}

/// Annotations that older versions have in the place of profiles: how they begin.
const PROFILES: [&[u8]; 3] = [
    b"container.apparmor.security.beta.kubernetes.io/",
    b"container.seccomp.security.alpha.kubernetes.io/",
    b"seccomp.security.alpha.kubernetes.io/pod",
];

/// The traits of all pods in the bodies; absent when there is no pod.
pub(super) fn summary<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut summary = Summary::default();
    let mut is_there = false;
    each_pod(inputs, &mut |pod| {
        is_there = true;
        summary.add_pod(pod);
    });
    match summary.0.into_values() {
        Values::Absent if is_there => Values::One(Value::borrowed(b"")),
        values => values,
    }
}

#[derive(Default)]
struct Summary(Collected);

impl Summary {
    fn add_pod(&mut self, pod: Pod<'_>) {
        let [
            network,
            pid,
            ipc,
            node,
            account,
            old_account,
            context,
            volumes,
            containers,
            inits,
            ephemerals,
        ] = members(
            Some(pod.spec),
            [
                "hostNetwork",
                "hostPID",
                "hostIPC",
                "nodeName",
                "serviceAccountName",
                "serviceAccount",
                "securityContext",
                "volumes",
                "containers",
                "initContainers",
                "ephemeralContainers",
            ],
        );
        self.flag(Trait::HostNetwork, is_true(network));
        self.flag(Trait::HostPid, is_true(pid));
        self.flag(Trait::HostIpc, is_true(ipc));
        self.text(Trait::NodeName, text(node).as_deref());
        let account = text(account).or_else(|| text(old_account));
        self.text(Trait::ServiceAccount, account.as_deref());
        let old_profile = |beginning: &&[u8]| pod.is_annotated(beginning, b"unconfined");
        self.flag(Trait::Unconfined, PROFILES.iter().any(old_profile));
        volumes
            .into_iter()
            .flat_map(Json::elements)
            .for_each(|volume| self.add_volume(volume));
        let own = SecurityContext::new(context);
        self.add_context(&own);
        let lists = [containers, inits, ephemerals];
        let mut containers = lists
            .into_iter()
            .flatten()
            .flat_map(Json::elements)
            .peekable();
        let is_root = containers.peek().is_none() && own.users.is_root();
        self.flag(Trait::RunsAsRoot, is_root);
        containers.for_each(|container| self.add_container(container, &own));
    }

    fn add_container(&mut self, container: Json<'_>, of_pod: &SecurityContext<'_>) {
        let [context, image, command, arguments, ports, resources] = members(
            Some(container),
            [
                "securityContext",
                "image",
                "command",
                "args",
                "ports",
                "resources",
            ],
        );
        let context = SecurityContext::new(context);
        self.add_context(&context);
        self.flag(Trait::RunsAsRoot, context.users.or(of_pod.users).is_root());
        text(image)
            .into_iter()
            .for_each(|image| self.add(Trait::Image, &image));
        let words: Vec<_> = texts(command).chain(texts(arguments)).collect();
        self.add(Trait::Command, &words.join(b" ".as_slice()));
        let limits = resources.and_then(|resources| resources.last_member("limits"));
        for (name, _) in limits.into_iter().flat_map(Json::members) {
            if name.contains(&b'/') {
                self.add(Trait::ExtendedResource, &name);
            }
        }
        for port in ports.into_iter().flat_map(Json::elements) {
            let number = port
                .last_member("hostPort")
                .map_or(b"0".as_slice(), host_port);
            if number != b"0" {
                self.add(Trait::HostPort, number);
            }
        }
    }

    fn add_context(&mut self, context: &SecurityContext<'_>) {
        self.flag(Trait::Privileged, context.is_privileged);
        self.flag(Trait::PrivilegeEscalation, context.may_gain);
        self.flag(Trait::ProcMountUnmasked, context.is_unmasked);
        self.flag(Trait::Unconfined, context.is_unconfined);
        for name in texts(
            context
                .capabilities
                .and_then(|list| list.last_member("add")),
        ) {
            let name = name.to_ascii_uppercase();
            self.add(
                Trait::Capability,
                name.strip_prefix(b"CAP_").unwrap_or(&name),
            );
        }
        for sysctl in context.sysctls.into_iter().flat_map(Json::elements) {
            if let Some(name) = text(sysctl.last_member("name")) {
                let value = text(sysctl.last_member("value")).unwrap_or_default();
                self.add(Trait::Sysctl, &[&*name, b"=", &*value].concat());
            }
        }
    }

    fn add_volume(&mut self, volume: Json<'_>) {
        let host_path = volume.last_member("hostPath");
        if let Some(path) = text(host_path.and_then(|host_path| host_path.last_member("path"))) {
            self.add(Trait::HostPath, &shortest(&path));
        }
    }

    fn flag(&mut self, of: Trait, holds: bool) {
        if holds {
            self.add(of, b"true");
        }
    }

    /// Adds a text that counts once.
    fn add(&mut self, of: Trait, text: &[u8]) {
        if !text.is_empty() {
            self.0.add(&[&[of as u8], text].concat());
        }
    }

    /// Adds a text whose place among the others counts.
    fn text(&mut self, of: Trait, text: Option<&[u8]>) {
        if let Some(text) = text {
            self.0.add_again(&[&[of as u8], text].concat());
        }
    }
}

/// The digits of a port; `0` stands for none, as in the API.
fn host_port(number: Json<'_>) -> &[u8] {
    if number.kind() == JsonKind::Number {
        number.raw()
    } else {
        b"0"
    }
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
