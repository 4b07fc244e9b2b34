//! The catalogue of the fields that Falco rules can use on audit events.
//!
//! One [`Entry`] is all there is to know about a field: the name, the type, the JSON paths, the function that reads
//! them, what people need to know. The compiler, `rules fields`, the documentation and the choice of audit levels all
//! come from it, so none of them can be wrong about a field that another is right about.
//!
//! Some fields of Falco's plugin do not do what their description says (spec 0.6). The default is to do the same,
//! because a rule file must give the same alerts; [`FieldOptions::fixed_fields`] switches to the mended meaning where
//! an entry has one.
//!
//! Conventions (spec 5): all `ka.*` fields are absent unless the event has the key `auditID`; the first of equal keys
//! counts; strings end at an embedded NUL; texts of other JSON values are their compact JSON.

mod containers;
mod entry;
mod envelope;
mod event;
mod json_pointer;
mod objects;
mod pod;
mod query;
mod rbac;
mod readers;
mod target;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

pub use entry::{ArgumentKind, Entry};

use crate::derived;
use crate::field::{Field, Kind, Read};

/// Which fields there are and what they mean.
#[derive(Clone, Debug, Default)]
pub struct FieldOptions {
    /// Whether fields with a defect get their mended meaning.
    pub fixed_fields: bool,
    /// What `evt.hostname` says.
    pub hostname: Arc<str>,
    /// The constants of the configuration: the part of the name behind `static.`, and the value.
    pub static_fields: Arc<BTreeMap<String, String>>,
}

/// A path from the root of an event, outermost key first.
pub type Path = &'static [&'static str];

/// The least audit level (`audit.k8s.io/v1`) at which events carry what a field reads.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the words are the field's own")]
pub enum Level {
    Metadata,
    Request,
    RequestResponse,
}

/// A name and argument that are no field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// There is no field of this name.
    #[error("there is no field `{name}` for Kubernetes audit events")]
    Unknown {
        /// The name as it was written.
        name: String,
        /// A field with a similar name.
        suggestion: Option<&'static str>,
    },
    /// The field does not take this argument, or needs one.
    #[error("`{name}` {expected}")]
    Argument {
        /// The field.
        name: &'static str,
        /// What was expected, to be read behind the name.
        expected: String,
    },
}

/// All fields, grouped by theme.
pub fn catalogue() -> &'static [Entry] {
    static CATALOGUE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let themes: [&[Entry]; 13] = [
            envelope::ENTRIES,
            target::ENTRIES,
            rbac::ENTRIES,
            objects::ENTRIES,
            pod::ENTRIES,
            containers::MAIN,
            containers::INIT,
            containers::EPHEMERAL,
            containers::ANY_MAIN,
            volumes::ENTRIES,
            json_pointer::ENTRIES,
            event::ENTRIES,
            derived::catalogue(),
        ];
        themes.concat()
    });
    &CATALOGUE
}

/// The field of this name, with its argument filled in.
pub fn resolve(
    name: &str,
    argument: Option<&str>,
    options: &FieldOptions,
) -> Result<Field, FieldError> {
    if let Some(field) = constant_field(name, argument, options) {
        return Ok(field);
    }
    let Some(entry) = find(name) else {
        let names = catalogue().iter().map(|entry| entry.name);
        let suggestion = kubevigil_diagnostics::closest(name, names);
        return Err(FieldError::Unknown {
            name: name.to_owned(),
            suggestion,
        });
    };
    entry.check_argument(argument)?;
    Ok(entry.field(argument, options))
}

/// The field of exactly this name without an argument, if there is one. Looks for no suggestion, so it is cheap to ask.
pub(super) fn resolve_exactly(name: &str, options: &FieldOptions) -> Option<Field> {
    constant_field(name, None, options).or_else(|| {
        let entry = find(name).filter(|entry| entry.check_argument(None).is_ok())?;
        Some(entry.field(None, options))
    })
}

/// The least audit level at which events carry what the field reads.
pub fn level(field: &Field) -> Level {
    if let Some(derived) = find(&field.name).filter(|entry| entry.is_derived()) {
        return derived.level();
    }
    field
        .inputs
        .iter()
        .map(|path| level_of(path.keys.first().map(AsRef::as_ref)))
        .max()
        .unwrap_or(Level::Metadata)
}

/// The least audit level at which events can carry what a lookup by name reads: of several places one is enough.
pub fn lookup_level(lookup: &crate::lookup::Lookup) -> Level {
    let first_keys = lookup.paths.iter().map(|path| {
        let segments = path.steps.first().map(|step| &step.segments);
        segments.and_then(|segments| segments.first())
    });
    first_keys
        .map(|key| level_of(key.map(AsRef::as_ref)))
        .min()
        .unwrap_or(Level::Metadata)
}

/// The number of bytes of the longest field name, those of static fields included.
pub(super) fn longest_name(options: &FieldOptions) -> usize {
    let constants = options
        .static_fields
        .keys()
        .map(|name| name.len() + STATIC.len());
    catalogue()
        .iter()
        .map(|entry| entry.name.len())
        .chain(constants)
        .max()
        .unwrap_or_default()
}

const STATIC: &str = "static.";

fn find(name: &str) -> Option<&'static Entry> {
    static BY_NAME: LazyLock<HashMap<&str, &Entry>> = LazyLock::new(|| {
        catalogue()
            .iter()
            .map(|entry| (entry.name, entry))
            .collect()
    });
    BY_NAME.get(name).copied()
}

/// A field whose value does not depend on the event but on the configuration.
fn constant_field(name: &str, argument: Option<&str>, options: &FieldOptions) -> Option<Field> {
    if argument.is_some() {
        return None;
    }
    let value = match name.strip_prefix(STATIC) {
        Some(key) => Arc::from(options.static_fields.get(key)?.as_str()),
        None if name == event::HOSTNAME => Arc::clone(&options.hostname),
        None => return None,
    };
    Some(Field {
        name: name.into(),
        kind: Kind::Text,
        inputs: Arc::new([]),
        read: Read::With(event::constant),
        argument: Some(value),
        needs: None,
    })
}

fn level_of(first_key: Option<&str>) -> Level {
    match first_key {
        Some("requestObject") => Level::Request,
        Some("responseObject") => Level::RequestResponse,
        _ => Level::Metadata,
    }
}

impl FieldError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { suggestion, .. } => {
                suggestion.map(|suggestion| format!("did you mean `{suggestion}`?"))
            }
            Self::Argument { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_for_one_entry() {
        let mut names = HashSet::new();
        for entry in catalogue() {
            assert!(names.insert(entry.name), "{} is there twice", entry.name);
        }
    }

    #[test]
    fn every_entry_can_be_resolved_and_is_explained() {
        for entry in catalogue() {
            let argument = match entry.argument {
                ArgumentKind::None | ArgumentKind::Index => None,
                ArgumentKind::Key | ArgumentKind::Pointer => Some("x"),
            };
            for fixed_fields in [false, true] {
                let options = FieldOptions {
                    fixed_fields,
                    ..FieldOptions::default()
                };
                assert!(
                    resolve(entry.name, argument, &options).is_ok(),
                    "{}",
                    entry.name
                );
            }
            assert!(entry.doc.ends_with('.'), "{}", entry.name);
        }
    }

    #[test]
    fn the_level_follows_from_the_paths() {
        let level_of =
            |name, argument| level(&resolve(name, argument, &FieldOptions::default()).unwrap());
        assert_eq!(level_of("ka.verb", None), Level::Metadata);
        assert_eq!(level_of("ka.req.pod.host_network", None), Level::Request);
        assert_eq!(level_of("ka.resp.name", None), Level::RequestResponse);
        assert_eq!(
            level_of("jevt.value", Some("/requestObject/spec")),
            Level::Request
        );
    }

    #[test]
    fn a_misspelt_field_gets_a_suggestion() {
        let error = resolve("ka.target.resuorce", None, &FieldOptions::default()).unwrap_err();
        assert_eq!(
            error.help().as_deref(),
            Some("did you mean `ka.target.resource`?")
        );
    }
}
