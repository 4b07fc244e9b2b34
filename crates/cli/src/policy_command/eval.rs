//! `kubevigil policy eval`: requests put to a policy.

use std::process::ExitCode;

use kubevigil_audit::policy::{Attributes, Decision, Policy, User};
use kubevigil_audit::request_info::RequestInfo;
use serde::{Deserialize, Serialize};

use super::lines;
use crate::args::policy::PolicyEvalArgs;

/// A request by its method and URL, or by its attributes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    user: Option<Box<str>>,
    groups: Option<Vec<Box<str>>>,
    method: Option<String>,
    url: Option<String>,
    verb: String,
    path: String,
    namespace: String,
    api_group: String,
    /// Plays no part in a policy; accepted because whoever has the other attributes has it.
    #[serde(rename = "apiVersion")]
    _api_version: String,
    resource: String,
    subresource: String,
    name: String,
    is_resource_request: Option<bool>,
}

/// What a policy does, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    level: &'static str,
    /// Sorted by name.
    omit_stages: Vec<&'static str>,
    omit_managed_fields: bool,
    matched_rule: Option<usize>,
}

pub(super) fn execute(arguments: &PolicyEvalArgs) -> anyhow::Result<ExitCode> {
    let policy = super::policy(&arguments.policy)?;
    lines::answer(&arguments.requests, |line: Line| line.decide(&policy))
}

impl Line {
    fn decide(&self, policy: &Policy) -> Result<Shape, String> {
        let groups = self.groups.as_deref().unwrap_or_default();
        let user = self.user.as_deref().map(|name| User { name, groups });
        let decision = match (&self.method, &self.url) {
            (Some(method), Some(url)) => {
                let info = RequestInfo::of(method, url).map_err(|error| error.to_string())?;
                policy.decide(&Attributes {
                    user,
                    ..Attributes::of(&info, None)
                })
            }
            (None, None) => policy.decide(&Attributes {
                user,
                ..self.attributes()?
            }),
            _ => return Err("`method` and `url` belong together".to_owned()),
        };
        Ok(Shape::from(&decision))
    }

    fn attributes(&self) -> Result<Attributes<'_>, String> {
        let is_resource_request = self.is_resource_request.ok_or_else(|| {
            "the line has neither `method` and `url` nor `isResourceRequest`".to_owned()
        })?;
        Ok(Attributes {
            user: None,
            verb: &self.verb,
            path: &self.path,
            is_resource_request,
            namespace: &self.namespace,
            api_group: &self.api_group,
            resource: &self.resource,
            subresource: &self.subresource,
            name: &self.name,
        })
    }
}

impl From<&Decision> for Shape {
    fn from(decision: &Decision) -> Self {
        let mut omit_stages: Vec<&str> = decision
            .omit_stages
            .iter()
            .map(|stage| stage.as_str())
            .collect();
        omit_stages.sort_unstable();
        Self {
            level: decision.level.as_str(),
            omit_stages,
            omit_managed_fields: decision.omit_managed_fields,
            matched_rule: decision.matched_rule,
        }
    }
}
