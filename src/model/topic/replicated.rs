//! A log whose partitions have copies: messages that are not in the log yet, and how far each copy knows it.
//!
//! The copies agree on the order of entries by a protocol of replication; what they agreed on is appended.
//!
//! **Invariant.** A message is appended once, when its entry is committed, or never.

use std::collections::BTreeMap;

use crate::model::queue::post::Record;

/// A message that a leader has put in its place.
#[derive(Clone, Debug)]
struct Open {
    message: Record,
    /// When its leader had it, ns.
    since: u64,
}

/// What there is of a partition besides what is in the log.
#[derive(Clone, Debug, Default)]
struct Part {
    /// Index of the last entry that is committed.
    committed: u64,
    /// Messages of others, by the index and version of their entries.
    open: BTreeMap<(u64, u64), Open>,
}

/// The copies of the partitions of a log.
#[derive(Clone, Debug)]
pub struct Replicated {
    /// Copies of each partition.
    pub each: u16,
    /// Publishers are answered before their messages are in the log.
    pub early: bool,
    /// The instance where the groups are coordinated: who leads the first partition.
    pub coordinates: Option<u16>,
    /// A message whose work at its leader is done, and its version.
    pub offered: Option<(u64, Record)>,
    parts: Vec<Part>,
    /// Messages that publishers had been told of and that are lost: all, and those of the measured span.
    lost: (u64, u64),
    from: u64,
}

impl Replicated {
    /// So many of each of so many partitions.
    pub fn new((partitions, each): (u32, u16), early: bool, from: u64) -> Self {
        Self {
            each,
            early,
            coordinates: Some(0),
            offered: None,
            parts: vec![Part::default(); partitions as usize],
            lost: (0, 0),
            from,
        }
    }

    /// The partition an instance has a copy of.
    pub fn partition(&self, inst: u16) -> u32 {
        u32::from(inst / self.each)
    }

    /// The message offered has its place at a leader: an entry of this index.
    pub fn placed(&mut self, partition: u32, index: u64, now: u64) {
        let Some((version, message)) = self.offered.take() else { return };
        let open = &mut self.parts[partition as usize].open;
        open.insert((index, version), Open { message, since: now });
    }

    /// A leader has committed all up to an index, whose entries have these versions: the messages that are in the log now, in
    /// their order.
    pub fn commit(
        &mut self,
        partition: u32,
        upto: u64,
        version: impl Fn(u64) -> Option<u64>,
    ) -> Vec<Record> {
        let part = &mut self.parts[partition as usize];
        let mut came = Vec::new();
        for index in part.committed + 1..=upto {
            let found = version(index).and_then(|version| part.open.remove(&(index, version)));
            came.extend(found.map(|open| open.message));
        }
        part.committed = part.committed.max(upto);
        // Others have their places: they never come.
        let later = part.open.split_off(&(part.committed + 1, 0));
        for gone in std::mem::replace(&mut part.open, later).into_values() {
            if self.early {
                self.lost.0 += 1;
                self.lost.1 += u64::from(gone.since >= self.from);
            }
        }
        came
    }

    /// An instance leads nothing any more, as far as it knows.
    pub fn leads_no_more(&mut self, inst: u16) {
        self.coordinates = self.coordinates.filter(|at| *at != inst);
    }

    /// Messages that publishers had been told of and that are lost; those of the measured span.
    pub fn lost(&self, measured: bool) -> u64 {
        if measured { self.lost.1 } else { self.lost.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::Replicated;
    use crate::model::queue::post::Record;

    fn message(identity: u64) -> Record {
        let (key, size, sender, op, priority) = (0, 0, None, 0, 100);
        Record { identity, key, accepted: 0, order: 0, size, sender, op, priority, shows: None }
    }

    /// Two leaders put messages in the same places; the second one's log is what all agree on.
    #[test]
    fn what_another_leader_put_in_its_place_is_lost() {
        let mut copies = Replicated::new((1, 3), true, 20);
        for (index, version, at) in [(1, 11, 10), (2, 12, 10), (3, 13, 30)] {
            copies.offered = Some((version, message(version)));
            copies.placed(0, index, at);
        }
        let first = copies.commit(0, 1, |_| Some(11));
        assert_eq!(first.iter().map(|message| message.identity).collect::<Vec<_>>(), [11]);
        copies.offered = Some((99, message(99)));
        copies.placed(0, 4, 40);
        // An entry without a message begins the second one's term.
        let second = copies.commit(0, 4, |index| Some(if index == 4 { 99 } else { 0 }));
        assert_eq!(second.iter().map(|message| message.identity).collect::<Vec<_>>(), [99]);
        assert_eq!((copies.lost(false), copies.lost(true)), (2, 1));
    }
}
