//! `kubevigil policy recommend`: the smallest policy that feeds the rules.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use kubevigil_audit::policy::Policy;
use kubevigil_plan::known::Solver;
use kubevigil_plan::merge::merge;
use kubevigil_plan::recommend::{Noise, Recommendation, recommend};
use kubevigil_plan::simulate::Simulation;
use kubevigil_rules::Rule;

use super::logs;
use crate::args::policy::PolicyRecommendArgs;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::terminal;

pub(super) fn execute(arguments: &PolicyRecommendArgs) -> anyhow::Result<ExitCode> {
    let rule_set = RuleSet::load(&RuleChoice::from(&arguments.rules));
    rule_set.require_loaded()?;
    let rules: Vec<&Rule> = rule_set.selected.iter().map(AsRef::as_ref).collect();
    let solver = Solver::default();
    let recommendation = match &arguments.merge {
        Some(file) => {
            let wrapped = super::read_valid(file)?;
            if !wrapped.path.is_empty() {
                bail!(
                    "{} holds the policy inside something else; put the policy into a file of its own to extend it",
                    file.display()
                );
            }
            let merged = merge(&wrapped.file, &rules, &solver);
            merged.with_context(|| {
                format!(
                    "cannot put rules into {}: write its rules as YAML, each on lines of its own",
                    file.display()
                )
            })?
        }
        None => recommend(&rules, &noise(arguments)?, &solver),
    };
    std::io::stdout().write_all(recommendation.text.as_bytes())?;
    Ok(ExitCode::from(u8::from(complain(&recommendation))))
}

fn noise(arguments: &PolicyRecommendArgs) -> anyhow::Result<Vec<Noise>> {
    if arguments.log.is_empty() {
        return Ok(Vec::new());
    }
    let policy = Policy::default();
    let mut simulation = Simulation::new(&policy, None);
    logs::for_each_event(&arguments.log, |arrival| {
        simulation.event(&arrival.raw);
    })?;
    Ok(simulation.noise(arguments.noise / 100.0))
}

/// Says what cannot be had; whether there is anything.
fn complain(recommendation: &Recommendation) -> bool {
    for (rule, resource) in &recommendation.unfed {
        terminal::warn(&format!(
            "\"{rule}\" reads bodies of {resource}, which hold credentials and are not recorded"
        ));
    }
    for stage in &recommendation.missing_stages {
        terminal::warn(&format!(
            "rules need the stage {stage}: take it out of `omitStages` at the top of the policy"
        ));
    }
    !recommendation.unfed.is_empty() || !recommendation.missing_stages.is_empty()
}
