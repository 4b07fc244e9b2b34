//! The keys of one trie node, and which child each leads to.

/// The keys below one node: a hash table with open addressing that is at most a quarter full, so that nearly every
/// look-up, found or not, ends at its first entry.
///
/// The first and the last eight bytes of a key together with its length say everything about keys of up to sixteen
/// bytes, so those are compared without a loop. A sorted list needs four or five comparisons for the top of an
/// event; a hash of all bytes needs a loop over them.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    entries: Box<[Option<Entry>]>,
    shift: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    print: Print,
    key: Box<[u8]>,
    child: u32,
}

/// What a key looks like from both ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Print {
    head: u64,
    tail: u64,
    length: usize,
}

impl Keys {
    /// A table of keys, all different, and their children.
    pub(super) fn new(children: &[(Box<str>, u32)]) -> Self {
        if children.is_empty() {
            return Self::default();
        }
        let size = (children.len() * 4).next_power_of_two();
        let mut keys = Self {
            entries: vec![None; size].into(),
            shift: 64 - size.trailing_zeros(),
        };
        for (key, child) in children {
            let print = Print::of(key.as_bytes());
            let mut at = keys.place(print);
            while let Some(Some(_)) = keys.entries.get(at) {
                at = (at + 1) % size;
            }
            if let Some(entry) = keys.entries.get_mut(at) {
                *entry = Some(Entry {
                    print,
                    key: key.as_bytes().into(),
                    child: *child,
                });
            }
        }
        keys
    }

    /// Whether no key leads on from here.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The child that `key` leads to.
    #[inline(always)]
    pub(super) fn get(&self, key: &[u8]) -> Option<u32> {
        let print = Print::of(key);
        let mut at = self.place(print);
        while let Some(entry) = self.entries.get(at)?.as_ref() {
            if entry.print == print && (print.length <= 16 || *entry.key == *key) {
                return Some(entry.child);
            }
            at = if at + 1 == self.entries.len() {
                0
            } else {
                at + 1
            };
        }
        None
    }

    #[inline(always)]
    fn place(&self, print: Print) -> usize {
        let mixed = print.head ^ print.tail.rotate_left(29) ^ (print.length as u64);
        // The upper bits of a product depend on all bits of the factor.
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (self.shift & 63)) as usize
    }
}

impl Print {
    #[inline(always)]
    fn of(key: &[u8]) -> Self {
        let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => (short(key), 0),
        };
        Self {
            head,
            tail,
            length: key.len(),
        }
    }
}

/// Fewer than eight bytes as a number: two halves that may overlap, or the only three there are.
#[inline(always)]
fn short(key: &[u8]) -> u64 {
    if let (Some(head), Some(tail)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*head)) | (u64::from(u32::from_le_bytes(*tail)) << 32);
    }
    let byte = |at: usize| key.get(at).map_or(0, |byte| u64::from(*byte));
    byte(0) | (byte(1) << 8) | (byte(2) << 16)
}
