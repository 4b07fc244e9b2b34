//! Bodies inside events: JSON made compact as Go's encoder does it, and what is taken out of it (spec 2.4, 6.6).
//!
//! The text is passed over once, with a stack of open brackets instead of recursion, and written as it is read. What belongs
//! to the managed fields is cut off again behind its last byte: a tree would cost an allocation for every member of every
//! body that is recorded.

mod escape;
mod place;
mod scan;

use kubevigil_audit::json::{Json, JsonKind};

use crate::event::ObjectReference;
use crate::request::text;

pub(crate) use crate::body::scan::compact_into;
pub use crate::body::scan::{NotOneValue, compact};

/// Fills in what the URL did not say of an object from the object that was sent (spec 6.5).
pub(crate) fn complete_reference(reference: &mut ObjectReference, object: &[u8]) {
    let Some(metadata) = Json::first_in(object).and_then(|object| object.last_member("metadata"))
    else {
        return;
    };
    let places = [
        ("namespace", &mut reference.namespace),
        ("name", &mut reference.name),
        ("uid", &mut reference.uid),
        ("resourceVersion", &mut reference.resource_version),
    ];
    for (name, place) in places {
        if let Some(value) = metadata.last_member(name)
            && value.kind() == JsonKind::String
            && place.is_empty()
        {
            *place = text(&value.text());
        }
    }
}
