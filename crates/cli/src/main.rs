//! The binary `kubevigil`.

fn main() {}
