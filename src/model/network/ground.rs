//! Where everything stands, worked out once for all replications.
//!
//! **Invariant.** All of it follows from what the file says.

use crate::{
    engine::table::Table,
    model::{
        ids::{NodeId, Zone},
        names::Names,
        replication::callers::Within,
    },
};

/// Marks the home of an entity that stands in several zones.
pub const SPREAD: u32 = 1 << 31;

/// The places of nodes and clients.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// Where each entity stands: its one zone, or the first place of its instances in
    /// `zones_of_instances` with
    /// [`SPREAD`].
    pub homes: Table<u32>,
    /// Zone of each instance of the entities that stand in several.
    pub zones_of_instances: Vec<Zone>,
    /// The entity each is inside of.
    pub hosts: Vec<Option<NodeId>>,
    /// Processes that stand where another entity's instance does.
    pub within: Within,
}

impl Ground {
    /// Of a design that was checked.
    pub fn of(names: &Names) -> Self {
        let mut ground = Self { within: Within::of(names), ..Self::default() };
        for id in 0..names.nodes().len() as NodeId {
            ground.place(&names.places_of_processes(id));
            ground.hosts.push(names.host(id));
        }
        for client in names.design.clients.values() {
            ground.place(&names.origins(client.zones()));
            ground.hosts.push(None);
        }
        ground
    }

    fn place(&mut self, zones: &[Zone]) {
        if zones.iter().all(|z| *z == zones[0]) {
            self.homes.push(u32::from(zones[0]));
        } else {
            self.homes.push(self.zones_of_instances.len() as u32 | SPREAD);
            self.zones_of_instances.extend_from_slice(zones);
        }
    }

    /// Whether somebody stands inside somebody else.
    pub fn is_shared(&self) -> bool {
        self.hosts.iter().any(Option::is_some) || !self.within.is_empty()
    }

    #[inline(always)]
    pub(super) fn zone(&self, home: u32, inst: u16) -> usize {
        if home & SPREAD == 0 {
            return home as usize;
        }
        usize::from(self.zones_of_instances[(home & !SPREAD) as usize + usize::from(inst)])
    }
}
