//! Servers that are more than their steps: whose part of one is told that a frame has come to a point of its program.
//!
//! **Invariant.** Nothing here is asked by a server that is only its steps.

use super::{instr::Point, server::Server};
use crate::model::{ids::Slot, queue::post::Post, world::World};

impl Server {
    /// A frame stands at a point of the program that some part of the server has to hear of.
    #[inline]
    pub(super) fn at_point(&mut self, slot: Slot, point: Point, world: &mut World) {
        match point {
            // Replicas first: most of what they do is that.
            Point::Told if self.group.is_some() => self.told_replica(slot, world),
            Point::Arrived { .. } | Point::Worked { .. } => self.at_replica(slot, point, world),
            _ => self.at_other_point(slot, point, world),
        }
    }

    #[inline(never)]
    fn at_other_point(&mut self, slot: Slot, point: Point, world: &mut World) {
        match point {
            Point::Home { write } => {
                if !self.is_restoring(slot, world) && !self.is_elsewhere(slot, write, world) {
                    world.frames[slot].pc += 1;
                    self.run(slot, world);
                }
            }
            Point::Opens | Point::Gathers(_) | Point::Decides(_) => {
                self.at_transaction(slot, point, world);
            }
            Point::Told if self.is_of_feed(slot, world) => self.hears_of_feed(slot, world),
            Point::Told if self.promises.is_some() => self.votes(slot, world),
            Point::Told => self.told_replica(slot, world),
            Point::Publish if self.log.is_some() => self.appends(slot, world),
            Point::Publish => self.accepts(slot, world),
            Point::Leave => self.leaves(slot, world),
            Point::Batch => self.next_message(slot, world),
            Point::Row => self.puts_row(slot, world),
            Point::Relayed => self.relayed(slot, world),
            Point::Environment => self.comes_into_environment(slot, world),
            Point::Turn => self.takes_turn(slot, world),
            Point::LoggedIn => self.login_done(slot, world),
            Point::Gives => self.gives_connection(slot, world),
            Point::Entry if self.moving.is_some() => self.enters_key(slot, world),
            Point::Entry if self.is_of_feed(slot, world) => self.enters_entry(slot, world),
            Point::Entry => self.enters_promise(slot, world),
            Point::Asked => self.locks_key(slot, world),
            Point::Locked => self.comes_to_lock(slot, world),
            Point::Entered if self.moving.is_some() => self.has_taken(slot, world),
            Point::Entered => self.has_entered(slot, world),
            Point::Arrived { .. } | Point::Worked { .. } | Point::Timer => {
                unreachable!("it waits there for an event of its own")
            }
        }
    }

    /// The timer of a frame that stands at one fired.
    #[inline(never)]
    pub(super) fn point_timed(&mut self, slot: Slot, world: &mut World) {
        if let (Some(_), Some(&Post::Relays(outlet, _))) = (&self.relays, world.post_of(slot)) {
            self.relay_timed(slot, outlet, world);
        } else if self.group.is_some() {
            self.replica_timed(slot, world);
        } else if self.is_of_feed(slot, world) {
            self.hears_of_feed(slot, world);
        } else if self.is_of_environments(slot, world) {
            self.environment_timed(slot, world);
        } else if self.is_clock(slot) {
            self.broker_timed(world);
        } else if let Some(broker) = self.log_clock(slot) {
            self.log_timed(broker, world);
        } else if self.is_of_transaction(slot, world) {
            self.transaction_timed(slot, world);
        } else if self.consumers.is_some() {
            self.consumer_timed(slot, world);
        } else if self.promises.is_some() {
            self.asks_again_how(slot, world);
        } else if self.backups.is_some() {
            self.backup_due(slot, world);
        } else {
            self.moves_on(slot, world);
        }
    }

    /// A letter has come for a process of the node.
    #[inline(never)]
    pub(super) fn letter_came(&mut self, slot: Slot, world: &mut World) {
        if self.log.is_some() && world.post_of(slot).is_some() {
            self.log_hears(slot, world);
        } else if self.is_of_rows(slot, world) {
            self.rows_came(slot, world);
        } else if self.group.is_some() {
            self.take_letter(slot, world);
        } else if self.is_of_feed(slot, world) {
            self.hears_of_feed(slot, world);
        } else if self.broker.is_some() {
            self.broker_hears(slot, world);
        } else if self.is_of_transaction(slot, world) {
            self.hears_of_part(slot, world);
        } else if self.consumers.is_some() {
            self.consumer_hears(slot, world);
        } else if self.promises.is_some() {
            self.takes_part(slot, world);
        } else if self.backups.is_some() {
            self.hears_of_backup(slot, world);
        } else {
            self.takes_key(slot, world);
        }
    }

    /// An instance takes nothing new any more, or does again.
    pub(super) fn is_withdrawn(&mut self, inst: u16, out: bool, world: &mut World) {
        if self.consumers.is_some() {
            self.consumer_joins(inst, !out, world);
        }
        if let Some(own) = &mut self.background {
            own.withdraw(inst, out);
        }
    }

    /// The process of an instance is gone: what it kept in mind for those parts is.
    pub(super) fn crash_processes(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        self.crash_environments(inst, lost, world);
        if let Some(group) = &mut self.group {
            group.forget(inst, world.now());
        }
        if let Some(moving) = &mut self.moving {
            moving.forget(inst);
        }
        if let Some(promises) = &mut self.promises {
            promises.forget(inst, world.now());
        }
        if self.backups.is_some() {
            self.crash_backups(inst, world);
        }
        self.forgets_transactions(inst, world);
    }
}
