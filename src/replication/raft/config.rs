//! What a group of replicas is set to.
//!
//! **Invariant.** It is the same for all replicas of a group, for the whole run.

use crate::replication::disk::Mode;
use crate::replication::words::Timer;

/// The disk's timer.
pub(super) const DISK: Timer = 0;
/// It has waited for a leader for long enough.
pub(super) const ELECTION: Timer = 1;
/// The next round of heartbeats is due.
pub(super) const HEARTBEAT: Timer = 2;

/// Who answers reads, and after what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Who believes to lead, at once: may be stale.
    Leader,
    /// The leader, while a majority has promised by the clock to follow nobody else; else as `ReadIndex`.
    Lease,
    /// The leader, after a round of heartbeats that a majority answers (Ongaro 2014, 6.4).
    #[default]
    ReadIndex,
    /// Any replica, what it has applied.
    Follower,
}

/// What a group of replicas is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// How many there are.
    pub replicas: u16,
    /// The number, within the shard, of the one that leads term 1 at the start.
    pub leader: u16,
    /// Whether who would stand asks first whether it would be elected (Ongaro 2014, 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears no majority steps down, and who hears a leader gives no vote (Ongaro 2014, 6.2).
    pub check_quorum: bool,
    /// Who answers reads.
    pub reads: Reads,
    /// Between heartbeats, ns.
    pub heartbeat: u64,
    /// The least time that [`Law::Election`](crate::replication::words::Law::Election) gives, ns.
    pub election_min: u64,
    /// How much faster or slower than time a clock may go, as a share: leases allow for it.
    pub max_drift: f64,
    /// When what is written is certain.
    pub disk: Mode,
    /// How many entries are applied at once, of different keys.
    pub apply_lanes: u8,
    /// Entries take the place of what their keys held; else they are only agreed on, and nothing is kept of them.
    pub keeps: bool,
}
