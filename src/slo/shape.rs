//! Paths within blocks of figures, and what is found there.

use super::names::Names;
use super::words::{Checked, Dimension, choice, fault, meant};
use crate::results::{
    CacheResults, ConsistencyResults, CostSummary, Distribution, ElectionResults, Estimate,
    NodeCost, NodeResults, OutboxResults, PurchaseResults, QueueResults, ReplicasResults,
    RequestFigures, Results, SagaResults, UptimeResults,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A block of figures as it stands in results.json, with every mark.
pub(super) fn requests_shape(names: &Names) -> Json {
    let marks = names.marks.iter().map(|mark| (mark.clone(), Distribution::default()));
    shape(&RequestFigures { marks: marks.collect(), ..RequestFigures::default() })
}

pub(super) fn shape(figures: &impl serde::Serialize) -> Json {
    serde_json::to_value(figures).expect("figures have string keys")
}

/// Whether a path leads to one figure, and to what kind.
pub(super) fn in_shape(shape: &Json, path: &[String]) -> Checked<Dimension> {
    let mut here = shape;
    for (depth, segment) in path.iter().enumerate() {
        here = match (here.get(segment), here.as_object()) {
            (Some(next), _) => next,
            (None, Some(keys)) if !keys.contains_key("value") => {
                let inside = path[..depth].join(".");
                let place =
                    if inside.is_empty() { String::new() } else { format!(" in `{inside}`") };
                let message = format!("there is no metric `{segment}`{place}");
                let meant = meant(segment, depth);
                let help = meant.unwrap_or_else(|| choice(segment, keys.keys()));
                return Err(fault("E-REF", message, Some(help)));
            }
            _ => {
                let message = format!("`{}` is one figure", path[..depth].join("."));
                let help = "a statistic over time needs a window: `max(.. window=1m)`";
                return Err(fault("E-SLO", message, Some(help.to_owned())));
            }
        };
    }
    let name = path.join(".");
    match here.as_object() {
        None if here.is_number() || here.is_boolean() => Ok(dimension(path)),
        Some(keys) if keys.contains_key("value") => Ok(dimension(path)),
        Some(keys) if keys.contains_key("p99") => {
            let help = format!("for example `p99({name})`");
            Err(fault("E-SLO", format!("`{name}` needs a statistic"), Some(help)))
        }
        Some(keys) if !keys.is_empty() => {
            let all: Vec<&str> = keys.keys().map(String::as_str).collect();
            let help = format!("say which: {}", all.join(", "));
            Err(fault("E-SLO", format!("`{name}` is a group of figures"), Some(help)))
        }
        _ => Err(fault("E-SLO", format!("`{name}` is not a figure"), None)),
    }
}

/// A node with everything some kind of node has.
pub(super) fn any_node() -> NodeResults {
    let part = Some(Estimate::default());
    let cost = NodeCost {
        hours: part,
        storage: part,
        calls: part,
        memory: part,
        provisioned: part,
        ..NodeCost::default()
    };
    let (cache, cost) = (Some(CacheResults::default()), Some(cost));
    let mut purchase = PurchaseResults::default();
    purchase.spot.reclaims = part;
    let consistency = Some(Box::new(of_any_store()));
    let replicas = Some(Box::new(of_any_replicas()));
    NodeResults {
        cache,
        consistency,
        replicas,
        sagas: Some(Box::new(SagaResults { resumed: part, ..SagaResults::default() })),
        batch_size: Some(Box::default()),
        throttled: Some(Box::default()),
        purchase: Some(Box::new(purchase)),
        moved: Some(Box::default()),
        backups: Some(Box::default()),
        in_doubt: Some(Box::default()),
        view: Some(Box::default()),
        queue: Some(Box::default()),
        outbox: Some(Box::new(OutboxResults { lost: part, ..OutboxResults::default() })),
        scaling: Some(Box::default()),
        environments: Some(Box::default()),
        cost,
        ..NodeResults::default()
    }
}

/// With what an objective may begin, quantiles left out: a figure of requests, nodes or data, or a function.
pub fn heads() -> BTreeSet<String> {
    let blocks = [
        requests_shape(&Names::default()),
        shape(&any_node()),
        any_consistency(),
        shape(&UptimeResults::default()),
        shape(&QueueResults::default()),
    ];
    let figures = blocks.iter().flat_map(|block| block.as_object().into_iter().flatten());
    let others = [
        "alerts",
        "back_after",
        "clients",
        "consistency",
        "convergence_time",
        "cost",
        "done",
        "fraction",
        "groups",
        "links",
        "max",
        "mean",
        "metastable",
        "min",
        "nodes",
        "operations",
        "reads",
        "resources",
        "rpo",
        "rto",
        "summary",
        "time_to_recover",
        "writes",
    ];
    figures.map(|(name, _)| name.clone()).chain(others.map(str::to_owned)).collect()
}

/// What clients see of the data, with everything some design has.
pub(super) fn any_consistency() -> Json {
    shape(&of_any_store())
}

fn each(names: &[&str]) -> BTreeMap<String, Estimate> {
    names.iter().map(|name| ((*name).to_owned(), Estimate::default())).collect()
}

/// Messages between replicas, of all protocols.
const MESSAGES: [&str; 37] = [
    "announce",
    "append",
    "appended",
    "ask",
    "at",
    "batch",
    "beat",
    "copy",
    "digests",
    "fetch",
    "fetched",
    "get",
    "got",
    "grant",
    "granted",
    "hand",
    "hello",
    "knows",
    "lead",
    "list",
    "ping",
    "pong",
    "position",
    "pre_vote",
    "pre_voted",
    "put",
    "refused",
    "renewed",
    "replicate",
    "replicated",
    "snapshot",
    "stored",
    "suspect",
    "too_old",
    "vote",
    "voted",
    "want",
];

fn of_any_replicas() -> ReplicasResults {
    let some = Some(Estimate::default());
    ReplicasResults {
        messages: each(&MESSAGES),
        replication_lag: Some(Distribution::default()),
        elections: Some(ElectionResults::default()),
        failovers: some,
        hints: some,
        damaged: some,
        repairs: some,
        leaders: Vec::new(),
    }
}

fn of_any_store() -> ConsistencyResults {
    ConsistencyResults {
        operations: each(&["read", "write", "delete", "cas", "increment"]),
        linearizable: Some(false),
        not_checked: each(&["cas", "increment", "siblings", "transaction"]),
        lost_by_cause: each(&[
            "corrupt",
            "crash",
            "failover",
            "lww_clock",
            "lww_concurrent",
            "restore",
            "write_behind",
        ]),
        split_brain_time: Some(Estimate::default()),
        conflicts: Some(Estimate::default()),
        lost_updates: Some(Estimate::default()),
        lock_overlaps: Some(Estimate::default()),
        torn_transactions: Some(Estimate::default()),
        torn_by_cause: each(&["corrupt", "crash", "failover"]),
        duplicate_applies: Some(Estimate::default()),
        convergence_time: Some(Estimate::default()),
        ..ConsistencyResults::default()
    }
}

/// What a design costs: its sums, and those of each class of traffic.
pub(super) fn cost(results: &Results) -> Json {
    let mut figures = shape(&results.summary.cost);
    let traffic = results.cost.iter().flat_map(|cost| &cost.traffic);
    let priced = traffic.filter_map(|(class, of)| Some((class, of.per_month?)));
    if let Some(figures) = figures.as_object_mut() {
        let by_class = priced.map(|(class, sum)| (class.clone(), json!({"per_month": sum})));
        figures.insert("traffic".to_owned(), Json::Object(by_class.collect()));
    }
    figures
}

/// The same with everything some design has.
pub(super) fn any_cost() -> Json {
    let mut figures = shape(&CostSummary::default());
    let class = json!({"per_month": Estimate::default()});
    let classes =
        ["internet", "cross_zone", "cross_region"].map(|name| (name.to_owned(), class.clone()));
    figures["traffic"] = Json::Object(classes.into_iter().collect());
    figures
}

/// Figures, or groups of them, that are counts.
const COUNTS: [&str; 47] = [
    "acked",
    "bytes",
    "causes",
    "cold_starts",
    "conflicts",
    "damaged",
    "dead_lettered",
    "deduplicated",
    "delayed",
    "deliveries",
    "dropped",
    "duplicate_applies",
    "duplicates",
    "expired",
    "failovers",
    "hints",
    "keys",
    "keys_checked",
    "lock_overlaps",
    "lost",
    "lost_acked_writes",
    "lost_by_cause",
    "lost_updates",
    "messages",
    "monotonic_read_violations",
    "monotonic_write_violations",
    "not_checked",
    "operations",
    "out_of_order",
    "outbox",
    "outcomes",
    "published",
    "read_your_writes_violations",
    "ready",
    "rebalances",
    "redelivered",
    "repairs",
    "requests",
    "restores",
    "sagas",
    "snapshots",
    "stale_reads",
    "torn_by_cause",
    "torn_transactions",
    "unacked",
    "violations",
    "writes_follow_reads_violations",
];

pub(super) fn dimension(path: &[String]) -> Dimension {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let within = path.len() > 1 && ["backups", "consistency", "moved"].contains(&path[0].as_str());
    let path = if within { &path[1..] } else { path };
    match (path[0].as_str(), last) {
        (_, "linearizable") => Dimension::Truth,
        ("staleness_age" | "replication_lag" | "in_doubt" | "view", last)
            if !["count", "applied", "inversions"].contains(&last) =>
        {
            Dimension::Seconds
        }
        ("split_brain_time", _) => Dimension::Seconds,
        ("elections", "count" | "terms" | "split_votes") if path[1] != "leaderless" => {
            Dimension::Count
        }
        ("elections", last) if last != "count" => Dimension::Seconds,
        ("staleness_versions", last) if last != "count" => Dimension::Number,
        ("cost", _) => Dimension::Money,
        ("throttled", "time") => Dimension::Fraction,
        ("scaling", "up" | "down")
        | ("purchase", "reclaims")
        | ("view", "applied" | "inversions") => Dimension::Count,
        ("purchase", _) => Dimension::Number,
        (first, _) if COUNTS.contains(&first) => Dimension::Count,
        (
            _,
            "count" | "lookups" | "hits" | "misses" | "coalesced" | "stale_hits" | "negative_hits"
            | "evictions",
        ) => Dimension::Count,
        (
            "depth"
            | "lag"
            | "environments"
            | "starting"
            | "busy"
            | "idle"
            | "gb_seconds"
            | "provisioned_gb_seconds"
            | "batch_size"
            | "instances"
            | "in_system"
            | "in_queue"
            | "in_transfer"
            | "attempts_per_request"
            | "outages_per_year",
            _,
        ) => Dimension::Number,
        ("goodput" | "throughput", _) => Dimension::PerSecond,
        (
            "availability"
            | "utilisation"
            | "saturated"
            | "wait_probability"
            | "availability_time"
            | "hit_ratio"
            | "cold_share"
            | "fraction"
            | "stale_read_fraction"
            | "followed",
            _,
        ) => Dimension::Fraction,
        _ => Dimension::Seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the sources of the protocols call their messages.
    const SOURCES: [&str; 4] = [
        include_str!("../replication/leader_follower/message.rs"),
        include_str!("../replication/multi_leader/message.rs"),
        include_str!("../replication/quorum/message.rs"),
        include_str!("../replication/raft/message.rs"),
    ];

    #[test]
    fn every_message_of_a_protocol_can_be_asked_for() {
        let named = |source: &&str| -> Vec<String> {
            let (_, body) = source.split_once("fn name(&self)").unwrap();
            let body = body.split("\n    }").next().unwrap();
            body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let all: Vec<String> = SOURCES.iter().flat_map(named).collect();
        assert!(all.len() > 30, "{all:?}");
        for name in all {
            assert!(MESSAGES.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn what_has_a_unit_has_it_by_its_last_name() {
        for (path, is) in [
            ("staleness_age.p99", Dimension::Seconds),
            ("staleness_age.count", Dimension::Count),
            ("in_doubt.max", Dimension::Seconds),
            ("view.lag.p99", Dimension::Seconds),
            ("view.lag.count", Dimension::Count),
            ("view.applied", Dimension::Count),
            ("view.inversions", Dimension::Count),
            ("consistency.staleness_versions.max", Dimension::Number),
            ("consistency.staleness_versions.count", Dimension::Count),
            ("elections.count", Dimension::Count),
            ("elections.leaderless.count", Dimension::Count),
            ("elections.leaderless.max", Dimension::Seconds),
            ("linearizable", Dimension::Truth),
            ("cost.per_month", Dimension::Money),
            ("throttled.time", Dimension::Fraction),
            ("purchase.reclaims", Dimension::Count),
            ("purchase.spot", Dimension::Number),
            ("throughput", Dimension::PerSecond),
            ("hits", Dimension::Count),
        ] {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert_eq!(dimension(&path), is, "{path:?}");
        }
    }
}
