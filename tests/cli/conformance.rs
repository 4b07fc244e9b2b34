//! Whole scans against what genuine Falco did with the same rules and events.
//!
//! The material is not part of the repository; without it beside the checkout these tests say so and pass.

mod engine;
mod ingestion;
mod recorded;

/// Explains, and lists, what is deliberately different.
const DEVIATIONS: &str = include_str!("../../docs/deviations.md");

/// Falco's own rules for audit events.
const FALCO_RULES: &str = "data/falco/k8s_audit_rules.yaml";
