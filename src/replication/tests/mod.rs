//! Tests of all protocols.

mod leader_follower;
mod multi_leader;
mod net;
mod quorum;
mod raft;
mod sessions;
