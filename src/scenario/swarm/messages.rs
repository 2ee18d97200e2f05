//! A queue or log of a random scenario, and who works its messages off.

use super::Writer;

impl Writer {
    /// A step that publishes a message.
    pub(super) fn publish(&mut self) -> String {
        let queue = self.name(&self.queues.clone());
        let delay = if queue.starts_with('t') { 0 } else { 30 };
        let delay = self.maybe(delay, |w| format!("delay: {}ms", w.within(1, 500)));
        let ack = self.maybe(30, |_| "ack: none".to_owned());
        format!("{{publish: {{{delay}{ack}to: {queue}}}}}")
    }

    /// The operations of a client of which one publishes.
    pub(super) fn publishing(&mut self) -> String {
        let queue = self.name(&self.queues.clone());
        let delay = if queue.starts_with('t') { 0 } else { 30 };
        let delay = self.maybe(delay, |w| format!("delay: {}ms", w.within(1, 500)));
        let ack = self.maybe(60, |_| "ack: none".to_owned());
        format!(
            "operations: {{tell: {{share: 30%, publish: {{{delay}{ack}to: {queue}}}}}, look: {{share: 70%, to: lb0}}}}"
        )
    }

    /// Whether what is written to a store may leave something to be published.
    pub(super) fn has_outbox(&self, store: &str) -> bool {
        let copies = self.copies_of(store);
        let led = copies.contains("raft") || copies.contains("leader_follower");
        !self.queues.is_empty() && (copies.is_empty() || led)
    }

    /// A write that leaves something to be published.
    pub(super) fn outbox(&mut self, store: &str, optional: &str) -> String {
        let queue = self.name(&self.queues.clone());
        // A store has one relay for each.
        let how = if queue.starts_with('t') { "" } else { ", every: 50ms, batch: 5" };
        format!("{{write: {{to: {store}, outbox: {{to: {queue}{how}}}}}{optional}}}")
    }

    /// The queue, where dead messages go, and a service that nobody calls but they.
    pub(super) fn messages(&mut self) {
        for name in self.queues.clone() {
            if name.starts_with('t') {
                self.log(&name);
                continue;
            }
            let mut text = format!("  {name}: {{queue: {{");
            if self.chance(30) {
                let full = self.pick(&["reject", "block", "drop", "drop_oldest"]);
                let capacity = self.pick(&["20", "5", "20KB"]);
                text += &format!("capacity: {capacity}, full: {full}, ");
            }
            if self.chance(20) {
                text += "delivery: at_most_once, ";
            } else {
                let visible = self.pick(&["100ms", "1s", "5s"]);
                text += &self.maybe(70, |_| format!("visibility: {visible}"));
                if self.chance(50) {
                    text += &format!("max_receives: {}, ", self.within(1, 4));
                    text += &self.maybe(60, |_| "dead_letter: dead0".to_owned());
                }
                let again =
                    self.pick(&["none", "visibility", "exponential(base=100ms jitter=full)"]);
                text += &self.maybe(60, |_| format!("redeliver: {again}"));
            }
            text += &self.maybe(20, |_| "retention: 3s".to_owned());
            text += &self.maybe(20, |_| "delay: 200ms".to_owned());
            text += &self.maybe(30, |_| "order: key".to_owned());
            let discipline = self.pick(&["fifo", "lifo", "priority", "random"]);
            text += &self.maybe(50, |_| format!("discipline: {discipline}"));
            text += &self.maybe(30, |_| "dedupe: 2s".to_owned());
            text += &self.maybe(30, |_| "durable: false".to_owned());
            text += &self.maybe(40, |w| format!("publish: {}", w.law()));
            text += &self.maybe(40, |w| format!("receive: {}", w.law()));
            text += &self.maybe(50, |w| format!("cores: {}", w.within(1, 3)));
            if !self.zones.is_empty() {
                text += &self.maybe(50, |w| format!("zones: [{}]", w.pick(&["a", "c"])));
            }
            self.line(&format!("{text}}}}}"));
            self.worker(&name, "");
        }
        if !self.queues.is_empty() {
            self.line("  dead0: {queue: {}}");
        }
    }

    /// A log and who reads it.
    fn log(&mut self, name: &str) {
        let partitions = self.within(1, 6);
        let mut text = format!("  {name}: {{topic: {{partitions: {partitions}, ");
        if self.chance(35) {
            text += &format!("replicas: {}, ", self.within(2, 4));
        } else {
            text += &self.maybe(50, |w| format!("instances: {}", w.within(1, partitions.min(3))));
        }
        text += &self.maybe(50, |w| format!("ack: {}", w.pick(&["all", "leader", "none"])));
        text += &self.maybe(20, |_| "by: consistent_hash(vnodes=20)".to_owned());
        text += &self.maybe(30, |_| "retention: 3s".to_owned());
        text += &self.maybe(40, |w| format!("publish: {}", w.law()));
        text += &self.maybe(40, |w| format!("receive: {}", w.law()));
        text += &self.maybe(50, |w| format!("cores: {}", w.within(1, 3)));
        self.line(&format!("{text}}}}}"));
        let mut reads = String::new();
        reads += &self.maybe(50, |w| format!("rebalance: {}", w.pick(&["eager", "cooperative"])));
        reads += &self.maybe(50, |w| format!("commit: {}", w.pick(&["batch", "1s"])));
        reads += &self.maybe(50, |w| format!("start: {}", w.pick(&["latest", "earliest"])));
        reads += &self.maybe(80, |_| "session: 3s, heartbeat: 500ms".to_owned());
        if self.chance(50) {
            reads += &format!("max_receives: {}, ", self.within(1, 4));
            reads += &self.maybe(60, |_| "dead_letter: dead0".to_owned());
        }
        reads += &self.maybe(40, |_| "redeliver: exponential(base=100ms jitter=full)".to_owned());
        self.worker(name, &reads);
    }

    /// Who works them off.
    fn worker(&mut self, queue: &str, reads: &str) {
        let several = self.chance(50) || !reads.is_empty();
        let consumes = if several {
            let linger = self.maybe(50, |_| "linger: 100ms".to_owned());
            let partial = self.maybe(50, |_| "partial: true".to_owned());
            let after =
                self.maybe(40, |_| "per_batch: [{work: 2ms}, {fail: 5%, when: poison}]".to_owned());
            format!(
                "{{from: {queue}, {reads}{linger}{partial}{after}batch: {}}}",
                self.within(2, 9)
            )
        } else {
            queue.to_owned()
        };
        let instances = self.within(1, 3);
        let mut text = format!("  w0: {{service: {{instances: {instances}, consumes: {consumes}, ");
        if !queue.starts_with('t') {
            // None is there while no message waits.
            let most = instances + 2;
            text += &self.maybe(25, |_| format!(
                "autoscale: {{min: 0, max: {most}, metric: depth({queue}), target: 3, every: 500ms, delay: 0s, stabilise: 1s, drain: 200ms}}"
            ));
        }
        text += &self.maybe(70, |w| format!("workers: {}", w.within(1, 4)));
        text += &self.maybe(50, |w| format!("cores: {}", w.within(1, 3)));
        text += &self.maybe(30, |w| format!("boot: {}", w.law()));
        let stores: Vec<String> = self.stores.iter().map(|s| s.0.clone()).collect();
        let (store, other) = (self.name(&stores), self.name(&self.externals.clone()));
        let work = self.law();
        let write = self.update(&store);
        let last = self.pick(&["{fail: 5%}", "{mark: half}", "{reply: 2KB}, {work: 3ms}"]);
        let once = self.once(&store);
        text += &format!(
            "endpoints: {{default: [{{work: {work}}}, {{{write}: {store}}}, {{call: {other}, optional: true}}, {last}]}}, \
             dependencies: {{{store}: {{timeout: 2s, {once}}}, {other}: {{timeout: 1s}}}}}}}}"
        );
        self.line(&text);
    }
}
