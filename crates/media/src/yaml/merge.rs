//! The members of a map: merged, and none twice.

use std::collections::HashMap;

use crate::Unreadable;
use crate::json::{Json, string_end};

/// The members of a map that is being written.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Where the key of each stands.
    starts: Vec<usize>,
    /// Which of them are merges.
    merges: Vec<usize>,
    awaits_value: bool,
}

/// A member's key in its quotes, and its value.
type Member<'t> = (&'t [u8], &'t [u8]);

impl Members {
    /// Whether the next thing is a key.
    pub(super) fn awaits_key(&self) -> bool {
        !self.awaits_value
    }

    /// Writes a key, which is in quotes already.
    pub(super) fn begin(
        &mut self,
        json: &mut Json,
        key: &[u8],
        is_merge: bool,
    ) -> Result<(), Unreadable> {
        if !self.starts.is_empty() {
            json.raw(b",")?;
        }
        if is_merge {
            self.merges.push(self.starts.len());
        }
        self.starts.push(json.as_bytes().len());
        self.awaits_value = true;
        json.raw(key)?;
        Ok(json.raw(b":")?)
    }

    /// The value of the last key is written.
    pub(super) fn ends_value(&mut self) {
        self.awaits_value = false;
    }

    /// Writes the members, which begin at `start`, anew if there are merges or equal keys.
    pub(super) fn settle(self, json: &mut Json, start: usize) -> Result<(), Unreadable> {
        if self.merges.is_empty() && !self.has_equal_keys(json.as_bytes()) {
            return Ok(());
        }
        let settled = self.settled(json.as_bytes())?;
        json.truncate(start);
        Ok(json.raw(&settled)?)
    }

    fn has_equal_keys(&self, text: &[u8]) -> bool {
        let starts = self.starts.iter();
        let mut keys: Vec<&[u8]> = starts
            .map(|start| split_member(text.get(*start..).unwrap_or_default()).0)
            .collect();
        keys.sort_unstable();
        keys.windows(2)
            .any(|two| matches!(two, [one, other] if one == other))
    }

    fn settled(&self, text: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut settled = Settled::default();
        let ends = self.starts.iter().skip(1).map(|next| next - 1);
        let ends = ends.chain([text.len()]);
        let mut merges = self.merges.iter().peekable();
        for (number, (start, end)) in self.starts.iter().zip(ends).enumerate() {
            let member = split_member(text.get(*start..end).unwrap_or_default());
            if merges.next_if_eq(&&number).is_some() {
                settled.merge(member.1)?;
            } else {
                settled.put(member);
            }
        }
        Ok(settled.written())
    }
}

/// Members of which none stands twice.
#[derive(Default)]
struct Settled<'t> {
    members: Vec<Member<'t>>,
    places: HashMap<&'t [u8], usize>,
}

impl<'t> Settled<'t> {
    /// Adds a member, or puts it in the place of one with this key.
    fn put(&mut self, member: Member<'t>) {
        let place = *self.places.entry(member.0).or_insert(self.members.len());
        match self.members.get_mut(place) {
            Some(known) => *known = member,
            None => self.members.push(member),
        }
    }

    /// Adds the members of a map, or of a list of maps of which the first counts most.
    fn merge(&mut self, value: &'t [u8]) -> Result<(), Unreadable> {
        match value {
            [b'{', inside @ .., b'}'] => {
                for member in elements(inside) {
                    self.put(split_member(member));
                }
                Ok(())
            }
            [b'[', inside @ .., b']'] => {
                let maps = elements(inside);
                if maps.iter().any(|map| !map.starts_with(b"{")) {
                    return Err(Unreadable::Malformed);
                }
                maps.into_iter().rev().try_for_each(|map| self.merge(map))
            }
            _ => Err(Unreadable::Malformed),
        }
    }

    fn written(self) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in self.members {
            if !text.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(key);
            text.push(b':');
            text.extend_from_slice(value);
        }
        text
    }
}

/// The parts between the outermost commas of JSON without blanks.
fn elements(inside: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_usize);
    while let Some(byte) = inside.get(at) {
        at = match byte {
            b'"' => end_of_string(inside, at),
            _ => at + 1,
        };
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                elements.push(inside.get(start..at - 1).unwrap_or_default());
                start = at;
            }
            _ => {}
        }
    }
    if start < at {
        elements.push(inside.get(start..).unwrap_or_default());
    }
    elements
}

/// Splits a member at its colon.
fn split_member(member: &[u8]) -> Member<'_> {
    let (key, rest) = member
        .split_at_checked(end_of_string(member, 0))
        .unwrap_or_default();
    (key, rest.strip_prefix(b":").unwrap_or(rest))
}

/// The place behind the string whose opening quote stands here.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let inside = start + 1;
    let end = inside + string_end(text.get(inside..).unwrap_or_default());
    (end + 1).min(text.len())
}
