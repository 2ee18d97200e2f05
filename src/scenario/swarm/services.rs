//! Services of drawn designs.
//!
//! **Invariant.** As in `swarm.rs`.

use super::Writer;

impl Writer {
    pub(super) fn service(&mut self, number: usize) {
        let (name, instances) = self.services[number].clone();
        let bounded = self.draw.below(4);
        let mut text = format!("  {name}:\n    service:\n      instances: {instances}\n");
        if bounded & 1 == 1 {
            text += &format!("      workers: {}\n", self.within(1, 12));
        }
        if bounded & 2 == 2 {
            text += &format!("      cores: {}\n", self.within(1, 4));
        }
        if bounded > 0 {
            if self.chance(40) {
                text += &format!("      queue: {}\n", self.draw.below(20));
            }
            if self.chance(30) {
                text += &format!("      patience: {}\n", self.law());
            }
            text += &self.order_of_service(number, bounded);
        }
        text += self.far_end(&name).0;
        if !self.mild && self.chance(30) {
            text += &self.inbound(number, bounded);
        }
        if self.chance(30) {
            text += &format!("      boot: {}\n", self.law());
        }
        if !self.mild {
            text += &self.by_itself(number);
        }
        if self.chance(20) {
            text += "      warm: {for: 2s, factor: 3}\n";
        }
        if !self.zones.is_empty() && self.chance(40) {
            text += &format!("      zones: [{}]\n", self.pick(&["a", "a, b", "c"]));
        }
        if let Some([free, bound]) = &self.scaling[number] {
            text += if bounded > 0 { bound } else { free };
        }
        text += &self.purchase(number).unwrap_or_default();
        text += "      endpoints:\n        default:\n";
        for _ in 0..self.within(1, 5) {
            let step = self.step(number, 2);
            text += &format!("          - {step}\n");
        }
        text += "      dependencies:\n";
        for target in self.targets(number) {
            let mut edge = self.edge(50, "deadline: propagate");
            if self.takes_connections(&target) {
                edge = self.wired(edge, &name, &target);
            }
            if !self.mild && !self.caches.contains(&target) {
                // Only what is read through a cache can be stale there.
                let cached = text.contains(&format!("{{from: {target}, cache: "));
                let stale =
                    if cached { "fallback: {cache: stale}" } else { "fallback: {reply: 1KB}" };
                let stale = self.maybe(25, |_| stale.to_owned());
                self.stale |= stale.contains("stale");
                edge += &stale;
            }
            let updates = |verb: &str| text.contains(&format!("{{{verb}: {target}"));
            if ["cas", "increment"].into_iter().any(updates) {
                edge += &self.once(&target);
            }
            let edge = self.elsewhere(edge, &target);
            text += &format!("        {target}: {{{edge}}}\n");
        }
        self.text += &self.circle(number, self.hold(number, text));
    }

    /// In which order a service works what waits, and how much of it at once.
    fn order_of_service(&mut self, number: usize, bounded: u64) -> String {
        let mut text = String::new();
        let batch = self.batch(number);
        if batch.is_empty() {
            text += &self.quota(number);
        }
        let any =
            ["fifo", "lifo", "random", "priority", "shortest_job", "adaptive_lifo", "codel()"];
        let cores = ["shared", "lifo_preemptive", "priority_preemptive", "srpt"];
        if bounded & 2 == 2 && self.chance(30) {
            text += &format!("      discipline: {}\n", self.pick(&cores));
        } else {
            let order = if self.chance(50) { Some(self.pick(&any)) } else { None };
            text += &order.map_or(String::new(), |o| format!("      discipline: {o}\n"));
            if bounded & 2 == 2 && order != Some("codel()") {
                text += &batch;
            }
        }
        text
    }

    /// What a service does by itself, and what it can run out of.
    fn by_itself(&mut self, number: usize) -> String {
        let mut text = String::new();
        if self.chance(30) {
            let every = self.pick(&["500ms", "uniform(200ms 2s)", "exp(mean=1s)"]);
            let lease = self.maybe(50, |_| "lease: 3s".to_owned());
            let targets = self.targets(number);
            let (target, work) = (self.name(&targets), self.law());
            let times = self.by_the_clock(number).unwrap_or(format!("every: {every}, {lease}"));
            text += &format!(
                "      background: [{{{times}do: [{{work: {work}}}, {{call: {target}}}]}}]\n"
            );
        }
        if self.chance(30) {
            let connections = self.far_end(&self.services[number].0).1;
            let full = self.pick(&["crash", "reject"]);
            let slow = self.maybe(50, |_| "slow: table(60%=1 95%=3)".to_owned());
            let threads = self.maybe(50, |_| "threads: {max: 20, per_request: 1}".to_owned());
            text += &format!(
                "      limits: {{{connections}{threads}memory: {{{slow}max: 100MB, base: 50MB, per_request: 2MB, \
                 leak: 200KB, full: {full}}}}}\n"
            );
        }
        text
    }

    fn inbound(&mut self, number: usize, bounded: u64) -> String {
        let mut text = self.maybe(40, |w| {
            let limits = [w.limits(false), w.limits(false)];
            let one = w.chance(50);
            if one {
                format!("rate_limit: {}", limits[0])
            } else {
                format!("rate_limit: {{gold: {}, default: {}}}", limits[0], limits[1])
            }
        });
        if bounded > 0 {
            text += &self.maybe(40, |w| {
                let how = w.pick(&["queue: 5", "wait: 20ms", "queue: 3, keep: 1"]);
                format!("shed: {{{how}}}")
            });
        }
        text += &self.maybe(20, |w| format!("validate: {}", w.law()));
        text += &self.maybe(20, |_| "auth: ext0".to_owned());
        let limits = ["aimd(latency=50ms)", "gradient(tolerance=1.5 start=5)"];
        text += &self.maybe(40, |w| {
            let adaptive = w.pick(&limits);
            format!("concurrency: {}", w.places(number).unwrap_or(adaptive))
        });
        format!("      inbound: {{{text}}}\n")
    }
}
