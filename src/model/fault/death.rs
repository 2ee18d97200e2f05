//! Processes that die of themselves: of want of memory, threads, descriptors. Unlike a fault nobody has drawn
//! when; each starts again as after a crash of the process.
//!
//! **Invariant.** An instance is at one stage, and the event that ends it is the one it keeps in mind.

use std::collections::BTreeMap;

use crate::{
    engine::{
        law::{Sampler, Tables},
        random::Stream,
    },
    model::{ids::NodeId, kind::Startup, names::Names},
};

/// Where an instance stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stage {
    #[default]
    /// It runs.
    Up,
    /// It starts.
    Starting,
    /// Slower by this factor at first.
    Warming(f64),
}

/// The life of one instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// Where it stands.
    pub stage: Stage,
    /// Sequence of the event that ends the stage.
    pub due: u64,
    /// Sequence of its death, which has been decided; 0: it has not.
    pub dying: u64,
    /// How often it has died.
    pub deaths: u64,
}

/// How the instances of a node start, or start again.
#[derive(Clone, Debug)]
pub struct Rebirth {
    /// Time until it takes requests.
    pub boot: Option<Sampler>,
    /// How long it is slower from then on, ns, and by which factor.
    pub warm: Option<(u64, f64)>,
    /// Draws of these times.
    pub stream: Stream,
    /// Nodes inside each.
    pub guests: Vec<NodeId>,
}

/// The nodes whose processes can die of themselves.
pub fn mortals(names: &Names, tables: &dyn Tables, seed: u64) -> BTreeMap<NodeId, Rebirth> {
    let nodes = (0..).zip(names.specs());
    let mortal = nodes.filter(|&(id, spec)| {
        names.versions_of(id, spec).iter().any(|version| version.kind().is_mortal())
    });
    mortal.map(|(id, _)| (id, Rebirth::of(id, names, tables, (seed, "boot")))).collect()
}

impl Rebirth {
    /// Of a node, with draws for a purpose.
    pub fn of(id: NodeId, names: &Names, tables: &dyn Tables, (seed, draws): (u64, &str)) -> Self {
        let Startup { boot, warm } = names.kind(id).startup();
        let boot = boot.map(|law| law.compile(tables).expect("the law was checked"));
        let stream = Stream::new(seed, &format!("node/{}", names.name(id)), draws);
        Self { boot, warm, stream, guests: names.guests(id).collect() }
    }
}
