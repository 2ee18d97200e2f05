//! A store with backups of a random scenario, who uses it, and what befalls it.
//!
//! **Invariant.** It is drawn apart, so that a design without one is what it would be.

use super::{
    Writer,
    apart::{pick, users},
};
use crate::engine::random::Stream;

impl Writer {
    /// Whether there is one: what is said of its clients, of it, and of faults.
    pub(super) fn draw_backups(&mut self, seed: u64, duration: u64) {
        let mut draw = Stream::new(seed, "swarm", "backups").draw(0);
        if draw.below(100) >= 25 {
            return;
        }
        let client = users(&mut draw, "savers", ("bk0", 60));
        let mut pick = |from: &[&'static str]| pick(&mut draw, from);
        let to = if self.zones.is_empty() { "" } else { pick(&["", ", to: a", ", to: c"]) };
        let log = pick(&["", ", log: 200ms", ", log: 1s", ", log: 7s"]);
        let restore = pick(&["", ", restore: 1s", ", restore: exp(mean=2s)", ", restore: 20/s"]);
        let every = pick(&["500ms", "3s", "1h"]);
        let more = pick(&[
            "",
            "keys: 50, ",
            "keys: 500, value_size: exp(mean=1MB), ",
            "shards: {count: 3}, value_size: 20KB, ",
            "shards: {count: 2, by: directory}, keys: 40, boot: exp(mean=1s), ",
        ]);
        let copies = pick(&[
            "",
            "",
            "",
            "raft: {replicas: 3}",
            "raft: {replicas: 2, reads: follower, fsync: exp(mean=1ms)}",
            "leader_follower: {followers: 2, ack: semi_sync(timeout=100ms), lag: 50ms}",
            "leader_follower: {followers: 2, reads: any, failover: {detect: 500ms, rebuild: exp(mean=2s)}}",
            "leader_follower: {followers: 1, failover: {detect: 500ms, rebuild: 100/s, fencing: true}}",
            "quorum: {replicas: 3, read: 2, write: 2, coordinator: client}",
            "quorum: {replicas: 3, read: 1, write: 2, sloppy: true, anti_entropy: {every: 2s}}",
        ]);
        // Some lose theirs one after another.
        let which =
            if copies.is_empty() { "" } else { pick(&["", "replica: [1], ", "replica: [0], "]) };
        let copies =
            if copies.is_empty() { String::new() } else { format!(", replication: {{{copies}}}") };
        let node = format!(
            "  bk0: {{store: {{{more}read: 1ms, write: exp(mean=3ms), cores: 2, backup: {{every: {every}{to}{log}{restore}}}{copies}}}}}"
        );
        let how = pick(&["", ", process: true"]);
        let again = pick(&["lose_data: true", "process: true"]);
        let at = duration / 3;
        let faults = format!(
            "  - {{id: disk, at: {at}s, for: 1s, crash: {{node: bk0, shard: 0, {which}lose_data: true{how}}}}}\n  \
             - {{id: disk-again, at: {}ms, for: 500ms, crash: {{node: bk0, {again}}}}}",
            at * 1000 + 1700
        );
        self.backups = Some([client, node, faults]);
    }
}
