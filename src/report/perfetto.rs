//! Single requests as trace events of Chrome, which Perfetto reads: a process for each client and node, a thread for each
//! instance.
//!
//! Visits of an instance overlap, so each span is a pair of `b` and `e` with an id of its own, and what it was at are pairs
//! within.
//!
//! **Invariant.** Pairs of one id are closed in the opposite order in which they were opened.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::waterfall::{bars, label, looks};
use crate::results::{EventKind, RequestSpan, Results, Waterfall};

/// One document with all requests that were watched, what waited and was busy at nodes, faults and alerts.
#[must_use]
pub fn perfetto(results: &Results, all: &[Waterfall]) -> Vec<u8> {
    let mut names: BTreeSet<&str> = results.series.nodes.keys().map(String::as_str).collect();
    names.extend(all.iter().flat_map(|of| of.spans.iter().map(|span| span.node.as_str())));
    names.extend(all.iter().map(|of| of.request.client.as_str()));
    let processes: Vec<&str> = names.into_iter().collect();
    let mut out = Events { events: Vec::new(), processes };
    for (i, name) in out.processes.clone().into_iter().enumerate() {
        out.events.push(json!({
            "ph": "M", "name": "process_name", "pid": i + 1, "tid": 0, "ts": 0, "args": {"name": name},
        }));
    }
    for of in all {
        out.request(results, of);
    }
    out.counters(results);
    out.instants(results);
    let document = json!({
        "displayTimeUnit": "ms",
        "otherData": {"scenario": results.scenario, "fingerprint": results.fingerprint},
        "traceEvents": out.events,
    });
    format!("{document:#}\n").into_bytes()
}

struct Events<'e> {
    events: Vec<Value>,
    /// Names of clients and nodes; a process is numbered from 1.
    processes: Vec<&'e str>,
}

impl Events<'_> {
    fn process(&self, name: &str) -> usize {
        self.processes.iter().position(|known| *known == name).map_or(0, |place| place + 1)
    }

    fn request(&mut self, results: &Results, of: &Waterfall) {
        let request = &of.request;
        let end = of.decided().unwrap_or(results.duration);
        let place = of.spans.first().map_or(0, |span| span.instance);
        let host = (self.process(&request.client), place);
        let args = json!({
            "outcome": request.outcome, "attempts": request.attempts, "key": request.key, "why": of.why,
        });
        let id = of.name();
        self.pair(
            &id,
            host,
            (&format!("{id} {}", request.operation), args),
            (request.intended, end),
        );
        for span in &of.spans {
            self.span(results, of, span);
        }
    }

    fn span(&mut self, results: &Results, of: &Waterfall, span: &RequestSpan) {
        let id = format!("{}#{}", of.name(), span.id);
        let host = (self.process(&span.node), span.instance);
        let args = json!({
            "request": of.name(), "kind": span.kind, "parent": span.parent, "outcome": span.outcome,
            "waiting_s": span.waiting, "work_s": span.work,
        });
        let end = span.end.unwrap_or(results.duration);
        self.begin(&id, host, (&label(span, 0), args), span.start);
        for (look, from, to) in bars(of, span) {
            self.pair(&id, host, (looks(look), json!({})), (from, to.min(end)));
        }
        self.end(&id, host, &label(span, 0), end);
    }

    fn pair(
        &mut self,
        id: &str,
        host: (usize, u16),
        (name, args): (&str, Value),
        (from, to): (f64, f64),
    ) {
        self.begin(id, host, (name, args), from);
        self.end(id, host, name, to);
    }

    fn begin(&mut self, id: &str, (pid, tid): (usize, u16), (name, args): (&str, Value), at: f64) {
        self.events.push(json!({
            "ph": "b", "cat": "request", "id": id, "name": name, "pid": pid, "tid": tid, "ts": micros(at), "args": args,
        }));
    }

    fn end(&mut self, id: &str, (pid, tid): (usize, u16), name: &str, at: f64) {
        self.events.push(json!({
            "ph": "e", "cat": "request", "id": id, "name": name, "pid": pid, "tid": tid, "ts": micros(at),
        }));
    }

    /// What waits and what is busy at each node, window by window: means of all replications.
    fn counters(&mut self, results: &Results) {
        let series = &results.series;
        for (name, node) in &series.nodes {
            let pid = self.process(name);
            for (i, &start) in series.start.iter().enumerate() {
                let waiting = node.in_queue.get(i).copied().unwrap_or_default();
                self.events.push(json!({
                    "ph": "C", "name": "waiting", "pid": pid, "tid": 0, "ts": micros(start), "args": {"visits": waiting},
                }));
                let Some(busy) = node.utilisation.get(i).copied().flatten() else { continue };
                self.events.push(json!({
                    "ph": "C", "name": "busy", "pid": pid, "tid": 0, "ts": micros(start), "args": {"share": busy},
                }));
            }
        }
    }

    /// Faults and alerts as they begin and end.
    fn instants(&mut self, results: &Results) {
        let kinds = [
            EventKind::FaultStarted,
            EventKind::FaultEnded,
            EventKind::AlertFired,
            EventKind::AlertResolved,
        ];
        let events = &results.timeline.events;
        for event in events.iter().filter(|event| kinds.contains(&event.kind)) {
            let name = format!("{} {}", event.kind.to_string().replace('_', " "), event.subject);
            self.events.push(json!({
                "ph": "i", "s": "g", "name": name, "pid": 0, "tid": 0, "ts": micros(event.at),
                "args": {"text": event.text},
            }));
        }
    }
}

/// An instant, µs, to the nanosecond.
fn micros(at: f64) -> f64 {
    (at * 1e9).round() / 1e3
}
