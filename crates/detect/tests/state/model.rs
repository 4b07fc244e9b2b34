//! What correlations mean, from their definitions alone: every event is kept for ever, and each window is looked at anew.

use std::collections::BTreeSet;

use crate::stream::Made;

/// What a correlation asks, as far as the model needs it.
pub(crate) enum Asks {
    Count(fn(usize) -> bool),
    Values(fn(&Made) -> Vec<String>, fn(usize) -> bool),
    Number(fn(&[f64]) -> f64, fn(f64) -> bool),
    Present(fn(&[bool]) -> bool),
    Ordered,
    Join(Option<fn(&Made, &Made) -> bool>),
    FirstSeen {
        values: fn(&Made) -> Vec<String>,
        learning: i64,
    },
}

/// A rule or a correlation that is counted.
#[derive(Clone, Copy)]
pub(crate) enum Counts {
    Rule(usize),
    Correlation(&'static str),
}

pub(crate) struct Asked {
    pub(crate) title: &'static str,
    pub(crate) members: Vec<Counts>,
    pub(crate) groups: fn(&Made) -> Vec<String>,
    pub(crate) span: i64,
    pub(crate) asks: Asks,
    /// Whether one event may be told in place of equal ones.
    pub(crate) stand_for_others: bool,
}

/// An event in a group.
#[derive(Clone, Debug)]
struct Kept {
    number: usize,
    event: Made,
    members: Vec<usize>,
}

/// What the model says of an event: the title, whether it is repeated, the events that are allowed as evidence, the number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) title: &'static str,
    pub(crate) repeated: bool,
    pub(crate) evidence: Vec<usize>,
    pub(crate) number: Option<f64>,
}

#[derive(Default)]
struct Memory {
    /// By group, in the order of time, of equal times of arrival.
    kept: std::collections::BTreeMap<String, Vec<Kept>>,
    fired: std::collections::BTreeMap<String, i64>,
    met: std::collections::BTreeMap<String, i64>,
    sightings: Vec<(String, i64)>,
}

pub(crate) struct Model {
    asked: Vec<Asked>,
    memories: Vec<Memory>,
    now: i64,
}

const LATENESS: i64 = 300;
const AHEAD: i64 = 300;

impl Model {
    pub(crate) fn new(asked: Vec<Asked>) -> Self {
        let memories = asked.iter().map(|_| Memory::default()).collect();
        Self {
            asked,
            memories,
            now: i64::MIN / 2,
        }
    }

    pub(crate) fn observe(&mut self, number: usize, event: &Made) -> Vec<Said> {
        let time = if event.time > event.received + AHEAD {
            event.received
        } else {
            event.time
        };
        let event = Made {
            time,
            ..event.clone()
        };
        self.now = self.now.max(time.min(event.received));
        if time < self.now - LATENESS {
            return Vec::new();
        }
        let (mut fired, mut said) = (Vec::new(), Vec::new());
        for (asked, memory) in self.asked.iter().zip(&mut self.memories) {
            let counts = |member: &Counts| match member {
                Counts::Rule(rule) => event.rules.contains(rule),
                Counts::Correlation(title) => fired.contains(title),
            };
            let members: Vec<usize> = (0..asked.members.len())
                .filter(|&member| counts(&asked.members[member]))
                .collect();
            if members.is_empty() {
                continue;
            }
            let groups: BTreeSet<String> = (asked.groups)(&event).into_iter().collect();
            for group in groups {
                let kept = Kept {
                    number,
                    event: event.clone(),
                    members: members.clone(),
                };
                let satisfied = match &asked.asks {
                    Asks::FirstSeen { values, learning } => {
                        memory.see(asked, &group, &event, number, *values, *learning)
                    }
                    _ => memory.judge(asked, &group, kept),
                };
                if let Some(mut one) = satisfied {
                    fired.push(asked.title);
                    if !matches!(asked.asks, Asks::FirstSeen { .. }) {
                        one.repeated = memory.repeats(asked, &group, time);
                    }
                    said.push(one);
                }
            }
        }
        said
    }
}

impl Memory {
    fn repeats(&mut self, asked: &Asked, group: &str, time: i64) -> bool {
        let repeated = self
            .fired
            .get(group)
            .is_some_and(|fired| time <= fired + asked.span);
        if !repeated {
            self.fired.insert(group.to_owned(), time);
        }
        repeated
    }

    fn judge(&mut self, asked: &Asked, group: &str, new: Kept) -> Option<Said> {
        let (number, time) = (new.number, new.event.time);
        let kept = self.kept.entry(group.to_owned()).or_default();
        let place = kept.partition_point(|other| other.event.time <= time);
        kept.insert(place, new);
        if let Asks::Join(differ) = asked.asks {
            return joined(asked, kept, number, differ);
        }
        let ends = (place..kept.len()).filter(|&end| kept[end].event.time <= time + asked.span);
        for end in ends {
            let from = kept[end].event.time - asked.span;
            let window: Vec<&Kept> = kept[..=end]
                .iter()
                .filter(|kept| kept.event.time >= from)
                .collect();
            if let Some(mut reached) = holds(asked, &window) {
                if asked.stand_for_others {
                    // Where only times are kept, events of one time have no order: the number is that of all of them.
                    let until = kept[end].event.time;
                    let whole = kept
                        .iter()
                        .filter(|kept| (from..=until).contains(&kept.event.time));
                    reached = holds(asked, &whole.collect::<Vec<_>>()).unwrap_or(reached);
                }
                // Of equal events any may stand for the others that is not much older than the newest of them.
                let allowed = from - asked.span / 8;
                let evidence = match asked.stand_for_others {
                    true => kept
                        .iter()
                        .filter(|kept| kept.event.time >= allowed)
                        .map(|kept| kept.number)
                        .collect(),
                    false => window.iter().map(|kept| kept.number).collect(),
                };
                return Some(Said {
                    title: asked.title,
                    repeated: false,
                    evidence,
                    number: reached,
                });
            }
        }
        None
    }

    fn see(
        &mut self,
        asked: &Asked,
        group: &str,
        event: &Made,
        number: usize,
        values: fn(&Made) -> Vec<String>,
        learning: i64,
    ) -> Option<Said> {
        let values = values(event);
        if values.is_empty() {
            return None;
        }
        let met = self.met.entry(group.to_owned()).or_insert(event.time);
        *met = (*met).min(event.time);
        let learns = event.time - *met < learning;
        let mut is_new = false;
        for value in values {
            let value = format!("{group} {value}");
            is_new |= !self
                .sightings
                .iter()
                .any(|(seen, time)| *seen == value && *time >= event.time - asked.span);
            self.sightings.push((value, event.time));
        }
        (is_new && !learns).then(|| Said {
            title: asked.title,
            repeated: false,
            evidence: vec![number],
            number: None,
        })
    }
}

/// Whether a window satisfies what is asked, and the number that decided.
fn holds(asked: &Asked, window: &[&Kept]) -> Option<Option<f64>> {
    match &asked.asks {
        Asks::Count(holds) => {
            let count = window.iter().map(|kept| kept.members.len()).sum();
            holds(count).then_some(None)
        }
        Asks::Values(values, holds) => {
            let values: BTreeSet<String> =
                window.iter().flat_map(|kept| values(&kept.event)).collect();
            holds(values.len()).then_some(Some(values.len() as f64))
        }
        Asks::Number(measure, holds) => {
            // An event counts once for each member.
            let numbers = window
                .iter()
                .flat_map(|kept| kept.members.iter().filter_map(|_| kept.event.number));
            let numbers: Vec<f64> = numbers.map(|number| number as f64).collect();
            let number = (!numbers.is_empty()).then(|| measure(&numbers))?;
            holds(number).then_some(Some(number))
        }
        Asks::Present(holds) => {
            let present: Vec<bool> = (0..asked.members.len())
                .map(|member| window.iter().any(|kept| kept.members.contains(&member)))
                .collect();
            holds(&present).then_some(None)
        }
        Asks::Ordered => {
            let members = window.iter().flat_map(|kept| &kept.members);
            let reached = members.fold(
                0,
                |next, &member| if member == next { next + 1 } else { next },
            );
            (reached == asked.members.len()).then_some(None)
        }
        Asks::Join(_) | Asks::FirstSeen { .. } => None,
    }
}

/// Tries every chain of which the new event is a part.
fn joined(
    asked: &Asked,
    kept: &[Kept],
    new: usize,
    differ: Option<fn(&Made, &Made) -> bool>,
) -> Option<Said> {
    let mut chains: Vec<Vec<usize>> = vec![Vec::new()];
    for member in 0..asked.members.len() {
        let longer = chains.iter().flat_map(|chain| {
            let from = chain.last().copied().unwrap_or(0);
            (from..kept.len())
                .filter(|&next| kept[next].members.contains(&member))
                .map(move |next| {
                    let mut longer = chain.clone();
                    longer.push(next);
                    longer
                })
        });
        chains = longer.collect();
    }
    let fits = |chain: &&Vec<usize>| {
        let (first, last) = (&kept[chain[0]].event, &kept[chain[chain.len() - 1]].event);
        chain.iter().any(|&at| kept[at].number == new)
            && last.time - first.time <= asked.span
            && differ.is_none_or(|differ| differ(first, last))
    };
    let evidence = kept.iter().map(|kept| kept.number).collect();
    chains.iter().find(fits).map(|_| Said {
        title: asked.title,
        repeated: false,
        evidence,
        number: None,
    })
}
