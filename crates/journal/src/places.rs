//! What the readers have done, in one small database.
//!
//! `redb` gives what the places need: several values in one durable transaction. After an error
//! (a full disk, say) it refuses everything until it is opened again, so it is dropped then and
//! the next commit opens it anew: commits work again as soon as there is room.

use crate::folder::sync_directory;
use crate::hold::hold;
use crate::layout::Salt;
use crate::{CommitError, OpenError};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Places need kilobytes. The default of 1 GiB would let state snapshots fill the memory.
const CACHE_BYTES: usize = 1 << 20;

/// By reader: the place after the last that is done.
const READERS: TableDefinition<'_, &str, u64> = TableDefinition::new("readers");
/// By name: bytes that were committed with a place.
const BLOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("blobs");
/// About the journal: its salt, should a segment's header be damaged.
const JOURNAL: TableDefinition<'_, &str, u64> = TableDefinition::new("journal");

type Outcome<T> = Result<T, Box<redb::Error>>;

/// The registered readers, in memory and on disk.
pub(crate) struct Places {
    path: PathBuf,
    database: Mutex<Option<Database>>,
    readers: Mutex<BTreeMap<String, ReaderState>>,
}

/// What is known of one reader.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReaderState {
    /// The place after the last that it has committed.
    pub(crate) next: u64,
    /// A `Reader` of this name exists.
    pub(crate) live: bool,
    /// Records deleted before it read them, since the journal was opened.
    pub(crate) lost: u64,
}

impl Places {
    /// Opens or makes the database in a journal's directory.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("places.redb");
        let load = || -> Outcome<_> {
            let database = open(&path)?;
            let readers = read_readers(&database)?;
            Ok((database, readers))
        };
        match load() {
            Ok((database, readers)) => {
                let database = Mutex::new(Some(database));
                Ok(Places {
                    path,
                    database,
                    readers: Mutex::new(readers),
                })
            }
            Err(error) => Err(OpenError::Places {
                path,
                text: error.to_string(),
            }),
        }
    }

    /// Sets what several readers have done, and several blobs, all or nothing.
    pub(crate) fn store(
        &self,
        readers: &[(&str, u64)],
        blobs: &[(&str, &[u8])],
    ) -> Result<(), CommitError> {
        self.transact(|database| write(database, readers, blobs))?;
        let mut known = hold(&self.readers);
        for (name, next) in readers {
            known.entry((*name).to_owned()).or_default().next = *next;
        }
        Ok(())
    }

    /// Removes a reader, so that retention no longer waits for it.
    pub(crate) fn forget(&self, name: &str) -> Result<(), CommitError> {
        self.transact(|database| {
            let transaction = database.begin_write().map_err(boxed)?;
            transaction
                .open_table(READERS)
                .map_err(boxed)?
                .remove(name)
                .map_err(boxed)?;
            transaction.commit().map_err(boxed)
        })?;
        hold(&self.readers).remove(name);
        Ok(())
    }

    /// The blob of a name, as it was last committed.
    pub(crate) fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, CommitError> {
        self.transact(|database| {
            let transaction = database.begin_read().map_err(boxed)?;
            match transaction.open_table(BLOBS) {
                Ok(table) => Ok(table
                    .get(name)
                    .map_err(boxed)?
                    .map(|blob| blob.value().to_vec())),
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(boxed(error)),
            }
        })
    }

    /// The journal's salt; kept from the first call on.
    pub(crate) fn salt(&self, fallback: impl FnOnce() -> Salt) -> Result<Salt, CommitError> {
        self.transact(|database| {
            let transaction = database.begin_write().map_err(boxed)?;
            let mut table = transaction.open_table(JOURNAL).map_err(boxed)?;
            let known = table
                .get("salt")
                .map_err(boxed)?
                .map(|salt| Salt(salt.value()));
            let salt = known.unwrap_or_else(fallback);
            table.insert("salt", salt.0).map_err(boxed)?;
            drop(table);
            transaction.commit().map_err(boxed)?;
            Ok(salt)
        })
    }

    /// Looks at or changes what is known of the readers, in memory only.
    pub(crate) fn with_readers<T>(
        &self,
        look: impl FnOnce(&mut BTreeMap<String, ReaderState>) -> T,
    ) -> T {
        look(&mut hold(&self.readers))
    }

    /// The place before which every reader is done.
    pub(crate) fn finished(&self) -> u64 {
        self.with_readers(|readers| readers.values().map(|reader| reader.next).min())
            .unwrap_or(u64::MAX)
    }

    /// The place after the last that any reader has done.
    pub(crate) fn furthest(&self) -> u64 {
        self.with_readers(|readers| readers.values().map(|reader| reader.next).max())
            .unwrap_or(0)
    }

    fn transact<T>(&self, work: impl FnOnce(&Database) -> Outcome<T>) -> Result<T, CommitError> {
        let mut slot = hold(&self.database);
        let outcome = match slot.take() {
            Some(database) => Ok(database),
            None => open(&self.path),
        };
        let outcome = outcome.and_then(|database| {
            let done = work(&database)?;
            *slot = Some(database);
            Ok(done)
        });
        outcome.map_err(|error| CommitError::Store {
            path: self.path.clone(),
            text: error.to_string(),
        })
    }
}

fn open(path: &Path) -> Outcome<Database> {
    if !path
        .try_exists()
        .map_err(|error| boxed(redb::Error::Io(error)))?
    {
        make(path)?;
    }
    create(path)
}

/// Makes the database under another name first: `redb` cannot open one that it was killed over.
fn make(path: &Path) -> Outcome<()> {
    let unfinished = path.with_extension("new");
    let replace = || -> io::Result<()> {
        fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), sync_directory)
    };
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(boxed(redb::Error::Io(error)));
        }
        _ => drop(create(&unfinished)?),
    }
    replace().map_err(|error| boxed(redb::Error::Io(error)))
}

fn create(path: &Path) -> Outcome<Database> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(boxed)
}

fn read_readers(database: &Database) -> Outcome<BTreeMap<String, ReaderState>> {
    let transaction = database.begin_read().map_err(boxed)?;
    let table = match transaction.open_table(READERS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(boxed(error)),
    };
    let mut readers = BTreeMap::new();
    for entry in table.iter().map_err(boxed)? {
        let (name, next) = entry.map_err(boxed)?;
        let state = ReaderState {
            next: next.value(),
            ..ReaderState::default()
        };
        readers.insert(name.value().to_owned(), state);
    }
    Ok(readers)
}

fn write(database: &Database, readers: &[(&str, u64)], blobs: &[(&str, &[u8])]) -> Outcome<()> {
    let transaction = database.begin_write().map_err(boxed)?;
    let mut table = transaction.open_table(READERS).map_err(boxed)?;
    for (name, next) in readers {
        table.insert(*name, *next).map_err(boxed)?;
    }
    drop(table);
    if !blobs.is_empty() {
        let mut table = transaction.open_table(BLOBS).map_err(boxed)?;
        for (name, blob) in blobs {
            table.insert(*name, *blob).map_err(boxed)?;
        }
    }
    transaction.commit().map_err(boxed)
}

fn boxed(error: impl Into<redb::Error>) -> Box<redb::Error> {
    Box::new(error.into())
}
