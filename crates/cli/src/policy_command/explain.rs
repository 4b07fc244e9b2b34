//! `kubevigil policy explain`: which rule decides a request, and why.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use kubevigil_audit::policy::{
    Attributes, Decision, Mismatch, Policy, PolicyFile, PolicyLevel, PolicyRule, PolicyStage,
};
use kubevigil_audit::request_info::{LONG_RUNNING_SUBRESOURCES, RequestInfo};
use kubevigil_diagnostics::escape;
use kubevigil_plan::probe::{Probe, Target};
use kubevigil_plan::{identity, kubectl};
use serde::Serialize;

use super::eval;
use crate::args::Format;
use crate::args::policy::PolicyExplainArgs;
use crate::terminal::{BOLD, DIM};

/// A request, who sends it, and what becomes of it.
struct Explained {
    probe: Probe,
    why: &'static str,
    /// Whether the server reports it when it begins, too.
    is_long_running: bool,
}

pub(super) fn execute(arguments: &PolicyExplainArgs) -> anyhow::Result<ExitCode> {
    let PolicyFile { policy, source, .. } = super::read_valid(&arguments.policy)?.file;
    let policy = policy.context("the file holds no policy")?;
    let mut out = anstream::stdout().lock();
    for request in requests(&arguments.request)? {
        let decision = request.probe.decide(&policy);
        match arguments.format {
            Format::Json => super::write_json(&mut out, &request.shape(&policy, &decision))?,
            Format::Text => {
                let line = |number: usize| {
                    let span = policy.rules.get(number).map(|rule| rule.span.start);
                    span.map_or(0, |start| source.position(start).0)
                };
                request.write(&mut out, &policy, &decision, &line)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The requests of a command line, or the one of a method and a URL.
fn requests(words: &[String]) -> anyhow::Result<Vec<Explained>> {
    let is_method =
        |word: &String| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase());
    if !words.first().is_some_and(is_method) {
        let requests = kubectl::requests(words)?.into_iter();
        return Ok(requests
            .map(|request| Explained::new(request.probe, request.why))
            .collect());
    }
    let (mut plain, mut name, mut groups) = (Vec::new(), None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--as" => name = words.next(),
            "--as-group" => groups.extend(words.next().cloned()),
            _ => plain.push(word),
        }
    }
    ensure!(
        plain.len() == 2,
        "write a method and a URL, such as `GET /api/v1/namespaces/dev/secrets --as jane`"
    );
    let (method, url) = (plain.first().copied(), plain.last().copied());
    let info = RequestInfo::of(
        method.map_or("", String::as_str),
        url.map_or("", String::as_str),
    )?;
    let user = identity::user(name.map_or(identity::ADMINISTRATOR, String::as_str), groups);
    let is_long_running = info.is_long_running();
    Ok(vec![Explained {
        probe: probe(info, user),
        why: "",
        is_long_running,
    }])
}

fn probe(info: RequestInfo, user: (Box<str>, Vec<Box<str>>)) -> Probe {
    let target = if info.is_resource_request {
        Target::Resource {
            group: info.api_group.into(),
            resource: info.resource.into(),
            subresource: info.subresource.into(),
            namespace: info.namespace.into(),
            name: info.name.into(),
        }
    } else {
        Target::Path(info.path.into())
    };
    Probe {
        user: Some(user),
        verb: info.verb.into(),
        target,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'e> {
    request: String,
    user: Option<&'e str>,
    groups: Vec<&'e str>,
    decision: eval::Shape,
    stages: Vec<&'static str>,
    earlier_rules: Vec<Earlier>,
}

#[derive(Serialize)]
struct Earlier {
    rule: usize,
    reason: String,
}

impl Explained {
    fn new(probe: Probe, why: &'static str) -> Self {
        let attributes = probe.attributes();
        let is_long_running = attributes.verb == "watch"
            || LONG_RUNNING_SUBRESOURCES.contains(&attributes.subresource);
        Self {
            probe,
            why,
            is_long_running,
        }
    }

    fn shape<'e>(&'e self, policy: &Policy, decision: &Decision) -> Shape<'e> {
        let attributes = self.probe.attributes();
        Shape {
            request: title(&attributes),
            user: attributes.user.map(|user| user.name),
            groups: attributes.user.map_or(Vec::new(), |user| {
                user.groups.iter().map(AsRef::as_ref).collect()
            }),
            decision: eval::Shape::from(decision),
            stages: self
                .stages(decision)
                .iter()
                .map(|stage| stage.as_str())
                .collect(),
            earlier_rules: earlier(policy, decision, &attributes),
        }
    }

    fn write(
        &self,
        out: &mut impl Write,
        policy: &Policy,
        decision: &Decision,
        line: &dyn Fn(usize) -> usize,
    ) -> io::Result<()> {
        let attributes = self.probe.attributes();
        let why = if self.why.is_empty() {
            String::new()
        } else {
            format!("  ({})", self.why)
        };
        writeln!(
            out,
            "{BOLD}{}{BOLD:#}{DIM}{why}{DIM:#}",
            escape::terminal(&title(&attributes))
        )?;
        if let Some(user) = attributes.user {
            let groups = user.groups.join(", ");
            writeln!(
                out,
                "  by {}, in {}",
                escape::terminal(user.name),
                escape::terminal(&groups)
            )?;
        }
        match decision.matched_rule {
            Some(rule) => writeln!(
                out,
                "  rules[{rule}] (line {}) decides: level {BOLD}{}{BOLD:#}",
                line(rule),
                decision.level
            )?,
            None => writeln!(out, "  no rule matches: level {BOLD}None{BOLD:#}")?,
        }
        writeln!(out, "  {}", self.recorded(decision))?;
        for earlier in earlier(policy, decision, &attributes) {
            writeln!(
                out,
                "  {DIM}rules[{}] (line {}) does not match: {}{DIM:#}",
                earlier.rule,
                line(earlier.rule),
                escape::terminal(&earlier.reason)
            )?;
        }
        writeln!(out)
    }

    /// The stages that leave an event of an ordinary course.
    fn stages(&self, decision: &Decision) -> Vec<PolicyStage> {
        let course = [
            PolicyStage::RequestReceived,
            PolicyStage::ResponseStarted,
            PolicyStage::ResponseComplete,
        ];
        let happens = |stage: &PolicyStage| {
            decision.level > PolicyLevel::None
                && (self.is_long_running || *stage != PolicyStage::ResponseStarted)
                && !decision.omit_stages.contains(*stage)
        };
        course.into_iter().filter(happens).collect()
    }

    fn recorded(&self, decision: &Decision) -> String {
        let what = match decision.level {
            PolicyLevel::None => return "nothing is recorded".to_owned(),
            PolicyLevel::Metadata => "who, what, when and the outcome; no bodies",
            PolicyLevel::Request => "the request's body as well",
            PolicyLevel::RequestResponse => "the bodies of request and response as well",
        };
        let stages: Vec<&str> = self
            .stages(decision)
            .iter()
            .map(|stage| stage.as_str())
            .collect();
        let stages = if stages.is_empty() {
            "at no stage, so nothing at all".to_owned()
        } else {
            format!("at {}", stages.join(", "))
        };
        let managed = if decision.omit_managed_fields && decision.level > PolicyLevel::Metadata {
            ", without managed fields"
        } else {
            ""
        };
        format!("recorded {stages}: {what}{managed}")
    }
}

/// Why the rules before the one that decides do not match.
fn earlier(policy: &Policy, decision: &Decision, attributes: &Attributes<'_>) -> Vec<Earlier> {
    let count = decision.matched_rule.unwrap_or(policy.rules.len());
    let rules = policy.rules.iter().take(count).enumerate();
    let reasons = rules.filter_map(|(number, rule)| {
        let mismatch = rule.mismatch(attributes)?;
        Some(Earlier {
            rule: number,
            reason: reason(mismatch, rule, attributes),
        })
    });
    reasons.collect()
}

fn reason(mismatch: Mismatch, rule: &PolicyRule, attributes: &Attributes<'_>) -> String {
    let list = |texts: &[Box<str>]| {
        let shown: Vec<String> = texts
            .iter()
            .take(5)
            .map(|text| format!("\"{text}\""))
            .collect();
        let more = if texts.len() > 5 { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    };
    match mismatch {
        Mismatch::Users => format!("the user is none of {}", list(&rule.users)),
        Mismatch::UserGroups => format!("the user is in none of {}", list(&rule.user_groups)),
        Mismatch::Verbs => format!(
            "the verb {} is none of {}",
            attributes.verb,
            list(&rule.verbs)
        ),
        Mismatch::Namespaces => match attributes.namespace {
            "" => format!(
                "the request has no namespace, the rule wants {}",
                list(&rule.namespaces)
            ),
            namespace => format!(
                "the namespace {namespace} is none of {}",
                list(&rule.namespaces)
            ),
        },
        Mismatch::Resources => "the resource is none of its resources".to_owned(),
        Mismatch::NotAResource => "the rule is for resources, the request is for a path".to_owned(),
        Mismatch::IsAResource => "the rule is for paths, the request is for a resource".to_owned(),
        Mismatch::NonResourceUrls => {
            format!("the path is none of {}", list(&rule.non_resource_urls))
        }
    }
}

/// What is asked: `get secrets/db in dev`.
fn title(attributes: &Attributes<'_>) -> String {
    if !attributes.is_resource_request {
        return format!("{} {}", attributes.verb, attributes.path);
    }
    let mut title = format!("{} {}", attributes.verb, attributes.resource);
    if !attributes.subresource.is_empty() {
        title = format!("{title}/{}", attributes.subresource);
    }
    if !attributes.api_group.is_empty() {
        title = format!("{title}.{}", attributes.api_group);
    }
    if !attributes.name.is_empty() {
        title = format!("{title} \"{}\"", attributes.name);
    }
    match attributes.namespace {
        "" => title,
        namespace => format!("{title} in {namespace}"),
    }
}
