//! Stages as policies name them.

use std::fmt;

/// A stage at which events can be left out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    missing_docs,
    reason = "the words are the field's own; see `crate::event::Stage`"
)]
pub enum PolicyStage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// A set of stages.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct StageSet(u8);

impl PolicyStage {
    /// All stages, in the order in which a request goes through them.
    pub const ALL: [Self; 4] = [
        Self::RequestReceived,
        Self::ResponseStarted,
        Self::ResponseComplete,
        Self::Panic,
    ];

    /// The stage of this name; capitals count.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }

    /// The name that policies and events use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl StageSet {
    /// The set with the stage in it.
    #[must_use]
    pub fn with(self, stage: PolicyStage) -> Self {
        Self(self.0 | stage.bit())
    }

    /// All stages of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the stage is in the set.
    pub fn contains(self, stage: PolicyStage) -> bool {
        self.0 & stage.bit() != 0
    }

    /// Whether there is no stage in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The stages, in the order in which a request goes through them.
    pub fn iter(self) -> impl Iterator<Item = PolicyStage> {
        PolicyStage::ALL
            .into_iter()
            .filter(move |stage| self.contains(*stage))
    }
}

impl FromIterator<PolicyStage> for StageSet {
    fn from_iter<I: IntoIterator<Item = PolicyStage>>(stages: I) -> Self {
        stages.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Display for PolicyStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for StageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
