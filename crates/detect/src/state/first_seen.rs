//! Values that a group has not had before.
//!
//! Two tables: when each group was first met, and when each value of a group was last seen. A value that was not seen for a
//! time span is as good as new. A group is never forgotten but by a limit: it would learn anew, and in silence, just when somebody
//! comes back after a long time. Values of a group that had to go stay until they are old; they do no harm.
//!
//! Matches are never marked as repeated: each is about another value.

use std::sync::Arc;

use kubevigil_rules::CorrelationKind;

use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::limits::StateLimits;
use crate::state::memory::Found;
use crate::state::receipt::Ledger;
use crate::state::report::{describe, empty};
use crate::state::stats::Counters;
use crate::state::table::Table;
use crate::state::{Current, Evidence, timestamp};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct FirstSeen {
    /// When groups were first met.
    pub(crate) groups: Table<i64>,
    /// When values were last seen; their digests have the group in them.
    pub(crate) values: Table<i64>,
}

impl FirstSeen {
    /// Takes note of an event's hits.
    pub(crate) fn observe(
        &mut self,
        definition: &Definition,
        hits: &[&Hit],
        current: &mut Current<'_>,
        limits: &StateLimits,
        ledger: &mut Ledger,
        counters: &mut Counters,
    ) -> Found {
        let mut found = Found::default();
        for hit in hits {
            let Some(group) = hit.groups.first().filter(|_| !hit.values.is_empty()) else {
                continue;
            };
            let learns = self.learns(definition, &group.key, current.time);
            let mut is_new = false;
            for looked in &hit.values {
                is_new |= self.see(&looked.value, current.time, definition.span);
            }
            // The rules of several members may hold for one event; it is told once.
            if is_new && !learns && !found.fired {
                found.fired = true;
                if definition.raises {
                    let mut told = empty(definition, current.time, false);
                    describe(definition, hit, Some(&group.key), None, &mut told);
                    let member = definition.members.get(usize::from(hit.member));
                    told.evidence.extend(member.map(|member| Evidence {
                        rule: Arc::clone(&member.rule),
                        time: timestamp(current.time),
                        receipt: Arc::clone(&current.keep(ledger).text),
                    }));
                    told.evidence_total = 1;
                    found.matches.push(told);
                }
            }
        }
        while self.groups.len() > limits.groups && self.groups.pop_oldest().is_some() {
            counters.evicted_groups += 1;
        }
        while self.values.len() > limits.first_seen_values && self.values.pop_oldest().is_some() {
            counters.evicted_events += 1;
        }
        found
    }

    /// Whether the group is too new to say what is usual in it.
    fn learns(&mut self, definition: &Definition, group: &Digest, time: i64) -> bool {
        let CorrelationKind::FirstSeen { learning } = definition.kind else {
            return true;
        };
        let learning = i64::try_from(learning.as_nanos()).unwrap_or(i64::MAX);
        let met = match self.groups.touch(group) {
            Some(met) => {
                *met = (*met).min(time);
                *met
            }
            None => {
                self.groups.insert(*group, time);
                time
            }
        };
        time.saturating_sub(met) < learning
    }

    /// Remembers a value. Whether it was new.
    fn see(&mut self, value: &Digest, time: i64, span: i64) -> bool {
        match self.values.touch(value) {
            Some(last) => {
                let is_new = *last < time.saturating_sub(span);
                *last = (*last).max(time);
                is_new
            }
            None => {
                self.values.insert(*value, time);
                true
            }
        }
    }

    /// Drops a few values that were last seen before `time`.
    pub(crate) fn forget(&mut self, time: i64) {
        for _ in 0..2 {
            if self.values.oldest().is_some_and(|last| *last < time) {
                self.values.pop_oldest();
            }
        }
    }

    /// Gives up the value that was not seen for the longest time, or a group when there is none.
    pub(crate) fn evict(&mut self, counters: &mut Counters) -> bool {
        if self.values.pop_oldest().is_some() {
            counters.evicted_events += 1;
            return true;
        }
        let evicted = self.groups.pop_oldest().is_some();
        counters.evicted_groups += u64::from(evicted);
        evicted
    }

    pub(crate) fn bytes(&self) -> usize {
        self.groups.bytes() + self.values.bytes()
    }
}
