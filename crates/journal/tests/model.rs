//! The journal against a model: whatever happens to it, what was acknowledged and not damaged is
//! there, in order, once.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use kubevigil_journal::{Journal, NewRecord, Options, Place, Reader, ReaderStart};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const HEADER: u64 = 48;
const WINDOW: usize = 15;

#[derive(Clone, Debug)]
enum Deed {
    /// Records as key number (0: no key) and size.
    Append(Vec<(u8, u16)>),
    Reopen,
    /// Read some and commit them.
    Read {
        reader: bool,
        count: usize,
    },
    /// Cut the newest segment to a fraction of its length.
    Cut(f64),
    /// Flip a byte somewhere.
    Flip {
        at: f64,
        with: u8,
    },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let record = (0_u8..20, 0_u16..400);
    let deed = prop_oneof![
        8 => prop::collection::vec(record, 0..12).prop_map(Deed::Append),
        2 => Just(Deed::Reopen),
        4 => (any::<bool>(), 1_usize..30).prop_map(|(reader, count)| Deed::Read { reader, count }),
        1 => (0.0..1.0).prop_map(Deed::Cut),
        2 => (0.0..1.0, 1_u8..).prop_map(|(at, with)| Deed::Flip { at, with }),
    ];
    prop::collection::vec(deed, 1..40)
}

/// The journal and what must be in it.
struct World {
    dir: PathBuf,
    options: Options,
    journal: Option<Journal>,
    /// Acknowledged, undamaged records by place: payload.
    alive: BTreeMap<u64, Vec<u8>>,
    /// Keys of the newest records, damaged or not, oldest first.
    recent: Vec<[u8; 16]>,
    /// What each of two readers has committed: the place after.
    committed: [u64; 2],
    /// Keys are never reused across damage, which may or may not have taken them out of the window.
    epoch: u8,
    serial: u32,
}

impl World {
    fn new(dir: &Path, retain_bytes: u64) -> Self {
        let options = Options {
            segment_bytes: 1500,
            retain_bytes,
            retain_age: None,
            duplicate_window: WINDOW,
            ..Options::default()
        };
        let journal = Some(Journal::open(dir, options.clone()).unwrap().0);
        let (dir, alive, recent) = (dir.to_path_buf(), BTreeMap::new(), Vec::new());
        World {
            dir,
            options,
            journal,
            alive,
            recent,
            committed: [0; 2],
            epoch: 0,
            serial: 0,
        }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn run(&mut self, deed: &Deed) {
        match deed {
            Deed::Append(records) => self.append(records),
            Deed::Reopen => self.reopen(),
            Deed::Read { reader, count } => self.read(usize::from(*reader), *count),
            Deed::Cut(to) => self.damage(|world| world.cut(*to)),
            Deed::Flip { at, with } => self.damage(|world| world.flip(*at, *with)),
        }
        let oldest = self.oldest();
        self.alive = self.alive.split_off(&oldest);
    }

    fn oldest(&self) -> u64 {
        let stats = self.journal().stats();
        stats.oldest.map_or(u64::MAX, Place::number)
    }

    fn append(&mut self, records: &[(u8, u16)]) {
        let mut batch = Vec::new();
        let mut expected: Vec<Vec<u8>> = Vec::new();
        let before = self.recent.clone();
        let window = before.len().saturating_sub(WINDOW);
        let mut fresh: Vec<[u8; 16]> = Vec::new();
        for (number, size) in records {
            self.serial += 1;
            let mut payload = self.serial.to_le_bytes().to_vec();
            payload.resize(4 + usize::from(*size), *number);
            let mut key = [0; 16];
            if *number > 0 {
                key[..2].copy_from_slice(&[*number, self.epoch]);
            }
            batch.push(NewRecord::keyed(key, payload.clone()));
            let known = before[window..].contains(&key) || fresh.contains(&key);
            if *number == 0 || !known {
                fresh.push(key);
                expected.push(payload);
            }
        }
        let appended = self.journal().append(batch).unwrap().wait().unwrap();
        assert_eq!(appended.written, expected.len() as u64);
        assert_eq!(appended.duplicates, (records.len() - expected.len()) as u64);
        let Some((first, last)) = appended.places else {
            return;
        };
        assert_eq!(last.number() - first.number() + 1, appended.written);
        let newest = self
            .alive
            .last_key_value()
            .map_or(0, |(place, _)| place + 1);
        let taken = newest.max(self.committed[0]).max(self.committed[1]);
        assert!(first.number() >= taken, "a place is never given twice");
        self.recent.extend(fresh);
        self.alive.extend((first.number()..).zip(expected));
    }

    fn reopen(&mut self) {
        self.journal = None;
        let (journal, _) = Journal::open(&self.dir, self.options.clone()).unwrap();
        for (reader, committed) in ["a", "b"].into_iter().zip(self.committed) {
            let known = journal
                .stats()
                .readers
                .into_iter()
                .find(|known| known.name == reader);
            let place = known.and_then(|known| known.committed);
            assert_eq!(place.map_or(0, |place| place.number() + 1), committed);
        }
        self.journal = Some(journal);
    }

    fn read(&mut self, which: usize, count: usize) {
        let journal = self.journal().clone();
        let mut reader = journal
            .reader(["a", "b"][which], ReaderStart::Oldest)
            .unwrap();
        // A name that is met late begins at the oldest record that is kept.
        let from = reader.position().number();
        assert!(from >= self.committed[which]);
        self.committed[which] = from;
        let expected: Vec<_> = self.alive.range(from..).take(count).collect();
        let read = read_all(&mut reader, count);
        assert!(
            read.iter()
                .map(|(place, payload)| (place, payload))
                .eq(expected)
        );
        if let Some((last, _)) = read.last() {
            reader.commit(Place::new(*last)).unwrap();
            self.committed[which] = last + 1;
        }
    }

    fn damage(&mut self, harm: impl FnOnce(&mut Self)) {
        self.journal = None;
        harm(self);
        self.epoch += 1;
        self.reopen();
    }

    /// Segment files, oldest first, by the place that they are named after.
    fn segments(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let segments = entries.filter(|path| path.extension().is_some_and(|end| end == "seg"));
        let place = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let mut segments: Vec<(u64, PathBuf)> = segments.map(|path| (place(&path), path)).collect();
        segments.sort();
        segments
    }

    fn cut(&mut self, to: f64) {
        let (first, path) = self.segments().pop().unwrap();
        let old = fs::metadata(&path).unwrap().len();
        let new = (old as f64 * to) as u64;
        self.kill(first, u64::MAX, &path, new..old);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(new)
            .unwrap();
    }

    fn flip(&mut self, at: f64, with: u8) {
        let segments = self.segments();
        let index = (at * segments.len() as f64) as usize;
        let (first, path) = &segments[index];
        let end = segments.get(index + 1).map_or(u64::MAX, |(end, _)| *end);
        let len = fs::metadata(path).unwrap().len();
        let offset = ((at * segments.len() as f64).fract() * len as f64) as u64;
        self.kill(*first, end, path, offset..offset + 1);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ with], offset).unwrap();
    }

    /// Takes the records of a segment that lie in a range of bytes out of the model, found by a
    /// simple reading of the file: headers hold places at 16 and lengths at 8.
    fn kill(&mut self, first: u64, end: u64, path: &Path, harmed: std::ops::Range<u64>) {
        let bytes = fs::read(path).unwrap();
        let places: Vec<u64> = self
            .alive
            .range(first..end)
            .map(|(place, _)| *place)
            .collect();
        for place in places {
            let needle = place.to_le_bytes();
            let length = (self.alive[&place].len() as u32).to_le_bytes();
            let is_here = |at: &usize| {
                let header = &bytes[*at..];
                header[..4] == [0xF5, 0x4B, 0x56, 0x8A]
                    && header[8..12] == length
                    && header[16..24] == needle
                    && header[48..].starts_with(&self.alive[&place])
            };
            let candidates = 0..bytes.len().saturating_sub(HEADER as usize - 1);
            let at = candidates.into_iter().find(is_here).unwrap() as u64;
            let until = at + HEADER + self.alive[&place].len() as u64;
            if at < harmed.end && harmed.start < until {
                self.alive.remove(&place);
            }
        }
    }

    fn finish(mut self) {
        self.reopen();
        let journal = self.journal().clone();
        let mut reader = journal.reader("last", ReaderStart::Oldest).unwrap();
        let read = read_all(&mut reader, usize::MAX);
        let oldest = self.oldest();
        self.alive = self.alive.split_off(&oldest);
        assert!(
            read.iter()
                .map(|(place, payload)| (place, payload))
                .eq(self.alive.iter())
        );
        let stats = journal.stats();
        assert_eq!(
            stats.records,
            read.len() as u64 + stats.corrupt,
            "every loss is counted"
        );
    }
}

fn read_all(reader: &mut Reader, count: usize) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while all.len() < count {
        let records = reader
            .read((count - all.len()).min(7), 2000, Duration::ZERO)
            .unwrap();
        if records.is_empty() {
            break;
        }
        let plain =
            |record: kubevigil_journal::Record| (record.place.number(), record.payload.to_vec());
        all.extend(records.into_iter().map(plain));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_and_not_damaged_is_there_in_order_once(
        deeds in deeds(),
        retain_bytes in prop_oneof![Just(u64::MAX), Just(10_000)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), retain_bytes);
        deeds.iter().for_each(|deed| world.run(deed));
        world.finish();
    }
}
