//! The rules that run, and their replacement while they do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;
use arc_swap::ArcSwap;
use kubevigil_detect::Matcher;
use kubevigil_rules::Rule;

use crate::args::Matching;
use crate::config::RulesConfig;
use crate::rule_set::{Refused, RuleSet};

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
    /// How often each rule that can raise alerts has matched: the first ones of the matcher's rules.
    pub(crate) matches: Vec<AtomicU64>,
    /// How many of the matches raised no alert, since the correlation had raised one for the same group.
    pub(crate) suppressed: Vec<AtomicU64>,
    /// Rules that were refused because of their mistakes, and other parts of rule files.
    pub(crate) refused: usize,
    /// A whole file is among them.
    lacks_file: bool,
}

/// What is counted of a rule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleCounts {
    /// Events that it matched, or that left it satisfied.
    pub(crate) matches: u64,
    /// Those of them that raised no alert.
    pub(crate) suppressed: u64,
}

impl LiveRules {
    /// Loads the rules for the first time. A file of Falco's with a mistake is an error; a rule of Sigma's is refused alone.
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

    /// Reads the rule files again. If they cannot be loaded, the old rules stay.
    ///
    /// Nor are they replaced when a file is refused as a whole: it may be half written, and at that moment nobody must lose all of its rules.
    pub(crate) fn reload(&self) -> anyhow::Result<Arc<Ruling>> {
        let compiled = compile(&self.config).and_then(|ruling| {
            ensure!(!ruling.lacks_file, "a file cannot be read as rules");
            Ok(ruling)
        });
        let mut ruling = match compiled {
            Ok(ruling) => ruling,
            Err(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        ruling.inherit_counts(&self.current());
        let ruling = Arc::new(ruling);
        self.current.store(Arc::clone(&ruling));
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(ruling)
    }
}

impl Ruling {
    /// How many rules can raise alerts.
    pub(crate) fn count_rules(&self) -> usize {
        self.matches.len()
    }

    /// The rules that can raise alerts.
    pub(crate) fn raising(&self) -> Vec<Arc<Rule>> {
        let rules = self.matcher.rules().iter();
        rules.take(self.count_rules()).cloned().collect()
    }

    /// What was counted of the rules, by their names; those of Sigma's rules need not be unique.
    pub(crate) fn counts(&self) -> BTreeMap<&str, RuleCounts> {
        let counts = self.matches.iter().zip(&self.suppressed);
        let mut sums = BTreeMap::<&str, RuleCounts>::new();
        for (rule, (matches, suppressed)) in self.matcher.rules().iter().zip(counts) {
            let sum = sums.entry(&rule.name).or_default();
            sum.matches += matches.load(Ordering::Relaxed);
            sum.suppressed += suppressed.load(Ordering::Relaxed);
        }
        sums
    }

    /// Counts a match of the rule at this position.
    pub(crate) fn count(&self, rule_number: usize) {
        if let Some(matches) = self.matches.get(rule_number) {
            matches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts that such a match raised no alert.
    pub(crate) fn suppress(&self, rule_number: usize) {
        if let Some(suppressed) = self.suppressed.get(rule_number) {
            suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rules that were there before keep their counts: a counter must not go back.
    fn inherit_counts(&mut self, old: &Self) {
        let rules = old.matcher.rules().iter();
        let counts = old.matches.iter().zip(&old.suppressed);
        let known = rules
            .zip(counts)
            .map(|(rule, counts)| (&*rule.name, counts));
        let mut known: HashMap<&str, _> = known.collect();
        let counts = self.matches.iter_mut().zip(&mut self.suppressed);
        for (rule, (matches, suppressed)) in self.matcher.rules().iter().zip(counts) {
            // Of rules with the same name, which the metrics add up, one goes on counting.
            if let Some((before, suppressed_before)) = known.remove(&*rule.name) {
                *matches = AtomicU64::new(before.load(Ordering::Relaxed));
                *suppressed = AtomicU64::new(suppressed_before.load(Ordering::Relaxed));
            }
        }
    }
}

fn compile(config: &RulesConfig) -> anyhow::Result<Ruling> {
    let rule_set = RuleSet::load(&config.choice());
    rule_set.accept()?;
    rule_set.refused.iter().for_each(log);
    let matcher = Matcher::compile(&rule_set.selected, Matching::from(config.matching).into())?;
    let zeros = || rule_set.selected.iter().map(|_| AtomicU64::default());
    Ok(Ruling {
        matcher,
        matches: zeros().collect(),
        suppressed: zeros().collect(),
        refused: rule_set.refused.len(),
        lacks_file: rule_set
            .refused
            .iter()
            .any(|refused| refused.kind == "file"),
    })
}

fn log(refused: &Refused) {
    let Refused {
        name,
        kind,
        file,
        line,
        reason,
        ..
    } = refused;
    tracing::warn!(
        name,
        kind,
        file,
        line,
        reason,
        "refused because of its mistakes; everything else runs"
    );
}
