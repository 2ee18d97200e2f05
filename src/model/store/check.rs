//! What can be wrong with a store beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        check::{Checked, MAX_INSTANCES, boot, discipline, formula, positive, ring, zones},
        names::Names,
        replication::check::replicas,
        store::{ShardBy, StoreSpec},
    },
    problem::Problems,
};

impl Checked for StoreSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        store(self, path, names, problems);
    }
}

/// A store.
fn store(spec: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    if let Some(shards) = &spec.shards {
        positive(Some(shards.count), MAX_INSTANCES, &format!("{path}.shards.count"), problems);
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
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
}
