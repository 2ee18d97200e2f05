//! Stores whose log feeds views, and views: how entries get from the one to the other.
//!
//! An entry is a message that is work at its receiver. A source and a view each wait for what is due by a frame of their own.
//!
//! **Invariant.** What travels is of one line; who is told of another one than the current says nothing.

use super::server::Server;
use crate::{
    model::{
        ids::{NONE, NodeId, Slot},
        replication::letters::{Cargo, Envelope, Fed, FedSaid, Line, Showing},
        span::Span,
        store::{
            feed::{AGAIN, Due},
            intake::Begun,
        },
        world::{World, unpack},
    },
    replication::Note,
};

impl Server {
    /// Whether a frame has to do with logs that feed views.
    pub(super) fn is_of_feed(&self, slot: Slot, world: &World) -> bool {
        let cargo = world.letters.as_ref().map(|letters| letters.get(slot));
        self.feeding.is_some() && matches!(cargo, Some(Cargo::Fed(_)))
    }

    /// Something of a log that feeds a view has come, is done, or is due.
    #[cold]
    pub(super) fn hears_of_feed(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        if self.group.is_some()
            && let Some(Cargo::Fed(fed)) = world.letters.as_ref().map(|all| all.get(slot))
            && let FedSaid::Entry(..) = fed.said
        {
            return self.asks_whether_it_leads(slot, world);
        }
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        let Some(Cargo::Fed(fed)) = cargo else { return world.release(slot) };
        let Fed { line, said } = *fed;
        let now = world.now();
        if let FedSaid::Due = said {
            return self.feed_is_due(slot, inst, line.from, world);
        }
        world.release(slot);
        let Some(feeding) = &mut self.feeding else { return };
        match said {
            FedSaid::Entry(number, change) => {
                let Some(intake) = &mut feeding.intake else { return };
                match intake.comes(&line, (number, change), from.1) {
                    Some(begun) => self.applies((inst, line), &begun, (from.1, world)),
                    None => {
                        let (upto, id) = (intake.upto(&line), intake.next_id());
                        self.answers((inst, from), id, (line, FedSaid::Upto(upto)), world);
                    }
                }
            }
            FedSaid::Applies { number, change, sender, .. } => {
                let Some(intake) = &mut feeding.intake else { return };
                let begun = intake.worked(&line, number);
                let Some(upto) = intake.applied(&line, number) else { return };
                let (id, source) = (intake.next_id(), intake.source());
                if !intake.is_late(line.to, change) {
                    self.takes_entry(inst, change, world);
                }
                self.applies((inst, line), &begun, (sender, world));
                self.answers((inst, (source, sender)), id, (line, FedSaid::Upto(upto)), world);
            }
            FedSaid::Upto(upto) => {
                if let Some(out) = &mut feeding.out {
                    out.applied(&line, upto, now);
                    self.feeds(line.from, world);
                }
            }
            FedSaid::Elsewhere(number, leader) => {
                self.sends_entry_elsewhere((inst, from), (line, number, leader), world);
            }
            FedSaid::Lost => self.begins_line((inst, from), line, world),
            FedSaid::Begins => {
                if let Some(intake) = &mut feeding.intake {
                    intake.begins(&line);
                }
            }
            FedSaid::Due => {}
        }
    }

    pub(super) fn answers(
        &self,
        (inst, to): (u16, (NodeId, u16)),
        id: u64,
        (line, said): (Line, FedSaid),
        world: &mut World,
    ) {
        let envelope = Envelope { from: (self.node, inst), to, id, size: 0 };
        world.post(envelope, Cargo::Fed(Box::new(Fed { line, said })));
    }

    // ---- the view -----------------------------------------------------------------------------

    /// Entries of a line that somebody sent are applied from now on.
    pub(super) fn applies(
        &mut self,
        (inst, line): (u16, Line),
        begun: &[Begun],
        (sender, world): (u16, &mut World),
    ) {
        for &(number, change) in begun {
            let Some(feeding) = &mut self.feeding else { return };
            let Some(intake) = &mut feeding.intake else { return };
            let (id, entry) = (intake.next_id(), self.program.own[feeding.apply]);
            let reign = intake.reign(line.to);
            let said = FedSaid::Applies { number, change, sender, reign };
            let cargo = Cargo::Fed(Box::new(Fed { line, said }));
            let slot = world.own_frame((self.node, inst), (id, change.key), cargo);
            world.begin_own(slot, entry);
            self.run(slot, world);
        }
    }

    /// A view takes the version of an entry.
    fn takes_entry(&mut self, inst: u16, change: Showing, world: &mut World) {
        let (now, Showing { key, version, .. }) = (world.now(), change);
        let Some(copies) = &mut self.copies else { return };
        let held = copies.get(inst, key).version;
        let place = copies.put(inst, key, version);
        if let Some(data) = &mut world.data {
            data.comes_to_view(self.node, key, (held, version), now);
        }
        self.feeds_on(inst, (key, version, place), world);
    }

    /// An instance whose shard lost all, or some of what it had said to have, asks for what there is to show.
    pub(super) fn asks_for_lines(&mut self, inst: u16, world: &mut World) {
        let Some(feeding) = &self.feeding else { return };
        let (node, entry) = (self.node, self.program.own.get(feeding.timer).copied());
        let shard = self.group.as_ref().map_or(inst, |group| group.shard(inst));
        let (Some(intake), Some(entry)) = (self.intake_of(inst, shard), entry) else { return };
        let asked = intake.asks(node, shard);
        if asked.is_empty() {
            return;
        }
        let (first, id) = (asked[0].1, intake.next_id());
        let ids: Vec<u64> = asked.iter().map(|_| intake.next_id()).collect();
        for ((to, line), id) in asked.into_iter().zip(ids) {
            self.answers((inst, to), id, (line, FedSaid::Lost), world);
        }
        let cargo = Cargo::Fed(Box::new(Fed { line: first, said: FedSaid::Due }));
        let slot = world.own_frame((node, inst), (id, 0), cargo);
        world.begin_own(slot, entry);
        world.arm(slot, Span::of(AGAIN));
    }

    // ---- the source ---------------------------------------------------------------------------

    /// Who waited for a time has waited: at a view until it asks again, at a source until something is due.
    fn feed_is_due(&mut self, slot: Slot, inst: u16, shard: u16, world: &mut World) {
        world.release(slot);
        let Some(feeding) = &mut self.feeding else { return };
        let of_source = feeding.out.as_mut().is_some_and(|out| {
            let ours = usize::from(shard) < out.shards() && out.clock(shard).0 == slot;
            if ours {
                *out.clock(shard) = (NONE, u64::MAX);
            }
            ours
        });
        if of_source {
            self.feeds(shard, world);
        } else {
            self.asks_for_lines(inst, world);
        }
    }

    /// A visit has written what views are to show.
    #[cold]
    #[inline(never)]
    pub(super) fn feeds_write(&mut self, slot: Slot, world: &mut World) {
        let (inst, key) = (world.frames[slot].inst, world.frames[slot].key);
        let Some(copies) = &self.copies else { return };
        let item = copies.get(inst, key);
        self.feeds_on(inst, (key, item.version, item.order), world);
    }

    /// A shard has written a key of which views have to hear.
    #[cold]
    #[inline(never)]
    pub(super) fn feeds_on(&mut self, inst: u16, written: (u64, u64, u64), world: &mut World) {
        let now = world.now();
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        out.written(inst, written, now, |view, key| world.shard_of(view, key));
        let shard = out.shard(inst);
        self.feeds(shard, world);
    }

    /// A key, of which this is the newest version, is served by another shard from now on.
    pub(super) fn feeds_what_comes(&mut self, shard: u16, written: (u64, u64), world: &mut World) {
        let now = world.now();
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        out.comes(shard, written, now, |view, key| world.shard_of(view, key));
        self.feeds(shard, world);
    }

    /// What is due of a shard's entries is sent.
    fn feeds(&mut self, shard: u16, world: &mut World) {
        let (node, now) = (self.node, world.now());
        let Some(feeding) = &mut self.feeding else { return };
        let entry = self.program.own[feeding.timer];
        let Some(out) = &mut feeding.out else { return };
        let Some(leader) = out.leader(shard) else { return };
        if world.hosts.disturbed && world.hosts.is_down((node, leader)) {
            return;
        }
        let mut silent = None;
        for due in out.due(shard, now) {
            let again = due.again && silent.replace(due.to) != Some(due.to);
            let to = self.whom_to_feed(leader, due.to, again, world);
            self.sends_entry(due, to, world);
        }
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        let Some(next) = out.next(shard) else { return };
        let (clock, armed) = *out.clock(shard);
        if armed <= next {
            return;
        }
        let span = Span::of(next.saturating_sub(now));
        if clock != NONE {
            world.disarm(clock);
            world.arm(clock, span);
            return out.clock(shard).1 = next;
        }
        let line = Line { view: node, to: 0, from: shard, number: 0 };
        let cargo = Cargo::Fed(Box::new(Fed { line, said: FedSaid::Due }));
        let slot = world.own_frame((node, leader), (out.next_id(), 0), cargo);
        world.begin_own(slot, entry);
        world.arm(slot, span);
        *out.clock(shard) = (slot, next);
    }

    pub(super) fn sends_entry(&self, due: Due, to: (NodeId, u16), world: &mut World) {
        let envelope = Envelope { from: (self.node, due.from), to, id: due.id, size: due.size };
        world.post(envelope, Cargo::Fed(Box::new(due.fed)));
    }

    /// A view, of which this instance asks, begins a new line, with what there is.
    fn begins_line(&mut self, (inst, asks): (u16, (NodeId, u16)), line: Line, world: &mut World) {
        let now = world.now();
        let mut held = self.held_in_order(inst);
        held.retain(|(key, _)| world.shard_of(line.view, *key) == line.to);
        if let Some(moving) = &self.moving {
            // Whoever serves a key shows it.
            let (shard, way) = (moving.shard(inst), world.routes[usize::from(self.node)].shards());
            held.retain(|(key, _)| moving.home(*key, way) == shard);
        }
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        let Some(id) = out.begins(inst, line, held, now) else { return };
        self.answers((inst, asks), id, (line, FedSaid::Begins), world);
        world.believes((self.node, inst), asks);
        self.feeds(line.from, world);
    }

    /// Keys and versions that an instance holds, in the order in which they were written.
    fn held_in_order(&self, inst: u16) -> Vec<(u64, u64)> {
        let mut all: Vec<(u64, u64, u64)> = Vec::new();
        if let Some(group) = &self.group {
            let records = self.promises.as_ref().and_then(|own| own.records.as_ref());
            group.members[usize::from(inst)].process.items(&mut |key, item| {
                if records.is_none_or(|records| !records.has(key)) {
                    all.push((item.order, key, item.version));
                }
            });
        } else if let Some(copies) = &self.copies {
            let held = copies.keys(inst).into_iter().map(|key| (key, copies.get(inst, key)));
            all.extend(held.map(|(key, item)| (item.order, key, item.version)));
        }
        all.sort_unstable();
        all.into_iter().map(|(_, key, version)| (key, version)).collect()
    }

    /// A replica of a source has something to say.
    #[cold]
    #[inline(never)]
    pub(super) fn feeds_hear(&mut self, inst: u16, note: &Note, world: &mut World) {
        let now = world.now();
        self.shows(inst, note, world);
        if let Note::Accepted { key, version, order } = *note {
            return self.feeds_on(inst, (key, version, order), world);
        }
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        let home = |view, key| world.shard_of(view, key);
        match *note {
            Note::Committed { order } if out.leader(out.shard(inst)) == Some(inst) => {
                out.committed(inst, order, now, home);
            }
            Note::StepsDown { .. } => return out.leads_no_more(inst),
            Note::Leads { term, began_with } => out.leads(inst, (term, began_with)),
            _ => return,
        }
        let shard = out.shard(inst);
        self.feeds(shard, world);
    }

    /// A replica of a view has something to say: what has come to it.
    fn shows(&mut self, inst: u16, note: &Note, world: &mut World) {
        let (now, node) = (world.now(), self.node);
        let (Some(feeding), Some(group)) = (&mut self.feeding, &self.group) else { return };
        let (Some(shown), Some(data)) = (&mut feeding.shown, &mut world.data) else { return };
        let mut comes =
            |(key, before, version)| data.comes_to_view(node, key, (before, version), now);
        match *note {
            Note::Accepted { key, version, order } => {
                shown.accepted(inst, (key, version, order)).map(&mut comes);
            }
            Note::Committed { order } => {
                while let Some(one) = shown.committed(inst, order) {
                    comes(one);
                }
            }
            Note::StepsDown { .. } => shown.leads_no_more(inst),
            Note::Leads { term, began_with } => {
                let process = &group.members[usize::from(inst)].process;
                shown.leads((inst, process), (term, began_with));
            }
            _ => {}
        }
        self.intake_hears(inst, note, world);
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// An instance begins, as the simulation does or after a crash.
    pub(super) fn begin_feeding(&mut self, inst: u16, world: &mut World) {
        let Some(feeding) = &self.feeding else { return };
        if world.hosts.disturbed && world.hosts.is_down((self.node, inst)) {
            return;
        }
        if let Some(out) = &feeding.out {
            let shard = out.shard(inst);
            if out.leader(shard) == Some(inst) {
                self.feeds(shard, world);
            }
        }
        self.asks_for_lines(inst, world);
    }

    /// The process of an instance is gone.
    pub(super) fn crash_feeding(&mut self, inst: u16) {
        let Some(feeding) = &mut self.feeding else { return };
        if let Some(shown) = &mut feeding.shown {
            shown.leads_no_more(inst);
        }
        if let Some(out) = &mut feeding.out {
            out.crash(inst);
        }
        if let Some(intake) = feeding.intake.as_mut().filter(|_| self.group.is_none()) {
            intake.crash(inst);
        }
    }

    /// All that an instance of one copy held is gone.
    pub(super) fn wipes_feeding(&mut self, inst: u16) {
        let Some(feeding) = &mut self.feeding else { return };
        if let Some(out) = feeding.out.as_mut().filter(|_| self.group.is_none()) {
            out.wipe(inst);
        }
        // Of replicas whoever leads next finds out what is missing.
        if let Some(intake) = feeding.intake.as_mut().filter(|_| self.group.is_none()) {
            intake.wipe(inst);
        }
    }
}
