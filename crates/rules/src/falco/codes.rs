//! Falco's names for what can be wrong with a rule file.

pub(super) const YAML_PARSE: &str = "LOAD_ERR_YAML_PARSE";
pub(super) const YAML_VALIDATE: &str = "LOAD_ERR_YAML_VALIDATE";
pub(super) const COMPILE_CONDITION: &str = "LOAD_ERR_COMPILE_CONDITION";
pub(super) const COMPILE_OUTPUT: &str = "LOAD_ERR_COMPILE_OUTPUT";
pub(super) const VALIDATE: &str = "LOAD_ERR_VALIDATE";

pub(super) const APPEND_NO_VALUES: &str = "LOAD_APPEND_NO_VALUES";
pub(super) const DEPRECATED_ITEM: &str = "LOAD_DEPRECATED_ITEM";
pub(super) const EXCEPTION_NAME_NOT_UNIQUE: &str = "LOAD_EXCEPTION_NAME_NOT_UNIQUE";
pub(super) const INVALID_LIST_NAME: &str = "LOAD_INVALID_LIST_NAME";
pub(super) const INVALID_MACRO_NAME: &str = "LOAD_INVALID_MACRO_NAME";
pub(super) const UNKNOWN_FILTER: &str = "LOAD_UNKNOWN_FILTER";
pub(super) const UNKNOWN_ITEM: &str = "LOAD_UNKNOWN_ITEM";
pub(super) const UNKNOWN_KEY: &str = "LOAD_UNKNOWN_KEY";
pub(super) const UNKNOWN_SOURCE: &str = "LOAD_UNKNOWN_SOURCE";
pub(super) const UNUSED_LIST: &str = "LOAD_UNUSED_LIST";
pub(super) const UNUSED_MACRO: &str = "LOAD_UNUSED_MACRO";
