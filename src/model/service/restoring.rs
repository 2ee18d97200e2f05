//! Shards of a store with backups: they send them away in time, and are restored from them when they have lost all.
//!
//! **Invariant.** A shard that has lost all answers nothing until it is restored.

use super::server::Server;
use crate::{
    cause::Cause,
    model::{
        ids::Slot,
        replication::letters::{Batch, Cargo, Envelope, Image, Kept, KeptDue, KeptSaid},
        span::{Span, Work},
        store::backups::{AGAIN, Next, Phase},
        world::World,
    },
    outcome::Outcome,
    replication::data::Item,
};

impl Server {
    /// The process of a shard begins, as the simulation does or after a crash: it goes on with its backups, or asks for them.
    pub(super) fn begin_backups(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &self.backups else { return };
        let is_down = || world.hosts.disturbed && world.hosts.is_down((self.node, inst));
        if inst >= backups.keeper() || is_down() {
            return;
        }
        if backups.phase(inst) == Phase::Serves {
            self.waits_for_batch(inst, Batch::Snapshot, world);
            self.waits_for_batch(inst, Batch::Log, world);
        } else {
            self.asks_for_part(inst, 0, world);
        }
    }

    /// A shard sends a batch when that is next due.
    fn waits_for_batch(&mut self, inst: u16, batch: Batch, world: &mut World) {
        let Some(backups) = &self.backups else { return };
        if let Some(after) = backups.until(batch, world.now()) {
            self.waits_for(inst, KeptDue::Begins(batch), after, world);
        }
    }

    /// A shard does something about its backup after so many ns.
    fn waits_for(&mut self, inst: u16, due: KeptDue, after: u64, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let cargo = Kept { shard: inst, life: 0, said: KeptSaid::Due(due) };
        let (host, id) = ((self.node, inst), backups.next_id());
        let slot = world.own_frame(host, (id, 0), Cargo::Kept(Box::new(cargo)));
        world.begin_own(slot, self.program.own[0]);
        let span = match due {
            // A slow host loads slowly.
            KeptDue::Restored => world.stretched(slot, Work::of(after)).span,
            _ => Span::of(after),
        };
        world.arm(slot, span);
    }

    fn posts_kept(&mut self, (from, to): (u16, u16), (kept, size): (Kept, u64), world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let id = backups.next_id();
        let (from, to) = ((self.node, from), (self.node, to));
        world.post(Envelope { from, to, id, size }, Cargo::Kept(Box::new(kept)));
    }

    fn asks_for_part(&mut self, inst: u16, part: u64, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let (kept, keeper) = (backups.ask(inst, part, world.now()), backups.keeper());
        self.posts_kept((inst, keeper), (kept, 0), world);
        self.waits_for(inst, KeptDue::Ask(part), AGAIN, world);
    }

    /// The part of a batch that is to be on its way is sent.
    fn sends_part(&mut self, inst: u16, batch: Batch, world: &mut World) {
        let Some(backups) = &self.backups else { return };
        let keeper = backups.keeper();
        let Some((part, said)) = backups.part(inst, batch) else { return };
        self.posts_kept((inst, keeper), said, world);
        self.waits_for(inst, KeptDue::Again(batch, part), AGAIN, world);
    }

    /// The time has come for something.
    #[cold]
    pub(super) fn backup_due(&mut self, slot: Slot, world: &mut World) {
        let (inst, now) = (world.frames[slot].inst, world.now());
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        world.release(slot);
        let Some(Cargo::Kept(kept)) = cargo else { return };
        let KeptSaid::Due(due) = kept.said else { return };
        let Some(backups) = &mut self.backups else { return };
        match due {
            KeptDue::Begins(batch) => {
                let (held, done) = match batch {
                    Batch::Log => (backups.tail(inst), Vec::new()),
                    Batch::Snapshot => {
                        self.copies.as_ref().map(|copies| copies.image(inst)).unwrap_or_default()
                    }
                };
                let image = Image { at: now, held, done };
                let way = &world.routes[usize::from(self.node)];
                if backups.begins(inst, batch, image, way) {
                    self.sends_part(inst, batch, world);
                }
                self.waits_for_batch(inst, batch, world);
            }
            KeptDue::Again(batch, part) => {
                if backups.part(inst, batch).is_some_and(|(now, _)| now == part) {
                    self.sends_part(inst, batch, world);
                }
            }
            KeptDue::Ask(part) => {
                if backups.phase(inst) == Phase::Asks(part) {
                    self.asks_for_part(inst, part, world);
                }
            }
            KeptDue::Restored => self.is_restored(inst, world),
        }
    }

    /// Something about a backup has come.
    #[cold]
    pub(super) fn hears_of_backup(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        world.release(slot);
        let Some(Cargo::Kept(kept)) = cargo else { return };
        let Some(backups) = &mut self.backups else { return };
        let way = &world.routes[usize::from(self.node)];
        if inst == backups.keeper() {
            let shard = kept.shard;
            if let Some(said) = backups.keeps(*kept, way) {
                self.posts_kept((inst, shard), said, world);
            }
            return;
        }
        match backups.hears(&kept, way) {
            Some(Next::Sends(batch)) => self.sends_part(inst, batch, world),
            Some(Next::Asks(part)) => self.asks_for_part(inst, part, world),
            Some(Next::Loads(after)) => self.waits_for(inst, KeptDue::Restored, after, world),
            None => {}
        }
    }

    /// A shard serves again, with what was kept.
    fn is_restored(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let (node, now) = (self.node, world.now());
        let (held, done) = backups.restored(inst, &world.routes[usize::from(node)], now);
        if let Some(copies) = &mut self.copies {
            copies.restore(inst, &held, &done);
        }
        world.hosts.restores((node, inst), false, now);
        if let Some(data) = &mut world.data {
            let versions = held.into_iter().map(|(key, Item { version, .. })| (key, version));
            data.restored((node, inst), &versions.collect::<Vec<_>>());
        }
        self.begin_backups(inst, world);
    }

    /// All that a shard held is gone.
    pub(super) fn loses_backed_up(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        if backups.wipe(inst, world.now()) {
            world.hosts.restores((self.node, inst), true, world.now());
        }
    }

    /// Whether somebody has come to a shard that is being restored: then he is turned away.
    pub(super) fn is_restoring(&mut self, slot: Slot, world: &mut World) -> bool {
        let Some(backups) = &self.backups else { return false };
        if backups.phase(world.frames[slot].inst) == Phase::Serves {
            return false;
        }
        world.record.node(self.node).cause(Cause::Restoring);
        self.finish(slot, Outcome::Unavailable, world);
        true
    }

    /// A visit has written what views are to show, or a backup is to have.
    #[cold]
    #[inline(never)]
    pub(super) fn passes_on_write(&mut self, slot: Slot, world: &mut World) {
        if self.feeding.is_some() {
            self.feeds_write(slot, world);
        }
        let f = &world.frames[slot];
        if let (Some(backups), Some(copies)) = (&mut self.backups, &self.copies) {
            backups.written(f.inst, f.key, copies.get(f.inst, f.key));
        }
    }
}
