//! What a process is told, and which of its parts hears of it.
//!
//! **Invariant.** Whatever dies with the process is as new when it starts again.

use super::message::{Held, Message, NOBODY, What, Why};
use super::state::{Handing, Quorum};
use super::store::send;
use super::table::Table;
use super::timer;
use crate::replication::contract::{Context, Protocol};
use crate::replication::data::Item;
use crate::replication::message::Message as Any;
use crate::replication::words::{Operation, Peer, Phase, Start, Timer};

impl Protocol for Quorum {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how != Start::First {
            // What only coordinates has no disk.
            self.store.restart(how == Start::Empty || !self.holds(), cx);
        }
        self.stamped = 0;
        self.given.clear();
        self.table = Table::new(1 + cx.laws.below(1 << 62));
        self.stand_ins.restart();
        self.handing = Handing::default();
        self.try_later(cx);
        self.exchange.start(cx);
    }

    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        debug_assert_eq!(phase, Phase::Arrived, "no operation goes on to work");
        self.begin(operation, cx);
    }

    fn message(&mut self, from: Peer, message: Any, cx: &mut Context<'_>) {
        self.hears(from, &message, cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            timer::TIMEOUT => self.expire(cx),
            timer::DISK => self.store.timed(cx),
            timer::LOOK => self.look(cx),
            timer::TRY => self.try_owners(cx),
            timer::HAND => self.hand(cx),
            timer::COMPARE => self.compare(cx),
            timer::EXCHANGE => self.exchange_next(cx),
            timer::FORGET => self.store.forget(cx),
            _ => debug_assert!(false, "no such timer"),
        }
    }
}

impl Quorum {
    /// A message came; nothing of it is kept.
    pub fn hears(&mut self, from: Peer, message: &Any, cx: &mut Context<'_>) {
        match message {
            Any::Quorum(message) => self.told(from, message, cx),
            Any::Refused(message) => match **message {
                Any::Quorum(Message::Get { number, owner, .. }) => {
                    self.refused(number, (from, owner), false, cx);
                }
                Any::Quorum(Message::Put { number, owner, .. }) => {
                    self.refused(number, (from, owner), true, cx);
                }
                _ => {} // tried again later
            },
            _ => debug_assert!(false, "a message of another protocol"),
        }
    }

    #[inline]
    fn told(&mut self, from: Peer, message: &Message, cx: &mut Context<'_>) {
        match *message {
            Message::Get { owner, what, number, key } => {
                let (mut held, firm) = self.store.read(owner, key, cx);
                if let What::StampOf(version) = what
                    && let Some(order) = self.store.done(owner, version)
                {
                    held = Held { item: Item { version, order }, left: 0 };
                }
                let stamp_only = what != What::Value;
                send(from, Message::Got { owner, stamp_only, firm, number, key, held }, cx);
            }
            Message::Put { owner, why, number, key, held } => {
                let done = self.store.done(owner, held.item.version);
                let done = why == Why::Once && done.is_some_and(|at| at != held.item.order);
                let after = if done {
                    self.store.last_write(owner, key)
                } else {
                    self.store.note_order((owner, key), held, why != Why::Repair, cx);
                    self.store.put(owner, key, held, cx)
                };
                if owner != self.me {
                    self.try_later(cx);
                }
                if number != NOBODY {
                    self.store.say(after, from, Message::Stored { owner, number }, cx);
                }
            }
            Message::Got { owner, firm, number, held, .. } => {
                self.got(number, (from, owner), (held, firm), cx);
            }
            Message::Stored { owner, number } => self.stored(number, owner, cx),
            Message::Hand { key, held } => {
                let after = self.store.put(self.me, key, held, cx);
                self.store.say(after, from, Message::Handed { key, item: held.item }, cx);
            }
            Message::Handed { key, item } => self.handed(from, key, item, cx),
            Message::Digests(ref theirs) => self.list(from, theirs, cx),
            Message::List(ref list) => self.differ(from, list, cx),
            Message::Want(ref keys) => self.exchange.add(from, keys, cx),
        }
    }
}
