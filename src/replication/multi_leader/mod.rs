//! Several leaders of each shard that all take reads and writes, and tell one another afterwards (as Bayou does; Terry et al.,
//! SOSP 1995; vectors as in Riak; counters and sets of Shapiro et al., 2011).
//!
//! An operation goes from [`Phase::Arrived`](super::Phase::Arrived) to its work, and takes effect in
//! [`Phase::Worked`](super::Phase::Worked) at the leader it came to, which answers as soon as the disk's mode allows. An
//! entry of its log leaves for each other leader after its lag, and is applied there as work of its own, in log order. What
//! becomes of writes that did not know of one another is a [rule](Conflict) of the state of a key.
//!
//! Logs carry writes; whole states travel only to who is too far behind for the log, has lost something, or differed when
//! leaders compared what they hold.
//!
//! **Invariant.** Leaders that have the same writes hold the same of every key (while no tombstone is forgotten).

mod anti_entropy;
mod config;
mod life;
mod log;
pub(super) mod message;
mod peer;
mod protocol;
mod replica;
mod ship;
mod state;
mod store;
mod table;
mod take;
mod write;

pub use config::Config;
#[cfg(test)]
pub use message::{Chunk, Entry, Message};
pub use replica::MultiLeader;
pub use state::Conflict;
#[cfg(test)]
pub use state::State;
