//! Writing a snapshot.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{FIRST_SEEN, MAGIC, RUNS, VERSION, WINDOWS, checksum};
use crate::state::State;
use crate::state::memory::{Memory, Remembered};
use crate::state::receipt::Kept;
use crate::state::runs::Runs;
use crate::state::stats::Counters;
use crate::state::table::Table;
use crate::state::window::Window;

/// Receipts in the order in which they are first met.
#[derive(Default)]
struct Receipts {
    numbers: HashMap<usize, u64>,
    bytes: Vec<u8>,
}

impl State {
    /// Everything that is remembered, as bytes for [`State::restore`]. Commit them together with the place up to which events were observed.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut receipts = Receipts::default();
        let mut correlations = Vec::new();
        for (definition, memory) in self.definitions.iter().zip(&self.memories) {
            correlations.extend_from_slice(&definition.digest);
            push_bytes(&mut correlations, definition.rule.name.as_bytes());
            push_memory(&mut correlations, memory, &mut receipts);
        }
        let mut bytes = Vec::with_capacity(receipts.bytes.len() + correlations.len() + 64);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        push_signed(&mut bytes, self.now);
        push(&mut bytes, self.observed);
        push(&mut bytes, receipts.numbers.len() as u64);
        bytes.append(&mut receipts.bytes);
        push(&mut bytes, self.memories.len() as u64);
        bytes.append(&mut correlations);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }
}

impl Receipts {
    fn number(&mut self, receipt: &Kept) -> u64 {
        let next = self.numbers.len() as u64;
        let bytes = &mut self.bytes;
        *self
            .numbers
            .entry(Arc::as_ptr(receipt).addr())
            .or_insert_with(|| {
                push_bytes(bytes, &receipt.text);
                next
            })
    }
}

fn push_memory(bytes: &mut Vec<u8>, memory: &Memory, receipts: &mut Receipts) {
    let Counters {
        evicted_groups,
        evicted_events,
        late,
        repeated,
    } = memory.counters;
    [evicted_groups, evicted_events, late, repeated]
        .into_iter()
        .for_each(|count| push(bytes, count));
    match &memory.remembered {
        Remembered::Windows(windows) => {
            bytes.push(WINDOWS);
            push(bytes, windows.len() as u64);
            for (key, window) in windows.iter() {
                bytes.extend_from_slice(key);
                push_window(bytes, window, receipts);
            }
        }
        Remembered::Runs(groups) => {
            bytes.push(RUNS);
            push(bytes, groups.len() as u64);
            for (key, runs) in groups.iter() {
                bytes.extend_from_slice(key);
                push_runs(bytes, runs, receipts);
            }
        }
        Remembered::FirstSeen(seen) => {
            bytes.push(FIRST_SEEN);
            push_times(bytes, &seen.groups);
            push_times(bytes, &seen.values);
        }
    }
}

fn push_times(bytes: &mut Vec<u8>, table: &Table<i64>) {
    push(bytes, table.len() as u64);
    let mut before = 0;
    for (key, time) in table.iter() {
        bytes.extend_from_slice(key);
        push_signed(bytes, time.wrapping_sub(before));
        before = *time;
    }
}

fn push_window(bytes: &mut Vec<u8>, window: &Window, receipts: &mut Receipts) {
    push_signed(bytes, window.fired);
    push(bytes, window.base as u64);
    push(bytes, window.tidy_at as u64);
    push(bytes, window.entries.len() as u64);
    let (mut time, mut receipt) = (0_i64, 0_u64);
    for entry in &window.entries {
        let number = receipts.number(&entry.receipt);
        push_signed(bytes, entry.time.wrapping_sub(time));
        push_signed(bytes, number.wrapping_sub(receipt).cast_signed());
        push(bytes, entry.member.into());
        push(bytes, entry.which.wrapping_add(1).into());
        if entry.which.wrapping_add(1) != 0 {
            bytes.extend_from_slice(&entry.value.to_le_bytes());
        }
        (time, receipt) = (entry.time, number);
    }
}

fn push_runs(bytes: &mut Vec<u8>, runs: &Runs, receipts: &mut Receipts) {
    push_signed(bytes, runs.fired);
    push(bytes, runs.tidy_at as u64);
    push(bytes, runs.runs.len() as u64);
    let (mut time, mut receipt) = (0_i64, 0_u64);
    for run in &runs.runs {
        let (member, which, value) = run.class;
        push(bytes, member.into());
        push(bytes, which.wrapping_add(1).into());
        bytes.extend_from_slice(&value.to_le_bytes());
        push_signed(bytes, run.first.wrapping_sub(time));
        push_signed(bytes, run.last.wrapping_sub(run.first));
        push_signed(bytes, run.shown.time.wrapping_sub(run.first));
        push(bytes, run.shown.member.into());
        let number = receipts.number(&run.shown.receipt);
        push_signed(bytes, number.wrapping_sub(receipt).cast_signed());
        (time, receipt) = (run.first, number);
    }
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Small whatever the sign.
fn push_signed(bytes: &mut Vec<u8>, number: i64) {
    push(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn push_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    push(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}
