//! What a replica is told, and what follows from it.
//!
//! **Invariant.** Whatever it is told, all that may follow has followed when it returns.

use super::config::{DISK, ELECTION, HEARTBEAT};
use super::message::Message;
use super::state::{Lane, Raft, wrap};
use crate::replication::contract::{Context, Effect, Protocol};
use crate::replication::message::Message as Any;
use crate::replication::repairs::{MENDED, Repairs};
use crate::replication::words::{APPLIED, Operation, Peer, Phase, Start, Timer};

impl Raft {
    /// The process died: what is on the disk is left.
    pub(super) fn restart(&mut self, empty: bool) {
        self.recover(empty);
        self.flushed = self.written;
        (self.taken, self.led, self.leader) = (self.applied, 0, None);
        self.lanes.fill(Lane::default());
        (self.votes, self.lead, self.owed, self.incoming) = (None, None, None, None);
        (self.armed, self.patience) = (None, 0);
        self.later.clear();
        self.early.clear();
        self.behind.clear();
        self.repairs = Repairs::default();
    }

    /// It waits for a leader, or for votes that it may ask for then.
    pub(super) fn waits(&mut self, cx: &mut Context<'_>) {
        self.wait_anew(cx);
        self.settle(cx);
    }

    /// What follows from what was told: each step may let the next one happen.
    fn settle(&mut self, cx: &mut Context<'_>) {
        loop {
            self.count(cx);
            if self.flushed == self.written {
                break;
            }
            self.flushed = self.written;
            self.disk.write(self.written, cx);
        }
        self.harden();
        if self.may_speak() {
            for (to, message) in std::mem::take(&mut self.later) {
                cx.send(to, wrap(message));
            }
        }
        self.tell(cx);
        self.advance(cx);
        self.take(cx);
        self.acknowledge(cx);
        self.serve_waiting(cx);
        self.serve_behind(cx);
    }

    fn received(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        match message {
            Message::Append(append) => self.append(from, append, cx),
            Message::Snapshot(snapshot) => self.snapshot(from, snapshot, cx),
            Message::Appended { term, agrees, index, round } => {
                if term > self.term {
                    self.follow(term, None, None, cx);
                } else if term == self.term {
                    self.answered(from, (agrees, index, round), cx);
                }
            }
            Message::Vote { term, last, last_term, pre: false } => {
                self.asked(from, (term, last_term, last), cx);
            }
            Message::Vote { term, last, last_term, pre: true } => {
                self.sounded(from, (term, last_term, last), cx);
            }
            Message::Voted { term, granted, pre } => self.voted(from, (term, granted, pre), cx),
        }
    }
}

impl Protocol for Raft {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how != Start::First {
            self.restart(how == Start::Empty);
        }
        // Whom it heard before it died it does not know: it gives no vote that it might have promised to withhold.
        self.heard = Some(cx.now);
        if how == Start::First {
            self.leader = self.vote;
            if self.leader == Some(self.me) {
                self.lead(cx);
                return self.settle(cx);
            }
        }
        self.waits(cx);
    }

    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        match (operation.act.version(), phase) {
            (None, _) => self.read(operation, phase, cx),
            (Some(_), Phase::Arrived) if self.lead.is_some() => {
                cx.act(Effect::GoOn(operation.ticket));
            }
            (Some(_), Phase::Arrived) => self.elsewhere(operation.ticket, cx),
            (Some(version), Phase::Worked) => self.write(operation, version, cx),
        }
        self.settle(cx);
    }

    fn message(&mut self, from: Peer, message: Any, cx: &mut Context<'_>) {
        match message {
            Any::Raft(message) => self.received(from, message, cx),
            Any::Refused(_) => self.refused(from),
            _ => debug_assert!(false, "replicas of one group speak one protocol"),
        }
        self.settle(cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            DISK => self.disk.timed(cx),
            ELECTION => self.waited(cx),
            HEARTBEAT => self.tick(cx),
            MENDED => self.repairs.done(&mut self.data, cx),
            _ if timer >= APPLIED => self.worked(timer, cx),
            _ => debug_assert!(false, "it armed no such timer"),
        }
        self.settle(cx);
    }
}
