//! Files of both languages through their loaders, and the rules back into the order of the files.
//!
//! Each loader must see all files of its language, since Falco's later files change what earlier ones define, and Sigma's filters
//! hold for the rules of all files. Sigma comes second, because its correlations may count rules of Falco's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, FileReport};
use kubevigil_rules::falco::fields::FieldOptions;
use kubevigil_rules::{Language, Rule, falco, sigma};

use crate::hostname::hostname;
use crate::rule_set::RuleChoice;
use crate::rule_set::files::{self, RuleFile};

/// What all files together gave.
pub(super) struct Loaded {
    /// The rules of both languages in the order of the files.
    pub(super) rules: Vec<Arc<Rule>>,
    /// Rules that refused correlations count, and that must raise nothing.
    pub(super) silenced: Vec<Arc<Rule>>,
    /// One report for each file, in the order of the files, and the file's language; `None` for a file that could not be read.
    pub(super) files: Vec<(Option<Language>, FileReport)>,
}

/// Loads the files of a choice.
pub(super) fn load(choice: &RuleChoice) -> Loaded {
    let mut files: Vec<Result<RuleFile, FileReport>> = Vec::new();
    if choice.default_rules {
        files.extend(files::default_files().into_iter().map(Ok));
    }
    files.extend(files::read_all(&choice.files));
    let mut falco = falco::Loader::new(options(choice));
    let mut sigma = sigma::Loader::new(sigma::Options::default());
    let mut languages = Vec::with_capacity(files.len());
    let mut unreadable = Vec::new();
    for file in files {
        match file {
            Ok(file) => {
                let language = file.language();
                match language {
                    Language::Falco => falco.load_file(&file.name, &file.text),
                    Language::Sigma => sigma.load_file(&file.name, &file.text),
                }
                languages.push(Some(language));
            }
            Err(report) => {
                unreadable.push(report);
                languages.push(None);
            }
        }
    }
    let mut falco = falco.finish();
    withdraw_unused_warnings(&mut falco);
    let sigma = sigma.finish_with(&falco.rules);
    let mut reports = [falco.files, sigma.files, unreadable].map(Vec::into_iter);
    let files = languages.into_iter().filter_map(|language| {
        let [falco, sigma, unreadable] = &mut reports;
        let report = match language {
            Some(Language::Falco) => falco.next(),
            Some(Language::Sigma) => sigma.next(),
            None => unreadable.next(),
        };
        Some((language, report?))
    });
    let files: Vec<_> = files.collect();
    let rules = in_order_of_files(&files, falco.rules, sigma.rules);
    Loaded {
        rules,
        silenced: sigma.silenced,
        files,
    }
}

fn options(choice: &RuleChoice) -> falco::Options {
    let fields = FieldOptions {
        fixed_fields: choice.fixed_fields,
        hostname: hostname().unwrap_or_default().into(),
        ..FieldOptions::default()
    };
    falco::Options {
        fields,
        ..falco::Options::default()
    }
}

/// The rules of both languages, each after those of earlier files.
///
/// Falco's order is kept to the letter. It is that of first definitions, while a rule that a later file changes has its place in that
/// file: so a rule comes before whatever Falco tries after it.
fn in_order_of_files(
    files: &[(Option<Language>, FileReport)],
    falco: Vec<Arc<Rule>>,
    sigma: Vec<Arc<Rule>>,
) -> Vec<Arc<Rule>> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, (_, report)) in files.iter().enumerate() {
        numbers.entry(&report.file).or_insert(number);
    }
    let number = |rule: &Rule| numbers.get(&*rule.origin.file).copied();
    let mut earliest = usize::MAX;
    let mut rules: Vec<(usize, Arc<Rule>)> = Vec::with_capacity(falco.len() + sigma.len());
    for rule in falco.into_iter().rev() {
        earliest = earliest.min(number(&rule).unwrap_or(usize::MAX));
        rules.push((earliest, rule));
    }
    rules.reverse();
    let sigma = sigma.into_iter();
    rules.extend(sigma.map(|rule| (number(&rule).unwrap_or(usize::MAX), rule)));
    rules.sort_by_key(|(number, _)| *number);
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// Takes warnings back that a file gave about what a later file uses: Falco judges each file by those before it.
fn withdraw_unused_warnings(loaded: &mut falco::Loaded) {
    let macros = loaded.macros.iter().filter(|info| info.used);
    let lists = loaded.lists.iter().filter(|info| info.used);
    let used: HashSet<String> = macros
        .map(|info| format!("macro \"{}\"", info.name))
        .chain(lists.map(|info| format!("list \"{}\"", info.name)))
        .collect();
    for report in &mut loaded.files {
        let mistaken = |diagnostic: &Diagnostic| {
            diagnostic.code.starts_with("LOAD_UNUSED") && used.contains(&diagnostic.item)
        };
        report
            .diagnostics
            .retain(|diagnostic| !mistaken(diagnostic));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kubevigil_rules::Priority;

    use super::*;
    use crate::rule_set::Profile;

    /// The names of the rules of these files, in order.
    fn names(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        let loaded = load(&RuleChoice {
            default_rules: false,
            files: paths.collect(),
            fixed_fields: false,
            profile: Profile::Standard,
            min_priority: Priority::Debug,
            selectors: Vec::new(),
        });
        let successful = loaded.files.iter().all(|(_, report)| report.successful());
        assert!(successful, "{:?}", loaded.files);
        let rules = loaded.rules.iter();
        rules.map(|rule| rule.name.to_string()).collect()
    }

    fn falco(name: &str) -> String {
        format!(
            "- rule: {name}\n  desc: d\n  condition: ka.verb = get\n  output: o\n  priority: NOTICE\n  source: k8s_audit\n"
        )
    }

    fn sigma(title: &str) -> String {
        format!(
            "title: {title}\nname: {title}\nlogsource: {{product: kubernetes, service: audit}}\ndetection: {{s: {{verb: get}}, condition: s}}\n---\n"
        )
    }

    #[test]
    fn rules_of_both_languages_keep_the_order_of_their_files() {
        let files = [
            ("z.yml", sigma("one") + &sigma("two")),
            ("y.yaml", falco("three") + &falco("four")),
            ("x.yml", sigma("five")),
            ("w.yaml", falco("six")),
        ];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let expected = ["one", "two", "three", "four", "five", "six"];
        assert_eq!(names(&files), expected);
    }

    #[test]
    fn a_rule_that_a_later_file_changes_keeps_its_place_before_those_behind_it() {
        let change =
            "- rule: a\n  condition: and ka.verb = list\n  override: {condition: append}\n";
        let files = [
            ("a.yaml", falco("a") + &falco("b")),
            ("b.yml", sigma("c")),
            ("c.yaml", change.to_owned() + &falco("d")),
        ];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        assert_eq!(names(&files), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_correlation_may_come_before_the_rules_of_either_language_that_it_counts() {
        let correlation =
            "title: both\ncorrelation: {type: temporal, rules: [s, f], timespan: 1m}\n";
        let (sigma, falco) = (sigma("s"), falco("f"));
        let files = [
            ("a.yml", correlation),
            ("b.yml", sigma.as_str()),
            ("c.yaml", falco.as_str()),
        ];
        assert_eq!(names(&files), ["both", "s", "f"]);
    }
}
