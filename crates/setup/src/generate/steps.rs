//! The steps: what each does, how to see that it worked, how to undo it.

use std::fmt;

use jiff::civil::Date;
use kubevigil_plan::KubernetesVersion;

use super::minikube;
use crate::choice::{Authentication, Choice, Distribution};

/// What to do, in order.
#[derive(Clone, Debug)]
pub struct Steps {
    title: String,
    introduction: String,
    /// The steps.
    pub steps: Vec<Step>,
    notes: Vec<String>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is, as a heading.
    pub title: &'static str,
    /// What it does.
    pub what: String,
    /// What to type.
    pub commands: String,
    /// How to see that it worked.
    pub verify: String,
    /// How to undo it.
    pub undo: String,
}

pub(super) fn steps(choice: &Choice, last_day: Date) -> Steps {
    let name = choice.distribution.name();
    let mut steps = vec![start(choice)];
    steps.extend(service(choice));
    steps.extend(place(choice));
    steps.push(apply(choice));
    steps.push(verify(choice));
    Steps {
        title: format!("Audit events of a {name} cluster to kubevigil"),
        introduction: format!(
            "The API server will post its audit events to {}. Nothing outside this folder has been touched; the commands are run in it. \
             Certificates are valid until {last_day}.",
            choice.url()
        ),
        steps,
        notes: notes(choice, last_day),
    }
}

fn start(choice: &Choice) -> Step {
    Step {
        title: "Start kubevigil",
        what: format!(
            "It listens on {} and takes events only from who shows the {} of this folder. On another machine, copy `kubevigil.yaml` and `kubevigil/` \
             there and change the paths in the former.",
            choice.listen(),
            credential(choice)
        ),
        commands: "kubevigil config check kubevigil.yaml\nkubevigil run -c kubevigil.yaml"
            .to_owned(),
        verify: format!(
            "from the same machine, `{}` sends an event and says step by step what became of it.",
            verify_command(
                choice,
                &format!("https://localhost:{}", choice.address.port)
            )
        ),
        undo: "stop the process; its events and alerts are in its state folder.".to_owned(),
    }
}

fn service(choice: &Choice) -> Option<Step> {
    choice.address.service().map(|(namespace, name)| Step {
        title: "Create the Service",
        what: "It gives the pods labelled `app.kubernetes.io/name: kubevigil` the fixed address that the API server knows. The pods run kubevigil \
               with the files of the step before, as a Secret."
            .to_owned(),
        commands: "kubectl apply -f service.yaml".to_owned(),
        verify: format!("`kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}` lists a pod."),
        undo: "`kubectl delete -f service.yaml`, after the API server's flags are gone.".to_owned(),
    })
}

/// Copies what the API server reads to its nodes.
fn place(choice: &Choice) -> Option<Step> {
    let folder = choice.distribution.folder();
    let (to, commands) = match choice.distribution {
        Distribution::Kind => return None,
        Distribution::Minikube => (
            "what minikube copies into its machine at every start",
            "mkdir -p ~/.minikube/files/etc/ssl/certs/kubevigil\n\
             install -m 600 api-server/policy.yaml api-server/webhook.yaml ~/.minikube/files/etc/ssl/certs/kubevigil/"
                .to_owned(),
        ),
        _ => (
            "each node of the control plane",
            format!("install -d -m 700 {folder}\ninstall -m 600 api-server/policy.yaml api-server/webhook.yaml {folder}/"),
        ),
    };
    Some(Step {
        title: "Put the policy and the kubeconfig where the API server reads them",
        what: format!("Copies both files to {to}. Nothing reads them yet."),
        commands,
        verify: "`kubevigil setup check --webhook-config api-server/webhook.yaml --policy api-server/policy.yaml --flags-file api-server/flags` finds nothing."
            .to_owned(),
        undo: format!(
            "remove the folder, after the flags are gone: an API server that is told to read {folder} and cannot does not start."
        ),
    })
}

fn apply(choice: &Choice) -> Step {
    let (what, commands, verify, undo) = match choice.distribution {
        Distribution::Kubeadm => (
            "A new cluster: put `apiServer` of `kubeadm/cluster-configuration-VERSION.yaml` into the ClusterConfiguration that `kubeadm init` is given. A \
             running one: put the same into the ConfigMap kubeadm-config, so that upgrades keep it, and write the manifest anew on each node of the \
             control plane, one after the other; the kubelet then restarts the API server, which takes about a minute. `kubeadm/patches` is the other way: \
             a folder for `--patches` of `kubeadm init`, `join` and `upgrade`. Use one of the two, not both.",
            "cp /etc/kubernetes/manifests/kube-apiserver.yaml /root/kube-apiserver.yaml.before\n\
             kubectl -n kube-system edit configmap kubeadm-config\n\
             kubectl -n kube-system get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}' > cluster-configuration.yaml\n\
             kubeadm init phase control-plane apiserver --config cluster-configuration.yaml"
                .to_owned(),
            "`kubevigil setup check --manifest /etc/kubernetes/manifests/kube-apiserver.yaml --webhook-config api-server/webhook.yaml --policy \
             api-server/policy.yaml`, and `kubectl get --raw /readyz`. When the API server does not come up, `crictl ps -a` and `crictl logs` of its \
             last container name the reason.",
            "copy the manifest back that was saved first, and take the same lines out of the ConfigMap.",
        ),
        Distribution::Kind => (
            "The flags of a kind cluster are set when it is created: the folder `api-server` is mounted into the node, and kubeadm is given the flags. A \
             cluster that exists has to be made anew.",
            "docker network inspect kind -f '{{(index .IPAM.Config 0).Gateway}}'\nkind create cluster --config kind/cluster.yaml".to_owned(),
            "the first command prints the machine's address as nodes see it, which must be that of this set-up (the first IPv4 one; else run `kubevigil setup kind` \
             again with `--address`); after the second, `kubectl get --raw /readyz`.",
            "`kind delete cluster`.",
        ),
        Distribution::K3s => (
            "A drop-in adds the flags. k3s reads it at its start; running pods are not affected.",
            "install -D -m 600 k3s/50-kubevigil.yaml /etc/rancher/k3s/config.yaml.d/50-kubevigil.yaml\nsystemctl restart k3s".to_owned(),
            "`kubectl get --raw /readyz`; otherwise `journalctl -u k3s` names the flag that it dislikes.",
            "remove the drop-in and restart k3s.",
        ),
        Distribution::Rke2 => (
            "A drop-in adds the flags and mounts the folder into the API server's pod. RKE2 reads it at its start and restarts the API server.",
            "install -D -m 600 rke2/50-kubevigil.yaml /etc/rancher/rke2/config.yaml.d/50-kubevigil.yaml\nsystemctl restart rke2-server".to_owned(),
            "`kubevigil setup check --manifest /var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml`, and `kubectl get --raw /readyz`.",
            "remove the drop-in and restart rke2-server.",
        ),
        Distribution::Minikube => (
            "Starts the cluster, new or existing, with the flags. There is no log file: its API server has no folder to write one to.",
            minikube::start(choice),
            "`kubectl get --raw /readyz`; otherwise `minikube logs`.",
            "`minikube delete`, or start with other `--extra-config`; remove ~/.minikube/files/etc/ssl/certs/kubevigil.",
        ),
    };
    Step {
        title: "Give the API server its flags",
        what: what.replace("VERSION", kubeadm_version(choice)),
        commands,
        verify: verify.to_owned(),
        undo: undo.to_owned(),
    }
}

/// The version of the configuration that the kubeadm of this Kubernetes writes itself.
fn kubeadm_version(choice: &Choice) -> &'static str {
    if choice.version >= KubernetesVersion::new(1, 31) {
        "v1beta4"
    } else {
        "v1beta3"
    }
}

fn verify(choice: &Choice) -> Step {
    Step {
        title: "See that events arrive",
        what: "The first command asks from here as the API server would; run it on a node of the control plane when it can. The second makes an event that the \
               API server itself sends within five seconds."
            .to_owned(),
        commands: format!(
            "{}\nkubectl auth whoami\ncurl -s http://127.0.0.1:8766/metrics | grep kubevigil_source_events_total",
            verify_command(choice, choice.url().trim_end_matches("/k8s_audit"))
        ),
        verify: "the count of the last command grows while the cluster is used.".to_owned(),
        undo: "nothing to undo: the event of `setup verify` stays in the journal until it ages out.".to_owned(),
    }
}

fn verify_command(choice: &Choice, url: &str) -> String {
    let who = match choice.authentication {
        Authentication::Certificate => "--cert client/client.crt --key client/client.key",
        Authentication::Token => "--token-file client/token",
    };
    format!("kubevigil setup verify {url} --ca client/ca.crt {who}")
}

fn credential(choice: &Choice) -> &'static str {
    match choice.authentication {
        Authentication::Certificate => "client certificate",
        Authentication::Token => "token",
    }
}

fn notes(choice: &Choice, last_day: Date) -> Vec<String> {
    let mut notes = vec![
        format!(
            "The certificates end on {last_day}, and events stop arriving then. Before that, run `kubevigil setup` again into a new folder and apply it. The authority's \
             key was not kept, so nobody can sign another client."
        ),
        "The policy is read once, when the API server starts: restart it after a change.".to_owned(),
        "Alert on the API server's metric `apiserver_audit_error_total`: it counts events that were lost before kubevigil saw them.".to_owned(),
        "Every API server of the cluster needs the same files and flags: each records its own requests only.".to_owned(),
    ];
    if choice.distribution == Distribution::Rke2 {
        notes.push("An `audit-policy-file` in another file of RKE2's configuration would compete with the drop-in's: remove it.".to_owned());
    }
    notes
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# {}\n\n{}\n", self.title, self.introduction)?;
        for (number, step) in (1..).zip(&self.steps) {
            write!(f, "\n## {number}. {}\n\n{}\n\n", step.title, step.what)?;
            for line in step.commands.lines() {
                writeln!(f, "    {line}")?;
            }
            write!(f, "\nVerify: {}\n\nUndo: {}\n", step.verify, step.undo)?;
        }
        f.write_str("\n## Good to know\n\n")?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "- {note}"))
    }
}
