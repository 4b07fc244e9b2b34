//! Beginnings of names that stand for several places.

/// Where a pod is specified below a body: pods, the workloads with a template, cron jobs, pod templates.
pub(super) const POD_SPECS: [&str; 4] = [
    "spec",
    "spec.template.spec",
    "spec.jobTemplate.spec.template.spec",
    "template.spec",
];

const BODIES: [&str; 2] = ["requestObject", "responseObject"];

/// The dotted names that a name below `kv.podSpec.` or `kv.object.` stands for; `None` for any other name.
pub fn places(name: &str) -> Option<Vec<String>> {
    let below = |root: &str| {
        let rest = name.strip_prefix(root)?;
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    if let Some(rest) = below("kv.podSpec.") {
        let in_body = |body: &'static str| POD_SPECS.map(|spec| format!("{body}.{spec}.{rest}"));
        return Some(BODIES.into_iter().flat_map(in_body).collect());
    }
    let rest = below("kv.object.")?;
    Some(BODIES.map(|body| format!("{body}.{rest}")).to_vec())
}
