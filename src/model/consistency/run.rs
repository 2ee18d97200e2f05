//! Where frames begin something with data: what the observer is told besides what the frame knows.
//!
//! **Invariant.** What nobody asks for is not worked out.

use super::operation::Site;
use crate::model::{clock::run::Reading, consistency::spec::Access, ids::Slot, world::World};

impl World {
    /// A frame begins an operation on a key.
    pub fn data_begins(&mut self, slot: Slot, site: &Site, key: u64) {
        let (now, f) = (self.now(), &self.frames[slot]);
        let (id, host) = (f.id, (f.node, f.inst));
        let Some(data) = &self.data else { return };
        let (by_clock, by_shard) = (data.repeats || site.of_record, data.outages.is_some());
        let right = Reading { steady: now, wall: now };
        let Reading { steady, wall } = if by_clock { self.clock(host) } else { right };
        let shard = if by_shard { self.shard_of(site.store, key) } else { 0 };
        let Some(data) = &mut self.data else { return };
        data.invoke(slot, site, (id, key, shard), (now, wall));
        if site.of_record && site.access != Access::Read {
            let version = data.version(slot);
            let logs = data.logs.as_mut().filter(|logs| logs.key(slot).is_some());
            if let Some(logs) = logs {
                logs.writes(slot, version);
            } else if let Some(leases) = &mut data.leases {
                leases.writes(slot, version, steady);
            }
        }
    }
}
