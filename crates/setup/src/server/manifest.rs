//! Manifests and configuration files that say how an API server is started.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Place, Source};
use kubevigil_yaml::{Kind, Node, Style};

use super::{Flags, Mount, Pod, Server, place};
use crate::check::codes;

/// What kubeadm mounts into every API server.
const MOUNTED_BY_KUBEADM: [&str; 5] = [
    "/etc/kubernetes/pki",
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

pub(super) fn read(source: &Arc<Source>) -> Result<Server, Box<Diagnostic>> {
    let documents = kubevigil_yaml::parse(&source.text).map_err(|error| {
        let diagnostic = Diagnostic::error(codes::BACKEND, format!("this is no YAML: {error}"));
        Box::new(diagnostic.at(source, error.offset..error.offset))
    })?;
    let found = documents
        .iter()
        .find_map(|document| server(source, &document.root));
    found.ok_or_else(|| {
        let message = "the file says nothing of a kube-apiserver";
        let help = "give the manifest of its static pod (on kubeadm /etc/kubernetes/manifests/kube-apiserver.yaml), a ClusterConfiguration, a Cluster of kind, \
                    or the config.yaml of k3s or RKE2; for anything else use --flags or --flags-file";
        Box::new(Diagnostic::error(codes::BACKEND, message).at(source, 0..0).help(help))
    })
}

fn server(source: &Arc<Source>, root: &Node) -> Option<Server> {
    match text(root, "kind") {
        "Pod" => pod(source, root),
        "ClusterConfiguration" => Some(cluster_configuration(source, root)),
        "Cluster" => kind_cluster(source, root),
        _ => rancher(source, root),
    }
}

fn pod(source: &Arc<Source>, root: &Node) -> Option<Server> {
    let spec = root.get("spec")?;
    let container = items(spec, "containers").iter().find(|container| {
        let is_server = |node: &Node| {
            node.text()
                .is_some_and(|text| text.ends_with("kube-apiserver"))
        };
        text(container, "name") == "kube-apiserver"
            || items(container, "command").iter().any(is_server)
    })?;
    let mut flags = Flags::default();
    let mut value_may_follow = false;
    for word in items(container, "command")
        .iter()
        .chain(items(container, "args"))
    {
        if let Some(text) = word.text() {
            value_may_follow = flags.take(text, at(source, word), value_may_follow);
        }
    }
    let anchor = container
        .entry("command")
        .or_else(|| container.entry("args"));
    let volumes = items(spec, "volumes");
    let mount = |node: &Node| mount(source, node, volumes);
    let user = |node: &Node| text(node.get("securityContext")?, "runAsUser").parse().ok();
    Some(Server {
        flags,
        pod: Some(Pod {
            mounts: items(container, "volumeMounts").iter().map(mount).collect(),
            user: user(container).or_else(|| user(spec)),
        }),
        anchor: Some(at(source, anchor.map_or(container, |(key, _)| key))),
    })
}

fn mount(source: &Arc<Source>, node: &Node, volumes: &[Node]) -> Mount {
    let volume = volumes
        .iter()
        .find(|volume| text(volume, "name") == text(node, "name"));
    let host_type = volume
        .and_then(|volume| volume.get("hostPath"))
        .map_or("", |host| text(host, "type"));
    let path = node.entry("mountPath");
    Mount {
        path: text(node, "mountPath").trim_end_matches('/').to_owned(),
        read_only: node
            .get("readOnly")
            .and_then(Node::as_bool)
            .unwrap_or(false),
        is_file: host_type.starts_with("File") || !text(node, "subPath").is_empty(),
        host_type: host_type.to_owned(),
        place: Some(at(source, path.map_or(node, |(_, value)| value))),
    }
}

fn cluster_configuration(source: &Arc<Source>, root: &Node) -> Server {
    let empty = &[][..];
    let api_server = root.get("apiServer");
    let mut flags = Flags::default();
    let arguments = api_server.and_then(|server| server.get("extraArgs"));
    match arguments.map(|arguments| &arguments.kind) {
        Some(Kind::Mapping(pairs)) => {
            for (name, value) in pairs {
                flags.add(
                    name.text().unwrap_or_default(),
                    value.text().map(str::to_owned),
                    at(source, name),
                );
            }
        }
        Some(Kind::Sequence(list)) => {
            for argument in list {
                let value = argument.get("value").and_then(Node::text);
                let shown = argument.get("value").unwrap_or(argument);
                flags.add(
                    text(argument, "name"),
                    value.map(str::to_owned),
                    at(source, shown),
                );
            }
        }
        _ => {}
    }
    let own = MOUNTED_BY_KUBEADM.map(|path| Mount {
        path: path.to_owned(),
        read_only: true,
        is_file: false,
        host_type: String::new(),
        place: None,
    });
    let volumes = api_server.map_or(empty, |server| items(server, "extraVolumes"));
    let extra = volumes.iter().map(|volume| {
        let host_type = text(volume, "pathType");
        let path = volume.get("mountPath").unwrap_or(volume);
        Mount {
            path: text(volume, "mountPath").trim_end_matches('/').to_owned(),
            read_only: volume
                .get("readOnly")
                .and_then(Node::as_bool)
                .unwrap_or(false),
            is_file: host_type.starts_with("File"),
            host_type: host_type.to_owned(),
            place: Some(at(source, path)),
        }
    });
    let anchor = root.entry("apiServer").map_or(root, |(key, _)| key);
    Server {
        flags,
        pod: Some(Pod {
            mounts: own.into_iter().chain(extra).collect(),
            user: None,
        }),
        anchor: Some(at(source, anchor)),
    }
}

/// The first ClusterConfiguration among the patches: where there are several, each is for another version of kubeadm.
fn kind_cluster(source: &Arc<Source>, root: &Node) -> Option<Server> {
    let of_nodes = items(root, "nodes").iter();
    let holders = std::iter::once(root).chain(of_nodes);
    let mut patches = holders.flat_map(|holder| items(holder, "kubeadmConfigPatches"));
    patches.find_map(|patch| {
        let inner = patch.text()?;
        let documents = kubevigil_yaml::parse(inner).ok()?;
        let is_literal = matches!(
            patch.kind,
            Kind::Scalar {
                style: Style::Literal,
                ..
            }
        );
        let (line, _) = source.position(patch.source_offset(&source.text, 0));
        let lines_before = if is_literal {
            line.saturating_sub(1)
        } else {
            0
        };
        let part = Source::part(source.name.clone(), inner, lines_before);
        let configuration = documents
            .iter()
            .find(|document| text(&document.root, "kind") == "ClusterConfiguration")?;
        Some(cluster_configuration(&part, &configuration.root))
    })
}

/// k3s and RKE2, whose lists may end in `+`.
fn rancher(source: &Arc<Source>, root: &Node) -> Option<Server> {
    let is = |node: &Node, name: &str| {
        node.text()
            .is_some_and(|key| key.trim_end_matches('+') == name)
    };
    let mut flags = Flags::default();
    let mut anchor = None;
    for (key, value) in root.pairs()? {
        if is(key, "kube-apiserver-arg") {
            anchor = Some(at(source, key));
            let one = std::slice::from_ref(value);
            for word in value.items().unwrap_or(one) {
                let argument = word.text().unwrap_or_default().trim_start_matches('-');
                let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
                flags.add(name, Some(value.to_owned()), at(source, word));
            }
        } else if is(key, "audit-policy-file") {
            flags.add(
                "audit-policy-file",
                value.text().map(str::to_owned),
                at(source, value),
            );
        }
    }
    anchor.map(|anchor| Server {
        flags,
        pod: None,
        anchor: Some(anchor),
    })
}

fn at(source: &Arc<Source>, node: &Node) -> Place {
    let span: Range<usize> = node.span.clone();
    place(source, span)
}

fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::items).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let server = read(&Source::file("file.yaml", text)).unwrap();
        let flag = server.flags.get("audit-log-path").unwrap();
        let (line, _) = flag.place.source.position(flag.place.span.start);
        let mounts = server.pod.map(|pod| pod.mounts.len());
        format!(
            "{} in line {line}, mounts {mounts:?}",
            flag.value.as_deref().unwrap()
        )
    }

    #[test]
    fn flags_are_found_in_every_kind_of_file() {
        for (text, expected) in [
            (
                "kind: Pod\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --audit-log-path=/a\n    volumeMounts:\n    - {name: a, mountPath: /a}\n",
                "/a in line 7, mounts Some(1)",
            ),
            (
                "kind: ClusterConfiguration\napiServer:\n  extraArgs:\n    audit-log-path: /a\n",
                "/a in line 4, mounts Some(5)",
            ),
            (
                "kind: InitConfiguration\n---\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  - name: audit-log-path\n    value: /a\n",
                "/a in line 7, mounts Some(5)",
            ),
            (
                "kind: Cluster\nnodes:\n- kubeadmConfigPatches:\n  - |\n    kind: ClusterConfiguration\n    apiServer:\n      extraArgs: {audit-log-path: /a}\n",
                "/a in line 7, mounts Some(5)",
            ),
            (
                "write-kubeconfig-mode: \"0600\"\nkube-apiserver-arg+:\n- audit-log-path=/a\n",
                "/a in line 3, mounts None",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_without_an_api_server_says_what_would_be_one() {
        for text in [
            "",
            "kind: Pod\nspec: {containers: [{name: etcd}]}\n",
            "a: [\n",
            "kind: Cluster\n",
        ] {
            assert!(read(&Source::file("file.yaml", text)).is_err(), "{text}");
        }
    }
}
