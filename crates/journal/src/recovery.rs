//! From a directory to a journal that can be written and read.

use crate::damage::Damaged;
use crate::folder::{Folder, segment_name, sync_directory};
use crate::layout::{SEGMENT_HEADER, Salt, SegmentHeader, VERSION};
use crate::places::Places;
use crate::record::nanoseconds;
use crate::segment::{Segment, open_options};
use crate::walk::{Bounds, Gap, Payloads, Step, Walk};
use crate::window::Window;
use crate::{OpenError, Options, Place};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What opening a journal found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that are kept.
    pub segments: usize,
    /// Records that are kept, from the oldest place to the newest.
    pub records: u64,
    /// Bytes of a torn write that were cut from the end of the newest segment.
    pub cut_bytes: u64,
    /// Damage that was skipped: all of the newest segment's, of older ones only what the window of
    /// known keys reaches. Readers report the rest.
    pub damaged: Vec<Damaged>,
    /// Segments without a readable record at the end of the journal, as a crash while a segment
    /// is begun leaves them. One with more than a header in it was renamed to `*.damaged`.
    pub discarded: Vec<PathBuf>,
    /// How long it took.
    pub duration: Duration,
}

/// All that recovery hands to the journal.
pub(crate) struct Recovered {
    pub(crate) folder: Folder,
    pub(crate) places: Places,
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// Of all segments that are written from now on.
    pub(crate) salt: Salt,
    pub(crate) next: u64,
    pub(crate) newest: Arc<Segment>,
    /// The newest segment, open for writing.
    pub(crate) file: File,
    pub(crate) window: Window,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover(dir: &Path, options: &Options) -> Result<Recovered, OpenError> {
    let started = Instant::now();
    let folder = Folder::open(dir)?;
    let places = Places::open(dir)?;
    let (mut segments, salt) = load_segments(&folder, &places)?;
    let mut recovery = Recovery::default();
    let newest = mend_newest(&mut segments, &mut recovery)?;
    let window = known_keys(&segments, &newest, options.duplicate_window, &mut recovery)?;
    // A place that was committed is taken, even when its record did not survive.
    let next = newest.next.max(places.furthest());
    let usable = newest.file.zip(segments.back().cloned());
    let usable = usable.filter(|(_, last)| next == newest.next && last.salt == salt);
    let (file, newest) = match usable {
        Some(usable) => usable,
        None => begin(dir, next, salt, &mut segments)?,
    };
    let oldest = segments.front().map_or(next, |segment| segment.first);
    recovery.segments = segments.len();
    recovery.records = next.saturating_sub(oldest);
    recovery.duration = started.elapsed();
    Ok(Recovered {
        folder,
        places,
        segments,
        salt,
        next,
        newest,
        file,
        window,
        recovery,
    })
}

/// A new segment to write in, for lack of one that can go on.
fn begin(
    dir: &Path,
    next: u64,
    salt: Salt,
    segments: &mut VecDeque<Arc<Segment>>,
) -> Result<(File, Arc<Segment>), OpenError> {
    let path = dir.join(segment_name(next));
    let (file, segment) =
        Segment::create(dir, next, salt).map_err(OpenError::io("create", &path))?;
    let segment = Arc::new(segment);
    // One that was begun at this place and is still empty has just been overwritten.
    segments.retain(|other| other.first != next);
    segments.push_back(segment.clone());
    Ok((file, segment))
}

fn load_segments(
    folder: &Folder,
    places: &Places,
) -> Result<(VecDeque<Arc<Segment>>, Salt), OpenError> {
    let mut loaded = Vec::new();
    for first in folder.segments()? {
        let path = folder.path.join(segment_name(first));
        let (header, len, modified_ns) = look_at(&path)?;
        loaded.push((first, path, header, len, modified_ns));
    }
    let written = loaded
        .iter()
        .find_map(|(_, _, header, ..)| Some(header.as_ref()?.salt));
    let salt = places
        .salt(|| written.unwrap_or_else(Salt::random))
        .map_err(|error| OpenError::Places {
            path: folder.path.join("places.redb"),
            text: error.to_string(),
        })?;
    let segments = loaded
        .into_iter()
        .map(|(first, path, header, len, modified_ns)| {
            let salt = header.map_or(salt, |header| header.salt);
            Arc::new(Segment::new(path, first, salt, len, modified_ns))
        });
    Ok((segments.collect(), salt))
}

/// A segment's header when it is whole, its length, and when it was last written.
fn look_at(path: &Path) -> Result<(Option<SegmentHeader>, u64, u64), OpenError> {
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    let about = file.metadata().map_err(OpenError::io("look at", path))?;
    let mut bytes = [0; SEGMENT_HEADER];
    // What cannot be read is a damaged header, and the journal's salt replaces the segment's.
    let header = file
        .read_exact_at(&mut bytes, 0)
        .ok()
        .and_then(|()| SegmentHeader::decode(&bytes));
    if let Some(SegmentHeader { version, .. }) = header
        && version != VERSION
    {
        return Err(OpenError::Version {
            path: path.to_path_buf(),
            found: version,
        });
    }
    Ok((header, about.len(), about.modified().map_or(0, nanoseconds)))
}

/// What the check of the newest segment found.
#[derive(Default)]
struct Newest {
    file: Option<File>,
    next: u64,
    /// Of its records, oldest first.
    keys: Vec<[u8; 16]>,
}

/// Checks the newest segment, cuts its torn tail, and syncs what is left. A segment in which
/// nothing is whole, not even its header, is discarded; then the one before is the newest.
fn mend_newest(
    segments: &mut VecDeque<Arc<Segment>>,
    recovery: &mut Recovery,
) -> Result<Newest, OpenError> {
    while let Some(segment) = segments.back().cloned() {
        let path = &segment.path;
        let file = open_options()
            .open(path)
            .map_err(OpenError::io("open", path))?;
        let check = check(&segment, &file)?;
        let (header, ..) = look_at(path)?;
        if header.is_none() && check.keys.is_empty() {
            discard(&segment, recovery)?;
            segments.pop_back();
            continue;
        }
        let torn = segment.len().saturating_sub(check.whole_bytes);
        file.set_len(check.whole_bytes)
            .and_then(|()| file.sync_all())
            .map_err(OpenError::io("cut the torn tail of", path))?;
        let dir = path.parent().unwrap_or(path);
        sync_directory(dir).map_err(OpenError::io("sync", dir))?;
        segment.grow(
            check.whole_bytes,
            check.newest_ns.unwrap_or(segment.newest_ns()),
        );
        recovery.cut_bytes = torn;
        recovery
            .damaged
            .extend(check.gaps.iter().map(|gap| damaged(&segment, *gap)));
        return Ok(Newest {
            file: Some(file),
            next: check.next,
            keys: check.keys,
        });
    }
    Ok(Newest::default())
}

struct Check {
    whole_bytes: u64,
    next: u64,
    newest_ns: Option<u64>,
    keys: Vec<[u8; 16]>,
    gaps: Vec<Gap>,
}

/// Reads a segment whole. An error of the disk ends the opening: taken for a torn tail, it would
/// cut records that the disk may give back tomorrow.
fn check(segment: &Segment, file: &File) -> Result<Check, OpenError> {
    let path = &segment.path;
    let file = file.try_clone().map_err(OpenError::io("open", path))?;
    let start = (segment.first, SEGMENT_HEADER as u64);
    let bounds = Bounds {
        limit: segment.len(),
        end: None,
    };
    let mut walk = Walk::new(file, segment.salt, start);
    let (mut newest_ns, mut keys, mut gaps) = (None, Vec::new(), Vec::new());
    loop {
        match walk.step(bounds, Payloads::Checked) {
            Step::Record { header, offset, .. } => {
                segment.note(header.place, offset);
                newest_ns = Some(header.appended_ns);
                keys.push(header.key);
            }
            Step::Damage(gap) => gaps.push(gap),
            Step::End => break,
        }
    }
    match walk.trouble {
        Some(error) => Err(OpenError::io("read", path)(error)),
        None => {
            let (whole_bytes, next) = (walk.offset, walk.expected);
            Ok(Check {
                whole_bytes,
                next,
                newest_ns,
                keys,
                gaps,
            })
        }
    }
}

/// Removes a segment that a crash left unfinished. What holds more than a header may be someone's
/// evidence: it is renamed instead.
fn discard(segment: &Segment, recovery: &mut Recovery) -> Result<(), OpenError> {
    let path = &segment.path;
    let gone = if segment.len() > SEGMENT_HEADER as u64 {
        fs::rename(path, path.with_extension("seg.damaged"))
    } else {
        fs::remove_file(path)
    };
    gone.map_err(OpenError::io("discard", path))?;
    tracing::warn!(segment = %path.display(), "discarded a segment without a whole record");
    recovery.discarded.push(path.clone());
    Ok(())
}

/// Fills the window of known keys from the newest segments, as many as it takes.
fn known_keys(
    segments: &VecDeque<Arc<Segment>>,
    newest: &Newest,
    capacity: usize,
    recovery: &mut Recovery,
) -> Result<Window, OpenError> {
    let mut older: Vec<Vec<[u8; 16]>> = Vec::new();
    let mut count = newest.keys.len();
    let pairs = segments.iter().rev().skip(1).zip(segments.iter().rev());
    for (segment, following) in pairs {
        if count >= capacity {
            break;
        }
        let keys = keys_of(segment, following.first, recovery)?;
        count += keys.len();
        older.push(keys);
    }
    let mut window = Window::new(capacity);
    let keys = older.iter().rev().flatten().chain(&newest.keys);
    keys.skip(count.saturating_sub(capacity))
        .for_each(|key| window.push(*key));
    Ok(window)
}

fn keys_of(
    segment: &Segment,
    end: u64,
    recovery: &mut Recovery,
) -> Result<Vec<[u8; 16]>, OpenError> {
    let path = &segment.path;
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    let bounds = Bounds {
        limit: segment.len(),
        end: Some(end),
    };
    let mut walk = Walk::new(file, segment.salt, (segment.first, SEGMENT_HEADER as u64));
    let mut keys = Vec::new();
    loop {
        match walk.step(bounds, Payloads::Hopped) {
            Step::Record { header, offset, .. } => {
                segment.note(header.place, offset);
                keys.push(header.key);
            }
            Step::Damage(gap) => recovery.damaged.push(damaged(segment, gap)),
            Step::End => return Ok(keys),
        }
    }
}

fn damaged(segment: &Segment, gap: Gap) -> Damaged {
    Damaged {
        segment: segment.path.clone(),
        offset: gap.offset,
        bytes: gap.bytes,
        first: Place::new(gap.first),
        records: gap.records,
    }
}
