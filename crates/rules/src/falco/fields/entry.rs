//! A field as the catalogue knows it.

use super::{FieldError, FieldOptions, Level, Path, json_pointer, level_of};
use crate::derived;
use crate::field::{Field, JsonPath, Kind, Read, ReadFn};

/// A field as the catalogue knows it.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name without an argument.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// What may stand in brackets behind the name.
    pub argument: ArgumentKind,
    /// The JSON paths that it reads; none for fields that do not depend on the event's JSON.
    pub paths: &'static [Path],
    /// Further paths that it reads where an event has them, and does without where not: they ask for no higher level.
    pub also: &'static [Path],
    /// What it is, for users: one sentence or two.
    pub doc: &'static str,
    /// What users may stumble over: a defect that is reproduced, the version that brought the field.
    pub note: Option<&'static str>,
    read: Read,
    mended: Option<Mended>,
    beginning: Option<(Path, usize)>,
}

/// The meaning of a field with its defect mended.
#[derive(Clone, Copy)]
struct Mended {
    paths: &'static [Path],
    read: ReadFn,
}

/// What may stand in brackets behind a field's name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ArgumentKind {
    /// Nothing.
    None,
    /// A decimal index, or nothing.
    Index,
    /// A text, which must be there.
    Key,
    /// A JSON pointer (RFC 6901), which must be there; its leading slash may be left out.
    Pointer,
}

impl Entry {
    /// The least audit level at which events carry what the field reads. For fields with a pointer it depends on the
    /// argument: see [`level`](super::level).
    pub fn level(&self) -> Level {
        let first_keys = self.paths.iter().map(|path| path.first().copied());
        first_keys.map(level_of).max().unwrap_or(Level::Metadata)
    }

    /// Whether the field is one of kubevigil's own (`kv.*`), which no other reader of Falco's rules knows.
    pub fn is_derived(&self) -> bool {
        derived::is_derived(self.name)
    }

    /// Whether the field is absent from events without the key `auditID`.
    pub fn needs_audit_id(&self) -> bool {
        self.name.starts_with("ka.")
    }

    /// Whether the field means something else with [`FieldOptions::fixed_fields`].
    pub fn has_mended_form(&self) -> bool {
        self.mended.is_some()
    }

    /// The text of what stands at `path`.
    pub(super) const fn text(
        name: &'static str,
        paths: &'static [Path],
        doc: &'static str,
    ) -> Self {
        Self::new(
            name,
            Kind::Text,
            Read::Text { cut_at_nul: true },
            paths,
            doc,
        )
    }

    /// A text that `read` makes.
    pub(crate) const fn made(
        name: &'static str,
        read: ReadFn,
        paths: &'static [Path],
        doc: &'static str,
    ) -> Self {
        Self::new(name, Kind::Text, Read::With(read), paths, doc)
    }

    /// A list of texts.
    pub(super) const fn list(
        name: &'static str,
        read: ReadFn,
        paths: &'static [Path],
        doc: &'static str,
    ) -> Self {
        Self::new(name, Kind::TextList, Read::With(read), paths, doc)
    }

    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        read: Read,
        paths: &'static [Path],
        doc: &'static str,
    ) -> Self {
        let argument = ArgumentKind::None;
        Self {
            name,
            kind,
            argument,
            paths,
            also: &[],
            doc,
            note: None,
            read,
            mended: None,
            beginning: None,
        }
    }

    pub(crate) const fn also(mut self, paths: &'static [Path]) -> Self {
        self.also = paths;
        self
    }

    /// Says that only so many bytes at the beginning of the text at a path change what is read, so that whoever remembers values
    /// need not tell longer texts apart.
    pub(crate) const fn only_beginning(mut self, path: Path, bytes: usize) -> Self {
        self.beginning = Some((path, bytes));
        self
    }

    pub(super) const fn argument(mut self, argument: ArgumentKind) -> Self {
        self.argument = argument;
        self
    }

    pub(crate) const fn note(self, note: &'static str) -> Self {
        self.noted(Some(note))
    }

    pub(super) const fn noted(mut self, note: Option<&'static str>) -> Self {
        self.note = note;
        self
    }

    pub(super) const fn mended(mut self, read: ReadFn, paths: &'static [Path]) -> Self {
        self.mended = Some(Mended { paths, read });
        self
    }

    pub(super) fn check_argument(&self, argument: Option<&str>) -> Result<(), FieldError> {
        let expected = match (self.argument, argument) {
            (ArgumentKind::None, Some(_)) => "takes no argument in brackets".to_owned(),
            (ArgumentKind::Index, Some(text)) if !is_index(text) => {
                format!("takes a decimal index in brackets, not `{text}`")
            }
            (ArgumentKind::Key | ArgumentKind::Pointer, None) => {
                "needs an argument in brackets".to_owned()
            }
            (ArgumentKind::Key | ArgumentKind::Pointer, Some(text))
                if text.is_empty() || text.contains([' ', '\t', '\n', '\r', ']']) =>
            {
                "takes no argument that is empty or holds blanks or `]`".to_owned()
            }
            _ => return Ok(()),
        };
        Err(FieldError::Argument {
            name: self.name,
            expected,
        })
    }

    pub(crate) fn field(&self, argument: Option<&str>, options: &FieldOptions) -> Field {
        let mended = self.mended.filter(|_| options.fixed_fields);
        let (paths, read) = match mended {
            Some(mended) => (mended.paths, Read::With(mended.read)),
            None => (self.paths, self.read),
        };
        let inputs = match argument {
            Some(pointer) if self.argument == ArgumentKind::Pointer => {
                json_pointer::inputs(pointer)
            }
            // Of equal keys the last counts for the API server; Falco's plugin takes the first.
            _ if self.is_derived() => {
                let all = paths.iter().chain(self.also);
                all.map(|keys| self.input(keys)).collect()
            }
            _ => paths.iter().map(|keys| JsonPath::first(keys)).collect(),
        };
        let name = argument.map(|argument| format!("{}[{argument}]", self.name).into());
        Field {
            name: name.unwrap_or_else(|| self.name.into()),
            kind: self.kind,
            inputs,
            read,
            argument: argument.map(Into::into),
            needs: self.needs_audit_id().then(|| JsonPath::first(&["auditID"])),
        }
    }

    fn input(&self, keys: Path) -> JsonPath {
        let beginning = self.beginning.filter(|(path, _)| *path == keys);
        JsonPath {
            beginning: beginning.map(|(_, bytes)| bytes),
            ..JsonPath::last(keys)
        }
    }
}

/// Whether this is a decimal number without leading zeros that fits in 64 bits.
fn is_index(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0')) && text.parse::<u64>().is_ok()
}
