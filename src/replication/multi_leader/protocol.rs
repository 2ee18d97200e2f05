//! What a leader is told, and which of its parts hears of it.
//!
//! **Invariant.** Whatever dies with the process is as new when it starts again.

use super::config::{COMPARE, DISK, EXCHANGE, FORGET, HELLO, LEAVE, TICK};
use super::message::Message;
use super::peer::{Copy, Lane};
use super::replica::{MultiLeader, send};
use crate::replication::contract::{Context, Protocol};
use crate::replication::message::Message as Any;
use crate::replication::words::{APPLIED, Operation, Peer, Phase, Start, Timer};

impl MultiLeader {
    /// What it knew of the others is gone.
    fn is_new(&mut self, acked: Option<u64>, cx: &mut Context<'_>) {
        let copy = |place| Copy::new(self.peer(place), place, acked, cx.now);
        self.copies = self.others().map(copy).collect();
        for (origin, mark) in self.origins.iter_mut().zip(&self.store.marks) {
            origin.restart(mark);
        }
        self.lanes = vec![Lane::default(); usize::from(self.config.apply_lanes)];
        (self.asks, self.stamped, self.leaves) = (None, 0, 0);
        (self.leaving, self.tick) = (false, None);
        self.chunks = cx.laws.below(1 << 62);
    }

    /// It goes on as the one it was: how far the others are it asks.
    fn resume(&mut self, cx: &mut Context<'_>) {
        let mark = self.store.marks[usize::from(self.place)];
        debug_assert_eq!(mark.life, self.life, "a life is on the disk with its log");
        self.log.cut(mark.upto.unwrap_or_default());
        (self.committed, self.left) = (self.log.base, self.log.base);
        self.commit(cx);
        for copy in &self.copies {
            let (life, prev, entries) = (self.life, self.left, Box::default());
            send(copy.peer, Message::Replicate { life, prev, entries }, cx);
        }
        self.watch(cx);
    }

    fn told(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        let Some(place) = self.place_of(from) else { return };
        match message {
            Message::Replicate { life, prev, entries } => {
                self.replicate(place, life, (prev, &entries), cx);
            }
            Message::Replicated { life, upto } => self.replicated(place, life, upto, cx),
            Message::Hello { life, over } => self.hello(place, (life, over), cx),
            Message::Chunk(chunk) => self.copied(place, *chunk, cx),
            Message::Copied { number } => self.has_chunk(place, number, cx),
            Message::State(of) => self.merge(of.0, of.1, cx),
            Message::Digests(theirs) => self.list(from, &theirs, cx),
            Message::List(list) => self.differ(from, &list, cx),
            Message::Want(keys) => self.exchange.add(from, &keys, cx),
        }
    }
}

impl Protocol for MultiLeader {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how == Start::First {
            self.is_new(Some(0), cx);
        } else {
            let all = self.store.restart(how == Start::Empty, cx);
            self.is_new(None, cx);
            if all && how == Start::Again {
                self.resume(cx);
            } else {
                self.begin_life(cx);
            }
        }
        self.exchange.start(cx);
    }

    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        self.operate(operation, phase, cx);
    }

    fn message(&mut self, from: Peer, message: Any, cx: &mut Context<'_>) {
        match message {
            Any::MultiLeader(message) => self.told(from, message, cx),
            Any::Refused(message) => {
                if let Any::MultiLeader(Message::Replicate { .. }) = *message
                    && let Some(place) = self.place_of(from)
                {
                    self.refused(place, cx);
                }
            }
            _ => debug_assert!(false, "a message of another protocol"),
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            DISK => {
                self.store.timed(cx);
                self.commit(cx);
                self.store.flush(cx);
                for place in self.others() {
                    self.say(place, cx);
                }
            }
            LEAVE => self.leave(cx),
            TICK => self.look(cx),
            HELLO => self.ask(cx),
            COMPARE => self.compare(cx),
            EXCHANGE => self.exchange_next(cx),
            FORGET => self.store.forget(cx),
            _ => self.applied(timer - APPLIED, cx),
        }
    }
}
