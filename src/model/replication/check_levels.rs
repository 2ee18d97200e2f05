//! What can be wrong with how single reads and writes are answered.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{AnswerSpec, RaftReadsSpec, ReplicationSpec, check::in_reach};
use crate::{
    model::{
        consistency::calls::{DataCall, data_calls},
        names::Names,
    },
    problem::Problems,
};

/// Reads and writes that are not answered as their stores say.
pub fn levels(names: &Names, problems: &mut Problems) {
    // Of later versions of a node the check of the version tells.
    let here = data_calls(names).into_iter().filter(|call| !call.answered.is_usual());
    for DataCall { path, target, store, answered, to_all, .. } in here {
        let Some(path) = path else { continue };
        let key = if answered.quorum.is_some() { "quorum" } else { "reads" };
        if to_all {
            let message = "what is asked of every shard is answered as the store says";
            problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, "leave it out");
            continue;
        }
        let Some(spec) = store.and_then(|store| names.kind(store).replication()) else {
            let message = format!("`{target}` has no replicas, of which some might answer");
            problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, "leave it out");
            continue;
        };
        if let Some(level) = answered.quorum {
            let at = format!("{path}.quorum");
            match &spec.quorum {
                None => {
                    let help = "`reads` says who answers";
                    let message = format!("`{target}` has no quorums");
                    problems.error_help("E-CONFLICT", at, message, help);
                }
                Some(quorum) => in_reach(level, quorum.replicas.0, at, problems),
            }
        }
        if let Some(reads) = answered.reads {
            let at = format!("{path}.reads");
            if let Some((message, help)) = unfit(reads, spec) {
                problems.error_help("E-CONFLICT", at, message, help);
            }
        }
    }
}

/// Why nobody answers a read so, and what helps.
fn unfit(reads: AnswerSpec, spec: &ReplicationSpec) -> Option<(&'static str, &'static str)> {
    use AnswerSpec::{Any, Follower, Followers, Leader, Lease, Nearest, ReadIndex};
    if let Some(raft) = &spec.raft {
        let leased = raft.reads == Some(RaftReadsSpec::Lease);
        return match reads {
            Leader | ReadIndex | Follower => None,
            Lease if leased => None,
            Lease => Some((
                "elections do not wait for leases to end here",
                "`reads: lease` of the store's `raft`, and `read_index` where a step asks for it",
            )),
            Followers | Nearest | Any => Some((
                "a `raft` store has no such reads",
                "`leader`, `read_index`, `follower`, and `lease` where the store's reads are such",
            )),
        };
    }
    if spec.leader_follower.is_some() {
        return match reads {
            Leader | Followers | Nearest | Any => None,
            Lease | ReadIndex | Follower => Some((
                "a store with `leader_follower` has no such reads",
                "`leader`, `followers`, `nearest`, `any`",
            )),
        };
    }
    Some(if spec.quorum.is_some() {
        ("replicas that form quorums have no leader", "`quorum: 1`, `majority` or `all`")
    } else {
        ("each of several leaders answers those who are near it", "leave it out")
    })
}
