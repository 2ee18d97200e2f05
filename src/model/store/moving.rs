//! Keys of a store that move from shard to shard, because a planned change gave it another number of them.
//!
//! A shard hands its keys over one by one, in the order of their hashes: it reads one, sends it to the shard where it is
//! to be, which writes it and says so; from then on that one serves it, and until then the old one does. What was written
//! meanwhile is sent again, and then nobody may write the key until it has been taken.
//!
//! **Invariant.** Each key is served by one shard at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::handing::Handing;
use crate::{
    engine::random::mix,
    model::{
        books::MovedMeasured,
        demand::Demand,
        route::{Route, Shifting},
    },
};

/// What has not been taken for so long is sent again, ns.
const AGAIN: u64 = 5_000_000_000;
/// So long at its rate is the time of which a shard has the keys under way at once, at most, ns.
const UNDER_WAY: u64 = 1_000_000_000;

/// A key that was sent.
#[derive(Clone, Copy, Debug)]
struct Flight {
    since: u64,
    /// Nobody may write it.
    closed: bool,
    /// Which sending it is, and which replica was asked, where there are several.
    number: u64,
    asked: u16,
}

impl Flight {
    fn is_late(self, now: u64) -> bool {
        now >= self.since.saturating_add(AGAIN)
    }
}

/// A key that a shard is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The key.
    pub key: u64,
    /// Which sending it is, where shards have logs.
    pub number: u64,
    /// The instance to which it was sent before, if that has not answered for long.
    pub silent: Option<u16>,
}

/// A shard that hands over keys.
#[derive(Clone, Debug, Default)]
struct Source {
    /// Those it still serves, by their hashes.
    left: BTreeSet<(u64, u64)>,
    /// The one that was sent last.
    last: (u64, u64),
    /// Those that were sent and have not been taken, as far as it knows.
    under_way: BTreeMap<u64, Flight>,
    /// When each of those was sent, in order; some are under way no more.
    sent: VecDeque<(u64, u64)>,
    /// Those that were written while they were under way.
    written: VecDeque<u64>,
    /// Those that a replica did not take which does not lead, and whether nobody may write them.
    refused: VecDeque<(u64, bool)>,
}

/// Keys of a store that move.
#[derive(Debug)]
pub struct Moving {
    /// Hash of the store's name, for identities.
    site: u64,
    /// From one key that a shard hands over to the next, ns.
    pub every: u64,
    /// What it holds from the start: so many keys.
    keys: u64,
    /// Bytes of each.
    pub value: Option<Demand>,
    /// How many shards it has, or is about to have.
    shards: u16,
    /// The move that is under way, by shard that hands over: those that are not done.
    sources: BTreeMap<u16, Source>,
    /// When that began.
    began: Option<u64>,
    /// How its keys are to be found when that is over.
    then: Option<Route>,
    /// Instances whose timer is armed.
    pub armed: Vec<bool>,
    posted: u64,
    measured: MovedMeasured,
    /// Of shards with logs.
    pub logs: Option<Handing>,
}

impl Moving {
    /// Of a store that holds so many keys, each so large, and so many shards of the instances that there are; a shard hands
    /// one over every so many ns.
    pub fn new(
        (site, (every, keys)): (u64, (u64, u64)),
        (shards, instances): (u64, usize),
        value: Option<Demand>,
        logs: Option<Handing>,
    ) -> Self {
        Self {
            site,
            every,
            keys,
            value,
            shards: shards as u16,
            sources: BTreeMap::new(),
            began: None,
            then: None,
            armed: vec![false; instances],
            posted: 0,
            measured: MovedMeasured::default(),
            logs,
        }
    }

    /// The shard of an instance.
    pub fn shard(&self, inst: u16) -> u16 {
        self.logs.as_ref().map_or(inst, |logs| logs.shard(inst))
    }

    /// The instance that hands over the keys of a shard, if there is one.
    pub fn leader(&self, shard: u16) -> Option<u16> {
        self.logs.as_ref().map_or(Some(shard), |logs| logs.leader(shard))
    }

    /// The identity for draws of the next thing that is done.
    pub fn next_id(&mut self) -> u64 {
        self.posted += 1;
        mix(self.site ^ mix(self.posted))
    }

    /// The shard that serves a key.
    pub fn home(&self, key: u64, way: &Route) -> u16 {
        let Route::Shifting(way) = way else { return way.shard(key) };
        let from = way.from.shard(key);
        let serves = |source: &Source| source.left.contains(&(mix(key), key));
        if self.sources.get(&from).is_some_and(serves) { from } else { way.to.shard(key) }
    }

    /// Whether nobody may write a key that a shard serves, as it is about to be taken.
    pub fn is_closed(&self, shard: u16, key: u64, now: u64) -> bool {
        let flight = self.sources.get(&shard).and_then(|source| source.under_way.get(&key));
        flight.is_some_and(|flight| flight.closed && !flight.is_late(now))
    }

    /// It is to have so many shards, whose keys are found that way. `written` are keys that shards hold besides those of
    /// the start. Whether a move begins.
    pub fn begin(
        &mut self,
        (to, shards): (Route, u16),
        way: &mut Route,
        written: impl Iterator<Item = u64>,
        now: u64,
    ) -> bool {
        if shards == self.shards {
            return false;
        }
        self.shards = shards;
        if self.began.is_some() {
            self.then = Some(to);
            return false;
        }
        self.go(to, way, written, now);
        true
    }

    /// A move begins, when no other one is under way.
    pub fn go(&mut self, to: Route, way: &mut Route, written: impl Iterator<Item = u64>, now: u64) {
        let from = std::mem::replace(way, Route::Single);
        let beyond = written.filter(|key| !(1..=self.keys).contains(key));
        for key in (1..=self.keys).chain(beyond) {
            self.measured.held += 1;
            let here = from.shard(key);
            if to.shard(key) != here {
                self.sources.entry(here).or_default().left.insert((mix(key), key));
            }
        }
        let last = self.shard(self.armed.len().saturating_sub(1) as u16);
        let done = (0..=last).map(|shard| !self.sources.contains_key(&shard));
        let done = done.collect();
        *way = Route::Shifting(Box::new(Shifting { from, to, done }));
        (self.began, self.measured.over) = (Some(now), false);
    }

    /// Shards that have keys to hand over.
    pub fn sources(&self) -> Vec<u16> {
        self.sources.keys().copied().collect()
    }

    /// Whether an instance has.
    pub fn hands_over(&self, inst: u16) -> bool {
        let shard = self.shard(inst);
        self.sources.contains_key(&shard) && self.leader(shard) == Some(inst)
    }

    /// The next key that a shard sends, if it may.
    pub fn next(&mut self, shard: u16, now: u64) -> Option<Sending> {
        let every = self.every;
        let source = self.sources.get_mut(&shard)?;
        let mut silent = None;
        let (key, closed) = if let Some(refused) = source.refused.pop_front() {
            refused
        } else if let Some(key) = source.written.pop_front() {
            (key, true)
        } else if let Some((key, asked)) = source.late(now) {
            silent = Some(asked);
            (key, false)
        } else {
            let most = source.left.len().min((UNDER_WAY / every) as usize + 1);
            if source.under_way.len() >= most {
                return None;
            }
            (source.another()?, false)
        };
        let number = self.logs.as_mut().map_or(0, Handing::next_number);
        source.sent.push_back((now, key));
        source.under_way.insert(key, Flight { since: now, closed, number, asked: 0 });
        Some(Sending { key, number, silent })
    }

    /// A key cannot be sent as it is: from now on nobody may write it until it has been taken; whether it is still to be sent.
    pub fn closes(&mut self, from: u16, key: u64, number: u64) -> bool {
        let source = self.sources.get_mut(&from);
        let flight = source.and_then(|source| source.under_way.get_mut(&key));
        let flight = flight.filter(|flight| flight.number == number);
        flight.map(|flight| flight.closed = true).is_some()
    }

    /// A key that was read is sent to an instance.
    pub fn sends(&mut self, from: u16, key: u64, asked: u16) {
        let source = self.sources.get_mut(&from);
        if let Some(flight) = source.and_then(|source| source.under_way.get_mut(&key)) {
            flight.asked = asked;
        }
    }

    /// A key was not taken as it was sent then: it is sent again. The instance that did not.
    pub fn refused(&mut self, shard: u16, key: u64, number: u64) -> Option<u16> {
        let source = self.sources.get_mut(&shard)?;
        let flight = source.under_way.get(&key).filter(|flight| flight.number == number)?;
        let asked = flight.asked;
        source.refused.push_back((key, flight.closed));
        source.under_way.remove(&key);
        Some(asked)
    }

    /// A shard hears that a key was taken as it was sent then, `same` if what it holds of it is what was; whether it serves it no
    /// more.
    pub fn taken(&mut self, shard: u16, (key, number): (u64, u64), same: bool) -> bool {
        let Some(source) = self.sources.get_mut(&shard) else { return false };
        if source.under_way.get(&key).is_none_or(|flight| flight.number != number) {
            return false;
        }
        source.under_way.remove(&key);
        if !same {
            source.written.push_back(key);
            return false;
        }
        self.measured.keys += 1;
        self.measured.bytes += self.value.as_ref().map_or(0, |value| value.of_key(key));
        source.left.remove(&(mix(key), key))
    }

    /// Whether a shard has handed over all it had to; and then the move may be over, and another one begin.
    pub fn settle(&mut self, shard: u16, way: &mut Route, now: u64) -> Settled {
        if self.sources.get(&shard).is_none_or(|source| !source.left.is_empty()) {
            return Settled::No;
        }
        self.sources.remove(&shard);
        if let Route::Shifting(way) = way {
            way.done[usize::from(shard)] = true;
        }
        if self.sources.is_empty() { self.end(way, now) } else { Settled::No }
    }

    /// All keys are where they are to be.
    pub fn end(&mut self, way: &mut Route, now: u64) -> Settled {
        if let Route::Shifting(shifting) = std::mem::replace(way, Route::Single) {
            *way = shifting.to;
        }
        self.measured.time += self.began.take().map_or(0, |began| now - began);
        self.measured.over = true;
        self.then.take().map_or(Settled::Over, Settled::Next)
    }

    /// An instance died: what was under way there is read again.
    pub fn forget(&mut self, inst: u16) {
        self.armed[usize::from(inst)] = false;
        if self.logs.is_none() {
            self.begins_anew(inst);
        }
        self.leads_no_more(inst);
    }

    /// A replica leads its shard from now on, in this term: whether it is the last to have begun, and hands over what is left.
    pub fn leads(&mut self, inst: u16, term: u64) -> bool {
        let leader = self.logs.as_mut().and_then(|logs| logs.leader_of(inst));
        let leads = leader.is_some_and(|leader| leader.leads(inst, term));
        if leads {
            self.begins_anew(self.shard(inst));
        }
        leads
    }

    /// A replica leads no more.
    pub fn leads_no_more(&mut self, inst: u16) {
        let leader = self.logs.as_mut().and_then(|logs| logs.leader_of(inst));
        if leader.is_some_and(|leader| leader.leads_no_more(inst)) {
            self.begins_anew(self.shard(inst));
        }
    }

    /// What was under way from a shard is read again.
    fn begins_anew(&mut self, shard: u16) {
        if let Some(source) = self.sources.get_mut(&shard) {
            source.under_way.clear();
            source.sent.clear();
            source.written.clear();
            source.refused.clear();
        }
    }

    /// All that an instance held is gone: it has nothing to hand over.
    pub fn wiped(&mut self, inst: u16) {
        if let Some(source) = self.sources.get_mut(&inst) {
            source.left.clear();
        }
    }

    /// What was measured.
    pub fn measured(&self) -> MovedMeasured {
        self.measured
    }
}

/// What comes of a shard that has handed over a key.
#[derive(Debug)]
pub enum Settled {
    /// Others are on their way.
    No,
    /// That was the last one.
    Over,
    /// It was, and keys are to be found in another way again.
    Next(Route),
}

impl Source {
    /// A key that was sent and not taken for long, and whom it was sent to.
    fn late(&mut self, now: u64) -> Option<(u64, u16)> {
        loop {
            let &(since, key) = self.sent.front()?;
            let flight = self.under_way.get(&key).filter(|flight| flight.since == since);
            if flight.is_some_and(|flight| !flight.is_late(now)) {
                return None;
            }
            let asked = flight.map(|flight| flight.asked);
            self.sent.pop_front();
            if let Some(asked) = asked {
                return Some((key, asked));
            }
        }
    }

    /// The next one in order that is not under way.
    fn another(&mut self) -> Option<u64> {
        let after = (std::ops::Bound::Excluded(self.last), std::ops::Bound::Unbounded);
        let mut all = self.left.range(after).chain(self.left.range(..=self.last));
        let next = *all.find(|(_, key)| !self.under_way.contains_key(key))?;
        self.last = next;
        Some(next.1)
    }
}
