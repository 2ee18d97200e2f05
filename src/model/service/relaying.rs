//! Stores with outboxes: rows that are written with the data, and relays that publish them.
//!
//! **Invariant.** A relay of a shard is at one batch of a table at a time.

use super::server::Server;
use crate::model::{
    ids::Slot,
    queue::{
        consumers::AGAIN,
        host::{post, record},
        post::{Handle, Post, Relay},
    },
    replication::letters::Cargo,
    span::Span,
    topic::letters::NotLed,
    world::World,
};

/// Places among what relays do: read, delete, wait.
const READ: usize = 0;
const DELETE: usize = 1;
const WAIT: usize = 2;

impl Server {
    /// A write is done: what is to be published is put down with it.
    pub(super) fn puts_row(&mut self, slot: Slot, world: &mut World) {
        let (now, shard) = (world.now(), world.frames[slot].inst);
        if let Some(&Post::Row(outlet, op)) = world.post_of(slot) {
            let _ = world.take_post(slot);
            let mut message = record(slot, world);
            message.op = op;
            if let Some(relays) = &mut self.relays {
                relays.put((outlet, shard), message, now);
            }
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// The relays of a shard begin.
    pub(super) fn begin_relays(&mut self, shard: u16, world: &mut World) {
        let host = (self.node, shard);
        if world.hosts.disturbed && world.hosts.is_down(host) {
            return;
        }
        let Some(relays) = &mut self.relays else { return };
        let entry = self.program.own[relays.first + WAIT];
        for outlet in 0..relays.outlets.len() {
            let id = relays.next_id();
            let clock = world.own_frame(host, (id, 0), Cargo::None);
            world.put_post(clock, Post::Relays(outlet as u16, Relay::Looks));
            world.begin_own(clock, entry);
            world.arm(clock, Span::of(relays.outlets[outlet].every));
            relays.outlets[outlet].tables[usize::from(shard)].clock = clock;
        }
    }

    /// It is time for a relay to look, or to send again what nobody has said to have come.
    pub(super) fn relay_timed(&mut self, slot: Slot, outlet: u16, world: &mut World) {
        let (now, shard) = (world.now(), world.frames[slot].inst);
        let Some(relays) = &mut self.relays else { return };
        let of = &mut relays.outlets[usize::from(outlet)];
        world.arm(slot, Span::of(of.every));
        let table = &mut of.tables[usize::from(shard)];
        if !table.busy {
            table.busy = true;
            return self.relay_works((outlet, shard), (READ, Relay::Reads), world);
        }
        self.send_rows((outlet, shard), now.saturating_sub(AGAIN), world);
    }

    /// A relay does something on a core of its shard.
    fn relay_works(
        &mut self,
        (outlet, shard): (u16, u16),
        (place, what): (usize, Relay),
        world: &mut World,
    ) {
        let Some(relays) = &mut self.relays else { return };
        let (id, entry) = (relays.next_id(), self.program.own[relays.first + place]);
        let slot = world.own_frame((self.node, shard), (id, 0), Cargo::None);
        world.put_post(slot, Post::Relays(outlet, what));
        world.begin_own(slot, entry);
        self.run(slot, world);
    }

    /// A relay has done its work.
    pub(super) fn relayed(&mut self, slot: Slot, world: &mut World) {
        let (now, shard) = (world.now(), world.frames[slot].inst);
        let Some(Post::Relays(outlet, what)) = world.take_post(slot) else { return };
        world.release(slot);
        let Some(relays) = &mut self.relays else { return };
        let at = (outlet, shard);
        match what {
            Relay::Reads if relays.take(at) > 0 => self.send_rows(at, now, world),
            Relay::Reads => {
                relays.outlets[usize::from(outlet)].tables[usize::from(shard)].busy = false;
            }
            Relay::Deletes => relays.delete(at),
            Relay::Looks => {}
        }
    }

    /// Rows are sent to where they are published, if they were not since then.
    fn send_rows(&mut self, at: (u16, u16), since: u64, world: &mut World) {
        let (now, host) = (world.now(), (self.node, at.1));
        let Some(relays) = &mut self.relays else { return };
        let to = relays.outlets[usize::from(at.0)].to;
        for (handle, record) in relays.due(at, since, now) {
            let id = (relays.next_id(), record.size);
            let mut broker = (to, world.broker_of(host, to, (record.key, id.0)));
            if handle.receives > 0 {
                // Nobody there has said that it came.
                world.believes_no_more(host, broker);
                broker.1 = world.broker_of(host, to, (record.key, id.0));
            }
            post((host, broker), id, Post::Put(handle, record), world);
        }
    }

    /// Somebody says which messages have come.
    pub(super) fn rows_came(&mut self, slot: Slot, world: &mut World) {
        let shard = world.frames[slot].inst;
        let came = world.take_post(slot);
        world.release(slot);
        if let Some(Post::NotLed(NotLed { asked, leader, source, number })) = came {
            let host = (self.node, shard);
            let Some(leader) = leader else { return world.believes_no_more(host, asked) };
            world.believes(host, (asked.0, leader));
            if let Some(relays) = &mut self.relays {
                relays.turned_away((source, shard), number);
            }
            return self.send_rows((source, shard), 0, world);
        }
        let (Some(relays), Some(Post::Settled(settled))) = (&mut self.relays, came) else { return };
        let mut all = |(handle, taken): &&(Handle, bool)| *taken && relays.came(shard, *handle);
        let outlet = |(handle, _): &(Handle, bool)| handle.handout as u16;
        let done: Vec<u16> = settled.iter().filter(&mut all).map(outlet).collect();
        for outlet in done {
            self.relay_works((outlet, shard), (DELETE, Relay::Deletes), world);
        }
    }

    /// The process of a shard is gone.
    pub(super) fn crash_relays(&mut self, shard: u16) {
        if let Some(relays) = &mut self.relays {
            relays.forget(shard);
        }
    }

    /// Whether a letter says what came of rows.
    pub(super) fn is_of_rows(&self, slot: Slot, world: &World) -> bool {
        self.relays.is_some()
            && matches!(world.post_of(slot), Some(Post::Settled(_) | Post::NotLed(_)))
    }
}
