//! What can be wrong with a queue, its consumers and its publishers beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{DeliverySpec, FullQueueSpec, QueueSpec, RedeliverSpec, consumes::PublishFields};
use crate::{
    model::{
        cache::Capacity,
        check::{Checked, boot, closest, formula, positive, zones},
        check_steps::{many_steps, steps},
        kind::{Outgoing, Verb},
        kinds::NodeSpec,
        names::Names,
        service::{Discipline, ServiceSpec},
    },
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
            None => {
                let help = closest(&grave.0, names.nodes());
                let message = format!("unknown node `{}`", grave.0);
                problems.error_help("E-REF", at("dead_letter"), message, help);
            }
            Some(NodeSpec::Queue(other)) if std::ptr::eq(other, self) => {
                let message = "a dead message would come back to where it died";
                let help = "a queue of its own, such as `dead: {queue: {}}`";
                problems.error_help("E-CYCLE", at("dead_letter"), message, help);
            }
            Some(NodeSpec::Queue(_)) => {}
            Some(other) => {
                let message =
                    format!("`{}` is a {}, not a queue", grave.0, other.kind().facts().kind);
                problems.error("E-REF", at("dead_letter"), message);
            }
        }
    }

    /// Who takes messages out, and whether he has the time.
    fn check_readers(&self, path: &str, names: &Names, problems: &mut Problems) {
        let name = path.split('.').nth(1).unwrap_or_default();
        let mut is_read = false;
        for (reader, spec) in &names.design.nodes {
            let NodeSpec::Service(service) = spec else { continue };
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
            let buried = names.specs().any(|spec| {
                matches!(spec, NodeSpec::Queue(queue) if queue.dead_letter.as_ref().is_some_and(|to| to.0 == name))
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
                Some(NodeSpec::Queue(_)) | None => {}
                Some(other) => {
                    let kind = other.kind().facts().kind;
                    let message = format!("`{}` is a {kind}, not a queue", consumed.from.0);
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
            for (given, key) in [
                (consumed.max_receives.is_some(), "max_receives"),
                (consumed.dead_letter.is_some(), "dead_letter"),
            ] {
                if given {
                    let message =
                        format!("how often a message is handed out, `{}` says", consumed.from.0);
                    let help = format!("move it to `nodes.{}.queue.{key}`", consumed.from.0);
                    problems.error_help("E-CONFLICT", format!("{at}.{key}"), message, help);
                }
            }
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

impl PublishFields {
    /// What can be wrong with where a message goes.
    pub fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        match names.node(&self.to.0).map(|id| names.kind(id)) {
            Some(kind) if !kind.takes_messages() => {
                let message = format!(
                    "`{}` is a {}, neither a queue nor a topic",
                    self.to.0,
                    kind.facts().kind
                );
                problems.error_help("E-REF", path, message, format!("`call: {}`", self.to.0));
            }
            _ => {}
        }
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
        let kind = names.node(name).map_or("queue", |id| names.kind(id).facts().kind);
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
