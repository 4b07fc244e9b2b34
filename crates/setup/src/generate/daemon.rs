//! The configuration of `kubevigil run` for the generated listener.

use super::quoted;
use crate::choice::{Authentication, Choice};
use crate::credentials::CLIENT_NAME;

/// The configuration as YAML.
pub(super) fn config(choice: &Choice) -> String {
    let path = |name: &str| quoted(&format!("{}/kubevigil/{name}", choice.folder));
    let who = match choice.authentication {
        Authentication::Certificate => format!(
            "      # Only this authority's clients connect, and only the API server may send.\n      client_ca: {}\n      allowed_names: [{CLIENT_NAME}]\n",
            path("clients-ca.crt")
        ),
        Authentication::Token => {
            format!(
                "    # Who sends one of these may send events.\n    tokens: {}\n",
                path("tokens")
            )
        }
    };
    let other = format!(
        "# Start with: kubevigil run -c kubevigil.yaml\n\
         # The paths are those of the folder that this was written to. Change them when you move it.\n\
         sources:\n  webhook:\n    listen: {}\n    tls:\n      certificate: {}\n      key: {}\n{who}",
        quoted(&choice.listen()),
        path("tls.crt"),
        path("tls.key"),
    );
    let log = choice.distribution.log().map(|log| {
        format!(
            "  # On the API server's own machine the log file can be followed too; what comes twice is taken once.\n\
             \x20 # files:\n  #   - paths: [{log}]\n"
        )
    });
    other + &log.unwrap_or_default()
}
