//! Who the upstream takes a client for.

use std::sync::Arc;

use kubevigil_gateway::forward::UpstreamIdentity;
use kubevigil_gateway::impersonate::ForwardAs;
use kubevigil_kubeconfig::{Access, Credentials, Kubeconfig};
use kubevigil_record::event::UserInfo;

use crate::wire::{Between, Outer, Wanted};

/// Headers by which a client might try to be somebody else, and ways to spell them.
const TRICKS: [&str; 22] = [
    "Authorization: Bearer client",
    "AUTHORIZATION: Basic client",
    "_Authorization: Bearer client",
    "Authorization_: Bearer client",
    "Impersonate-User: client",
    "impersonate-USER: client",
    "Impersonate_User: client",
    "Impersonate.User: client",
    "Impersonate-User-: client",
    "Impersonate-Uid: client",
    "Impersonate-Group: client",
    "Impersonate_Group: client",
    "Impersonate-Extra-Scopes: client",
    "Impersonate-Extra_Scopes: client",
    "ImpersonateUser: client",
    "X-Remote-User: client",
    "X_Remote_User: client",
    "X-Remote-Group: client",
    "X-Remote-Uid: client",
    "X-Remote-Extra-Scopes: client",
    "X!Remote!User: client",
    "Proxy-Authorization: Bearer client",
];

async fn between(user: Option<UserInfo>) -> Between {
    let outer: Outer = Arc::new(move |request| {
        if let Some(user) = user.clone() {
            request.extensions_mut().insert(ForwardAs { user });
        }
    });
    Between::start(Wanted {
        identity: UpstreamIdentity::Impersonate(own_credentials()),
        outer,
        ..Wanted::default()
    })
    .await
}

/// Those of a kubeconfig with a token.
fn own_credentials() -> Credentials {
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
                clusters: [{name: a, cluster: {server: 'https://127.0.0.1', insecure-skip-tls-verify: true}}]\n\
                users: [{name: a, user: {token: gateway}}]\n";
    let kubeconfig = Kubeconfig::read("kubeconfig", text).unwrap();
    let access = Access::from_kubeconfig(&kubeconfig, std::path::Path::new(".")).unwrap();
    access.credentials
}

fn jane() -> UserInfo {
    UserInfo {
        username: "jane".to_owned(),
        groups: vec!["dev".to_owned()],
        ..UserInfo::default()
    }
}

#[tokio::test]
async fn nothing_that_a_client_says_of_itself_reaches_the_upstream() {
    let between = between(Some(jane())).await;
    let listing = "Connection: Authorization, Impersonate-User, Impersonate-Group, X-Remote-User, X-Forwarded-For, Host";
    for trick in TRICKS {
        for more in ["", listing] {
            let request =
                format!("GET /api HTTP/1.1\r\nHost: g\r\n{trick}\r\n{trick}\r\n{more}\r\n\r\n");
            let request = request.replace("\r\n\r\n\r\n", "\r\n\r\n");
            let _client = between.client(&request).await;
            let seen = between.accept().await.head().await;
            let host = between.upstream.local_addr().unwrap();
            assert_eq!(
                seen,
                format!(
                    "GET /api HTTP/1.1\nauthorization: Bearer gateway\nhost: {host}\nimpersonate-group: dev\n\
                     impersonate-user: jane\nx-forwarded-for: 127.0.0.1"
                ),
                "{request}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_in_nobodys_name_is_not_sent() {
    let nobody = UserInfo::default();
    let trimmed = UserInfo {
        username: " system:admin".to_owned(),
        ..UserInfo::default()
    };
    let split = UserInfo {
        username: "a\r\nx: y".to_owned(),
        ..UserInfo::default()
    };
    let cases = [
        (None, 500),
        (Some(nobody), 403),
        (Some(trimmed), 403),
        (Some(split), 403),
    ];
    for (user, code) in cases {
        let between = between(user).await;
        let request = "GET /api HTTP/1.1\r\nHost: g\r\nImpersonate-User: jane\r\nAuthorization: Bearer client\r\n\r\n";
        let mut client = between.client(request).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {code}")), "{head}");
        assert!(between.is_left_alone().await);
    }
}

#[tokio::test]
async fn upgrades_are_in_the_users_name_too() {
    let between = between(Some(jane())).await;
    let request = "GET /api/v1/namespaces/a/pods/b/exec?command=id HTTP/1.1\r\nHost: g\r\nConnection: Upgrade, Authorization\r\n\
                   Upgrade: websocket\r\nAuthorization: Bearer client\r\nImpersonate-User: root\r\n\r\n";
    let _client = between.client(request).await;
    let seen = between.accept().await.head().await;
    assert!(seen.contains("authorization: Bearer gateway\n"), "{seen}");
    assert!(seen.contains("impersonate-user: jane\n"), "{seen}");
    assert!(!seen.contains("client") && !seen.contains("root"), "{seen}");
}

#[tokio::test]
async fn passing_through_adds_nothing_of_the_gateways() {
    let between = Between::usual().await;
    for trick in TRICKS {
        let request = format!("GET /api HTTP/1.1\r\nHost: g\r\n{trick}\r\n\r\n");
        let _client = between.client(&request).await;
        let seen = between.accept().await.head().await;
        let client: Vec<&str> = seen
            .lines()
            .filter(|line| line.contains("client"))
            .collect();
        let lower = trick.split(':').next().unwrap().to_lowercase();
        let is_own = lower == "authorization" || lower.starts_with("impersonate-");
        let is_own = is_own && !lower.contains('_') | lower.starts_with("impersonate-extra-");
        let expected = trick.replacen(trick.split(':').next().unwrap(), &lower, 1);
        assert_eq!(
            client,
            if is_own {
                vec![expected.as_str()]
            } else {
                vec![]
            },
            "{trick}"
        );
        assert!(!seen.contains("gateway"), "{seen}");
    }
}
