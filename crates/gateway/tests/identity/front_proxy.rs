//! Callers named by a proxy in front.

use kubevigil_gateway::identity::{
    Authenticator, FrontProxyConfig, IdentityConfig, IdentityMode, Method,
};

use crate::authority::{Authority, stranger};
use crate::certificates::by_certificate;
use crate::request::{Lines, authenticator, judge, said};

/// A proxy whose certificates the authority signs.
pub(crate) fn behind(authority: &Authority, allowed: &[&str]) -> IdentityConfig {
    let mut proxy = FrontProxyConfig::new(authority.file());
    proxy.allowed_names = allowed.iter().map(|name| (*name).to_owned()).collect();
    IdentityConfig {
        mode: IdentityMode::Impersonate,
        front_proxy: Some(proxy),
        ..IdentityConfig::default()
    }
}

const NOBODY: &str = "system:anonymous||system:unauthenticated|";

#[tokio::test]
async fn an_allowed_proxy_says_who_asks() {
    let authority = Authority::new();
    let authenticator = authenticator(&behind(&authority, &["front-proxy-client"]));
    let proxy = authority.client("front-proxy-client", &[]);
    let cases: [(Lines<'_>, &str); 8] = [
        (
            &[
                ("X-Remote-User", "fp-user"),
                ("X-Remote-Group", "system:masters"),
            ],
            "fp-user||system:masters,system:authenticated|",
        ),
        (
            &[
                ("x-remote-user", "a"),
                ("X-REMOTE-UID", "u"),
                ("X-Remote-Group", "g"),
                ("X-Remote-Group", ""),
                ("X-Remote-Group", "h,i"),
                ("X-Remote-Extra-Acme.com%2FProject", "p"),
                ("X-Remote-Extra-Scopes", "x"),
                ("X-Remote-Extra-scopes", "y"),
            ],
            "a|u|g,h,i,system:authenticated|acme.com/project=p;scopes=x,y",
        ),
        (
            &[("X-Remote-User", "a"), ("X-Remote-User", "b")],
            "a||system:authenticated|",
        ),
        (
            &[
                ("X-Remote-User", "a"),
                ("X-Remote-Group", "system:unauthenticated"),
            ],
            "a||system:unauthenticated|",
        ),
        (&[("X-Remote-User", "")], NOBODY),
        (&[("X-Remote-Group", "system:masters")], NOBODY),
        (&[("X_Remote_User", "a")], NOBODY),
        (&[], NOBODY),
    ];
    for (headers, expected) in cases {
        let judgement = judge(&authenticator, headers, &proxy).await;
        assert_eq!(said(&judgement), expected, "{headers:?}");
        let by = judgement.unwrap().by;
        assert_eq!(by == Method::FrontProxy, expected != NOBODY, "{headers:?}");
    }
}

#[tokio::test]
async fn nobody_else_can_say_who_they_are() {
    let (authority, other) = (Authority::new(), Authority::new());
    let authenticator = authenticator(&behind(&authority, &["front-proxy-client"]));
    let headers = [
        ("X-Remote-User", "admin"),
        ("X-Remote-Group", "system:masters"),
    ];
    let cases = [
        (stranger(), NOBODY),
        (other.client("front-proxy-client", &[]), "401"),
        (authority.client("front-proxy-clients", &[]), "401"),
        (authority.client("", &[]), "401"),
    ];
    for (peer, expected) in cases {
        assert_eq!(
            said(&judge(&authenticator, &headers, &peer).await),
            expected
        );
    }
}

#[tokio::test]
async fn a_client_beside_the_proxy_is_known_by_its_own_certificate() {
    let (proxies, clients) = (Authority::new(), Authority::new());
    let config = IdentityConfig {
        client_ca: by_certificate(&clients).client_ca,
        ..behind(&proxies, &[])
    };
    let authenticator = authenticator(&config);
    let headers = [("X-Remote-User", "admin")];
    let found = said(&judge(&authenticator, &headers, &clients.client("jane", &[])).await);
    assert!(found.starts_with("jane|"), "{found}");
    let found = said(&judge(&authenticator, &headers, &proxies.client("any", &[])).await);
    assert_eq!(found, "admin||system:authenticated|");
}

#[tokio::test]
async fn names_that_are_no_text_are_refused() {
    let authority = Authority::new();
    let authenticator = authenticator(&behind(&authority, &[]));
    let proxy = authority.client("proxy", &[]);
    for name in [
        "x-remote-user",
        "x-remote-group",
        "x-remote-extra-k",
        "x-remote-extra-%ff",
    ] {
        let mut parts = crate::request::request("/", &[("x-remote-user", "a")]);
        let value = http::HeaderValue::from_bytes(b"\xff").unwrap();
        let header = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        parts.headers.insert(header, value);
        let now = std::time::SystemTime::now();
        let judgement = authenticator.authenticate(&parts, Some(&proxy), now).await;
        assert_eq!(said(&judgement), "401", "{name}");
    }
}

#[test]
fn an_authority_of_clients_and_proxies_needs_names() {
    let (authority, other) = (Authority::new(), Authority::new());
    let below = authority.below();
    let check = |clients: Option<&Authority>, allowed: &[&str]| {
        let config = IdentityConfig {
            client_ca: clients.map(Authority::file),
            ..behind(&authority, allowed)
        };
        let started = Authenticator::new(&config, None).map(drop);
        let checked = config.check_front_proxy();
        assert_eq!(started.is_err(), checked.is_err());
        checked.map_err(|error| error.to_string())
    };
    let shared = "identity.front_proxy.allowed_names: client_ca and front_proxy.ca share an authority, so that";
    for clients in [&authority, &below] {
        let error = check(Some(clients), &[]).unwrap_err();
        assert!(error.starts_with(shared), "{error}");
        let advice = check(Some(clients), &["proxy"]).unwrap().unwrap();
        assert!(advice.contains("share an authority"), "{advice}");
    }
    for clients in [Some(&other), None] {
        let advice = check(clients, &[]).unwrap().unwrap();
        assert!(advice.contains("allowed_names is empty"), "{advice}");
        assert_eq!(check(clients, &["proxy"]), Ok(None));
    }
}
