//! A store whose keys move to other shards of a random scenario, who uses it, and what befalls it.
//!
//! **Invariant.** It is drawn apart, so that a design without one is what it would be.

use super::{
    Writer,
    apart::{pick, users},
};
use crate::engine::random::Stream;

impl Writer {
    /// Whether there is one: what is said of its clients, of it, and of faults.
    pub(super) fn draw_moves(&mut self, seed: u64, duration: u64) {
        let mut draw = Stream::new(seed, "swarm", "moves").draw(0);
        if draw.below(100) >= 25 {
            return;
        }
        let client = users(&mut draw, "movers", ("mv0", 40));
        let (from, to) = [("1", "2"), ("2", "3"), ("3", "1")][draw.below(3) as usize];
        let mut pick = |from: &[&'static str]| pick(&mut draw, from);
        let by = pick(&["", ", by: range", ", by: consistent_hash(vnodes=10)"]);
        let pace = pick(&["5/s", "30/s", "1k/s"]);
        let keys = pick(&["", "keys: 100, ", "keys: 300, value_size: exp(mean=20KB), "]);
        let copies = pick(&[
            "",
            "",
            "raft: {replicas: 3}",
            "raft: {replicas: 2, reads: follower, fsync: exp(mean=1ms)}",
            "raft: {replicas: 3, reads: lease}",
            "leader_follower: {followers: 2, ack: semi_sync(timeout=100ms), lag: 50ms}",
            "leader_follower: {followers: 2, reads: any, failover: {detect: 500ms, rebuild: exp(mean=2s)}}",
            "leader_follower: {followers: 1, ack: sync, reads: followers, failover: {detect: 500ms, rebuild: 100/s, fencing: true}}",
        ]);
        let which = if copies.is_empty() { "" } else { pick(&["", "replica: leader, "]) };
        let copies =
            if copies.is_empty() { String::new() } else { format!(", replication: {{{copies}}}") };
        let node = format!(
            "  mv0: {{store: {{shards: {{count: {from}, move: {pace}{by}}}, {keys}read: 1ms, write: exp(mean=3ms), cores: 2{copies}}}}}"
        );
        let how = pick(&["", "process: true, ", "lose_data: true, "]);
        let back = pick(&["", ", for: 2s"]);
        let at = duration / 3;
        let faults = format!(
            "  - {{id: reshard, at: {at}s{back}, set: {{nodes.mv0.store.shards.count: {to}}}}}\n  \
             - {{id: moving, at: {}ms, for: 1s, crash: {{{how}node: mv0, {which}shard: 0}}}}",
            at * 1000 + 700
        );
        self.moves = Some([client, node, faults]);
    }
}
