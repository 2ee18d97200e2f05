//! Processes joined by wires on which each message takes what a law says: nothing is lost, nobody dies, nothing is work.
//!
//! **Invariant.** A run is a function of the seed and of the calls made.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::random::{Draw, Stream};
use crate::replication::quorum::{self, Config, Quorum};
use crate::replication::{
    Act, Answer, Context, Effect, Law, Laws, Message, Operation, Peer, Phase, Protocol, Start,
    Ticket, Timer,
};

/// How long a message takes, ns.
pub(super) type Trip = fn(&quorum::Message, &mut Draw) -> u64;

struct Dice(Draw);

impl Laws for Dice {
    fn draw(&mut self, _law: Law) -> u64 {
        0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }
}

enum Event {
    Message(Peer, Peer, Message),
    Timer(Peer, Timer),
    Ask(Peer, Operation),
}

/// Processes and their wires.
pub(super) struct Wire {
    pub(super) now: u64,
    /// Answers not looked at yet: when, to what.
    pub(super) answers: Vec<(u64, Ticket, Answer)>,
    /// All messages sent.
    pub(super) sent: u64,
    replicas: Vec<Quorum>,
    trip: Trip,
    draw: Draw,
    dice: Dice,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    numbers: u64,
    effects: Vec<Effect>,
}

impl Wire {
    /// All replicas of one shard, and so many that only coordinate.
    pub(super) fn new(config: Config, coordinators: u16, trip: Trip, seed: u64) -> Self {
        let all = config.replicas * config.shards;
        let draw = |what| Stream::new(seed, "wire", what).draw(0);
        let mut wire = Self {
            now: 0,
            answers: Vec::new(),
            sent: 0,
            replicas: (0..all + coordinators).map(|me| Quorum::new(config, me, me < all)).collect(),
            trip,
            draw: draw("trips"),
            dice: Dice(draw("dice")),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            numbers: 0,
            effects: Vec::new(),
        };
        for at in 0..all + coordinators {
            wire.tell(at, |replica, cx| replica.start(Start::First, cx));
        }
        wire
    }

    /// Asks a process, so long from now.
    pub(super) fn ask(&mut self, after: u64, at: Peer, id: u64, (act, key): (Act, u64)) {
        let operation = Operation::new(Ticket { slot: 0, id }, act, key, 0);
        self.at(after, Event::Ask(at, operation));
    }

    /// Runs until nothing is left to happen before so long from now, or somebody is answered.
    pub(super) fn run(&mut self, until: u64) {
        while self.answers.is_empty()
            && let Some(&Reverse((now, _, event))) = self.queue.peek()
            && now <= until
        {
            self.queue.pop();
            self.now = now;
            self.free.push(event);
            match self.events[event].take().expect("an event happens once") {
                Event::Message(from, to, message) => {
                    self.tell(to, |replica, cx| replica.message(from, message, cx));
                }
                Event::Timer(at, timer) => self.tell(at, |replica, cx| replica.timer(timer, cx)),
                Event::Ask(at, operation) => {
                    self.tell(at, |replica, cx| replica.operation(&operation, Phase::Arrived, cx));
                }
            }
        }
    }

    fn at(&mut self, after: u64, event: Event) {
        self.numbers += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(event);
        self.queue.push(Reverse((self.now + after, self.numbers, slot)));
    }

    fn tell(&mut self, at: Peer, told: impl FnOnce(&mut Quorum, &mut Context<'_>)) {
        let mut effects = std::mem::take(&mut self.effects);
        let cx = &mut Context::alone(self.now, &mut self.dice, &mut effects);
        told(&mut self.replicas[usize::from(at)], cx);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(to, message) => {
                    self.sent += 1;
                    let Message::Quorum(inner) = &message else { panic!("of another protocol") };
                    let after = (self.trip)(inner, &mut self.draw);
                    self.at(after, Event::Message(at, to, message));
                }
                Effect::Arm(timer, after) => self.at(after, Event::Timer(at, timer)),
                Effect::Answer(ticket, answer, _) => self.answers.push((self.now, ticket, answer)),
                Effect::Note(_) => {}
                other => panic!("quorums do not use {other:?}"),
            }
        }
        self.effects = effects;
    }
}
