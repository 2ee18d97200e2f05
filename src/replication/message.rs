//! What processes of a node say to one another, whatever their protocol.
//!
//! **Invariant.** Its name, work and keys are those of the protocol's own message.

use super::leader_follower::message as leader_follower;
use super::multi_leader::message as multi_leader;
use super::quorum::message as quorum;
use super::raft::message as raft;
use super::words::Work;

/// A message between processes of a node. A copy of a message may arrive besides, messages may overtake one another, and
/// any may be lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// See [`super::leader_follower`].
    LeaderFollower(leader_follower::Message),
    /// See [`super::multi_leader`].
    MultiLeader(multi_leader::Message),
    /// See [`super::quorum`].
    Quorum(quorum::Message),
    /// See [`super::raft`].
    Raft(raft::Message),
    /// The process this was sent to does not run: its host says so.
    Refused(Box<Message>),
}

impl Message {
    /// Its name in results: `append`, `put`, `vote`, ..
    pub fn name(&self) -> &'static str {
        match self {
            Self::LeaderFollower(message) => message.name(),
            Self::MultiLeader(message) => message.name(),
            Self::Quorum(message) => message.name(),
            Self::Raft(message) => message.name(),
            Self::Refused(_) => "refused",
        }
    }

    /// What it is to its receiver's cores.
    pub fn work(&self) -> Work {
        match self {
            Self::LeaderFollower(message) => message.work(),
            Self::MultiLeader(message) => message.work(),
            Self::Quorum(message) => message.work(),
            Self::Raft(message) => message.work(),
            Self::Refused(_) => Work::None,
        }
    }

    /// The keys whose values it carries: they make its size.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::LeaderFollower(message) => message.keys(each),
            Self::MultiLeader(message) => message.keys(each),
            Self::Quorum(message) => message.keys(each),
            Self::Raft(message) => message.keys(each),
            Self::Refused(_) => {}
        }
    }
}
