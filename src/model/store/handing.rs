//! What shards with a log know of the keys that they hand over to one another.
//!
//! Whoever leads a shard hands over its keys, and whoever leads the one they go to enters each in its log, and says so when that
//! is as safe as a write is there before it is answered. Which shard serves a key is in a table that all replicas see and that
//! outlives them: it takes a handover from nobody but who began to lead last.
//!
//! **Invariant.** What was sent earlier never takes the place of what was sent later.

use std::collections::{BTreeMap, BTreeSet};

use super::leader::Leader;
use crate::model::ids::Slot;

/// Tells the entry by which a key comes that nobody has written from the key.
const BARE: u64 = 0x8cb9_2ba7_2f3d_8dd7;

/// Keys that go from log to log.
#[derive(Debug)]
pub struct Handing {
    each: u16,
    /// Who leads each shard, and so hands over its keys.
    leaders: Vec<Leader>,
    sent: u64,
    /// Keys that are on their way: which sending was entered last.
    entered: BTreeMap<u64, u64>,
    /// Keys that have come to a shard, and where they stand in its log.
    places: BTreeMap<u64, (u16, u64)>,
    /// What is about to get its place in a log: its key and version there, and the frame of the key.
    entering: Option<((u64, u64), Slot)>,
    /// Where entries stand of keys that nobody has written.
    bare: BTreeSet<u64>,
    /// If writes that were done are to be known when they are asked for again: the versions of each key, and those that were
    /// done before it moved.
    written: Option<BTreeMap<u64, Vec<u64>>>,
    done: BTreeSet<u64>,
}

impl Handing {
    /// Of so many shards of so many replicas each, the first of which leads; whether writes that were done are to be known.
    pub fn new(shards: u16, each: u16, remembers: bool) -> Self {
        Self {
            each,
            leaders: (0..shards).map(|shard| Leader::new(shard * each)).collect(),
            sent: 0,
            entered: BTreeMap::new(),
            places: BTreeMap::new(),
            entering: None,
            bare: BTreeSet::new(),
            written: remembers.then(BTreeMap::new),
            done: BTreeSet::new(),
        }
    }

    /// The shard of a replica.
    pub fn shard(&self, inst: u16) -> u16 {
        inst / self.each
    }

    /// Who hands over the keys of a shard.
    pub fn leader(&self, shard: u16) -> Option<u16> {
        self.leaders.get(usize::from(shard)).and_then(|leader| leader.by)
    }

    /// What is known of who leads the shard of an instance. Observers are of no shard.
    pub fn leader_of(&mut self, inst: u16) -> Option<&mut Leader> {
        self.leaders.get_mut(usize::from(inst / self.each))
    }

    /// The number of the next sending.
    pub fn next_number(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Whether a key may be entered as it was sent then.
    pub fn may_enter(&self, key: u64, number: u64) -> bool {
        self.entered.get(&key).is_none_or(|last| *last <= number)
    }

    /// The key of a frame is entered as it was sent then, at this version; 0 if nobody has written it: what is written to the
    /// log.
    pub fn enters(&mut self, slot: Slot, key: u64, (number, version): (u64, u64)) -> (u64, u64) {
        self.entered.insert(key, number);
        let mut entry = (key, version);
        if version == 0 {
            entry = (key ^ BARE, number);
            self.bare.insert(entry.0);
        }
        self.entering = Some((entry, slot));
        entry
    }

    /// A log has given a place to this: the frame of the key, if one comes by that.
    pub fn gets_place(&mut self, entry: (u64, u64)) -> Option<Slot> {
        self.entering.take_if(|(entering, _)| *entering == entry).map(|(_, slot)| slot)
    }

    /// What was to be entered has its place, or will have none.
    pub fn has_entered(&mut self) {
        self.entering = None;
    }

    /// Whether this is no key, but where an entry stands of one that nobody has written.
    pub fn is_bare(&self, key: u64) -> bool {
        self.bare.contains(&key)
    }

    /// A key was written, at whoever leads.
    pub fn writes(&mut self, key: u64, version: u64) {
        if let Some(written) = &mut self.written {
            written.entry(key).or_default().push(version);
        }
    }

    /// A key is served by another shard from now on, where it has this place in the log; what of its versions was done before.
    pub fn has_come(&mut self, key: u64, (to, place): (u16, u64), done: impl Fn(u64) -> bool) {
        self.entered.remove(&key);
        self.places.insert(key, (to, place));
        let versions = self.written.as_mut().and_then(|written| written.remove(&key));
        self.done.extend(versions.into_iter().flatten().filter(|version| done(*version)));
    }

    /// Up to where a replica of a shard has to have come to know of a key, 0 if it has it from the start.
    pub fn place(&self, shard: u16, key: u64) -> u64 {
        self.places.get(&key).filter(|place| place.0 == shard).map_or(0, |place| place.1)
    }

    /// Whether a version was written before its key moved.
    pub fn is_done(&self, version: u64) -> bool {
        self.done.contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_replica_of_each_shard_leads_at_first() {
        let mut all = Handing::new(2, 3, false);
        assert_eq!((all.leader(0), all.leader(1), all.shard(5)), (Some(0), Some(3), 1));
        assert!(all.leader_of(5).is_some_and(|leader| leader.leads(5, 2)));
        assert_eq!(all.leader(1), Some(5));
        // An observer.
        assert!(all.leader_of(6).is_none() && all.leader(2).is_none());
    }

    #[test]
    fn what_was_sent_earlier_takes_no_later_ones_place() {
        let mut all = Handing::new(2, 1, true);
        let (first, second) = (all.next_number(), all.next_number());
        assert_eq!(all.enters(3, 7, (second, 70)), (7, 70));
        assert_eq!(all.gets_place((7, 71)), None);
        assert_eq!((all.gets_place((7, 70)), all.gets_place((7, 70))), (Some(3), None));
        assert!(all.may_enter(7, second) && !all.may_enter(7, first) && all.may_enter(8, first));
        let (at, _) = all.enters(4, 8, (first, 0));
        assert!(at != 8 && all.is_bare(at) && !all.is_bare(8));
        all.writes(7, 69);
        all.writes(7, 70);
        all.has_come(7, (1, 30), |version| version == 70);
        assert_eq!((all.place(1, 7), all.place(0, 7), all.place(1, 8)), (30, 0, 0));
        assert!(all.is_done(70) && !all.is_done(69));
    }
}
