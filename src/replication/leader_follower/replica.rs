//! One replica: what it keeps through a crash, and who of [leader](super::lead) and [follower](super::follow) is told.
//!
//! **Invariant.** What `start` keeps is what was on the disk; the newest reign it heard of is written before it is
//! spoken of.

use super::follow::Follow;
use super::lead::Lead;
use super::log::Log;
use super::{Config, DISK, LEAVE, Message, REBUILD, RETRY, Reign, SEMI, State, TICK};
use crate::replication::data::Data;
use crate::replication::disk::{Disk, Mode};
use crate::replication::{
    APPLIED, Act, Answer, Context, Effect, Failure, Law, Message as Any, Note, Operation, Peer,
    Phase, Protocol, Start, Timer, group,
};

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
    /// It led in an earlier epoch and has not found out yet what of its log is void.
    pub(super) led: bool,
    pub(super) log: Log,
    pub(super) data: Data,
    pub(super) disk: Disk,
    /// All up to this place came by a copy, which is on the disk.
    pub(super) copied: u64,
    /// Set while it leads.
    pub(super) lead: Option<Lead>,
    pub(super) follow: Follow,
}

pub(super) fn send(cx: &mut Context<'_>, to: Peer, message: Message) {
    cx.act(Effect::Send(to, Any::LeaderFollower(message)));
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
            led: false,
            log: Log::default(),
            data: Data::default(),
            disk: Disk::new(config.disk, DISK),
            copied: 0,
            lead: None,
            follow: Follow::new(config.apply_lanes),
            config,
        }
    }

    /// It believes that it leads.
    pub fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// What it has applied.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// It takes writes, and reads as the leader.
    pub fn serves(&self, now: u64) -> bool {
        self.state(now) == Some(State::Serves)
    }

    /// If it follows: whom, in which reign, and up to which place that one's log is its own.
    #[cfg(test)]
    pub(crate) fn follows(&self) -> Option<(Option<Peer>, super::Reign, u64)> {
        self.follow.matched.map(|matched| (self.leader, self.reign, matched))
    }

    /// In which reign it leads.
    #[cfg(test)]
    pub(crate) fn reigns(&self) -> Option<super::Reign> {
        self.lead.as_ref().map(|_| self.reign)
    }

    /// The entries it keeps.
    #[cfg(test)]
    pub(crate) fn log(&self) -> (u64, Vec<super::Sent>) {
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
            self.hurry(cx);
        }
    }

    fn died(&mut self, empty: bool) {
        let left = self.disk.restart(empty).max(if empty { 0 } else { self.copied });
        self.log.cut(left, &mut self.data);
        if empty || left < self.log.base {
            self.lose_all();
        }
        self.follow = Follow::new(self.config.apply_lanes);
        let applied = self.log.entries.iter().take_while(|entry| entry.before.is_some()).last();
        self.follow.applied = applied.map_or(self.log.base, |entry| entry.sent.place);
        self.follow.dispatched = self.follow.applied;
    }

    /// Nothing is left.
    pub(super) fn lose_all(&mut self) {
        self.data.clear();
        self.log = Log::default();
        self.disk.cut(0);
        self.copied = 0;
    }

    fn again(&mut self, led: bool, empty: bool, cx: &mut Context<'_>) {
        let stays = led && self.config.failover.is_none();
        if led && (stays || !empty) {
            self.reign = self.reign.next();
            self.leader = Some(self.me);
        } else if led {
            (self.led, self.leader) = (false, None);
        }
        if empty || self.rebuilds {
            self.led = false;
            self.rebuild(cx);
            if stays && self.config.replicas > 1 {
                // Nobody else leads: it begins again with the data of the follower that has most.
                return;
            }
        }
        if led && (stays || !empty) {
            self.rebuilds = false;
            self.begin(cx);
        } else {
            self.dispatch(cx);
            self.ask(cx);
        }
    }

    fn read(&mut self, operation: Operation, phase: Phase, cx: &mut Context<'_>) {
        let leads = self.lead.is_some();
        let answer = if self.rebuilds || leads && !self.serves(cx.now) {
            Answer::Failed(Failure::NoLeader)
        } else if phase == Phase::Worked {
            Answer::Read(self.data.get(operation.key).version)
        } else if !leads && self.is_behind(cx.now) {
            self.leader.map_or(Answer::Failed(Failure::NoLeader), Answer::Elsewhere)
        } else {
            return cx.act(Effect::GoOn(operation.ticket));
        };
        cx.answer(operation.ticket, answer);
    }

    /// Copies all data from now on: how long it takes is drawn.
    pub(super) fn rebuild(&mut self, cx: &mut Context<'_>) {
        self.rebuilds = true;
        self.lose_all();
        self.follow.lose_all();
        let takes = cx.laws.draw(Law::Rebuild);
        cx.act(Effect::Disarm(RETRY));
        cx.act(Effect::Arm(REBUILD, takes));
        cx.note(Note::Counted("rebuild"));
    }
}

impl Protocol for Replica {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how == Start::First {
            self.follow.matched = Some(0);
            self.follow.complete = cx.now;
            if self.leader == Some(self.me) {
                self.lead = Some(Lead::first(self, cx.now));
                self.watch(cx);
            }
            return;
        }
        let led = self.leader == Some(self.me);
        self.lead = None;
        self.died(how == Start::Empty);
        self.again(led, how == Start::Empty, cx);
    }

    fn operation(&mut self, operation: Operation, phase: Phase, cx: &mut Context<'_>) {
        match operation.act {
            Act::Read => self.read(operation, phase, cx),
            Act::Write(_) if !self.serves(cx.now) => {
                cx.answer(operation.ticket, Answer::Failed(Failure::NoLeader));
            }
            Act::Write(_) if phase == Phase::Arrived => cx.act(Effect::GoOn(operation.ticket)),
            Act::Write(version) | Act::Delete(version) => self.write(operation, version, cx),
        }
    }

    fn message(&mut self, from: Peer, message: Any, cx: &mut Context<'_>) {
        let Any::LeaderFollower(message) = message else { return };
        match message {
            Message::Append { reign, .. }
            | Message::Batch { reign, .. }
            | Message::Beat { reign, .. }
            | Message::TooOld { reign, .. } => {
                if reign >= self.reign {
                    self.adopt(reign, Some(from), cx);
                    self.heard(message, cx);
                }
            }
            Message::Snapshot(snapshot) => self.install(*snapshot, from, cx),
            Message::Copy { reign } => self.copy(from, reign, cx),
            Message::Stored { reign, place } => self.acknowledged(from, reign, place, cx),
            Message::Ask { reign, place } => self.asked(from, reign, place, cx),
            Message::Ping => self.pong(from, cx),
            Message::Renewed { epoch, at } => self.renewed(from, epoch, at, cx),
            Message::Knows { leader, epoch, .. } => {
                if Reign::of(epoch) > self.reign {
                    self.adopt(Reign::of(epoch), Some(leader), cx);
                    self.ask(cx);
                }
            }
            Message::Position { epoch } => self.position(from, epoch, cx),
            Message::Lead { epoch } => self.promoted(from, epoch, cx),
            Message::Suspect { .. }
            | Message::Grant { .. }
            | Message::Granted { .. }
            | Message::At { .. }
            | Message::Pong { .. } => {}
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            DISK => {
                self.disk.timed(cx);
                if self.lead.is_some() { self.commit(cx) } else { self.settle(cx) }
            }
            LEAVE => self.leave(cx),
            TICK => self.tick(cx),
            SEMI => self.overdue(cx),
            RETRY => self.retry(cx),
            REBUILD => self.rebuilt(cx),
            _ => self.applied(timer - APPLIED, cx),
        }
    }
}
