//! Calls wait at the door of a node that has no instance, until one is ready or their callers give up.
//!
//! Like a visit that comes during a pause, one that waits there is inside its node, which has not seen it.
//!
//! **Invariant.** The line is empty as soon as an instance is ready.

use crate::{
    cause::Cause,
    model::{
        event,
        frame::{CALLEE_DONE, FINISHED, UNSEEN},
        ids::{Host, NodeId, Slot},
        route::{Route, one_of},
        world::World,
    },
};

impl World {
    /// A call comes to a door: whether it waits there. An instance is asked for at once.
    #[cold]
    #[inline(never)]
    pub(in crate::model) fn waits_at_door(&mut self, slot: Slot, host: Host) -> bool {
        let now = self.now();
        let Some(door) = self.hosts.door_mut(host.0) else { return false };
        if door.line.len() as u64 >= door.most {
            return false;
        }
        door.line.push_back(slot);
        let tick = door.tick;
        self.hosts.nodes[usize::from(host.0)][usize::from(host.1)].door.enter(now);
        let f = &mut self.frames[slot];
        (f.arrived, f.armed) = (now, UNSEEN);
        let record = self.record.node(host.0);
        record.arrive(now);
        record.cause(Cause::Held);
        // It is on its way as long as it stands there.
        self.delivered -= 1;
        self.agenda.push_now(tick, event::FATE);
        true
    }

    /// Whoever called stops waiting: whether the call stood at a door, which it then leaves.
    #[cold]
    #[inline(never)]
    pub(in crate::model) fn leaves_door(&mut self, slot: Slot) -> bool {
        let (now, from) = (self.now(), self.record.measured_from);
        let (node, arrived) = (self.frames[slot].node, self.frames[slot].arrived);
        let Some(door) = self.hosts.door_mut(node) else { return false };
        if !door.leaves(slot) {
            return false;
        }
        door.needless += u64::from(!self.overdue);
        let vacant = usize::from(self.hosts.vacant(node).unwrap_or_default());
        let state = &mut self.hosts.nodes[usize::from(node)][vacant];
        state.door.leave(now);
        state.lost += 1;
        self.delivered += 1;
        let record = self.record.node(node);
        record.depart(now, arrived, from, Err(Cause::Cancelled));
        record.needless += u64::from(!self.overdue);
        let f = &mut self.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        true
    }

    /// Whoever waits at a door comes to those who are ready now, if any is.
    #[cold]
    pub(in crate::model) fn opens_door(&mut self, node: NodeId) {
        let now = self.now();
        let Route::Members(members) = &self.routes[usize::from(node)] else { return };
        let vacant = self.hosts.vacant(node);
        if members.first().copied() == vacant {
            return;
        }
        let members = members.clone();
        let line = self.hosts.door_mut(node).map(|door| std::mem::take(&mut door.line));
        for slot in line.into_iter().flatten() {
            let id = self.frames[slot].id ^ self.route_salt;
            let inst = one_of(&members, id);
            let states = &mut self.hosts.nodes[usize::from(node)];
            states[usize::from(vacant.unwrap_or_default())].door.leave(now);
            states[usize::from(inst)].door.enter(now);
            self.frames[slot].inst = inst;
            self.agenda.push_now(slot, event::DELIVER);
        }
    }
}
