//! One leader: its parts, of which each knows one thing.
//!
//! **Invariant.** Of what it learns only what is in the store, its log up to there, its life and the lives of others that
//! are over outlive the process.

use super::config::{COMPARE, Config, EXCHANGE};
use super::log::Log;
use super::message::{FIRST, Life, Message};
use super::peer::{Copy, Lane, Origin};
#[cfg(test)]
use super::state::State;
use super::store::Store;
use std::collections::BTreeSet;

use crate::replication::contract::{Context, Effect};
use crate::replication::exchange::Exchange;
use crate::replication::message::Message as Any;
use crate::replication::words::{Known, Peer, group};

/// A leader that has lost something asks all others for what they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Asks {
    /// The places of those who have not told all.
    pub(super) missing: Vec<u8>,
    /// Somebody has.
    pub(super) one: bool,
    /// The greatest place of its own log that any of them had taken.
    pub(super) base: u64,
    /// The greatest count of its own lives that any of them knows to be over.
    pub(super) over: u32,
    /// How long it waits before it asks again, ns.
    pub(super) wait: u64,
}

/// One of several leaders of a shard.
#[derive(Clone, Debug)]
pub struct MultiLeader {
    pub(super) config: Config,
    pub(super) me: Peer,
    /// Its place among the leaders of its shard.
    pub(super) place: u8,
    pub(super) life: Life,
    /// How many lives of it are over.
    pub(super) over: u32,
    pub(super) store: Store,
    pub(super) log: Log,
    /// All up to this place is certain, and when each entry leaves is drawn.
    pub(super) committed: u64,
    /// All up to this place has left.
    pub(super) left: u64,
    /// When the last of these leaves or left.
    pub(super) leaves: u64,
    /// The timer of the next one to leave is armed.
    pub(super) leaving: bool,
    /// When the timer of silent ones fires.
    pub(super) tick: Option<u64>,
    /// The others, by place.
    pub(super) copies: Vec<Copy>,
    /// What came of each leader's log, by place.
    pub(super) origins: Vec<Origin>,
    pub(super) lanes: Vec<Lane>,
    pub(super) asks: Option<Asks>,
    pub(super) exchange: Exchange,
    /// The last stamp given here.
    pub(super) stamped: u64,
    /// The number of the last chunk.
    pub(super) chunks: u64,
}

/// Sends a message.
pub(super) fn send(to: Peer, message: Message, cx: &mut Context<'_>) {
    cx.send(to, Any::MultiLeader(message));
}

/// The sending of a message.
pub(super) fn sending(to: Peer, message: Message) -> Effect {
    Effect::Send(to, Any::MultiLeader(message))
}

impl MultiLeader {
    /// The leader in this process, which is one of its shard's [`group`].
    pub fn new(config: Config, me: Peer) -> Self {
        config.check();
        let compares = config.anti_entropy.filter(|_| config.leaders > 1);
        Self {
            config,
            me,
            place: (me % config.leaders) as u8,
            life: FIRST,
            over: 0,
            store: Store::new(config),
            log: Log::default(),
            committed: 0,
            left: 0,
            leaves: 0,
            leaving: false,
            tick: None,
            copies: Vec::new(),
            origins: vec![Origin::default(); usize::from(config.leaders)],
            lanes: Vec::new(),
            asks: None,
            exchange: Exchange::new(compares, [COMPARE, EXCHANGE]),
            stamped: 0,
            chunks: 0,
        }
    }

    /// It knows the writes that it has done when they are asked for again: its own, and those that others shipped.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.store.table.done = Some(BTreeSet::new());
        self
    }

    /// Names the versions it holds as such: those of sets and counters have no names of their own.
    pub fn versions(&self, each: &mut dyn FnMut(u64)) {
        self.store.table.each(&mut |_, state| state.versions(each));
    }

    /// Names the keys that it holds, and how far each is.
    pub fn standings(&self, each: &mut dyn FnMut(u64, Known)) {
        self.store.table.each(&mut |key, state| each(key, state.known()));
    }

    /// How far what it holds of a key is.
    pub fn standing(&self, key: u64) -> Known {
        self.store.get(key).map_or_else(Known::default, |slot| slot.state.known())
    }

    /// The process of a place.
    pub(super) fn peer(&self, place: u8) -> Peer {
        group(self.me / self.config.leaders, self.config.leaders).start + u16::from(place)
    }

    /// The place of another leader of the shard.
    pub(super) fn place_of(&self, peer: Peer) -> Option<u8> {
        let n = self.config.leaders;
        (peer / n == self.me / n && peer != self.me).then_some((peer % n) as u8)
    }

    /// What is known of another leader.
    pub(super) fn copy(&mut self, place: u8) -> &mut Copy {
        let found = self.copies.iter_mut().find(|copy| copy.place == place);
        found.expect("all others are known")
    }

    /// All that it holds, by key.
    #[cfg(test)]
    pub fn held(&self) -> Vec<(u64, State)> {
        let keys = self.store.table.keys(|_| true);
        keys.into_iter().map(|key| (key, self.store.state(key))).collect()
    }

    /// What it holds of a key.
    #[cfg(test)]
    pub fn state(&self, key: u64) -> State {
        self.store.state(key)
    }

    /// Entries of its log that are kept, those of others that wait, what is not certain, and what waits for that.
    #[cfg(test)]
    pub fn pending(&self) -> (usize, usize, (usize, usize)) {
        let waits = self.origins.iter().map(|origin| origin.queue.len() + origin.early.len());
        (self.log.all.len(), waits.sum(), self.store.open())
    }

    /// Its life, and whether it has all that others can tell it.
    #[cfg(test)]
    pub fn is_whole(&self) -> (Life, bool) {
        (self.life, self.asks.is_none())
    }

    /// The places of the other leaders of its shard.
    pub(super) fn others(&self) -> impl Iterator<Item = u8> + use<> {
        let me = self.place;
        (0..self.config.leaders as u8).filter(move |place| *place != me)
    }
}
