//! What a plugin prints: an `ExecCredential`.

use http::HeaderValue;
use jiff::Timestamp;
use kubevigil_tls::{Pem, PemSource, certified_key};
use rustls::sign::CertifiedKey;
use serde::Deserialize;

use crate::credentials::bearer;

/// What a plugin handed out.
pub(super) struct Answer {
    pub(super) header: Option<HeaderValue>,
    pub(super) certified: Option<CertifiedKey>,
    pub(super) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    #[serde(default)]
    token: String,
    #[serde(default)]
    client_certificate_data: String,
    #[serde(default)]
    client_key_data: String,
}

/// Reads an answer. Fails with the end of a sentence, which never quotes the answer: it holds secrets.
pub(super) fn read(output: &[u8], api_version: &str) -> Result<Answer, String> {
    let credential: ExecCredential = serde_json::from_slice(output).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("printed no ExecCredential in JSON (line {line}, column {column} of its answer)")
    })?;
    if credential.kind != "ExecCredential" {
        return Err("printed JSON whose `kind` is not ExecCredential".to_owned());
    }
    if credential.api_version != api_version {
        return Err(format!(
            "answered with another `apiVersion` than the kubeconfig's, {api_version}"
        ));
    }
    let status = credential
        .status
        .ok_or("printed an ExecCredential without `status`")?;
    let expires = status.expiration_timestamp.as_deref();
    Ok(Answer {
        header: header(&status)?,
        certified: certified(&status)?,
        expires: expires.map(timestamp).transpose()?,
    })
}

fn header(status: &Status) -> Result<Option<HeaderValue>, String> {
    if !status.token.is_empty() {
        let header = bearer(&status.token).ok_or("printed a token that no header can carry")?;
        return Ok(Some(header));
    }
    let has_certificate = !status.client_certificate_data.is_empty();
    let nothing = "handed out neither a token nor a client certificate".to_owned();
    has_certificate.then_some(None).ok_or(nothing)
}

fn certified(status: &Status) -> Result<Option<CertifiedKey>, String> {
    let certificate = &status.client_certificate_data;
    let key = &status.client_key_data;
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => return Err("handed out a client certificate or a key without the other".to_owned()),
    }
    let source = |name: &str, text: &str| PemSource::Text {
        name: format!("`{name}` of its answer"),
        content: text.as_bytes().to_vec(),
    };
    let certificate_source = source("clientCertificateData", certificate);
    let key_source = source("clientKeyData", key);
    let certificate = Pem::new(&certificate_source, certificate.as_bytes());
    certified_key(&certificate, &Pem::new(&key_source, key.as_bytes()))
        .map(Some)
        .map_err(|error| format!("handed out a client certificate that cannot be used: {error}"))
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "printed an `expirationTimestamp` that is not in RFC 3339".to_owned())
}
