//! Autoscalers of a random scenario.
//!
//! **Invariant.** They are drawn apart, so that a design without any is what it would be.

use super::Writer;
use crate::engine::random::{Draw, Stream};

impl Writer {
    /// Which services have one, and what it says.
    pub(super) fn draw_scaling(&mut self, seed: u64) {
        let all = self.services.iter().enumerate();
        let one = |(i, (_, instances)): (usize, &(String, u64))| {
            let draw = |purpose| Stream::new(seed, "swarm", purpose).draw(i as u64);
            let text = autoscale(draw("autoscale"), *instances)?;
            Some(text.map(|text| to_zero(draw("zero"), text)))
        };
        self.scaling = all.map(one).collect();
    }

    /// Whether instances of a service come and go, or may.
    pub(super) fn scales(&self, name: &str) -> bool {
        let mut all = self.services.iter().zip(&self.scaling).enumerate();
        all.any(|(i, (service, scaling))| {
            service.0 == name && (scaling.is_some() || self.purchase(i).is_some())
        })
    }
}

/// Of some there may be none.
fn to_zero(mut draw: Draw, text: String) -> String {
    let hold = [1, 5, 1000][draw.below(3) as usize];
    let (Some(min), 0) = (text.find("min: "), draw.below(3)) else { return text };
    let digits = text[min + 5..].find(',').unwrap_or(0);
    let least = &text[min..min + 5 + digits];
    text.replacen(least, &format!("min: 0, hold: {hold}"), 1)
}

/// An autoscaler that begins with so many instances; without bounds there is no utilisation.
fn autoscale(mut draw: Draw, instances: u64) -> Option<[String; 2]> {
    if draw.below(100) >= 30 {
        return None;
    }
    let mut pick = |all: &[&'static str]| all[draw.below(all.len() as u64) as usize];
    let times = pick(&[
        "every: 500ms, delay: 0s",
        "every: 300ms, delay: 1s, window: 700ms",
        "every: 1s, delay: 500ms, tolerance: 0%",
    ]);
    let bounded = pick(&["target: 50%", "steps: [{above: 60%, add: 1}, {below: 30%, remove: 1}]"]);
    let free = pick(&[
        "metric: requests, target: 8/s",
        "metric: in_system, target: 1.5",
        "metric: response_time, target: 20ms",
        "metric: in_queue, target: 0.5",
    ]);
    let bounded = pick(&[bounded, free]);
    let slow = pick(&["stabilise: 0s", "stabilise: 2s, cooldown: 600ms"]);
    let limits = pick(&["", ", up: limit(count=1 per=1s), down: limit(share=50% per=500ms)"]);
    let drain = pick(&["drain: 0s", "drain: 200ms", "drain: 2s"]);
    let more = pick(&[
        "",
        ", schedule: [{at: 2s, min: 2}, {every: 4s, at: 3s, min: 1, max: 1}]",
        ", predict: {period: 2s, ahead: 500ms}",
    ]);
    let max = instances + 1 + draw.below(3);
    let min = 1 + draw.below(instances);
    let text = |figure: &str| {
        format!(
            "      autoscale: {{min: {min}, max: {max}, {figure}, {times}, {slow}{limits}, {drain}{more}}}\n"
        )
    };
    Some([text(free), text(bounded)])
}

impl Writer {
    /// Knobs, which change nothing of a run.
    pub(super) fn size(&mut self, seed: u64) {
        let mut own = Stream::new(seed, "swarm", "size").draw(0);
        if let Some(client) = self.clients.first().cloned().filter(|_| own.below(5) == 0) {
            let step = ["step 0.5", "x2"][own.below(2) as usize];
            self.line(&format!("size: {{knobs: {{clients.{client}.load: 0.5..1.5 {step}}}}}"));
        }
    }
}
