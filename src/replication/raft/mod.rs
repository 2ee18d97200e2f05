//! Raft: one leads by the votes of a majority, and what a majority has in its logs is committed
//! (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC 2014;
//! Ongaro, "Consensus: Bridging Theory and Practice", Stanford 2014, for pre-votes, check quorum and
//! reads).
//!
//! A write arrives at the leader, is worked on, gets its place, is sent to all others at once and
//! written to the leader's disk meanwhile, and is answered when it is committed and applied. A read
//! arrives, waits as [`Reads`] say, is worked on, and returns what is held then. Whoever does not lead
//! sends operations to the leader it knows of. Followers hear of commits by the next entry or
//! heartbeat, as in the paper. What a session knows is the place of what is committed: a follower that
//! has not applied it sends a reader to the leader, and whoever knows no other waits for it. Who lost its disk votes like any other, though it may have forgotten a
//! vote or entries that it had promised: as with real disks, acknowledged writes can then be lost.
//!
//! **Invariant.** While disks keep what they promised: one leads a term, and what is committed stays.

mod apply;
mod config;
mod election;
mod follow;
mod lead;
mod log;
pub(super) mod message;
mod protocol;
mod reads;
mod restore;
mod roles;
mod saved;
mod state;

pub use self::config::{Config, Reads};
#[cfg(test)]
pub use self::message::{Append, Entry, Message};
pub use self::state::Raft;
