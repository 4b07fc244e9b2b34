//! Certificates, keys and authorities that cannot be used, and what is said of them.

use std::path::Path;

use kubevigil_sources::webhook::{Webhook, WebhookConfig, check_credentials};

use crate::authority::{Authority, Files, Pair};

/// Content of the certificate, the key and the authorities, and what the error says of it.
type Broken<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

#[tokio::test]
async fn files_that_cannot_be_used_are_explained() {
    let (pair, other) = (Authority::new().server(), Authority::new().server());
    let (certificate, key) = (pair.certificate.as_str(), pair.key.as_str());
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let second = format!("{certificate}{no_certificate}");
    let cut = &certificate[..certificate.len() / 2];
    let cases: [Broken<'_>; 11] = [
        (
            "",
            key,
            "",
            &["tls.crt holds no CERTIFICATE block, but no PEM at all"],
        ),
        (
            key,
            key,
            "",
            &[
                "tls.crt holds no CERTIFICATE block, but \"PRIVATE KEY\"",
                "swapped?",
            ],
        ),
        (cut, key, "", &["tls.crt is not valid PEM"]),
        (
            no_certificate,
            key,
            "",
            &["certificate 1 in ", "tls.crt cannot be read"],
        ),
        (
            &second,
            key,
            "",
            &["certificate 2 in ", "tls.crt cannot be read"],
        ),
        (certificate, "", "", &["tls.key holds no PRIVATE KEY block"]),
        (
            certificate,
            certificate,
            "",
            &["tls.key holds no PRIVATE KEY block", "swapped?"],
        ),
        (
            certificate,
            no_key,
            "",
            &["the key in ", "tls.key cannot be used", "expected an RSA"],
        ),
        (
            certificate,
            encrypted,
            "",
            &["tls.key is encrypted", "openssl pkey -in"],
        ),
        (
            certificate,
            &other.key,
            "",
            &["tls.key does not belong to the first certificate in"],
        ),
        (
            certificate,
            key,
            "nonsense",
            &["ca.crt holds no CERTIFICATE block"],
        ),
    ];
    for (certificate, key, ca, expected) in cases {
        let error = refusal(certificate, key, ca).await;
        for part in expected {
            assert!(error.contains(part), "expected {part:?} in {error:?}");
        }
    }
}

async fn refusal(certificate: &str, key: &str, ca: &str) -> String {
    let files = Files::new(&Pair {
        certificate: certificate.into(),
        key: key.into(),
    });
    let mut tls = files.config();
    tls.client_ca = (!ca.is_empty()).then(|| files.write("ca.crt", ca));
    let config = WebhookConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Some(tls),
        ..WebhookConfig::default()
    };
    let checked = check_credentials(&config).unwrap_err().to_string();
    let error = Webhook::bind(config)
        .await
        .err()
        .expect("must not start")
        .to_string();
    assert!(
        error.contains(Path::new(files.folder.path()).to_str().unwrap()),
        "names the file: {error}"
    );
    assert_eq!(error, checked);
    error
}
