//! A function of a random scenario, and what befalls its environments.
//!
//! **Invariant.** It is drawn apart, so that a design without one is what it would be.

use super::{Writer, apart::pick};
use crate::engine::random::Stream;

impl Writer {
    /// Whether there is one, and what it says.
    pub(super) fn draw_functions(&mut self, seed: u64, duration: u64) {
        self.draw_view(seed, duration);
        self.draw_backups(seed, duration);
        self.draw_moves(seed, duration);
        let mut draw = Stream::new(seed, "swarm", "function").draw(0);
        if draw.below(100) >= 30 {
            return;
        }
        let mut text = String::from("  f0: {function: {");
        for some in [
            ["", "memory: 512MB, price: [$0.20/1M, $0.0000166667/GB-s], "],
            ["cold_start: 0s, ", "cold_start: lognormal(median=200ms p99=1s), "],
            ["keep_alive: 0s, ", "keep_alive: exp(mean=2s), "],
            ["", "growth: token_bucket(rate=5/s burst=3), "],
            ["concurrency: 5, ", "concurrency: 100, "],
            ["", "provisioned: 2, "],
            ["", "workers: 3, "],
        ] {
            text += pick(&mut draw, &some);
        }
        text += pick(
            &mut draw,
            &[
                "",
                "queue: 20, ",
                "queue: 5, cancel: true, ",
                "queue: 50, patience: 300ms, cancel: true, ",
            ],
        );
        if !self.zones.is_empty() {
            text += pick(&mut draw, &["", "zones: [a, c], "]);
        }
        text += pick(&mut draw, &["", "inbound: {rate_limit: token_bucket(rate=30/s burst=5)}, "]);
        let store = &self.stores[0].0;
        let steps = [
            "{work: exp(mean=20ms)}".to_owned(),
            format!("{{read: {store}, optional: true}}"),
            format!("{{all: [{{work: 5ms}}, {{read: {store}}}]}}"),
            "{reply: 1KB}".to_owned(),
            "{fail: 5%}".to_owned(),
            "{wait: uniform(0ms 50ms)}".to_owned(),
        ];
        let some: Vec<&str> =
            (0..4).map(|_| pick(&mut draw, &steps.each_ref().map(String::as_str))).collect();
        let edge = pick(
            &mut draw,
            &[
                "timeout: 200ms, cancel: true",
                "timeout: 500ms, retry: {attempts: 2, backoff: constant(10ms)}",
            ],
        );
        text += &format!(
            "endpoints: {{default: [{}, {{read: {store}}}]}}, dependencies: {{{store}: {{{edge}}}}}}}}}",
            some.join(", ")
        );
        self.functions = Some((text, draw));
    }

    /// The function.
    pub(super) fn functions(&mut self) {
        let Some((mut text, mut draw)) = self.functions.clone() else { return };
        let queue = self.queues.iter().find(|name| !name.starts_with('t'));
        if let Some(queue) = queue.filter(|_| draw.below(2) == 0) {
            let batch = draw.below(4) + 2;
            let consumes = format!("{{consumes: {{from: {queue}, batch: {batch}, linger: 20ms}}, ");
            text = text.replacen("{function: {", &format!("{{function: {consumes}"), 1);
        }
        self.line(&text);
    }

    /// What befalls its environments.
    pub(super) fn faults_of_functions(&mut self, duration: u64) {
        self.view(2);
        let Some((_, draw)) = &mut self.functions else { return };
        let at = draw.below(duration * 1000);
        let fault = match draw.below(4) {
            0 => format!("at: {at}ms, crash: {{node: f0, instances: 40%}}"),
            1 => "every: 2500ms, crash: {node: f0, instances: 2}".to_owned(),
            2 => format!("at: {at}ms, deploy: {{node: f0}}"),
            _ => format!(
                "at: {at}ms, for: 2s, deploy: {{node: f0, set: {{endpoints.default: [{{work: 2ms}}]}}}}"
            ),
        };
        self.line(&format!("  - {{id: env, {fault}}}"));
    }
}
