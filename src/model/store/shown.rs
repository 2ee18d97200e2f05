//! What a view with replicas shows, as whoever looks on tells when a version has come to it.
//!
//! **Invariant.** Of a shard that somebody leads a version is there once it is committed there, of one that nobody leads once
//! it has its stamp; what a later leader began without is not there any more.

use std::collections::BTreeMap;

use super::committed::Committed;
use crate::replication::process::Process;

/// A version that is there from now on: its key, what was there of it before, and the version; 0: nothing was.
pub type Shows = (u64, u64, u64);

/// A shard.
#[derive(Clone, Debug)]
struct Shard {
    log: Committed,
    /// By key: its place, and the version.
    newest: BTreeMap<u64, (u64, u64)>,
}

/// All shards.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Replicas of each.
    each: u16,
    /// One of them leads.
    led: bool,
    shards: Vec<Shard>,
}

impl Shown {
    /// Nothing is there yet. Of so many shards, of so many replicas each.
    pub fn new((shards, each): (usize, u16), led: bool) -> Self {
        let new = |shard| Shard { log: Committed::new(shard * each), newest: BTreeMap::new() };
        // Without a leader whoever coordinates a write is of no shard.
        let shards = if led { shards } else { 1 };
        Self { each, led, shards: (0..shards as u16).map(new).collect() }
    }

    /// The shard of an instance, if that leads it.
    fn led_by(&mut self, inst: u16) -> Option<&mut Shard> {
        // Observers are of no shard.
        let of = self.shards.get_mut(usize::from(inst / self.each))?;
        (of.log.leader.by == Some(inst)).then_some(of)
    }

    /// A key was given this version, in this place: what is there then.
    pub fn accepted(&mut self, inst: u16, (key, version, place): (u64, u64, u64)) -> Option<Shows> {
        if self.led {
            self.led_by(inst)?.log.written((key, version, place));
            return None;
        }
        self.shards[0].comes((key, version, place))
    }

    /// The log of a shard is committed up to a place: the next version that is there then, until there is none.
    pub fn committed(&mut self, inst: u16, upto: u64) -> Option<Shows> {
        let of = self.led_by(inst)?;
        let (place, key, version) = of.log.next(upto)?;
        of.comes((key, version, place))
    }

    /// Who leads a shard.
    pub fn leader(&self, shard: u16) -> Option<u16> {
        // Observers are of no shard.
        self.shards.get(usize::from(shard))?.log.leader.by
    }

    /// An instance leads its shard from now on, with the entries up to this place.
    pub fn leads(&mut self, (inst, process): (u16, &Process), (term, upto): (u64, u64)) {
        let of = &mut self.shards[usize::from(inst / self.each)];
        if !of.log.leads(inst, (term, upto)) || of.newest.values().all(|held| held.0 <= upto) {
            return;
        }
        let held: BTreeMap<u64, _> = process.foreseen().into_iter().collect();
        of.newest.retain(|key, newest| {
            if newest.0 > upto {
                *newest = held.get(key).map_or((0, 0), |item| (item.order, item.version));
            }
            newest.1 != 0
        });
    }

    /// An instance leads no more.
    pub fn leads_no_more(&mut self, inst: u16) {
        if let Some(of) = self.led_by(inst) {
            of.log.leader.leads_no_more(inst);
        }
    }
}

impl Shard {
    fn comes(&mut self, (key, version, place): (u64, u64, u64)) -> Option<Shows> {
        let newest = self.newest.entry(key).or_default();
        let before = *newest;
        if (place, version) <= before {
            return None;
        }
        *newest = (place, version);
        Some((key, before.1, version))
    }
}
