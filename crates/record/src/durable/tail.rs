//! What a log holds behind the last mark: lines that were written and may be written again.
//!
//! The journal knows up to which event the log is settled; the mark says how long the file was then. Whatever is behind that can only be
//! the next events of the journal, the last perhaps cut short. So they are compared, byte for byte, as they come: what is there
//! already is passed over, a part is completed. Anything else (a disk that lost what was not synced, a stranger) is left alone, and
//! the next line begins behind it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How long a file was.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Mark {
    /// The file's number. Only a hint: it need not survive that a disk is mounted again.
    pub(super) inode: u64,
    pub(super) offset: u64,
}

impl Mark {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        format!("{} {}", self.inode, self.offset).into_bytes()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (inode, offset) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self {
            inode: inode.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }
}

/// The end of a file, of which is found out what it is.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    at: u64,
    end: u64,
    /// The next line is nowhere, though the file goes on behind the mark.
    is_lost: bool,
}

/// What stands where a line might be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Met {
    /// The line.
    Whole,
    /// So many bytes of it, and then the file ends.
    Part(usize),
    /// Something else, or nothing.
    Other,
}

impl Tail {
    /// The end of a file of this number and length in which `line` comes next. A file that was put aside, or emptied, since the mark has
    /// it at its beginning.
    pub(super) fn find(file: File, inode: u64, mark: Mark, line: &[u8]) -> io::Result<Self> {
        let end = file.metadata()?.len();
        let mut tail = Self {
            file,
            at: end,
            end,
            is_lost: false,
        };
        let candidates = if inode == mark.inode {
            [mark.offset, 0]
        } else {
            [0, mark.offset]
        };
        for at in candidates.into_iter().filter(|at| *at <= end) {
            tail.at = at;
            if at == end || tail.look(line)? != Met::Other {
                return Ok(tail);
            }
        }
        tail.at = end;
        tail.is_lost = true;
        Ok(tail)
    }

    /// Where the lines that it has met end.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// What stands next; goes on behind the line if it does.
    pub(super) fn meet(&mut self, line: &[u8]) -> io::Result<Met> {
        let met = self.look(line)?;
        if met == Met::Whole {
            self.at += line.len() as u64;
        }
        Ok(met)
    }

    /// Whether something that is no line of ours stands behind the mark.
    pub(super) fn is_strange(&self) -> bool {
        self.is_lost || self.at < self.end
    }

    /// Whether the file ends in the middle of a line.
    pub(super) fn is_torn(&self) -> io::Result<bool> {
        let Some(last) = self.end.checked_sub(1) else {
            return Ok(false);
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(byte != [b'\n'])
    }

    fn look(&self, line: &[u8]) -> io::Result<Met> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let mut there = vec![0; left.min(line.len())];
        self.file.read_exact_at(&mut there, self.at)?;
        Ok(match there.len() {
            0 => Met::Other,
            _ if !line.starts_with(&there) => Met::Other,
            length if length == line.len() => Met::Whole,
            length => Met::Part(length),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LINES: [&[u8]; 3] = [b"one\n", b"two\n", b"three\n"];

    /// What is met line by line in a file of this content, of which the mark says this; then whether it is torn.
    fn met(content: &str, is_same: bool, offset: u64) -> (Vec<Met>, bool) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let mark = Mark { inode: 1, offset };
        let inode = if is_same { 1 } else { 2 };
        let mut tail = Tail::find(file, inode, mark, LINES[0]).unwrap();
        let mut met = Vec::new();
        for line in LINES {
            met.push(tail.meet(line).unwrap());
            if met.last() != Some(&Met::Whole) {
                break;
            }
        }
        (met, tail.is_torn().unwrap())
    }

    #[test]
    fn what_is_written_already_is_found() {
        use Met::{Other, Part, Whole};
        // Content, whether it is the file of the mark, the mark's offset, what is met, whether it is torn.
        let cases: [(&str, bool, u64, &[Met], bool); 11] = [
            ("", true, 0, &[Other], false),
            ("old\n", true, 4, &[Other], false),
            ("old\none\n", true, 4, &[Whole, Other], false),
            ("old\none\ntw", true, 4, &[Whole, Part(2)], true),
            ("old\none\nxx", true, 4, &[Whole, Other], true),
            ("old\n\0\0\0\0", true, 4, &[Other], true),
            // Put aside since: it begins with what comes next.
            ("one\ntwo\n", false, 4, &[Whole, Whole, Other], false),
            (
                "one\ntwo\nthree\n",
                false,
                99,
                &[Whole, Whole, Whole],
                false,
            ),
            // Emptied since.
            ("one\n", true, 99, &[Whole, Other], false),
            // The same file under another number.
            ("old\none\n", false, 4, &[Whole, Other], false),
            ("stranger", false, 99, &[Other], true),
        ];
        for (content, is_same, offset, expected, torn) in cases {
            let (found, is_torn) = met(content, is_same, offset);
            assert_eq!((found.as_slice(), is_torn), (expected, torn), "{content:?}");
        }
    }

    #[test]
    fn marks_survive_as_bytes() {
        let mark = Mark {
            inode: u64::MAX,
            offset: 7,
        };
        assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        for bytes in ["", "1", "1 x", "1 2 3"] {
            assert_eq!(Mark::from_bytes(bytes.as_bytes()), None);
        }
    }
}
