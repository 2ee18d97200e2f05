//! Replication from one leader to its followers, by shipping its log: asynchronous, semi-synchronous or synchronous, with
//! failover by observers.
//!
//! The leader gives each write its place, makes it certain on its disk, and ships it after its lag: one `append` per entry
//! and follower, in order. A follower stores, answers `stored`, and applies in log order as work. What gets lost is shipped
//! again from what the follower is known to have. Observers ping the leader; a majority that has not heard of it has the
//! most advanced candidate lead the next epoch. There is no consensus: what was acknowledged and not shipped is lost.
//!
//! The order of an entry is its place, which names its writer too: epoch, life of the leader within it, number. So logs
//! with an entry in common are equal up to it (Ongaro, Ousterhout, ATC 2014, section 5.3, with the same argument), and a
//! leader that lost the end of its log to a crash never gives a place twice.
//!
//! A disk that is never certain means that a leader that crashes and comes back leads with nothing, and its followers
//! follow it there, as replicas of a store in memory do.
//!
//! What a session knows is such a place. A follower that has not applied it sends a reader to its leader, and a leader
//! that never had it fails the read: it is lost. So that a place of an old reign can be told from one that is lost, each
//! replica keeps where each reign began in its log, which is short, through whatever becomes of the log.
//!
//! **Invariant.** Within an epoch a follower's stored log is a beginning of its leader's; a place has one entry.

mod config;
mod fetch;
mod follow;
mod lead;
mod log;
pub(super) mod message;
mod observer;
mod protocol;
mod replica;
mod restore;
mod roles;

pub use config::{Ack, Config, Failover, Paced};
#[cfg(test)]
pub use message::{Message, Sent};
pub use observer::Observer;
pub use replica::Replica;
