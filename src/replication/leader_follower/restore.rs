//! A replica whose shard is kept elsewhere, and restored with it when no replica has anything any more.
//!
//! Where the leader stays it is that one; else a candidate, which then says how far it is when observers ask for the next
//! leader. The others are rebuilt from it as from any leader.
//!
//! **Invariant.** Whoever has nothing does not lead.

use super::log::Log;
use super::replica::Replica;
use super::roles::Follow;
use crate::replication::backup::Saved;
use crate::replication::contract::Context;
use crate::replication::repairs::Repairs;
use crate::replication::words::{Begin, group};

impl Replica {
    /// Its shard is restored when nobody has any data.
    pub fn backed_up(&mut self) {
        self.backed_up = true;
    }

    /// It has no data: they are being copied.
    pub fn rebuilds(&self) -> bool {
        self.rebuilds
    }

    /// It may lead what is restored with it.
    pub fn may_be_restored(&self) -> bool {
        let mut shard = group(self.me / self.config.replicas, self.config.replicas);
        match &self.config.failover {
            None => shard.start == self.me,
            Some(failover) => {
                let candidates = &failover.candidates;
                candidates.contains(&self.me) || !shard.any(|peer| candidates.contains(&peer))
            }
        }
    }

    /// What it has committed, if it leads.
    pub fn save(&self) -> Option<Saved> {
        let upto = self.lead.as_ref()?.committed;
        let data = self.log.data_at(upto, &self.data);
        let begins = self.log.begins(upto);
        Some(Saved { held: data.all(), done: data.all_done(), upto, begins })
    }

    /// Where reigns begin, up to a place.
    pub fn begins(&self, upto: u64) -> Vec<Begin> {
        self.log.begins(upto)
    }

    /// It begins with what was kept.
    pub fn restored(&mut self, saved: &Saved, cx: &mut Context<'_>) {
        (self.lead, self.led, self.rebuilds) = (None, false, false);
        self.repairs = Repairs::default();
        self.lose_all();
        self.disk.restart(true);
        self.data.take_up(&saved.held, &saved.done);
        self.log = Log::behind(saved.upto, saved.begins.clone());
        self.copied = saved.upto;
        self.follow = Follow::new(self.config.apply_lanes);
        (self.follow.applied, self.follow.dispatched) = (saved.upto, saved.upto);
        if self.config.failover.is_some() {
            // Observers have one lead, in an epoch of its own.
            self.leader = None;
        } else {
            (self.reign, self.leader) = (self.reign.next(), Some(self.me));
            self.begin(cx);
        }
    }
}
