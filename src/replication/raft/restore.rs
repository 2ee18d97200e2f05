//! A replica whose group is kept elsewhere, and restored with it when no replica has anything any more: the group that begins
//! then is another one, as with etcd, of which the earlier one's terms and votes say nothing.
//!
//! That it was restored is an entry of its log, the first one of a term of its own: so whoever has none of it is sent all by
//! the leader, and no place is given twice.
//!
//! **Invariant.** Whoever has nothing does not stand for election: only who was restored, or was told all by one who
//! was, leads.

use super::log::Log;
use super::state::Raft;
use crate::replication::backup::Saved;
use crate::replication::contract::Context;
use crate::replication::words::{Begin, index_of, place};

impl Raft {
    /// Its group is restored when nobody has any data.
    pub fn backed_up(&mut self) {
        self.backed_up = true;
    }

    /// It has lost its data, and has not been told yet all that was committed.
    pub fn rebuilds(&self) -> bool {
        self.rebuilds
    }

    /// What it has applied, if it leads.
    pub fn save(&self) -> Option<Saved> {
        let (held, done, upto) = (self.data.all(), self.data.all_done(), self.reached());
        self.leads().then(|| Saved { held, done, upto, begins: self.begins.clone() })
    }

    /// Where its group began anew, up to a place.
    pub fn begins(&self, upto: u64) -> Vec<Begin> {
        self.begins.iter().copied().filter(|begin| begin.first <= upto).collect()
    }

    /// It begins with what was kept, in a term beyond all of the group that there was.
    pub fn restored(&mut self, saved: &Saved, term: u64, cx: &mut Context<'_>) {
        self.restart(true);
        let (index, term) = (index_of(saved.upto) + 1, term + 1);
        self.data.take_up(&saved.held, &saved.done);
        self.log = Log::behind(index, term);
        (self.term, self.vote, self.rebuilds) = (term, None, false);
        (self.applied, self.commit, self.durable, self.taken) = (index, index, index, index);
        self.begins.clone_from(&saved.begins);
        self.begins.push(Begin { first: place(term, index), before: saved.upto });
        self.heard = Some(cx.now);
        self.waits(cx);
    }

    /// What has this place was lost when its group began anew.
    pub fn has_lost(&self, place: u64) -> bool {
        self.begins.iter().any(|begin| begin.before < place && place < begin.first)
    }
}
