//! A replica whose shard is kept elsewhere: what was kept is merged with what there is, by stamps, as whatever else comes.
//!
//! **Invariant.** Nothing newer gives way to it.

use super::message::Held;
use super::state::Quorum;
use crate::replication::backup::Saved;
use crate::replication::contract::Context;

impl Quorum {
    /// It takes up what was kept.
    pub fn restored(&mut self, saved: &Saved, cx: &mut Context<'_>) {
        for item in &saved.done {
            self.store.remember(*item);
        }
        for (key, item) in &saved.held {
            self.store.put(self.me, *key, Held { item: *item, left: 0 }, cx);
        }
    }
}
