//! Values that a group has not had before.
//!
//! Two tables: when each group was first met, and when each value of a group was last seen. A value that was not seen for a
//! time span is as good as new. A group is never forgotten but by a limit: it would learn anew, and in silence, just when somebody
//! comes back after a long time. Values of a group that had to go stay until they are old; they do no harm.
//!
//! Matches are never marked as repeated: each is about another value.

use kubevigil_rules::CorrelationKind;

use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::memory::{Circumstances, Found};
use crate::state::report::{Told, evidence};
use crate::state::stats::Counters;
use crate::state::table::Table;
use crate::state::{CorrelationMatch, Current};

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
        hits: &[&Hit],
        current: &mut Current<'_>,
        around: &mut Circumstances<'_>,
    ) -> Found {
        let mut found = Found::default();
        for hit in hits {
            // The rules of several members may hold for one event; it is told once.
            if self.is_new(hit, current.time, around.definition) && !found.fired {
                found.fired = true;
                if around.definition.raises {
                    found.matches.extend(told(hit, hits, current, around));
                }
            }
        }
        let Circumstances {
            limits, counters, ..
        } = around;
        while self.groups.len() > limits.groups && self.groups.pop_oldest().is_some() {
            counters.evicted_groups += 1;
        }
        while self.values.len() > limits.first_seen_values && self.values.pop_oldest().is_some() {
            counters.evicted_events += 1;
        }
        found
    }

    /// Remembers an event's values. Whether one of them is new and the group is not learning.
    fn is_new(&mut self, hit: &Hit, time: i64, definition: &Definition) -> bool {
        let Some(group) = hit.groups.first().filter(|_| !hit.values.is_empty()) else {
            return false;
        };
        let learns = self.learns(definition, &group.key, time);
        let mut is_new = false;
        for looked in &hit.values {
            is_new |= self.see(&looked.value, time, definition.span);
        }
        is_new && !learns
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

fn told(
    hit: &Hit,
    hits: &[&Hit],
    current: &mut Current<'_>,
    around: &mut Circumstances<'_>,
) -> Option<CorrelationMatch> {
    let definition = around.definition;
    let (key, time) = (&hit.groups.first()?.key, current.time);
    let receipt = current.keep(around.ledger);
    let told = Told {
        definition,
        hits,
        key,
        time,
    };
    let found = told.found(false, None, || {
        evidence(definition, hit.member, time, &receipt)
            .into_iter()
            .collect()
    });
    around.ledger.release(receipt);
    Some(found)
}
