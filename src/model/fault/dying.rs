//! A process dies of itself, and starts again.
//!
//! **Invariant.** An instance is at one stage, and the event that ends it is the one it keeps in mind.

use crate::{
    engine::{
        law::to_nanos,
        random::{descend, mix},
    },
    model::{
        event,
        fault::{
            death::{Rebirth, Stage},
            hosts::Harm,
        },
        ids::Host,
        sim::Simulation,
        tick::Tick,
        world::World,
    },
};

impl World {
    /// The process of an instance, which `tick` belongs to, is to die before anything else happens there;
    /// false: that has been decided before.
    pub fn kill(&mut self, host: Host, tick: u32) -> bool {
        if self.hosts.life(host).dying != 0 {
            return false;
        }
        self.hosts.life(host).dying = self.agenda.push_now(tick, event::FATE);
        true
    }
}

impl Simulation {
    /// A process dies, or has started again.
    #[cold]
    pub(in crate::model) fn fate(&mut self, tick: u32, sequence: u64) {
        let Tick { node, index, identity, .. } = self.world.ticks[tick as usize];
        let host = (node, index as u16);
        let now = self.world.now();
        self.world.record.event(now, event::FATE, identity);
        if self.world.hosts.door(node).is_some_and(|door| door.tick == tick) {
            return self.wakes(node);
        }
        let life = *self.world.hosts.life(host);
        if sequence == life.dying {
            self.world.hosts.life(host).dying = 0;
            // A fault of the same instant may have been first.
            if !self.world.hosts.is_down(host) {
                self.die(host, tick, life.stage);
            }
        } else if sequence == life.due {
            self.start_again(host, tick, life.stage);
        }
    }

    fn die(&mut self, host: Host, tick: u32, stage: Stage) {
        if let Stage::Warming(factor) = stage {
            self.all_inside(host, Harm::Slow(factor), false);
        }
        self.all_inside(host, Harm::Down { silent: false }, true);
        let life = self.world.hosts.life(host);
        life.deaths += 1;
        let id = descend(mix(u64::from(host.1)), mix(life.deaths));
        let Rebirth { boot, stream, .. } = self.world.hosts.rebirth(host.0);
        let boot = boot.as_ref().map_or(0, |law| to_nanos(law.sample(&mut stream.draw_mixed(id))));
        self.enter_stage(host, Stage::Starting, (boot, tick));
    }

    fn start_again(&mut self, host: Host, tick: u32, stage: Stage) {
        match stage {
            Stage::Up => {}
            Stage::Starting => {
                self.all_inside(host, Harm::Down { silent: false }, false);
                let warm = self.world.hosts.rebirth(host.0).warm;
                let Some((length, factor)) = warm else {
                    self.world.hosts.life(host).stage = Stage::Up;
                    return;
                };
                self.all_inside(host, Harm::Slow(factor), true);
                self.enter_stage(host, Stage::Warming(factor), (length, tick));
            }
            Stage::Warming(factor) => {
                self.all_inside(host, Harm::Slow(factor), false);
                self.world.hosts.life(host).stage = Stage::Up;
            }
        }
    }

    fn enter_stage(&mut self, host: Host, stage: Stage, (length, tick): (u64, u32)) {
        let due = self.world.agenda.push(length, tick, event::FATE);
        let life = self.world.hosts.life(host);
        (life.stage, life.due) = (stage, due);
    }

    /// Whatever is inside an instance shares its fate.
    fn all_inside(&mut self, host: Host, harm: Harm, begins: bool) {
        let guests = self.world.hosts.rebirth(host.0).guests.clone();
        for node in std::iter::once(host.0).chain(guests) {
            self.harm((node, host.1), harm, begins);
        }
    }
}
