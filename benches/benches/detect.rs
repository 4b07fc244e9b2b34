//! The reader and the matcher against yardsticks.
fn main() {}
