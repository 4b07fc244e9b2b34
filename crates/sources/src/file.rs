//! Files.
pub mod lines;
