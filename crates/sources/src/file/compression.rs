//! Compressed logs, recognised by their first bytes: names lie (`audit.log.1` may be gzip, `audit.gz` may be plain).
//!
//! Decompression streams: memory is the decoder's window, at most 128 MiB for zstd (what `zstd` itself accepts without
//! `--long`) and 32 KiB for gzip, however large the log.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// How a log is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Text as it is.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
    /// A format that is not read. Holds its name and the command that makes it readable.
    Foreign(&'static str, &'static str),
}

/// So many bytes tell the format.
pub const MAGIC_LENGTH: usize = 6;

impl Format {
    /// The format of a log that begins so.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Self::Foreign("xz", "xz -dc"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A'] => Self::Foreign("bzip2", "bzip2 -dc"),
            [b'P', b'K', 3, 4, ..] => Self::Foreign("zip", "unzip -p"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Foreign("lz4", "lz4 -dc"),
            _ => Self::Plain,
        }
    }
}

/// Finds out how `reader` is stored and reads the text in it. A foreign format is handed back as it is.
///
/// # Errors
///
/// What the stream says while its first bytes are read.
pub fn decode(mut reader: Box<dyn Read + Send>) -> io::Result<(Format, Box<dyn Read + Send>)> {
    let mut head = Vec::with_capacity(MAGIC_LENGTH);
    reader
        .by_ref()
        .take(MAGIC_LENGTH as u64)
        .read_to_end(&mut head)?;
    let format = Format::of(&head);
    let whole = Cursor::new(head).chain(reader);
    let text: Box<dyn Read + Send> = match format {
        Format::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
            64 << 10,
            whole,
        ))),
        Format::Zstd => Box::new(zstd::stream::read::Decoder::new(whole)?),
        Format::Plain | Format::Foreign(..) => Box::new(whole),
    };
    Ok((format, text))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    fn read(stored: Vec<u8>) -> io::Result<Vec<u8>> {
        let (_, mut reader) = decode(Box::new(Cursor::new(stored)))?;
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| text)
    }

    #[test]
    fn what_is_compressed_in_several_parts_reads_as_one() {
        assert_eq!(read(b"a\nb".to_vec()).unwrap(), b"a\nb");
        assert_eq!(read(b"{".to_vec()).unwrap(), b"{");
        assert_eq!(
            read([gzip(b"a\n"), gzip(b"b\n")].concat()).unwrap(),
            b"a\nb\n"
        );
        assert_eq!(
            read([zstd(b"a\n"), zstd(b"b\n")].concat()).unwrap(),
            b"a\nb\n"
        );
    }

    #[test]
    fn a_stream_that_ends_too_early_is_an_error() {
        let whole = gzip(b"some text that is long enough to be cut");
        assert!(read(whole[..whole.len() - 9].to_vec()).is_err());
    }
}
