//! What the user of `kubevigil record` should hear first: flags that mean nothing here, or less than they seem to.

use kubevigil_gateway::identity::IdentityConfig;

use super::{audit_flags, identity_flags};
use crate::args::record::{RECOGNISING, RecordArgs};

/// All of it, a sentence each.
pub(super) fn of(arguments: &RecordArgs, identity: &IdentityConfig) -> Vec<String> {
    let (flags, mode) = (&arguments.identity, arguments.upstream.identity);
    let nobody_is_recognised = !identity.recognises_somebody();
    let ignored = &arguments.pasted.ignored;
    let mut warnings = Vec::new();
    if !ignored.is_empty() {
        warnings.push(format!(
            "ignored, since they mean nothing to a gateway: --{}",
            ignored.join(", --")
        ));
    }
    let recognising: Vec<&str> = RECOGNISING
        .iter()
        .copied()
        .filter(|name| ignored.iter().any(|ignored| ignored == name))
        .collect();
    if !recognising.is_empty() && !flags.token_review && !nobody_is_recognised {
        warnings.push(format!(
            "--{}: users whom the API server knows by this alone are not recognised here; --token-review asks it whose a token is",
            recognising.join(", --")
        ));
    }
    warnings.extend(identity_flags::left_out(flags, mode));
    let never_asked = identity_flags::never_asked(flags, identity);
    warnings.extend(never_asked.map(str::to_owned));
    let never_looked_up = identity_flags::never_looked_up(flags, mode);
    warnings.extend(never_looked_up.map(str::to_owned));
    if nobody_is_recognised {
        warnings.push(
            "nothing says how to recognise who asks, so requests with a token are refused: --token-review asks the API server whose it is"
                .to_owned(),
        );
    }
    warnings.extend(audit_flags::deprecated(arguments).map(str::to_owned));
    warnings
}
