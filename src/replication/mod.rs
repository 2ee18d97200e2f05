//! How copies of data follow one another: each protocol of replication as a state machine of one replica, without
//! network, clock, disk or cores of its own.
//!
//! A replica is told what happens to it (it starts, an operation comes, a message, a timer) and says by [`Effect`]s
//! what is to be done about it; its host sends the messages, arms the timers and does the work. Whatever a replica
//! knows, it knows because it was told: replicas share nothing.
//!
//! **Invariant.** What a replica does is a function of what it was told, in that order, and of its draws.

mod backup;
mod contract;
mod damage;
pub mod data;
mod digests;
pub mod disk;
mod exchange;
mod fences;
mod items;
pub mod leader_follower;
mod message;
pub mod multi_leader;
pub mod process;
pub mod quorum;
pub mod raft;
mod repairs;
#[cfg(test)]
mod tests;
mod words;

pub use backup::Saved;
pub use contract::{Context, Effect, Post, Protocol};
pub use damage::Strike;
pub use fences::{Fence, Fences};
pub use message::Message;
#[cfg(test)]
pub use words::group;
pub use words::{
    APPLIED, Act, Answer, AntiEntropy, Begin, Dots, Failure, Known, Law, Laws, Level, MOST_LEADERS,
    Note, Once, Operation, Peer, Phase, Start, Ticket, Timer, Work, index_of, place, term_of,
};
