//! A little room on the disk that events cannot take.
//!
//! When the events that wait fill the disk, nothing could be freed any more: what is delivered is deleted only once that is written
//! down, and writing it down takes room, too. So some is kept by a file, which is given up when it is needed. Until it is there
//! again no event is taken, since events would take the room at once.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const BYTES: usize = 2 << 20;
const BLOCK: usize = 4 << 10;

/// The room; shared by those who need it and those who must leave it alone.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    is_spent: AtomicBool,
}

impl Reserve {
    /// Takes the room in a folder that exists, if it can be had.
    pub(super) fn take(folder: &Path) -> Self {
        let reserve = Self {
            path: folder.join("reserve"),
            is_spent: AtomicBool::new(true),
        };
        reserve.restore();
        reserve
    }

    /// Whether the room is given up.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }

    /// Gives the room up. False when it was given up before.
    pub(super) fn spend(&self) -> bool {
        let was_spent = self.is_spent.swap(true, Ordering::Relaxed);
        if !was_spent {
            tracing::warn!("the disk is full: no audit events are taken until there is room again");
            let _ = fs::remove_file(&self.path);
        }
        !was_spent
    }

    /// Takes the room again, if it can be had by now.
    pub(super) fn restore(&self) {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length == BYTES as u64 || self.write().is_ok() {
            self.is_spent.store(false, Ordering::Relaxed);
        } else {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Zeros might take no room on disks that compress.
    fn write(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut block = Vec::with_capacity(BLOCK);
        for _ in 0..BYTES / BLOCK {
            block.clear();
            while block.len() < BLOCK {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                block.extend_from_slice(&state.to_le_bytes());
            }
            file.write_all(&block)?;
        }
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_given_up_once_and_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let length = || fs::metadata(folder.path().join("reserve")).map(|metadata| metadata.len());
        let reserve = Reserve::take(folder.path());
        assert!(!reserve.is_spent() && length().unwrap() == BYTES as u64);
        assert!(reserve.spend() && reserve.is_spent() && length().is_err());
        assert!(!reserve.spend());
        reserve.restore();
        assert!(!reserve.is_spent() && length().unwrap() == BYTES as u64);
        let nowhere = Reserve::take(&folder.path().join("nowhere"));
        assert!(nowhere.is_spent());
    }
}
