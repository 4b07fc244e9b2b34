//! One file that is followed: what has been read of it, and what is safe.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use super::settings::FollowSettings;
use crate::Arrival;
use crate::file::checkpoint::SavedFile;
use crate::file::compression::{self, Format};
use crate::file::fingerprint::{FileReader, Fingerprint, Head};
use crate::file::fs::{FileId, Handle, Stat};
use crate::file::lines::{Item, LineReader, Place};
use crate::file::taken::Taken;

/// An open file and the place in it.
pub(super) struct Tail<F> {
    /// The name it had when it was found; events keep it though the file is renamed.
    pub(super) name: Arc<str>,
    pub(super) id: FileId,
    /// The time in its name, once it is known as a backup.
    pub(super) stamp: Option<String>,
    /// Whether another file has its name by now.
    pub(super) rotated: bool,
    /// The place after the last line that is safe with the intake.
    pub(super) safe: Place,
    fingerprint: Fingerprint,
    file: Arc<F>,
    format: Format,
    lines: LineReader<Box<dyn Read + Send>>,
    /// Length and time of writing when it was last looked at.
    seen: Option<(u64, i128)>,
    /// Whether there may be something that was not read.
    pub(super) fresh: bool,
    /// When it last changed.
    changed: Duration,
}

/// Events that were read and are not safe yet.
pub(super) struct Reading {
    pub(super) name: Arc<str>,
    pub(super) id: FileId,
    /// The place after them.
    pub(super) place: Place,
    pub(super) events: Vec<Arrival>,
}

/// What looking at a file showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// It is as it was, or has grown.
    Same,
    /// It was truncated in place and is read from its start. Holds what was known of the old text.
    Truncated(SavedFile),
}

/// A file that was just opened, and what it begins with. Everything about it is asked of this handle, never of the name again: the
/// name may lead elsewhere by now.
pub(super) struct Opened<F> {
    pub(super) name: Arc<str>,
    pub(super) stat: Stat,
    pub(super) head: Head,
    file: Arc<F>,
}

impl<F: Handle> Opened<F> {
    pub(super) fn new(name: Arc<str>, file: F, settings: &FollowSettings) -> io::Result<Self> {
        let file = Arc::new(file);
        Ok(Self {
            name,
            stat: file.stat()?,
            head: Head::read(&file, settings.fingerprint_length, 0)?,
            file,
        })
    }
}

impl<F: Handle> Tail<F> {
    /// Reads a file from `place` on.
    pub(super) fn new(
        opened: Opened<F>,
        place: Place,
        now: Duration,
        settings: &FollowSettings,
    ) -> io::Result<Self> {
        let Opened {
            name,
            stat,
            head,
            file,
        } = opened;
        let text = text_of(&file, head.format, place)?;
        let shrunk = head.format == Format::Plain && stat.size < place.offset;
        Ok(Self {
            name,
            id: stat.id,
            stamp: None,
            rotated: false,
            safe: place,
            fingerprint: Fingerprint::of(&head),
            file,
            format: head.format,
            lines: LineReader::resume(text, settings.limits.line, place),
            // One that is shorter than what was read of it is to be looked at again.
            seen: (!shrunk).then_some((stat.size, stat.modified)),
            fresh: true,
            changed: now,
        })
    }

    /// Looks whether the file has grown or was truncated.
    pub(super) fn look(&mut self, now: Duration, settings: &FollowSettings) -> io::Result<Look> {
        let stat = self.file.stat()?;
        let seen = Some((stat.size, stat.modified));
        if self.seen == seen {
            return Ok(Look::Same);
        }
        let head = Head::read(&self.file, settings.fingerprint_length, self.fingerprint.at)?;
        let plain = head.format == Format::Plain && self.format == Format::Plain;
        let shrunk = plain && stat.size < self.lines.read_to();
        let mut look = Look::Same;
        if shrunk || !self.fingerprint.begins(&head) {
            look = Look::Truncated(self.saved());
            self.safe = Place::default();
        }
        if look != Look::Same || !plain {
            self.format = head.format;
            let text = text_of(&self.file, self.format, self.safe)?;
            self.lines = LineReader::resume(text, settings.limits.line, self.safe);
        }
        self.fingerprint = Fingerprint::of(&head);
        self.seen = seen;
        self.changed = now;
        // What was read ahead keeps it fresh, too.
        self.fresh |= !plain || stat.size > self.lines.read_to();
        Ok(look)
    }

    /// Reads events until the batch is full or the file has no more whole lines.
    pub(super) fn read(
        &mut self,
        taken: &mut Taken<'_>,
        settings: &FollowSettings,
    ) -> io::Result<()> {
        while !taken.is_full() {
            let Some(item) = self.next_line()? else {
                self.fresh = false;
                break;
            };
            taken.item(&self.name, item);
        }
        self.prove(settings)
    }

    /// Sees to it that the fingerprint proves as much as was read: the file may have grown since it was looked at.
    fn prove(&mut self, settings: &FollowSettings) -> io::Result<()> {
        let proven = self.fingerprint.at + self.fingerprint.length as u64;
        let short = self.fingerprint.length < settings.fingerprint_length;
        if !short || proven >= self.lines.place().offset {
            return Ok(());
        }
        let hole = self.fingerprint.at;
        let head = Head::read(&self.file, settings.fingerprint_length, hole)?;
        if self.fingerprint.begins(&head) {
            self.fingerprint = Fingerprint::of(&head);
        }
        Ok(())
    }

    fn next_line(&mut self) -> io::Result<Option<Item>> {
        let read = self.lines.next_line();
        let plain = self.format == Format::Plain;
        match read {
            // A compressed file is whole: its last line needs no newline.
            Ok(None) if !plain => Ok(self.lines.finish()),
            Err(error) => {
                self.fresh = false;
                // A damaged archive stays one until it is written again; a disk may recover.
                self.seen = self.seen.filter(|_| !plain);
                Err(error)
            }
            read => read,
        }
    }

    /// Takes the line that was held back, when the file will not grow any more.
    pub(super) fn finish(&mut self, taken: &mut Taken<'_>) {
        if let Some(item) = self.lines.finish() {
            taken.item(&self.name, item);
        }
    }

    /// Steps over what is there without taking it.
    pub(super) fn skim(&mut self) -> io::Result<()> {
        while self.lines.next_line()?.is_some() {}
        self.safe = self.lines.place();
        Ok(())
    }

    /// The place after what was read last.
    pub(super) fn place(&self) -> Place {
        self.lines.place()
    }

    pub(super) fn reading(&self, events: Vec<Arrival>) -> Reading {
        Reading {
            name: Arc::clone(&self.name),
            id: self.id,
            place: self.place(),
            events,
        }
    }

    /// Whether everything in it is safe and it has not changed for `wait`.
    pub(super) fn is_quiet(&self, now: Duration, wait: Duration) -> bool {
        !self.fresh && now.saturating_sub(self.changed) >= wait
    }

    /// Whether a file that begins so, under another number, holds this file's text: a compressed or copied backup. It is not read when
    /// this is so, hence the strictest proof.
    pub(super) fn is_copied_in(&self, head: &Head, settings: &FollowSettings) -> bool {
        self.fingerprint
            .is_copied(head, u64::MAX, settings.fingerprint_length)
    }

    /// What to keep over a restart.
    pub(super) fn saved(&self) -> SavedFile {
        SavedFile {
            id: self.id,
            fingerprint: self.fingerprint.clone(),
            offset: self.safe.offset,
            lines: self.safe.lines,
        }
    }
}

/// The text of a file from `place` on.
fn text_of(
    file: &Arc<impl Handle>,
    format: Format,
    place: Place,
) -> io::Result<Box<dyn Read + Send>> {
    match format {
        Format::Plain => Ok(Box::new(FileReader::new(Arc::clone(file), place.offset))),
        Format::Foreign(name, command) => Err(io::Error::other(format!(
            "is compressed with {name}; expected plain text, gzip or zstd; decompress it with {command}"
        ))),
        Format::Gzip | Format::Zstd => Ok(Box::new(Skipped {
            skip: place.offset,
            text: compression::decode(Box::new(FileReader::new(Arc::clone(file), 0)))?.1,
        })),
    }
}

/// A decompressed text without its beginning, which is read and thrown away.
struct Skipped {
    skip: u64,
    text: Box<dyn Read + Send>,
}

impl Read for Skipped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.skip > 0 {
            let step = into
                .len()
                .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            let count = self.text.read(into.get_mut(..step).unwrap_or_default())?;
            if count == 0 {
                return Ok(0);
            }
            self.skip -= count as u64;
        }
        self.text.read(into)
    }
}
