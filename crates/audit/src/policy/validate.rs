//! The API server's validation of a policy's values (spec 3.3), in its order, all findings together.

use std::ops::Range;

use super::decode::{Draft, RuleDraft, Text};
use super::faults::Faults;
use super::file::Layer;
use super::{PolicyLevel, PolicyStage};
use crate::request_info::is_subdomain;

const REQUIRED: &str = "Required value";
const UNSUPPORTED: &str = "Unsupported value";
const INVALID: &str = "Invalid value";

/// Notes everything that the server refuses.
pub(super) fn check(draft: &Draft, faults: &mut Faults) {
    stages("omitStages", &draft.omit_stages, faults);
    for (number, rule) in draft.rules.iter().enumerate() {
        check_rule(&format!("rules[{number}]"), rule, faults);
    }
    if draft.rules.is_empty() && faults.refusals.is_empty() {
        let message = "the policy has no rules, so the API server does not start";
        let help = "add at least `rules: [{level: Metadata}]`";
        faults.refuse(
            Layer::Count,
            "",
            "",
            draft.rules_span.clone(),
            message.to_owned(),
            Some(help.to_owned()),
        );
    }
}

fn check_rule(path: &str, rule: &RuleDraft, faults: &mut Faults) {
    level(&format!("{path}.level"), &rule.level, faults);
    for (number, url) in rule.non_resource_urls.iter().enumerate() {
        non_resource_url(&format!("{path}.nonResourceURLs[{number}]"), url, faults);
    }
    for entry in &rule.resources {
        group(&format!("{path}.resources.group"), &entry.group, faults);
        if !entry.resource_names.is_empty() && entry.resources.is_empty() {
            let message = "`resourceNames` need at least one resource beside them";
            let path = format!("{path}.resources.resourceNames");
            invalid(
                &path,
                entry.span.clone(),
                message,
                "add `resources: […]` to the entry",
                faults,
            );
        }
    }
    stages(&format!("{path}.omitStages"), &rule.omit_stages, faults);
    let selects_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    if selects_resources && !rule.non_resource_urls.is_empty() {
        let message = "a rule can select resources and namespaces, or URLs, but not both";
        let path = format!("{path}.nonResourceURLs");
        invalid(
            &path,
            rule.span.clone(),
            message,
            "make two rules of it",
            faults,
        );
    }
}

fn level(path: &str, level: &Text, faults: &mut Faults) {
    if PolicyLevel::parse(&level.text).is_some() {
        return;
    }
    let names = PolicyLevel::ALL.map(PolicyLevel::as_str);
    let (label, message) = if level.text.is_empty() {
        (REQUIRED, "every rule needs a `level`".to_owned())
    } else {
        (UNSUPPORTED, format!("there is no level `{}`", level.text))
    };
    faults.refuse(
        Layer::Validate,
        path,
        label,
        level.span.clone(),
        message,
        Some(one_of(&level.text, &names)),
    );
}

fn stages(path: &str, stages: &[Text], faults: &mut Faults) {
    for (number, stage) in stages.iter().enumerate() {
        if PolicyStage::parse(&stage.text).is_none() {
            let names = PolicyStage::ALL.map(PolicyStage::as_str);
            let message = format!("there is no stage `{}`", stage.text);
            invalid(
                &format!("{path}[{number}]"),
                stage.span.clone(),
                &message,
                &one_of(&stage.text, &names),
                faults,
            );
        }
    }
}

fn non_resource_url(path: &str, url: &Text, faults: &mut Faults) {
    if &*url.text == "*" {
        return;
    }
    if !url.text.starts_with('/') {
        let message = format!("`{}` is no path: it must begin with a slash", url.text);
        invalid(
            path,
            url.span.clone(),
            &message,
            "write the path only, such as `/healthz*`",
            faults,
        );
    }
    let before_last = url.text.char_indices().next_back().map_or(0, |(at, _)| at);
    if url
        .text
        .get(..before_last)
        .is_some_and(|text| text.contains('*'))
    {
        let message = format!("`{}` has an asterisk before its end", url.text);
        invalid(
            path,
            url.span.clone(),
            &message,
            "an asterisk may only be the last character",
            faults,
        );
    }
}

fn group(path: &str, group: &Text, faults: &mut Faults) {
    if matches!(&*group.text, "" | "*") || is_subdomain(&group.text) {
        return;
    }
    let message = format!(
        "`{}` is no API group: a group is a DNS name in lower case, at most 253 characters long",
        group.text
    );
    let help = match group.text.split_once('/') {
        Some((group, _)) => format!("groups have no version here: write `{group}`"),
        None => {
            "write the group as `kubectl api-resources` shows it, without the version".to_owned()
        }
    };
    invalid(path, group.span.clone(), &message, &help, faults);
}

fn invalid(path: &str, span: Range<usize>, message: &str, help: &str, faults: &mut Faults) {
    faults.refuse(
        Layer::Validate,
        path,
        INVALID,
        span,
        message.to_owned(),
        Some(help.to_owned()),
    );
}

fn one_of(text: &str, names: &[&'static str]) -> String {
    match kubevigil_diagnostics::closest(text, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", names.join(", ")),
    }
}
