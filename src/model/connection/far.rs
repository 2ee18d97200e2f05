//! The far ends of connections: accepted, worked for, closed when nothing has come for too long.
//!
//! **Invariant.** An instance knows of a connection from the first message that came for it until it closes that.

use super::registry::{BITS, Connection, Connections, Near, QUIET, TO_FAR, TO_NEAR};
use crate::model::{
    event,
    frame::CALLEE_DONE,
    ids::{Host, NONE, Slot},
    world::World,
};

impl Connections {
    /// A visit has come on a connection; whether the far end has that.
    fn comes_in(&mut self, id: u32, slot: Slot, host: Host) -> bool {
        let Some(c) = self.all.get_mut(&id) else { return false };
        if !c.accepted || c.far != host || c.greeting != NONE {
            c.reset = true;
            return false;
        }
        c.inside.push(slot);
        self.far.entry(host).or_default().inside += 1;
        true
    }

    /// The far end has it no more.
    pub(super) fn far_is_gone(&mut self, id: u32) {
        let Some(c) = self.all.get_mut(&id) else { return };
        if std::mem::take(&mut c.accepted) {
            let inside = std::mem::take(&mut c.inside).len() as u64;
            let far = self.far.entry(c.far).or_default();
            (far.open, far.inside) = (far.open - 1, far.inside - inside);
        }
        self.settle(id);
    }
}

impl World {
    /// The first message for a connection has come to the instance where it is to end.
    pub fn accept(&mut self, id: u32, host: Host, keep_alive: u64) {
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        if !c.accepted && c.state != Near::Gone {
            (c.accepted, c.far, c.keep_alive) = (true, host, keep_alive);
            wires.far.entry(host).or_default().open += 1;
        }
    }

    /// Whether an instance has accepted a connection.
    pub fn has_accepted(&mut self, id: u32, host: Host) -> bool {
        self.wires().all.get(&id).is_some_and(|c| c.accepted && c.far == host)
    }

    /// Work begins for a greeting.
    pub fn begins_greeting(&mut self, id: u32, slot: Slot) {
        if let Some(c) = self.wires().all.get_mut(&id) {
            c.greeting = slot;
        }
    }

    /// Whether a greeting is still the one that an instance works for.
    pub fn is_greeting(&mut self, id: u32, slot: Slot) -> bool {
        self.wires().all.get(&id).is_some_and(|c| c.greeting == slot)
    }

    /// A visit has come on a connection; whether its instance has that.
    pub fn comes_in(&mut self, id: u32, slot: Slot, host: Host) -> bool {
        self.wires().comes_in(id, slot, host)
    }

    /// A connection is open at its far end.
    pub fn is_established(&mut self, id: u32) {
        let Some(c) = self.wires().all.get_mut(&id) else { return };
        c.greeting = NONE;
        self.is_quiet(id);
    }

    /// The visit of a frame is over, on whichever connection it came.
    #[cold]
    pub fn off_its_wire(&mut self, slot: Slot) {
        let wire = std::mem::replace(&mut self.frames.extra_mut(slot).wire, NONE);
        if wire != NONE && self.connections.is_some() {
            self.goes_out(wire, slot);
        }
    }

    /// A visit that came on a connection is over, as far as its instance is concerned.
    pub fn goes_out(&mut self, id: u32, slot: Slot) {
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        let Some(at) = c.inside.iter().position(|&inside| inside == slot) else { return };
        c.inside.swap_remove(at);
        if let Some(far) = wires.far.get_mut(&c.far) {
            far.inside -= 1;
        }
        self.is_quiet(id);
    }

    /// Nothing may be going on on a connection, as its far end sees it.
    fn is_quiet(&mut self, id: u32) {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        if !c.inside.is_empty() || c.greeting != NONE {
            return;
        }
        if c.left || !c.accepted {
            return wires.far_is_gone(id);
        }
        c.quiet_since = now;
        if c.keep_alive == u64::MAX || c.far_due != 0 {
            return;
        }
        let span = c.keep_alive;
        c.far_due = now + span;
        self.agenda.push(span, id << BITS | QUIET, event::CONNECTION);
    }

    /// Whether nothing has come on a connection for too long.
    pub(super) fn is_it_quiet(&mut self, id: u32) {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        c.far_due = 0;
        if !c.accepted || !c.inside.is_empty() || c.greeting != NONE {
            return;
        }
        let due = c.quiet_since.saturating_add(c.keep_alive);
        if due > now {
            c.far_due = due;
            self.agenda.push(due - now, id << BITS | QUIET, event::CONNECTION);
            return;
        }
        self.say_end(id, TO_NEAR);
        self.wires().far_is_gone(id);
    }

    /// An instance closes its connections as soon as nothing is going on on them.
    #[cold]
    pub fn close_quiet(&mut self, host: Host) {
        let Some(wires) = &mut self.connections else { return };
        let all = wires.all.iter_mut().filter(|(_, c)| c.accepted && c.far == host);
        let all = all.map(|(id, c)| {
            (c.keep_alive, c.far_due) = (0, 0);
            *id
        });
        for id in all.collect::<Vec<u32>>() {
            self.is_quiet(id);
        }
    }

    /// The far end hears that the calling one is gone: it has it as long as it works for it.
    pub(super) fn far_hears(&mut self, id: u32) {
        if let Some(c) = self.wires().all.get_mut(&id) {
            c.left = true;
            self.is_quiet(id);
        }
    }

    /// A process is gone with its ends of connections; its host tells the others, or nobody does.
    #[cold]
    pub fn end_connections(&mut self, host: Host, silent: bool) {
        let Some(wires) = &mut self.connections else { return };
        let of = |end: fn(&Connection) -> Host| {
            let all = wires.all.iter().filter(|(_, c)| end(c) == host);
            all.map(|(id, _)| *id).collect::<Vec<u32>>()
        };
        let (near, far) = (of(|c| c.near), of(|c| c.far));
        wires.pools.retain(|key, _| key.0 != host);
        for id in near {
            let wires = self.wires();
            let Some(c) = wires.all.get_mut(&id) else { continue };
            if c.state == Near::Gone {
                continue;
            }
            (c.state, c.calls) = (Near::Gone, 0);
            c.openers.clear();
            if !silent {
                self.say_end(id, TO_FAR);
            }
            self.wires().settle(id);
        }
        for id in far {
            let Some(c) = self.wires().all.get_mut(&id) else { continue };
            if !c.accepted {
                continue;
            }
            let greeting = std::mem::replace(&mut c.greeting, NONE);
            let told = !silent && c.state != Near::Gone;
            if greeting != NONE {
                self.frames[greeting].flags |= CALLEE_DONE;
                self.release_if_done(greeting);
            }
            if told {
                self.say_end(id, TO_NEAR);
            }
            self.wires().far_is_gone(id);
        }
    }
}
