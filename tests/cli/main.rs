//! The program as people use it: the binary, its arguments, its files, its output.
//!
//! `conformance` compares whole scans with what genuine Falco did; `sessions` replays terminal sessions that are written down
//! beside it; the rest needs more than a session can say.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod conformance;
mod detections;
mod detections_page;
mod documents;
mod guides;
mod kubevigil;
mod recordings;
mod sessions;
mod setup_page;
