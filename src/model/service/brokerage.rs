//! The server of a queue: publishers, those who ask, and the clock of its broker.
//!
//! **Invariant.** Before an event at the broker is over, nobody waits for a message that he could have.

use super::{instr::Instr, server::Server};
use crate::{
    cause::Cause,
    engine::random::mix,
    model::{
        ids::{NONE, Slot},
        queue::{
            FullQueueSpec,
            broker::Offer,
            host::{post, record},
            post::{Ask, Handle, Post, Record},
        },
        replication::letters::Cargo,
        span::Span,
        world::{World, unpack},
    },
};

/// Places among what a broker does unasked (`Program::own`), from the end.
pub(super) const ACCEPT: usize = 3;
const LEAVE: usize = 2;
pub(super) const CLOCK: usize = 1;

impl Server {
    /// The work of accepting a message is done.
    pub(super) fn accepts(&mut self, slot: Slot, world: &mut World) {
        let now = world.now();
        let sender = world.frames[slot].parent;
        let Some(brokerage) = &mut self.broker else { return };
        match world.take_post(slot) {
            Some(Post::Put(handle, record)) => {
                // It is of no use to wait: it is sent again.
                let taken = brokerage.broker.offer(record, None, now) == Offer::Taken;
                let id = (brokerage.next_id(), 0);
                world.release(slot);
                let settled = Post::Settled(vec![(handle, taken)]);
                post(((self.node, 0), unpack(sender)), id, settled, world);
            }
            found => {
                let delay = if let Some(Post::Delay(delay)) = found { Some(delay) } else { None };
                let message = record(slot, world);
                match brokerage.broker.offer(message, delay, now) {
                    Offer::Taken => {
                        world.frames[slot].pc += 1;
                        self.run(slot, world);
                    }
                    Offer::Full if brokerage.broker.rules.full == FullQueueSpec::Block => {
                        if let Some(delay) = delay {
                            world.put_post(slot, Post::Delay(delay));
                        }
                        brokerage.blocked.push_back((slot, world.frames[slot].id));
                        world.record.node(self.node).cause(Cause::Blocked);
                    }
                    Offer::Full => self.refuse(slot, Cause::QueueFull, world),
                }
            }
        }
        self.hand_out(world);
    }

    /// Where what a broker does unasked stands in its program, counted from the end.
    pub(super) fn broker_does(&self, place: usize) -> u16 {
        self.program.own[self.program.own.len() - place]
    }

    /// Whoever can have something gets it: consumers messages, dead messages a grave, publishers room.
    pub(super) fn hand_out(&mut self, world: &mut World) {
        let node = self.node;
        if self.broker.is_none() || world.hosts.disturbed && world.hosts.is_down((node, 0)) {
            return;
        }
        loop {
            let Some(brokerage) = &mut self.broker else { return };
            let mut answered = Vec::new();
            while let Some(answer) = brokerage.broker.next(world.now()) {
                answered.push(answer);
            }
            for (handle, record) in std::mem::take(&mut brokerage.broker.dying) {
                if let Some(grave) = brokerage.buries {
                    let id = (brokerage.next_id(), record.size);
                    post(((node, 0), (grave, 0)), id, Post::Put(handle, record), world);
                }
            }
            let admitted = brokerage.admit(node, &self.program.code, world);
            if answered.is_empty() && admitted.is_empty() {
                break;
            }
            for (ask, messages) in answered {
                self.answer_ask(ask, messages, world);
            }
            for slot in admitted {
                world.frames[slot].pc += 1;
                self.run(slot, world);
            }
        }
        self.set_clock(world);
    }

    /// Who asked is handed these messages, once the work of it is done.
    pub(super) fn answer_ask(
        &mut self,
        ask: Ask,
        messages: Vec<(Handle, Record)>,
        world: &mut World,
    ) {
        let (node, entry) = (self.node, self.broker_does(LEAVE));
        let id = self.next_letter();
        if messages.is_empty() {
            let handed = Post::Handed(ask, messages);
            return post(((node, ask.broker), ask.from), (id, 0), handed, world);
        }
        if let Some(mail) = &mut world.mail {
            mail.handed(node, &messages);
        }
        let slot = world.own_frame((node, ask.broker), (id, messages[0].1.key), Cargo::None);
        let left = messages.len();
        world.put_post(slot, Post::Leaving(ask, messages, left));
        world.begin_own(slot, entry);
        self.run(slot, world);
    }

    /// The work of handing out a message is done: the next one's begins, or all leave.
    pub(super) fn leaves(&mut self, slot: Slot, world: &mut World) {
        let entry = self.broker_does(LEAVE);
        let works = !matches!(self.program.code[usize::from(entry)], Instr::Point(_));
        let Some(Post::Leaving(ask, messages, left)) = world.take_post(slot) else { return };
        if works && left > 1 {
            world.put_post(slot, Post::Leaving(ask, messages, left - 1));
            let f = &mut world.frames[slot];
            (f.id, f.pc) = (mix(f.id), entry);
            return self.run(slot, world);
        }
        let now = world.now();
        if let Some(brokerage) = &mut self.broker {
            brokerage.broker.sent(messages.iter().map(|message| message.0), now);
        }
        let size = messages.iter().map(|message| message.1.size).sum();
        let id = (self.next_letter(), size);
        world.release(slot);
        post(((self.node, ask.broker), ask.from), id, Post::Handed(ask, messages), world);
        self.set_clock(world);
    }

    /// The identity for draws of the next thing the broker sends or does.
    fn next_letter(&mut self) -> u64 {
        match (&mut self.broker, &mut self.log) {
            (Some(brokerage), _) => brokerage.next_id(),
            (None, Some(logs)) => logs.next_id(),
            (None, None) => 0,
        }
    }

    /// Something about messages has come to the broker.
    pub(super) fn broker_hears(&mut self, slot: Slot, world: &mut World) {
        let now = world.now();
        if let Some(Post::Put(..)) = world.post_of(slot) {
            world.begin_own(slot, self.broker_does(ACCEPT));
            return self.run(slot, world);
        }
        let came = world.take_post(slot);
        world.release(slot);
        let Some(brokerage) = &mut self.broker else { return };
        match came {
            Some(Post::Ask(ask)) => brokerage.broker.ask(ask, now),
            Some(Post::Settled(ended)) => {
                for (handle, well) in ended {
                    brokerage.broker.settle(handle, well, now);
                }
            }
            Some(Post::Reset(host)) => brokerage.broker.reset(host, now),
            _ => {}
        }
        self.hand_out(world);
    }

    /// The clock of the broker fires.
    pub(super) fn broker_timed(&mut self, world: &mut World) {
        let now = world.now();
        let Some(brokerage) = &mut self.broker else { return };
        brokerage.set_for = None;
        brokerage.broker.tick(now);
        self.hand_out(world);
    }

    fn set_clock(&mut self, world: &mut World) {
        let (node, entry) = (self.node, self.broker_does(CLOCK));
        let Some(brokerage) = &mut self.broker else { return };
        let due = brokerage.broker.due();
        if due == brokerage.set_for {
            return;
        }
        if brokerage.clock == NONE {
            let id = mix(brokerage.site);
            brokerage.clock = world.own_frame((node, 0), (id, 0), Cargo::None);
            world.begin_own(brokerage.clock, entry);
        }
        world.disarm(brokerage.clock);
        brokerage.set_for = due;
        if let Some(due) = due {
            let wait = due.saturating_sub(world.now());
            world.arm(brokerage.clock, Span::of(wait));
        }
    }

    /// Whether a frame is the clock of the broker.
    pub(super) fn is_clock(&self, slot: Slot) -> bool {
        self.broker.as_ref().is_some_and(|brokerage| brokerage.clock == slot)
    }

    /// The process of the broker is gone; if its host is not, who had asked hears of it.
    pub(super) fn crash_broker(&mut self, world: &mut World) {
        let (node, now) = (self.node, world.now());
        let Some(brokerage) = &mut self.broker else { return };
        (brokerage.clock, brokerage.set_for) = (NONE, None);
        brokerage.blocked.clear();
        let asked = brokerage.broker.crash(now);
        if world.hosts.state((node, 0)).silent > 0 {
            return;
        }
        for ask in asked {
            let id = (brokerage.next_id(), 0);
            post(((node, 0), ask.from), id, Post::Refused(ask), world);
        }
    }
}
