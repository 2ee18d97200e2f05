//! Alerts look at what was measured.

use std::sync::Arc;

use crate::{
    model::{
        alert::{
            Signal,
            monitor::{From, Monitor, Reading},
        },
        sim::Simulation,
    },
    outcome::successes,
};

impl Simulation {
    /// All alerts whose time it is look; what waits for one that fires comes.
    pub(in crate::model) fn look(&mut self, now: u64) {
        let plan = Arc::clone(&self.plan);
        let names = &plan.names;
        let mut monitors = std::mem::take(&mut self.monitors);
        for (monitor, (id, spec)) in monitors.iter_mut().zip(&names.design.alerts) {
            if !now.is_multiple_of(monitor.period) {
                continue;
            }
            let latency = matches!(spec.when.signal, Signal::Latency(_));
            let reading = self.reading(monitor, latency);
            if monitor.look(spec, reading, now) {
                self.fired(id, now, names);
            }
        }
        self.monitors = monitors;
    }

    /// The samples of nodes start anew with the measured span; monitors go on.
    pub(in crate::model) fn keep_readings(&mut self) {
        let mut monitors = std::mem::take(&mut self.monitors);
        for monitor in monitors.iter_mut().filter(|m| matches!(m.source, From::Node(_))) {
            let Reading { latency, .. } = self.reading(monitor, true);
            monitor.forgotten = Reading { latency, ..Reading::default() };
        }
        self.monitors = monitors;
    }

    fn reading(&self, monitor: &Monitor, latency: bool) -> Reading {
        let mut reading = monitor.forgotten.clone();
        let record = &self.world.record;
        match &monitor.source {
            From::Node(node) => {
                let (index, node) = (usize::from(*node), &record.nodes[usize::from(*node)]);
                // What is lost in a crash or called off as too late has no outcome.
                reading.ended += node.departures - node.needless;
                reading.good += successes(&node.outcomes);
                if latency {
                    reading.latency.merge_finer(&node.response);
                }
                if let Some(own) = self.nodes[index].environments(self.world.now(), false) {
                    reading.environments = (own.books.visits, own.books.cold);
                }
                let mut instances = Vec::new();
                self.books(index, self.world.now(), &mut instances);
                reading.depth += self.nodes[index].backlog(&monitor.backlog, self.world.now());
                for books in instances {
                    reading.busy += books.busy;
                    reading.down += books.down;
                    reading.in_queue += books.in_queue;
                }
            }
            From::Deploy(fault) => {
                (reading.good, reading.ended) = self.left_deployed(*fault);
            }
            From::Requests(rows) => {
                for row in rows.clone() {
                    let op = &record.operations[row];
                    for w in op.windows.iter().chain([&op.current]) {
                        let ended: u64 = w.outcomes.iter().sum();
                        let succeeded = successes(&w.outcomes);
                        reading.ended += ended;
                        reading.good += w.good;
                        reading.lost += ended - succeeded;
                        if latency {
                            reading.latency.merge(&w.latency);
                        }
                    }
                    if latency {
                        reading.latency.merge_finer(&op.recent);
                    }
                }
            }
        }
        reading
    }
}
