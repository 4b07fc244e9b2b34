//! What the reader promises, by example and for any pieces.

use super::*;
use proptest::prelude::*;

/// Gives what it holds in pieces, with a pause (a read of nothing) after each.
struct Pieces(Vec<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let piece = self.0.remove(0);
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

fn read(text: &[u8], limit: usize) -> Vec<String> {
    let mut reader = LineReader::new(text, limit);
    let mut seen = Vec::new();
    while let Some(item) = reader.next_or_last().unwrap() {
        seen.push(show(&item));
    }
    seen
}

fn show(item: &Item) -> String {
    match item {
        Item::Line(line) => format!(
            "{}@{} {}",
            line.number,
            line.offset,
            String::from_utf8_lossy(&line.bytes)
        ),
        Item::TooLong(long) => {
            format!("{}@{} too long: {}", long.line, long.offset, long.length)
        }
    }
}

#[test]
fn lines_come_with_number_and_offset() {
    let cases: [(&[u8], &[&str]); 9] = [
        (b"", &[]),
        (b"a\nbc\n", &["1@0 a", "2@2 bc"]),
        (b"a\r\nb\r\n", &["1@0 a", "2@3 b"]),
        (b"a\n\n  \r\nb", &["1@0 a", "4@7 b"]),
        (b"\n\n", &[]),
        (b"\xef\xbb\xbfa\nb\n", &["1@3 a", "2@5 b"]),
        (b"a\n\0\0\0b\n\0\0", &["1@0 a", "2@5 b"]),
        (
            b"12345678\n123456789\nx\n",
            &["1@0 12345678", "2@9 too long: 9", "3@19 x"],
        ),
        (b"123456789abcdef", &["1@0 too long: 15"]),
    ];
    for (text, expected) in cases {
        assert_eq!(
            read(text, 8),
            expected,
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn an_unfinished_last_line_is_held_back_until_it_is_whole() {
    let pieces = [b"a\n{\"b".to_vec(), Vec::new(), b"\":1}\n".to_vec()];
    let mut reader = LineReader::new(Pieces(pieces.to_vec()), 100);
    assert_eq!(show(&reader.next_line().unwrap().unwrap()), "1@0 a");
    assert_eq!(reader.next_line().unwrap(), None);
    assert_eq!(reader.held_back(), b"{\"b");
    assert_eq!(
        reader.place(),
        Place {
            offset: 2,
            lines: 1
        }
    );
    assert_eq!(show(&reader.next_line().unwrap().unwrap()), "2@2 {\"b\":1}");
    assert_eq!(
        reader.place(),
        Place {
            offset: 10,
            lines: 2
        }
    );
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    let limit = 3 * CHUNK;
    let endless = io::repeat(b'x').take(40 * CHUNK as u64);
    let mut reader = LineReader::new(endless, limit);
    assert_eq!(reader.next_line().unwrap(), None);
    assert_eq!(reader.place(), Place::default());
    assert!(reader.buffer.capacity() <= 2 * (limit + CHUNK));
    let length = 40 * CHUNK as u64;
    let last = reader.finish().unwrap();
    assert_eq!(show(&last), format!("1@0 too long: {length}"));
}

#[test]
fn a_hole_of_nul_bytes_larger_than_the_limit_is_stepped_over() {
    let text = io::repeat(0).take(5 * CHUNK as u64).chain(&b"{}\n"[..]);
    let mut reader = LineReader::new(text, 1000);
    let line = reader.next_line().unwrap().unwrap();
    assert_eq!(show(&line), format!("1@{} {{}}", 5 * CHUNK));
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_lines_of_the_whole(
        text in prop::collection::vec(prop::sample::select(b"ab \n\r\0".to_vec()), 0..200),
        cuts in prop::collection::vec(0..20usize, 0..60),
    ) {
        let mut pieces = Vec::new();
        let mut rest = &text[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.push(rest.to_vec());
        let reads = pieces.len();
        let mut reader = LineReader::new(Pieces(pieces), 8);
        let mut seen = Vec::new();
        for _ in 0..=reads {
            while let Some(item) = reader.next_line().unwrap() {
                seen.push(show(&item));
            }
        }
        seen.extend(reader.finish().as_ref().map(show));
        prop_assert_eq!(seen, read(&text, 8));
        prop_assert_eq!(reader.place().offset, text.len() as u64);
    }
}
