//! What is generated is read back by whatever reads it, and checked without a finding.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_audit::policy::PolicyFile;
use kubevigil_plan::KubernetesVersion;
use kubevigil_setup::check::{Subject, check};
use kubevigil_setup::choice::{Address, Authentication, Choice, Distribution};
use kubevigil_setup::credentials::Credentials;
use kubevigil_setup::generate::{Bundle, generate};
use kubevigil_setup::kubeconfig;
use kubevigil_setup::managed::{Provider, readme};
use kubevigil_setup::server::Server;
use kubevigil_setup::{File, Timestamp};

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n\
    - level: Metadata\n  resources: [{group: \"\", resources: [secrets, configmaps, serviceaccounts/token]}, {group: authentication.k8s.io, resources: [tokenreviews]}]\n\
    - level: Request\n  verbs: [create, update, patch]\n- level: Metadata\n";

const DISTRIBUTIONS: [Distribution; 5] = [
    Distribution::Kubeadm,
    Distribution::Kind,
    Distribution::K3s,
    Distribution::Minikube,
    Distribution::Rke2,
];

fn now() -> Timestamp {
    "2026-11-23T11:00:00Z".parse().unwrap()
}

fn choice(distribution: Distribution, authentication: Authentication) -> Choice {
    Choice {
        distribution,
        address: distribution.default_address(),
        cluster_ip: None,
        version: KubernetesVersion::DEFAULT,
        authentication,
        policy: POLICY.to_owned(),
        folder: "/root/a \"setup\"".to_owned(),
    }
}

fn at_service(mut choice: Choice) -> Choice {
    choice.address = "kubevigil.security.svc:8765".parse().unwrap();
    choice.cluster_ip = Some("10.96.0.200".parse().unwrap());
    choice
}

/// Every choice that makes a difference.
fn choices() -> Vec<Choice> {
    let mut choices = Vec::new();
    for distribution in DISTRIBUTIONS {
        for authentication in [Authentication::Certificate, Authentication::Token] {
            let choice = choice(distribution, authentication);
            choices.push(at_service(choice.clone()));
            choices.push(choice);
        }
    }
    choices
}

fn bundle(choice: &Choice) -> Bundle {
    let credentials = Credentials::new(choice, now()).unwrap();
    generate(choice, &credentials, now()).unwrap()
}

fn file<'b>(bundle: &'b Bundle, path: &str) -> &'b File {
    bundle.files.iter().find(|file| file.path == path).unwrap()
}

fn findings(bundle: &Bundle, server: Option<&Server>) -> Vec<String> {
    let kubeconfig = kubeconfig::read(
        "webhook.yaml",
        &file(bundle, "api-server/webhook.yaml").contents,
    )
    .unwrap();
    assert!(kubeconfig.cluster.is_some() && kubeconfig.user.is_some());
    let policy = PolicyFile::read(
        "policy.yaml",
        &file(bundle, "api-server/policy.yaml").contents,
    );
    assert!(policy.is_valid());
    let subject = Subject {
        server,
        kubeconfig: Some(&kubeconfig),
        policy: Some(&policy),
        version: KubernetesVersion::DEFAULT,
    };
    check(&subject)
        .into_iter()
        .map(|finding| finding.diagnostic.message)
        .collect()
}

#[test]
fn everything_is_yaml_that_is_read_back() {
    for choice in choices() {
        for file in bundle(&choice).files {
            if file.path.ends_with(".yaml") {
                let documents = kubevigil_yaml::parse(&file.contents);
                assert_eq!(
                    documents.unwrap().len(),
                    1,
                    "{}:\n{}",
                    file.path,
                    file.contents
                );
            }
        }
    }
}

#[test]
fn nothing_is_found_in_what_was_generated() {
    for choice in choices() {
        let bundle = bundle(&choice);
        let flags = Server::from_flags("flags", &file(&bundle, "api-server/flags").contents);
        assert_eq!(findings(&bundle, Some(&flags)), [""; 0]);
        let folder = format!("{}/", choice.distribution.name());
        let manifests = bundle
            .files
            .iter()
            .filter(|file| file.path.starts_with(&folder) && !file.path.contains("patches"));
        for manifest in manifests {
            let server = Server::from_manifest(&manifest.path, &manifest.contents).unwrap();
            let said: Vec<&str> = server
                .flags
                .list
                .iter()
                .map(|flag| flag.name.as_str())
                .collect();
            let listed: Vec<&str> = flags
                .flags
                .list
                .iter()
                .map(|flag| flag.name.as_str())
                .collect();
            assert_eq!(said, listed, "{}", manifest.path);
            assert_eq!(
                findings(&bundle, Some(&server)),
                [""; 0],
                "{}",
                manifest.path
            );
        }
    }
}

/// The patch adds the flags, and what they name, to any manifest.
#[test]
fn the_patch_of_the_static_pod_adds_flags_volumes_and_mounts() {
    let bundle = bundle(&choice(Distribution::Kubeadm, Authentication::Certificate));
    let patch = &file(&bundle, "kubeadm/patches/kube-apiserver+json.yaml").contents;
    let operations = kubevigil_yaml::parse(patch).unwrap().remove(0).root;
    let paths = |wanted: &str| {
        let path = |operation: &&kubevigil_yaml::Node| {
            operation.get("path").unwrap().text() == Some(wanted)
        };
        operations.items().unwrap().iter().filter(path).count()
    };
    assert_eq!(paths("/spec/containers/0/command/-"), 12);
    assert_eq!(
        (
            paths("/spec/containers/0/volumeMounts/-"),
            paths("/spec/volumes/-")
        ),
        (2, 2)
    );
}

#[test]
fn secrets_are_readable_by_their_owner_only() {
    for choice in choices() {
        let credentials = Credentials::new(&choice, now()).unwrap();
        for file in generate(&choice, &credentials, now()).unwrap().files {
            let holds = file.contents.contains("PRIVATE KEY")
                || file.contents.contains(&credentials.token)
                || file.contents.contains("client-key-data");
            assert_eq!(file.secret, holds, "{}", file.path);
            assert_eq!(file.mode(), if holds { 0o600 } else { 0o644 });
        }
    }
}

#[test]
fn a_service_is_reached_by_its_address_and_known_by_its_name() {
    let choice = at_service(choice(Distribution::Kubeadm, Authentication::Token));
    let bundle = bundle(&choice);
    let kubeconfig = kubeconfig::read(
        "webhook.yaml",
        &file(&bundle, "api-server/webhook.yaml").contents,
    )
    .unwrap();
    let cluster = kubeconfig.cluster.unwrap();
    assert_eq!(
        cluster.get("server").unwrap().0,
        "https://10.96.0.200:8765/k8s_audit"
    );
    assert_eq!(
        cluster.get("tls-server-name").unwrap().0,
        "kubevigil.security.svc"
    );
    let service = &file(&bundle, "service.yaml").contents;
    let service = kubevigil_yaml::parse(service).unwrap().remove(0).root;
    assert_eq!(
        service
            .get("spec")
            .unwrap()
            .get("clusterIP")
            .unwrap()
            .text(),
        Some("10.96.0.200")
    );
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    let valid = choice(Distribution::Kubeadm, Authentication::Token);
    let credentials = Credentials::new(&valid, now()).unwrap();
    let refused = |choice: &Choice| {
        generate(choice, &credentials, now())
            .unwrap_err()
            .to_string()
    };
    let address: Address = "kubevigil.security.svc".parse().unwrap();
    let cases = [
        (
            Choice {
                address,
                ..valid.clone()
            },
            "--cluster-ip",
        ),
        (
            Choice {
                cluster_ip: Some("10.0.0.1".parse().unwrap()),
                ..valid.clone()
            },
            "is none",
        ),
        (
            Choice {
                policy: "rules: []\n".to_owned(),
                ..valid.clone()
            },
            "does not start with the policy",
        ),
        (
            Choice {
                version: KubernetesVersion::new(1, 35),
                policy: POLICY.replace("group: \"\"", "group: \"*\""),
                ..valid.clone()
            },
            "knows no group `*`",
        ),
        (
            Choice {
                policy: String::new(),
                ..valid
            },
            "does not start with the policy",
        ),
    ];
    for (choice, expected) in cases {
        let error = refused(&choice);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn tokens_and_keys_differ_each_time() {
    let choice = choice(Distribution::Kind, Authentication::Token);
    let [one, other] = [(); 2].map(|()| Credentials::new(&choice, now()).unwrap());
    assert_ne!(one.token, other.token);
    assert_eq!(one.token.len(), 64);
    let keys = [
        &one.server_key,
        &one.client_key,
        &other.server_key,
        &other.client_key,
    ];
    for (number, key) in keys.iter().enumerate() {
        assert!(!keys[..number].contains(key));
    }
}

#[test]
fn the_steps_are_those_of_the_distribution() {
    for distribution in DISTRIBUTIONS {
        let bundle = bundle(&choice(distribution, Authentication::Certificate));
        insta::assert_snapshot!(distribution.name(), bundle.files[0].contents);
    }
    let service = bundle(&at_service(choice(
        Distribution::Kubeadm,
        Authentication::Token,
    )));
    insta::assert_snapshot!("service", service.files[0].contents);
}

#[test]
fn each_step_says_how_to_verify_and_how_to_undo_it() {
    for choice in choices() {
        for step in bundle(&choice).steps.steps {
            for text in [&step.what, &step.commands, &step.verify, &step.undo] {
                assert!(text.len() > 10, "{}", step.title);
            }
        }
    }
}

#[test]
fn managed_clusters_get_plain_words() {
    for provider in [Provider::Aks, Provider::Eks, Provider::Gke] {
        let text = readme(provider).contents;
        for words in [
            "You **cannot** choose an audit policy",
            "Verify:",
            "Undo:",
            "kubevigil scan",
        ] {
            assert!(text.contains(words), "{provider:?}: {words}");
        }
    }
}
