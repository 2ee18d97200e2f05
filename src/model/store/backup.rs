//! Backups of a store: what a file says of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreSpec;
use crate::{
    model::{ids::Zone, replication::RebuildSpec},
    units::{Name, SimDuration},
};

/// Snapshots of what each shard holds, kept elsewhere, from which it is restored when its data are gone (a crash with `lose_data`).
///
/// A snapshot is of an instant and takes no work of the shard (copy on write, as of a volume). All its bytes (`value_size` of each key) go to where
/// backups are kept, over the network and its bandwidth, in parts of 16 MiB, each when the one before has come, and again after 60 s without an answer. It
/// counts once all is there; a crash ends it, and one that is due while the one before is on its way is left out. What is
/// kept outlives every fault of the store and of its zone, and can be cut off from it. The start of the run is the first snapshot.
///
/// Once its process is back, a shard that lost its data asks for them, part by part, then takes the time `restore`, and answers nothing until that
/// is over (`unavailable`, cause `restoring`); it counts as down for `availability_time`. It then holds what was kept: what was acknowledged and
/// came after that is lost (`lost_by_cause.restore`).
///
/// Of a shard with replicas the leader sends, what is committed; of a `quorum` one replica that is up, what it has, which need not be all. What one replica lost the others
/// have, and tell it. Only when none has its data any more (each lost them, and was not rebuilt since) the shard is restored: one replica, which may lead, and the others are
/// rebuilt from it; of a `quorum` each by itself. Not with `multi_leader`, nor with `durability: {mode: never}`.
///
/// ```yaml
/// db: {store: {read: 1ms, write: 2ms, keys: 1M, value_size: 2KB, backup: {every: 24h, to: b, log: 5m, restore: 500/s}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSpec {
    /// From one snapshot to the next, in the run's time: with `6h` they are due at 6 h, 12 h, ..
    pub every: SimDuration,
    /// The zone where they are kept; that of the first shard when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Name>,
    /// The log is kept, too: so often, what was written since is sent after the snapshot in the same way. So no more is lost than was
    /// written in this time and that of the last messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<SimDuration>,
    /// How long a shard, or a replica of it, takes to restore what it was sent: a law, or a speed such as `500/s` (keys per second: those written, and
    /// the shard's share of `keys`). 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RebuildSpec>,
}

impl StoreSpec {
    /// The zone where backups are kept, of those where its instances stand or that have a name; none: there are no backups.
    pub fn kept_in(&self, places: &[Zone], named: impl Fn(&str) -> Option<Zone>) -> Option<Zone> {
        let backup = self.backup.as_ref()?;
        let named = backup.to.as_ref().and_then(|name| named(&name.0));
        named.or_else(|| places.first().copied())
    }
}
