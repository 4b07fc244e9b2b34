//! A file system in memory, and a kube-apiserver that writes and rotates its log there.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use kubevigil_sources::file::fs::{Entry, FileId, FileSystem, Handle, Kind, Stat};

/// One folder, `/log`. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Folder>>);

#[derive(Default)]
struct Folder {
    files: BTreeMap<String, Node>,
    /// All files that ever were, to give the number of a gone one to a new one as real systems do.
    numbers: Vec<std::sync::Weak<Mutex<Content>>>,
    clock: i128,
}

/// A file, open or named.
#[derive(Clone)]
pub(crate) struct Node {
    inode: u64,
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    modified: i128,
}

impl Disk {
    fn create(&self, name: &str) -> Node {
        let folder = &mut *self.0.lock().unwrap();
        let content = Arc::new(Mutex::new(Content::default()));
        let numbers = &mut folder.numbers;
        let free = numbers.iter().position(|file| file.strong_count() == 0);
        let at = free.unwrap_or(numbers.len());
        numbers.truncate(numbers.len().max(at));
        if at == numbers.len() {
            numbers.push(Arc::downgrade(&content));
        } else {
            numbers[at] = Arc::downgrade(&content);
        }
        let inode = at as u64;
        let node = Node { inode, content };
        folder.files.insert(name.to_owned(), node.clone());
        node
    }

    fn change(&self, node: &Node, change: impl FnOnce(&mut Vec<u8>)) {
        let folder = &mut *self.0.lock().unwrap();
        folder.clock += 1;
        let content = &mut *node.content.lock().unwrap();
        content.modified = folder.clock;
        change(&mut content.bytes);
    }

    fn rename(&self, from: &str, to: &str) {
        let folder = &mut *self.0.lock().unwrap();
        let node = folder.files.remove(from).unwrap();
        folder.files.insert(to.to_owned(), node);
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().files.remove(name);
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        let name = path.file_name().unwrap().to_str().unwrap();
        let folder = self.0.lock().unwrap();
        let node = folder.files.get(name).cloned();
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileSystem for Disk {
    type File = Node;

    fn open(&self, path: &Path) -> io::Result<Node> {
        self.node(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.node(path)?.stat()
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        let folder = self.0.lock().unwrap();
        let entry = |name: &String| Entry {
            name: name.into(),
            kind: Kind::File,
        };
        Ok(folder.files.keys().map(entry).collect())
    }
}

impl Handle for Node {
    fn stat(&self) -> io::Result<Stat> {
        let content = self.content.lock().unwrap();
        Ok(Stat {
            id: FileId {
                device: 1,
                inode: self.inode,
            },
            size: content.bytes.len() as u64,
            modified: content.modified,
            kind: Kind::File,
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let rest = content.bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A kube-apiserver that logs to `/log/audit.log`.
pub(crate) struct Writer {
    disk: Disk,
    current: Option<Node>,
    /// Where the next byte goes when the file was opened without append (after a rotation).
    offset: usize,
    next: u64,
    half: Vec<u8>,
    written: Vec<u64>,
    backups: Vec<Backup>,
    in_current: Vec<u64>,
    rotations: u64,
}

struct Backup {
    name: String,
    lines: Vec<u64>,
    state: State,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Plain,
    Compressing,
    Compressed,
}

impl Writer {
    pub(crate) fn new(disk: Disk) -> Self {
        let current = Some(disk.create("audit.log"));
        Self {
            disk,
            current,
            offset: 0,
            next: 0,
            half: Vec::new(),
            written: Vec::new(),
            backups: Vec::new(),
            in_current: Vec::new(),
            rotations: 0,
        }
    }

    /// The numbers of the lines that were written as a whole.
    pub(crate) fn written(&self) -> &[u64] {
        &self.written
    }

    pub(crate) fn write(&mut self, lines: usize) {
        if self.current.is_none() {
            return;
        }
        self.finish_half();
        for _ in 0..lines {
            let line = self.line();
            self.put(&line);
            self.count();
        }
    }

    pub(crate) fn write_half(&mut self) {
        if self.current.is_none() || !self.half.is_empty() {
            return;
        }
        let line = self.line();
        let cut = 1 + self.next as usize * 7 % (line.len() - 1);
        let (first, rest) = line.split_at(cut);
        self.put(first);
        self.half = rest.to_vec();
    }

    pub(crate) fn rotate_away(&mut self) {
        if self.current.is_none() {
            return;
        }
        self.finish_half();
        self.rotations += 1;
        let name = format!(
            "audit-2026-07-23T18-32-{:02}.{:03}.log",
            self.rotations / 1000,
            self.rotations % 1000
        );
        self.disk.rename("audit.log", &name);
        self.backups.push(Backup {
            name,
            lines: std::mem::take(&mut self.in_current),
            state: State::Plain,
        });
        self.current = None;
    }

    pub(crate) fn create(&mut self) {
        if self.current.is_none() {
            self.current = Some(self.disk.create("audit.log"));
            self.offset = 0;
        }
    }

    /// Begins to compress the oldest plain backup: half of the archive is there, and the plain file too.
    pub(crate) fn compress_some(&mut self) {
        let compressing = self
            .backups
            .iter()
            .any(|backup| backup.state == State::Compressing);
        let plain = self
            .backups
            .iter_mut()
            .find(|backup| backup.state == State::Plain);
        let (false, Some(backup)) = (compressing, plain) else {
            return;
        };
        backup.state = State::Compressing;
        let archive = compressed(&self.disk, &backup.name);
        let node = self.disk.create(&format!("{}.gz", backup.name));
        self.disk
            .change(&node, |bytes| bytes.extend(&archive[..archive.len() / 2]));
    }

    pub(crate) fn compress_rest(&mut self) {
        let mut backups = self.backups.iter_mut();
        let Some(backup) = backups.find(|backup| backup.state == State::Compressing) else {
            return;
        };
        backup.state = State::Compressed;
        let archive = compressed(&self.disk, &backup.name);
        let node = self
            .disk
            .node(Path::new(&format!("/log/{}.gz", backup.name)))
            .unwrap();
        self.disk
            .change(&node, |bytes| bytes.extend(&archive[bytes.len()..]));
        self.disk.remove(&backup.name);
    }

    /// Deletes the oldest backup, if nothing is lost by it.
    pub(crate) fn delete_oldest(&mut self, delivered: &[u64]) {
        let Some(oldest) = self.backups.first() else {
            return;
        };
        if oldest.lines.iter().all(|line| delivered.contains(line)) {
            self.disk.remove(&oldest.name);
            self.disk.remove(&format!("{}.gz", oldest.name));
            self.backups.remove(0);
        }
    }

    /// Empties the log. With a hole the next write goes to where the last one ended.
    pub(crate) fn truncate(&mut self, hole: bool) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        if !self.half.is_empty() {
            return false;
        }
        self.disk.change(current, Vec::clear);
        if !hole {
            self.offset = 0;
        }
        true
    }

    fn line(&self) -> Vec<u8> {
        let padding = "x".repeat(self.next as usize * 13 % 40);
        format!(
            "{{\"auditID\":\"{:06}\",\"verb\":\"{padding}\",\"stage\":\"Panic\"}}\n",
            self.next
        )
        .into_bytes()
    }

    fn finish_half(&mut self) {
        if !self.half.is_empty() {
            let rest = std::mem::take(&mut self.half);
            self.put(&rest);
            self.count();
        }
    }

    fn count(&mut self) {
        self.written.push(self.next);
        self.in_current.push(self.next);
        self.next += 1;
    }

    fn put(&mut self, text: &[u8]) {
        let current = self.current.clone().unwrap();
        let end = self.offset + text.len();
        self.disk.change(&current, |bytes| {
            bytes.resize(self.offset, 0);
            bytes.extend(text);
        });
        self.offset = end;
    }
}

fn compressed(disk: &Disk, name: &str) -> Vec<u8> {
    let node = disk.node(&Path::new("/log").join(name)).unwrap();
    let mut archive = GzEncoder::new(Vec::new(), Compression::fast());
    archive
        .write_all(&node.content.lock().unwrap().bytes)
        .unwrap();
    archive.finish().unwrap()
}
