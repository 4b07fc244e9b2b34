//! Fields that kubevigil derives from events: the class of an identity, the command of an exec, the pods in a body.
//!
//! Rules of either language ask them by names that begin with `kv.`. Each stands for what every rule would otherwise have to work out
//! for itself, and mostly does wrong: the address that a client cannot choose, a pod wherever it is specified, the event of a request
//! that first tells its outcome. They are [`Entry`]s of the one catalogue, so the compiler, `rules fields`, the documentation and the
//! choice of audit levels know them like any other field.
//!
//! What differs from Falco's fields: of equal keys in one object the last counts, as for the API server; no field asks for `auditID`;
//! a text is a JSON string and nothing else; an empty text is absent.
//!
//! Events are written by attackers. Every field takes time in proportion to the event, and lists are cut at a length that no object
//! reaches which etcd would store.
//!
//! `kv.podSpec.` and `kv.object.` are no fields but beginnings of names ([`places`]): what follows is looked up at every place where a
//! pod is specified, or in the object of the request and in that of the response. Only Sigma has names of that kind.

mod agent;
mod binding;
mod bodies;
mod collected;
mod connection;
mod credential;
mod exec;
mod identity;
mod pod;
mod pod_spec;
mod pod_summary;
mod query;
mod request;
mod role;
mod roots;
mod security_context;
mod values;

use std::sync::LazyLock;

pub use crate::derived::binding::STRONG_ROLES;
pub use crate::derived::identity::COMPONENTS;
pub use crate::derived::roots::{ROOTS, Root, places};
use crate::falco::fields::{Entry, FieldOptions};
use crate::field::Field;

/// What the name of every derived field begins with.
pub const PREFIX: &str = "kv.";

/// The derived fields by theme: what a theme is called, and its fields.
pub fn themes() -> [(&'static str, &'static [Entry]); 8] {
    [
        ("Identity", identity::ENTRIES),
        ("Credential", credential::ENTRIES),
        ("Connection", connection::ENTRIES),
        ("Request", request::ENTRIES),
        ("Commands", exec::ENTRIES),
        ("Pods", pod::ENTRIES),
        ("Roles", role::ENTRIES),
        ("Bindings", binding::ENTRIES),
    ]
}

/// All derived fields, in the order of their themes.
pub fn catalogue() -> &'static [Entry] {
    static CATALOGUE: LazyLock<Vec<Entry>> =
        LazyLock::new(|| themes().map(|(_, entries)| entries).concat());
    &CATALOGUE
}

/// Whether a name can only be that of a derived field.
pub fn is_derived(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The derived field of this name.
pub fn resolve(name: &str) -> Option<Field> {
    if !is_derived(name) {
        return None;
    }
    let entry = catalogue().iter().find(|entry| entry.name == name)?;
    Some(entry.field(None, &FieldOptions::default()))
}

/// The derived field with the most similar name.
pub fn closest(name: &str) -> Option<&'static str> {
    kubevigil_diagnostics::closest(name, catalogue().iter().map(|entry| entry.name))
}
