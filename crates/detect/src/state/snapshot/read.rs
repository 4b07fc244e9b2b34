//! Reading a snapshot.
//!
//! The checksum keeps damage out, but not a file that somebody made: everything is checked again, and nothing is allocated for
//! a length before as many bytes are there.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{FIRST_SEEN, MAGIC, RUNS, RestoreError, VERSION, WINDOWS, checksum};
use crate::digest::Digest;
use crate::matcher::Matcher;
use crate::plan::Definition;
use crate::state::State;
use crate::state::first_seen::FirstSeen;
use crate::state::groups::{Groups, OfGroup};
use crate::state::limits::StateLimits;
use crate::state::memory::{Memory, Remembered};
use crate::state::receipt::{Kept, Ledger};
use crate::state::runs::{Run, Runs, Shown};
use crate::state::stats::Counters;
use crate::state::table::Table;
use crate::state::window::{Entry, NO_VALUE, Window};

type Read<T> = Result<T, RestoreError>;

const TRUNCATED: RestoreError = RestoreError::Damaged("it ends too early");
const INCONSISTENT: RestoreError = RestoreError::Damaged("its parts contradict each other");

impl State {
    /// Reads a state that [`State::snapshot`] wrote. Correlations whose definition is the same go on where they were, others begin
    /// anew; [`State::restored`] says which. Limits that are smaller now are enforced with the next events.
    pub fn restore(matcher: &Matcher, limits: StateLimits, snapshot: &[u8]) -> Read<Self> {
        let mut bytes = Bytes(content(snapshot)?);
        let mut state = Self::new(matcher, limits);
        state.now = bytes.signed()?;
        state.observed = bytes.number()?;
        let receipts = receipts(&mut bytes, &mut state.ledger)?;
        let mut wanted = state.wanted();
        for _ in 0..bytes.number()? {
            let digest = bytes.digest()?;
            let name: Arc<str> = String::from_utf8_lossy(bytes.text()?).into();
            let mut memory = memory(&mut bytes, &receipts)?;
            let place = wanted
                .get_mut(&digest)
                .and_then(Vec::pop)
                .and_then(|number| {
                    let definition = state.definitions.get(number)?;
                    memory.fits(definition).then_some(())?;
                    state.memories.get_mut(number)
                });
            match place {
                Some(place) => {
                    std::mem::swap(place, &mut memory);
                    state.restored.kept.push(name);
                }
                None => state.restored.dropped.push(name),
            }
            memory.clear_windows(&mut state.ledger);
        }
        receipts
            .into_iter()
            .for_each(|receipt| state.ledger.release(receipt));
        state.restored.dropped.sort();
        if bytes.0.is_empty() {
            Ok(state)
        } else {
            Err(RestoreError::Damaged("something stands behind its end"))
        }
    }

    /// The correlations by definition, the first of equal ones last.
    fn wanted(&self) -> HashMap<Digest, Vec<usize>> {
        let mut wanted: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (number, definition) in self.definitions.iter().enumerate().rev() {
            wanted.entry(definition.digest).or_default().push(number);
        }
        wanted
    }
}

/// What stands between version and checksum.
fn content(snapshot: &[u8]) -> Read<&[u8]> {
    let rest = snapshot.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)?;
    let (&version, rest) = rest.split_first().ok_or(TRUNCATED)?;
    if version != VERSION {
        return Err(RestoreError::Version(version));
    }
    let (content, digest) = rest.split_last_chunk::<16>().ok_or(TRUNCATED)?;
    let whole = snapshot.len() - digest.len();
    if checksum(snapshot.get(..whole).unwrap_or_default()) != *digest {
        return Err(RestoreError::Damaged("its checksum is wrong"));
    }
    Ok(content)
}

fn receipts(bytes: &mut Bytes<'_>, ledger: &mut Ledger) -> Read<Vec<Kept>> {
    let count = bytes.number()?;
    let mut receipts = Vec::new();
    for _ in 0..count {
        receipts.push(ledger.keep(bytes.text()?.into()));
    }
    Ok(receipts)
}

fn memory(bytes: &mut Bytes<'_>, receipts: &[Kept]) -> Read<Memory> {
    let counters = Counters {
        evicted_groups: bytes.number()?,
        evicted_events: bytes.number()?,
        late: bytes.number()?,
        repeated: bytes.number()?,
    };
    let remembered = match bytes.byte()? {
        WINDOWS => Remembered::Windows(groups(bytes, receipts, window)?),
        RUNS => Remembered::Runs(groups(bytes, receipts, runs)?),
        FIRST_SEEN => Remembered::FirstSeen(FirstSeen {
            groups: times(bytes)?,
            values: times(bytes)?,
        }),
        _ => return Err(INCONSISTENT),
    };
    Ok(Memory {
        remembered,
        counters,
    })
}

fn groups<G: OfGroup>(
    bytes: &mut Bytes<'_>,
    receipts: &[Kept],
    group: impl Fn(&mut Bytes<'_>, &[Kept]) -> Read<G>,
) -> Read<Groups<G>> {
    let mut groups = Groups::default();
    for _ in 0..bytes.number()? {
        let key = bytes.digest()?;
        let group = group(bytes, receipts)?;
        if !groups.insert(key, group) {
            return Err(INCONSISTENT);
        }
    }
    Ok(groups)
}

fn times(bytes: &mut Bytes<'_>) -> Read<Table<i64>> {
    let mut table = Table::default();
    let mut time = 0_i64;
    for _ in 0..bytes.number()? {
        let key = bytes.digest()?;
        time = time.wrapping_add(bytes.signed()?);
        if table.touch(&key).is_some() {
            return Err(INCONSISTENT);
        }
        table.insert(key, time);
    }
    Ok(table)
}

fn window(bytes: &mut Bytes<'_>, receipts: &[Kept]) -> Read<Window> {
    let mut window = Window {
        fired: bytes.signed()?,
        ..Window::default()
    };
    let base = bytes.length()?;
    window.tidy_at = bytes.length()?;
    let (mut time, mut receipt) = (0_i64, 0_u64);
    for _ in 0..bytes.number()? {
        let before = time;
        time = time.wrapping_add(bytes.signed()?);
        let entry = Entry {
            time,
            receipt: bytes.receipt(&mut receipt, receipts)?,
            member: bytes.small()?,
            which: bytes.small()?.wrapping_sub(1),
            value: 0,
        };
        let value = match entry.which {
            NO_VALUE => 0,
            _ => u64::from_le_bytes(bytes.array()?),
        };
        if !window.entries.is_empty() && time < before {
            return Err(INCONSISTENT);
        }
        window.insert(time, [Entry { value, ..entry }].into_iter());
    }
    window.base = base;
    if base > window.entries.len() {
        return Err(INCONSISTENT);
    }
    Ok(window)
}

fn runs(bytes: &mut Bytes<'_>, receipts: &[Kept]) -> Read<Runs> {
    let mut runs = Runs::default();
    runs.fired = bytes.signed()?;
    runs.tidy_at = bytes.length()?;
    let (mut time, mut receipt) = (0_i64, 0_u64);
    for _ in 0..bytes.number()? {
        let class = (
            bytes.small()?,
            bytes.small()?.wrapping_sub(1),
            u64::from_le_bytes(bytes.array()?),
        );
        let first = time.wrapping_add(bytes.signed()?);
        let run = Run {
            class,
            first,
            last: first.wrapping_add(bytes.signed()?),
            shown: Shown {
                time: first.wrapping_add(bytes.signed()?),
                member: bytes.small()?,
                receipt: bytes.receipt(&mut receipt, receipts)?,
            },
        };
        let before = runs.runs.last().map(|before| (before.class, before.last));
        if run.last < first || before.is_some_and(|before| before >= (class, first)) {
            return Err(INCONSISTENT);
        }
        time = first;
        runs.push(run);
    }
    Ok(runs)
}

impl Memory {
    /// Whether it can be the memory of a correlation.
    fn fits(&self, definition: &Definition) -> bool {
        let members = definition.members.len();
        let expected = Remembered::new(&definition.kind, members);
        let known = |member: u16| usize::from(member) < members;
        self.remembered.is_like(&expected)
            && match &self.remembered {
                Remembered::FirstSeen(_) => true,
                Remembered::Windows(windows) => {
                    let mut entries = windows.iter().flat_map(|(_, window)| &window.entries);
                    entries.all(|entry| known(entry.member))
                }
                Remembered::Runs(groups) => {
                    let mut runs = groups.iter().flat_map(|(_, runs)| &runs.runs);
                    runs.all(|run| known(run.shown.member))
                }
            }
    }
}

/// What is still to be read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Read<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn digest(&mut self) -> Read<Digest> {
        self.array()
    }

    fn number(&mut self) -> Read<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(INCONSISTENT)
    }

    fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn length(&mut self) -> Read<usize> {
        usize::try_from(self.number()?).map_err(|_| INCONSISTENT)
    }

    fn small(&mut self) -> Read<u16> {
        u16::try_from(self.number()?).map_err(|_| INCONSISTENT)
    }

    /// A receipt whose number is told by the difference to the one before.
    fn receipt(&mut self, before: &mut u64, receipts: &[Kept]) -> Read<Kept> {
        *before = before.wrapping_add(self.signed()?.cast_unsigned());
        let number = usize::try_from(*before).ok();
        let receipt = number.and_then(|number| receipts.get(number));
        receipt.map(Arc::clone).ok_or(INCONSISTENT)
    }

    fn text(&mut self) -> Read<&'b [u8]> {
        let length = self.length()?;
        self.take(length)
    }
}
