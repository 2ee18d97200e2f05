//! Files of keys, as cache researchers keep them.
//!
//! **Invariant.** A key file is read whole or refused at its line; no row is dropped in silence.

use std::io::{BufRead, BufReader, Read};

use crate::engine::random::text_key;

/// Bytes of a record of libCacheSim's oracleGeneral: u32 time, u64 key, u32 size, i64 next access.
const RECORD: usize = 24;

/// The keys of a file without named columns, by its extension; at most `most`.
pub(super) fn keys(file: &str, reader: impl Read, most: usize) -> Result<Vec<u64>, String> {
    let lower = file.to_ascii_lowercase();
    let bare = [".gz", ".zst", ".xz"].iter().fold(lower.as_str(), |f, e| f.trim_end_matches(e));
    let mut keys = Keys { found: Vec::new(), most };
    if bare.contains(".oraclegeneral") {
        keys.records(reader)?;
    } else {
        keys.lines(reader, bare.ends_with(".lis"))?;
    }
    Ok(keys.found)
}

struct Keys {
    found: Vec<u64>,
    most: usize,
}

impl Keys {
    fn push(&mut self, key: u64) -> Result<(), String> {
        if self.found.len() == self.most {
            return Err(format!("more than {} keys in all", self.most));
        }
        self.found.push(key);
        Ok(())
    }

    fn records(&mut self, mut reader: impl Read) -> Result<(), String> {
        let mut record = Vec::with_capacity(RECORD);
        loop {
            record.clear();
            reader
                .by_ref()
                .take(RECORD as u64)
                .read_to_end(&mut record)
                .map_err(|e| e.to_string())?;
            match record.len() {
                0 => return Ok(()),
                RECORD => {
                    let key: [u8; 8] = record[4..12].try_into().expect("eight bytes");
                    self.push(u64::from_le_bytes(key))?;
                }
                left => {
                    let whole = self.found.len();
                    return Err(format!("{left} bytes are left after {whole} records of {RECORD}"));
                }
            }
        }
    }

    /// One key per line (a whole number or a text), or blocks `start count ..` (as the ARC traces have them); empty
    /// lines and the `*` that ends parts of the LIRS traces hold no key.
    fn lines(&mut self, reader: impl Read, blocks: bool) -> Result<(), String> {
        for (i, line) in BufReader::new(reader).lines().enumerate() {
            let place = |why: String| format!("line {}: {why}", i + 1);
            let line = line.map_err(|e| place(e.to_string()))?;
            let line = line.trim_start_matches('\u{feff}');
            let mut words = line.split_whitespace();
            let Some(first) = words.next().filter(|w| *w != "*") else { continue };
            let number = |word: &str| -> Result<u64, String> {
                let shown: String = word.chars().take(20).collect();
                word.parse().map_err(|_| place(format!("`{shown}` is not a key")))
            };
            let start = match first.parse() {
                Ok(key) => key,
                Err(_) if blocks => number(first)?,
                Err(_) => text_key(first),
            };
            let count = match words.next() {
                Some(word) if blocks => number(word)?,
                None if blocks => return Err(place("a block needs a start and a count".into())),
                Some(_) => return Err(place("one key per line is expected".into())),
                None => 1,
            };
            let end = start.checked_add(count).ok_or_else(|| place("the keys overflow".into()))?;
            for key in start..end {
                self.push(key).map_err(place)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_its_keys() {
        assert_eq!(keys("a.keys", &b"3\n\n 1 \r\n*\n3"[..], 9).unwrap(), [3, 1, 3]);
        let texts = keys("a.keys", &b"\xef\xbb\xbf7\n/home\n/img\n/home\n"[..], 9).unwrap();
        assert_eq!((texts[0], texts[1]), (7, texts[3]));
        assert_ne!(texts[1], texts[2]);
        assert_eq!(keys("a.lis.gz", &b"7 3 0 0\n2 1 0 1\n"[..], 9).unwrap(), [7, 8, 9, 2]);
        let mut record = [0u8; 48];
        (record[4], record[29]) = (5, 1);
        assert_eq!(keys("a.oracleGeneral.bin", &record[..], 9).unwrap(), [5, 256]);
    }

    #[test]
    fn what_is_no_key_is_refused_at_its_line() {
        let refused = |file, bytes: &[u8]| keys(file, bytes, 3).unwrap_err();
        assert_eq!(refused("a.lis", b"1 2 0 0\nx 2 0 0\n"), "line 2: `x` is not a key");
        assert_eq!(refused("a.keys", b"1 2\n"), "line 1: one key per line is expected");
        assert_eq!(refused("a.lis", b"1\n"), "line 1: a block needs a start and a count");
        assert_eq!(refused("a.lis", b"1 9 0 0\n"), "line 1: more than 3 keys in all");
        let left = refused("a.oracleGeneral", &[0; 30]);
        assert_eq!(left, "6 bytes are left after 1 records of 24");
    }
}
