//! Outputs of correlations, rendered when somebody is told.
//!
//! Nearly all events that correlations count complete nothing, so an output is not rendered when its event is seen: a copy of the
//! event is kept until the state has looked at it, and read again if it is told of. To render for each event that counts was most
//! of the time of the default rules.

use std::fmt;
use std::sync::Arc;

use crate::detection::FieldValue;
use crate::matcher::{Engine, Position, Reading};
use crate::render;

/// An output that can be rendered.
#[derive(Clone, Debug)]
pub(crate) struct Rendering {
    seen: Arc<SeenEvent>,
    rule: usize,
}

/// An event, and what is needed to read it again.
pub(crate) struct SeenEvent {
    engine: Arc<Engine>,
    event: Box<[u8]>,
    position: Position,
}

/// An output rendered for an event.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) message: Vec<u8>,
    pub(crate) fields: Vec<(Arc<str>, FieldValue)>,
}

impl Rendering {
    /// The output of the rule with this number, for an event.
    pub(crate) fn new(seen: Arc<SeenEvent>, rule: usize) -> Self {
        Self { seen, rule }
    }

    pub(crate) fn render(&self) -> Output {
        let SeenEvent {
            engine,
            event,
            position,
        } = &*self.seen;
        let Some(output) = engine.output(self.rule) else {
            return Output::default();
        };
        let rendered = engine.read(event, position, &mut Reading::default(), |evaluation| {
            Output {
                message: render::message(output, evaluation),
                fields: render::fields(output, evaluation),
            }
        });
        // It was read before, so there is no error.
        rendered.unwrap_or_default()
    }
}

impl SeenEvent {
    pub(crate) fn new(engine: &Arc<Engine>, event: &[u8], position: &Position) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(engine),
            event: event.into(),
            position: *position,
        })
    }
}

impl fmt::Debug for SeenEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenEvent").finish_non_exhaustive()
    }
}
