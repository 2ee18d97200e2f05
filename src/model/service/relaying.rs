//! Stores with outboxes: rows that are written with the data, and relays that publish them.
//!
//! **Invariant.** A relay of a shard is at one batch of a table at a time.

use super::server::Server;
use crate::model::{
    ids::{NONE, Slot},
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
use crate::replication::Note;

/// Places among what relays do: read, delete, wait.
const READ: usize = 0;
const DELETE: usize = 1;
const WAIT: usize = 2;

impl Server {
    /// A write is done: what is to be published is put down with it.
    pub(super) fn puts_row(&mut self, slot: Slot, world: &mut World) {
        let (now, shard) = (world.now(), world.frames[slot].inst);
        if let Some(Post::Relays(..)) = world.post_of(slot) {
            return self.relayed(slot, world);
        }
        if let (Some(_), Some(relays)) = (&self.group, &mut self.relays) {
            relays.is_over(world.data.as_ref().map_or(0, |data| data.version(slot)));
        } else if let Some(&Post::Row(outlet, op)) = world.post_of(slot) {
            let _ = world.take_post(slot);
            self.knows_what_it_writes(slot, world);
            let mut message = record(slot, world);
            message.op = op;
            if let Some(relays) = &mut self.relays {
                relays.put((outlet, shard), message, now);
            }
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// The relays of an instance begin, if it has any: where shards have a leader, that begins them.
    pub(super) fn begin_relays(&mut self, inst: u16, world: &mut World) {
        let host = (self.node, inst);
        if world.hosts.disturbed && world.hosts.is_down(host) {
            return;
        }
        let Some(relays) = &mut self.relays else { return };
        let shard = relays.shard(inst);
        if relays.leader(shard) != Some(inst) {
            return;
        }
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
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let Some(relays) = &mut self.relays else { return };
        let shard = relays.shard(inst);
        let of = &mut relays.outlets[usize::from(outlet)];
        let table = &mut of.tables[usize::from(shard)];
        if table.clock != slot {
            // Somebody else leads.
            let _ = world.take_post(slot);
            return world.release(slot);
        }
        world.arm(slot, Span::of(of.every));
        if !table.busy {
            table.busy = true;
            return self.relay_works((outlet, shard), (READ, Relay::Reads), world);
        }
        if table.taken > 0 && table.working == NONE && table.all_came() {
            return self.deletes_rows((outlet, shard), world);
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
        let Some(leader) = relays.leader(shard) else { return };
        let (id, entry) = (relays.next_id(), self.program.own[relays.first + place]);
        let slot = world.own_frame((self.node, leader), (id, 0), Cargo::None);
        relays.outlets[usize::from(outlet)].tables[usize::from(shard)].working = slot;
        world.put_post(slot, Post::Relays(outlet, what));
        world.begin_own(slot, entry);
        self.run(slot, world);
    }

    /// A relay deletes the rows that have come: where a shard has a log, by a write like others.
    fn deletes_rows(&mut self, (outlet, shard): (u16, u16), world: &mut World) {
        let Some(relays) = &mut self.relays else { return };
        let write = relays
            .deletes
            .and_then(|op| Some((op, (*self.program.entries.get(usize::from(op))?)?)));
        let (Some((op, entry)), Some(leader)) = (write, relays.leader(shard)) else {
            return self.relay_works((outlet, shard), (DELETE, Relay::Deletes), world);
        };
        let id = relays.next_id();
        let slot = world.own_frame((self.node, leader), (id, id), Cargo::None);
        relays.begins_deleting((outlet, shard), id);
        relays.outlets[usize::from(outlet)].tables[usize::from(shard)].working = slot;
        world.put_post(slot, Post::Relays(outlet, Relay::Deletes));
        world.frames[slot].op = op;
        world.begin_own(slot, entry + 1);
        self.run(slot, world);
    }

    /// A relay has done its work.
    pub(super) fn relayed(&mut self, slot: Slot, world: &mut World) {
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let Some(Post::Relays(outlet, what)) = world.take_post(slot) else { return };
        world.release(slot);
        let Some(relays) = &mut self.relays else { return };
        let shard = relays.shard(inst);
        let at = (outlet, shard);
        let table = &mut relays.outlets[usize::from(outlet)].tables[usize::from(shard)];
        if table.working != slot {
            return;
        }
        table.working = NONE;
        match what {
            Relay::Reads if relays.take(at) > 0 => self.send_rows(at, now, world),
            Relay::Reads => {
                relays.outlets[usize::from(outlet)].tables[usize::from(shard)].busy = false;
            }
            Relay::Deletes => relays.delete(at),
            Relay::Looks => {}
        }
    }

    /// A frame fails at a replica: if it was to delete rows, its relay tries again.
    pub(super) fn fails_to_delete(&mut self, slot: Slot, world: &World) {
        let (Some(relays), Some(&Post::Relays(outlet, _))) =
            (&mut self.relays, world.post_of(slot))
        else {
            return;
        };
        let shard = relays.shard(world.frames[slot].inst);
        let table = &mut relays.outlets[usize::from(outlet)].tables[usize::from(shard)];
        if table.working == slot {
            table.working = NONE;
        }
    }

    /// Rows are sent to where they are published, if they were not since then.
    fn send_rows(&mut self, at: (u16, u16), since: u64, world: &mut World) {
        let now = world.now();
        let Some(relays) = &mut self.relays else { return };
        let Some(leader) = relays.leader(at.1) else { return };
        let to = relays.outlets[usize::from(at.0)].to;
        for (handle, record) in relays.due(at, since, now) {
            let id = (relays.next_id(), record.size);
            let host = (self.node, leader);
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
        let inst = world.frames[slot].inst;
        let came = world.take_post(slot);
        world.release(slot);
        if let Some(Post::NotLed(NotLed { asked, leader, source, number })) = came {
            let host = (self.node, inst);
            let Some(leader) = leader else { return world.believes_no_more(host, asked) };
            world.believes(host, (asked.0, leader));
            let Some(relays) = &mut self.relays else { return };
            let shard = relays.shard(inst);
            relays.turned_away((source, shard), number);
            return self.send_rows((source, shard), 0, world);
        }
        let (Some(relays), Some(Post::Settled(settled))) = (&mut self.relays, came) else { return };
        let shard = relays.shard(inst);
        if relays.leader(shard) != Some(inst) {
            return;
        }
        let mut all = |(handle, taken): &&(Handle, bool)| *taken && relays.came(shard, *handle);
        let outlet = |(handle, _): &(Handle, bool)| handle.handout as u16;
        let done: Vec<u16> = settled.iter().filter(&mut all).map(outlet).collect();
        for outlet in done {
            self.deletes_rows((outlet, shard), world);
        }
    }

    /// The process of an instance is gone.
    pub(super) fn crash_relays(&mut self, inst: u16) {
        let Some(relays) = &mut self.relays else { return };
        let shard = relays.shard(inst);
        if relays.leader(shard) == Some(inst) {
            relays.forget(shard);
            if self.group.is_some() {
                relays.leads_no_more(inst);
            }
        }
    }

    /// A replica has something to say: whether it is of a deletion.
    pub(super) fn relays_hear(&mut self, inst: u16, note: &Note, world: &mut World) -> bool {
        let Some(relays) = &mut self.relays else { return false };
        match *note {
            Note::Accepted { version, order, .. } => {
                return relays.accepted(inst, (version, order), world.now());
            }
            Note::Committed { order } => relays.committed(inst, order),
            Note::StepsDown { .. } => relays.leads_no_more(inst),
            Note::Leads { term, began_with } => {
                let knows = relays.leads(inst, (term, began_with));
                if knows {
                    self.begin_relays(inst, world);
                }
            }
            _ => {}
        }
        false
    }

    /// A write has come to a replica: what it leaves to be published goes with it.
    pub(super) fn brings_row(&mut self, slot: Slot, version: u64, world: &mut World) {
        let Some(&Post::Row(outlet, op)) = world.post_of(slot) else { return };
        let _ = world.take_post(slot);
        self.knows_what_it_writes(slot, world);
        let mut message = record(slot, world);
        message.op = op;
        if let Some(relays) = &mut self.relays {
            relays.comes(version, outlet, message);
        }
    }

    /// What is published with a write is of what it writes, for views of this store.
    fn knows_what_it_writes(&self, slot: Slot, world: &mut World) {
        let key = world.frames[slot].key;
        let Some(data) = &mut world.data else { return };
        let version = data.version(slot);
        if let Some(views) = &mut data.views {
            views.learns_of_write(slot, (self.node, key), version);
        }
    }

    /// Whether a letter says what came of rows.
    pub(super) fn is_of_rows(&self, slot: Slot, world: &World) -> bool {
        self.relays.is_some()
            && matches!(world.post_of(slot), Some(Post::Settled(_) | Post::NotLed(_)))
    }
}
