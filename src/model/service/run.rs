//! What happens to a server, handed to whoever takes care of it.
//!
//! **Invariant.** As in `node.rs`.

use super::server::{Server, Version};
use crate::{
    model::{
        books::{
            BackupsMeasured, BatchesMeasured, EnvironmentsMeasured, InstanceBooks, MovedMeasured,
            SagasMeasured,
        },
        bounded::Bounded,
        consistency::held::Holdings,
        ids::{Host, Slot},
        node::{Choose, Node},
        queue::counts::{Backlog, GroupMeasured, OutboxMeasured, QueueMeasured},
        replication::tally::ReplicasMeasured,
        route::Route,
        world::World,
    },
    replication::Strike,
    stats::Histogram,
};

impl Node for Server {
    #[inline(always)]
    fn on_request(&mut self, slot: Slot, world: &mut World) {
        self.admit(slot, world);
    }

    #[inline(always)]
    fn on_reply(&mut self, child: Slot, world: &mut World) {
        self.answered(child, world);
    }

    #[inline(always)]
    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        self.timed(slot, world);
    }

    fn on_tick(&mut self, index: u32, world: &mut World) {
        self.share(index as usize, world);
    }

    fn on_cancel(&mut self, slot: Slot, world: &mut World) {
        self.called_off(slot, world);
    }

    fn start(&mut self, world: &mut World) {
        // Now it is whole. Nothing of it was held before.
        self.bounds = self.bounded_parts();
        for inst in 0..self.instances.len() as u16 {
            self.begin_background(inst, false, world);
            self.begin_consuming(inst, world);
            self.begin_backups(inst, world);
        }
        self.start_replicas(world);
    }

    fn recover(&mut self, inst: u16, world: &mut World) {
        self.begin_background(inst, true, world);
        self.begin_consuming(inst, world);
        self.restart_replica(inst, world);
        self.resume_sagas(inst, world);
    }

    fn withdraw(&mut self, host: Host, out: bool, world: &mut World) {
        self.joins(host, !out, world);
    }

    fn joins(&mut self, (node, inst): Host, there: bool, world: &mut World) {
        if node == self.node {
            self.is_withdrawn(inst, !there, world);
        }
    }

    fn damage(&mut self, inst: u16, strike: Option<Strike>, world: &mut World) {
        self.lose_copies(inst, strike, world);
    }

    fn on_letter(&mut self, slot: Slot, world: &mut World) {
        self.letter_came(slot, world);
    }

    fn crash(&mut self, number: u16, lost: &[Slot], world: &mut World) {
        let visits = lost.iter().filter(|&&slot| !world.is_branch(slot)).count();
        let inst = &mut self.instances[usize::from(number)];
        inst.departures += visits as u64;
        self.unserved[usize::from(number)].failed += visits as u64;
        if let Some(workers) = &mut inst.workers {
            workers.room.clear(world);
            workers.busy.clear(world.now());
        }
        inst.cores.clear(world);
        self.orphan_branches(lost, world);
        self.crash_locks(lost, world);
        Self::crash_connections(lost, world);
        self.crash_leased(number, lost, world);
        self.crash_sagas(lost, world);
        self.crash_messages(number, lost, world);
        let inst = &mut self.instances[usize::from(number)];
        self.frozen.entry(number).and_modify(Vec::clear);
        if let Some(contents) = &mut inst.contents {
            contents.clear();
            contents.forget_fetches();
        }
        inst.edges.iter_mut().for_each(|edge| edge.restart(world.now()));
        if let Some(inbound) = &mut self.inbound {
            let departures = self.instances[usize::from(number)].departures;
            inbound.restart(number, departures, world.now());
        }
        self.end_background(number);
        self.crash_processes(number, lost, world);
    }

    fn retire(&mut self, choose: &mut Choose<'_>, crash: bool, world: &mut World) {
        self.retire_environments(choose, crash, world);
    }

    fn environments(&self, now: u64, audit: bool) -> Option<EnvironmentsMeasured> {
        self.environments.as_ref().map(|own| own.measured(now, audit))
    }

    fn reshard(&mut self, to: Route, shards: u16, world: &mut World) {
        self.begin_moves(to, shards, world);
    }

    fn moved(&self) -> Option<MovedMeasured> {
        self.moving.as_ref().map(|moving| moving.measured())
    }

    fn backups(&self) -> Option<BackupsMeasured> {
        self.backups.as_ref().map(|backups| backups.measured())
    }

    fn pause(&mut self, inst: u16, world: &mut World) {
        let host = (self.node, inst);
        let left = self.instances[usize::from(inst)].cores.freeze(host, world);
        self.frozen.insert(inst, left);
    }

    fn resume(&mut self, inst: u16, world: &mut World) {
        let left = self.frozen.remove(&inst).unwrap_or_default();
        let host = (self.node, inst);
        self.instances[usize::from(inst)].cores.thaw(host, &left, world);
    }

    fn set_pace(&mut self, inst: u16, before: f64, after: f64, world: &mut World) {
        let node = self.node;
        if self.frozen.contains_key(&inst) {
            return; // Taken into account when it goes on.
        }
        self.instances[usize::from(inst)].cores.set_pace((node, inst), before, after, world);
    }

    fn set_clock(&mut self, inst: u16, faster: f64, world: &mut World) {
        if let Some(group) = &mut self.group {
            group.retime(inst, faster, world);
        }
        self.retime_leased(inst, faster, world);
    }

    fn holds(&self, held: &mut Holdings) {
        let contents = self.instances.iter().filter_map(|inst| inst.contents.as_ref());
        held.versions.extend(contents.flat_map(|contents| contents.held_versions()));
        self.replicas_hold(held);
    }

    fn parted(&mut self, fault: usize) {
        if let Some(group) = &mut self.group {
            group.healing.struck(fault);
        }
    }

    fn healed(&mut self, fault: usize, back: &[Host], world: &World) {
        let (node, now) = (self.node, world.now());
        let gone = self.backups.as_ref().is_some_and(|backups| backups.any_gone());
        if let Some(group) = &mut self.group {
            if gone {
                return group.healing.waits(fault, now);
            }
            let counts = |inst| back.contains(&(node, inst)) || !world.hosts.is_down((node, inst));
            group.healed(fault, counts, (now, now));
        }
    }

    fn leaders(&self) -> Vec<u16> {
        self.group.as_ref().map_or_else(Vec::new, |group| group.tally.leaders().collect())
    }

    fn replicas(&self, now: u64) -> Option<ReplicasMeasured> {
        self.group.as_ref().map(|group| group.measured(now))
    }

    fn sagas(&self) -> Option<SagasMeasured> {
        self.sagas.as_ref().map(|sagas| sagas.measured())
    }

    fn batches(&self) -> Option<BatchesMeasured> {
        self.batches_measured()
    }

    fn queue(&self) -> Option<(QueueMeasured, bool)> {
        self.broker.as_ref().map(|own| (own.measured(), own.broker.is_sound()))
    }

    fn each_held(&self, group: u16, now: u64, each: &mut dyn FnMut(u64, u64)) {
        self.broker.iter().for_each(|own| own.broker.each_held(each));
        self.log.iter().for_each(|own| own.log.each_held(usize::from(group), now, each));
    }

    fn groups(&self, now: u64, from: u64) -> (Vec<GroupMeasured>, bool) {
        self.log.as_ref().map_or((Vec::new(), true), |own| own.measured(now, from))
    }

    fn outbox(&self) -> Option<OutboxMeasured> {
        self.relays.as_ref().map(|relays| relays.measured())
    }

    fn backlog(&self, what: &Backlog, now: u64) -> u128 {
        self.waits_at_broker(what, now)
    }

    fn in_doubt(&self, now: u64) -> Option<Histogram> {
        self.promises.as_ref().map(|promises| promises.in_doubt(now))
    }

    fn clear_cache(&mut self, inst: u16) {
        if let Some(contents) = &mut self.instances[usize::from(inst)].contents {
            contents.clear();
        }
    }

    fn set_version(&mut self, version: usize) {
        let Some(Version { entries, own, limits }) = self.versions.get(version) else { return };
        self.mixed = None;
        self.program.entries.clone_from(entries);
        self.program.own.clone_from(own);
        if let Some(inbound) = &mut self.inbound {
            inbound.set_version(version);
        }
        if let Some(own) = &mut self.background {
            own.set_version(version);
        }
        for inst in &mut self.instances {
            if let (Some(contents), Some(limits)) = (&mut inst.contents, limits) {
                contents.limits.clone_from(limits);
            }
        }
    }

    fn set_versions(&mut self, by_instance: &[usize]) {
        if self.versions.is_empty() || by_instance.iter().all(|one| *one == by_instance[0]) {
            return self.set_version(by_instance[0]);
        }
        // Without entries a visit asks for its instance's.
        self.program.entries.clear();
        self.mixed = Some(by_instance.into());
        for (inst, &version) in self.instances.iter_mut().zip(by_instance) {
            if let (Some(contents), Some(limits)) =
                (&mut inst.contents, &self.versions[version].limits)
            {
                contents.limits.clone_from(limits);
            }
        }
    }

    fn bounded(&self) -> (&'static str, Vec<Bounded>) {
        (self.first_bound(), self.bounds.iter().map(|(bounded, _)| bounded.clone()).collect())
    }

    fn held(&self, now: u64, held: &mut Vec<u128>) {
        for inst in 0..self.serving() {
            held.extend(self.bounds.iter().map(|(_, part)| self.part(part, inst, now)));
        }
    }

    fn books(&self, now: u64, books: &mut Vec<InstanceBooks>) {
        books.extend((0..self.serving()).map(|inst| self.books_of(inst, now)));
    }
}
