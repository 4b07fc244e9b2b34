//! Accesses that are made anew when what they were made of changes.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_kubeconfig::{Access, AccessError, AccessSource, Follower, InCluster};
use kubevigil_tls::Look;

use crate::CA;
use crate::server::{Server, ask, authority};

/// The access that a look brings, if it does.
fn renewed(follower: &Follower, insist: bool) -> Result<Option<Access>, AccessError> {
    let mut renewed = None;
    let look = follower.look(insist, |access| {
        renewed = Some(access.clone());
        Ok::<_, AccessError>(())
    })?;
    assert_eq!(look == Look::Replaced, renewed.is_some());
    Ok(renewed)
}

/// What a look brings: `same`, `new`, or what is wrong.
fn look(follower: &Follower) -> String {
    match renewed(follower, false) {
        Ok(None) => "same".to_owned(),
        Ok(Some(_)) => "new".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn reaches(access: &Access) -> bool {
    ask(&access.client().unwrap()).await == Ok(200)
}

fn of_kubeconfig(server: &Server, cluster: &str, user: &str) -> (Access, Follower) {
    let path = server.kubeconfig(cluster, user);
    let source = AccessSource::Kubeconfig {
        path,
        context: None,
    };
    source.follow().unwrap()
}

#[tokio::test]
async fn an_authority_in_a_file_is_followed() {
    let server = Server::start(&["127.0.0.1"]).await;
    let sources = [
        AccessSource::Kubeconfig {
            path: server.kubeconfig(CA, "token: a"),
            context: None,
        },
        AccessSource::Server {
            address: format!("https://127.0.0.1:{}", server.port),
            authority: Some(server.folder.path().join("ca.crt")),
        },
        AccessSource::Pod(InCluster {
            host: "127.0.0.1".to_owned(),
            port: server.port.to_string(),
            folder: server.folder.path().to_owned(),
        }),
    ];
    server.write("token", "mounted");
    for source in sources {
        server.write("ca.crt", &authority().pem());
        let (before, follower) = source.clone().follow().unwrap();
        assert!(!reaches(&before).await, "{source:?}");
        assert_eq!(look(&follower), "same");
        server.write("ca.crt", &server.authority.pem());
        let after = renewed(&follower, false).unwrap().unwrap();
        assert!(reaches(&after).await, "{source:?}");
        assert!(!reaches(&before).await, "the one before stays as it was");
        assert_eq!(look(&follower), "same");
    }
}

#[tokio::test]
async fn a_kubeconfig_is_followed_as_a_whole() {
    let server = Server::start(&["127.0.0.1"]).await;
    let inlined = |pem: String| {
        let data = STANDARD.encode(pem);
        format!("certificate-authority-data: {data}")
    };
    let stranger = inlined(authority().pem());
    let (before, follower) = of_kubeconfig(&server, &stranger, "token: one");
    assert!(!reaches(&before).await);
    server.kubeconfig(&inlined(server.authority.pem()), "token: two");
    let after = renewed(&follower, false).unwrap().unwrap();
    assert!(reaches(&after).await);
    let seen = server.seen();
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer two"));
    // The same content again is no change, whoever wrote it.
    server.kubeconfig(&inlined(server.authority.pem()), "token: two");
    assert_eq!(look(&follower), "same");
}

#[tokio::test]
async fn what_is_wrong_is_told_when_it_changes_and_tried_again_until_it_is_right() {
    let server = Server::start(&["127.0.0.1"]).await;
    let (_, follower) = of_kubeconfig(&server, CA, "token: a");
    server.kubeconfig("certificate-authority: next.crt", "token: a");
    let missing = look(&follower);
    assert!(missing.contains("next.crt: No such file"), "{missing}");
    assert_eq!(look(&follower), "same", "told");
    assert!(renewed(&follower, true).is_err(), "insisted");
    server.write("next.crt", "nonsense");
    let broken = look(&follower);
    assert!(broken.contains("no PEM at all"), "{broken}");
    assert_eq!(look(&follower), "same", "told");
    // A file that the last good kubeconfig did not name.
    server.write("next.crt", &server.authority.pem());
    assert_eq!(look(&follower), "new");
    assert_eq!(look(&follower), "same");

    server.kubeconfig("server: 'https://a:b@c'", "token: a");
    assert!(look(&follower).contains("holds a user or a password"));
    server.kubeconfig("certificate-authority: next.crt", "token: a");
    assert_eq!(look(&follower), "same", "as it was before the mistake");
    std::fs::remove_file(server.folder.path().join("config")).unwrap();
    assert!(look(&follower).starts_with("cannot read the kubeconfig"));
    assert_eq!(look(&follower), "same", "told");
}

#[tokio::test]
async fn what_nobody_can_take_is_offered_again_until_somebody_does() {
    let server = Server::start(&["127.0.0.1"]).await;
    let (_, follower) = of_kubeconfig(&server, CA, "token: a");
    server.kubeconfig(CA, "token: b");
    let offered = Cell::new(0);
    let refuse = |_: &Access| {
        offered.set(offered.get() + 1);
        Err(AccessError::ServiceAccount("not this one".to_owned()))
    };
    assert!(follower.look(false, refuse).is_err());
    assert_eq!(follower.look(false, refuse).unwrap(), Look::Same, "told");
    assert!(follower.look(true, refuse).is_err(), "insisted");
    assert_eq!(offered.get(), 3);
    assert_eq!(look(&follower), "new");
    assert_eq!(look(&follower), "same");
}

#[tokio::test]
async fn an_authority_that_a_pod_is_given_later_is_used() {
    let server = Server::start(&["127.0.0.1"]).await;
    server.write("token", "mounted");
    let folder = server.folder.path().to_owned();
    let authority = folder.join("ca.crt");
    std::fs::remove_file(&authority).unwrap();
    let pod = InCluster {
        host: "127.0.0.1".to_owned(),
        port: server.port.to_string(),
        folder,
    };
    let (before, follower) = AccessSource::Pod(pod).follow().unwrap();
    assert!(
        before.warnings[0]
            .message
            .contains("the machine's are used")
    );
    assert!(!reaches(&before).await);
    assert_eq!(look(&follower), "same");
    server.write("ca.crt", &server.authority.pem());
    let after = renewed(&follower, false).unwrap().unwrap();
    assert!(after.warnings.is_empty() && reaches(&after).await);
}
