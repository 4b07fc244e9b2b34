//! Log files: read once, or followed as they grow and rotate.
//!
//! Reading once is [`open::resolve`] and [`scan::events`]; following is [`follow::Follow`]. Both stand on [`lines::LineReader`].

pub mod backup;
pub mod checkpoint;
pub mod compression;
pub mod fingerprint;
pub mod follow;
pub mod fs;
pub mod glob;
pub mod lines;
pub mod open;
pub mod scan;
mod shape;
pub(crate) mod taken;

pub use taken::Limits;
