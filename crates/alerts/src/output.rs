//! Where alerts go: the contract of an output, and the outputs.
//!
//! # The contract
//!
//! An output delivers a slice of alerts, in order, in one attempt. It does not retry, wait between attempts, filter or keep
//! anything that must survive: the [`crate::courier::Courier`] in front of it does, for all outputs alike. What an output
//! owes:
//!
//! - `Ok(())` means that every alert of the slice has arrived where the output promises (on disk, in a 2xx answer). The
//!   courier then never hands them over again.
//! - An error says how many of the first alerts have arrived all the same, how many after those the failure is about, and
//!   whether trying again can help.
//! - After an error, or a crash at any moment, the courier hands over again from the first alert that it did not count. An
//!   output that can recognise what it has written already skips it; the others deliver twice rather than never.
//! - An attempt ends: with the output's own time-out where the other side may hang.
//! - Text of alerts is hostile; so is every answer. Reasons are made safe for a terminal before they are returned.

pub mod file;
pub mod http;
pub mod stdout;

use std::time::Duration;

use async_trait::async_trait;

use crate::alert::Alert;

/// Delivers alerts to one place. The contract stands on the [module's page](self).
#[async_trait]
pub trait Output: Send {
    /// Delivers the alerts, in order, in one attempt.
    async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError>;

    /// Lets go of what may have been replaced under the same name (a rotated file): called on SIGHUP.
    fn reopen(&mut self) {}

    /// How many alerts the output takes at once, at most.
    fn batch_size(&self) -> usize {
        256
    }
}

/// Why alerts were not delivered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// How many of the first alerts have arrived all the same.
    pub delivered: usize,
    /// How many alerts after those the failure is about; the rest were not tried.
    pub affected: usize,
    /// Whether trying again can help.
    pub kind: FailureKind,
    /// What went wrong, safe for a terminal.
    pub reason: String,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// The other side refuses these alerts and most likely always will.
    Permanent,
    /// The other side cannot be reached, is overloaded, or is out of room.
    Temporary {
        /// How long the other side asks to be left alone.
        retry_after: Option<Duration>,
    },
}

impl DeliveryError {
    /// Trying again later may help; nothing has arrived.
    pub fn temporary(affected: usize, reason: impl Into<String>) -> Self {
        Self {
            delivered: 0,
            affected,
            kind: FailureKind::Temporary { retry_after: None },
            reason: reason.into(),
        }
    }

    /// Trying again will not help; nothing has arrived.
    pub fn permanent(affected: usize, reason: impl Into<String>) -> Self {
        Self {
            delivered: 0,
            affected,
            kind: FailureKind::Permanent,
            reason: reason.into(),
        }
    }

    /// The same, after the first `delivered` alerts have arrived.
    #[must_use]
    pub fn after(mut self, delivered: usize) -> Self {
        self.delivered = delivered;
        self
    }
}
