//! Shards that were restored from a backup, as events.
//!
//! **Invariant.** Read from one replication: no two restore at the same instants.

use super::{events::event, words};
use crate::results::{EventKind, Results, TimelineEvent};

/// Events told of one store.
const MOST: usize = 12;

/// The events of all stores.
pub(super) fn restores(results: &Results) -> Vec<TimelineEvent> {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        let restored = node.backups.iter().flat_map(|backups| &backups.restored);
        for one in restored.take(MOST) {
            let of =
                if node.shards.len() > 1 { format!("shard {}", one.shard) } else { String::new() };
            let mut text = words::restored(name, &of, one);
            if results.replications.len() > 1 {
                text += " (in the first replication)";
            }
            let value = Some(one.age);
            all.push(TimelineEvent { value, of, ..event(EventKind::Restored, name, one.to, text) });
        }
    }
    all
}
