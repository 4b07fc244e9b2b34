//! What became of one file.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::{Diagnostic, Severity};

/// All that was found in one file.
///
/// As JSON it is `{"file", "successful", "errors": [...], "warnings": [...]}`, each entry with `code`, `message`,
/// `line`, `column` (null without a place), `item` and `help`.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file as the user named it.
    pub file: String,
    /// Errors and warnings, in the order in which they were found.
    pub diagnostics: Vec<Diagnostic>,
}

impl FileReport {
    /// Whether the file can be used: it has no errors.
    pub fn successful(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The errors, in the order in which they were found.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// The warnings, in the order in which they were found.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(move |diagnostic| diagnostic.severity == severity)
    }
}

impl Serialize for FileReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let errors: Vec<Entry<'_>> = self.errors().map(Entry::of).collect();
        let warnings: Vec<Entry<'_>> = self.warnings().map(Entry::of).collect();
        let mut report = serializer.serialize_struct("FileReport", 4)?;
        report.serialize_field("file", &self.file)?;
        report.serialize_field("successful", &errors.is_empty())?;
        report.serialize_field("errors", &errors)?;
        report.serialize_field("warnings", &warnings)?;
        report.end()
    }
}

#[derive(serde::Serialize)]
struct Entry<'d> {
    code: &'static str,
    message: &'d str,
    line: Option<usize>,
    column: Option<usize>,
    item: &'d str,
    help: Option<&'d str>,
}

impl<'d> Entry<'d> {
    fn of(diagnostic: &'d Diagnostic) -> Self {
        let (line, column) = diagnostic.position().unzip();
        Self {
            code: diagnostic.code,
            message: &diagnostic.message,
            line,
            column,
            item: &diagnostic.item,
            help: diagnostic.help.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FileReport;
    use crate::{Diagnostic, Source};

    #[test]
    fn a_report_as_json_has_the_shape_that_rules_check_prints() {
        let source = Source::file("a.yaml", "- rule: x\n  tags: 1\n");
        let diagnostics = vec![
            Diagnostic::warning("LOAD_UNKNOWN_ITEM", "odd"),
            Diagnostic::error("LOAD_ERR_YAML_VALIDATE", "a list is expected")
                .at(&source, 18..19)
                .within("rule \"x\" tags"),
        ];
        let report = FileReport {
            file: "a.yaml".to_owned(),
            diagnostics,
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
    }
}
