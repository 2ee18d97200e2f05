//! Shards of a store with backups: they send them away in time, and are restored from them when they have lost all.
//!
//! Of a shard with replicas one is restored and the others are rebuilt from it, as the protocol does it; without leaders each
//! is restored by itself. Who has lost what, and who is up, is seen as an operator sees it: at once. All else goes by messages.
//!
//! **Invariant.** A shard that has lost all answers nothing until it is restored.

use super::{replicas::TIMER, server::Server};
use crate::{
    cause::Cause,
    model::{
        ids::{NONE, Slot},
        replication::letters::{Batch, Cargo, Envelope, Image, Kept, KeptDue, KeptSaid},
        route::Route,
        span::{Span, Work as Takes},
        store::backups::{AGAIN, Next, Phase},
        world::{World, unpack},
    },
    outcome::Outcome,
    replication::{Note, Protocol, Saved, Start, Work, data::Item},
};

impl Server {
    /// The process of an instance begins, as the simulation does or after a crash: it goes on with its backups, or asks for
    /// them.
    pub(super) fn begin_backups(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let is_down = || world.hosts.disturbed && world.hosts.is_down((self.node, inst));
        if !backups.holds(inst) || is_down() {
            return;
        }
        if backups.phase(inst) != Phase::Serves {
            return self.asks_for_backup(inst, world);
        }
        if backups.begins_to_wait(inst) {
            self.waits_for_batch(inst, Batch::Snapshot, world);
            self.waits_for_batch(inst, Batch::Log, world);
        }
        self.finds_sender(inst, world);
    }

    /// An instance that has lost all asks for what is kept, if it is the one to do so.
    fn asks_for_backup(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &self.backups else { return };
        let member = self.group.as_ref().map(|group| &group.members[usize::from(inst)]);
        if backups.may_ask(inst) && member.is_none_or(|member| member.process.may_be_restored()) {
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
        let timer = if self.group.is_some() { TIMER } else { 0 };
        world.begin_own(slot, self.program.own[timer]);
        let span = match due {
            // A slow host loads slowly.
            KeptDue::Restored => world.stretched(slot, Takes::of(after)).span,
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
        let inst = world.frames[slot].inst;
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        world.release(slot);
        let Some(Cargo::Kept(kept)) = cargo else { return };
        let KeptSaid::Due(due) = kept.said else { return };
        let Some(backups) = &self.backups else { return };
        match due {
            KeptDue::Begins(batch) => {
                self.sends_batch(inst, batch, world);
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
        let (inst, (_, from)) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        world.release(slot);
        let Some(Cargo::Kept(kept)) = cargo else { return };
        let Some(backups) = &mut self.backups else { return };
        let way = to_shards(&world.routes[usize::from(self.node)]);
        if inst == backups.keeper() {
            if let Some(said) = backups.keeps(*kept, way) {
                self.posts_kept((inst, from), said, world);
            }
            return;
        }
        match backups.hears(inst, &kept, way) {
            Some(Next::Sends(batch)) => self.sends_part(inst, batch, world),
            Some(Next::Asks(part)) => self.asks_for_part(inst, part, world),
            Some(Next::Loads(after)) => self.waits_for(inst, KeptDue::Restored, after, world),
            None => {}
        }
    }

    /// A batch is due: whoever is to send it does.
    fn sends_batch(&mut self, inst: u16, batch: Batch, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        if !backups.sends(inst) {
            return;
        }
        let process = self.group.as_ref().map(|group| &group.members[usize::from(inst)].process);
        let saved = match batch {
            Batch::Log => {
                let (held, upto) = backups.tail(inst);
                let begins = process.map(|process| process.begins(upto)).unwrap_or_default();
                Some(Saved { held, upto, begins, ..Saved::default() })
            }
            Batch::Snapshot => match process {
                Some(process) => process.save(),
                None => {
                    let image = self.copies.as_ref().map(|copies| copies.image(inst));
                    let (held, done) = image.unwrap_or_default();
                    Some(Saved { held, done, ..Saved::default() })
                }
            },
        };
        let Some(saved) = saved else { return };
        let image = Image { at: world.now(), anew: false, saved };
        if backups.begins(inst, batch, image, to_shards(&world.routes[usize::from(self.node)])) {
            self.sends_part(inst, batch, world);
        }
    }

    /// An instance serves again, with what was kept.
    fn is_restored(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let (node, now) = (self.node, world.now());
        let (shard, all) = (backups.shard(inst), backups.group(inst));
        let saved = backups.restored(inst, to_shards(&world.routes[usize::from(node)]), now);
        let serve = all.filter(|one| backups.phase(*one) == Phase::Serves).collect::<Vec<_>>();
        if let Some(copies) = &mut self.copies {
            copies.restore(inst, &saved.held, &saved.done);
        }
        for one in &serve {
            world.hosts.restores((node, *one), false, now);
        }
        if let Some(data) = &mut world.data {
            let versions = saved.held.iter().map(|(key, Item { version, .. })| (*key, *version));
            data.restored((node, shard), &versions.collect::<Vec<_>>());
        }
        if self.group.is_some() {
            self.replica_is_restored(inst, &saved, world);
            let others = serve.into_iter().filter(|one| *one != inst);
            others.for_each(|one| self.is_let_in(one, world));
            self.heals_restored(world);
        }
        self.begin_backups(inst, world);
    }

    /// A replica begins, or goes on, with what was kept.
    fn replica_is_restored(&mut self, inst: u16, saved: &Saved, world: &mut World) {
        let Some(group) = &mut self.group else { return };
        let (led, shard) = (group.led, usize::from(group.shard(inst)));
        let term = group.tally.last_term(shard);
        let member = &mut group.members[usize::from(inst)];
        let begins = std::mem::take(&mut member.wiped);
        if led {
            // Nothing goes on of what it was at.
            for slot in member.timers.iter().filter(|slot| **slot != NONE) {
                world.disarm(*slot);
            }
        } else if begins {
            self.tell_replica(inst, world, |process, cx| process.start(Start::Empty, cx));
        }
        self.tell_replica(inst, world, |process, cx| process.restored(saved, term, cx));
    }

    /// Replicas that lack what was restored are waited for, if nothing else has to be.
    fn heals_restored(&mut self, world: &World) {
        let (Some(backups), Some(group)) = (&self.backups, &mut self.group) else { return };
        if !backups.any_gone() {
            let node = self.node;
            group.restored(|inst| !world.hosts.is_down((node, inst)), world.now());
        }
    }

    /// A replica that waited for another one to be restored begins, if it is up, to be rebuilt from that.
    fn is_let_in(&mut self, inst: u16, world: &mut World) {
        let Some(group) = &self.group else { return };
        let waits = group.members[usize::from(inst)].wiped;
        if waits && !world.hosts.is_down((self.node, inst)) {
            self.starts_replica(inst, world);
            self.begin_backups(inst, world);
        }
    }

    /// All that an instance held is gone.
    pub(super) fn loses_backed_up(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        let (node, now) = (self.node, world.now());
        let members = self.group.as_ref().map_or(&[][..], |group| &group.members);
        let again = |other: u16| {
            let (one, lost) = (&members[usize::from(other)], &members[usize::from(inst)]);
            !one.wiped && one.process.makes_up_for(&lost.process)
        };
        if !backups.holds(inst) || !backups.wipe(inst, now, again) {
            return;
        }
        let all = backups.group(inst);
        all.clone().for_each(|one| world.hosts.restores((node, one), true, now));
        let Some(group) = &self.group else { return };
        if let Some(data) = &mut world.data {
            data.loses_shard((node, group.shard(inst)), now);
        }
        if group.led {
            world.forget_messages(node, &all);
        }
        // Those that lost all before may be up.
        let up = all.filter(|one| !members[usize::from(*one)].wiped).collect::<Vec<_>>();
        for one in up {
            self.begin_backups(one, world);
        }
    }

    /// The process of an instance is gone: others of its shard may take its place.
    #[cold]
    pub(super) fn crash_backups(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        if !backups.holds(inst) {
            return;
        }
        backups.crash(inst);
        for other in backups.group(inst).filter(|other| *other != inst) {
            self.begin_backups(other, world);
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

    /// Whether a letter has come for a replica that is being restored: its process does not run.
    #[cold]
    #[inline(never)]
    pub(super) fn is_turned_back(&mut self, slot: Slot, world: &mut World) -> bool {
        let Some(backups) = &self.backups else { return false };
        let letter = world.letters.as_ref().map(|letters| letters.get(slot));
        let is_about_it = matches!(letter, Some(Cargo::Kept(_)));
        if is_about_it || backups.phase(world.frames[slot].inst) == Phase::Serves {
            return false;
        }
        world.turn_back(slot);
        true
    }

    // ---- who sends, of a shard with replicas -----------------------------------------------------

    /// Those who look on at replicas are told.
    #[cold]
    #[inline(never)]
    pub(super) fn backups_hear(&mut self, inst: u16, note: &Note, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        if !backups.led() || !backups.holds(inst) {
            return;
        }
        let logs = backups.logs();
        let sender = backups.sender(inst);
        match *note {
            Note::Accepted { key, version, order } if sender.log.leader.by == Some(inst) => {
                sender.log.written((key, version, order));
            }
            Note::Committed { order } => sender.committed(inst, order, logs),
            Note::StepsDown { .. } => {
                sender.log.leader.leads_no_more(inst);
                backups.stops_sending(inst);
            }
            Note::Leads { term, began_with } => {
                let before = sender.log.leader.by;
                if !sender.log.leads(inst, (term, began_with)) {
                    return;
                }
                let is_void = logs && began_with < sender.sent;
                if let Some(before) = before {
                    backups.stops_sending(before);
                }
                if is_void {
                    backups.begins_anew(inst);
                    self.sends_batch(inst, Batch::Snapshot, world);
                }
            }
            _ => {}
        }
    }

    /// A replica of a shard that nobody leads has been told this; what it may have written is to be kept if it sends.
    #[cold]
    #[inline(never)]
    pub(super) fn keeps_what_came(&mut self, inst: u16, work: Work) {
        let (Some(backups), Some(group), Work::Write(key)) = (&mut self.backups, &self.group, work)
        else {
            return;
        };
        let is_kept = backups.holds(inst) && !backups.led() && backups.logs();
        if is_kept && backups.sends(inst) {
            let item = group.members[usize::from(inst)].process.standing(key).item();
            // What it keeps for others is not its own.
            if item.version != 0 {
                backups.sender(inst).tail.push((key, item));
            }
        }
    }

    /// Of a shard that nobody leads somebody is to send: an instance does if nobody else does.
    fn finds_sender(&mut self, inst: u16, world: &mut World) {
        let Some(backups) = &mut self.backups else { return };
        if self.group.is_none() || backups.led() || backups.sender(inst).log.leader.by.is_some() {
            return;
        }
        backups.sender(inst).log.leader.by = Some(inst);
        if backups.logs() {
            // Nobody knows what of this is there.
            backups.sender(inst).begins_anew();
            backups.group(inst).for_each(|one| backups.stops_sending(one));
            self.sends_batch(inst, Batch::Snapshot, world);
        }
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

/// The way to the shards of a store.
fn to_shards(way: &Route) -> &Route {
    if let Route::Replicas(own) = way { &own.shard } else { way }
}
