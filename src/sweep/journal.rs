//! The journal of a sweep: what all cells have in common, then a line for each finished cell.
//!
//! A line is a JSON object whose first member is the CRC-32C of all that follows it.
//!
//! **Invariant.** What is read was written so: a line that is torn at the end is left out, one that is damaged before
//! that is a mistake.

use crc::{CRC_32_ISCSI, Crc};
use serde::{Deserialize, Serialize};

use crate::results::{SweepPlan, SweptCell};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// What a line begins with, its sum aside.
const OPENING: &str = "{\"crc32c\":\"";
/// What is between the sum and what it is of.
const BETWEEN: &str = "\",";
/// Digits of a sum.
const DIGITS: usize = 8;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What is swept.
    #[serde(flatten)]
    pub plan: SweepPlan,
    /// Of which cells, `i/n`; of all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Its first line; none in an empty journal.
    pub head: Option<Head>,
    /// The cells, in the order they were finished.
    pub cells: Vec<SweptCell>,
    /// Bytes up to the end of the last whole line.
    pub sound: usize,
}

/// A value as a line, its end included.
///
/// # Panics
///
/// It is no JSON object with a member.
#[must_use]
pub fn line<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).expect("cells are maps of texts and numbers");
    let rest = text.strip_prefix('{').expect("a line is an object");
    let sum = CRC.checksum(rest.as_bytes());
    format!("{OPENING}{sum:0DIGITS$x}{BETWEEN}{rest}\n")
}

/// A line without its end, if its sum is right.
fn read<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Option<T> {
    let text = std::str::from_utf8(line).ok()?;
    let (sum, rest) = text.strip_prefix(OPENING)?.split_at_checked(DIGITS)?;
    let rest = rest.strip_prefix(BETWEEN)?;
    let right = format!("{:0DIGITS$x}", CRC.checksum(rest.as_bytes())) == sum;
    right.then(|| serde_json::from_str(text).ok())?
}

impl Journal {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is damaged before its last line: which line.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut journal = Self { head: None, cells: Vec::new(), sound: 0 };
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for (number, whole) in lines.enumerate() {
            let is_last = journal.sound + whole.len() == bytes.len();
            let sound = whole.strip_suffix(b"\n").is_some_and(|line| journal.add(line));
            if !sound && is_last {
                break;
            }
            if !sound {
                return Err(format!("line {} is damaged: its checksum differs", number + 1));
            }
            journal.sound += whole.len();
        }
        Ok(journal)
    }

    fn add(&mut self, line: &[u8]) -> bool {
        if self.head.is_none() {
            self.head = read(line);
            return self.head.is_some();
        }
        let cell = read(line);
        let sound = cell.is_some();
        self.cells.extend(cell);
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(cell: u64) -> SweptCell {
        SweptCell { cell, key: format!("k{cell}"), ..SweptCell::default() }
    }

    fn journal() -> (Head, String) {
        let plan = SweepPlan { sweep: "abc".to_owned(), cells: 3, ..SweepPlan::default() };
        let head = Head { plan, shard: None };
        let text = line(&head) + &line(&cell(0)) + &line(&cell(2));
        (head, text)
    }

    #[test]
    fn what_is_written_is_read() {
        let (head, text) = journal();
        let read = Journal::read(text.as_bytes()).unwrap();
        assert_eq!(read.head, Some(head));
        assert_eq!(read.cells, [cell(0), cell(2)]);
        assert_eq!(read.sound, text.len());
        // The known sum of `123456789`.
        assert_eq!(CRC.checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_line_torn_anywhere_at_the_end_is_left_out() {
        let (_, text) = journal();
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        for end in last..text.len() {
            let read = Journal::read(&text.as_bytes()[..end]).unwrap();
            assert_eq!((read.cells.len(), read.sound), (1, last), "{end}");
        }
        for end in 0..text.find('\n').unwrap() {
            assert_eq!(Journal::read(&text.as_bytes()[..end]).unwrap().sound, 0, "{end}");
        }
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let (_, text) = journal();
        let last = text.trim_end().rfind('\n').unwrap();
        for at in 0..last {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 4;
            assert!(Journal::read(&bytes).is_err(), "{at}");
        }
        // In the last line it is taken for torn.
        let mut bytes = text.into_bytes();
        bytes[last + 40] ^= 4;
        assert_eq!(Journal::read(&bytes).unwrap().cells.len(), 1);
    }
}
