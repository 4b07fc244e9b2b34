//! The user of a kubeconfig: what it proves itself with.

mod plugin;

use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use kubevigil_diagnostics::Place;
use kubevigil_tls::ClientCertificate;

use crate::certificate::Certificate;
use crate::cluster::Cluster;
use crate::credentials::{Authorization, Credentials, basic, bearer};
use crate::exec::Plugin;
use crate::file::Entry;
use crate::findings::{Findings, UNREAD};
use crate::token_file::TokenFile;

const FIELDS: [&str; 9] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
    "exec",
];

/// What some readers of kubeconfigs heed, and kubevigil does not; to overlook it would be to act as somebody else.
const REFUSED: [(&str, &str); 5] = [
    (
        "auth-provider",
        "use an `exec` plugin; Kubernetes has dropped these providers too",
    ),
    ("as", "name a user that may do it itself"),
    ("as-uid", "name a user that may do it itself"),
    ("as-groups", "name a user that may do it itself"),
    ("as-user-extra", "name a user that may do it itself"),
];

/// Reads the credentials for a cluster; there are none for http. If the cluster is wrong, the user is read for its own mistakes.
pub(crate) fn read(
    entry: &Entry,
    cluster: Option<&Cluster>,
    folder: &Path,
    findings: &mut Findings,
) -> Credentials {
    if let Some(cluster) = cluster.filter(|cluster| cluster.tls.is_none()) {
        if let Some((field, place)) = entry.first(&FIELDS) {
            let server = &cluster.server;
            let message = format!(
                "{server} is http, so `{field}` is not even read and no credentials are sent"
            );
            findings.warning(place, message, "write https:// before the address");
        }
        return Credentials::none();
    }
    let known = FIELDS
        .into_iter()
        .chain(REFUSED.map(|(name, _)| name))
        .chain(["extensions"]);
    findings.unknown_fields(entry, "user", &known.collect::<Vec<_>>());
    for (name, help) in REFUSED {
        if let Some((_, place)) = entry.get(name) {
            findings.error(place, format!("kubevigil does not support `{name}`"), help);
        }
    }
    let certificate = certificate(entry, folder, findings);
    let authorization = match (header(entry, findings), token_file(entry, folder, findings)) {
        (header, Some((file, place))) => by_file(entry, header, file, place, findings),
        (Some(header), None) => Authorization::Header(header),
        (None, None) => return with_plugin(entry, cluster, folder, certificate, findings),
    };
    if let Some((_, place)) = entry.get("exec") {
        let message =
            "the plugin of `exec` is not run, since there are a token or a password beside it";
        findings.warning(place, message, "remove one of them");
    }
    Credentials::new(authorization, certificate)
}

fn header(entry: &Entry, findings: &mut Findings) -> Option<HeaderValue> {
    let token = findings.text(entry, "token");
    let name = findings.text(entry, "username");
    let password = findings.text(entry, "password");
    let basic_place = name.or(password).map(|(_, place)| place);
    if let (Some(place), Some(_)) = (basic_place, token.or_else(|| entry.get("tokenFile"))) {
        let message =
            "there are a token and a `username` with `password`, and a request carries one of them";
        findings.error(place, message, "remove one of them");
        return None;
    }
    if let Some((token, place)) = token {
        let header = bearer(token);
        if header.is_none() {
            let message = "`token` holds blanks or characters that no token has";
            findings.error(place, message, "write the token on one line, in quotes");
        }
        return header;
    }
    basic_place?;
    let text =
        |field: Option<(&str, &Place)>| field.map_or_else(String::new, |(text, _)| text.to_owned());
    basic(&text(name), &text(password))
}

fn token_file<'e>(
    entry: &'e Entry,
    folder: &Path,
    findings: &mut Findings,
) -> Option<(std::path::PathBuf, &'e Place)> {
    let (path, place) = findings.text(entry, "tokenFile")?;
    Some((folder.join(path), place))
}

/// The token of a file, and `token` as long as that holds none.
fn by_file(
    entry: &Entry,
    fallback: Option<HeaderValue>,
    path: std::path::PathBuf,
    place: &Place,
    findings: &mut Findings,
) -> Authorization {
    let has_fallback = entry.get("token").is_some();
    let file = TokenFile::new(path, fallback);
    if let Err(error) = file.check() {
        if has_fallback {
            findings.warning(
                place,
                format!("{error}; until then `token` is used"),
                UNREAD,
            );
        } else {
            findings.error(place, error.to_string(), UNREAD);
        }
    }
    Authorization::File(file)
}

fn certificate(entry: &Entry, folder: &Path, findings: &mut Findings) -> Option<Arc<Certificate>> {
    let certificate = findings.pem(entry, "client-certificate", folder);
    let key = findings.pem(entry, "client-key", folder);
    let ((certificate, place), (key, _)) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (certificate, key) => {
            lonely(entry, certificate.or(key).map(|(_, place)| place), findings);
            return None;
        }
    };
    let loaded = ClientCertificate::load(certificate, key);
    findings.credentials(loaded, place).map(Certificate::named)
}

/// Says that one of certificate and key is missing, unless it is there and wrong, which was said.
fn lonely(entry: &Entry, place: Option<&Place>, findings: &mut Findings) {
    let names = ["client-certificate", "client-key"];
    let is_set = |name: &&str| entry.first(&[name, &format!("{name}-data")]).is_some();
    let missing = names.iter().find(|name| !is_set(name));
    if let (Some(missing), Some(place)) = (missing, place) {
        let message = format!("there is no `{missing}` beside this");
        let help = format!("add `{missing}` or `{missing}-data`");
        findings.error(place, message, &help);
    }
}

fn with_plugin(
    entry: &Entry,
    cluster: Option<&Cluster>,
    folder: &Path,
    certificate: Option<Arc<Certificate>>,
    findings: &mut Findings,
) -> Credentials {
    let Some(field) = entry.field("exec") else {
        return Credentials::new(Authorization::Nothing, certificate);
    };
    let Some(command) = plugin::read(field, cluster, folder, findings) else {
        return Credentials::none();
    };
    match certificate {
        Some(_) => Credentials::new(
            Authorization::Plugin(Plugin::new(command, None)),
            certificate,
        ),
        None => {
            let certificate = Certificate::of_plugin();
            let plugin = Plugin::new(command, Some(Arc::clone(&certificate)));
            Credentials::new(Authorization::Plugin(plugin), Some(certificate))
        }
    }
}
