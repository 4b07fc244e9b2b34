//! Callers known by a client certificate.

use kubevigil_gateway::identity::{Authenticator, IdentityConfig, IdentityMode, Method};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, date_time_ymd};

use crate::authority::{Authority, params, peer, stranger, unknown_critical};
use crate::request::{authenticator, judge, said};

pub(crate) fn by_certificate(authority: &Authority) -> IdentityConfig {
    IdentityConfig {
        mode: IdentityMode::Impersonate,
        client_ca: Some(authority.file()),
        ..IdentityConfig::default()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    params(distinguished)
}

#[tokio::test]
async fn the_common_name_is_the_user_and_organisations_are_groups() {
    let authority = Authority::new();
    let authenticator = authenticator(&by_certificate(&authority));
    let cases = [
        (
            authority.client("jane", &["developers"]),
            "jane||developers,system:authenticated|",
        ),
        (
            authority.client("jane", &["b", "a"]),
            "jane||b,a,system:authenticated|",
        ),
        (authority.client("jane", &[]), "jane||system:authenticated|"),
        (
            authority.client_with_uid("jane", "u-1"),
            "jane|u-1|system:authenticated|",
        ),
        (
            authority.client("system:node:w", &["system:nodes"]),
            "system:node:w||system:nodes,system:authenticated|",
        ),
        // kube-apiserver leaves the anonymous user's groups alone, whoever vouches for it.
        (
            authority.client("system:anonymous", &[]),
            "system:anonymous|||",
        ),
    ];
    for (peer, expected) in cases {
        let judgement = judge(&authenticator, &[], &peer).await;
        let found = said(&judgement);
        let expected = format!("{expected}authentication.kubernetes.io/credential-id=X509SHA256=");
        assert!(found.starts_with(&expected), "{found}");
        assert_eq!(judgement.unwrap().by, Method::Certificate);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_though_anybody_may_ask() {
    let (authority, other) = (Authority::new(), Authority::new());
    let authenticator = authenticator(&by_certificate(&authority));
    let mut for_servers = named("jane");
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut expired = named("jane");
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let mut early = named("jane");
    early.not_before = date_time_ymd(2090, 1, 1);
    let mut strange = named("jane");
    strange.custom_extensions.push(unknown_critical());
    let cases = [
        (
            "another authority",
            other.client("kubernetes-admin", &["system:masters"]),
        ),
        ("a server's", authority.sign(for_servers)),
        ("expired", authority.sign(expired)),
        ("not yet", authority.sign(early)),
        ("unknown critical extension", authority.sign(strange)),
        ("uid empty", authority.client_with_uid("jane", "")),
        (
            "no certificate at all",
            peer(&[b"nonsense".to_vec().into()]),
        ),
    ];
    for (what, peer) in cases {
        let judgement = judge(&authenticator, &[], &peer).await;
        let refusal = judgement.expect_err(what);
        assert_eq!(
            (refusal.status, refusal.message.as_str()),
            (401, "Authentication failed, attempted: x509"),
            "{what}"
        );
    }
    assert_eq!(
        said(&judge(&authenticator, &[], &stranger()).await),
        "system:anonymous||system:unauthenticated|"
    );
}

#[tokio::test]
async fn a_certificate_without_a_common_name_is_nobody() {
    let authority = Authority::new();
    let authenticator = authenticator(&by_certificate(&authority));
    let judgement = judge(
        &authenticator,
        &[],
        &authority.client("", &["system:masters"]),
    )
    .await;
    assert_eq!(
        said(&judgement),
        "system:anonymous||system:unauthenticated|"
    );
}

#[tokio::test]
async fn of_two_certificates_the_one_that_proved_its_key_counts() {
    let authority = Authority::new();
    let authenticator = authenticator(&by_certificate(&authority));
    let (jane, admin) = (
        authority.client("jane", &[]),
        authority.client("admin", &[]),
    );
    let both = peer(&[jane.certificates[0].clone(), admin.certificates[0].clone()]);
    assert!(said(&judge(&authenticator, &[], &both).await).starts_with("jane|"));
}

#[tokio::test]
async fn a_good_certificate_outweighs_a_bad_token() {
    let authority = Authority::new();
    let authenticator = authenticator(&by_certificate(&authority));
    let headers = [("authorization", "Bearer nonsense")];
    let jane = authority.client("jane", &[]);
    assert!(said(&judge(&authenticator, &headers, &jane).await).starts_with("jane|"));
    assert_eq!(
        said(&judge(&authenticator, &headers, &stranger()).await),
        "401"
    );
}

#[test]
fn certificates_cannot_be_passed_through() {
    let authority = Authority::new();
    let config = IdentityConfig {
        mode: IdentityMode::Passthrough,
        ..by_certificate(&authority)
    };
    let error = Authenticator::new(&config, None).err().unwrap();
    assert_eq!(
        error.to_string(),
        "identity.client_ca needs identity.mode: impersonate, because a certificate cannot be passed through to the upstream"
    );
}
