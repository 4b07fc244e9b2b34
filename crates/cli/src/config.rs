//! The configuration file of `kubevigil run`.
//!
//! One YAML file; every key has a default, so an empty file and no file mean the same. The doc comments are the user's reference:
//! `kubevigil config schema` is generated from them. Unknown keys are errors, since a misspelt limit that is silently ignored is
//! worse than a daemon that does not start.

mod read;
mod record;
mod size;
mod state;
mod tree;
mod wording;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use kubevigil_alerts::config::{OutputConfig, StdoutConfig};
use kubevigil_alerts::{FalcoStyle, Format};
use kubevigil_rules::Priority;
use kubevigil_rules::falco::selection::{Action, Selector};
use kubevigil_sources::webhook::WebhookConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::Matching;
use crate::rule_set::{Profile, RuleChoice};

pub(crate) use read::{ConfigReport, read, read_or_fail, schema};
pub(crate) use record::RecordConfig;
pub(crate) use size::Size;
pub(crate) use state::StateConfig;

/// The configuration of `kubevigil run`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of the journal and all other state. One kubevigil at a time may use it. Default: `$STATE_DIRECTORY` (systemd sets
    /// it), else `/var/lib/kubevigil` for root, else `$XDG_STATE_HOME/kubevigil` or `~/.local/state/kubevigil`.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where events come from.
    pub(crate) sources: SourcesConfig,
    /// Which rules run.
    pub(crate) rules: RulesConfig,
    /// How much correlations may remember.
    pub(crate) state: StateConfig,
    /// How much the journal of events keeps.
    pub(crate) journal: JournalConfig,
    /// Where alerts go. Default: standard output, as text.
    pub(crate) outputs: Vec<OutputConfig>,
    /// The server for health checks and metrics.
    pub(crate) health: HealthConfig,
    /// What kubevigil says about itself, on standard error.
    pub(crate) log: LogConfig,
}

/// Where events come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SourcesConfig {
    /// The server that a kube-apiserver's audit webhook backend talks to. `null` turns it off.
    pub(crate) webhook: Option<WebhookConfig>,
    /// Log files to follow, across rotation and restarts.
    pub(crate) files: Vec<FilesConfig>,
    /// Read events from standard input too.
    pub(crate) stdin: bool,
    /// An auditing gateway in this process, which makes events of what passes through it to an API server.
    pub(crate) record: Option<RecordConfig>,
}

/// Log files to follow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesConfig {
    /// Paths and globs of the live log files, for example `/var/log/kubernetes/audit/audit.log`. Rotated backups beside them are
    /// found by themselves.
    pub(crate) paths: Vec<String>,
    /// Where to begin with a file that was never read before: its start, or its end.
    #[serde(default)]
    pub(crate) from: From,
    /// Longest line in bytes; longer ones are reported and skipped.
    #[serde(default = "default_max_line_bytes")]
    pub(crate) max_line_bytes: usize,
    /// Milliseconds between two looks at the files.
    #[serde(default = "default_poll_milliseconds")]
    pub(crate) poll_milliseconds: u64,
}

/// Where to begin with a new file.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    /// With its first line.
    #[default]
    Start,
    /// With what is written from now on.
    End,
}

/// Which rules run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RulesConfig {
    /// Whether the default rules run.
    pub(crate) default_rules: bool,
    /// Rule files and folders of rule files (.yaml, .yml, sorted by path), loaded in this order after the default ones.
    pub(crate) files: Vec<PathBuf>,
    /// Report the first rule that matches an event, or every one.
    pub(crate) matching: MatchingConfig,
    /// How much to hear from rules that name a profile, as the default ones do: quiet, standard or paranoid.
    pub(crate) profile: Profile,
    /// Rules less urgent than this do not run: emergency, alert, critical, error, warning, notice, informational, debug.
    #[serde(with = "priority")]
    #[schemars(with = "String")]
    pub(crate) min_priority: Priority,
    /// Rules to enable and disable, in order, as in Falco's `rules:` key. A rule that is enabled here takes part whatever the profile.
    pub(crate) select: Vec<SelectConfig>,
    /// Read fields as their descriptions say where Falco's plugin does something else.
    pub(crate) fixed_fields: bool,
}

/// How many rules of an event are reported.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MatchingConfig {
    /// Only the first rule that matches, as Falco does by default.
    First,
    /// Every rule that matches.
    #[default]
    All,
}

/// Rules to enable or disable.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SelectConfig {
    /// Rules to enable.
    pub(crate) enable: Option<TargetConfig>,
    /// Rules to disable.
    pub(crate) disable: Option<TargetConfig>,
}

/// Which rules are meant. With both keys, rules that either of them names.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TargetConfig {
    /// The rule's name; `*` stands for any text.
    pub(crate) rule: Option<String>,
    /// A tag of the rule, exactly.
    pub(crate) tag: Option<String>,
}

/// How much the journal of events keeps.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JournalConfig {
    /// Most bytes of events on disk; the oldest go first, also unread ones, which is then reported.
    pub(crate) retain_bytes: u64,
    /// Hours after which events go, unless they are unread.
    pub(crate) retain_hours: u64,
    /// Bytes of one segment file.
    pub(crate) segment_bytes: u64,
    /// An event that equals one of the last so many, byte for byte, is the same event sent again and is not taken twice.
    pub(crate) duplicate_window: usize,
    /// Most bytes of events that wait to be written; beyond, senders are asked to come back.
    pub(crate) max_waiting_bytes: usize,
}

/// The server for health checks and metrics.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HealthConfig {
    /// Address and port; serves /healthz, /readyz and /metrics. `null` turns it off.
    #[schemars(with = "Option<String>")]
    pub(crate) listen: Option<SocketAddr>,
}

/// What kubevigil says about itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// Text for people, or one JSON object a line.
    pub(crate) format: LogFormat,
    /// The least important kind of message that is shown.
    pub(crate) level: LogLevel,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: None,
            sources: SourcesConfig::default(),
            rules: RulesConfig::default(),
            state: StateConfig::default(),
            journal: JournalConfig::default(),
            outputs: vec![OutputConfig::Stdout(for_people())],
            health: HealthConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// Alerts as lines of text: who starts a daemon without a configuration reads them.
fn for_people() -> StdoutConfig {
    let falco = FalcoStyle {
        time_format_iso_8601: true,
        ..FalcoStyle::default()
    };
    StdoutConfig {
        format: Format::Text,
        falco,
        ..StdoutConfig::default()
    }
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self {
            webhook: Some(WebhookConfig::default()),
            files: Vec::new(),
            stdin: false,
            record: None,
        }
    }
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            default_rules: true,
            files: Vec::new(),
            matching: MatchingConfig::All,
            profile: Profile::Standard,
            min_priority: Priority::Debug,
            select: Vec::new(),
            fixed_fields: false,
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            retain_bytes: 8 << 30,
            retain_hours: 7 * 24,
            segment_bytes: 64 << 20,
            duplicate_window: 1 << 19,
            max_waiting_bytes: 256 << 20,
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8766)),
        }
    }
}

impl RulesConfig {
    /// What to load and select.
    pub(crate) fn choice(&self) -> RuleChoice {
        RuleChoice {
            default_rules: self.default_rules,
            files: self.files.clone(),
            fixed_fields: self.fixed_fields,
            profile: self.profile,
            min_priority: self.min_priority,
            selectors: self
                .select
                .iter()
                .flat_map(SelectConfig::selectors)
                .collect(),
        }
    }
}

impl JournalConfig {
    /// A setting under which events would be deleted before anybody reads them, or never be taken: its key and what to do.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.segment_bytes < 1 << 20 {
            return Some(("segment_bytes", "a segment needs at least 1048576 bytes"));
        }
        if self.retain_bytes / 2 < self.segment_bytes {
            return Some((
                "retain_bytes",
                "must hold at least two segments (segment_bytes)",
            ));
        }
        if self.max_waiting_bytes < 64 << 20 {
            return Some((
                "max_waiting_bytes",
                "must hold one batch: at least 67108864 bytes",
            ));
        }
        None
    }
}

impl SelectConfig {
    fn selectors(&self) -> impl Iterator<Item = Selector> {
        let selector = |action, target: &Option<TargetConfig>| {
            let TargetConfig { rule, tag } = target.clone()?;
            Some(Selector { action, rule, tag })
        };
        [
            selector(Action::Enable, &self.enable),
            selector(Action::Disable, &self.disable),
        ]
        .into_iter()
        .flatten()
    }
}

impl std::convert::From<MatchingConfig> for Matching {
    fn from(matching: MatchingConfig) -> Self {
        match matching {
            MatchingConfig::All => Self::All,
            MatchingConfig::First => Self::First,
        }
    }
}

fn default_max_line_bytes() -> usize {
    16 << 20
}

fn default_poll_milliseconds() -> u64 {
    250
}

/// Priorities in any letter case, as rule files write them.
mod priority {
    use kubevigil_rules::Priority;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        priority: &Priority,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&priority.as_str().to_lowercase())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        deserializer: D,
    ) -> Result<Priority, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
