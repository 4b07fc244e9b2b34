//! The events in a file that is read once, as tolerant as files in the wild are odd.
//!
//! A line that is a JSON value is the rule and takes the short way. What people paste from documentation takes the long way:
//! pretty-printed values are gathered over lines, values on one line are taken apart, the elements of an array are read one
//! by one, so that an array may be larger than memory. A broken value is one [`Problem`]; reading goes on at the next line that can
//! begin one, and whole events that the broken value seemed to hold are found again. No line is tried more than three times, so a
//! hostile file costs a constant factor and no more.

use std::collections::VecDeque;
use std::io::Read;
use std::iter::FusedIterator;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use kubevigil_audit::payload::{self, Split};

use super::lines::{Item, Line, LineReader};
use super::open::{Input, OpenError};
use super::shape::{Shape, Verdict};
use crate::Arrival;

/// What a file holds next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// An event, and the line it begins at.
    Event(Arrival),
    /// Something in which no event can be found.
    Problem(Problem),
}

/// A place in a file where no event could be found.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct Problem {
    /// The file.
    pub file: Arc<str>,
    /// The line where it begins, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a place in a file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Not an audit event; says why.
    #[error("{0}")]
    Broken(String),
    /// A line beyond the limit.
    #[error(
        "a line of {length} bytes, beyond the limit of {limit}; raise the limit on lines to read it"
    )]
    TooLong {
        /// Its length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The value does not end.
    #[error("a JSON value begins here and does not end")]
    Unfinished,
    /// The rest of the file cannot be read: a damaged archive, usually.
    #[error("the rest of the file cannot be read: {0}")]
    Unreadable(String),
}

/// Reads the events of one input.
///
/// # Errors
///
/// When it cannot be opened.
pub fn events(input: &Input, line_limit: usize) -> Result<Events, OpenError> {
    let stream = input.open()?;
    let name = Arc::clone(&stream.name);
    Ok(Events::new(name, Box::new(stream), line_limit))
}

/// The events and the problems of one stream, in order.
pub struct Events {
    file: Arc<str>,
    lines: LineReader<Box<dyn Read + Send>>,
    limit: usize,
    ready: VecDeque<Found>,
    gathered: Option<Gathered>,
    /// Inside an array whose elements are read one by one.
    in_array: bool,
    /// After a value that broke: lines that look like its rest belong to the same problem.
    in_debris: bool,
    ended: bool,
}

/// The lines of a value that is not closed yet.
struct Gathered {
    first: u64,
    text: BytesMut,
    lines: Vec<(Bytes, u64)>,
    shape: Shape,
}

impl Iterator for Events {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while self.ready.is_empty() && !self.ended {
            self.advance();
        }
        self.ready.pop_front()
    }
}

impl FusedIterator for Events {}

impl Events {
    /// Reads the events of a stream of text; `file` is the name in its problems.
    pub fn new(file: Arc<str>, text: Box<dyn Read + Send>, line_limit: usize) -> Self {
        Self {
            file,
            lines: LineReader::new(text, line_limit),
            limit: line_limit,
            ready: VecDeque::new(),
            gathered: None,
            in_array: false,
            in_debris: false,
            ended: false,
        }
    }

    /// The name of what is read.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    fn advance(&mut self) {
        match self.lines.next_or_last() {
            Ok(Some(Item::Line(line))) => self.line(line),
            Ok(Some(Item::TooLong(long))) => {
                self.give_up(Reason::Unfinished);
                let (length, limit) = (long.length, self.limit as u64);
                self.problem(long.line, Reason::TooLong { length, limit });
            }
            Ok(None) => self.end(),
            Err(error) => {
                self.end();
                let line = self.lines.place().lines + 1;
                self.problem(line, Reason::Unreadable(error.to_string()));
            }
        }
    }

    fn end(&mut self) {
        self.give_up(Reason::Unfinished);
        self.ended = true;
    }

    fn line(&mut self, line: Line) {
        let debris = matches!(line.bytes.first(), Some(b' ' | b'\t' | b'}' | b']'));
        if self.in_debris && debris {
            return;
        }
        self.in_debris = false;
        match self.gathered.take() {
            Some(gathered) => self.gather(gathered, line),
            None => self.values(line.bytes, line.number),
        }
    }

    /// Takes the values that begin on this line: the line as a whole, or else one by one. The whole is tried once, since that
    /// costs its length.
    fn values(&mut self, line: Bytes, number: u64) {
        if line.first() == Some(&b'[') {
            self.in_array = false;
        }
        let Some(mut rest) = self.without_separators(line) else {
            return;
        };
        if is_one_event(&rest) {
            return self.ready.push_back(Found::Event(Arrival {
                raw: rest,
                line: number,
            }));
        }
        let whole_reason = match payload::split(&rest) {
            Ok(split) => return self.take(&rest, split, number),
            Err(error) => error.to_string(),
        };
        while let Some(after) = self.value(rest, number, &whole_reason) {
            let Some(text) = self.without_separators(after) else {
                return;
            };
            rest = text;
        }
    }

    /// Takes the value that `text` begins with; what follows it on the line.
    fn value(&mut self, text: Bytes, number: u64, whole_reason: &str) -> Option<Bytes> {
        match text.first()? {
            b'[' if !self.in_array => {
                self.in_array = true;
                return Some(text.slice(1..));
            }
            b'[' | b'{' => {}
            _ => return self.broken(&text, number, whole_reason),
        }
        let mut shape = Shape::default();
        match shape.feed(&text) {
            Verdict::Closed(end) => {
                self.whole(text.slice(..end), number);
                Some(text.slice(end..))
            }
            Verdict::Open => {
                self.gathered = Some(Gathered::new(text, number, shape));
                None
            }
            Verdict::Broken => self.broken(&text, number, whole_reason),
        }
    }

    /// Reports a broken text. A NUL byte cannot stand in JSON: it marks a hole in the file, and what follows it is another line.
    fn broken(&mut self, text: &Bytes, number: u64, reason: &str) -> Option<Bytes> {
        self.problem(number, Reason::Broken(reason.to_owned()));
        let hole = memchr::memchr(0, text)?;
        Some(text.slice(hole..))
    }

    fn gather(&mut self, mut gathered: Gathered, line: Line) {
        match gathered.shape.feed(&line.bytes) {
            Verdict::Open if gathered.length_with(&line) < self.limit as u64 => {
                gathered.push(line.bytes, line.number);
                self.gathered = Some(gathered);
            }
            Verdict::Closed(end) if gathered.length_with(&line) < self.limit as u64 => {
                let (first, after) = (gathered.first, line.bytes.slice(end..));
                gathered.push(line.bytes.slice(..end), line.number);
                self.whole(gathered.text.freeze(), first);
                self.values(after, line.number);
            }
            verdict => {
                let reason = match verdict {
                    Verdict::Broken => {
                        let at = line.number;
                        Reason::Broken(format!("not JSON: line {at} cannot continue this value"))
                    }
                    _ => Reason::Unfinished,
                };
                self.gathered = Some(gathered);
                self.give_up(reason);
                self.line(line);
            }
        }
    }

    /// The gathered lines are no value: reports that, and takes the whole events among them.
    fn give_up(&mut self, reason: Reason) {
        let Some(gathered) = self.gathered.take() else {
            return;
        };
        self.in_debris = true;
        self.problem(gathered.first, reason);
        for (line, number) in gathered.lines.into_iter().skip(1) {
            if line.first() == Some(&b'{')
                && let Ok(split) = payload::split(&line)
                && split.problems.is_empty()
            {
                self.take(&line, split, number);
            }
        }
    }

    /// Takes a value that is whole by its shape.
    fn whole(&mut self, text: Bytes, first: u64) {
        match payload::split(&text) {
            Ok(split) => self.take(&text, split, first),
            Err(error) => self.problem(first, Reason::Broken(error.to_string())),
        }
    }

    fn take(&mut self, text: &Bytes, split: Split, first: u64) {
        let mut lines = LineCount::new(text, first);
        for raw in split.events {
            let begin = (raw.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
            let line = lines.at(begin);
            self.ready.push_back(Found::Event(Arrival { raw, line }));
        }
        let mut lines = LineCount::new(text, first);
        for problem in split.problems {
            let line = lines.at(problem.offset);
            self.problem(line, Reason::Broken(problem.reason.to_string()));
        }
        if split.further_problems > 0 {
            let more = format!(
                "{} more values here are no audit events",
                split.further_problems
            );
            self.problem(first, Reason::Broken(more));
        }
    }

    fn problem(&mut self, line: u64, reason: Reason) {
        self.ready.push_back(Found::Problem(Problem {
            file: Arc::clone(&self.file),
            line,
            reason,
        }));
    }

    /// Steps over what stands between values. `None` when nothing else is left.
    fn without_separators(&mut self, mut text: Bytes) -> Option<Bytes> {
        loop {
            match text.first()? {
                b' ' | b'\t' | b'\r' | b',' | 0 => {}
                b']' if self.in_array => self.in_array = false,
                _ => return Some(text),
            }
            text.advance(1);
        }
    }
}

/// Whether a line looks as the API server writes an event, and like nothing more than one value.
///
/// Almost all lines do. They are handed on without being taken apart: whoever reads the event finds out whether it holds
/// together, and reading every line twice was 15 % of a scan.
fn is_one_event(line: &[u8]) -> bool {
    const START: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#;
    line.starts_with(START) && line.ends_with(b"}") && !has_value_behind_value(line)
}

/// Whether a brace closes right before another opens, as between two values on one line. Inside a string that means nothing,
/// but the long way is only slower, not wrong.
fn has_value_behind_value(line: &[u8]) -> bool {
    memchr::memchr_iter(b'{', line).any(|at| {
        let before = line.get(..at).unwrap_or_default().trim_ascii_end();
        before.ends_with(b"}")
    })
}

/// Line numbers of ascending offsets in a text.
struct LineCount<'t> {
    text: &'t [u8],
    counted: usize,
    line: u64,
}

impl<'t> LineCount<'t> {
    fn new(text: &'t [u8], first: u64) -> Self {
        Self {
            text,
            counted: 0,
            line: first,
        }
    }

    fn at(&mut self, offset: usize) -> u64 {
        if let Some(between) = self.text.get(self.counted..offset) {
            self.line += memchr::memchr_iter(b'\n', between).count() as u64;
            self.counted = offset;
        }
        self.line
    }
}

impl Gathered {
    fn new(text: Bytes, first: u64, shape: Shape) -> Self {
        let mut gathered = Self {
            first,
            text: BytesMut::new(),
            lines: Vec::new(),
            shape,
        };
        gathered.push(text, first);
        gathered
    }

    /// Adds a line; the blank ones before it stay newlines, so that events in the text can be found by line.
    fn push(&mut self, line: Bytes, number: u64) {
        let end = self.text.len() + self.lines_to(number) as usize;
        self.text.resize(end, b'\n');
        self.text.extend_from_slice(&line);
        self.lines.push((line, number));
    }

    fn length_with(&self, line: &Line) -> u64 {
        (self.text.len() + line.bytes.len()) as u64 + self.lines_to(line.number)
    }

    fn lines_to(&self, number: u64) -> u64 {
        let last = self.lines.last().map_or(self.first, |(_, number)| *number);
        number.saturating_sub(last)
    }
}
