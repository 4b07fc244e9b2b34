//! Names for what can be wrong with a Sigma file. They are stable.

pub(super) const ACTION: &str = "SIGMA_ERR_ACTION";
pub(super) const CONDITION: &str = "SIGMA_ERR_CONDITION";
pub(super) const DUPLICATE_KEY: &str = "SIGMA_ERR_DUPLICATE_KEY";
pub(super) const FIELD: &str = "SIGMA_ERR_FIELD";
pub(super) const MODIFIER: &str = "SIGMA_ERR_MODIFIER";
pub(super) const PIPELINE: &str = "SIGMA_ERR_PIPELINE";
pub(super) const PLACEHOLDER: &str = "SIGMA_ERR_PLACEHOLDER";
pub(super) const STRUCTURE: &str = "SIGMA_ERR_STRUCTURE";
pub(super) const UNSUPPORTED: &str = "SIGMA_ERR_UNSUPPORTED";
pub(super) const VALUE: &str = "SIGMA_ERR_VALUE";
pub(super) const YAML: &str = "SIGMA_ERR_YAML";

pub(super) const ALL_ALONE: &str = "SIGMA_WARN_ALL_ALONE";
pub(super) const DUPLICATE_ID: &str = "SIGMA_WARN_DUPLICATE_ID";
pub(super) const FILTER_WITHOUT_NOT: &str = "SIGMA_WARN_FILTER_WITHOUT_NOT";
pub(super) const NEGATED_ARRAY: &str = "SIGMA_WARN_NEGATED_ARRAY";
pub(super) const OTHER_LOG_SOURCE: &str = "SIGMA_WARN_OTHER_LOG_SOURCE";
pub(super) const SAME_ELEMENT: &str = "SIGMA_WARN_SAME_ELEMENT";
pub(super) const SINGLE_CHARACTER: &str = "SIGMA_WARN_SINGLE_CHARACTER";
pub(super) const UNKNOWN_KEY: &str = "SIGMA_WARN_UNKNOWN_KEY";
pub(super) const UNUSED_FILTER: &str = "SIGMA_WARN_UNUSED_FILTER";
