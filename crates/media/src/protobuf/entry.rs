//! Entries of maps: messages of a key and a value.

use crate::Unreadable;
use crate::protobuf::found::Found;
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
/// As in the server, key and value may reach beyond the end of the entry, and need not say how they are written.
pub(super) fn read<'b>(
    body: &'b [u8],
    at: u32,
    found: &mut Found,
) -> Result<Entry<'b>, Unreadable> {
    let part = Wire::new(body, at as usize..body.len()).sized()?;
    let mut wire = Wire::new(body, part.start..body.len());
    let mut entry = Entry {
        key: b"",
        value: None,
    };
    while wire.at() < part.end {
        let start = wire;
        match wire.tag()?.number {
            1 => {
                entry.key = body.get(wire.sized()?).unwrap_or_default();
                found.spend(entry.key.len() + 1)?;
            }
            2 => {
                entry.value = u32::try_from(wire.at()).ok();
                found.spend(1)?;
                wire.skip_value(WireType::Sized)?;
            }
            _ => {
                wire = start;
                wire.skip_field()?;
                found.spend(wire.at() - start.at())?;
                if wire.at() > part.end {
                    return Err(Unreadable::Malformed);
                }
            }
        }
    }
    Ok(entry)
}
