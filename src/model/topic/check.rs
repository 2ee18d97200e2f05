//! What can be wrong with a topic beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::TopicSpec;
use crate::{
    engine::law::Formula,
    model::{
        check::{Checked, boot, closest, formula, positive, zones},
        consistency,
        kind::Kind,
        kinds::NodeSpec,
        names::Names,
        replication::check::copies,
        resilience::check::{edge, elsewhere},
        store::ShardBy,
    },
    problem::Problems,
    units::{Count, SimDuration, show::plural},
};

/// Nodes a topic can tell.
const MOST: usize = 1000;

/// Partitions a log can have.
const MOST_PARTITIONS: u64 = 10_000;

impl Checked for TopicSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        positive(self.cores, 1 << 20, &at("cores"), problems);
        zones(self.zones.as_ref(), &at("zones"), names, problems);
        boot(self.boot.as_ref(), path, problems);
        if let Some(law) = &self.publish {
            formula(law, &at("publish"), names, problems);
        }
        if let Some(law) = &self.receive {
            formula(law, &at("receive"), names, problems);
        }
        let told = self.told();
        if self.to.is_some() && told.is_empty() {
            problems.error("E-RANGE", at("to"), "nobody is told");
        } else if told.len() > MOST {
            problems.error("E-LIMIT", at("to"), format!("more than {MOST} nodes"));
        }
        for (i, to) in told.iter().enumerate() {
            if told[..i].contains(to) {
                let message = format!("`{}` is told twice", to.0);
                problems.error("E-DUP-NAME", format!("{path}.to[{i}]"), message);
            }
        }
        if self.is_log() && !self.dependencies.is_empty() {
            let message = "a log calls nobody";
            let help = "with `to: [..]` it tells others of each message";
            problems.error_help("E-CONFLICT", at("dependencies"), message, help);
            return;
        }
        if self.is_log() {
            self.check_log(path, names, problems);
        } else {
            for (key, given) in [
                ("partitions", self.partitions.is_some()),
                ("instances", self.instances.is_some()),
                ("by", self.by.is_some()),
                ("retention", self.retention.is_some()),
                ("receive", self.receive.is_some()),
                ("replicas", self.replicas.is_some()),
                ("ack", self.ack.is_some()),
            ] {
                if given {
                    let message = "a topic that tells others of messages keeps none";
                    let help = "leave out `to` to make it a log, or this";
                    problems.error_help("E-CONFLICT", at(key), message, help);
                }
            }
        }
        for (name, spec) in &self.dependencies {
            let path = format!("{path}.dependencies.{}", name.0);
            if !told.contains(name) {
                let help = closest(&name.0, told.iter().map(|to| to.0.as_str()));
                problems.error_help("E-REF", &path, format!("`{}` is not told", name.0), help);
            }
            edge(spec, (&path, &[&name.0]), names, problems);
            elsewhere(spec, &name.0, &path, names, problems);
            consistency::check::edge(spec, &name.0, &path, names, problems);
            if spec.fallback.is_some() {
                let message =
                    "nobody waits for an answer that something else could take the place of";
                problems.error("E-CONFLICT", format!("{path}.fallback"), message);
            }
        }
    }
}

impl TopicSpec {
    /// Whether the copies of its partitions make sense.
    fn check_copies(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        positive(
            self.replicas.as_ref().map(|copies| Count(copies.count())),
            u64::MAX,
            &at("replicas"),
            problems,
        );
        let Some(spec) = self.replication() else { return };
        if self.instances.is_some() {
            let message = "with `replicas` each copy of a partition is a machine of its own";
            let help = "leave `instances` out: there are `partitions` x `replicas` of them";
            problems.error_help("E-CONFLICT", at("instances"), message, help);
        }
        if let Some(raft) = &spec.raft {
            copies((self, raft), path, names, problems);
        }
        for (_, attribute) in self.publish.iter().flat_map(Formula::attributes) {
            let message = format!("messages between replicas carry no `{attribute}`");
            problems.error_help("E-CONFLICT", at("publish"), message, "a law");
        }
    }

    fn check_log(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        self.check_copies(path, names, problems);
        positive(self.partitions, MOST_PARTITIONS, &at("partitions"), problems);
        positive(self.instances, MOST as u64, &at("instances"), problems);
        let one = self.replication().is_none();
        if one && self.instances.is_some_and(|brokers| brokers.0 > self.partitions()) {
            let message = format!("more brokers than {}", plural(self.partitions(), "partition"));
            problems.error("E-CONFLICT", at("instances"), message);
        }
        if self.retention == Some(SimDuration(0)) {
            problems.error("E-RANGE", at("retention"), "must be above 0");
        }
        if let Some(ShardBy::Range(last)) = &self.by
            && !last.is_empty()
            && last.len() as u64 + 1 != self.partitions()
        {
            let message = format!(
                "{} and {} partitions",
                plural(last.len() as u64, "last key"),
                self.partitions()
            );
            let help = "as many as there are partitions, but for the last";
            problems.error_help("E-CONFLICT", at("by"), message, help);
        }
        let name = path.split('.').nth(1).unwrap_or_default();
        let Some(id) = names.node(name) else { return };
        let groups = names.groups(id);
        if groups.is_empty() {
            let message = format!("nobody consumes `{name}`: its messages are read by nobody");
            problems.warn("W-UNREAD", path, message, format!("a service with `consumes: {name}`"));
        }
        for (group, readers) in groups {
            let members: u64 = readers.iter().map(|reader| reader.instances).sum();
            let last = readers.last().map_or(id, |reader| reader.node);
            if members > self.partitions() && self.partitions() > 0 {
                let idle = members - self.partitions();
                let message = format!(
                    "group `{group}` has {} for {}: {idle} of them never get a message",
                    plural(members, "instance"),
                    plural(self.partitions(), "partition"),
                );
                let at = format!("nodes.{}", names.name(last));
                problems.warn("W-IDLE", at, message, "more `partitions`, or fewer `instances`");
            }
            let first = readers[0].consumes;
            for other in &readers[1..] {
                let NodeSpec::Service(service) = names.spec(other.node) else { continue };
                let kind = format!("nodes.{}.service", names.name(other.node));
                let at = service.consume_path(&kind, usize::from(other.source));
                let own = other.consumes;
                for (key, agree) in [
                    ("session", first.silent_for() == own.silent_for()),
                    ("heartbeat", first.beats_every() == own.beats_every()),
                    (
                        "rebalance",
                        first.rebalance.unwrap_or_default() == own.rebalance.unwrap_or_default(),
                    ),
                    ("start", first.start.unwrap_or_default() == own.start.unwrap_or_default()),
                ] {
                    if !agree {
                        let message = format!("all of group `{group}` must have the same `{key}`");
                        let help = format!("as `{}` does", names.name(readers[0].node));
                        problems.error_help("E-CONFLICT", format!("{at}.{key}"), message, help);
                    }
                }
            }
        }
    }
}
