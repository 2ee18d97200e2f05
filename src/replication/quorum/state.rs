//! One process: its parts, of which each knows one thing.
//!
//! **Invariant.** Of what it learns only what is in the store outlives the process.

use super::config::{Config, Stamp};
use super::stand_ins::StandIns;
use super::store::Store;
use super::table::{Set, Table};
use super::timer;
use crate::replication::damage::Strike;
use crate::replication::data::{Data, Item};
use crate::replication::exchange::Exchange;
use crate::replication::words::Peer;

/// How far the handing over is.
#[derive(Clone, Debug, Default)]
pub(super) struct Handing {
    /// Owners that answered since they were tried.
    pub(super) answer: Vec<Peer>,
    /// Hints before this one were sent since.
    pub(super) next: (Peer, u64),
    /// The timer for the next one is armed.
    pub(super) goes_on: bool,
    /// The timer for the next try is armed.
    pub(super) tries: bool,
}

/// A process: a replica, a coordinator of operations, or both.
#[derive(Clone, Debug)]
pub struct Quorum {
    pub(super) config: Config,
    pub(super) me: Peer,
    pub(super) store: Store,
    pub(super) table: Table,
    pub(super) stand_ins: StandIns,
    pub(super) handing: Handing,
    pub(super) exchange: Exchange,
    /// The last stamp given here.
    pub(super) stamped: u64,
    /// The stamps given to writes that are done once, where they are asked for and who asks is not another one next time.
    pub(super) given: Data,
}

impl Quorum {
    /// A process that is a replica, or one that only coordinates.
    pub fn new(config: Config, me: Peer, holds: bool) -> Self {
        assert!((1..=64).contains(&config.replicas), "a set of replicas is a word of bits");
        debug_assert_eq!(holds, me < config.shards * config.replicas, "replicas come first");
        let compares = config.anti_entropy.filter(|_| holds && config.replicas > 1);
        Self {
            config,
            me,
            store: Store::new(me, config.disk, config.anti_entropy.is_some() && holds),
            table: Table::default(),
            stand_ins: StandIns::default(),
            handing: Handing::default(),
            exchange: Exchange::new(compares, [timer::COMPARE, timer::EXCHANGE]),
            stamped: 0,
            given: Data::default(),
        }
    }

    /// It knows the writes that it has done when they are asked for again.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.store.remembering();
        self.given = Data::remembering(self.config.stamp == Stamp::Query && !self.holds());
        self
    }

    /// These stand in before others for replicas that do not answer: the replicas of all shards in its zone.
    #[must_use]
    pub fn near(mut self, near: Vec<Peer>) -> Self {
        self.stand_ins = StandIns::near(near);
        self
    }

    /// Names the versions it holds, for itself and for others.
    pub fn versions(&self, each: &mut dyn FnMut(u64)) {
        self.store.versions(each);
    }

    /// Names what it keeps for others.
    pub fn hinted(&self, each: &mut dyn FnMut(Peer, u64, Item)) {
        self.store.hints.all.iter().for_each(|((owner, key), kept)| each(*owner, *key, kept.item));
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        self.store.data()
    }

    /// What stood before the last write of each key is to be known.
    pub fn look_back(&mut self) {
        self.store.look_back();
    }

    /// Copies are damaged.
    pub fn strike(&mut self, strike: Strike) {
        self.store.strike(strike);
    }

    /// How many hints it keeps.
    #[cfg(test)]
    pub fn hints(&self) -> usize {
        self.store.hints.len()
    }

    /// Coordinations kept, and writes that are not certain.
    #[cfg(test)]
    pub fn pending(&self) -> (usize, usize) {
        (self.table.len(), self.store.open_writes())
    }

    /// It is a replica.
    pub(super) fn holds(&self) -> bool {
        self.me < self.config.shards * self.config.replicas
    }

    /// A replica's place in its shard.
    pub(super) fn bit(&self, owner: Peer) -> Set {
        1 << (owner % self.config.replicas)
    }
}
