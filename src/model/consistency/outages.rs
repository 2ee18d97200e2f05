//! How long after a fault began data could be read and written again where that had failed.
//!
//! **Invariant.** Nothing of the model reads it; without a fault at work or over there is nothing to it.

use std::collections::BTreeMap;

use crate::model::{ids::NodeId, lasted::Lasted};

/// An operation that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The store and the shard of its key.
    pub shard: (NodeId, u16),
    /// It was no read.
    pub writes: bool,
    /// When it began, ns.
    pub began: u64,
    /// When it was answered; none: it failed.
    pub answered: Option<u64>,
}

/// Reads or writes of a shard since a fault began.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    /// One failed before any that began later was answered.
    failed: bool,
    /// When that was.
    back: Option<u64>,
}

/// Since a fault began.
#[derive(Debug, Default)]
struct Fault {
    since: u64,
    /// Reads and writes, by shard.
    shards: BTreeMap<(NodeId, u16), [Since; 2]>,
}

/// All that faults do.
#[derive(Debug, Default)]
pub struct Outages {
    /// By fault, since it last began.
    faults: BTreeMap<usize, Fault>,
    /// What came of it: reads and writes, by fault and store.
    measured: BTreeMap<(usize, NodeId), [Lasted; 2]>,
}

impl Since {
    fn lasted(self, since: u64) -> Lasted {
        match (self.failed, self.back) {
            (true, Some(back)) => Lasted::For(back - since),
            (true, None) => Lasted::Open,
            (false, _) => Lasted::For(0),
        }
    }
}

impl Outages {
    /// A fault begins.
    pub fn struck(&mut self, fault: usize, since: u64) {
        self.close(fault);
        self.faults.insert(fault, Fault { since, ..Fault::default() });
    }

    /// An operation is over.
    #[inline]
    pub fn ended(&mut self, ended: Ended) {
        for fault in self.faults.values_mut() {
            fault.ended(ended);
        }
    }

    fn close(&mut self, fault: usize) {
        let Some(Fault { since, shards, .. }) = self.faults.remove(&fault) else { return };
        for ((store, _), both) in shards {
            let measured = self.measured.entry((fault, store)).or_default();
            for (lasted, of) in measured.iter_mut().zip(both) {
                lasted.add(of.lasted(since));
            }
        }
    }

    /// What came of each fault in each store: of reads and of writes.
    pub fn measured(mut self) -> BTreeMap<(usize, NodeId), [Lasted; 2]> {
        while let Some(fault) = self.faults.keys().next().copied() {
            self.close(fault);
        }
        self.measured
    }
}

impl Fault {
    fn ended(&mut self, Ended { shard, writes, began, answered }: Ended) {
        let of = &mut self.shards.entry(shard).or_default()[usize::from(writes)];
        if of.back.is_some() {
            return;
        }
        match answered {
            None => of.failed = true,
            Some(_) if began < self.since => {}
            Some(at) => of.back = Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shard: u16, began: u64, answered: Option<u64>) -> Ended {
        Ended { shard: (3, shard), writes: false, began, answered }
    }

    #[test]
    fn an_outage_ends_with_the_first_answer_to_what_began_in_it() {
        let mut all = Outages::default();
        all.ended(read(0, 10, None)); // nothing was wrong
        all.struck(7, 100);
        all.ended(read(0, 90, Some(110))); // was under way
        all.ended(read(0, 120, None));
        all.ended(read(0, 130, Some(400)));
        all.ended(read(0, 450, None)); // was back before
        all.ended(read(1, 120, Some(125)));
        all.ended(read(1, 130, None)); // likewise
        all.ended(Ended { writes: true, ..read(2, 150, None) });
        let measured = all.measured();
        assert_eq!(measured.len(), 1);
        assert_eq!(measured[&(7, 3)], [Lasted::For(300), Lasted::Open]);
    }

    #[test]
    fn the_longest_of_several_times_counts() {
        let mut all = Outages::default();
        for (since, back) in [(100, 150), (1_000, 1_400), (2_000, 2_010)] {
            all.struck(0, since);
            all.ended(read(0, since, None));
            all.ended(read(0, since + 1, Some(back)));
        }
        all.struck(0, 3_000);
        assert_eq!(all.measured()[&(0, 3)], [Lasted::For(400), Lasted::For(0)]);
    }
}
