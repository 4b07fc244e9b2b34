//! The cluster of a kubeconfig: server, how it is known, proxy.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_tls::{Pem, PemSource};
use kubevigil_yaml::Node;
use rustls_pki_types::ServerName;
use serde_json::{Map, Value, json};
use url::Url;

use crate::file::{Entry, Kubeconfig};
use crate::findings::Findings;
use crate::seen::Seen;
use crate::server::server_url;
use crate::tls::{ClientTls, KnownBy};

const FIELDS: [&str; 8] = [
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "proxy-url",
    "disable-compression",
    "extensions",
];

/// What is read for https only.
const TLS: [&str; 4] = [
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
];

/// The extension that is handed to exec plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

pub(crate) struct Cluster {
    pub(crate) server: Url,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) proxy: Option<Url>,
    /// The file of the authority, if there is one.
    pub(crate) authority: Option<Seen>,
    /// `spec.cluster` of what exec plugins are told.
    pub(crate) exec_info: Value,
}

impl Cluster {
    pub(crate) fn read(
        entry: &Entry,
        kubeconfig: &Kubeconfig,
        folder: &Path,
        findings: &mut Findings,
    ) -> Option<Self> {
        findings.unknown_fields(entry, "cluster", &FIELDS);
        let proxy = proxy(entry, findings);
        if entry.get("server").is_none() {
            let help = "name the address: `server: https://HOST:PORT`";
            findings.error(&kubeconfig.place, "the cluster has no `server`", help);
        }
        let (text, place) = findings.text(entry, "server")?;
        let server = server_url(text)
            .map_err(|error| findings.error(place, error.to_string(), ""))
            .ok()?;
        if server.scheme() != "https" {
            if let Some((field, place)) = entry.first(&TLS) {
                let message = format!("{server} is http, so `{field}` is not read");
                findings.warning(place, message, "write https:// before the address");
            }
            return Some(Self {
                server,
                tls: None,
                proxy,
                authority: None,
                exec_info: Value::Null,
            });
        }
        let (tls, authority) = tls(entry, &server, folder, findings)?;
        let exec_info = exec_info(entry, text, &authority.content);
        Some(Self {
            server,
            tls: Some(tls),
            proxy,
            authority: authority.file,
            exec_info,
        })
    }
}

fn tls(
    entry: &Entry,
    server: &Url,
    folder: &Path,
    findings: &mut Findings,
) -> Option<(ClientTls, Authority)> {
    let name = server_name(entry, findings);
    let is_insecure = findings.switch(entry, "insecure-skip-tls-verify");
    let has_authority = entry.first(TLS.get(..2).unwrap_or_default());
    if let Some((field, place)) = has_authority.filter(|_| is_insecure) {
        let message = format!("`{field}` is set beside `insecure-skip-tls-verify: true`");
        findings.error(place, message, "remove `insecure-skip-tls-verify`");
        return None;
    }
    let (known, authority) = if is_insecure {
        if let Some((_, place)) = entry.get("insecure-skip-tls-verify") {
            let message =
                format!("anybody on the way to {server} can pose as it and take the credentials");
            let help = "remove `insecure-skip-tls-verify` and name the authority in `certificate-authority`";
            findings.warning(place, message, help);
        }
        (KnownBy::Nothing, Authority::default())
    } else {
        known_by(entry, folder, findings)?
    };
    match ClientTls::new(known, name) {
        Ok(tls) => Some((tls, authority)),
        Err(problem) => {
            let (_, place) = entry.get("server")?;
            let message = format!(
                "this machine has no certificate authorities to know {server} by: {problem}"
            );
            findings.error(place, message, "name one in `certificate-authority`");
            None
        }
    }
}

/// What the server's authority was read from.
#[derive(Default)]
struct Authority {
    /// PEM text; empty if the kubeconfig names none.
    content: Vec<u8>,
    file: Option<Seen>,
}

/// By what the server is known, and its authority.
fn known_by(entry: &Entry, folder: &Path, findings: &mut Findings) -> Option<(KnownBy, Authority)> {
    if entry.first(TLS.get(..2).unwrap_or_default()).is_none() {
        return Some((KnownBy::System, Authority::default()));
    }
    let (source, place) = findings.pem(entry, "certificate-authority", folder)?;
    let content = findings.credentials(source.read().map_err(Into::into), place)?;
    let known = findings.credentials(KnownBy::pem(&Pem::new(&source, &content)), place)?;
    let file = match &source {
        PemSource::File(path) => Some(Seen::of(path, &content)),
        PemSource::Text { .. } => None,
    };
    Some((known, Authority { content, file }))
}

fn server_name(entry: &Entry, findings: &mut Findings) -> Option<ServerName<'static>> {
    let (text, place) = findings.text(entry, "tls-server-name")?;
    let name = ServerName::try_from(text.to_owned());
    name.map_err(|_| {
        let message = format!("`tls-server-name` is no name of a server: `{text}`");
        findings.error(
            place,
            message,
            "write a DNS name or an IP address, as it is in the certificate",
        );
    })
    .ok()
}

fn proxy(entry: &Entry, findings: &mut Findings) -> Option<Url> {
    let (text, place) = findings.text(entry, "proxy-url")?;
    let url = Url::parse(text).ok().filter(|url| url.host().is_some());
    match url.as_ref().map(Url::scheme) {
        Some("http" | "https") => url,
        Some("socks5" | "socks5h") => {
            let help = "name an HTTP proxy: http://HOST:PORT";
            findings.error(
                place,
                "`proxy-url` names a SOCKS proxy, which kubevigil does not speak to",
                help,
            );
            None
        }
        _ => {
            findings.error(
                place,
                "`proxy-url` is no address of a proxy",
                "write http://HOST:PORT or https://HOST:PORT",
            );
            None
        }
    }
}

/// What an exec plugin with `provideClusterInfo` is told of the cluster.
fn exec_info(entry: &Entry, server: &str, authority: &[u8]) -> Value {
    let text = |name: &str| entry.get(name).map(|(text, _)| text.to_owned());
    let mut info = Map::new();
    info.insert("server".to_owned(), json!(server));
    for name in ["tls-server-name", "proxy-url"] {
        if let Some(text) = text(name) {
            info.insert(name.to_owned(), json!(text));
        }
    }
    for name in ["insecure-skip-tls-verify", "disable-compression"] {
        if entry.field(name).and_then(|field| field.node.as_bool()) == Some(true) {
            info.insert(name.to_owned(), json!(true));
        }
    }
    if !authority.is_empty() {
        let encoded = STANDARD.encode(authority);
        info.insert("certificate-authority-data".to_owned(), json!(encoded));
    }
    if let Some(config) = exec_extension(entry) {
        info.insert("config".to_owned(), json_of(config));
    }
    Value::Object(info)
}

fn exec_extension(entry: &Entry) -> Option<&Node> {
    let extensions = entry.field("extensions")?.node.items()?;
    let is_wanted = |item: &&Node| item.get("name").and_then(Node::text) == Some(EXEC_EXTENSION);
    extensions.iter().find(is_wanted)?.get("extension")
}

/// The JSON of a YAML node; its depth is bounded by the reader's.
fn json_of(node: &Node) -> Value {
    if let Some(items) = node.items() {
        return Value::Array(items.iter().map(json_of).collect());
    }
    if let Some(pairs) = node.pairs() {
        let member = |(key, value): &(Node, Node)| {
            (key.text().unwrap_or_default().to_owned(), json_of(value))
        };
        return Value::Object(pairs.iter().map(member).collect());
    }
    let text = node.text().unwrap_or_default();
    let is_plain = matches!(&node.kind, kubevigil_yaml::Kind::Scalar { style, .. } if *style == kubevigil_yaml::Style::Plain);
    match node.as_bool() {
        _ if node.is_null() => Value::Null,
        Some(value) if is_plain => Value::Bool(value),
        _ if is_plain => text.parse().map_or_else(|_| json!(text), Value::Number),
        _ => json!(text),
    }
}
