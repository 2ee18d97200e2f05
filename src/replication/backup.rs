//! What is kept elsewhere of a replica, and what begins with that when no replica of its shard has anything any more.
//!
//! **Invariant.** What a leader's log has is kept as far as it is committed, and no further.

use super::contract::Context;
use super::data::Item;
use super::process::Process;
use super::words::Begin;

/// What a replica held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// By key, or in the order in which it was written.
    pub held: Vec<(u64, Item)>,
    /// Of all that is held, the writes that are known to have been done.
    pub done: Vec<Item>,
    /// Where there is a log: all up to this place is in it.
    pub upto: u64,
    /// And where the entries of those begin who wrote it.
    pub begins: Vec<Begin>,
}

impl Process {
    /// There are backups: whoever has lost what it held never leads before it has been told all.
    pub fn backed_up(&mut self) {
        match self {
            Self::Replica(one) => one.backed_up(),
            Self::Raft(one) => one.backed_up(),
            Self::Quorum(_) | Self::MultiLeader(_) | Self::Observer(_) => {}
        }
    }

    /// It may be the one that its shard is restored with.
    pub fn may_be_restored(&self) -> bool {
        match self {
            Self::Replica(one) => one.may_be_restored(),
            Self::Raft(_) | Self::Quorum(_) => true,
            Self::MultiLeader(_) | Self::Observer(_) => false,
        }
    }

    /// It had lost what another one has lost now, and has that again. Where one leads it has been told all; else nobody can
    /// tell, but who looks at both.
    pub fn makes_up_for(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Replica(one), _) => !one.rebuilds(),
            (Self::Raft(one), _) => !one.rebuilds(),
            (Self::Quorum(one), Self::Quorum(other)) => {
                let mut all = true;
                other.data().each_item(&mut |key, item| {
                    let own = one.data().get(key);
                    all &= (own.order, own.version) >= (item.order, item.version);
                });
                all
            }
            _ => true,
        }
    }

    /// What is to be kept of it: of a leader, if it is one, what is committed.
    pub fn save(&self) -> Option<Saved> {
        match self {
            Self::Replica(one) => one.save(),
            Self::Raft(one) => one.save(),
            Self::Quorum(one) => Some(Saved {
                held: one.data().all(),
                done: one.data().all_done(),
                ..Saved::default()
            }),
            Self::MultiLeader(_) | Self::Observer(_) => None,
        }
    }

    /// Where the entries of those begin who wrote its log up to a place.
    pub fn begins(&self, upto: u64) -> Vec<Begin> {
        match self {
            Self::Replica(one) => one.begins(upto),
            Self::Raft(one) => one.begins(upto),
            Self::Quorum(_) | Self::MultiLeader(_) | Self::Observer(_) => Vec::new(),
        }
    }

    /// Its process goes on, or begins, with what was kept. Nobody of its shard has stood for a term beyond this one.
    pub fn restored(&mut self, saved: &Saved, term: u64, cx: &mut Context<'_>) {
        match self {
            Self::Replica(one) => one.restored(saved, cx),
            Self::Raft(one) => one.restored(saved, term, cx),
            Self::Quorum(one) => one.restored(saved, cx),
            Self::MultiLeader(_) | Self::Observer(_) => {}
        }
    }
}
