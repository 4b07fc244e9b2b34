//! What correlations get to see of an event.
//!
//! Everything that a correlation may need is read while the event is before the matcher, so the state never sees an event: a
//! digest of the group, digests or numbers of the values looked at, and the texts that a report shows. That a nested
//! correlation fires is known only later; its hits are read too and count only if it does.

use std::borrow::Cow;
use std::sync::Arc;

use kubevigil_audit::json::Json;
use kubevigil_rules::json_test::{number_of, scalar_text};
use kubevigil_rules::lookup::any_member;
use kubevigil_rules::{CorrelationKind, Value};
use smallvec::{SmallVec, smallvec};

use crate::detection::FieldValue;
use crate::digest::{Digest, Digester, digest_of};
use crate::evaluate::Evaluation;
use crate::plan::{Correlations, Definition, MemberNumber, Reading, ValuePlan};
use crate::rendering::Rendering;

/// An event that counts for a member of a correlation. Opaque: made by [`Matcher::detect`](crate::Matcher::detect) for
/// [`State::observe`](crate::State::observe).
#[derive(Clone, Debug)]
pub struct Hit {
    pub(crate) correlation: usize,
    pub(crate) member: u16,
    pub(crate) groups: SmallVec<[Group; 1]>,
    pub(crate) values: SmallVec<[Looked; 1]>,
    /// How many groups and values were too many for one event.
    pub(crate) left_out: usize,
    /// The values looked at, for people. Only of correlations that report.
    pub(crate) shown: Vec<(Arc<str>, FieldValue)>,
    /// The output of the correlation's rule, when it has one and is reported.
    pub(crate) output: Option<Rendering>,
}

/// A group that the event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) key: Digest,
    /// Its values, for people. Only of correlations that report.
    pub(crate) shown: Vec<(Arc<str>, FieldValue)>,
}

/// A value that a correlation looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Looked {
    /// For a join, which of the values that must differ.
    pub(crate) which: u16,
    /// For numbers their bits in the first half.
    pub(crate) value: Digest,
}

/// The most values that an event has for a correlation. Lists are written by clients.
const MAX_OF_EVENT: usize = 256;
/// The most groups that an event joins, and values that are learned of it: cheap to remember, and one that is left out is not seen.
const MAX_REMEMBERED: usize = 4_096;
/// The most bytes of a text that a report shows of a group or a value.
const MAX_SHOWN: usize = 4_096;

/// Reads hits from one event.
pub(crate) struct HitReader<'a, 'e> {
    pub(crate) correlations: &'a Correlations,
    pub(crate) evaluation: &'a Evaluation<'a, 'e>,
    pub(crate) digester: &'a mut Digester,
    /// The output of a rule by its number.
    pub(crate) output: &'a dyn Fn(usize) -> Option<Rendering>,
}

impl<'e> HitReader<'_, 'e> {
    /// The hits of all correlations that count one of the rules that hold, in the order of the correlations and their members.
    pub(crate) fn read(&mut self, holding: &[usize]) -> Vec<Hit> {
        let of_rule = |rule: usize| self.correlations.counted_as.get(rule).into_iter().flatten();
        let mut pending: Vec<MemberNumber> = holding
            .iter()
            .flat_map(|&rule| of_rule(rule))
            .copied()
            .collect();
        pending.sort_unstable();
        let mut hits: Vec<Hit> = Vec::with_capacity(pending.len());
        let mut at = 0;
        while let Some(&(correlation, member)) = pending.get(at) {
            at += 1;
            let Some(hit) = self.hit(correlation, member) else {
                continue;
            };
            let first = hits
                .last()
                .is_none_or(|last| last.correlation != correlation);
            hits.push(hit);
            if first {
                self.add_outer(correlation, &mut pending, at);
            }
        }
        hits
    }

    /// If this correlation fires, those that count it see the event too. They come behind it in the order.
    fn add_outer(&self, correlation: usize, pending: &mut Vec<MemberNumber>, from: usize) {
        let rule = self
            .correlations
            .definitions
            .get(correlation)
            .map(|definition| definition.rule_number);
        let outer = rule.and_then(|rule| self.correlations.counted_as.get(rule));
        pending.extend(outer.into_iter().flatten());
        if let Some(rest) = pending.get_mut(from..) {
            rest.sort_unstable();
        }
    }

    fn hit(&mut self, correlation: usize, member: usize) -> Option<Hit> {
        let definition = self.correlations.definitions.get(correlation)?;
        let reading = self.correlations.readings.get(correlation)?.get(member)?;
        let mut left_out = 0;
        let groups = self.groups(definition, reading, &mut left_out)?;
        let values = self.values(definition, reading, groups.first(), &mut left_out);
        let mut hit = Hit {
            correlation,
            member: u16::try_from(member).ok()?,
            groups,
            values,
            left_out,
            shown: Vec::new(),
            output: None,
        };
        if definition.raises {
            hit.shown = reading
                .values
                .iter()
                .map(|(name, plan)| (Arc::clone(name), self.shown(plan)))
                .collect();
            hit.output = (self.output)(definition.rule_number);
        }
        Some(hit)
    }

    /// The groups of the event: none when a value is missing, one, or for a join one for each combination of members.
    fn groups(
        &mut self,
        definition: &Definition,
        reading: &Reading,
        left_out: &mut usize,
    ) -> Option<SmallVec<[Group; 1]>> {
        let values: SmallVec<[Vec<Cow<'_, [u8]>>; 2]> =
            reading.group.iter().map(|plan| self.texts(plan)).collect();
        if values.iter().any(Vec::is_empty) {
            return None;
        }
        let names = definition.group_by();
        if definition.kind == CorrelationKind::Join && !values.is_empty() {
            let groups = combinations(&values, MAX_REMEMBERED, left_out);
            let groups = groups.into_iter().map(|combination| {
                let shown = names
                    .iter()
                    .zip(&combination)
                    .map(|(name, text)| (Arc::clone(name), shown_text(text)));
                Group {
                    key: digest_of(self.digester, &combination),
                    shown: if definition.raises {
                        shown.collect()
                    } else {
                        Vec::new()
                    },
                }
            });
            return Some(groups.collect());
        }
        self.digester.start();
        for texts in &values {
            self.digester.number(texts.len() as u128);
            texts.iter().for_each(|text| self.digester.bytes(text));
        }
        let shown = names
            .iter()
            .zip(&values)
            .map(|(name, texts)| (Arc::clone(name), shown_list(texts)));
        let shown = if definition.raises {
            shown.collect()
        } else {
            Vec::new()
        };
        Some(smallvec![Group {
            key: self.digester.finish(),
            shown
        }])
    }

    /// The values looked at. Those that are learned have the group in their digests, since all groups share one memory.
    fn values(
        &mut self,
        definition: &Definition,
        reading: &Reading,
        group: Option<&Group>,
        left_out: &mut usize,
    ) -> SmallVec<[Looked; 1]> {
        let plans = || reading.values.iter().map(|(_, plan)| plan);
        match definition.kind {
            CorrelationKind::EventCount(_)
            | CorrelationKind::Temporal(_)
            | CorrelationKind::TemporalOrdered => SmallVec::new(),
            CorrelationKind::ValueSum(_)
            | CorrelationKind::ValueAvg(_)
            | CorrelationKind::ValuePercentile { .. } => {
                let numbers = plans()
                    .next()
                    .map(|plan| self.numbers(plan))
                    .unwrap_or_default();
                numbers.into_iter().map(Looked::number).collect()
            }
            CorrelationKind::ValueCount(_) | CorrelationKind::FirstSeen { .. } => {
                let values: SmallVec<[Vec<Cow<'_, [u8]>>; 2]> =
                    plans().map(|plan| self.texts(plan)).collect();
                let learned = matches!(definition.kind, CorrelationKind::FirstSeen { .. });
                let group = group.filter(|_| learned).map(|group| group.key);
                let mut looked = SmallVec::new();
                let most = if learned {
                    MAX_REMEMBERED
                } else {
                    MAX_OF_EVENT
                };
                for mut combination in combinations(&values, most, left_out) {
                    combination.extend(group.as_ref().map(|key| key.as_slice()));
                    let value = digest_of(self.digester, &combination);
                    looked.push(Looked { which: 0, value });
                }
                looked
            }
            CorrelationKind::Join => {
                let mut differ = SmallVec::new();
                for (which, plan) in (0_u16..).zip(plans()) {
                    let texts = self.texts(plan);
                    let parts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
                    if !parts.is_empty() {
                        differ.push(Looked {
                            which,
                            value: digest_of(self.digester, &parts),
                        });
                    }
                }
                differ
            }
        }
    }

    /// The texts of the scalars that stand at a value; null and objects have none.
    fn texts(&self, plan: &ValuePlan) -> Vec<Cow<'e, [u8]>> {
        let mut texts = Vec::new();
        match plan {
            ValuePlan::Lookup(lookup) => {
                self.each_scalar(lookup, &mut |value| texts.extend(scalar_text(value)))
            }
            ValuePlan::Field(expr) => {
                let values = self.evaluation.values(expr);
                let owned = values
                    .as_slice()
                    .iter()
                    .map(|value| Cow::Owned(value.to_text().into_owned()));
                texts.extend(owned);
            }
        }
        texts
    }

    fn numbers(&self, plan: &ValuePlan) -> Vec<f64> {
        let mut numbers = Vec::new();
        match plan {
            ValuePlan::Lookup(lookup) => {
                self.each_scalar(lookup, &mut |value| numbers.extend(number_of(value)))
            }
            ValuePlan::Field(expr) => {
                numbers.extend(
                    self.evaluation
                        .values(expr)
                        .as_slice()
                        .iter()
                        .filter_map(number_of_value),
                );
            }
        }
        numbers.truncate(MAX_OF_EVENT);
        numbers
    }

    fn each_scalar(&self, lookup: &crate::lookup::LookupPlan, visit: &mut dyn FnMut(Json<'e>)) {
        for place in self.evaluation.places_at(lookup) {
            any_member(place, &mut |value| {
                visit(value);
                false
            });
        }
    }

    fn shown(&self, plan: &ValuePlan) -> FieldValue {
        match plan {
            ValuePlan::Field(expr) => FieldValue::from(&*self.evaluation.values(expr)),
            ValuePlan::Lookup(_) => shown_list(&self.texts(plan)),
        }
    }
}

impl Looked {
    /// Half of the digest, or the bits of a number.
    pub(crate) fn half(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.value;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number as a value.
    fn number(number: f64) -> Self {
        let mut value = Digest::default();
        value
            .iter_mut()
            .zip(number.to_bits().to_le_bytes())
            .for_each(|(to, from)| *to = from);
        Self { which: 0, value }
    }
}

fn number_of_value(value: &Value<'_>) -> Option<f64> {
    let text = value.to_text();
    let number: f64 = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

/// Every way to take one text of each list, in order, but not more than `most`; none when a list is empty.
fn combinations<'t>(
    lists: &'t [Vec<Cow<'_, [u8]>>],
    most: usize,
    left_out: &mut usize,
) -> Vec<SmallVec<[&'t [u8]; 2]>> {
    let product = |count: usize, list: &Vec<Cow<'_, [u8]>>| count.saturating_mul(list.len());
    // Nobody counts further.
    let left = lists
        .iter()
        .fold(1, product)
        .saturating_sub(most)
        .min(1 << 20);
    *left_out = left_out.saturating_add(left);
    let mut all: Vec<SmallVec<[&[u8]; 2]>> = vec![SmallVec::new()];
    for list in lists {
        let longer = all.iter().flat_map(|one| {
            list.iter().map(move |text| {
                let mut longer = one.clone();
                longer.push(text.as_ref());
                longer
            })
        });
        all = longer.take(most).collect();
    }
    if lists.is_empty() {
        return Vec::new();
    }
    all
}

fn shown_list(texts: &[Cow<'_, [u8]>]) -> FieldValue {
    match texts {
        [] => FieldValue::Absent,
        [text] => shown_text(text),
        texts => {
            let cut = |text: &Cow<'_, [u8]>| text.get(..MAX_SHOWN).unwrap_or(text).to_vec();
            FieldValue::List(texts.iter().take(MAX_OF_EVENT).map(cut).collect())
        }
    }
}

fn shown_text(text: &[u8]) -> FieldValue {
    FieldValue::Text(text.get(..MAX_SHOWN).unwrap_or(text).to_vec())
}
