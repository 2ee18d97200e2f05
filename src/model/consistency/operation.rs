//! An operation on data while it is under way, and what a frame has to do with it.

use super::spec::Access;
use crate::{
    history::{Judged, OpId, Seen, Vector, Vectors},
    model::{ids::NodeId, replication::whom::Answered},
};

/// What an operation saw or wrote.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    /// A place in the order of versions.
    Placed(Seen),
    /// Writes of each leader.
    Vector(Seen<Vector>),
}

/// What a frame has to do with data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    /// What it is to write, or has read.
    pub(super) version: u64,
    /// The operation it is at.
    pub(super) at: Option<At>,
    /// What it is at is a record.
    pub(super) of_record: bool,
    /// Of a visit that failed: what is known beyond its outcome of what it was to write.
    pub(super) known: Option<Written>,
}

/// Where an operation on data begins: a step, or the operation of a client.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The store.
    pub store: NodeId,
    /// What is done there.
    pub access: Access,
    /// How it is answered.
    pub answered: Answered,
    /// Hash of its path, added to the identity of who is there: it names what is written, whichever attempt brings it.
    pub path: u64,
    /// Likewise of what it has in common with those that do the same elsewhere: it names what all attempts write.
    pub common: u64,
    /// It is about a record of a lock or saga: no data of anybody, so that it is in no history.
    pub of_record: bool,
    /// It is asked for once, whatever is attempted again.
    pub once: bool,
}

/// Whether what a visit that failed was to write was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It may have been, though the answer is a refusal.
    Maybe,
    /// It was not, though the answer is an error.
    No,
}

/// An operation under way.
#[allow(clippy::struct_excessive_bools, reason = "what is known of it, each by itself")]
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) store: NodeId,
    pub(super) access: Access,
    pub(super) key: u64,
    pub(super) op: OpId,
    /// Of a store whose writes are told apart by vectors: when it began.
    pub(super) invoked: u64,
    /// What it stood or fell with failed.
    pub(super) failed: bool,
    /// An attempt failed in a way that leaves open whether it was done.
    pub(super) doubt: bool,
    /// The attempt that failed now was not done, whatever its outcome.
    pub(super) spared: bool,
    /// No attempt is under way any more, and none was done.
    pub(super) certain: bool,
    /// It began in the measured span.
    pub(super) measured: bool,
    /// When it began, ns.
    pub(super) began: u64,
    /// The shard of its key, if that is asked for.
    pub(super) shard: u16,
}

/// What an operation saw whose writes are told apart by vectors, and how far it was behind: its answer knows of these.
pub(super) fn seen_by_vector(
    vectors: &mut Vectors,
    at: &At,
    (version, known): (u64, Vector),
    now: u64,
) -> (Option<Judged>, Option<Sight>) {
    if !vectors.follows(at.key) {
        return (None, None);
    }
    let read = at.access == Access::Read;
    let judged = read.then(|| vectors.read(at.key, &known, at.invoked));
    let returned =
        if read { vectors.invoke(now) } else { vectors.acknowledged(at.key, version, &known, now) };
    let seen = Seen { key: at.key, wrote: !read, place: known, invoked: at.invoked, returned };
    (judged, Some(Sight::Vector(seen)))
}
