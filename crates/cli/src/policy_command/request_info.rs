//! `kubevigil policy request-info`: methods and URLs as the API server understands them.

use std::process::ExitCode;

use kubevigil_audit::request_info::RequestInfo;
use serde::{Deserialize, Serialize};

use super::lines;
use crate::args::policy::RequestInfoArgs;

#[derive(Deserialize)]
struct Line {
    method: String,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    is_resource_request: bool,
    verb: String,
    api_prefix: String,
    api_group: String,
    api_version: String,
    namespace: String,
    resource: String,
    subresource: String,
    name: String,
    path: String,
    parts: Option<Vec<String>>,
    field_selector: String,
    label_selector: String,
}

pub(super) fn execute(arguments: &RequestInfoArgs) -> anyhow::Result<ExitCode> {
    lines::answer(&arguments.requests, |line: Line| {
        let info = RequestInfo::of(&line.method, &line.url);
        info.map(Shape::from).map_err(|error| error.to_string())
    })
}

impl From<RequestInfo> for Shape {
    fn from(info: RequestInfo) -> Self {
        Self {
            is_resource_request: info.is_resource_request,
            verb: info.verb,
            api_prefix: info.api_prefix,
            api_group: info.api_group,
            api_version: info.api_version,
            namespace: info.namespace,
            resource: info.resource,
            subresource: info.subresource,
            name: info.name,
            path: info.path,
            parts: Some(info.parts).filter(|parts| !parts.is_empty()),
            field_selector: info.field_selector,
            label_selector: info.label_selector,
        }
    }
}
