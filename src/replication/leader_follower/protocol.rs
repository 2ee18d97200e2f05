//! What a replica is told, and who of [leader](super::lead) and [follower](super::follow) hears of it.
//!
//! **Invariant.** What `start` keeps is what was on the disk; the newest reign it heard of is written before it is
//! spoken of.

use super::config::{DISK, LEAVE, REBUILD, RETRY, SEMI, TICK};
use super::message::{Message, Reign};
use super::replica::{Replica, send};
use super::roles::{Follow, Lead};
use crate::replication::contract::{Context, Effect, Protocol};
use crate::replication::message::Message as Any;
use crate::replication::repairs::{MENDED, Repairs};
use crate::replication::words::{
    APPLIED, Act, Answer, Failure, Known, Level, Operation, Peer, Phase, Start, Timer,
};

impl Replica {
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

    fn read(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        let Operation { ticket, key, since, level, .. } = *operation;
        let leads = self.lead.is_some();
        let by_leader = match level {
            Level::Usual => self.config.reads_at_leader,
            level => level == Level::Leader,
        };
        let must_lead = leads || by_leader;
        let worked = phase == Phase::Worked;
        let answer = if self.rebuilds || must_lead && !self.serves(cx.now) {
            Answer::Failed(Failure::NoLeader)
        } else if !self.has(since.order) || !leads && !worked && self.is_behind(cx.wall) {
            self.lacks(since.order)
        } else if worked {
            if self.repairs.find(&self.data, (key, ticket), cx) {
                return;
            }
            let item = self.data.get(key);
            // Lanes may be ahead of one another.
            let known = Known::upto(self.follow.applied.max(item.order));
            return cx.answer_of(ticket, Answer::Read(item.version), known);
        } else {
            return cx.act(Effect::GoOn(ticket));
        };
        cx.answer(ticket, answer);
    }

    /// It has applied all up to what somebody knows of.
    fn has(&self, since: u64) -> bool {
        since == 0 || self.log.contains(since, self.follow.applied)
    }

    /// What becomes of a read by somebody who knows more than is here: a follower sends it on; a leader says that what is
    /// known is lost, unless a newer leader wrote it, of whom it has not heard yet.
    fn lacks(&self, since: u64) -> Answer {
        match self.leader.filter(|leader| *leader != self.me) {
            Some(leader) => Answer::Elsewhere(leader),
            None if self.lead.is_some() && !self.is_outdone(since) => {
                Answer::Failed(Failure::Behind)
            }
            None => Answer::Failed(Failure::NoLeader),
        }
    }

    /// Somebody was answered by a newer leader.
    fn is_outdone(&self, since: u64) -> bool {
        Reign::that_gave(since) > self.reign
    }

    /// A write comes after all its writer knows of that is not lost: what a leader of this reign or an older one wrote
    /// is in the log or lost to it, and of a newer one there is nothing. Its place is above all the writer knows of.
    fn may_write(&self, operation: &Operation, now: u64) -> bool {
        self.serves(now) && !self.is_outdone(operation.since.order)
    }
}

impl Protocol for Replica {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how == Start::First {
            self.follow.matched = Some(0);
            self.follow.complete = cx.wall;
            if self.leader == Some(self.me) {
                self.lead = Some(Lead::first(self, cx.now));
                self.watch(cx);
            }
            return;
        }
        let led = self.leader == Some(self.me);
        self.lead = None;
        self.repairs = Repairs::default();
        self.died(how == Start::Empty);
        self.again(led, how == Start::Empty, cx);
    }

    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        match operation.act {
            Act::Read => self.read(operation, phase, cx),
            _ if !self.may_write(operation, cx.now) => {
                cx.answer(operation.ticket, Answer::Failed(Failure::NoLeader));
            }
            _ if phase == Phase::Arrived => cx.act(Effect::GoOn(operation.ticket)),
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
            Message::Fetch { reign, place, key } => {
                if reign == self.reign && !self.rebuilds {
                    send(cx, from, Message::Fetched { place, key });
                }
            }
            Message::Fetched { place, key } => self.fetched(from, (place, key), cx),
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
            MENDED => self.repairs.done(&mut self.data, cx),
            _ => self.applied(timer - APPLIED, cx),
        }
    }
}
