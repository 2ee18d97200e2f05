//! Replicas of a random scenario.

use super::Writer;

impl Writer {
    /// How the copies of a store follow one another, and whether one of them leads.
    pub(super) fn replication(&mut self) -> (String, bool) {
        let (text, led) = match self.draw.below(4) {
            0 => (self.leader_follower(), true),
            1 => (self.quorum(), false),
            2 if !self.zones.is_empty() => (self.multi_leader(), false),
            _ => (self.raft(), true),
        };
        let durability = if text.contains("fsync") {
            String::new()
        } else {
            self.maybe(30, |w| {
                let mode = w.pick(&["each", "group(5ms)", "every(1s)", "never"]);
                format!("durability: {{fsync: 2ms, mode: {mode}}}")
            })
        };
        let apply =
            if led { self.maybe(30, |_| "apply_cores: 2".to_owned()) } else { String::new() };
        (format!("{durability}{apply}replication: {{{text}}}, "), led)
    }

    fn leader_follower(&mut self) -> String {
        let ack = self.pick(&["async", "sync", "semi_sync(timeout=100ms)"]);
        let reads = self.pick(&["leader", "followers", "nearest", "any"]);
        let followers = self.within(1, 3);
        let lag = self.maybe(40, |w| format!("lag: {}", w.law()));
        let most = self.maybe(30, |_| "max_lag: 100ms".to_owned());
        let failover = self.maybe(60, |w| {
            let promote = w.maybe(50, |w| format!("promote: {}", w.law()));
            let discovery = w.maybe(50, |w| format!("discovery: {}", w.law()));
            let rebuild = w.maybe(50, |w| {
                let law = w.law();
                let is_constant = law.starts_with(|first: char| first.is_ascii_digit());
                // Some by keys, with no other draw.
                format!("rebuild: {}", if is_constant { "200/s" } else { &law })
            });
            let fencing = w.pick(&["true", "false"]);
            format!("failover: {{{promote}{discovery}{rebuild}detect: 500ms, fencing: {fencing}}}")
        });
        format!(
            "leader_follower: {{{lag}{most}{failover}followers: {followers}, ack: {ack}, reads: {reads}}}"
        )
    }

    fn quorum(&mut self) -> String {
        let n = self.within(1, 4);
        let (read, write) = (self.within(1, n), self.within(1, n));
        let contact = self.pick(&["all", "quorum", "{read: quorum}"]);
        let stamp = self.pick(&["clock", "query"]);
        let repair = self.pick(&["true", "false", "30%"]);
        let coordinator = self.pick(&["nearest", "random", "client"]);
        let back = self.pick(&["true", "false"]);
        let sloppy = self.maybe(30, |_| "sloppy: true, hinted_handoff: {after: 50ms}".to_owned());
        let entropy = self.maybe(30, |_| "anti_entropy: {every: 2s}, tombstones: 3s".to_owned());
        format!(
            "quorum: {{{sloppy}{entropy}replicas: {n}, read: {read}, write: {write}, contact: {contact}, \
             stamp: {stamp}, read_repair: {repair}, coordinator: {coordinator}, write_back: {back}, \
             timeout: 700ms}}"
        )
    }

    fn multi_leader(&mut self) -> String {
        let leaders = self.pick(&["[a, b]", "[c, a, b]", "[east, west]"]);
        let conflict =
            self.pick(&["lww", "version_vector", "crdt(counter)", "crdt(set)", "crdt(register)"]);
        let lag = self.maybe(40, |w| format!("lag: {}", w.law()));
        let entropy = self.maybe(30, |_| "anti_entropy: {every: 2s}, tombstones: 3s".to_owned());
        format!("multi_leader: {{{lag}{entropy}leaders: {leaders}, conflict: {conflict}}}")
    }

    /// Whether copies of some store are told apart by stamps of clocks, of which a file has to say something.
    pub(super) fn goes_by_stamps(&self) -> bool {
        let mut texts = self.copies.iter().flatten().map(|(text, _)| text);
        texts.any(|text| text.contains("lww") || text.contains("register"))
    }

    /// Users of a store who ask for guarantees, or do not.
    pub(super) fn sessions(&mut self) {
        let (name, rate) = (self.stores[0].0.clone(), self.within(1, 20));
        let all = [
            "[read_your_writes]",
            "[monotonic_reads, monotonic_writes]",
            "[read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads]",
        ];
        let asked = self.maybe(80, |w| format!("guarantees: {}", w.pick(&all)));
        self.guaranteed = !asked.is_empty();
        let edge = self.edge(50, "") + &self.once(&name);
        let read = self.level(&name, true);
        let put = if self.chance(30) {
            format!("{{{}: {name}}}", self.update(&name))
        } else {
            format!("{{write: {{to: {name}{}}}}}", self.level(&name, false))
        };
        let zones = if self.zones.is_empty() { "" } else { "zones: [a, b], " };
        self.line(&format!(
            "  users: {{arrivals: poisson({rate}/s), keys: uniform(n=30), {asked}{edge}{zones}operations: \
             {{put: {put}, get: {{read: {{from: {name}{read}}}}}}}, session: [{{do: put, optional: true}}, \
             {{do: get, optional: true}}, {{wait: 50ms}}, {{do: get, optional: true}}, {{do: put}}, {{do: get}}]}}"
        ));
    }

    pub(super) fn copies_of(&self, store: &str) -> &str {
        let at = self.stores.iter().position(|(name, _)| name == store);
        at.and_then(|at| self.copies[at].as_ref()).map_or("", |(text, _)| text)
    }

    /// A saga of two parts, the first of which is undone; some have a log in this store.
    pub(super) fn saga(
        &mut self,
        [one, undo, other]: &[String; 3],
        store: &str,
        depth: u32,
    ) -> String {
        let parts = format!("[{{do: [{one}], undo: [{undo}]}}, {{do: [{other}]}}]");
        // What is within has no saga of its own then.
        let logged = depth == 1 && !self.copies_of(store).contains("crdt");
        if logged && self.chance(60) { format!("{{log: {store}, steps: {parts}}}") } else { parts }
    }

    /// How a key of a store is changed by what it was.
    pub(super) fn update(&mut self, store: &str) -> &'static str {
        let merges = self.copies_of(store).contains("crdt");
        if merges { "increment" } else { self.pick(&["cas", "cas", "increment"]) }
    }

    /// How a read or write of a store is answered, where that is not as it says.
    pub(super) fn level(&mut self, store: &str, read: bool) -> String {
        let copies = self.copies_of(store).to_owned();
        if !self.chance(40) {
            return String::new();
        }
        let answers: &[&str] = if copies.contains("quorum: {") {
            &["quorum: 1", "quorum: majority", "quorum: all"]
        } else if !read {
            &[]
        } else if copies.contains("raft: {") {
            &["reads: leader", "reads: read_index", "reads: follower"]
        } else if copies.contains("leader_follower: {") {
            &["reads: leader", "reads: followers", "reads: nearest", "reads: any"]
        } else {
            &[]
        };
        if answers.is_empty() { String::new() } else { format!(", {}", self.pick(answers)) }
    }

    /// Whether all attempts at what is asked of a store that is written are one.
    pub(super) fn once(&mut self, store: &str) -> String {
        let copies = self.copies_of(store);
        if copies.contains("stamp: query") && !copies.contains("coordinator: client") {
            return String::new();
        }
        self.maybe(50, |_| "idempotent: true".to_owned())
    }

    fn raft(&mut self) -> String {
        let reads = self.pick(&["leader", "lease", "read_index", "follower"]);
        // Faults may name the second replica.
        let n = self.within(2, 5);
        let fsync = self.maybe(50, |_| "fsync: exp(mean=2ms)".to_owned());
        let pre_vote = self.pick(&["true", "false"]);
        let check = self.pick(&["true", "false"]);
        format!(
            "raft: {{{fsync}replicas: {n}, reads: {reads}, pre_vote: {pre_vote}, check_quorum: {check}}}"
        )
    }

    /// Two sides among the replicas of a store, in some designs that have them.
    pub(super) fn cut_among_replicas(&mut self) -> Option<String> {
        let at = self.copies.iter().position(Option::is_some)?;
        if !self.chance(30) {
            return None;
        }
        let led = self.copies[at].as_ref().is_some_and(|(_, led)| *led);
        let name = self.stores[at].0.clone();
        Some(match self.draw.below(if led { 3 } else { 1 }) {
            0 => format!("node: {name}@0"),
            1 => format!("from: [{name}@leader], to: [{name}@followers]"),
            _ => format!("between: [[{name}@leader], [{name}@followers]]"),
        })
    }
}
