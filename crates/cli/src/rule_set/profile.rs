//! How much the rules say: three profiles, each of which includes the quieter ones.
//!
//! A rule names the quietest profile in which it takes part by a tag, so that what is noisy is decided where the rule is written
//! and can be read there; a list of names in the configuration would fall behind the rules. Rules without such a tag, as everybody's
//! own are, always take part.

use clap::ValueEnum;
use kubevigil_rules::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What begins a tag that names a profile.
const TAG: &str = "kubevigil.";

/// How much the rules say. The order is that of how many rules take part.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Only what somebody should look at whenever it happens.
    Quiet,
    /// What a team that looks at alerts every day wants to see.
    #[default]
    Standard,
    /// Everything, inventories of ordinary administration included.
    Paranoid,
}

impl Profile {
    /// The quietest profile in which a rule takes part, by its tags; `None` for a rule that always does.
    pub(crate) fn of(rule: &Rule) -> Option<Self> {
        let words = rule.tags.iter().filter_map(|tag| tag.strip_prefix(TAG));
        words
            .filter_map(|word| Self::from_str(word, true).ok())
            .min()
    }

    /// Whether a rule takes part in this profile.
    pub(crate) fn includes(self, rule: &Rule) -> bool {
        Self::of(rule).is_none_or(|quietest| quietest <= self)
    }
}
