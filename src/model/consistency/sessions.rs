//! What the requests of sessions saw, as each is decided, and when sessions end.
//!
//! **Invariant.** As in `observer.rs`.

use std::collections::BTreeSet;

use super::{observer::Observer, operation::Sight};
use crate::model::ids::{NodeId, Slot};

impl Observer {
    /// A request of a session was decided well.
    pub fn decided(&mut self, slot: Slot, (client, session): (u16, u64), now: u64) {
        if let Some(tokens) = &mut self.tokens {
            tokens.decided(slot, (client, session));
        }
        let Some(seen) = self.seen.remove(&slot) else { return };
        let stores: BTreeSet<NodeId> = seen.iter().map(|(store, _)| *store).collect();
        for store in stores {
            let (mut placed, mut vectors) = (Vec::new(), Vec::new());
            for (_, sight) in seen.iter().filter(|(other, _)| *other == store) {
                match sight {
                    Sight::Placed(seen) => placed.push(*seen),
                    Sight::Vector(seen) => vectors.push(*seen),
                }
            }
            let (of, session) = ((client, store), session as u32);
            let mut broken = self.sessions.entry(of).or_default().observe(session, &placed);
            if !vectors.is_empty() {
                broken.add(self.by_vectors.entry(of).or_default().observe(session, &vectors));
            }
            if self.beside {
                broken = self.broken_at(store, broken);
            }
            if let Some(watched) = self.stores.get_mut(&store).filter(|_| now >= self.from) {
                watched.measured.broken.add(broken);
            }
        }
    }

    /// A session is over.
    pub fn close(&mut self, (client, session): (u16, u64)) {
        if let Some(tokens) = &mut self.tokens {
            tokens.close((client, session));
        }
        let of_client = (client, 0)..=(client, NodeId::MAX);
        let session = session as u32;
        self.sessions.range_mut(of_client.clone()).for_each(|(_, all)| all.close(session));
        self.by_vectors.range_mut(of_client).for_each(|(_, all)| all.close(session));
    }
}
