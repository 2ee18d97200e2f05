//! Processes that die of themselves: of want of memory, threads, descriptors. Unlike a fault nobody has drawn
//! when; each starts again as after a crash of the process.
//!
//! **Invariant.** An instance is at one stage, and the event that ends it is the one it keeps in mind.

use std::collections::BTreeMap;

use super::hosts::Harm;
use crate::{
    engine::{
        law::{Sampler, Tables, to_nanos},
        random::{Stream, descend, mix},
    },
    model::{
        ids::{Host, NodeId},
        kind::Startup,
        names::Names,
        sim::Simulation,
        world::{Tick, World, kind},
    },
};

/// Where an instance stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stage {
    #[default]
    Up,
    Starting,
    /// Slower by this factor at first.
    Warming(f64),
}

/// The life of one instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    stage: Stage,
    /// Sequence of the event that ends the stage.
    due: u64,
    /// Sequence of its death, which has been decided; 0: it has not.
    dying: u64,
    deaths: u64,
}

/// How the instances of a node start again.
#[derive(Clone, Debug)]
pub struct Rebirth {
    boot: Option<Sampler>,
    warm: Option<(u64, f64)>,
    stream: Stream,
    /// Nodes inside each.
    guests: Vec<NodeId>,
}

/// The nodes whose processes can die of themselves.
pub fn mortals(names: &Names, tables: &dyn Tables, seed: u64) -> BTreeMap<NodeId, Rebirth> {
    let ids = 0..names.nodes().len() as NodeId;
    let mortal = ids.filter(|&id| names.versions(id).iter().any(|spec| spec.kind().is_mortal()));
    let rebirth = |id: NodeId| {
        let Startup { boot, warm } = names.kind(id).startup();
        let boot = boot.map(|law| law.compile(tables).expect("the law was checked"));
        let stream = Stream::new(seed, &format!("node/{}", names.name(id)), "boot");
        (id, Rebirth { boot, warm, stream, guests: names.guests(id).collect() })
    };
    mortal.map(rebirth).collect()
}

impl World {
    /// The process of an instance, which `tick` belongs to, is to die before anything else happens there;
    /// false: that has been decided before.
    pub fn kill(&mut self, host: Host, tick: u32) -> bool {
        if self.hosts.life(host).dying != 0 {
            return false;
        }
        self.hosts.life(host).dying = self.agenda.push_now(tick, kind::FATE);
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
        self.world.record.event(now, kind::FATE, identity);
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
        let due = self.world.agenda.push(length, tick, kind::FATE);
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
