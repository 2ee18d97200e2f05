//! The bytes of data files: unpacked by their extension, bounded, without a byte order mark.
//!
//! Files are unpacked and read as a stream. `.xz` is the exception: its decoder only writes, so such
//! a file is unpacked in memory first.
//!
//! **Invariant.** No file makes its reader take unbounded memory.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::problems::shown;

/// Most bytes a file may unpack to.
pub(super) const MAX_UNPACKED: u64 = 4 << 30;
/// Most bytes an `.xz` file may unpack to: it is held in memory.
const MAX_UNPACKED_XZ: usize = 1 << 30;
/// Longest line; a longer one is no table.
const MAX_LINE: u64 = 1 << 20;

/// The text of a file, line by line bounded.
pub(super) fn text<'b>(file: &str, bytes: &'b [u8]) -> Result<Box<dyn BufRead + 'b>, String> {
    let unpacked = unpacked(file, bytes)?;
    let bounded = Bounded { inner: BufReader::new(unpacked), left: MAX_UNPACKED, line: 0 };
    let mut bounded = BufReader::new(bounded);
    skip_mark(&mut bounded).map_err(|e| format!("cannot be read: {}", shown(&e.to_string())))?;
    Ok(Box::new(bounded))
}

/// The bytes of a file, unpacked by its extension.
pub(super) fn unpacked<'b>(file: &str, bytes: &'b [u8]) -> Result<Box<dyn Read + 'b>, String> {
    let lower = file.to_ascii_lowercase();
    let has = |extension: &str| lower.ends_with(extension);
    Ok(if has(".gz") {
        Box::new(MultiGzDecoder::new(bytes))
    } else if has(".zst") {
        Box::new(Frames { rest: bytes, decoder: None })
    } else if has(".xz") {
        Box::new(io::Cursor::new(unpack_xz(bytes)?))
    } else {
        Box::new(bytes)
    })
}

/// Drops a byte order mark.
fn skip_mark<R: Read>(reader: &mut BufReader<R>) -> io::Result<()> {
    if reader.fill_buf()?.starts_with(&[0xef, 0xbb, 0xbf]) {
        reader.consume(3);
    }
    Ok(())
}

fn unpack_xz(bytes: &[u8]) -> Result<Vec<u8>, String> {
    struct Most(Vec<u8>);
    impl io::Write for Most {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > MAX_UNPACKED_XZ {
                return Err(io::Error::other("it unpacks to more than 1 GiB"));
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut unpacked = Most(Vec::new());
    let mut packed = bytes;
    lzma_rs::xz_decompress(&mut packed, &mut unpacked)
        .map_err(|e| format!("cannot be unpacked: {}", shown(&e.to_string())))?;
    Ok(unpacked.0)
}

/// The frames of a `.zst` file one after the other.
struct Frames<'b> {
    rest: &'b [u8],
    decoder: Option<StreamingDecoder<&'b [u8], ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                if self.rest.is_empty() {
                    return Ok(0);
                }
                let decoder = StreamingDecoder::new(self.rest).map_err(io::Error::other)?;
                self.decoder = Some(decoder);
                continue;
            };
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.rest = self.decoder.take().map_or(&[], StreamingDecoder::into_inner);
        }
    }
}

/// Refuses what unpacks to too much, and lines no table has.
struct Bounded<R> {
    inner: R,
    left: u64,
    line: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than 4 GiB"))?;
        match buffer[..read].iter().rposition(|b| *b == b'\n' || *b == b'\r') {
            Some(newline) => self.line = (read - newline) as u64,
            None => self.line += read as u64,
        }
        if self.line > MAX_LINE {
            return Err(io::Error::other("a line is longer than 1 MiB"));
        }
        Ok(read)
    }
}
