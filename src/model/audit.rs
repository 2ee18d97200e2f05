//! Bounds that hold at the end of every run, release builds too, whatever the design.
//!
//! **Invariant.** Nothing here changes anything; a breach is a bug of the program.

use super::{
    frame::{CALLEE_DONE, CALLER_DONE, IN_ROOM},
    record::Snapshot,
    sim::Simulation,
};
use crate::model::{books::InstanceBooks, ids::NodeId, names::Names};

impl Simulation {
    /// No instance was busier than it can be, found more than was looked up, or let more go than came; no
    /// frame is left that nobody holds.
    pub(super) fn check_bounds(&self, last: &Snapshot, names: &Names) {
        for (node, snapshot) in last.nodes.iter().enumerate() {
            let capacity = names.kind(node as NodeId).facts().capacity;
            for (i, books) in snapshot.instances.iter().enumerate() {
                let sound = is_sound(books, capacity, last.at);
                assert!(sound, "instance {i} of node {node} is within its bounds: {books:?}");
            }
        }
        for (slot, f) in self.world.frames.iter() {
            let held = f.flags & (CALLER_DONE | CALLEE_DONE) != CALLER_DONE | CALLEE_DONE;
            assert!(held || f.flags & IN_ROOM != 0, "frame {slot} is held by somebody: {f:?}");
        }
    }
}

fn is_sound(books: &InstanceBooks, capacity: Option<f64>, now: u64) -> bool {
    let cache = &books.cache;
    let found = cache.hits <= cache.lookups
        && cache.coalesced <= cache.lookups - cache.hits
        && cache.stale_hits + cache.negative_hits <= cache.hits;
    // Shared work is rounded to a nanosecond at each change.
    let up = (u128::from(now) - books.down) as f64;
    let most = capacity.map_or(f64::INFINITY, |c| c * up * (1.0 + 1e-9));
    let changes = (books.arrivals + books.departures) as f64;
    found && books.departures <= books.arrivals && books.busy as f64 <= most + changes
}
