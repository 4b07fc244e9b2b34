//! The configuration of outputs, as it stands in `kubevigil.yaml`.
//!
//! The doc comments here are the reference that users read: the JSON schema is made from them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use kubevigil_rules::Priority;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::format::{FalcoStyle, Format, Renderer};

/// One place that alerts go to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputConfig {
    /// Standard output, one alert a line.
    Stdout(StdoutConfig),
    /// A file, one alert a line, each exactly once.
    File(FileConfig),
    /// An HTTP or HTTPS address that alerts are posted to as JSON: falcosidekick, or any webhook.
    Http(HttpConfig),
}

/// Alerts on standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StdoutConfig {
    /// The output's name, in logs, metrics and the state folder. It must not change while alerts wait. Default: `stdout`.
    pub name: Option<String>,
    /// How alerts are written.
    pub format: Format,
    /// Leave out alerts that are less urgent than this.
    #[serde(deserialize_with = "priority")]
    #[schemars(schema_with = "priority_schema")]
    pub min_priority: MinPriority,
    /// What Falco lets its users choose, for the formats `falco` and `text`.
    pub falco: FalcoStyle,
}

/// Alerts in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The output's name, in logs, metrics and the state folder. It must not change while alerts wait. Default: `file`.
    #[serde(default)]
    pub name: Option<String>,
    /// The file. It is created for its owner only; its folder must exist. After rotation the next alert goes to the new
    /// file, at the latest on SIGHUP.
    pub path: PathBuf,
    /// How alerts are written.
    #[serde(default)]
    pub format: Format,
    /// Leave out alerts that are less urgent than this.
    #[serde(default, deserialize_with = "priority")]
    #[schemars(schema_with = "priority_schema")]
    pub min_priority: MinPriority,
    /// What Falco lets its users choose, for the formats `falco` and `text`.
    #[serde(default)]
    pub falco: FalcoStyle,
}

/// Alerts by HTTP POST.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The output's name, in logs, metrics and the state folder. It must not change while alerts wait. Default: `http`.
    #[serde(default)]
    pub name: Option<String>,
    /// The address, `http://` or `https://`. Redirects are not followed.
    pub url: String,
    /// How alerts are written: `falco` is what falcosidekick reads.
    #[serde(default)]
    pub format: HttpFormat,
    /// Leave out alerts that are less urgent than this.
    #[serde(default, deserialize_with = "priority")]
    #[schemars(schema_with = "priority_schema")]
    pub min_priority: MinPriority,
    /// What Falco lets its users choose, for the format `falco`.
    #[serde(default)]
    pub falco: FalcoStyle,
    /// How many alerts go into one request at most. With 1 the body is the alert; with more it is an array of alerts.
    #[serde(default = "one")]
    pub batch: usize,
    /// How long one request may take, in seconds.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    /// How often an alert is sent that the other side refuses (any 3xx, any 4xx but 408, 425 and 429) before it goes to the
    /// dead-letter file. Other failures are retried for as long as they last.
    #[serde(default = "five")]
    pub tries: u32,
    /// Headers to send along.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// A file with a token, sent as `Authorization: Bearer …` and read anew for every request.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// A PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How alerts are written in an HTTP request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum HttpFormat {
    /// Falco's JSON alert, to the letter.
    Falco,
    /// kubevigil's own JSON, with everything that is known about the alert.
    #[default]
    Json,
}

/// A setting that holds a secret: it is never shown.
#[derive(Clone, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(transparent)]
pub struct Secret(String);

/// The least urgent priority that passes; everything does unless told otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct MinPriority(pub Priority);

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("setting `{key}` {problem}")]
pub struct ConfigError {
    /// The setting, by its path within the output.
    pub key: String,
    /// What is wrong with it, and what is expected.
    pub problem: String,
}

impl OutputConfig {
    /// The output's name: in logs, metrics and the state folder.
    pub fn name(&self) -> &str {
        let (name, default) = match self {
            Self::Stdout(config) => (&config.name, "stdout"),
            Self::File(config) => (&config.name, "file"),
            Self::Http(config) => (&config.name, "http"),
        };
        name.as_deref().unwrap_or(default)
    }

    /// The least urgent priority that the output gets.
    pub fn min_priority(&self) -> Priority {
        match self {
            Self::Stdout(config) => config.min_priority.0,
            Self::File(config) => config.min_priority.0,
            Self::Http(config) => config.min_priority.0,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(config) => Some(&config.path),
            Self::Stdout(_) | Self::Http(_) => None,
        }
    }

    /// How often an alert that is refused for good is sent before it goes to the dead-letter file.
    pub fn tries(&self) -> u32 {
        match self {
            Self::Http(config) => config.tries.max(1),
            Self::Stdout(_) | Self::File(_) => 1,
        }
    }

    /// How the output writes alerts.
    pub fn renderer(&self, hostname: Option<&str>) -> Renderer {
        let (format, falco) = match self {
            Self::Stdout(config) => (config.format, &config.falco),
            Self::File(config) => (config.format, &config.falco),
            Self::Http(config) => (config.format.into(), &config.falco),
        };
        Renderer {
            format,
            falco: falco.clone(),
            hostname: hostname.map(str::to_owned),
        }
    }

    /// Checks that the outputs can be told apart: by names that can name files, and by the files that they write.
    pub fn check_names(outputs: &[Self]) -> Result<(), ConfigError> {
        for (position, output) in outputs.iter().enumerate() {
            let name = output.name();
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
                let problem = "is no name: expected 1 to 64 lower-case letters, digits and hyphens";
                return Err(ConfigError::new(
                    "name",
                    format!(
                        "`{}` {problem}",
                        kubevigil_diagnostics::escape::terminal(name)
                    ),
                ));
            }
            if outputs
                .iter()
                .take(position)
                .any(|other| other.name() == name)
            {
                let problem =
                    format!("`{name}` is taken by two outputs; give each a `name` of its own");
                return Err(ConfigError::new("name", problem));
            }
            let path = output.path().map(true_path);
            if path.is_some()
                && outputs
                    .iter()
                    .take(position)
                    .any(|other| other.path().map(true_path) == path)
            {
                let problem = "is the same for two outputs; give each a file of its own";
                return Err(ConfigError::new("path", problem));
            }
        }
        Ok(())
    }
}

/// Where a path leads to, by links and dots, as far as that is there.
fn true_path(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let beside = |name| folder.canonicalize().ok().map(|folder| folder.join(name));
    path.canonicalize()
        .ok()
        .or_else(|| beside(path.file_name()?))
        .unwrap_or_else(|| path.to_owned())
}

impl ConfigError {
    pub(crate) fn new(key: &str, problem: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            problem: problem.into(),
        }
    }
}

impl Secret {
    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for MinPriority {
    fn default() -> Self {
        Self(Priority::Debug)
    }
}

impl From<HttpFormat> for Format {
    fn from(format: HttpFormat) -> Self {
        match format {
            HttpFormat::Falco => Self::Falco,
            HttpFormat::Json => Self::Json,
        }
    }
}

fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MinPriority, D::Error> {
    let word = String::deserialize(deserializer)?;
    word.parse()
        .map(MinPriority)
        .map_err(serde::de::Error::custom)
}

fn priority_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<String> = Priority::ALL
        .iter()
        .map(|priority| priority.as_str().to_lowercase())
        .collect();
    json_schema!({ "type": "string", "enum": words, "default": "debug" })
}

fn one() -> usize {
    1
}

fn five() -> u32 {
    5
}

fn ten() -> u64 {
    10
}
