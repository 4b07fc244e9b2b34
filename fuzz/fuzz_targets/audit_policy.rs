//! Any text as an audit policy and, in its first line, as a request: read or refused, and what is read decides about what is read.

#![no_main]

use kubevigil_audit::policy::{Attributes, PolicyFile};
use kubevigil_audit::request_info::RequestInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (request, policy) = text.split_once('\n').unwrap_or((text, text));
    let (method, url) = request.split_once(' ').unwrap_or(("GET", request));
    let file = PolicyFile::read("fuzz.yaml", policy);
    let _ = file.for_legacy_servers();
    let _ = file.span("rules[0].resources[1].group");
    let groups = [Box::from("system:authenticated")];
    if let (Ok(info), Some(policy)) = (RequestInfo::of(method, url), &file.policy) {
        let _ = policy.decide(&Attributes::of(&info, Some(("eve", &groups))));
        let _ = policy.decide(&Attributes::of(&info, None));
    }
});
