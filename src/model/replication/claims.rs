//! What an objective says of data and the design cannot keep: one reason, and what would help.
//!
//! A claim that no reason speaks against may still fail; whether it does the runs tell.
//!
//! **Invariant.** A reason names something that happens in the design, with its faults, not in another one.

use super::{AckSpec, AnswerSpec, ConflictSpec, ModeSpec, QuorumSpec, RaftReadsSpec, StampSpec};
use crate::model::{ids::NodeId, kind::Verb, kinds::NodeSpec, names::Names, store::StoreSpec};

/// What is claimed of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// One order of all operations explains all answers.
    Order,
    /// No read is old.
    Fresh,
    /// No acknowledged write is lost.
    Kept,
}

/// Why a claim does not hold, and what would help.
pub type Doubt = (&'static str, &'static str);

/// Something that speaks against it, if there is anything.
pub fn doubt(names: &Names, store: NodeId, claim: Claim) -> Option<Doubt> {
    let NodeSpec::Store(spec) = names.spec(store) else { return None };
    let all = match claim {
        Claim::Kept => vec![cached(names, store, true), loses(names, spec)],
        Claim::Fresh => vec![cached(names, store, false), levels(names, store), stale(names, spec)],
        Claim::Order => vec![
            cached(names, store, false),
            levels(names, store),
            stale(names, spec),
            loses(names, spec),
            disorders(names, spec),
        ],
    };
    all.into_iter().flatten().next()
}

/// Caches before the store: those who answer for writes, or any.
fn cached(names: &Names, store: NodeId, late: bool) -> Option<Doubt> {
    let nodes = names.design.nodes.values();
    let mut calls = nodes.flat_map(|node| node.kind().outgoing(""));
    let about = |call: &crate::model::kind::Outgoing, verbs: &[Verb]| {
        let verb = call.operation.as_ref().and_then(|(_, verb)| *verb);
        let is_cache = names.node(&call.target).map(|id| names.spec(id));
        verb.is_some_and(|verb| verbs.contains(&verb))
            && matches!(is_cache, Some(NodeSpec::Cache(_)))
            && names.store_behind(&call.target).is_none_or(|behind| behind == store)
    };
    if late {
        let hurt = names.faults().any(|fault| fault.crash.is_some() || fault.clear_cache.is_some());
        let behind = hurt && calls.any(|call| about(&call, &[Verb::WriteBehind]));
        return behind.then_some((
            "a cache acknowledges writes (`mode: behind`) that die with it",
            "`mode: through`",
        ));
    }
    let looked = [Verb::Lookup, Verb::Read, Verb::WriteBehind];
    calls
        .any(|call| about(&call, &looked))
        .then_some(("reads are answered by a cache, which may hold what is older", "reads past it"))
}

/// Steps and operations that ask for less than the store gives.
fn levels(names: &Names, store: NodeId) -> Option<Doubt> {
    let here =
        names.levels().into_iter().filter(|call| names.store_behind(&call.target) == Some(store));
    let quorum = names.kind(store).replication().and_then(|spec| spec.quorum.as_ref());
    let weak =
        here.into_iter().any(|call| match (call.answered.reads, call.answered.quorum, quorum) {
            (_, Some(level), Some(quorum)) => {
                let n = quorum.replicas.0;
                let (read, write) = if call.verb == Verb::Read {
                    (level.of(n), quorum.writes())
                } else {
                    (quorum.reads(), level.of(n))
                };
                read + write <= n
            }
            (Some(AnswerSpec::Lease | AnswerSpec::ReadIndex), ..) => false,
            (Some(AnswerSpec::Leader), ..) => {
                names.kind(store).replication().is_some_and(|spec| spec.raft.is_some())
            }
            (Some(_), ..) => true,
            _ => false,
        });
    weak.then_some((
        "a read or write asks for a level at which what is read may be old",
        "the store's own level",
    ))
}

/// What of a store may answer with something old.
fn stale(names: &Names, spec: &StoreSpec) -> Option<Doubt> {
    let replication = spec.replication.as_deref()?;
    let (wrong, cuts) = (names.wrong_clocks(), cuts(names));
    if let Some(quorum) = &replication.quorum {
        return stale_quorum(quorum, wrong.is_some());
    }
    if let Some(raft) = &replication.raft {
        return match raft.reads.unwrap_or_default() {
            RaftReadsSpec::Follower => {
                Some(("followers answer with what they have", "`reads: read_index`"))
            }
            RaftReadsSpec::Leader if cuts => Some((
                "a leader that is cut off answers at its word",
                "`reads: read_index` or `lease`",
            )),
            RaftReadsSpec::Lease if wrong.unwrap_or(0.0) > raft.allowed_drift() => Some((
                "clocks drift apart by more than `max_drift`, so that leases overlap",
                "`reads: read_index`",
            )),
            _ => None,
        };
    }
    if replication.multi_leader.is_some() {
        return Some((
            "each of several leaders answers before it has heard of what the others took",
            "one order: `raft`, a quorum, or one leader that is read",
        ));
    }
    let leader = replication.leader_follower.as_ref()?;
    if leader.reads.unwrap_or_default() != super::ReadsSpec::Leader {
        return Some(("followers answer, who are behind the leader", "`reads: leader`"));
    }
    let failover = leader.failover.as_ref()?;
    (cuts && failover.fencing != Some(true)).then_some((
        "a leader that is cut off goes on answering beside the next one",
        "`fencing: true`",
    ))
}

fn stale_quorum(quorum: &QuorumSpec, wrong: bool) -> Option<Doubt> {
    if quorum.reads() + quorum.writes() <= quorum.replicas.0 {
        return Some((
            "`read` and `write` together are no more than `replicas`, so that a read may miss a write",
            "more of either",
        ));
    }
    if quorum.sloppy == Some(true) {
        return Some(("a sloppy quorum writes where no reader looks", "`sloppy: false`"));
    }
    (wrong && quorum.stamp != Some(StampSpec::Query)).then_some((
        "clocks are wrong, so that a later write may have the older stamp",
        "`stamp: query`, or exact clocks",
    ))
}

/// What of a store may lose an acknowledged write.
fn loses(names: &Names, spec: &StoreSpec) -> Option<Doubt> {
    let crashes = |wipes: bool| {
        let hits = |fault: &&crate::model::fault::FaultSpec| {
            fault.crash.as_ref().is_some_and(|target| !wipes || target.lose_data == Some(true))
        };
        names.faults().any(|fault| hits(&fault))
    };
    let mode = spec.durability.as_ref().and_then(|own| own.mode).unwrap_or_default();
    let Some(replication) = spec.replication.as_deref() else {
        return crashes(true)
            .then_some(("the only copy loses its data (`lose_data`)", "`replication`"));
    };
    if let Some(leaders) = &replication.multi_leader
        && leaders.goes_by_stamps()
    {
        let merges = leaders.conflict != Some(ConflictSpec::Lww) && leaders.conflict.is_some();
        let why = if merges {
            "a register keeps one of two writes that did not know of one another"
        } else {
            "of two writes that did not know of one another the later stamp wins, and the other one is lost"
        };
        return Some((why, "`version_vector`, or a `crdt` that keeps both"));
    }
    if crashes(false) && matches!(mode, ModeSpec::Every(_) | ModeSpec::Never) {
        return Some((
            "writes are acknowledged before they are on a disk, and something crashes",
            "`durability: {mode: each}` or `group`",
        ));
    }
    let failover = replication.leader_follower.as_ref().filter(|leader| leader.failover.is_some());
    let (leader, hurt) = (failover?, crashes(false) || cuts(names));
    match leader.ack.unwrap_or_default() {
        AckSpec::Async if hurt => Some((
            "a follower that takes over lacks what the leader had acknowledged and not sent yet",
            "`ack: sync`, or `raft`",
        )),
        AckSpec::SemiSync { .. } if hurt => Some((
            "after its timeout the leader acknowledges what no follower has",
            "`ack: sync`, or `raft`",
        )),
        _ => None,
    }
}

/// What of a store may show two readers two orders.
fn disorders(names: &Names, spec: &StoreSpec) -> Option<Doubt> {
    let replication = spec.replication.as_deref()?;
    if let Some(quorum) = &replication.quorum {
        if quorum.write_back != Some(true) {
            return Some((
                "a read may return a write that the next reader does not see yet",
                "`write_back: true`",
            ));
        }
        if quorum.tombstones.is_some() {
            return Some(("a forgotten delete lets what is older come back", "no `tombstones`"));
        }
    }
    names.writes_twice().then_some((
        "a retry, a hedge or a doubled call may write again what is overwritten already",
        "`idempotent: true` on calls straight to the store",
    ))
}

/// Something is cut off from something.
fn cuts(names: &Names) -> bool {
    names.faults().any(|fault| fault.partition.is_some() || fault.loss.is_some())
}
