//! Replicas tell all who call their node who leads: by messages, again until each has said that it knows.
//!
//! **Invariant.** Nobody is told again what is older than what he was told.

use super::{replicas::TIMER, server::Server};
use crate::{
    model::{
        replication::{
            group::TELL,
            letters::{Cargo, Envelope, News},
        },
        world::World,
    },
    replication::Peer,
};

/// How long until callers are told again who leads, ns.
const TELL_AGAIN: u64 = 1_000_000_000;

impl Server {
    /// Tells all who call the node who leads.
    pub(super) fn announce(&mut self, (from, leader, epoch): (Peer, Peer, u64), world: &mut World) {
        let Some(group) = &mut self.group else { return };
        let news = News { store: group.node, from, leader, epoch, sinks_in: false };
        let shard = leader / group.each;
        let each = group.each;
        let to_tell = &mut group.members[usize::from(from)].to_tell;
        to_tell.retain(|(_, older)| older.leader / each != shard);
        to_tell.extend(group.callers.iter().map(|caller| (*caller, news)));
        self.announce_again(from, world);
    }

    /// Tells those who have not said that they know.
    pub(super) fn announce_again(&mut self, from: Peer, world: &mut World) {
        let Some(group) = &mut self.group else { return };
        let to_tell = group.members[usize::from(from)].to_tell.clone();
        for (caller, news) in &to_tell {
            let envelope = Envelope {
                from: (group.node, from),
                to: *caller,
                id: group.next_id(from),
                size: 0,
            };
            group.tally.message("announce", world.now());
            world.post(envelope, Cargo::News(*news));
        }
        if !to_tell.is_empty() {
            let entry = self.program.own[TIMER];
            group.arm((from, TELL, entry), TELL_AGAIN, world);
        }
    }
}
