//! What can be wrong with a store beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        check::{Checked, MAX_INSTANCES, boot, discipline, formula, positive, ring, zones},
        ids::NodeId,
        kind::{Kind, Outgoing},
        names::Names,
        replication::check::replicas,
        store::{ShardBy, StoreSpec, check_backup::backup, check_view::view},
        versions::{changes_shards, paths_set},
    },
    problem::Problems,
    units::Name,
};

impl Checked for StoreSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        store(self, path, names, problems);
    }
}

impl StoreSpec {
    /// What can be wrong with a planned change of its shards; `path` is what is set.
    pub fn check_shards(
        &self,
        (id, path): (NodeId, &str),
        at: &str,
        names: &Names,
        problems: &mut Problems,
    ) {
        let name = names.name(usize::from(id));
        let mut wrong = |code, message: String, help: &str| {
            problems.error_help(code, at, message, help);
        };
        let calls = names.calls();
        let asks_all = |call: &Outgoing| call.to_all && call.target == name;
        if !path.ends_with(".shards.count") {
            let message = "of the shards only `count` can change".to_owned();
            wrong("E-FAULT-TARGET", message, "set `shards.count`");
        } else if self.facts().replicas.is_some_and(|replicas| !replicas.led) {
            let message = "no replica of a shard leads, which could hand over its keys".to_owned();
            wrong("E-CONFLICT", message, "`leader_follower` or `raft`, or one copy of each shard");
        } else if self.replication.is_some() && self.view_of.is_some() {
            let message = "keys of a view with `replication` cannot move yet".to_owned();
            wrong("E-UNSUPPORTED", message, "one copy of each shard, or leave out the change");
        } else if names.tracked.transactions.contains(&id) {
            let message = "keys of a store that transactions write cannot move yet".to_owned();
            wrong("E-CONFLICT", message, "leave out the transactions, or the change");
        } else if self.shards.as_ref().and_then(|shards| shards.by.as_ref())
            == Some(&ShardBy::Directory)
        {
            let message = "a directory keeps every key where it was put".to_owned();
            wrong("E-CONFLICT", message, "`by: hash`, `consistent_hash` or `range`");
        } else if names.design.is_chosen(&Name(name.to_owned())) {
            let message = format!("a balancer or a name leads to `{name}`");
            wrong("E-FAULT-TARGET", message, "only a store that is called by itself changes");
        } else if calls.iter().flatten().any(asks_all) {
            let message = format!("somebody asks all shards of `{name}`");
            wrong("E-FAULT-TARGET", message, "how many those are cannot change");
        } else if self.shards.as_ref().is_none_or(|shards| shards.move_.is_none()) {
            let message = "how fast do keys move to other shards?".to_owned();
            wrong("E-MISSING", message, "give `shards` a rate: `move: 500/s`");
        } else if self.keys.is_none() && !names.tracked.followed.contains(&id) {
            let message = format!("nobody writes `{name}`, so no key of it would move");
            wrong("E-MISSING", message, "say how many it holds: `keys: 1M`");
        } else if self.keys.is_some_and(|keys| keys.0 > MOST_MOVING) {
            let message = format!("at most {MOST_MOVING} keys can move");
            wrong("E-BUDGET", message, "fewer `keys`, each of which stands for several");
        }
    }
}

/// Keys of a store that move, at most: each is a few messages.
const MOST_MOVING: u64 = 10_000_000;

/// A store.
fn store(spec: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    if let Some(shards) = &spec.shards {
        positive(Some(shards.count), MAX_INSTANCES, &format!("{path}.shards.count"), problems);
        let rate = format!("{path}.shards.move");
        if let Some(pace) = shards.move_ {
            let sets = paths_set(&names.design.faults, &names.design.nodes);
            let changes = path.split('.').nth(1).is_some_and(|name| changes_shards(name, &sets));
            if pace.0 > 1e6 {
                let help = "at most 1M/s: `move: 500/s`";
                problems.error_help("E-RANGE", rate, "no shard hands over keys so fast", help);
            } else if !changes {
                let help = "a fault that sets `shards.count` moves them";
                problems.warn("W-UNUSED", rate, "no key moves", help);
            }
        }
        let at = format!("{path}.shards.by");
        match &shards.by {
            Some(ShardBy::ConsistentHash(points)) => {
                ring(shards.count.0, *points, &at, problems);
            }
            Some(ShardBy::Range(last))
                if !last.is_empty() && last.len() as u64 + 1 != shards.count.0 =>
            {
                let message = format!(
                    "{} shards need {} last keys, all but the last one's; found {}",
                    shards.count.0,
                    shards.count.0.saturating_sub(1),
                    last.len()
                );
                problems.error("E-SHARD", at, message);
            }
            _ => {}
        }
    }
    positive(spec.cores, 1 << 20, &format!("{path}.cores"), problems);
    if let Some(quota) = spec.quota {
        quota.check(spec.cores.map(|cores| cores.0), &format!("{path}.quota"), problems);
    }
    formula(&spec.read, &format!("{path}.read"), names, problems);
    if let Some(write) = &spec.write {
        formula(write, &format!("{path}.write"), names, problems);
    }
    boot(spec.boot.as_ref(), path, problems);
    if let Some(size) = &spec.value_size {
        formula(size, &format!("{path}.value_size"), names, problems);
    }
    discipline(spec.discipline.as_ref(), spec.cores.is_some(), path, problems);
    replicas(spec, path, names, problems);
    view(spec, path, names, problems);
    backup(spec, path, names, problems);
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
}
