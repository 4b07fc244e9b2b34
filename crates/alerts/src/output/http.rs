//! Alerts by HTTP POST, as JSON.
//!
//! One alert a request by default: what falcosidekick and most webhooks take. A batch of more than one is a JSON array. Every
//! request carries an `Idempotency-Key`, the alert's id, so that a receiver can recognise an alert that it got already, which
//! happens when its answer was lost.
//!
//! What an answer means: 2xx has arrived; 408, 425, 429, 5xx and no answer at all are temporary; everything else is
//! permanent, redirects included: following one would hand alerts, and the token, to a host that nobody configured.

mod answer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Url, redirect};

use self::answer::judge;
use super::{DeliveryError, Output};
use crate::alert::Alert;
use crate::config::{ConfigError, HttpConfig};
use crate::format::Renderer;
use crate::identity::AlertId;
use kubevigil_diagnostics::{escape, with_causes};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Posts alerts to a URL.
pub struct HttpOutput {
    client: Client,
    url: Url,
    headers: HeaderMap,
    token_file: Option<PathBuf>,
    batch: usize,
    renderer: Renderer,
}

impl HttpOutput {
    /// The output for a configuration. Everything that can be found unusable without a request is found here.
    pub fn new(config: &HttpConfig, renderer: Renderer) -> Result<Self, ConfigError> {
        if config.batch == 0 {
            return Err(ConfigError::new(
                "batch",
                "is 0; expected how many alerts go into one request, at least 1",
            ));
        }
        Ok(Self {
            client: client(config)?,
            url: url(&config.url)?,
            headers: headers(config)?,
            token_file: config.bearer_token_file.clone(),
            batch: config.batch,
            renderer,
        })
    }

    async fn post(&self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        let mut request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone());
        if let Some(path) = &self.token_file {
            let token = bearer_token(path)
                .await
                .map_err(|reason| DeliveryError::temporary(alerts.len(), reason))?;
            request = request.header(AUTHORIZATION, token);
        }
        let request = request
            .header(IDEMPOTENCY_KEY, idempotency_key(alerts))
            .body(self.body(alerts));
        match request.send().await {
            Ok(response) => judge(response, alerts.len()).await,
            // The URL stays out of the reason: webhook URLs often hold a secret.
            Err(error) => Err(DeliveryError::temporary(
                alerts.len(),
                harmless(&error.without_url()),
            )),
        }
    }

    fn body(&self, alerts: &[Alert]) -> String {
        let lines: Vec<String> = alerts
            .iter()
            .map(|alert| self.renderer.line(alert))
            .collect();
        if self.batch == 1 {
            lines.concat()
        } else {
            format!("[{}]", lines.join(","))
        }
    }
}

#[async_trait]
impl Output for HttpOutput {
    async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        for (number, batch) in alerts.chunks(self.batch).enumerate() {
            self.post(batch)
                .await
                .map_err(|error| error.after(number * self.batch))?;
        }
        Ok(())
    }

    fn batch_size(&self) -> usize {
        // Few requests at a time, so that little is repeated when the process dies between them and the commit.
        self.batch.max(16)
    }
}

fn client(config: &HttpConfig) -> Result<Client, ConfigError> {
    let timeout = Duration::from_secs(config.timeout_seconds.max(1));
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .user_agent(concat!("kubevigil/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &config.ca_file {
        let unusable =
            |why: String| ConfigError::new("ca_file", format!("`{}`: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|error| unusable(harmless(&error)))?;
        if certificates.is_empty() {
            return Err(unusable(
                "holds no certificate; expected certificates in PEM form".to_owned(),
            ));
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .map_err(|error| ConfigError::new("url", harmless(&error)))
}

fn url(text: &str) -> Result<Url, ConfigError> {
    let expected = "expected an address such as `http://127.0.0.1:2801/`";
    let url = Url::parse(text)
        .map_err(|error| ConfigError::new("url", format!("{error}; {expected}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(ConfigError::new(
            "url",
            format!("is not an http or https address; {expected}"),
        ));
    }
    Ok(url)
}

fn headers(config: &HttpConfig) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &config.headers {
        let key = format!("headers.{name}");
        let name: HeaderName = name
            .parse()
            .map_err(|_| ConfigError::new(&key, "is no name of an HTTP header"))?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| {
            ConfigError::new(
                &key,
                "cannot be sent: a header holds visible ASCII characters and blanks",
            )
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The `Authorization` header from a file that is read for every request, because tokens are rotated.
async fn bearer_token(path: &Path) -> Result<HeaderValue, String> {
    let name = escape::terminal(&path.to_string_lossy()).into_owned();
    let token = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| format!("cannot read token file {name}: {error}"))?;
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
        format!("token file {name} holds more than a token: expected one line of ASCII text")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The id of a single alert; for several, one made of their ids.
fn idempotency_key(alerts: &[Alert]) -> String {
    match alerts {
        [alert] => alert.id.to_string(),
        several => AlertId::of_all(several.iter().map(|alert| alert.id)).to_string(),
    }
}

/// An error with all its causes, safe for a terminal.
fn harmless(error: &dyn std::error::Error) -> String {
    escape::terminal(&with_causes(error)).into_owned()
}
