//! How long after the end of a fault the replicas of a store hold, of every key, the newest that any of them held then, or
//! something newer.
//!
//! What a replica holds is asked of it as the fault ends; of what it lacks the last key is looked at whenever it is told
//! anything, until it has that: so what it has all of is seen at once, and each key is looked at but once in vain each time.
//!
//! **Invariant.** Nothing of the model reads it, and without a fault that parts replicas there is nothing to it.

use std::collections::BTreeMap;

use super::group::{Group, Member};
use crate::{
    model::lasted::Lasted,
    replication::{Known, Peer, term_of},
};

/// Ends of one fault that are looked at, the first ones.
const MOST_HEALS: u32 = 100;

/// A fault is over.
#[derive(Debug)]
struct Heal {
    fault: usize,
    since: u64,
    /// By shard: the newest term that anybody led in.
    terms: Vec<u64>,
    /// By replica: keys, and how far it has to be with each.
    left: BTreeMap<Peer, Vec<(u64, Known)>>,
}

/// The replicas of a store after faults.
#[derive(Debug, Default)]
pub struct Healing {
    heals: Vec<Heal>,
    /// Faults that were over, and since when, as some shard had nothing: how far replicas have to be is known when that is
    /// restored.
    waiting: Vec<(usize, u64)>,
    /// By fault: how long it took at most, and how often it was looked at.
    over: BTreeMap<usize, (Lasted, u32)>,
}

impl Healing {
    /// A fault begins again: what it has left behind is not over yet.
    pub fn struck(&mut self, fault: usize) {
        let of_heals = self.heals.extract_if(.., |heal| heal.fault == fault).count();
        let of_waiting = self.waiting.extract_if(.., |one| one.0 == fault).count();
        if of_heals + of_waiting > 0 {
            self.took(fault, Lasted::Open);
        }
    }

    /// By fault: how long it took at most.
    pub fn measured(&self) -> BTreeMap<usize, Lasted> {
        let mut all: BTreeMap<usize, Lasted> =
            self.over.iter().map(|(fault, (lasted, _))| (*fault, *lasted)).collect();
        let open = self.heals.iter().map(|heal| heal.fault);
        let open = open.chain(self.waiting.iter().map(|one| one.0));
        open.for_each(|fault| all.entry(fault).or_default().add(Lasted::Open));
        all
    }

    /// A fault is over, and some shard has nothing that is to be restored.
    pub fn waits(&mut self, fault: usize, now: u64) {
        self.waiting.push((fault, now));
    }

    fn took(&mut self, fault: usize, lasted: Lasted) {
        self.over.entry(fault).or_default().0.add(lasted);
    }

    /// Those that nobody lacks anything of are over.
    fn settle(&mut self, now: u64) {
        let over = self.heals.extract_if(.., |heal| heal.left.is_empty());
        for Heal { fault, since, .. } in over.collect::<Vec<_>>() {
            self.took(fault, Lasted::For(now - since));
        }
    }

    /// A replica is dead: it is not waited for.
    pub fn died(&mut self, inst: Peer, now: u64) {
        self.heals.iter_mut().for_each(|heal| drop(heal.left.remove(&inst)));
        self.settle(now);
    }
}

impl Group {
    /// What was lost is restored: those are waited for that have to be rebuilt.
    pub fn restored(&mut self, counts: impl Fn(Peer) -> bool, now: u64) {
        for (fault, since) in std::mem::take(&mut self.healing.waiting) {
            self.healed(fault, &counts, (since, now));
        }
    }

    /// A fault is over, `since` then, that parted some of the replicas; those that do not count are dead.
    pub fn healed(
        &mut self,
        fault: usize,
        counts: impl Fn(Peer) -> bool,
        (since, now): (u64, u64),
    ) {
        let times = &mut self.healing.over.entry(fault).or_default().1;
        *times += 1;
        if *times > MOST_HEALS {
            return;
        }
        let shards = self.serving / usize::from(self.each);
        let terms = (0..shards).map(|shard| self.tally.newest_term(shard)).collect();
        let left = self.lacking(counts);
        self.healing.heals.push(Heal { fault, since, terms, left });
        self.healing.settle(now);
    }

    /// What each replica lacks.
    fn lacking(&self, counts: impl Fn(Peer) -> bool) -> BTreeMap<Peer, Vec<(u64, Known)>> {
        let holders = || self.members.iter().enumerate().map(|(i, member)| (i as Peer, member));
        let holders = || holders().filter(|(_, member)| !member.wiped);
        // By shard and key. Where there is a leader, its log says which writes there are.
        let mut newest: BTreeMap<(u16, u64), Known> = BTreeMap::new();
        let leaders: BTreeMap<u16, Peer> =
            self.tally.leaders().map(|inst| (self.shard(inst), inst)).collect();
        for (inst, member) in holders() {
            member.process.standings(inst, &mut |owner, key, known| {
                let shard = self.shard(owner);
                let held = newest.entry((shard, key)).or_default();
                if leaders.get(&shard).is_none_or(|leader| *leader == inst) {
                    *held = held.join(known);
                }
            });
        }
        let mut left: BTreeMap<Peer, Vec<(u64, Known)>> = BTreeMap::new();
        for (&(shard, key), &newest) in &newest {
            let replicas = shard * self.each..(shard + 1) * self.each;
            for inst in replicas.filter(|inst| counts(*inst)) {
                let held = self.standing(inst, key);
                let other = if self.led { held != newest } else { !newest.is_within(&held) };
                if other {
                    left.entry(inst).or_default().push((key, newest));
                }
            }
        }
        left
    }

    fn standing(&self, inst: Peer, key: u64) -> Known {
        let Member { process, wiped, .. } = &self.members[usize::from(inst)];
        if *wiped { Known::default() } else { process.standing(key) }
    }

    /// A replica was told something.
    #[inline]
    pub fn heals(&mut self, inst: Peer, now: u64) {
        if !self.healing.heals.is_empty() {
            self.looks(inst, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn looks(&mut self, inst: Peer, now: u64) {
        let mut heals = std::mem::take(&mut self.healing.heals);
        for heal in &mut heals {
            let Some(list) = heal.left.get_mut(&inst) else { continue };
            let term = heal.terms[usize::from(self.shard(inst))];
            while list.last().is_some_and(|lacked| self.is_there(inst, *lacked, term)) {
                list.pop();
            }
            if list.is_empty() {
                heal.left.remove(&inst);
            }
        }
        self.healing.heals = heals;
        self.healing.settle(now);
    }

    /// A replica is that far with a key, or nobody is any more. `term` is the one in which somebody led as the fault ended.
    fn is_there(&self, inst: Peer, (key, newest): (u64, Known), term: u64) -> bool {
        let held = self.standing(inst, key);
        let shard = self.shard(inst);
        if !self.led {
            let replicas = shard * self.each..(shard + 1) * self.each;
            let all = || replicas.map(|other| self.standing(other, key));
            return newest.is_within(&held)
                || !newest.is_within(&all().fold(Known::default(), Known::join));
        }
        // What an earlier leader wrote and the one of then had not is in a place that is beyond, and void.
        let beyond = held.order > newest.order && term_of(held.order) >= term;
        let leads = || self.tally.leaders().find(|leader| self.shard(*leader) == shard);
        held == newest || beyond || leads().is_some_and(|leader| held == self.standing(leader, key))
    }
}
