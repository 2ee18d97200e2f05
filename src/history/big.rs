//! What a key with many writes has besides its chain: its versions in order, in blocks.
//!
//! A read of a hot key that lags far behind asks how many acknowledged versions are newer and which
//! of them was acknowledged first. Blocks answer in the number of newer blocks, and not of versions.
//! Those acknowledged while the read was under way do not count; the latest acknowledgements are kept
//! apart to take them off.
//!
//! **Invariant.** The blocks hold each row with a place and an acknowledgement once, in order.

use std::collections::VecDeque;

use super::place::Place;
use super::rows::{NEVER, Row};
use super::slab::Slab;

const FULL: usize = 64;

/// A key with many writes.
#[derive(Clone, Debug)]
pub struct Big {
    /// The row invoked last; the others are linked from it in any order.
    pub head: u32,
    /// How many rows there are.
    pub rows: u32,
    /// The first finish of all.
    pub first_finish: u64,
    /// The place of the last one in the blocks.
    newest: Place,
    blocks: Vec<Block>,
    /// The rows acknowledged last, in order of acknowledgement.
    recent: VecDeque<u32>,
    /// Whether `recent` has forgotten some.
    pruned: bool,
}

/// Neighbours in the order of versions.
#[derive(Clone, Debug)]
struct Block {
    /// The place of the first.
    first: Place,
    /// The earliest acknowledgement of them.
    acked_first: u64,
    rows: Vec<u32>,
}

/// How far a read is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Newer versions that were acknowledged before.
    pub versions: u64,
    /// The earliest acknowledgement among them.
    pub acked_first: u64,
}

impl Default for Big {
    fn default() -> Self {
        Self {
            head: super::slab::NONE,
            rows: 0,
            first_finish: NEVER,
            newest: Place::INITIAL,
            blocks: Vec::new(),
            recent: VecDeque::new(),
            pruned: false,
        }
    }
}

impl Big {
    /// From the chain of a key; `recent` is left empty, as if forgotten.
    #[must_use]
    pub fn from_chain(rows: &Slab<Row>, head: u32) -> Self {
        let mut big = Self { head, pruned: true, ..Self::default() };
        let mut settled = Vec::new();
        for (id, row) in super::rows::Chain::new(rows, head) {
            big.rows += 1;
            big.first_finish = big.first_finish.min(row.finish);
            settled.extend(row.place().zip(row.acked()).map(|(place, _)| (place, id)));
        }
        settled.sort_unstable();
        for (_, id) in settled {
            big.insert(rows, id);
        }
        big
    }

    /// A row was acknowledged.
    pub fn acknowledge(&mut self, id: u32) {
        if self.recent.len() >= (self.rows as usize / 8).clamp(8, 1024) {
            self.recent.pop_front();
            self.pruned = true;
        }
        self.recent.push_back(id);
    }

    /// Puts a row that has a place and an acknowledgement into the order.
    pub fn insert(&mut self, rows: &Slab<Row>, id: u32) {
        let (place, acked) = rows.get(id).settled().expect("settled rows only");
        if self.blocks.is_empty() || place > self.newest {
            self.newest = place;
            return self.append(place, acked, id);
        }
        let older = self.blocks.partition_point(|block| block.first <= place);
        let number = older.saturating_sub(1);
        let block = &mut self.blocks[number];
        let at = block.older(rows, place);
        if block.rows.len() == FULL {
            let upper = block.split(rows);
            self.blocks.insert(number + 1, upper);
            return self.insert(rows, id);
        }
        block.rows.insert(at, id);
        block.first = block.first.min(place);
        block.acked_first = block.acked_first.min(acked);
    }

    /// Puts a row behind all others. A full block is left full, so that blocks are where order and
    /// time agree.
    fn append(&mut self, place: Place, acked: u64, id: u32) {
        match self.blocks.last_mut() {
            Some(block) if block.rows.len() < FULL => {
                block.rows.push(id);
                block.acked_first = block.acked_first.min(acked);
            }
            _ => self.blocks.push(Block { first: place, acked_first: acked, rows: vec![id] }),
        }
    }

    /// The newest version acknowledged before an instant, and when.
    #[inline]
    #[must_use]
    pub fn newest(&self, rows: &Slab<Row>, before: u64) -> Option<(Place, u64)> {
        let newest_first = self.blocks.iter().rev().flat_map(|block| block.rows.iter().rev());
        newest_first.filter_map(|&id| rows.get(id).settled()).find(|&(_, acked)| acked < before)
    }

    /// What is newer than a place and was acknowledged before an instant.
    #[must_use]
    pub fn behind(&self, rows: &Slab<Row>, place: Place, before: u64) -> Behind {
        let newer = self.blocks.partition_point(|block| block.first <= place);
        let (mut versions, mut acked_first) = (0, NEVER);
        for block in &self.blocks[newer..] {
            versions += block.rows.len() as u64;
            acked_first = acked_first.min(block.acked_first);
        }
        if let Some(block) = newer.checked_sub(1).map(|number| &self.blocks[number]) {
            let rest = &block.rows[block.older(rows, place)..];
            versions += rest.len() as u64;
            let acked = rest.iter().filter_map(|&id| rows.get(id).acked());
            acked_first = acked.fold(acked_first, u64::min);
        }
        Behind { versions: versions - self.late(rows, place, before), acked_first }
    }

    /// How many versions newer than a place were acknowledged since an instant.
    fn late(&self, rows: &Slab<Row>, place: Place, since: u64) -> u64 {
        let is_late = |&id: &u32| {
            let row = rows.get(id);
            row.settled().is_some_and(|(other, acked)| other > place && acked >= since)
        };
        let oldest = self.recent.front().map_or(NEVER, |&id| rows.get(id).acked().unwrap_or(0));
        if self.pruned && oldest >= since {
            // More than we remember: those newer than the place are looked at one by one.
            let first = self.blocks.partition_point(|block| block.first <= place).saturating_sub(1);
            let blocks = self.blocks[first..].iter().flat_map(|block| &block.rows);
            return blocks.filter(|id| is_late(id)).count() as u64;
        }
        let since_then = |&&id: &&u32| rows.get(id).acked().is_some_and(|acked| acked >= since);
        let recent = self.recent.iter().rev().take_while(since_then);
        recent.filter(|id| is_late(id)).count() as u64
    }

    #[cfg(test)]
    /// What it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.rows.capacity() * 4).sum();
        blocks + self.blocks.capacity() * size_of::<Block>() + self.recent.capacity() * 4
    }
}

impl Block {
    /// How many of its rows are not newer than a place.
    fn older(&self, rows: &Slab<Row>, place: Place) -> usize {
        self.rows.partition_point(|&id| rows.get(id).place() <= Some(place))
    }

    /// Its upper half.
    fn split(&mut self, rows: &Slab<Row>) -> Self {
        let upper = self.rows.split_off(FULL / 2);
        let first_of =
            |ids: &[u32]| ids.iter().filter_map(|&id| rows.get(id).acked()).min().unwrap_or(NEVER);
        self.acked_first = first_of(&self.rows);
        let first = rows.get(upper[0]).place().expect("rows of a block have a place");
        Self { first, acked_first: first_of(&upper), rows: upper }
    }
}
