//! P17: URLs that no request matches.

use kubevigil_audit::request_info::RequestInfo;
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P17",
    title: "URL that cannot match",
    severity: Severity::Error,
    why: "URL rules see the path of requests outside the resources: no query, no host, no `/api/v1/pods`.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        for (position, url) in rule.non_resource_urls.iter().enumerate() {
            let path = format!("rules[{number}].nonResourceURLs[{position}]");
            if let Some((reason, fix)) = defect(url) {
                findings.push(LINT.at(
                    subject,
                    &path,
                    format!("`{url}` matches no request: {reason}"),
                    fix,
                ));
            } else if let Some((message, fix)) = remark(url) {
                findings.push(LINT.as_severe(Severity::Info, subject, &path, message, &fix));
            }
        }
        probes_left_out(subject, number, &rule.non_resource_urls, findings);
    }
}

fn defect(url: &str) -> Option<(&'static str, &'static str)> {
    if url.contains(['?', '#']) {
        return Some((
            "only the path is compared",
            "leave out everything from `?` on",
        ));
    }
    let sample = url
        .strip_suffix('*')
        .map_or(url.to_owned(), |prefix| format!("{prefix}x"));
    let is_resource = RequestInfo::of("GET", &sample).is_ok_and(|info| info.is_resource_request);
    let is_whole_prefix = url.split('/').count() > if url.starts_with("/apis") { 4 } else { 3 };
    (is_resource && is_whole_prefix).then_some((
        "this is the path of a resource, and those go to rules with `resources`",
        "name the resource under `resources`",
    ))
}

fn remark(url: &str) -> Option<(String, String)> {
    if matches!(url, "/api*" | "/apis*" | "/api/*" | "/apis/*") {
        let message =
            format!("`{url}` means discovery only: requests for resources never reach a URL rule");
        return Some((message, String::new()));
    }
    let parent = url.strip_suffix("/*").filter(|parent| !parent.is_empty())?;
    let message = format!("`{url}` does not match `{parent}` itself");
    Some((
        message,
        format!("write `{parent}*`, or list `{parent}` as well"),
    ))
}

/// Health paths come in threes.
fn probes_left_out(
    subject: &Subject<'_>,
    number: usize,
    urls: &[Box<str>],
    findings: &mut Vec<Diagnostic>,
) {
    let has = |path: &str| {
        urls.iter()
            .any(|url| url.trim_end_matches('*').trim_end_matches('/') == path)
    };
    let missing: Vec<&str> = ["/livez", "/readyz"]
        .into_iter()
        .filter(|path| !has(path))
        .collect();
    if has("/healthz") && !missing.is_empty() {
        let message = format!("health is also asked at {}", missing.join(" and "));
        let path = format!("rules[{number}].nonResourceURLs");
        findings.push(LINT.as_severe(
            Severity::Info,
            subject,
            &path,
            message,
            "add them with a `*` at the end",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::defect;

    #[test]
    fn paths_of_resources_are_told_from_discovery() {
        for url in [
            "/api/v1/pods",
            "/api/v1/namespaces/*",
            "/apis/apps/v1/deployments*",
            "/healthz?verbose",
        ] {
            assert!(defect(url).is_some(), "{url}");
        }
        for url in [
            "/api",
            "/api*",
            "/api/v1",
            "/api/v1*",
            "/apis/apps/v1",
            "/healthz*",
            "*",
            "/logs/*",
        ] {
            assert_eq!(defect(url), None, "{url}");
        }
    }
}
