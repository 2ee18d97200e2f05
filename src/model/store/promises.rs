//! What the shards of a store have promised to transactions: which keys are locked, and who waits for them.
//!
//! **Invariant.** A key is locked by one transaction at a time; what was promised outlives the process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::records::Records;
use crate::{
    engine::random::mix,
    model::{
        books::Area,
        consistency::spec::Access,
        ids::{Host, NONE, Slot},
        replication::letters::{Change, PartOf},
    },
    stats::Histogram,
};

/// A shard, or the replica of one that leads, and a key of it.
pub type Place = (u16, u64);

/// How far a promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is in the log of a replica that began to lead with it: whether it stands is not known there.
    Found,
    /// Its entry is under way.
    Enters,
    /// It stands, whatever happens: somebody has voted by it.
    Stands,
    /// The entry that ends it is under way.
    Ends,
}

/// What a shard has promised.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Who decides.
    pub coordinator: Host,
    /// What it is to write then.
    pub change: Change,
    /// An earlier attempt at the same wrote it already.
    pub written: bool,
    /// Since when, ns.
    pub since: u64,
    /// The frame that waits for the time to ask.
    pub timer: Slot,
    /// How often it has asked how it was decided.
    pub asked: u64,
    /// How far it is.
    pub stage: Stage,
}

/// Who waits for a key.
#[derive(Clone, Copy, Debug)]
pub enum Waiter {
    /// Who is to take part in a transaction: the frame, and which that is.
    Part(Slot, u64),
    /// A visit that writes it: the frame, its identity, and since when, ns.
    Visit(Slot, u64, Access, u64),
}

/// A key that is locked.
#[derive(Clone, Debug)]
pub struct Lock {
    /// By which transaction.
    pub by: u64,
    /// What is promised to it, once that is.
    pub promise: Option<Promise>,
    /// Who waits, in order of arrival.
    queue: VecDeque<Waiter>,
}

impl Lock {
    /// A transaction has it, and has been promised what it is to write.
    pub fn is_promised_to(&self, part: &PartOf) -> bool {
        self.by == part.transaction && self.promise.is_some()
    }
}

/// What all shards of a store have promised.
#[derive(Clone, Debug)]
pub struct Promises {
    locks: BTreeMap<Place, Lock>,
    /// Parts of transactions that are over, whatever became of them.
    over: BTreeSet<u64>,
    /// Who waits for keys, by shard.
    waiting: Vec<Area>,
    /// How long keys were locked from the promise until it was known how it was decided, ns.
    in_doubt: Histogram,
    /// Start of the measured span, ns.
    pub from: u64,
    /// Of replicas, whose locks are those of whoever leads: what the logs say.
    pub records: Option<Records>,
}

/// What a key that is free again goes to.
#[derive(Debug, Default)]
pub struct Freed {
    /// Visits that were before, with the time they have waited, ns.
    pub visits: Vec<(Slot, u64, Access, u64)>,
    /// The next who takes part in a transaction.
    pub next: Option<Slot>,
}

fn hashed(part: &PartOf) -> u64 {
    mix(part.transaction ^ mix(part.key))
}

impl Promises {
    /// Of so many shards, or replicas of some, none of which has promised anything.
    pub fn new(shards: usize, replicas: bool, from: u64) -> Self {
        Self {
            locks: BTreeMap::new(),
            over: BTreeSet::new(),
            waiting: vec![Area::default(); shards],
            in_doubt: Histogram::default(),
            from,
            records: replicas.then(Records::default),
        }
    }

    /// A key that is locked.
    pub fn lock(&mut self, place: Place) -> Option<&mut Lock> {
        self.locks.get_mut(&place)
    }

    /// Whether a part of a transaction is over here.
    pub fn is_over(&self, part: &PartOf) -> bool {
        self.over.contains(&hashed(part))
    }

    /// A part of one is over from now on; if it had been promised, what was.
    pub fn end(&mut self, shard: u16, part: &PartOf, now: u64) -> Option<Promise> {
        self.over.insert(hashed(part));
        let lock = self.locks.get_mut(&(shard, part.key));
        let promise = lock.filter(|lock| lock.by == part.transaction)?.promise.take()?;
        if now >= self.from {
            self.in_doubt.record(now - promise.since);
        }
        Some(promise)
    }

    /// A replica leads no more: those who waited at it, the locks that it had, and the frames that wait to ask.
    pub fn leads_no_more(&mut self, inst: u16, now: u64) -> (Vec<(u64, Waiter)>, Vec<Slot>) {
        let (mut waited, mut timers) = (Vec::new(), Vec::new());
        let all = self.locks.range((inst, 0)..=(inst, u64::MAX));
        let all: Vec<Place> = all.map(|(place, _)| *place).collect();
        for place in all {
            let Some(lock) = self.locks.remove(&place) else { continue };
            timers.extend(lock.promise.map(|promise| promise.timer));
            for waiter in lock.queue {
                self.waiting[usize::from(inst)].leave(now);
                waited.push((place.1, waiter));
            }
        }
        (waited, timers)
    }

    /// A replica that begins to lead has found a promise in its log.
    pub fn found(&mut self, place: Place, by: u64, promise: Promise) {
        let queue = VecDeque::new();
        self.locks.insert(place, Lock { by, promise: Some(promise), queue });
    }

    /// Locks a key for a transaction, if it is free.
    pub fn take(&mut self, place: Place, by: u64) -> bool {
        let free = !self.locks.contains_key(&place);
        if free {
            self.locks.insert(place, Lock { by, promise: None, queue: VecDeque::new() });
        }
        free
    }

    /// Somebody waits for a key that is locked.
    pub fn wait(&mut self, place: Place, waiter: Waiter, now: u64) {
        if let Some(lock) = self.locks.get_mut(&place) {
            lock.queue.push_back(waiter);
            self.waiting[usize::from(place.0)].enter(now);
        }
    }

    /// Whether a transaction waits for a key already.
    pub fn is_waiting(&self, place: Place, transaction: u64) -> bool {
        let lock = self.locks.get(&place);
        let is_it = |waiter: &Waiter| matches!(waiter, Waiter::Part(_, of) if *of == transaction);
        lock.is_some_and(|lock| lock.queue.iter().any(is_it))
    }

    /// A transaction waits for a key no longer: the frame that did.
    pub fn stop_waiting(&mut self, place: Place, transaction: u64, now: u64) -> Option<Slot> {
        let is_it = |waiter: &Waiter| matches!(waiter, Waiter::Part(_, of) if *of == transaction);
        match self.leave(place, now, is_it)? {
            Waiter::Part(slot, _) | Waiter::Visit(slot, ..) => Some(slot),
        }
    }

    /// A visit was called off.
    pub fn call_off(&mut self, place: Place, slot: Slot, now: u64) {
        let is_it = |waiter: &Waiter| matches!(waiter, Waiter::Visit(one, ..) if *one == slot);
        self.leave(place, now, is_it);
    }

    fn leave(&mut self, place: Place, now: u64, is: impl Fn(&Waiter) -> bool) -> Option<Waiter> {
        let queue = &mut self.locks.get_mut(&place)?.queue;
        let waiter = queue.remove(queue.iter().position(is)?);
        self.waiting[usize::from(place.0)].leave(now);
        waiter
    }

    /// A transaction gives a key back: who has it now.
    pub fn free(&mut self, place: Place, now: u64) -> Freed {
        let mut freed = Freed::default();
        let Some(lock) = self.locks.get_mut(&place) else { return freed };
        while let Some(waiter) = lock.queue.pop_front() {
            self.waiting[usize::from(place.0)].leave(now);
            match waiter {
                Waiter::Visit(slot, id, access, since) => {
                    freed.visits.push((slot, id, access, now - since));
                }
                Waiter::Part(slot, by) => {
                    (lock.by, lock.promise, freed.next) = (by, None, Some(slot));
                    return freed;
                }
            }
        }
        self.locks.remove(&place);
        freed
    }

    /// The process of a shard is gone: what it had promised stays; what is in a log is found there.
    pub fn forget(&mut self, shard: u16, now: u64) {
        self.waiting[usize::from(shard)].clear(now);
        if self.records.is_some() {
            return self.locks.retain(|place, _| place.0 != shard);
        }
        self.locks.retain(|place, lock| {
            if place.0 == shard {
                lock.queue.clear();
                if let Some(promise) = &mut lock.promise {
                    promise.timer = NONE;
                }
            }
            place.0 != shard || lock.promise.is_some()
        });
    }

    /// All that a shard holds is gone, on disk too.
    pub fn wipe(&mut self, shard: u16) {
        if self.records.is_some() {
            return;
        }
        self.locks.iter_mut().filter(|(place, _)| place.0 == shard).for_each(|(_, lock)| {
            lock.promise = None;
        });
    }

    /// What a shard has promised: the transactions, and the keys.
    pub fn of(&self, shard: u16) -> Vec<(u64, u64)> {
        let all = self.locks.range((shard, 0)..=(shard, u64::MAX));
        let promised = all.filter(|(_, lock)| lock.promise.is_some());
        promised.map(|(place, lock)| (lock.by, place.1)).collect()
    }

    /// What was promised to be written.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        let own = self.locks.values().filter(|_| self.records.is_none());
        own.filter_map(|lock| Some(lock.promise?.change.version))
    }

    /// Integral of those who wait for keys of a shard from time 0, frame-ns.
    pub fn waited(&self, shard: usize, now: u64) -> u128 {
        self.waiting[shard].until(now)
    }

    /// How long keys were in doubt; those that are, up to now.
    pub fn in_doubt(&self, now: u64) -> Histogram {
        if let Some(records) = &self.records {
            return records.in_doubt(now);
        }
        let mut all = self.in_doubt.clone();
        let open = self.locks.values().filter_map(|lock| lock.promise);
        open.for_each(|promise| all.record(now - promise.since));
        all
    }
}
