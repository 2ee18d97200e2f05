//! A view of a store of a random scenario, who writes and reads it, and what befalls it.
//!
//! **Invariant.** It is drawn apart, so that a design without one is what it would be.

use super::Writer;
use crate::engine::random::Stream;

impl Writer {
    /// Whether there is one: what is said of its clients, of it and who writes it, and of a fault.
    pub(super) fn draw_view(&mut self, seed: u64, duration: u64) {
        let mut draw = Stream::new(seed, "swarm", "view").draw(0);
        let copies = self.copies_of("db0").to_owned();
        if draw.below(100) >= 30 || copies.contains("multi_leader") {
            return;
        }
        let mut pick = |from: &[&'static str]| from[draw.below(from.len() as u64) as usize];
        let (rate, wait) = (pick(&["5/s", "20/s", "60/s"]), pick(&["0ms", "50ms", "1s"]));
        let client = format!(
            "  lookers: {{arrivals: poisson({rate}), keys: uniform(n=40), timeout: 2s, operations: {{put: {{write: db0}}, \
             index: {{to: ix0}}, look: {{read: v0}}}}, session: [{{do: put, optional: true}}, {{do: index, optional: true}}, \
             {{wait: {wait}}}, {{do: look, optional: true}}, {{do: look}}]}}"
        );
        let lag = pick(&["0s", "exp(mean=20ms)", "300ms"]);
        let (cores, work) =
            (pick(&["", "apply_cores: 4, "]), pick(&["1ms", "exp(mean=5ms)", "40ms"]));
        let is_fed = !copies.contains("quorum") && pick(&["fed", "fed", "written"]) == "fed";
        let of = if is_fed {
            format!("view_of: {{store: db0, lag: {lag}}}, apply: {work}, {cores}")
        } else {
            "view_of: db0, ".to_owned()
        };
        let shards = pick(&[
            "",
            "shards: {count: 3}, ",
            "shards: {count: 2, by: consistent_hash(vnodes=10)}, ",
        ]);
        let led = [
            "",
            "",
            "replication: {raft: {replicas: 3}}, ",
            "replication: {raft: {replicas: 3, reads: follower, fsync: 2ms}}, ",
            "replication: {leader_follower: {followers: 2, lag: 200ms, reads: any, failover: {detect: 500ms}}}, ",
            "replication: {leader_follower: {followers: 1, ack: sync, reads: followers}}, ",
        ];
        let equals = "replication: {quorum: {replicas: 3, read: 1, write: 1}}, ";
        let copied = if is_fed { pick(&led) } else { pick(&[led[0], led[2], led[4], equals]) };
        let node = format!(
            "  v0: {{store: {{{of}{shards}{copied}read: 2ms, write: {}, cores: 2}}}}\n  \
             ix0: {{service: {{workers: 5, endpoints: {{default: [{{read: db0}}, {{wait: {}}}, {{write: v0}}]}}, \
             dependencies: {{db0: {{timeout: 500ms}}, v0: {{timeout: 500ms}}}}}}}}",
            pick(&["1ms", "exp(mean=10ms)"]),
            pick(&["0ms", "exp(mean=30ms)"]),
        );
        let hit = pick(&["", "lose_data: true", "process: true"]);
        let hit = if hit.is_empty() { String::new() } else { format!(", {hit}") };
        let fault = format!(
            "  - {{id: view, at: {}s, for: 1s, crash: {{node: v0, shard: 0{hit}}}}}",
            duration / 2
        );
        self.view = Some([client, node, fault]);
    }

    /// Nodes come next.
    pub(super) fn begin_nodes(&mut self) {
        self.view(0);
        self.line("nodes:");
        self.view(1);
    }

    /// One of its parts, and of a store with backups.
    pub(super) fn view(&mut self, part: usize) {
        let apart = [&self.view, &self.backups, &self.moves].into_iter().flatten();
        let lines: Vec<String> = apart.map(|parts| parts[part].clone()).collect();
        for line in lines {
            self.line(&line);
        }
    }
}
