//! Tests of all protocols.

mod leader_follower;
mod net;
mod quorum;
mod raft;
