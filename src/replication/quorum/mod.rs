//! Copies without a leader: whoever is asked asks the replicas of the key's shard, and goes on when enough of them have
//! answered (`DeCandia` et al., Dynamo, SOSP 2007, 4.5; stamps and last write wins as in Cassandra; write-back and the
//! query for a stamp as in Attiya, Bar-Noy and Dolev, JACM 1995, and Lynch and Shvartsman, FTCS 1997).
//!
//! An operation comes to a coordinator, in [`Phase::Arrived`](super::Phase::Arrived), and is answered later; it is no
//! work there and never goes on to [`Phase::Worked`](super::Phase::Worked). The work is that of the messages `get` and
//! `put` (and `hand`) at the replicas, of which the coordinator may be one.
//!
//! What a session knows of a key is a stamp. A read waits for a replica that has it or a newer one, and asks all for it;
//! a write gets a stamp above it.
//!
//! **Invariant.** What a replica holds of a key only gets newer, by (stamp, version), while its process runs (and no
//! tombstone is forgotten); a `stored` says that this, or something newer, is as safe as the disk's mode promises.

mod anti_entropy;
mod config;
mod coordinate;
mod handoff;
mod kept;
pub(super) mod message;
mod protocol;
mod restore;
mod stand_ins;
mod state;
mod store;
mod table;
mod timer;

pub use config::{Config, Contact, Handoff, Stamp};
#[cfg(test)]
pub use message::{Held, Message, NOBODY, What, Why};
pub use state::Quorum;
