//! The server of a log: publishers, those who ask, members of groups, and the clocks of its brokers.
//!
//! **Invariant.** Before an event at a broker is over, nobody waits for a message that he could have.

use super::{
    brokerage::{ACCEPT, CLOCK},
    server::Server,
};
use crate::{
    engine::random::mix,
    model::{
        ids::{Host, NONE, Slot},
        queue::{
            host::{post, record},
            post::{Ask, Post},
        },
        replication::letters::Cargo,
        span::Span,
        topic::{coordinator::Coordinator, letters::Told, log::Answer},
        world::{World, unpack},
    },
};

impl Server {
    /// The work of accepting a message of a log is done.
    pub(super) fn appends(&mut self, slot: Slot, world: &mut World) {
        let (now, broker) = (world.now(), world.frames[slot].inst);
        let put = match world.take_post(slot) {
            Some(Post::Put(handle, message)) => Some((handle, message)),
            _ => None,
        };
        let (handle, message) = put.map_or_else(
            || (None, record(slot, world)),
            |(handle, message)| (Some(handle), message),
        );
        let by_key = world.partition_of(self.node, message.key);
        let Some(logs) = &mut self.log else { return };
        let mut answers = Vec::new();
        // What copies agree on was appended when they did.
        if logs.copies.is_none() {
            let partition = by_key.unwrap_or_else(|| logs.log.next_in_turn(broker));
            logs.log.append(partition, message, now);
            answers = logs.log.answers_of(partition, now);
        }
        if let Some(handle) = handle {
            let id = (logs.next_id(), 0);
            let sender = unpack(world.frames[slot].parent);
            world.release(slot);
            post(((self.node, broker), sender), id, Post::Settled(vec![(handle, true)]), world);
        } else {
            world.frames[slot].pc += 1;
            self.run(slot, world);
        }
        self.answer_asks(broker, answers, world);
    }

    /// Those who asked a broker are told this.
    pub(super) fn answer_asks(
        &mut self,
        broker: u16,
        answers: Vec<(Ask, Answer)>,
        world: &mut World,
    ) {
        for (ask, answer) in answers {
            match answer {
                Answer::Messages(messages) => self.answer_ask(ask, messages, world),
                Answer::Moved(partition, to) => {
                    let Some(logs) = &mut self.log else { return };
                    let id = (logs.next_id(), 0);
                    let moved = Post::Moved(ask, partition, to);
                    post(((self.node, broker), ask.from), id, moved, world);
                }
            }
        }
        self.set_log_clock(broker, world);
    }

    /// Something about messages has come to a broker of a log.
    pub(super) fn log_hears(&mut self, slot: Slot, world: &mut World) {
        let (now, broker) = (world.now(), world.frames[slot].inst);
        let leads = self.leads_copies(broker);
        if let Some(&Post::Put(handle, _)) = world.post_of(slot) {
            if !leads {
                let (sender, of) = (unpack(world.frames[slot].parent), handle.handout as u16);
                world.release(slot);
                return self.says_who_leads(broker, sender, (of, handle.place.into()), world);
            }
            world.begin_own(slot, self.broker_does(ACCEPT));
            return self.run(slot, world);
        }
        let came = world.take_post(slot);
        world.release(slot);
        let Some(logs) = &mut self.log else { return };
        let coordinates = logs.coordinates() == Some(broker);
        match came {
            Some(Post::Fetch(ask, _)) if !leads => self.turns_away(ask, world),
            Some(Post::Beat(beat)) if !coordinates => {
                self.says_who_leads(broker, beat.from, (beat.source, 0), world);
            }
            Some(Post::Fetch(ask, wants)) => {
                logs.log.ask(ask, wants, now);
                let answers = logs.log.answers_at(broker, now);
                self.answer_asks(broker, answers, world);
            }
            Some(Post::Beat(beat)) => {
                let told = logs.hears(&beat, now);
                self.tell_members(told, world);
                self.set_log_clock(broker, world);
            }
            Some(Post::Reset(host)) => {
                logs.log.reset(host, broker);
                self.set_log_clock(broker, world);
            }
            _ => {}
        }
    }

    fn tell_members(&mut self, told: Vec<(Host, Told)>, world: &mut World) {
        let Some(logs) = &mut self.log else { return };
        let at = logs.coordinates().unwrap_or_default();
        for (member, told) in told {
            let id = (logs.next_id(), 0);
            post(((self.node, at), member), id, Post::Told(told), world);
        }
    }

    /// The broker whose clock a frame is, if it is one of a log.
    pub(super) fn log_clock(&self, slot: Slot) -> Option<u16> {
        let clocks = &self.log.as_ref()?.clocks;
        clocks.iter().position(|(clock, _)| *clock == slot).map(|broker| broker as u16)
    }

    /// The clock of a broker of a log fires.
    pub(super) fn log_timed(&mut self, broker: u16, world: &mut World) {
        let now = world.now();
        let Some(logs) = &mut self.log else { return };
        logs.clocks[usize::from(broker)].1 = None;
        let coordinates = logs.coordinates() == Some(broker);
        let told = if coordinates { logs.tick(now) } else { Vec::new() };
        let answers = logs.log.answers_at(broker, now);
        self.tell_members(told, world);
        self.answer_asks(broker, answers, world);
    }

    /// The brokers of a log begin.
    pub(super) fn begin_log(&mut self, broker: u16, world: &mut World) {
        if self.log.is_some() {
            self.set_log_clock(broker, world);
        }
    }

    pub(super) fn set_log_clock(&mut self, broker: u16, world: &mut World) {
        let (node, at) = (self.node, usize::from(broker));
        let down = world.hosts.disturbed && world.hosts.is_down((node, broker));
        let entry = self.broker_does(CLOCK);
        let Some(logs) = self.log.as_mut().filter(|_| !down) else { return };
        let due = logs.due(broker);
        let (clock, set_for) = logs.clocks[at];
        if due == set_for {
            return;
        }
        let clock = if clock == NONE {
            let id = mix(logs.site ^ u64::from(broker));
            let clock = world.own_frame((node, broker), (id, 0), Cargo::None);
            world.begin_own(clock, entry);
            clock
        } else {
            clock
        };
        logs.clocks[at] = (clock, due);
        world.disarm(clock);
        if let Some(due) = due {
            world.arm(clock, Span::of(due.saturating_sub(world.now())));
        }
    }

    /// The process of a broker of a log is gone; if its host is not, who had asked hears of it.
    pub(super) fn crash_log(&mut self, broker: u16, world: &mut World) {
        let node = self.node;
        let Some(logs) = &mut self.log else { return };
        logs.clocks[usize::from(broker)] = (NONE, None);
        let asked = logs.log.crash(broker);
        if let Some(copies) = &mut logs.copies {
            // Who is in a group is known to the others.
            copies.leads_no_more(broker);
        } else if broker == 0 {
            logs.coordinators.iter_mut().for_each(Coordinator::crash);
        }
        if world.hosts.state((node, broker)).silent > 0 {
            return;
        }
        for ask in asked {
            let id = (logs.next_id(), 0);
            post(((node, broker), ask.from), id, Post::Refused(ask), world);
        }
    }
}
