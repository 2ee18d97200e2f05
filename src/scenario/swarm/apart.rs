//! What is drawn apart for a random scenario.
//!
//! **Invariant.** A design without any of it is what it would be: nothing here takes from the draws of the rest.

use super::Writer;
use crate::engine::random::{Draw, Stream};

/// One of these texts.
pub(super) fn pick<'t>(draw: &mut Draw, from: &[&'t str]) -> &'t str {
    from[draw.below(from.len() as u64) as usize]
}

/// Who writes and reads this store, which has so many keys; the name of the client.
pub(super) fn users(draw: &mut Draw, name: &str, (store, keys): (&str, u64)) -> String {
    let rate = pick(draw, &["5/s", "40/s", "100/s"]);
    let more = pick(draw, &["", ", idempotent: true, retry: {attempts: 2}"]);
    format!(
        "  {name}: {{arrivals: poisson({rate}), keys: uniform(n={keys}), timeout: 1s{more}, operations: {{save: {{write: {store}, share: 40%}}, \
         load: {{read: {store}, share: 60%}}}}}}"
    )
}

impl Writer {
    /// A rate limit, or two of which a call has to pass both. The coin is the first one's text, so that what is drawn after it stays
    /// what it is.
    pub(super) fn limits(&mut self, waits: bool) -> String {
        let limit = self.limit(waits);
        if limit.len().is_multiple_of(3) { format!("[{limit}, 300/min]") } else { limit }
    }

    /// Draws of their own for one of several things.
    fn apart(&self, purpose: &str, number: u64) -> Draw {
        Stream::new(self.seed, "swarm", purpose).draw(number)
    }

    /// Arrivals by the clock, for some clients.
    pub(super) fn schedule(&self, number: u64) -> Option<String> {
        let mut draw = self.apart("schedule", number);
        let every = 500 + draw.below(6000);
        let at = draw.below(every);
        let batch = 1 + draw.below(40);
        let over = [0, every / 3, every][draw.below(3) as usize];
        (draw.below(100) < 15)
            .then(|| format!("schedule(every={every}ms at={at}ms batch={batch} over={over}ms)"))
    }

    /// What is done by the clock, and once for all, of what a service does by itself.
    pub(super) fn by_the_clock(&self, service: usize) -> Option<String> {
        let mut draw = self.apart("clock", service as u64);
        let at = draw.below(900);
        let scope = ["", "scope: shared, ", "scope: instance, "][draw.below(3) as usize];
        (draw.below(100) < 40).then(|| format!("every: 1s, at: {at}ms, {scope}"))
    }

    /// How messages have the bandwidth of a link, if that is what it has.
    pub(super) fn bandwidth(&self, what: &str) -> String {
        let mut draw = self.apart("line", 0);
        let how = ["", ", per_flow: 2Mbps", ", discipline: fifo", ", discipline: shared"]
            [draw.below(4) as usize];
        format!("{what}{}", if what.starts_with("bandwidth") { how } else { "" })
    }

    /// A service with one more step, through which it keeps a connection to another service, or two, where it has a pool of any.
    pub(super) fn hold(&self, service: usize, text: String) -> String {
        let mut draw = self.apart("hold", service as u64);
        let (steps, edges) = text.split_once("      dependencies:\n").unwrap_or((&text, ""));
        let pooled = edges.lines().filter(|edge| edge.contains("pool: {"));
        let pooled = pooled.filter_map(|edge| Some(edge.trim().split_once(':')?.0));
        let pooled: Vec<&str> =
            pooled.filter(|name| self.services.iter().any(|(known, _)| known == name)).collect();
        if self.mild || pooled.is_empty() || draw.below(100) >= 40 {
            return text;
        }
        let mut name = || pooled[draw.below(pooled.len() as u64) as usize];
        let (one, other) = (name(), name());
        let within = if one == other {
            String::new()
        } else {
            format!(", {{hold: {{pool: {other}, do: [{{call: {one}}}, {{wait: 5ms}}]}}}}")
        };
        let step =
            format!("{{hold: {{pool: {one}, do: [{{call: {one}}}, {{wait: 10ms}}{within}]}}}}");
        format!("{steps}          - {step}\n      dependencies:\n{edges}")
    }

    /// A service that may call itself.
    pub(super) fn circle(&self, service: usize, text: String) -> String {
        let mut draw = self.apart("circle", service as u64);
        let Some((steps, edges)) = text.split_once("      dependencies:\n") else { return text };
        let (depth, name) = (1 + draw.below(2), &self.services[service].0);
        let timeout = ["timeout: 300ms, ", ""][draw.below(2) as usize];
        if self.mild || draw.below(100) >= 15 {
            return text;
        }
        format!(
            "{steps}          - {{call: {name}}}\n      dependencies:\n        {name}: {{{timeout}max_depth: {depth}}}\n{edges}"
        )
    }

    /// How much the cores of a service take at once, where what waits may be begun together.
    pub(super) fn batch(&self, service: usize) -> String {
        let mut draw = self.apart("batch", service as u64);
        let size = 1 + draw.below(6);
        let wait = ["", ", wait: 0s", ", wait: 20ms", ", wait: 300ms"][draw.below(4) as usize];
        let speed = ["", "      speedup: table(1=1 4=3)\n"][draw.below(2) as usize];
        let text = format!("      batch: {{size: {size}{wait}}}\n{speed}");
        if draw.below(100) < 30 { text } else { String::new() }
    }

    /// How much processor time a service has, where that is rationed.
    pub(super) fn quota(&self, service: usize) -> String {
        let mut draw = self.apart("quota", service as u64);
        let time = 2 + draw.below(30);
        let burst = ["", " burst=10ms", " burst=300ms"][draw.below(3) as usize];
        let text = format!("      quota: {time}ms per 20ms{burst}\n");
        if draw.below(100) < 20 { text } else { String::new() }
    }

    /// How many requests a service lets in at once, and of whom.
    pub(super) fn places(&self, service: usize) -> Option<&'static str> {
        let mut draw = self.apart("places", service as u64);
        let all = ["3", "2 per=client", "1 per=key", "2 per=tier scope=shared", "4 scope=shared"];
        [Some(all[draw.below(all.len() as u64) as usize]), None][draw.below(2) as usize]
    }

    /// What a balancer does besides choosing.
    pub(super) fn proxy(&self) -> String {
        let mut draw = self.apart("proxy", 0);
        let most = 1 + draw.below(6);
        let room = ["", "queue: 0, ", "queue: 9, wait: 300ms, ", "wait: 20ms, "];
        let line = format!("max_in_flight: {most}, {}", room[draw.below(4) as usize]);
        let subset = ["subset: 2, ", "subset: 1 by=key, ", "", ""][draw.below(4) as usize];
        let line = if draw.below(100) < 50 { line } else { String::new() };
        if draw.below(100) < 40 && self.spreads().is_empty() {
            line + subset
        } else {
            String::new()
        }
    }

    /// How a balancer takes out targets besides for errors in a row.
    pub(super) fn ejects(&self) -> String {
        let mut draw = self.apart("ejects", 0);
        let longest = ["", "longest: 5s, "][draw.below(2) as usize];
        let rate = "success_rate: {every: 1s, requests: 5, targets: 2, deviations: 0.9}, ";
        longest.to_owned() + ["", rate][draw.below(2) as usize]
    }

    /// An edge whose retries may go to other instances, where there can be any.
    pub(super) fn elsewhere(&self, edge: String, target: &str) -> String {
        let mut draw = self.apart("elsewhere", u64::from(edge.len() as u32));
        let any = target == "lb0" || self.services.iter().any(|service| service.0 == target);
        // A connection stays with its instance.
        let stays = target != "lb0" || !self.spreads().is_empty();
        let any = any && !(stays && edge.contains("pool: "));
        if !any || draw.below(100) >= 30 {
            return edge;
        }
        let edge = edge.replace("retry: {", "retry: {elsewhere: true, ");
        edge.replace("hedge: {", "hedge: {elsewhere: true, ")
    }

    /// Spot instances are taken together.
    pub(super) fn reclaim(&self) -> Option<String> {
        let spot = |i: &usize| self.purchase(*i).is_some_and(|text| text.contains("spot"));
        let service = (0..self.services.len()).find(spot)?;
        let mut draw = self.apart("reclaim", 0);
        let who = ["", ", instances: 50%", ", instances: 1"][draw.below(3) as usize];
        let name = &self.services[service].0;
        Some(format!("  - {{id: taken, at: 2s, for: 1500ms, reclaim: {{node: {name}{who}}}}}"))
    }

    /// How the instances of a service are bought.
    pub(super) fn purchase(&self, service: usize) -> Option<String> {
        let mut draw = self.apart("purchase", service as u64);
        let instances = self.services[service].1;
        let reserved = draw.below(instances + 1).min(2);
        let reserved = match reserved {
            0 => String::new(),
            n => format!("reserved: {{count: {n}, price: $0.05/h}}, "),
        };
        let share = ["", "share: 50%, ", "share: 20%, "][draw.below(3) as usize];
        let notice = ["", "notice: 1s, ", "notice: 0s, "][draw.below(3) as usize];
        let refill = ["", "refill: exp(mean=1s), "][draw.below(2) as usize];
        let mean = 1 + draw.below(20);
        let spot = format!(
            "spot: {{{share}{notice}{refill}price: $0.03/h, reclaim: exp(mean={mean}s)}}, "
        );
        let spot = if draw.below(100) < 80 { spot } else { String::new() };
        let text = format!("      purchase: {{{reserved}{spot}on_demand: {{price: $0.1/h}}}}\n");
        (draw.below(100) < 20).then_some(text)
    }
}
