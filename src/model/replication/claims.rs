//! What an objective says of data and the design cannot keep: one reason, and what would help.
//!
//! A claim that no reason speaks against may still fail; whether it does the runs tell.
//!
//! **Invariant.** A reason names something that happens in the design, with its faults, not in another one.

use super::{
    AckSpec, AnswerSpec, AnsweredSpec, ConflictSpec, ModeSpec, QuorumSpec, RaftReadsSpec,
    ReadsSpec, StampSpec,
};
use crate::model::{
    consistency::calls::{DataCall, data_calls},
    ids::NodeId,
    kind::Verb,
    kinds::NodeSpec,
    names::Names,
    store::StoreSpec,
};

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

impl Claim {
    /// All.
    pub const ALL: [Self; 3] = [Self::Order, Self::Fresh, Self::Kept];
}

/// Why a claim does not hold, and what would help.
pub type Doubt = (&'static str, &'static str);

/// Something that speaks against it, if there is anything.
pub fn doubt(names: &Names, store: NodeId, claim: Claim) -> Option<Doubt> {
    let NodeSpec::Store(spec) = names.spec(store) else { return None };
    let asked = Asked::of(names, store);
    let (read, written) = (!asked.reads.is_empty(), !asked.writes.is_empty());
    let fresh = || {
        let cached = cached(names, store, false).or_else(|| damaged(names, store, spec));
        cached.or_else(|| stale(names, spec, &asked))
    };
    if spec.view_of.is_some() {
        let behind =
            ("a view shows what has come to it, which is behind its source", "read the source");
        return (read && claim == Claim::Fresh).then_some(behind);
    }
    let kept = || cached(names, store, true).or_else(|| loses(names, store, spec));
    match claim {
        Claim::Kept => written.then(kept).flatten(),
        Claim::Fresh => (read && written).then(fresh).flatten(),
        Claim::Order => {
            let order =
                || fresh().or_else(kept).or_else(|| disorders(names, (store, spec), &asked));
            (read && written).then(order).flatten()
        }
    }
}

/// How a store is read and written, by all who do.
struct Asked {
    reads: Vec<AnsweredSpec>,
    writes: Vec<AnsweredSpec>,
    /// Somebody writes by what is there.
    updates: bool,
}

impl Asked {
    fn of(names: &Names, store: NodeId) -> Self {
        let mut asked = Self { reads: Vec::new(), writes: Vec::new(), updates: false };
        let here = |call: &DataCall| call.path.is_some() && call.store == Some(store);
        for call in data_calls(names).into_iter().filter(here) {
            match call.verb {
                Verb::Read | Verb::Lookup => asked.reads.push(call.answered),
                Verb::Write | Verb::WriteBehind | Verb::Delete | Verb::Cas | Verb::Increment => {
                    asked.writes.push(call.answered);
                    asked.updates |= matches!(call.verb, Verb::Cas | Verb::Increment);
                }
                _ => {}
            }
        }
        asked
    }
}

/// Caches before the store: those who answer for writes, or any.
fn cached(names: &Names, store: NodeId, late: bool) -> Option<Doubt> {
    let calls = data_calls(names);
    let asks = |verbs: &[Verb]| {
        calls.iter().any(|call| {
            let target = names.node(&call.target).map(|id| names.spec(id));
            verbs.contains(&call.verb)
                && matches!(target, Some(NodeSpec::Cache(_)))
                && call.store.is_none_or(|behind| behind == store)
        })
    };
    if late {
        let hurt = names.faults().any(|fault| fault.crash.is_some() || fault.clear_cache.is_some());
        return (hurt && asks(&[Verb::WriteBehind])).then_some((
            "a cache acknowledges writes (`mode: behind`) that die with it",
            "`mode: through`",
        ));
    }
    asks(&[Verb::Lookup, Verb::Read, Verb::WriteBehind])
        .then_some(("reads are answered by a cache, which may hold what is older", "reads past it"))
}

/// What of a store may answer with something old.
fn stale(names: &Names, spec: &StoreSpec, asked: &Asked) -> Option<Doubt> {
    let replication = spec.replication.as_deref()?;
    let (wrong, cuts) = (names.wrong_clocks(), cuts(names));
    if let Some(quorum) = &replication.quorum {
        return stale_quorum(quorum, wrong.is_some(), asked);
    }
    if let Some(raft) = &replication.raft {
        let usual = match raft.reads.unwrap_or_default() {
            RaftReadsSpec::Leader => AnswerSpec::Leader,
            RaftReadsSpec::Lease => AnswerSpec::Lease,
            RaftReadsSpec::ReadIndex => AnswerSpec::ReadIndex,
            RaftReadsSpec::Follower => AnswerSpec::Follower,
        };
        let reads = |one| asked.reads.iter().any(|read| read.reads.unwrap_or(usual) == one);
        if reads(AnswerSpec::Follower) {
            return Some((
                "reads are answered by followers, with what they have",
                "`reads: read_index`",
            ));
        }
        if reads(AnswerSpec::Leader) && cuts {
            let help = "`reads: read_index` or `lease`";
            return Some(("a leader that is cut off answers at its word", help));
        }
        let drifts = wrong.unwrap_or(0.0) > raft.allowed_drift();
        return (reads(AnswerSpec::Lease) && drifts).then_some((
            "clocks drift apart by more than `max_drift`, so that leases overlap",
            "`reads: read_index`",
        ));
    }
    if replication.multi_leader.is_some() {
        return Some((
            "each of several leaders answers before it has heard of what the others took",
            "one order: `raft`, a quorum, or one leader that is read",
        ));
    }
    let leader = replication.leader_follower.as_ref()?;
    let usual = match leader.reads.unwrap_or_default() {
        ReadsSpec::Leader => AnswerSpec::Leader,
        _ => AnswerSpec::Any,
    };
    let elsewhere = |read: &AnsweredSpec| read.reads.unwrap_or(usual) != AnswerSpec::Leader;
    if leader.followers.0 > 0 && asked.reads.iter().any(elsewhere) {
        return Some((
            "reads are answered by followers, who are behind the leader",
            "`reads: leader`",
        ));
    }
    let failover = leader.failover.as_ref()?;
    (cuts && failover.fencing != Some(true)).then_some((
        "a leader that is cut off goes on answering beside the next one",
        "`fencing: true`",
    ))
}

fn stale_quorum(quorum: &QuorumSpec, wrong: bool, asked: &Asked) -> Option<Doubt> {
    let n = quorum.replicas.0;
    let least = |all: &[AnsweredSpec], usual: u64| {
        all.iter().map(|one| one.quorum.map_or(usual, |level| level.of(n))).min().unwrap_or(n)
    };
    if least(&asked.reads, quorum.reads()) + least(&asked.writes, quorum.writes()) <= n {
        return Some((
            "the least read and the least write wait for no more than `replicas` together, so that a read may miss a write",
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

/// Damaged copies that are read, or answer for what is gone.
fn damaged(names: &Names, store: NodeId, spec: &StoreSpec) -> Option<Doubt> {
    if names.rolls_back(store) {
        let why = "copies are damaged without a word (`silent`), and are read like any other";
        return Some((why, "checksums: `silent: false`"));
    }
    let leads = spec.replication.as_deref().is_some_and(|own| own.quorum.is_none());
    (!leads && names.damages(store).next().is_some()).then_some((
        "a copy that is found damaged is gone, and answers as if there had never been one",
        "replicas that keep a log: `leader_follower` or `raft`",
    ))
}

/// What of a store may lose an acknowledged write.
fn loses(names: &Names, store: NodeId, spec: &StoreSpec) -> Option<Doubt> {
    let (crashed, wiped) = crashes(names, store);
    if wiped {
        return Some((
            "a crash takes all copies with their data (`lose_data`)",
            "copies elsewhere",
        ));
    }
    if let Some(doubt) = damaged(names, store, spec).filter(|_| spec.replication.is_none()) {
        return Some(doubt);
    }
    let mode = spec.durability.as_ref().and_then(|own| own.mode).unwrap_or_default();
    let replication = spec.replication.as_deref()?;
    let sloppy = replication.quorum.as_ref().and_then(|quorum| quorum.sloppy) == Some(true);
    if sloppy && cuts(names) {
        return Some((
            "a sloppy quorum writes on both sides of a cut, and of two writes that did not know of one another one is lost",
            "`sloppy: false`",
        ));
    }
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
    if crashed && matches!(mode, ModeSpec::Every(_) | ModeSpec::Never) {
        return Some((
            "writes are acknowledged before they are on a disk, and something crashes",
            "`durability: {mode: each}` or `group`",
        ));
    }
    let failover = replication.leader_follower.as_ref().filter(|leader| leader.failover.is_some());
    let (leader, hurt) = (failover?, crashed || cuts(names));
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
fn disorders(names: &Names, (store, spec): (NodeId, &StoreSpec), asked: &Asked) -> Option<Doubt> {
    if asked.updates {
        return Some((
            "what `cas` and `increment` find is not followed, so that their keys stay unchecked",
            "`lost_updates == 0`, `duplicate_applies == 0`",
        ));
    }
    let replication = spec.replication.as_deref()?;
    let follows = replication.leader_follower.as_ref();
    let hurt = cuts(names) || crashes(names, store).0;
    if hurt && follows.is_some_and(|leader| leader.failover.is_some()) {
        return Some((
            "a leader shows writes before its followers have them, and the next leader may begin without them",
            "`raft`",
        ));
    }
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
        "no second attempts but on calls straight to the store, with `idempotent: true`",
    ))
}

/// Whether something of a store crashes, and whether all of it does with its data.
fn crashes(names: &Names, store: NodeId) -> (bool, bool) {
    let name = names.name(store);
    let all = names.faults().filter_map(|fault| fault.crash.as_ref());
    let hits = all.filter(|target| target.node.as_ref().is_none_or(|node| node.0 == name));
    hits.fold((false, false), |(_, wiped), target| {
        let all = target.node.is_some()
            && target.replica.is_none()
            && target.instances.is_none()
            && target.shard.is_none();
        (true, wiped || all && target.lose_data == Some(true))
    })
}

/// Something is cut off from something.
fn cuts(names: &Names) -> bool {
    names.faults().any(|fault| fault.partition.is_some() || fault.loss.is_some())
}
