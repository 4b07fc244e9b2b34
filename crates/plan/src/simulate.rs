//! What a policy would have made of recorded events.
//!
//! Events are taken as they were recorded, or as an older policy would have recorded them, and put to a new one. What the new one drops is
//! known exactly. What it would add is not: a body that was never recorded has no size here, so its cost is estimated from bodies of the
//! same verb and resource elsewhere in the log, and where there are none that is said.

use std::collections::{BTreeMap, HashMap};

use kubevigil_audit::event::EventView;
use kubevigil_audit::policy::{Attributes, Policy, PolicyLevel};

use crate::recommend::Noise;
use crate::recorded::Recorded;

/// Events and bytes before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Events before.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events that stay.
    pub kept: u64,
    /// Their bytes, without bodies that would be added.
    pub kept_bytes: u64,
    /// Events that would gain a body that was not recorded.
    pub grown: u64,
}

/// Events put to a policy.
#[derive(Debug)]
pub struct Simulation<'p> {
    new: &'p Policy,
    old: Option<&'p Policy>,
    /// All events.
    pub total: Cost,
    /// By the rule of the new policy that decides, counted from 0.
    pub by_rule: BTreeMap<Option<usize>, Cost>,
    /// By kind of user.
    pub by_user: BTreeMap<&'static str, Cost>,
    /// By resource, with group and subresource; `(path)` for other requests.
    pub by_resource: BTreeMap<String, Cost>,
    /// Events that could not be read.
    pub unreadable: u64,
    bodies: HashMap<(Box<str>, String), Bodies>,
    senders: HashMap<Sender, u64>,
}

/// Sizes of bodies of one verb and resource.
#[derive(Clone, Copy, Debug, Default)]
struct Bodies {
    requests: u64,
    request_bytes: u64,
    responses: u64,
    response_bytes: u64,
    /// Events that would gain a request body, a response body.
    wanted: (u64, u64),
}

/// Who sends what.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Sender {
    user: Box<str>,
    verb: Box<str>,
    group: Box<str>,
    resource: Box<str>,
    subresource: Box<str>,
}

/// What bodies would cost that were never recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Growth {
    /// Bytes, estimated from bodies of the same verb and resource.
    pub estimated_bytes: u64,
    /// Bodies that the estimate stands for.
    pub estimated: u64,
    /// Bodies of whose size the log says nothing.
    pub unknown: u64,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fate {
    /// The level before; `None` when the older policy does not record it.
    pub before: Option<PolicyLevel>,
    /// The level after; `None` when it is dropped.
    pub after: Option<PolicyLevel>,
}

/// The most resources and senders that are told apart: both are texts that clients choose.
const MAX_KEYS: usize = 20_000;

impl<'p> Simulation<'p> {
    /// A simulation of `new`, against events as they are or as `old` would have recorded them.
    pub fn new(new: &'p Policy, old: Option<&'p Policy>) -> Self {
        Self {
            new,
            old,
            total: Cost::default(),
            by_rule: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_resource: BTreeMap::new(),
            unreadable: 0,
            bodies: HashMap::new(),
            senders: HashMap::new(),
        }
    }

    /// Puts one event, a JSON object, to the policies; `None` when it cannot be read.
    pub fn event(&mut self, raw: &[u8]) -> Option<(Recorded, Fate)> {
        let Ok(view) = EventView::read(raw) else {
            self.unreadable += 1;
            return None;
        };
        let recorded = Recorded::of(&view);
        let level = recorded.level.unwrap_or(PolicyLevel::RequestResponse);
        let attributes = recorded.attributes();
        let before = match self.old {
            Some(old) => recorded
                .left(&old.decide(&attributes))
                .map(|wanted| wanted.min(level)),
            None => Some(level),
        };
        let decision = self.new.decide(&attributes);
        let after = recorded.left(&decision);
        let resource = resource(&attributes);
        if let Some(before) = before {
            let cost = Cost::of(raw.len(), &recorded, before, after);
            self.total.add(&cost);
            self.by_rule
                .entry(decision.matched_rule)
                .or_default()
                .add(&cost);
            self.by_user
                .entry(user_class(&attributes))
                .or_default()
                .add(&cost);
            if self.by_resource.len() < MAX_KEYS || self.by_resource.contains_key(&resource) {
                self.by_resource
                    .entry(resource.clone())
                    .or_default()
                    .add(&cost);
            }
        }
        self.note_bodies(&recorded, &attributes, resource, before, after);
        self.note_sender(&attributes);
        Some((recorded, Fate { before, after }))
    }

    fn note_bodies(
        &mut self,
        recorded: &Recorded,
        attributes: &Attributes<'_>,
        resource: String,
        before: Option<PolicyLevel>,
        after: Option<PolicyLevel>,
    ) {
        let key = (attributes.verb.into(), resource);
        if self.bodies.len() >= MAX_KEYS && !self.bodies.contains_key(&key) {
            return;
        }
        let bodies = self.bodies.entry(key).or_default();
        if recorded.request_bytes > 0 {
            bodies.requests += 1;
            bodies.request_bytes += recorded.request_bytes as u64;
        }
        if recorded.response_bytes > 0 {
            bodies.responses += 1;
            bodies.response_bytes += recorded.response_bytes as u64;
        }
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let gains = |level: PolicyLevel| before < level && after >= level;
        let has_request_body = !matches!(attributes.verb, "get" | "list" | "watch");
        bodies.wanted.0 += u64::from(has_request_body && gains(PolicyLevel::Request));
        bodies.wanted.1 += u64::from(gains(PolicyLevel::RequestResponse));
    }

    fn note_sender(&mut self, attributes: &Attributes<'_>) {
        let Some(user) = attributes.user.filter(|_| attributes.is_resource_request) else {
            return;
        };
        let sender = Sender {
            user: user.name.into(),
            verb: attributes.verb.into(),
            group: attributes.api_group.into(),
            resource: attributes.resource.into(),
            subresource: attributes.subresource.into(),
        };
        if self.senders.len() < MAX_KEYS || self.senders.contains_key(&sender) {
            *self.senders.entry(sender).or_default() += 1;
        }
    }

    /// What the bodies cost that the new policy records and the log does not hold.
    pub fn growth(&self) -> Growth {
        let mut growth = Growth::default();
        for bodies in self.bodies.values() {
            growth.add(bodies.wanted.0, bodies.request_bytes, bodies.requests);
            growth.add(bodies.wanted.1, bodies.response_bytes, bodies.responses);
        }
        growth
    }

    /// Who sends at least this share of all events, the most first.
    pub fn noise(&self, least_share: f64) -> Vec<Noise> {
        let total: u64 = self.senders.values().sum();
        let share = |count: u64| count as f64 / total.max(1) as f64;
        let loud = self
            .senders
            .iter()
            .filter(|(_, count)| share(**count) >= least_share);
        let mut noise: Vec<Noise> = loud
            .map(|(sender, count)| Noise {
                user: sender.user.to_string(),
                verb: sender.verb.to_string(),
                group: sender.group.to_string(),
                resource: sender.resource.to_string(),
                subresource: sender.subresource.to_string(),
                share: share(*count),
            })
            .collect();
        noise.sort_by(|one, other| {
            other
                .share
                .total_cmp(&one.share)
                .then_with(|| one.user.cmp(&other.user))
                .then_with(|| one.resource.cmp(&other.resource))
        });
        noise
    }
}

impl Cost {
    fn of(
        bytes: usize,
        recorded: &Recorded,
        before: PolicyLevel,
        after: Option<PolicyLevel>,
    ) -> Self {
        let bytes_before = bytes.saturating_sub(recorded.bytes_above(before)) as u64;
        let Some(after) = after else {
            return Self {
                events: 1,
                bytes: bytes_before,
                ..Self::default()
            };
        };
        Self {
            events: 1,
            bytes: bytes_before,
            kept: 1,
            kept_bytes: bytes.saturating_sub(recorded.bytes_above(after.min(before))) as u64,
            grown: u64::from(after > before),
        }
    }

    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.kept += other.kept;
        self.kept_bytes += other.kept_bytes;
        self.grown += other.grown;
    }
}

impl Growth {
    fn add(&mut self, wanted: u64, bytes: u64, bodies: u64) {
        match bytes.checked_div(bodies) {
            Some(mean) => {
                self.estimated += wanted;
                self.estimated_bytes += wanted * mean;
            }
            None => self.unknown += wanted,
        }
    }
}

fn resource(attributes: &Attributes<'_>) -> String {
    if !attributes.is_resource_request {
        return "(path)".to_owned();
    }
    crate::resources::text(
        attributes.api_group,
        attributes.resource,
        attributes.subresource,
    )
}

/// The kind of user, in a few words.
fn user_class(attributes: &Attributes<'_>) -> &'static str {
    let Some(user) = attributes.user else {
        return "nobody (refused credentials)";
    };
    let in_group = |group: &str| user.groups.iter().any(|one| &**one == group);
    match user.name {
        "system:anonymous" => "anonymous",
        _ if in_group("system:nodes") => "nodes",
        _ if in_group("system:serviceaccounts") => "service accounts",
        name if name.starts_with("system:") => "control plane",
        _ => "people",
    }
}
