//! Names for what can be wrong with a Sigma file. They are stable.

pub(super) const ACTION: &str = "SIGMA_ERR_ACTION";
pub(super) const CONDITION: &str = "SIGMA_ERR_CONDITION";
pub(super) const CORRELATION: &str = "SIGMA_ERR_CORRELATION";
pub(super) const DUPLICATE_KEY: &str = "SIGMA_ERR_DUPLICATE_KEY";
pub(super) const FIELD: &str = "SIGMA_ERR_FIELD";
pub(super) const MODIFIER: &str = "SIGMA_ERR_MODIFIER";
pub(super) const PIPELINE: &str = "SIGMA_ERR_PIPELINE";
pub(super) const PLACEHOLDER: &str = "SIGMA_ERR_PLACEHOLDER";
pub(super) const REFERENCE: &str = "SIGMA_ERR_REFERENCE";
pub(super) const STRUCTURE: &str = "SIGMA_ERR_STRUCTURE";
pub(super) const VALUE: &str = "SIGMA_ERR_VALUE";
pub(super) const YAML: &str = "SIGMA_ERR_YAML";

pub(super) const ALL_ALONE: &str = "SIGMA_WARN_ALL_ALONE";
pub(super) const DUPLICATE_ID: &str = "SIGMA_WARN_DUPLICATE_ID";
pub(super) const FILTER_WITHOUT_NOT: &str = "SIGMA_WARN_FILTER_WITHOUT_NOT";
pub(super) const GROUP_BY_ARRAY: &str = "SIGMA_WARN_GROUP_BY_ARRAY";
pub(super) const HOLDS_AT_ONCE: &str = "SIGMA_WARN_HOLDS_AT_ONCE";
pub(super) const LONG_TIMESPAN: &str = "SIGMA_WARN_LONG_TIMESPAN";
pub(super) const NEGATED_ARRAY: &str = "SIGMA_WARN_NEGATED_ARRAY";
pub(super) const NOT_YET: &str = "SIGMA_WARN_NOT_YET";
pub(super) const ONE_RULE: &str = "SIGMA_WARN_ONE_RULE";
pub(super) const OTHER_LOG_SOURCE: &str = "SIGMA_WARN_OTHER_LOG_SOURCE";
pub(super) const SAME_ELEMENT: &str = "SIGMA_WARN_SAME_ELEMENT";
pub(super) const SILENCED: &str = "SIGMA_WARN_SILENCED";
pub(super) const SINGLE_CHARACTER: &str = "SIGMA_WARN_SINGLE_CHARACTER";
pub(super) const UNKNOWN_KEY: &str = "SIGMA_WARN_UNKNOWN_KEY";
pub(super) const UNUSED_ALIAS: &str = "SIGMA_WARN_UNUSED_ALIAS";
pub(super) const UNUSED_FILTER: &str = "SIGMA_WARN_UNUSED_FILTER";
