//! What the logs of a store with replicas say of transactions: beside each key that one has written stands a record of its lock.
//!
//! A promise is an entry that writes the record, that it is dropped another one. What is promised is done by the entry that
//! writes the key. So a key is locked in a log whose last entry about the key or its record is a promise, and whatever
//! hands on what keys hold hands on promises.
//!
//! **Invariant.** What an entry says never changes: its version names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::random::mix,
    model::{
        ids::Host,
        replication::letters::{Change, PartOf},
    },
    replication::{data::Item, process::Process},
    stats::Histogram,
};

/// Tells the record of a key's lock from the key, and the record of ends of which no promise was known.
const LOCKS: u64 = 0x9e37_79b9_7f4a_7c15;
const ENDS: u64 = 0xd1b5_4a32_d192_ed03;
/// Tells versions of records apart.
const PROMISED: u64 = 0xa076_1d64_78bd_642f;
const DROPPED: u64 = 0xe703_7ed1_a0b4_28db;
const ENDED: u64 = 0x8ebc_6af0_9c88_c6e3;

/// What a promise says.
#[derive(Clone, Copy, Debug)]
pub struct Promised {
    /// The transaction.
    pub transaction: u64,
    /// The key.
    pub key: u64,
    /// Who decides.
    pub coordinator: Host,
    /// What is to be written.
    pub change: Change,
    /// An earlier attempt at the same wrote it already.
    pub written: bool,
}

/// What is to be written to a log: a key, or a record, and the version.
pub type Entry = (u64, u64);

/// All that was said of transactions in the logs of a store.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Promises, by version.
    promised: BTreeMap<u64, Promised>,
    /// Places of records.
    places: BTreeSet<u64>,
    /// Parts of transactions that somebody has voted for, by shard, and since when, ns.
    doubt: BTreeMap<(u16, u64, u64), u64>,
    /// How long those were in doubt that are no more, ns.
    in_doubt: Histogram,
}

fn version(part: &PartOf, kind: u64) -> u64 {
    mix(part.transaction ^ mix(part.key ^ kind)).max(1)
}

/// The version of the promise of a part, which was written by an earlier attempt at the same or not.
fn promises(part: &PartOf, written: bool) -> u64 {
    version(part, PROMISED ^ u64::from(written))
}

impl Records {
    /// The entry that promises something.
    pub fn promise(&mut self, part: &PartOf, coordinator: Host, what: (Change, bool)) -> Entry {
        let (&PartOf { transaction, key, .. }, (change, written)) = (part, what);
        let entry = (key ^ LOCKS, promises(part, written));
        let promised = Promised { transaction, key, coordinator, change, written };
        self.promised.insert(entry.1, promised);
        self.places.insert(entry.0);
        entry
    }

    /// The entry by which what was promised is dropped, or is over as it was written before.
    pub fn drop(part: &PartOf) -> Entry {
        (part.key ^ LOCKS, version(part, DROPPED))
    }

    /// The entry that says that a part is over of which no promise is known.
    pub fn end(&mut self, part: &PartOf) -> Entry {
        let entry = (part.key ^ ENDS, version(part, ENDED));
        self.places.insert(entry.0);
        entry
    }

    /// Whether this is no key, but the place of a record.
    pub fn has(&self, key: u64) -> bool {
        self.places.contains(&key)
    }

    /// Whether the log of a replica says that a part is over.
    pub fn is_over(part: &PartOf, change: &Change, process: &Process) -> bool {
        process.done(version(part, DROPPED)).is_some()
            || !change.once && process.done(change.version).is_some()
    }

    /// Whether a part is promised in the log of a replica, or was.
    pub fn is_in_log(part: &PartOf, written: bool, process: &Process) -> bool {
        process.done(promises(part, written)).is_some()
    }

    /// The place of what a part was to write in the log of a replica, if that is known.
    pub fn order(&self, part: &PartOf, process: &Process) -> Option<u64> {
        let promised = [false, true].map(|written| self.promised.get(&promises(part, written)));
        process.done(promised.into_iter().flatten().next()?.change.version)
    }

    /// What a log promises that neither was written nor dropped, by key: of what holds this when all of it has taken effect.
    pub fn open(&self, held: &[(u64, Item)]) -> Vec<Promised> {
        let order = |key: u64| {
            let at = held.binary_search_by_key(&key, |(key, _)| *key);
            at.map_or(0, |at| held[at].1.order)
        };
        let open = |(_, item): &(u64, Item)| {
            let promised = self.promised.get(&item.version)?;
            (order(promised.key) < item.order).then_some(*promised)
        };
        let mut all: Vec<Promised> = held.iter().filter_map(open).collect();
        all.sort_unstable_by_key(|promised| promised.key);
        all
    }

    /// The versions that transactions were to write, as far as that was promised.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.promised.values().map(|promised| promised.change.version)
    }

    /// Somebody votes for a part.
    pub fn doubts(&mut self, shard: u16, part: &PartOf, now: u64) {
        self.doubt.entry((shard, part.transaction, part.key)).or_insert(now);
    }

    /// It is known how a part was decided.
    pub fn knows(&mut self, shard: u16, part: &PartOf, (now, measured): (u64, bool)) {
        self.ends_doubt((shard, part.transaction, part.key), (now, measured));
    }

    fn ends_doubt(&mut self, part: (u16, u64, u64), (now, measured): (u64, bool)) {
        if let Some(since) = self.doubt.remove(&part).filter(|_| measured) {
            self.in_doubt.record(now - since);
        }
    }

    /// Whoever leads a shard holds these promises and no others.
    pub fn are_left(&mut self, shard: u16, open: &[Promised], when: (u64, bool)) {
        let all = self.doubt.range((shard, 0, 0)..=(shard, u64::MAX, u64::MAX));
        let is = |&&(_, transaction, key): &&(u16, u64, u64)| {
            let is_it = |one: &Promised| (one.transaction, one.key) == (transaction, key);
            !open.iter().any(is_it)
        };
        let gone: Vec<(u16, u64, u64)> = all.map(|(one, _)| one).filter(is).copied().collect();
        for one in gone {
            self.ends_doubt(one, when);
        }
    }

    /// How long keys were in doubt; those that are, up to now.
    pub fn in_doubt(&self, now: u64) -> Histogram {
        let mut all = self.in_doubt.clone();
        self.doubt.values().for_each(|since| all.record(now - since));
        all
    }
}
