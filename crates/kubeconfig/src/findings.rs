//! What is wrong with a kubeconfig, collected, so that nobody mends one mistake at a time.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_diagnostics::{Diagnostic, Place, closest};
use kubevigil_tls::{CredentialsError, PemSource};

use crate::file::{CODE, Entry, Field};

/// What to do about a file that cannot be read.
pub(crate) const UNREAD: &str = "relative paths start at the kubeconfig's folder; the file has to be readable for the user that kubevigil runs as";

/// Collects mistakes; what is read goes on without the field in question.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>, help: &str) {
        self.errors
            .push(finding(Diagnostic::error(CODE, message), place, help));
    }

    pub(crate) fn warning(&mut self, place: &Place, message: impl Into<String>, help: &str) {
        self.warnings
            .push(finding(Diagnostic::warning(CODE, message), place, help));
    }

    /// A field that must be a text.
    pub(crate) fn text<'e>(
        &mut self,
        entry: &'e Entry,
        name: &str,
    ) -> Option<(&'e str, &'e Place)> {
        let field = entry.field(name)?;
        match field.node.text() {
            Some(text) => Some((text, &field.place)),
            None => {
                self.error(
                    &field.place,
                    format!("`{name}` is a list or a mapping"),
                    "write a text",
                );
                None
            }
        }
    }

    /// A field that must be true or false; missing is false.
    pub(crate) fn switch(&mut self, entry: &Entry, name: &str) -> bool {
        let Some(field) = entry.field(name) else {
            return false;
        };
        field.node.as_bool().unwrap_or_else(|| {
            let message = format!("`{name}` is neither true nor false");
            self.error(&field.place, message, "write true or false");
            false
        })
    }

    /// PEM text that stands in `NAME-data` as base64, or in the file that `NAME` names, relative to `folder`.
    pub(crate) fn pem<'e>(
        &mut self,
        entry: &'e Entry,
        name: &str,
        folder: &Path,
    ) -> Option<(PemSource, &'e Place)> {
        let data_name = format!("{name}-data");
        let file = self.text(entry, name);
        let data = self.text(entry, &data_name);
        match (file, data) {
            (Some((_, place)), Some(_)) => {
                let message = format!("`{name}` and `{data_name}` are both set");
                self.error(place, message, "remove one of them");
                None
            }
            (Some((path, place)), None) => Some((PemSource::File(folder.join(path)), place)),
            (None, Some((data, place))) => Some((self.data(&data_name, data, place)?, place)),
            (None, None) => None,
        }
    }

    fn data(&mut self, name: &str, data: &str, place: &Place) -> Option<PemSource> {
        let packed: String = data.split_ascii_whitespace().collect();
        let Ok(content) = STANDARD.decode(packed) else {
            let is_pem = data.trim_start().starts_with("-----BEGIN");
            let message = if is_pem {
                format!("`{name}` is PEM text as it is, not in base64")
            } else {
                format!("`{name}` is not base64")
            };
            self.error(place, message, "encode the PEM file with `base64 -w0 FILE`");
            return None;
        };
        let name = format!("`{name}`");
        Some(PemSource::Text { name, content })
    }

    /// Notes what is wrong with certificates and keys.
    pub(crate) fn credentials<T>(
        &mut self,
        result: Result<T, CredentialsError>,
        place: &Place,
    ) -> Option<T> {
        let is_unread = matches!(result, Err(CredentialsError::Read(_)));
        let help = if is_unread { UNREAD } else { "" };
        result
            .map_err(|error| self.error(place, error.to_string(), help))
            .ok()
    }

    /// Warns of fields that nobody reads.
    pub(crate) fn unknown_fields(&mut self, entry: &Entry, kind: &str, known: &[&str]) {
        let is_unknown = |field: &&Field| !known.contains(&field.name.as_str());
        for field in entry.fields().iter().filter(is_unknown) {
            let message = format!("a {kind} has no field `{}`: it is not read", field.name);
            let near = closest(&field.name, known.iter().copied());
            let help = near.map_or_else(
                || "remove it".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.warning(&field.place, message, &help);
        }
    }
}

fn finding(diagnostic: Diagnostic, place: &Place, help: &str) -> Diagnostic {
    let diagnostic = diagnostic.at(&place.source, place.span.clone());
    if help.is_empty() {
        diagnostic
    } else {
        diagnostic.help(help)
    }
}
