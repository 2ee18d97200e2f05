//! Connections that end at the instances of a server: it accepts them, works for their logins, and refuses what comes on one it
//! has closed.
//!
//! A login is no visit: it takes a core, no worker, and counts in no figure of requests.
//!
//! **Invariant.** What comes on a connection is let in only while its instance has that open.

use super::server::Server;
use crate::{
    cause::Cause,
    model::{
        frame::{BRANCH, CALLER_DONE, Frame},
        ids::{NONE, Slot},
        span::Work,
        world::World,
    },
    outcome::Outcome,
};

/// Cause of what is refused for want of connections.
const FULL: Cause = Cause::TooManyConnections;
/// Cause of what came on one that is closed.
const RESET: Cause = Cause::ConnectionReset;

impl Server {
    /// A message has come that opens a connection: the first is counted, the last is worked for.
    #[cold]
    #[inline(never)]
    pub(super) fn greets(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let (host, work, last) = ((f.node, f.inst), f.key, f.served > 0);
        let wire = world.frames.extra(slot).wire;
        let Some(accepts) = self.inbound.as_ref().and_then(|inbound| inbound.accepts) else {
            return world.reply(slot, Outcome::Ok);
        };
        if !world.has_accepted(wire, host) {
            let used = self.connections(usize::from(host.1), world);
            let most = self.inbound.as_ref().and_then(|inbound| inbound.connections());
            if most.is_some_and(|most| used >= most) {
                world.record.node(self.node).cause(FULL);
                return world.reply(slot, Outcome::Rejected);
            }
            world.accept(wire, host, accepts.keep_alive);
        }
        if !last {
            return world.reply(slot, Outcome::Ok);
        }
        world.begins_greeting(wire, slot);
        if work == 0 {
            return self.logged_in(slot, world);
        }
        let id = world.frames[slot].id;
        let own = world.begin_inside(Frame {
            id,
            key: u64::from(slot),
            node: host.0,
            inst: host.1,
            pc: accepts.login,
            flags: BRANCH | CALLER_DONE,
            arrived: world.now(),
            ..Frame::EMPTY
        });
        world.frames.extra_mut(own).wire = wire;
        self.take_core(own, Work::of(work), world);
    }

    /// The work for a login is done.
    pub(super) fn login_done(&mut self, own: Slot, world: &mut World) {
        let (slot, wire) = (world.frames[own].key as Slot, world.frames.extra(own).wire);
        world.frames.extra_mut(own).wire = NONE;
        world.frames[own].flags |= crate::model::frame::CALLEE_DONE;
        world.release_if_done(own);
        if world.is_greeting(wire, slot) {
            self.logged_in(slot, world);
        }
    }

    fn logged_in(&mut self, slot: Slot, world: &mut World) {
        let wire = world.frames.extra(slot).wire;
        world.reply(slot, Outcome::Ok);
        world.is_established(wire);
    }

    /// Connections that an instance has, those of visits inside that came on none included.
    fn connections(&self, inst: usize, world: &World) -> u64 {
        let (open, inside) =
            world.connections.as_ref().map_or((0, 0), |all| all.at((self.node, inst as u16)));
        let own = &self.instances[inst];
        open + (own.arrivals - own.departures).saturating_sub(inside)
    }

    /// Why a visit that has just come in has no connection, if so.
    #[cold]
    #[inline(never)]
    pub(super) fn is_cut_off(&self, slot: Slot, world: &mut World) -> Option<(Outcome, Cause)> {
        let inbound = self.inbound.as_ref()?;
        inbound.accepts?;
        let inst = world.frames[slot].inst;
        let wire = world.frames.extra(slot).wire;
        if wire != NONE {
            let has = world.comes_in(wire, slot, (self.node, inst));
            return (!has).then_some((Outcome::Error, RESET));
        }
        let used = self.connections(usize::from(inst), world);
        // It counts itself.
        let full = inbound.connections().is_some_and(|most| used > most);
        full.then_some((Outcome::Rejected, FULL))
    }
}
