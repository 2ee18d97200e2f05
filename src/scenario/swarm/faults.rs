//! Faults of a random scenario.

use super::Writer;

impl Writer {
    // ---- faults ----------------------------------------------------------------------------

    /// How a fault of so many ms grows or ends.
    pub(super) fn shape(&mut self, what: &str, span: u64) -> String {
        let is = |effects: &[&str]| effects.iter().any(|effect| what.starts_with(effect));
        let mut text = String::new();
        if is(&["slow", "errors", "latency", "loss", "load"]) && self.chance(30) {
            text += &format!(", over: {}us", 500 * span);
        }
        if is(&["crash", "pause", "slow", "errors", "clock"]) && self.chance(20) {
            text += ", stagger: 2s";
        }
        text
    }

    pub(super) fn deploy(&mut self, duration: u64) {
        let services: Vec<String> = self.services.iter().map(|s| s.0.clone()).collect();
        let node = self.name(&services);
        let set = self.pick(&["", ", set: {endpoints.default: [{work: 3ms}, {fail: 20%}]}"]);
        // New steps read nothing through the cache that old ones fall back on.
        let set = if self.stale { "" } else { set };
        let batch = self.pick(&["", ", batch: 1", ", batch: 100%", ", batch: [1, 50%], pause: 1s"]);
        let how = if set.is_empty() { ", drain: 500ms" } else { ", restart: false" };
        let how = self.pick(&[", drain: 0s", ", drain: 1s", how]);
        let notice = if how.contains("restart") { "" } else { self.noticed(&node) };
        let back = if self.alerts { self.pick(&["", ", rollback: bad"]) } else { "" };
        let lasts = self.pick(&["", ", for: 3s"]);
        let at = self.draw.below(duration * 1000);
        self.line(&format!(
            "  - {{id: roll, at: {at}ms{lasts}, deploy: {{node: {node}{set}{batch}{how}{notice}{back}}}}}"
        ));
    }

    /// Some of so many instances, or all.
    fn some_of(&mut self, all: u64) -> String {
        if !self.chance(50) {
            return String::new();
        }
        let share = format!("{}%", self.within(1, 100));
        let count = self.within(1, all).to_string();
        format!(", instances: {}", if self.chance(30) { share } else { count })
    }

    pub(super) fn fault(&mut self, number: u64, duration: u64) {
        let services: Vec<String> = self.services.iter().map(|s| s.0.clone()).collect();
        let mut hosts = services.clone();
        hosts.extend(self.stores.iter().map(|s| s.0.clone()));
        hosts.extend(self.caches.iter().cloned());
        let queue = if self.queues.is_empty() { 0 } else { 2 };
        let broker = self.queues.first().map_or("", String::as_str);
        hosts.extend([broker, "w0"].repeat(queue).into_iter().map(str::to_owned));
        hosts.extend(self.functions.iter().map(|_| "f0".to_owned()));
        let (host, service) = (self.name(&hosts), self.name(&services));
        let some = self.services.iter().find(|s| s.0 == service).map_or(1, |s| s.1);
        let instances = self.some_of(some);
        // Who will be there nobody can be told of beforehand.
        let instances =
            if self.scales(&service) && self.text.contains("detect: ") { "" } else { &instances };
        let mut node = format!("node: {service}{instances}");
        if self.chance(40) {
            node = format!("node: {host}");
        }
        let led = self.copies.iter().flatten().any(|(_, led)| *led);
        if led && self.chance(40) {
            let at = self.copies.iter().position(|c| c.as_ref().is_some_and(|(_, led)| *led));
            let name = self.stores[at.unwrap_or_default()].0.clone();
            let who = self.pick(&["leader", "leader", "followers", "1", "[0, 1]"]);
            node = format!("node: {name}, replica: {who}");
        }
        if !self.zones.is_empty() && self.chance(20) {
            node = format!("zone: {}", self.zones[0]);
        }
        let ends = [self.name(&services), "lb0".to_owned()];
        let link = format!("link: [{}, {}]", ends[0], ends[1]);
        let link = self.cut_among_replicas().unwrap_or(link);
        let cache = self.name(&self.caches.clone());
        let planned = [
            "set: {nodes.ext0.external.latency: 30ms}".to_owned(),
            format!("set: {{nodes.{cache}.cache.ttl: 500ms}}"),
        ];
        let what = match self.draw.below(15) {
            0 => format!("crash: {{{node}}}"),
            1 if !node.contains("replica") || self.chance(70) => {
                format!("crash: {{{node}, process: true}}")
            }
            1 => format!("crash: {{{node}, lose_data: true}}"),
            2 => format!("pause: {{{node}}}"),
            3 | 4 => format!("slow: {{{node}, factor: {}}}", self.within(2, 20)),
            5 => format!("errors: {{{node}, fraction: {}%}}", self.within(1, 100)),
            6 => format!("clear_cache: {{node: {cache}}}"),
            7 => {
                let reject = self.maybe(40, |_| "reject: true".to_owned());
                format!("partition: {{{reject}{link}}}")
            }
            8 => format!("latency: {{{link}, add: {}}}", self.law()),
            9 => {
                let burst = self.maybe(40, |w| format!("burst: {}", w.within(2, 9)));
                format!("loss: {{{burst}{link}, fraction: {}%}}", self.within(1, 60))
            }
            10 => format!("bandwidth: {{{link}, rate: 100kbps}}"),
            11 => self.name(&planned),
            13 if self.chance(40) && self.damageable().is_some() => self.corrupt(),
            13 if self.copies.iter().any(Option::is_some) => self.clock(),
            12 => format!("duplicate: {{{link}, fraction: {}%}}", self.within(1, 100)),
            _ if !self.clients.is_empty() => {
                let client = self.name(&self.clients.clone());
                format!("load: {{client: {client}, factor: {}}}", self.within(0, 5))
            }
            _ => format!("slow: {{{node}, factor: 3}}"),
        };
        let when = self.when(&what, duration);
        self.line(&format!("  - {{id: f{number}, {when}, {what}}}"));
    }

    /// A store with replicas whose copies can be damaged, and that somebody writes.
    fn damageable(&self) -> Option<String> {
        let all = self.stores.iter().zip(&self.copies);
        let fits = |name: &str, how: &str| {
            let writes = [format!("write: {name}"), format!("write: {{to: {name}")];
            // What is promised in a log may not be damaged.
            let promises = self.text.contains("transaction:") && !how.contains("quorum");
            !how.contains("multi_leader")
                && !promises
                && writes.iter().any(|write| self.text.contains(write))
        };
        let mut all = all.filter_map(|((name, ..), copies)| Some((name, copies.as_ref()?)));
        all.find(|(name, (how, _))| fits(name, how)).map(|(name, _)| name.clone())
    }

    /// Copies of such a store are damaged.
    fn corrupt(&mut self) -> String {
        let name = self.damageable().unwrap_or_default();
        let who = self.pick(&["", ", replica: 0", ", instances: 1"]);
        let silent = self.pick(&["", ", silent: true"]);
        let (n, share) = (name, self.within(1, 100));
        format!("corrupt: {{node: {n}{who}{silent}, fraction: {share}%}}")
    }

    /// A clock of a store with replicas goes wrong.
    fn clock(&mut self) -> String {
        let at = self.copies.iter().position(Option::is_some).unwrap_or_default();
        let name = self.stores[at].0.clone();
        let who = self.pick(&["", ", replica: 0", ", instances: 1"]);
        let how = self.pick(&[
            "offset: 2s",
            "offset: -300ms",
            "drift: 200ppm",
            "drift: -60%",
            "offset: 1s, drift: 30%",
        ]);
        format!("clock: {{node: {name}{who}, {how}}}")
    }

    /// When a fault comes.
    pub(super) fn when(&mut self, what: &str, duration: u64) -> String {
        let at_once = what.starts_with("clear") || what.starts_with("corrupt");
        let again =
            what.starts_with("crash") || what.starts_with("slow") || what.starts_with("pause");
        let after = self.alerts && !what.starts_with("load") && !what.starts_with("crash");
        if after && self.chance(40) {
            let delay = self.within(0, 2000);
            let ends = if at_once { "" } else { ", for: 1s" };
            format!("after: bad, delay: {delay}ms{ends}")
        } else if !what.starts_with("set") && !what.starts_with("load") && self.chance(15) {
            let ends = if at_once { "" } else { ", for: 700ms" };
            format!("every: {}ms{ends}", self.within(1000, 4000))
        } else if again && self.chance(30) {
            let crews = if what.contains("node: ") && self.chance(40) { ", crews: 1" } else { "" };
            format!("mtbf: exp(mean=5s), mttr: exp(mean=500ms){crews}")
        } else {
            let at = self.draw.below(duration * 1000);
            let span = self.within(1, 10_000);
            let ends = if at_once { String::new() } else { format!(", for: {span}ms") };
            format!("at: {at}ms{ends}{}", self.shape(what, span))
        }
    }
}
