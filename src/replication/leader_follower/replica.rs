//! One replica: what it keeps through a crash, what it knows in its [role](super::roles), and what is asked of both.
//!
//! **Invariant.** Nothing is spoken of that is not stored.

use super::config::{Config, DISK, REBUILD, RETRY};
use super::log::Log;
#[cfg(test)]
use super::message::Sent;
use super::message::{Message, Reign, State};
use super::roles::{Follow, Lead};
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Data;
use crate::replication::disk::{Disk, Mode};
use crate::replication::message::Message as Any;
use crate::replication::repairs::Repairs;
use crate::replication::words::{Law, Note, Peer, group};

/// A replica.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(super) config: Config,
    pub(super) me: Peer,
    /// The newest reign it heard of, or the epoch it was asked its position for.
    pub(super) reign: Reign,
    /// Who leads in it.
    pub(super) leader: Option<Peer>,
    /// It has no data: they are being copied.
    pub(super) rebuilds: bool,
    /// Its shard is restored when nobody has any.
    pub(super) backed_up: bool,
    /// It led in an earlier epoch and has not found out yet what of its log is void.
    pub(super) led: bool,
    pub(super) log: Log,
    pub(super) data: Data,
    /// Copies that were found damaged.
    pub(super) repairs: Repairs,
    pub(super) disk: Disk,
    /// All up to this place came by a copy, which is on the disk.
    pub(super) copied: u64,
    /// Set while it leads.
    pub(super) lead: Option<Lead>,
    pub(super) follow: Follow,
}

/// Sends a message.
pub(super) fn send(cx: &mut Context<'_>, to: Peer, message: Message) {
    cx.send(to, Any::LeaderFollower(message));
}

impl Replica {
    /// A replica in this process, which is one of its shard's [`group`].
    pub fn new(config: Config, me: Peer) -> Self {
        let first = group(me / config.replicas, config.replicas).start;
        Self {
            me,
            reign: Reign::of(1),
            leader: Some(first),
            rebuilds: false,
            backed_up: false,
            led: false,
            log: Log::default(),
            data: Data::default(),
            repairs: Repairs::default(),
            disk: Disk::new(config.disk, DISK),
            copied: 0,
            lead: None,
            follow: Follow::new(config.apply_lanes),
            config,
        }
    }

    /// It knows the writes that it has done when they are asked for again.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { data: Data::remembering(true), ..self }
    }

    /// What it has applied.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The same, to be damaged.
    pub fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// The place of a write in its log, if it is known to have one.
    pub fn done(&self, version: u64) -> Option<u64> {
        let open = || self.log.entries.iter().rev().find(|entry| entry.sent.version == version);
        self.data.done(version).or_else(|| open().map(|entry| entry.sent.place))
    }

    /// What it holds when all its log has taken effect.
    pub fn foreseen(&self) -> Data {
        self.log.data_at(self.log.last(), &self.data)
    }

    /// It takes writes, and reads as the leader.
    pub fn serves(&self, now: u64) -> bool {
        self.state(now) == Some(State::Serves)
    }

    /// If it follows: whom, in which reign, and up to which place that one's log is its own.
    #[cfg(test)]
    pub(crate) fn follows(&self) -> Option<(Option<Peer>, Reign, u64)> {
        self.follow.matched.map(|matched| (self.leader, self.reign, matched))
    }

    /// In which reign it leads.
    #[cfg(test)]
    pub(crate) fn reigns(&self) -> Option<Reign> {
        self.lead.as_ref().map(|_| self.reign)
    }

    /// The entries it keeps.
    #[cfg(test)]
    pub(crate) fn log(&self) -> (u64, Vec<Sent>) {
        (self.log.base, self.log.entries.iter().map(|entry| entry.sent).collect())
    }

    /// The other replicas of its shard.
    pub(super) fn others(&self) -> impl Iterator<Item = Peer> + use<> {
        let me = self.me;
        group(me / self.config.replicas, self.config.replicas).filter(move |peer| *peer != me)
    }

    /// The last place that is stored: it may be spoken of.
    pub(super) fn stored(&self) -> u64 {
        let last = self.log.last();
        if self.disk.suffices(last) { last } else { self.disk.certain().max(self.copied) }
    }

    /// Forgets entries that all have stored.
    pub(super) fn forget(&mut self, all: u64) -> usize {
        let safe = match self.config.disk {
            Mode::Never => u64::MAX,
            _ => self.disk.certain().max(self.copied),
        };
        self.log.forget(all.min(safe))
    }

    /// It hears of a newer reign.
    pub(super) fn adopt(&mut self, reign: Reign, leader: Option<Peer>, cx: &mut Context<'_>) {
        debug_assert!(reign >= self.reign, "the newest reign stays");
        if reign == self.reign {
            if self.leader.is_none() {
                self.leader = leader;
            }
            return;
        }
        if self.lead.is_some() {
            self.step_down(cx);
        }
        (self.reign, self.leader) = (reign, leader);
        self.follow.forget_leader();
        if self.rebuilds {
            self.stops_fetching();
            self.hurry(cx);
        }
    }

    /// Nothing is left.
    pub(super) fn lose_all(&mut self) {
        self.data.clear();
        self.log = Log::default();
        self.disk.cut(0);
        self.copied = 0;
    }

    /// Copies all data from now on: how long it takes is drawn.
    pub(super) fn rebuild(&mut self, cx: &mut Context<'_>) {
        self.rebuilds = true;
        self.lose_all();
        self.follow.lose_all();
        let takes = if self.config.paced.is_some() { 0 } else { cx.laws.draw(Law::Rebuild) };
        cx.act(Effect::Disarm(RETRY));
        cx.act(Effect::Arm(REBUILD, takes));
        cx.note(Note::Counted("rebuild"));
    }
}
