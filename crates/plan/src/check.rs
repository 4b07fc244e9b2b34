//! What is wrong with a policy that an API server accepts, or at what price it is right.
//!
//! A lint is one file: its code, what it means, how it is found. The codes are stable. What stops the server, and the keys that it
//! drops (P01), takes twice (P02) or never reads (P08), is noted where the file is read
//! ([`PolicyFile`]); its texts are here with the others.

mod catch_all;
mod credentials_in_bodies;
mod dead_pattern;
mod group_wildcard;
mod identity_speaks_for_others;
mod interactive_access;
mod names_that_miss;
mod namespaces_that_miss;
mod no_user;
mod response_started;
mod stages_left;
mod subresource_forgotten;
mod unknown_verb;
mod unreachable_rule;
mod url_that_misses;
mod wildcard_in_literal;
mod wrong_group;

use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_diagnostics::{Diagnostic, Severity};

use crate::version::KubernetesVersion;

/// What a lint is, for documentation and for SARIF.
#[derive(Clone, Copy, Debug)]
pub struct Lint {
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// How bad it is; single findings may be milder.
    pub severity: Severity,
    /// Why it matters, in a sentence or two.
    pub why: &'static str,
    run: fn(&Subject<'_>, &mut Vec<Diagnostic>),
}

/// All lints, by code.
pub const LINTS: &[Lint] = &[
    Lint {
        code: "P01",
        title: "misspelt or misplaced key",
        severity: Severity::Error,
        why: "The API server drops a key that it does not know and logs a line. The rule then selects more than was written: a rule of level \
              None silences what it should not.",
        run: read_with_the_file,
    },
    Lint {
        code: "P02",
        title: "key given twice",
        severity: Severity::Error,
        why: "Of equal keys the API server takes the later one and logs a line; the earlier rules or selectors mean nothing.",
        run: read_with_the_file,
    },
    wildcard_in_literal::LINT,
    dead_pattern::LINT,
    wrong_group::LINT,
    group_wildcard::LINT,
    Lint {
        code: "P07",
        title: "apiVersion that is not served",
        severity: Severity::Error,
        why: "The API server does not start. Versions before v1 went away with Kubernetes 1.24.",
        run: read_with_the_file,
    },
    Lint {
        code: "P08",
        title: "second document",
        severity: Severity::Error,
        why: "The API server reads the first document of the file and says nothing about others.",
        run: read_with_the_file,
    },
    unreachable_rule::LINT,
    catch_all::LINT,
    credentials_in_bodies::LINT,
    subresource_forgotten::LINT,
    interactive_access::LINT,
    unknown_verb::LINT,
    names_that_miss::LINT,
    namespaces_that_miss::LINT,
    url_that_misses::LINT,
    response_started::LINT,
    no_user::LINT,
    stages_left::LINT,
    identity_speaks_for_others::LINT,
];

/// A policy under examination.
pub(crate) struct Subject<'f> {
    pub(crate) file: &'f PolicyFile,
    pub(crate) policy: &'f Policy,
    pub(crate) version: KubernetesVersion,
}

/// Everything that is to be said about a file: what stops the API server first, then the findings in the order of the file.
pub fn check(file: &PolicyFile, version: KubernetesVersion) -> Vec<Diagnostic> {
    let mut diagnostics = file.diagnostics.clone();
    if let Some(policy) = &file.policy {
        let subject = Subject {
            file,
            policy,
            version,
        };
        let mut findings = Vec::new();
        LINTS
            .iter()
            .for_each(|lint| (lint.run)(&subject, &mut findings));
        findings.sort_by_key(|finding: &Diagnostic| {
            finding.place.as_ref().map(|place| place.span.start)
        });
        diagnostics.append(&mut findings);
    }
    diagnostics
}

/// These are noted when the file is read.
fn read_with_the_file(_: &Subject<'_>, _: &mut Vec<Diagnostic>) {}

impl Lint {
    /// A finding of the lint about the value at `path`.
    pub(crate) fn at(
        &self,
        subject: &Subject<'_>,
        path: &str,
        message: String,
        fix: &str,
    ) -> Diagnostic {
        self.as_severe(self.severity, subject, path, message, fix)
    }

    /// A finding that is milder, or graver, than the lint's others.
    pub(crate) fn as_severe(
        &self,
        severity: Severity,
        subject: &Subject<'_>,
        path: &str,
        message: String,
        fix: &str,
    ) -> Diagnostic {
        let new = match severity {
            Severity::Info => Diagnostic::info,
            Severity::Warning => Diagnostic::warning,
            Severity::Error => Diagnostic::error,
        };
        let diagnostic = new(self.code, message)
            .at(&subject.file.source, subject.file.span(path))
            .within(path);
        if fix.is_empty() {
            diagnostic
        } else {
            diagnostic.help(fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LINTS;

    #[test]
    fn every_code_is_there_once_in_order_and_explained() {
        let codes: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
        let expected: Vec<String> = (1..=21).map(|number| format!("P{number:02}")).collect();
        assert_eq!(codes, expected);
        assert!(
            LINTS
                .iter()
                .all(|lint| lint.why.ends_with('.') && !lint.title.ends_with('.'))
        );
    }
}
