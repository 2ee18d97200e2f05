//! Who leaves the waiting room of workers: for a worker, or before anything was done for it; and whose shared work is done.

use crate::{
    cause::Cause,
    model::{
        frame::{CONNECT, Frame, HAS_CORE, HAS_WORKER, PROBE},
        ids::Slot,
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

use super::{room::Next, server::Server};

impl Server {
    /// Starts the patience timer of a frame that waits.
    #[inline(always)]
    pub(super) fn arm_patience(&mut self, slot: Slot, world: &mut World) {
        if let Some(patience) = &self.patience {
            let nanos = patience.work(slot, world).nanos;
            // `waited` is (past waits - now) while waiting.
            let past = world.frames[slot].waited.wrapping_add(world.now());
            world.arm(slot, Span::of(nanos.saturating_sub(past)));
        }
    }

    /// A newcomer has made one more wait than there is room for: the least urgent leaves.
    #[cold]
    pub(super) fn push_out(&mut self, newcomer: Slot, world: &mut World) {
        let inst = &mut self.instances[usize::from(world.frames[newcomer].inst)];
        let room = match &mut inst.workers {
            Some(workers) => &mut workers.room,
            None => inst.cores.room_mut().expect("somebody waits"),
        };
        let Some(last) = room.last(world) else { return };
        room.abandon(last, world);
        world.disarm(last);
        // What it has not worked yet is not work done.
        let left = if inst.workers.is_some() { 0 } else { world.frames.extra(last).remaining };
        let f = &mut world.frames[last];
        f.served = f.served.saturating_sub(left);
        self.refuse(
            last,
            if last == newcomer { Cause::QueueFull } else { Cause::PushedOut },
            world,
        );
    }

    /// Cores wake: whose shared work is done goes on.
    pub(super) fn share(&mut self, index: usize, world: &mut World) {
        // With a quota those of the end of processor time come after those of the instances.
        let index = index % self.instances.len();
        let mut done = std::mem::take(&mut self.finished);
        self.instances[index].cores.ticked(&mut done, world);
        for slot in done.drain(..) {
            let f = &mut world.frames[slot];
            f.flags &= !HAS_CORE;
            f.pc += 1;
            self.run(slot, world);
        }
        self.finished = done;
    }

    #[cold]
    pub(super) fn out_of_patience(&mut self, slot: Slot, world: &mut World) {
        let waited = self.stops_waiting_for_environment(slot, world);
        let inst = &mut self.instances[usize::from(world.frames[slot].inst)];
        match &mut inst.workers {
            _ if waited => {}
            Some(w) if world.frames[slot].flags & HAS_WORKER == 0 => w.room.abandon(slot, world),
            _ => inst.cores.room_mut().expect("it waits").abandon(slot, world),
        }
        // Only the first step of a visit gives up, with a worker or without: its demand is not work done.
        world.frames[slot].served = 0;
        world.record.node(self.node).cause(Cause::Abandoned);
        self.finish(slot, Outcome::Rejected, world);
    }

    /// Ends a visit whose propagated deadline has passed.
    #[inline(never)]
    pub(super) fn past_deadline(&mut self, slot: Slot, world: &mut World) -> bool {
        let extra = world.frames.extra(slot);
        let past = extra.enforced && extra.deadline <= world.now();
        if past {
            world.record.node(self.node).cause(Cause::Deadline);
            self.finish(slot, Outcome::Timeout, world);
        }
        past
    }

    pub(super) fn finish_dropped(&mut self, world: &mut World) {
        while let Some(slot) = self.dropped.pop() {
            world.disarm(slot);
            world.record.node(self.node).cause(Cause::Codel);
            self.finish(slot, Outcome::Shed, world);
        }
    }

    pub(super) fn refuse(&mut self, slot: Slot, cause: Cause, world: &mut World) {
        world.record.node(self.node).cause(cause);
        self.finish(slot, Outcome::Rejected, world);
    }

    /// A connection that is opened, or a health check, asks for no endpoint: whoever is there says so, unless it may not serve.
    #[inline(never)]
    pub(super) fn probed(&mut self, slot: Slot, world: &mut World) {
        let Frame { op, inst, .. } = world.frames[slot];
        if op == CONNECT {
            return self.greets(slot, world);
        }
        assert_eq!(op, PROBE, "every operation that can arrive has an endpoint");
        let well = self.serves(inst, world);
        world.reply_probe(slot, if well { Outcome::Ok } else { Outcome::Unavailable });
    }

    /// A worker is free: whoever waits is admitted.
    #[inline(never)]
    pub(super) fn free_worker(&mut self, inst: usize, world: &mut World) {
        let now = world.now();
        loop {
            let Some(workers) = &mut self.instances[inst].workers else { return };
            match workers.room.next(world) {
                Next::Empty => {
                    workers.busy.leave(now);
                    return self.ask_for_more(inst as u16, world);
                }
                Next::Drop(slot) => {
                    world.disarm(slot);
                    world.record.node(self.node).cause(Cause::Codel);
                    self.finish(slot, Outcome::Shed, world);
                }
                Next::Serve(slot) => {
                    world.disarm(slot);
                    let f = &mut world.frames[slot];
                    f.flags |= HAS_WORKER;
                    f.pc -= 1;
                    // By an event of its own: a visit that ends at once would recurse here.
                    return world.arm(slot, Span::ZERO);
                }
            }
        }
    }
}
