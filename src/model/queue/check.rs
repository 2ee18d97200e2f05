//! What can be wrong with a queue, its consumers and its publishers beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{
    DeliverySpec, FullQueueSpec, QueueSpec, RedeliverSpec,
    consumes::{CommitSpec, ConsumeFields, PublishFields},
};
use crate::{
    model::{
        alert::{Signal, Source},
        autoscale::MetricSpec,
        cache::Capacity,
        check::{Checked, boot, closest, formula, positive, zones},
        check_steps::{many_steps, steps},
        kind::{Outgoing, Verb},
        kinds::NodeSpec,
        names::Names,
        service::{Discipline, ServiceSpec},
    },
    node_kind::NodeKind,
    problem::Problems,
    units::{Count, Name, SimDuration},
};

/// Messages a batch can have.
const MOST_IN_A_BATCH: u64 = 10_000;

impl Checked for QueueSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        positive(self.cores, 1 << 20, &at("cores"), problems);
        positive(self.max_receives, 65_000, &at("max_receives"), problems);
        zones(self.zones.as_ref(), &at("zones"), names, problems);
        boot(self.boot.as_ref(), path, problems);
        for (law, key) in [(&self.publish, "publish"), (&self.receive, "receive")] {
            if let Some(law) = law {
                formula(law, &at(key), names, problems);
            }
        }
        if let Some(Capacity::Entries(n) | Capacity::Bytes(n)) = self.capacity {
            if n == 0 && self.full == Some(FullQueueSpec::Block) {
                let message = "whoever publishes waits for room that there never is";
                problems.error("E-RANGE", at("capacity"), message);
            } else {
                positive(Some(Count(n)), 1 << 50, &at("capacity"), problems);
            }
        } else if self.full.is_some() {
            let message = "a queue without a bound is never full";
            problems.error_help("E-CONFLICT", at("full"), message, "add `capacity`");
        }
        for (time, key) in [
            (self.visibility, "visibility"),
            (self.retention, "retention"),
            (self.dedupe, "dedupe"),
        ] {
            if time == Some(SimDuration(0)) {
                problems.error("E-RANGE", at(key), "must be above 0");
            }
        }
        self.check_order(path, problems);
        self.check_deaths(path, names, problems);
    }
}

impl QueueSpec {
    fn check_order(&self, path: &str, problems: &mut Problems) {
        let at = format!("{path}.discipline");
        let known = [Discipline::Fifo, Discipline::Lifo, Discipline::Random, Discipline::Priority];
        if let Some(discipline) = self.discipline.as_ref().filter(|own| !known.contains(own)) {
            let message = format!("`{discipline}` is an order of work, not of messages");
            problems.error_help(
                "E-CONFLICT",
                at,
                message,
                "`fifo`, `lifo`, `priority` or `random`",
            );
        }
    }

    fn check_deaths(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        if self.delivery == Some(DeliverySpec::AtMostOnce) {
            for (given, key) in [
                (self.visibility.is_some(), "visibility"),
                (self.max_receives.is_some(), "max_receives"),
                (self.dead_letter.is_some(), "dead_letter"),
                (self.redeliver.is_some(), "redeliver"),
            ] {
                if given {
                    let message = "a message that is handed out at most once does not come again";
                    let help = "leave it out, or `delivery: at_least_once`";
                    problems.error_help("E-CONFLICT", at(key), message, help);
                }
            }
            return;
        }
        let Some(grave) = &self.dead_letter else { return };
        if self.max_receives.is_none() {
            let message = "no message ever dies";
            problems.error_help("E-MISSING", at("dead_letter"), message, "add `max_receives: 5`");
        }
        match names.node(&grave.0).map(|id| names.spec(id)) {
            Some(NodeSpec::Queue(other)) if std::ptr::eq(other, self) => {
                let message = "a dead message would come back to where it died";
                let help = "a queue of its own, such as `dead: {queue: {}}`";
                problems.error_help("E-CYCLE", at("dead_letter"), message, help);
            }
            _ => check_grave(grave, &at("dead_letter"), names, problems),
        }
    }

    /// Who takes messages out, and whether he has the time.
    fn check_readers(&self, path: &str, names: &Names, problems: &mut Problems) {
        let name = path.split('.').nth(1).unwrap_or_default();
        let mut is_read = false;
        for (reader, spec) in &names.design.nodes {
            let Some(service) = spec.steps() else { continue };
            for consumed in service.consumed().filter(|consumed| consumed.from.0 == name) {
                is_read = true;
                let id = names.node(&reader.0).unwrap_or_default();
                let ops = names.arriving.get(usize::from(id)).into_iter().flatten();
                let ops = ops.map(|op| spec.kind().visit(&names.ops[usize::from(*op)]).work);
                let mean = ops.fold(0.0, f64::max) * consumed.batch.map_or(1.0, |n| n.0 as f64);
                let once = self.delivery == Some(DeliverySpec::AtMostOnce);
                if mean > self.visible_after() as f64 && !once {
                    let message = format!(
                        "`{}` works {} on what it is handed at once in the mean: messages come again before they are done",
                        reader.0,
                        SimDuration(mean as u64)
                    );
                    let help = "a longer `visibility`, or a smaller `batch`";
                    problems.warn("W-VISIBILITY", path, message, help);
                }
            }
        }
        if !is_read {
            let is_it = |grave: &Option<Name>| grave.as_ref().is_some_and(|to| to.0 == name);
            let buried = names.specs().any(|spec| match spec {
                NodeSpec::Queue(queue) => is_it(&queue.dead_letter),
                other => {
                    let of = other.steps().into_iter().flat_map(ServiceSpec::consumed);
                    of.into_iter().any(|of| is_it(&of.dead_letter))
                }
            });
            let message = if buried {
                format!("nobody consumes `{name}`: dead messages pile up")
            } else {
                format!("nobody consumes `{name}`: its messages pile up")
            };
            problems.warn("W-UNREAD", path, message, format!("a service with `consumes: {name}`"));
        }
        let waits = matches!(self.redeliver, Some(RedeliverSpec::Backoff(_)));
        if waits && self.order.is_some() {
            let message =
                "a message that waits to be handed out again keeps all others of its key waiting";
            problems.warn(
                "W-ORDER",
                format!("{path}.redeliver"),
                message,
                "leave out `redeliver` or `order`",
            );
        }
    }
}

impl ServiceSpec {
    /// What can be wrong with what it consumes.
    pub fn check_consumes(&self, path: &str, names: &Names, problems: &mut Problems) {
        let mut seen: Vec<&Name> = Vec::new();
        for (i, consumed) in self.consumed().enumerate() {
            let at = self.consume_path(path, i);
            let from = if consumed.is_short() { at.clone() } else { format!("{at}.from") };
            let queue = names.node(&consumed.from.0).map(|id| names.spec(id));
            match queue {
                Some(NodeSpec::Topic(topic)) if topic.is_log() => {
                    consumed.check_log_reader(&at, names, problems);
                }
                Some(NodeSpec::Topic(_)) => {
                    let message =
                        format!("`{}` keeps nothing: it tells those in its `to`", consumed.from.0);
                    let help = format!(
                        "a queue in its `to`, or no `to` at all: then `{}` is a log",
                        consumed.from.0
                    );
                    problems.error_help("E-REF", &from, message, help);
                }
                Some(NodeSpec::Queue(_)) => consumed.check_queue_reader(&at, problems),
                None => {}
                Some(other) => {
                    let kind = other.kind().facts().kind;
                    let message =
                        format!("`{}` is a {kind}, neither a queue nor a topic", consumed.from.0);
                    problems.error("E-REF", &from, message);
                }
            }
            if queue.is_none() {
                let help = closest(&consumed.from.0, names.nodes());
                let message = format!("unknown node `{}`", consumed.from.0);
                problems.error_help("E-REF", &from, message, help);
            }
            if seen.contains(&&consumed.from) {
                let message = format!("`{}` is consumed twice", consumed.from.0);
                problems.error("E-DUP-NAME", &from, message);
            }
            seen.push(&consumed.from);
            positive(consumed.batch, MOST_IN_A_BATCH, &format!("{at}.batch"), problems);
            let one = consumed.batch.is_none_or(|n| n.0 == 1);
            for (given, key) in
                [(consumed.linger.is_some(), "linger"), (consumed.partial.is_some(), "partial")]
            {
                if given && one {
                    let message = "a batch is one message";
                    problems.error_help(
                        "E-CONFLICT",
                        format!("{at}.{key}"),
                        message,
                        "add `batch`",
                    );
                }
            }
            let (mut count, at) = (0, format!("{at}.per_batch"));
            steps(&consumed.per_batch, &at, (0, &mut count), names, problems);
            many_steps(count, &at, problems);
        }
    }
}

impl ConsumeFields {
    /// What belongs to the queue, or to topics only.
    fn check_queue_reader(&self, at: &str, problems: &mut Problems) {
        for (key, given) in self.of_receives() {
            if given {
                let message =
                    format!("what becomes of a message that failed, `{}` says", self.from.0);
                let help = format!("move it to `nodes.{}.queue.{key}`", self.from.0);
                problems.error_help("E-CONFLICT", format!("{at}.{key}"), message, help);
            }
        }
        for (key, given) in self.of_topics() {
            if given {
                let message =
                    format!("`{}` is a queue: whoever asks gets the next message", self.from.0);
                let help = "leave it out, or make it a topic: a log has groups that read it";
                problems.error_help("E-CONFLICT", format!("{at}.{key}"), message, help);
            }
        }
    }

    /// How a log is read.
    fn check_log_reader(&self, at: &str, names: &Names, problems: &mut Problems) {
        positive(self.max_receives, 65_000, &format!("{at}.max_receives"), problems);
        for (key, time) in [
            ("session", Some(SimDuration(self.silent_for()))),
            ("heartbeat", Some(SimDuration(self.beats_every()))),
            (
                "commit",
                match self.commit {
                    Some(CommitSpec::Every(time)) => Some(time),
                    _ => None,
                },
            ),
        ] {
            if time == Some(SimDuration(0)) {
                problems.error("E-RANGE", format!("{at}.{key}"), "must be above 0");
            }
        }
        if self.beats_every() >= self.silent_for() {
            let key = if self.heartbeat.is_some() { "heartbeat" } else { "session" };
            let message = format!(
                "a member says every {} that it is there, and is taken for gone after {}",
                SimDuration(self.beats_every()),
                SimDuration(self.silent_for())
            );
            let help = "a `heartbeat` of a third of the `session`, or less";
            problems.error_help("E-TIMING", format!("{at}.{key}"), message, help);
        }
        if self.redeliver == Some(RedeliverSpec::Visibility) {
            let message = "a log hands nothing out for a while";
            let help = "`none` (at once), or a backoff such as `exponential(base=1s max=1m)`";
            problems.error_help("E-CONFLICT", format!("{at}.redeliver"), message, help);
        }
        let Some(grave) = &self.dead_letter else { return };
        let at = format!("{at}.dead_letter");
        if self.max_receives.is_none() {
            let help = "add `max_receives: 5`";
            problems.error_help("E-MISSING", &at, "no message ever dies", help);
        }
        check_grave(grave, &at, names, problems);
    }
}

/// Where dead messages go is a queue.
fn check_grave(grave: &Name, at: &str, names: &Names, problems: &mut Problems) {
    match names.node(&grave.0).map(|id| names.spec(id)) {
        None => {
            let help = closest(&grave.0, names.nodes());
            let message = format!("unknown node `{}`", grave.0);
            problems.error_help("E-REF", at, message, help);
        }
        Some(NodeSpec::Queue(_)) => {}
        Some(other) => {
            let message = format!("`{}` is a {}, not a queue", grave.0, other.kind().facts().kind);
            problems.error("E-REF", at, message);
        }
    }
}

impl PublishFields {
    /// What can be wrong with where a message goes; `other` is how one who publishes asks a node for something.
    pub fn check(&self, (path, other): (&str, &str), names: &Names, problems: &mut Problems) {
        match names.node(&self.to.0).map(|id| names.kind(id)) {
            Some(kind) if !kind.takes_messages() => {
                let message = format!(
                    "`{}` is a {}, neither a queue nor a topic",
                    self.to.0,
                    kind.facts().kind
                );
                problems.error_help("E-REF", path, message, format!("`{other}: {}`", self.to.0));
            }
            Some(kind)
                if self.delay.is_some() && (!kind.is_broker() || kind.partitions().is_some()) =>
            {
                let message = format!(
                    "`{}` is a {}: its messages are there at once",
                    self.to.0,
                    kind.facts().kind
                );
                let help = "leave it out, or publish to a queue";
                problems.error_help("E-CONFLICT", format!("{path}.delay"), message, help);
            }
            _ => {}
        }
    }
}

impl Names {
    /// Whether anybody watches how long the oldest message of a queue has waited.
    pub fn is_aged(&self, queue: &str) -> bool {
        let alerts = self.design.alerts.values().map(|alert| &alert.when);
        let named = |of: &Source| matches!(of, Source::Node(name) if name.0 == queue);
        let alerted = alerts.into_iter().any(|when| when.signal == Signal::Age && named(&when.of));
        let nodes = self.design.nodes.values().chain(self.design.later());
        let scaled = |spec: &NodeSpec| {
            let metric = spec.kind().autoscale().and_then(|(scales, _)| scales.metric.as_ref());
            matches!(metric, Some(MetricSpec::Age(name)) if name.0 == queue)
        };
        alerted || nodes.into_iter().any(scaled)
    }
}

/// Whoever has to do with queues beside them: they have no keys to read or write, and somebody must take messages out.
pub fn messages(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (name, spec) in &names.design.nodes {
        if let NodeSpec::Queue(queue) = spec {
            queue.check_readers(&format!("nodes.{}.queue", name.0), names, problems);
        }
    }
    let is_queue = |name: &str| names.node(name).is_some_and(|id| names.kind(id).takes_messages());
    let mut refuse = |path: String, name: &str, verb: Verb| {
        let kind = names.node(name).map_or(NodeKind::Queue, |id| names.kind(id).facts().kind);
        let message = format!("`{name}` is a {kind}: there is nothing to {}", verb.name());
        let help =
            format!("`publish: {name}` puts a message in, `consumes: {name}` takes messages out");
        problems.error_help("E-CONFLICT", path, message, help);
    };
    for call in calls.iter().flatten().filter(|call| is_queue(&call.target)) {
        if let Some((_, Some(verb))) = call.operation {
            refuse(call.path.clone(), &call.target, verb);
        }
    }
    for (name, client) in &names.design.clients {
        for (operation, effective) in client.operations() {
            let Some((target, Some(verb))) = effective.target() else { continue };
            if is_queue(&target.0) {
                let path = format!("clients.{}", name.0);
                refuse(effective.place(&path, &operation, verb.name()), &target.0, verb);
            }
        }
    }
}
