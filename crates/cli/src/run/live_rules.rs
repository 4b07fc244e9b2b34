//! The rules that run, and their replacement while they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use kubevigil_detect::Matcher;

use crate::args::Matching;
use crate::config::RulesConfig;
use crate::rule_set::RuleSet;

/// The compiled rules. Readers take the current ones without waiting; [`LiveRules::reload`] replaces them at once.
#[derive(Debug)]
pub(crate) struct LiveRules {
    config: RulesConfig,
    current: ArcSwap<Ruling>,
    /// How often other rules were put in place.
    pub(crate) reloads: AtomicU64,
    /// How often that failed, so that the old ones went on.
    pub(crate) failed_reloads: AtomicU64,
}

/// One set of rules and how often each has matched.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) matcher: Matcher,
    /// In the order of the matcher's rules.
    pub(crate) matches: Vec<AtomicU64>,
}

impl LiveRules {
    /// Loads the rules for the first time; any mistake in them is an error.
    pub(crate) fn load(config: RulesConfig) -> anyhow::Result<Self> {
        let ruling = compile(&config)?;
        Ok(Self {
            config,
            current: ArcSwap::from_pointee(ruling),
            reloads: AtomicU64::default(),
            failed_reloads: AtomicU64::default(),
        })
    }

    /// The rules in force now.
    pub(crate) fn current(&self) -> Arc<Ruling> {
        self.current.load_full()
    }

    /// Reads the rule files again. If they have a mistake, the old rules stay.
    pub(crate) fn reload(&self) -> anyhow::Result<usize> {
        let mut ruling = match compile(&self.config) {
            Ok(ruling) => ruling,
            Err(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        ruling.inherit_matches(&self.current());
        let count = ruling.matcher.rules().len();
        self.current.store(Arc::new(ruling));
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(count)
    }
}

impl Ruling {
    /// Counts a match of the rule at this position.
    pub(crate) fn count(&self, rule_number: usize) {
        if let Some(matches) = self.matches.get(rule_number) {
            matches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rules that were there before keep their count: a counter must not go back.
    fn inherit_matches(&mut self, old: &Self) {
        for (rule, count) in self.matcher.rules().iter().zip(&mut self.matches) {
            let known = old
                .matcher
                .rules()
                .iter()
                .zip(&old.matches)
                .find(|(known, _)| known.name == rule.name);
            if let Some((_, before)) = known {
                *count = AtomicU64::new(before.load(Ordering::Relaxed));
            }
        }
    }
}

fn compile(config: &RulesConfig) -> anyhow::Result<Ruling> {
    let rule_set = RuleSet::load(&config.choice());
    rule_set.require_loaded()?;
    let matcher = Matcher::compile(&rule_set.selected, Matching::from(config.matching).into())?;
    let matches = matcher
        .rules()
        .iter()
        .map(|_| AtomicU64::default())
        .collect();
    Ok(Ruling { matcher, matches })
}
