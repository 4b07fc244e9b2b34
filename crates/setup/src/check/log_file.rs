//! C22: the log file, its rotation and its mounts, and files that are not mounted.

use kubevigil_diagnostics::{Diagnostic, Place};
use kubevigil_plan::KubernetesVersion;

use super::codes::LOG_FILE;
use super::subject::{Backend, at};
use super::{Findings, Subject};
use crate::server::{Mount, Pod, Server};

/// Since then no flag about rotation means what it meant before.
pub(super) const NEW_DEFAULTS: KubernetesVersion = KubernetesVersion::new(1, 36);

/// API servers refuse larger bodies of requests, in MiB.
const LARGEST_REQUEST: i64 = 3;

pub(super) fn check(subject: &Subject<'_>, server: &Server, findings: &mut Findings) {
    if let Some(pod) = &server.pod {
        for flag in ["audit-policy-file", "audit-webhook-config-file"] {
            if let Some(path) = server.flags.text(flag) {
                is_mounted(
                    pod,
                    path,
                    &format!("--{flag}"),
                    server.place(flag),
                    findings,
                );
            }
        }
        files_of_kubeconfig(subject, server, pod, findings);
    }
    let Some(path) = server.flags.text("audit-log-path") else {
        return;
    };
    if path == "-" {
        return;
    }
    if matches!(path, "/dev/stdout" | "/proc/self/fd/1") {
        let message = format!(
            "rotation renames {path}, and what follows fills the memory file system of devices"
        );
        let diagnostic = Diagnostic::error(LOG_FILE, message).within("--audit-log-path");
        findings.push(
            at(diagnostic, server.place("audit-log-path"))
                .help("write `-`: it means standard output"),
        );
        return;
    }
    if let Some(pod) = &server.pod {
        log_mount(pod, path, server, findings);
    }
    rotation(subject, server, findings);
}

fn is_mounted(pod: &Pod, path: &str, what: &str, place: Option<&Place>, findings: &mut Findings) {
    if pod.mount_of(path).is_none() {
        let message = format!(
            "{path} is mounted nowhere in the pod: the API server does not find it and does not start"
        );
        let help = "add its folder to `volumes` and `volumeMounts` (kubeadm: `extraVolumes`)";
        findings.fatal(at(
            Diagnostic::error(LOG_FILE, message).within(what).help(help),
            place,
        ));
    }
}

/// Paths in a kubeconfig are those of the container, and relative to the file.
fn files_of_kubeconfig(subject: &Subject<'_>, server: &Server, pod: &Pod, findings: &mut Findings) {
    let (Some(kubeconfig), Some(config)) = (
        subject.kubeconfig,
        server.flags.text("audit-webhook-config-file"),
    ) else {
        return;
    };
    let folder = config.rsplit_once('/').map_or("", |(folder, _)| folder);
    let of_cluster = kubeconfig
        .cluster
        .iter()
        .map(|cluster| (cluster, &["certificate-authority"][..]));
    let of_user = kubeconfig
        .user
        .iter()
        .map(|user| (user, &["client-certificate", "client-key", "tokenFile"][..]));
    for (entry, names) in of_cluster.chain(of_user) {
        for name in names {
            let Some((path, place)) = entry.get(name) else {
                continue;
            };
            let path = if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("{folder}/{path}")
            };
            is_mounted(pod, &path, name, Some(place), findings);
        }
    }
}

fn log_mount(pod: &Pod, path: &str, server: &Server, findings: &mut Findings) {
    let flag = server.place("audit-log-path");
    let Some(mount) = pod.mount_of(path) else {
        let message = format!(
            "{path} is in no mounted folder: the log lies inside the container and goes away with it"
        );
        let diagnostic = Diagnostic::warning(LOG_FILE, message).within("--audit-log-path");
        findings.push(
            at(diagnostic, flag)
                .help("mount its folder from the host, with the type DirectoryOrCreate"),
        );
        return;
    };
    let place = mount.place.as_ref().or(flag);
    if mount.path == path || mount.is_file {
        let message = format!(
            "{} is mounted as a single file, which rotation cannot rename: every event after the first full file is lost",
            mount.path
        );
        let diagnostic = Diagnostic::error(LOG_FILE, message).within("volumeMounts");
        findings.push(
            at(diagnostic, place).help("mount the folder instead, with the type DirectoryOrCreate"),
        );
    }
    if mount.read_only {
        let message = format!(
            "{} is mounted for reading only: the API server cannot open its log and does not start",
            mount.path
        );
        findings.fatal(at(
            Diagnostic::error(LOG_FILE, message)
                .within("volumeMounts")
                .help("set `readOnly: false`"),
            place,
        ));
    }
    owner(pod, mount, place, findings);
}

fn owner(pod: &Pod, mount: &Mount, place: Option<&Place>, findings: &mut Findings) {
    let Some(user) = pod
        .user
        .filter(|user| *user != 0 && mount.host_type == "DirectoryOrCreate")
    else {
        return;
    };
    let message = format!(
        "the API server runs as user {user}, but a folder that the kubelet creates belongs to root: it cannot begin a file there"
    );
    let help = format!("create the folder on each node and give it to user {user}");
    findings.push(at(
        Diagnostic::warning(LOG_FILE, message)
            .within("volumeMounts")
            .help(help),
        place,
    ));
}

fn rotation(subject: &Subject<'_>, server: &Server, findings: &mut Findings) {
    let flags = &server.flags;
    let is_new = subject.version >= NEW_DEFAULTS;
    let size = flags.integer("audit-log-maxsize");
    let unlimited = |name: &str| flags.integer(name).map_or(!is_new, |value| value == 0);
    let mut warn = |flag: &str, message: String, help: &str| {
        let diagnostic = Diagnostic::warning(LOG_FILE, message).within(format!("--{flag}"));
        findings.push(at(diagnostic, server.place(flag)).help(help));
    };
    if size == Some(0) {
        let message = if is_new {
            "the log is never rotated and grows until the disk is full".to_owned()
        } else {
            format!(
                "0 means 100 MiB in Kubernetes {}, but no rotation at all from 1.36 on",
                subject.version
            )
        };
        warn("audit-log-maxsize", message, "name a size in MiB: 100");
    }
    if unlimited("audit-log-maxbackup")
        && unlimited("audit-log-maxage")
        && !(is_new && size == Some(0))
    {
        let given = if flags.get("audit-log-maxbackup").is_some() {
            "audit-log-maxbackup"
        } else {
            "audit-log-path"
        };
        let message = "neither the number nor the age of old files has a limit: they are kept until the disk is full".to_owned();
        warn(
            given,
            message,
            "set --audit-log-maxbackup, and --audit-log-maxage if you like: 10 files of 100 MiB and the current one are 1,100 MiB",
        );
    }
    let log = Backend::log(flags);
    let largest = if log.truncates() {
        log.max_event_size() / (1 << 20)
    } else {
        LARGEST_REQUEST
    };
    if let Some(size) = size.filter(|size| (1..=largest).contains(size)) {
        let message = format!(
            "a line longer than {size} MiB is lost, and one event can be longer: bodies of requests reach {LARGEST_REQUEST} MiB"
        );
        warn("audit-log-maxsize", message, "set 100, the usual size");
    }
}
