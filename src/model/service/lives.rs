//! How replicas of a store begin, what they lose, and what they hold.
//!
//! **Invariant.** As in `replicas.rs`.

use super::server::Server;
use crate::{
    model::{
        consistency::{held::Holdings, watched::Damaged},
        store::backups::Phase,
        world::World,
    },
    replication::{Peer, Protocol, Start, Strike},
};

impl Server {
    /// The processes of all instances that are up start.
    pub(super) fn start_replicas(&mut self, world: &mut World) {
        let Some(group) = &self.group else { return };
        for inst in 0..group.members.len() as Peer {
            if !(world.hosts.disturbed && world.hosts.is_down((self.node, inst))) {
                self.tell_replica(inst, world, |process, cx| process.start(Start::First, cx));
            }
        }
    }

    /// The process of an instance starts again, with what is on its disk.
    pub(super) fn restart_replica(&mut self, inst: Peer, world: &mut World) {
        self.keep_moving(inst, world);
        self.begin_backups(inst, world);
        self.resumes_transactions(inst, world);
        self.asks_how_decided(inst, world);
        let backups = self.backups.as_ref();
        if backups.is_none_or(|backups| backups.phase(inst) == Phase::Serves) {
            self.starts_replica(inst, world);
        }
    }

    /// Likewise, if nothing keeps it from that.
    pub(super) fn starts_replica(&mut self, inst: Peer, world: &mut World) {
        let Some(group) = &mut self.group else { return };
        let wiped = std::mem::take(&mut group.members[usize::from(inst)].wiped);
        let how = if wiped { Start::Empty } else { Start::Again };
        self.tell_replica(inst, world, |process, cx| process.start(how, cx));
    }

    /// Some of what an instance of a store holds is damaged, or all is gone.
    pub(super) fn lose_copies(&mut self, inst: u16, strike: Option<Strike>, world: &mut World) {
        match strike {
            Some(strike) => self.strike(inst, strike, world),
            None => self.wipe(inst, world),
        }
    }

    fn wipe(&mut self, inst: u16, world: &mut World) {
        if let Some(group) = &mut self.group {
            group.members[usize::from(inst)].wiped = true;
        }
        if let Some(promises) = &mut self.promises {
            promises.wipe(inst);
        }
        self.wipes_feeding(inst);
        let keys = self.lose_keys(inst, world);
        if let (Some(copies), Some(data)) = (&mut self.copies, &mut world.data) {
            copies.clear(inst);
            let backed_up = self.backups.as_ref().map(|_| inst);
            data.wiped((self.node, backed_up), keys, world.agenda.now());
        }
        self.loses_backed_up(inst, world);
    }

    fn strike(&mut self, inst: u16, strike: Strike, world: &mut World) {
        if let Some(group) = &mut self.group {
            group.members[usize::from(inst)].process.strike(strike);
        }
        let lost =
            self.copies.as_mut().map_or(Damaged::Others, |copies| copies.strike(inst, strike));
        if let Some(data) = &mut world.data {
            data.damaged(self.node, lost, world.agenda.now());
        }
    }

    /// Puts down what its replicas hold.
    pub(super) fn replicas_hold(&self, held: &mut Holdings) {
        held.versions.extend(self.promises.iter().flat_map(|promises| promises.versions()));
        self.logs_hold(held);
        let mut kept = |shard, versions| drop(held.kept.insert((self.node, shard), versions));
        self.backups.iter().for_each(|backups| backups.each_kept(&mut kept));
        let Some(group) = &self.group else { return };
        let kept = held.kept.iter().filter(|((node, _), _)| *node == self.node);
        held.versions.extend(kept.flat_map(|(_, all)| all).map(|(_, version)| *version));
        let gone = |shard| self.backups.as_ref().is_some_and(|backups| backups.is_gone(shard));
        group.left_of_logs(&mut |shard, left| {
            if gone(shard) {
                return;
            }
            let all = held.logs.entry((self.node, shard)).or_default();
            if let Some((key, upto)) = left {
                let known = all.entry(key).or_default();
                *known = upto.max(*known);
            }
        });
        group.members.iter().filter(|member| !member.wiped).for_each(|member| {
            member.process.versions(&mut |version| {
                held.versions.insert(version);
            });
            member.process.known(&mut |key, dots| {
                let known = held.known.entry((self.node, key)).or_default();
                *known = known.join(&dots);
            });
        });
    }
}
