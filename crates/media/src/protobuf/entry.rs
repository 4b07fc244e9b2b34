//! Entries of maps: messages of a key and a value.

use crate::Unreadable;
use crate::protobuf::wire::{Wire, WireType};

/// An entry of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'b> {
    pub(super) key: &'b [u8],
    /// Where its value stands; nowhere, if it is the zero value.
    pub(super) value: Option<u32>,
}

/// The entry that stands there in the body.
///
/// The server lets a key or value reach beyond the end of its entry; that is refused here. Entries that overlap could make a
/// small body cost the square of its length, and nothing writes them.
pub(super) fn read(body: &[u8], at: u32) -> Result<Entry<'_>, Unreadable> {
    let part = Wire::new(body, at as usize..body.len()).sized()?;
    let mut entry = Entry {
        key: b"",
        value: None,
    };
    let mut wire = Wire::new(body, part);
    while !wire.is_at_end() {
        let start = wire;
        // The server does not look at how key and value say that they are written.
        match wire.tag()?.number {
            1 => entry.key = body.get(wire.sized()?).unwrap_or_default(),
            2 => {
                entry.value = u32::try_from(wire.at()).ok();
                wire.skip_value(WireType::Sized)?;
            }
            _ => {
                wire = start;
                wire.skip_field()?;
            }
        }
    }
    Ok(entry)
}
