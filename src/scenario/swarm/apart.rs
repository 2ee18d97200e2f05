//! What is drawn apart for a random scenario.
//!
//! **Invariant.** A design without any of it is what it would be: nothing here takes from the draws of the rest.

use super::Writer;
use crate::engine::random::{Draw, Stream};

impl Writer {
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

    /// How much the cores of a service take at once, where what waits may be begun together.
    pub(super) fn batch(&self, service: usize) -> String {
        let mut draw = self.apart("batch", service as u64);
        let size = 1 + draw.below(6);
        let wait = ["", ", wait: 0s", ", wait: 20ms", ", wait: 300ms"][draw.below(4) as usize];
        let speed = ["", "      speedup: table(1=1 4=3)\n"][draw.below(2) as usize];
        let text = format!("      batch: {{size: {size}{wait}}}\n{speed}");
        if draw.below(100) < 30 { text } else { String::new() }
    }
}
