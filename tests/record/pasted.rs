//! Command lines of a kube-apiserver, pasted whole.

use std::process::Command;

use crate::daemon::Daemon;
use crate::gate::Place;

/// What kubeadm writes into the manifest of a static pod, with the audit flags that its users add.
const KUBEADM: &str = "kube-apiserver
--advertise-address=192.0.2.10
--allow-privileged=true
--authorization-mode=Node,RBAC
--audit-policy-file={}/policy.yaml
--audit-log-path={}/audit.log
--audit-log-maxage=30
--audit-log-maxbackup=10
--audit-log-maxsize=100
--client-ca-file={}/ca.crt
--enable-admission-plugins=NodeRestriction
--enable-bootstrap-token-auth=true
--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt
--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt
--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key
--etcd-servers=https://127.0.0.1:2379
--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt
--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key
--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname
--proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt
--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key
--requestheader-allowed-names=front-proxy-client
--requestheader-client-ca-file={}/front-proxy-ca.crt
--requestheader-extra-headers-prefix=X-Remote-Extra-
--requestheader-group-headers=X-Remote-Group
--requestheader-username-headers=X-Remote-User
--secure-port=0
--service-account-issuer=https://kubernetes.default.svc.cluster.local
--service-account-key-file={}/sa.pub
--service-account-signing-key-file=/etc/kubernetes/pki/sa.key
--service-cluster-ip-range=10.96.0.0/12
--tls-cert-file={}/tls.crt
--tls-private-key-file={}/tls.key";

/// `kubevigil record` with the gateway's own flags before the pasted ones.
fn pasted(place: &Place, own: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    let folder = place.path("").display().to_string();
    let line = KUBEADM.replace("{}", folder.trim_end_matches('/'));
    command
        .arg("record")
        .arg(format!(
            "--upstream-kubeconfig={}",
            place.path("upstream.yaml").display()
        ))
        .arg("--metrics-listen=127.0.0.1:0")
        .args(own)
        .arg("--")
        .args(line.lines())
        .env_remove("RUST_LOG");
    command
}

/// The files that a node of the control plane has.
fn with_certificates(place: &Place) {
    let authority = crate::authority::Authority::new();
    let server = authority.server();
    place.write("tls.crt", &server.certificate);
    place.write("tls.key", &server.key);
    let ca = authority.pem();
    place.write("ca.crt", &ca);
    place.write("front-proxy-ca.crt", &ca);
    let key = rcgen::KeyPair::generate().unwrap();
    place.write("sa.pub", &key.public_key_pem());
}

#[test]
fn a_command_line_of_kubeadm_starts_a_gateway() {
    let place = Place::new_tls();
    with_certificates(&place);
    let own = [
        "--bind-address=127.0.0.1",
        "--identity=impersonate",
        "--token-review",
    ];
    let daemon = Daemon::spawn(&mut pasted(&place, &own)).ready();
    let log = daemon.terminate();
    for said in [
        "recording to ignoreErrors<log>",
        "ignored, since they mean nothing to a gateway: --advertise-address, --allow-privileged, --authorization-mode,",
        "recognised by a front proxy, client certificates, tokens of service accounts, asking the API server about tokens, and impersonated",
        "auditing gateway on https://127.0.0.1:",
    ] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
}
