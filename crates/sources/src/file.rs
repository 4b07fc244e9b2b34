//! Log files: read once, or followed as they grow and rotate.

pub mod compression;
pub mod fs;
pub mod glob;
pub mod lines;
pub mod open;
mod payload;
pub mod scan;
mod shape;
