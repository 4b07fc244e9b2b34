//! The policy that goes into the folder.
//!
//! The recommended one is computed from the rules of this binary and of `--rules`, not kept as a file that would age.

use std::fs;

use anyhow::Context as _;
use kubevigil_plan::known::Solver;
use kubevigil_plan::recommend::recommend;
use kubevigil_rules::Rule;

use crate::args::setup::ClusterArgs;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::terminal;

/// A policy, and whether some rule cannot be fed by it.
pub(super) struct Policy {
    pub(super) text: String,
    pub(super) is_incomplete: bool,
}

pub(super) fn policy(arguments: &ClusterArgs) -> anyhow::Result<Policy> {
    if let Some(file) = &arguments.policy {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the policy {}", file.display()))?;
        return Ok(Policy {
            text,
            is_incomplete: false,
        });
    }
    let rule_set = RuleSet::load(&RuleChoice::from(&arguments.rules));
    rule_set.require_loaded()?;
    let rules: Vec<&Rule> = rule_set.selected.iter().map(AsRef::as_ref).collect();
    let recommendation = recommend(&rules, &[], &Solver::default());
    for (rule, resource) in &recommendation.unfed {
        terminal::warn(&format!(
            "\"{rule}\" reads bodies of {resource}, which hold credentials and are not recorded"
        ));
    }
    Ok(Policy {
        text: recommendation.text,
        is_incomplete: !recommendation.unfed.is_empty(),
    })
}
