//! Random scenarios: small designs of everything the language has, under random faults and policies.
//!
//! What they compute means nothing; that they can be computed at all, with every book balanced and the
//! same bytes twice, is what is asked (swarm testing: Groce, Zhang, Eide, Chen and Regehr, ISSTA 2012).
//!
//! **Invariant.** The text is a function of the seed.

mod apart;
mod backups;
mod connections;
mod faults;
mod functions;
mod messages;
mod moves;
mod replicas;
mod scaling;
mod services;
mod views;

use std::fmt::Write as _;

use crate::engine::random::{Draw, Stream};

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> String {
    let mut writer = Writer {
        draw: Stream::new(seed, "swarm", "scenario").draw(0),
        seed,
        text: String::new(),
        zones: Vec::new(),
        clients: Vec::new(),
        services: Vec::new(),
        scaling: Vec::new(),
        stores: Vec::new(),
        copies: Vec::new(),
        caches: Vec::new(),
        externals: Vec::new(),
        queues: Vec::new(),
        functions: None,
        view: None,
        backups: None,
        moves: None,
        mild: false,
        alerts: false,
        stale: false,
        guaranteed: false,
    };
    writer.scenario(seed);
    writer.text
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "what is known of the scenario so far, each by itself"
)]
struct Writer {
    draw: Draw,
    seed: u64,
    text: String,
    zones: Vec<&'static str>,
    /// Those whose rate can be multiplied.
    clients: Vec<String>,
    /// Instances of each, the callers first.
    services: Vec<(String, u64)>,
    /// What the autoscaler of each says, if it has one: without bounds, and with some.
    scaling: Vec<Option<[String; 2]>>,
    stores: Vec<(String, u64)>,
    /// Of each store: how its copies follow one another, if there are several, and whether one leads.
    copies: Vec<Option<(String, bool)>>,
    caches: Vec<String>,
    externals: Vec<String>,
    queues: Vec<String>,
    /// A function, and the draws of what befalls it.
    functions: Option<(String, Draw)>,
    /// A view: its clients, it, and a fault.
    view: Option<[String; 3]>,
    /// Likewise a store with backups.
    backups: Option<[String; 3]>,
    /// Likewise a store whose keys move to other shards.
    moves: Option<[String; 3]>,
    /// This one leaves policies out: a swarm is of unlike designs.
    mild: bool,
    /// Faults may come after an alert.
    alerts: bool,
    /// Somebody falls back on what a cache still has.
    stale: bool,
    /// Sessions ask for guarantees.
    guaranteed: bool,
}

impl Writer {
    // ---- choices ---------------------------------------------------------------------------

    fn chance(&mut self, percent: u64) -> bool {
        self.draw.below(100) < percent
    }

    fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.draw.below(most - least + 1)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.draw.below(from.len() as u64) as usize]
    }

    /// `key: value, ` with so many percent.
    fn maybe(&mut self, percent: u64, text: impl FnOnce(&mut Self) -> String) -> String {
        if self.chance(percent) { text(self) + ", " } else { String::new() }
    }

    fn line(&mut self, text: &str) {
        writeln!(self.text, "{text}").expect("a text grows");
    }

    fn law(&mut self) -> String {
        let mean = self.within(1, 40);
        match self.draw.below(6) {
            0 => format!("{mean}ms"),
            1 => format!("uniform(0ms {mean}ms)"),
            2 => format!("lognormal(mean={mean}ms cv=1.2)"),
            3 => format!("erlang(k=3 mean={mean}ms)"),
            4 => format!("\"mix(90% exp(mean={mean}ms); 10% {}ms)\"", 5 * mean),
            _ => format!("exp(mean={mean}ms)"),
        }
    }

    // ---- the whole -------------------------------------------------------------------------

    fn scenario(&mut self, seed: u64) {
        self.mild = self.chance(30);
        self.line(&format!("windtunnel: 1\nname: swarm-{seed}\nseed: {seed}"));
        let duration = self.within(5, 40);
        self.line(&format!("duration: {duration}s"));
        if self.chance(70) {
            let warm_up = self.draw.below(duration * 500);
            self.line(&format!("warm_up: {warm_up}ms"));
        }
        if self.chance(60) {
            self.zones = vec!["a", "b", "c"];
            self.line("topology: {regions: {east: [a, b], west: [c]}}");
        }
        if self.chance(80) {
            let jitter = self.pick(&["20ms", "exp(mean=20ms)", "0s"]);
            let link = if !self.zones.is_empty() && self.chance(30) {
                let what = self.pick(&["loss: 1%", "bandwidth: 10Mbps", "latency: 5ms"]);
                format!(", links: [{{from: a, to: b, {}}}]", self.bandwidth(what))
            } else {
                String::new()
            };
            self.line(&format!(
                "network: {{same_zone: 0.2ms, same_region: 1ms, cross_region: {jitter}, \
                 internet: 10ms{link}}}"
            ));
        }
        self.names();
        self.draw_scaling(seed);
        self.draw_functions(seed, duration);
        // With replicas, and without: then they go by none.
        if self.chance(20) || self.goes_by_stamps() {
            let offset = self.pick(&["0s", "exp(mean=2ms)", "uniform(0s 1s)"]);
            self.line(&format!("clocks: {{offset: {offset}, drift: 50ppm, resync: 2s}}"));
        }
        self.line("clients:");
        for client in 0..self.within(1, 3) {
            self.client(client);
        }
        if self.chance(30) {
            self.sessions();
        }
        self.begin_nodes();
        self.line("  lb0: {load_balancer: {to: s0, ");
        self.balancer();
        let ttl = self.pick(&["0s", "1s", "5s"]);
        let check = self.pick(&["", ", health_check: {interval: 1s, fall: 2, rise: 1}"]);
        self.line(&format!(
            "  dns0: {{dns: {{to: [lb0, s0], policy: failover, ttl: {ttl}{check}}}}}"
        ));
        for service in 0..self.services.len() {
            self.service(service);
        }
        self.data();
        self.messages();
        self.functions();
        if self.chance(40) {
            self.alerts();
        }
        self.size(seed);
        if self.chance(70) {
            self.line("faults:");
            for fault in 0..self.within(1, 4) {
                self.fault(fault, duration);
            }
            if self.chance(40) {
                self.deploy(duration);
            }
            self.faults_of_functions(duration);
            if let Some(taken) = self.reclaim() {
                self.line(&taken);
            }
        }
    }

    fn alerts(&mut self) {
        self.alerts = true;
        let figure = self.pick(&[
            "error_fraction(window=1s) > 1%",
            "availability(node=s0 window=2s) < 99%",
            "p95(latency window=1s) > 50ms",
            "in_queue(node=s0 window=1s) > 1",
        ]);
        let every = self.pick(&["", ", every: 500ms", ", every: 250ms, for: 500ms"]);
        self.line(&format!("alerts:\n  bad: {{when: {figure}{every}}}"));
        self.line(
            "budgets:\n  front: {objective: p90(latency) <= 50ms, window: 30d, every: 500ms, alerts: [{burn: 2, long: 2s, short: 1s}]}",
        );
    }

    /// Nodes are named first, as callers and faults name them.
    fn names(&mut self) {
        for i in 0..self.within(1, 4) {
            let instances = self.within(1, 4);
            self.services.push((format!("s{i}"), instances));
        }
        for i in 0..self.within(1, 2) {
            let shards = self.within(1, 3);
            self.stores.push((format!("db{i}"), shards));
            let copies = if self.chance(40) { Some(self.replication()) } else { None };
            self.copies.push(copies);
        }
        self.caches = (0..self.within(1, 2)).map(|i| format!("redis{i}")).collect();
        self.externals = (0..self.within(1, 2)).map(|i| format!("ext{i}")).collect();
        if self.chance(35) {
            let name = if self.chance(40) { "t0" } else { "q0" };
            self.queues.push(name.to_owned());
        }
    }

    // ---- clients ---------------------------------------------------------------------------

    fn client(&mut self, number: u64) {
        let rate = self.within(1, 60);
        let kind = self.draw.below(6);
        let arrivals = match kind {
            0 => format!("constant({rate}/s)"),
            1 => format!("closed(users={rate} think=exp(mean=1s))"),
            2 => format!("renewal(erlang(k=2 mean={}ms))", 1000 / rate + 1),
            3 => format!("\"mmpp({rate}/s for 2s; {}/s for 1s)\"", 3 * rate),
            4 => format!("poisson({rate}/s batch=3)"),
            _ => format!("poisson({rate}/s)"),
        };
        let clock = self.schedule(number);
        if kind != 1 && clock.is_none() {
            self.clients.push(format!("c{number}"));
        }
        let keys = self.pick(&[
            "zipf(n=1000 s=0.9)",
            "uniform(n=50)",
            "hot(n=10k hot=1% share=80%)",
            "sequential(n=100)",
        ]);
        let arrivals = clock.unwrap_or(arrivals);
        let mut text = format!("  c{number}: {{arrivals: {arrivals}, keys: {keys}, ");
        text += "attributes: {tier: choice(gold=20% free=80%), poison: 1%}, ";
        text += &self.maybe(30, |w| format!("priority: {}", w.within(1, 3)));
        text += &self.maybe(30, |_| "size: exp(mean=2KB)".to_owned());
        if !self.zones.is_empty() {
            text += &self.maybe(50, |w| format!("zones: [{}]", w.pick(&["a", "b", "c"])));
        }
        let edge = self.edge(60, "");
        let (policies, from) = (text.len(), format!("c{number}"));
        text += &edge;
        text += &self.maybe(10, |_| "fallback: {reply: 1KB}".to_owned());
        match self.draw.below(6) {
            5 if !self.queues.is_empty() => text += &self.publishing(),
            0 => {
                text += "operations: {buy: {share: 20%, to: lb0, priority: 1}, browse: {share: 80%, to: lb0}}";
            }
            1 => {
                text += "operations: {a: {to: lb0}, b: {to: s0}}, session: [{do: a}, \
                         {wait: exp(mean=100ms)}, {repeat: {times: 2, do: [{do: b}]}}]";
            }
            2 => text += "to: s0",
            3 => text += "to: dns0",
            _ => text += "to: lb0",
        }
        if ["to: lb0", "to: s0"].iter().any(|to| text.ends_with(to)) {
            let rest = text.split_off(policies);
            text += &self.wired(rest[..edge.len()].to_owned(), &from, "");
            text += &rest[edge.len()..];
        }
        self.line(&(text + "}"));
    }

    // ---- policies --------------------------------------------------------------------------

    /// Policies of an edge, each with so many percent; a client's `deadline` is its own.
    fn edge(&mut self, percent: u64, propagate: &str) -> String {
        let mut text = self.maybe(percent, |w| format!("timeout: {}ms", w.within(150, 2000)));
        if self.mild {
            return text;
        }
        text += &self.maybe(25, |w| {
            let within = format!("deadline: {}ms", w.within(300, 3000));
            if !propagate.is_empty() && w.chance(50) { propagate.to_owned() } else { within }
        });
        text += &self.maybe(35, |w| {
            let backoff = w.pick(&[
                "constant(10ms)",
                "exponential(base=5ms max=1s jitter=full)",
                "exponential(base=5ms jitter=decorrelated)",
                "linear(step=5ms)",
            ]);
            let budget = w.maybe(50, |_| "budget: 10%".to_owned());
            format!("retry: {{{budget}attempts: {}, backoff: {backoff}}}", w.within(2, 3))
        });
        text += &self.maybe(25, |w| {
            let window = w.pick(&["2s", "20"]);
            format!(
                "breaker: {{window: {window}, min_calls: 5, open: 500ms, probes: {}}}",
                w.within(1, 3)
            )
        });
        text +=
            &self.maybe(20, |w| format!("hedge: {{after: {}}}", w.pick(&["20ms", "p90", "0s"])));
        text += &self.maybe(20, |w| format!("rate_limit: {}", w.limits(true)));
        text += &self.maybe(20, |w| {
            let wait = w.maybe(50, |_| "wait: 50ms".to_owned());
            format!("bulkhead: {{{wait}size: {}}}", w.within(1, 8))
        });
        text += &self.maybe(20, |w| {
            let mut fields = w.maybe(50, |_| "setup: exp(mean=5ms), idle: 2s".to_owned());
            fields += &w.maybe(50, |_| "wait: 100ms".to_owned());
            format!("pool: {{{fields}size: {}}}", w.within(1, 8))
        });
        text += &self.maybe(30, |_| "cancel: true".to_owned());
        text
    }

    fn limit(&mut self, waits: bool) -> String {
        let per = self.pick(&["", " per=key", " per=client", " per=tier", " scope=shared"]);
        let rate = self.within(5, 50);
        match self.draw.below(4) {
            0 => format!("fixed_window(limit={rate} window=1s{per})"),
            1 => format!("sliding_window(limit={rate} window=1s{per})"),
            2 if waits => format!("leaky_bucket(rate={rate}/s queue=5{per})"),
            _ if waits && self.chance(50) => {
                format!("token_bucket(rate={rate}/s burst=5 wait=200ms{per})")
            }
            _ => format!("token_bucket(rate={rate}/s burst=5{per})"),
        }
    }

    // ---- nodes -----------------------------------------------------------------------------

    fn balancer(&mut self) {
        let mut text = format!(
            "      {}policy: {}, ",
            self.spreads(),
            self.pick(&[
                "round_robin",
                "random",
                "least_requests",
                "power_of_d(d=2)",
                "peak_ewma",
                "consistent_hash(vnodes=10)",
                "bounded_hash(vnodes=10 c=1.25)",
                "rendezvous",
            ])
        );
        let mut learns = false;
        if self.chance(40) {
            learns = true;
            text += self.pick(&[
                "health_check: {interval: 500ms, timeout: 200ms, fall: 2, rise: 2}, ",
                "health_check: {detect: 1s}, ",
            ]);
        }
        if self.chance(25) {
            learns = true;
            text += &format!("eject: {{errors: 3, for: 2s, {}max: 50%}}, ", self.ejects());
        }
        if learns {
            text += &self.maybe(40, |_| "slow_start: 2s".to_owned());
            text += &self.maybe(40, |_| "panic: 50%".to_owned());
        }
        text += &self.proxy();
        self.line(&(text + "}}"));
    }

    /// What a service may call: services behind it, and data.
    fn targets(&self, service: usize) -> Vec<String> {
        let services = self.services.iter().skip(service + 1).map(|s| &s.0);
        let stores = self.stores.iter().map(|s| &s.0);
        let rest = self.caches.iter().chain(&self.externals).chain(&self.queues);
        let functions = self.functions.iter().map(|_| "f0".to_owned());
        services.chain(stores).chain(rest).cloned().chain(functions).collect()
    }

    fn name(&mut self, from: &[String]) -> String {
        from[self.draw.below(from.len() as u64) as usize].clone()
    }

    /// One step, on one line.
    fn step(&mut self, service: usize, depth: u32) -> String {
        let targets = self.targets(service);
        let stores: Vec<String> = self.stores.iter().map(|s| s.0.clone()).collect();
        let (store, cache) = (self.name(&stores), self.name(&self.caches.clone()));
        let optional = if self.chance(15) { ", optional: true" } else { "" };
        let when = self.pick(&["", "", "", ", when: tier == gold", ", when: not poison"]);
        let list = |w: &mut Self, n: u64| -> String {
            (0..n).map(|_| w.step(service, depth - 1)).collect::<Vec<_>>().join(", ")
        };
        match self.draw.below(if depth > 0 { 16 } else { 8 }) {
            0 | 1 => format!("{{work: {}{when}}}", self.law()),
            2 => format!("{{wait: {}{when}}}", self.law()),
            3 => format!("{{call: {}{optional}{when}}}", self.name(&targets)),
            4 => format!("{{read: {{from: {store}, cache: {cache}}}{optional}{when}}}"),
            5 => {
                let level = self.level(&store, true);
                format!("{{read: {{from: {store}{level}}}{optional}{when}}}")
            }
            6 if self.chance(30) => {
                let verb = self.update(&store);
                format!("{{{verb}: {store}{optional}{when}}}")
            }
            6 if self.chance(40) && self.has_outbox(&store) => self.outbox(&store, optional),
            6 => {
                let modes = ["invalidate", "update", "around", "through", "behind"];
                // What is written late may take the place of what a session has seen.
                let modes = &modes[..modes.len() - usize::from(self.guaranteed)];
                let mode = self.pick(modes);
                let (store, cache) = if mode == "through" || mode == "behind" {
                    ("db0".to_owned(), "redis0".to_owned())
                } else {
                    (store, cache)
                };
                format!("{{write: {{to: {store}, cache: {cache}, mode: {mode}}}{optional}{when}}}")
            }
            7 if !self.queues.is_empty() && self.chance(50) => self.publish(),
            7 => self.pick(&["{fail: 1%}", "{reply: 2KB}", "{mark: half}"]).to_owned(),
            8 => format!("{{all: [{}]{optional}{when}}}", list(self, 3)),
            9 => format!("{{any: {{need: 2, of: [{}]}}{optional}}}", list(self, 3)),
            10 => format!("{{race: [{}]{when}}}", list(self, 2)),
            11 => {
                let (one, other) = (list(self, 1), list(self, 2));
                format!("{{choose: [{{share: 30%, do: [{one}]}}, {{share: 70%, do: [{other}]}}]}}")
            }
            13 if self.chance(40) && !self.copies_of(&store).contains("crdt") => {
                let per = self.pick(&["", ", per: key"]);
                let fencing = self.pick(&["", ", fencing: false"]);
                // One name is one lock, and who calls whom within one asks for another one.
                let way = per.len() + fencing.len();
                let name = format!("{store}-{service}-{depth}-{way}");
                format!(
                    "{{lock: {{name: {name}, in: {store}, ttl: 800ms, poll: 50ms{per}{fencing}, do: [{}]}}{when}}}",
                    list(self, 1)
                )
            }
            // One name is one lock, and locks within are of other names.
            13 if depth == 2 => {
                format!("{{lock: {{name: outer, per: key, do: [{}]}}}}", list(self, 2))
            }
            13 => {
                format!("{{lock: {{name: inner, scope: shared, do: [{}]}}{when}}}", list(self, 1))
            }
            12 => format!("{{repeat: {{times: 2, do: [{}]}}{when}}}", list(self, 1)),
            14 if self.chance(50) => {
                let parts = [list(self, 2), list(self, 1), list(self, 2)];
                format!("{{saga: {}{optional}{when}}}", self.saga(&parts, &store, depth))
            }
            15 => match self.transaction() {
                Some(transaction) => format!("{{transaction: {transaction}{optional}{when}}}"),
                None => format!("{{write: {store}{optional}}}"),
            },
            _ => format!("{{read: {{from: {store}, shards: all}}{optional}}}"),
        }
    }

    /// A transaction over stores that can be part of one, if there are any.
    fn transaction(&mut self) -> Option<String> {
        // Where nobody leads nobody locks a key.
        let can = |copies: &str| !copies.contains("quorum") && !copies.contains("multi_leader");
        let all = self.stores.iter().filter(|(name, _)| can(self.copies_of(name)));
        let all: Vec<String> = all.map(|(name, _)| name.clone()).collect();
        let first = all.first()?.clone();
        let mut steps = Vec::new();
        for _ in 0..self.within(1, 3) {
            let store = self.name(&all);
            let verb = self.pick(&["write", "write", "cas", "increment", "delete", "read"]);
            steps.push(format!("{{{verb}: {store}}}"));
        }
        steps.push(format!("{{wait: {}}}", self.law()));
        steps.push(format!("{{write: {first}}}"));
        let timeout = self.maybe(50, |_| "timeout: 200ms".to_owned());
        Some(format!("{{{timeout}do: [{}]}}", steps.join(", ")))
    }

    fn data(&mut self) {
        let mut text = String::new();
        for (i, (name, shards)) in self.stores.clone().into_iter().enumerate() {
            let by = self.pick(&["hash", "consistent_hash(vnodes=10)", "directory"]);
            text += &format!(
                "  {name}: {{store: {{shards: {{count: {shards}, by: {by}}}, read: {}, ",
                self.law()
            );
            text += &self.maybe(50, |w| format!("write: {}", w.law()));
            text += &self.maybe(60, |w| format!("cores: {}", w.within(1, 4)));
            text += &self.maybe(30, |_| "value_size: exp(mean=1KB)".to_owned());
            if self.copies[i].is_none() {
                text += self.store_end(&name);
            }
            if let Some((copies, _)) = self.copies[i].clone() {
                text += &copies;
                if !self.zones.is_empty() && !copies.contains("multi_leader") {
                    text += "zones: [a, b, c], ";
                }
            }
            text += "}}\n";
        }
        for (i, name) in self.caches.clone().into_iter().enumerate() {
            let eviction = self.pick(&[
                "lru",
                "fifo",
                "random",
                "lfu",
                "clock",
                "sieve",
                "s3fifo",
                "arc",
                "slru",
                "two_q",
                "w_tinylfu",
                "lirs",
            ]);
            let capacity = self.within(10, 200);
            text += &format!("  {name}: {{cache: {{capacity: {capacity}, eviction: {eviction}, ");
            let ttl = self.chance(50);
            if ttl {
                text += "ttl: 2s, ";
            }
            if i == 0 {
                text += "from: db0, ";
                if ttl && self.chance(50) {
                    text += "stale_while_revalidate: 1s, ";
                }
            }
            text += &self.maybe(40, |_| "coalesce: true".to_owned());
            text += &self.maybe(30, |_| "negative: 1s".to_owned());
            text += &self.maybe(50, |w| format!("instances: {}", w.within(2, 3)));
            text += &self.maybe(50, |_| "latency: 0.3ms".to_owned());
            text += &self.maybe(30, |_| "lease: true".to_owned());
            text += "}}\n";
        }
        for name in self.externals.clone() {
            let errors = self.within(0, 10);
            text += &format!(
                "  {name}: {{external: {{latency: {}, errors: {errors}%}}}}\n",
                self.law()
            );
        }
        self.text += &text;
    }
}
