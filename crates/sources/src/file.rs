//! Log files: read once, or followed as they grow and rotate.

pub mod compression;
pub mod fs;
pub mod glob;
pub mod lines;
pub mod open;
pub mod scan;
mod shape;
