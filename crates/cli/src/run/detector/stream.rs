//! What detection remembers of the stream of events from one to the next.
//!
//! All that detection depends on besides the event itself is here, so that a checkpoint of it and of the place in the journal is enough
//! to go on as if nothing had happened: the same events then give the same alerts.

use std::collections::HashMap;
use std::sync::Arc;

use kubevigil_alerts::{Alert, EventSummary, receipt};
use kubevigil_audit::json::PathScratch;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{EventError, Occasion, Position, Scratch, State, StateStats};
use kubevigil_journal::Place;
use kubevigil_sources::Origin;
use kubevigil_sources::envelope::Envelope;

use crate::run::detector::figures::{CorrelationFigures, StateView};
use crate::run::live_rules::Ruling;

/// The rules, what they remember, and memory that is used again for each event.
pub(crate) struct Stream {
    pub(super) ruling: Arc<Ruling>,
    pub(super) state: State,
    pub(super) beginning: Beginning,
    /// What was evicted and late before the process started, by correlation.
    earlier: HashMap<Arc<str>, CorrelationFigures>,
    scratch: Scratch,
    summary: PathScratch,
}

/// Where an event stands in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Beginning {
    /// Events so far.
    pub(super) events: u64,
    /// When the first of them happened.
    pub(super) first_time: Option<Timestamp>,
}

impl Stream {
    /// A stream under these rules, with what they remember.
    pub(super) fn new(ruling: Arc<Ruling>, state: State, beginning: Beginning) -> Self {
        let mut stream = Self {
            ruling,
            state,
            beginning,
            earlier: HashMap::new(),
            scratch: Scratch::default(),
            summary: PathScratch::default(),
        };
        stream.earlier = stream.correlations(&stream.state.stats());
        stream
    }

    /// Puts the next event to the rules.
    pub(super) fn detect(
        &mut self,
        envelope: &Envelope,
        place: Place,
        alerts: &mut Vec<Alert>,
    ) -> Result<(), EventError> {
        let (ruling, raw) = (&*self.ruling, &envelope.arrival.raw);
        let received = Timestamp {
            nanoseconds: envelope.received,
        };
        self.beginning.events += 1;
        let position = Position {
            number: self.beginning.events,
            first_time: self.beginning.first_time,
            received,
        };
        let found = ruling.matcher.detect(raw, &position, &mut self.scratch)?;
        self.beginning.first_time.get_or_insert(found.time);
        let mut summary = Summary {
            envelope,
            place,
            scratch: &mut self.summary,
            read: None,
        };
        let mut receipt = || receipt::encode(summary.get()).into();
        let occasion = Occasion { received };
        let correlations = self.state.observe(&found, &occasion, &mut receipt);
        for detection in found.list {
            ruling.count(detection.rule_number);
            alerts.push(Alert::new(&detection, summary.get()));
        }
        for found in correlations {
            ruling.count(found.rule_number);
            if found.repeated {
                ruling.suppress(found.rule_number);
            } else {
                alerts.push(Alert::of_correlation(&found, summary.get()));
            }
        }
        Ok(())
    }

    /// Goes on under other rules: correlations that are the same keep what they remember.
    pub(super) fn adopt(self, ruling: Arc<Ruling>) -> Self {
        let state = State::adopt(self.state, &ruling.matcher);
        let mut earlier = self.earlier;
        for name in &state.restored().dropped {
            earlier.remove(name);
        }
        Self {
            ruling,
            state,
            earlier,
            ..self
        }
    }

    /// The size of what is remembered, for metrics.
    pub(super) fn view(&self) -> StateView {
        let stats = self.state.stats();
        let mut correlations = self.correlations(&stats);
        for (name, figures) in &mut correlations {
            if let Some(earlier) = self.earlier.get(name) {
                figures.count_from(earlier);
            }
        }
        StateView {
            correlations: correlations.into_iter().collect(),
            bytes: stats.bytes as u64,
            receipt_bytes: stats.receipt_bytes as u64,
        }
    }

    /// By the names of correlations, which need not be unique.
    fn correlations(&self, stats: &StateStats) -> HashMap<Arc<str>, CorrelationFigures> {
        let rules = self.ruling.matcher.rules();
        let mut correlations: HashMap<Arc<str>, CorrelationFigures> = HashMap::new();
        for stats in &stats.correlations {
            if let Some(rule) = rules.get(stats.rule_number) {
                let name = Arc::clone(&rule.name);
                correlations.entry(name).or_default().add(stats);
            }
        }
        correlations
    }
}

/// Who did what, and where the event is to be found. Most events are neither alerted nor remembered, so it is read when somebody
/// asks, and once.
struct Summary<'e> {
    envelope: &'e Envelope,
    place: Place,
    scratch: &'e mut PathScratch,
    read: Option<EventSummary>,
}

impl Summary<'_> {
    fn get(&mut self) -> &EventSummary {
        self.read.get_or_insert_with(|| {
            let Envelope {
                origin, arrival, ..
            } = self.envelope;
            let mut summary = EventSummary::read(&arrival.raw, self.scratch);
            summary.event.place = Some(self.place.number());
            (summary.event.file, summary.event.line) = match origin {
                Origin::File(path) => (Some(path.to_string()), Some(arrival.line)),
                Origin::Stdin => (Some("-".to_owned()), Some(arrival.line)),
                Origin::Record | Origin::Webhook => (None, None),
            };
            summary
        })
    }
}
