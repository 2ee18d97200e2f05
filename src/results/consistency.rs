//! What clients saw of the data: how old it was, and whether their answers fit together.
//!
//! Counts are means over replications; of operations that were begun in the measured time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Distribution, Estimate};

/// One store, or all that are followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsistencyResults {
    /// Operations that were answered, by kind: `read`, `write`, `delete`, `cas`, `increment`.
    pub operations: BTreeMap<String, Estimate>,
    /// Keys that were written, and followed.
    pub keys: Estimate,
    /// Those of them whose whole history was checked for linearizability.
    pub keys_checked: Estimate,
    /// Share of the keys that was followed.
    pub followed: Estimate,
    /// Reads that returned an older version than one whose write had been acknowledged before the read began.
    pub stale_reads: Estimate,
    /// They, over all reads that were answered.
    pub stale_read_fraction: Estimate,
    /// How long ago, s, the oldest version that a read missed had been acknowledged; 0 of a fresh read.
    pub staleness_age: Distribution,
    /// How many acknowledged versions a read was behind; 0 of a fresh read.
    pub staleness_versions: Distribution,
    /// Shares of the reads that were so many versions behind, or more.
    pub k_staleness: Vec<KStaleness>,
    /// Shares of the reads that were fresh, by how long the newest acknowledged write of their key was ago.
    pub t_visibility: Vec<TVisibility>,
    /// Whether one order of all operations, each between its call and its answer, explains every answer; null: no key was
    /// checked, or not every one. True only if it is in all replications.
    pub linearizable: Option<bool>,
    /// Keys that were not checked, by why: `cas`, `increment` (what they find is not followed), `siblings` (there is no
    /// one order of versions: several leaders write beside one another).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_checked: BTreeMap<String, Estimate>,
    /// Contradictions among answers: versions of a key that no order explains.
    pub violations: Estimate,
    /// Operations that contradict each other, of the first replication in which some do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Vec<WitnessResults>,
    /// Reads of a session (or of a closed user) that were older than what it had written.
    pub read_your_writes_violations: Estimate,
    /// Reads of a session that were older than what it had read.
    pub monotonic_read_violations: Estimate,
    /// Writes of a session that came before one that it had made.
    pub monotonic_write_violations: Estimate,
    /// Writes of a session that came before what it had read.
    pub writes_follow_reads_violations: Estimate,
    /// Writes that were acknowledged and that nobody holds any more, nor anything that was written after them.
    pub lost_acked_writes: Estimate,
    /// From the first acknowledgement of a write that is lost to the beginning of the fault that cost it, or to the last
    /// such one if that is later, s; of the fault for which that is longest; 0 if none is lost.
    #[serde(default)]
    pub rpo: Estimate,
    /// The longest time that a fault kept data from being read or written again.
    #[serde(default)]
    pub rto: RtoResults,
    /// Where a fault parted replicas, or hit some: from its end until each that was alive held, of every key, the newest
    /// version that any of them held then, or a newer one, s; of the fault for which that was longest; null: that was not
    /// seen in every replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convergence_time: Option<Estimate>,
    /// Where something may be attempted several times: how often a write was done that had been done before, for the same
    /// request of a client: by a retry, a hedge, or a call that came twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_applies: Option<Estimate>,
    /// Of stores with leaders: time in which two replicas of a shard led at once, s, summed over shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_brain_time: Option<Estimate>,
    /// Where siblings are kept (`version_vector`): how often a leader came to hold more versions of a key beside one another
    /// than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Estimate>,
    /// Where somebody writes what he has read (a visit reads and writes the store, or somebody asks for `cas`): acknowledged
    /// writes whose place the next one took by somebody who had seen an older version of the key last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_updates: Option<Estimate>,
    /// Where locks are kept in stores (`lock: {in: ..}`): how often somebody took one while another one ran the steps of
    /// it, whose lease had run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_overlaps: Option<Estimate>,
    /// Where transactions write: those of which some writes took effect and others never can, as what had been promised was
    /// lost with the data of its shard, or what had been written was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_transactions: Option<Estimate>,
    /// By why: `failover` (a later leader began without it), `crash` (nobody holds it), `corrupt` (likewise, where the copy was
    /// damaged).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub torn_by_cause: BTreeMap<String, Estimate>,
    /// By why: `write_behind` (a cache acknowledged them and never wrote them), `failover` (a later leader began without
    /// them), `lww_concurrent` (a later write took their place, by who did not know of them), `lww_clock` (by its stamp, which
    /// goes by a clock, it was older than a write acknowledged before it), `crash` (nobody holds them), `corrupt` (likewise, where
    /// copies were damaged), `restore` (they were newer than the backup that was restored).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_by_cause: BTreeMap<String, Estimate>,
}

/// From the beginning of a fault to the first answer to an operation that began after it, in a shard where one had failed
/// in between, s: of the shard for which that was longest; 0: none failed; null: none was answered any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RtoResults {
    /// Of reads.
    pub read: Estimate,
    /// Of all other operations.
    pub write: Estimate,
}

/// Reads that were so far behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KStaleness {
    /// So many versions, or more.
    pub versions: u64,
    /// Of all reads that were answered.
    pub fraction: Estimate,
}

/// Reads so long after a write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TVisibility {
    /// The newest acknowledged write was so long ago, s, or longer (and not as long as the next entry says).
    pub after: f64,
    /// Share of these reads that saw it, or a newer one.
    pub fresh: f64,
    /// How many they were, over all replications.
    pub reads: u64,
}

/// One operation of a witness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WitnessResults {
    /// Seed of the replication.
    pub seed: u64,
    /// The key.
    pub key: u64,
    /// What it did: `read`, `write`, `delete`.
    pub operation: String,
    /// The version it wrote or read, hexadecimal; 0: from before the run.
    pub version: String,
    /// When it began, s; null: that proves nothing.
    pub invoked: Option<f64>,
    /// When it was answered, s; null: likewise.
    pub returned: Option<f64>,
}

/// What came to a view in the measured span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewResults {
    /// Versions it took.
    pub applied: Estimate,
    /// Those that took the place of a newer one.
    pub inversions: Estimate,
    /// From when a version had its place at the source until it came, s.
    pub lag: Distribution,
}
