//! Records a second that reach the disk, with real syncs, beside plain files.
fn main() {}
