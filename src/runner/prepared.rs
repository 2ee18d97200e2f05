//! A typed scenario -> something `simulate` can run, and what its results say about it.
//!
//! **Invariant.** One `Prepared` serves all replications and threads; it is never changed by a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use super::{Before, Replicate, RunInfo, before, budgets, picture};
use crate::{
    model::{
        Offered, Scenario,
        design::{Design, Limits},
        fault::sides::Cuts,
        ids::NodeId,
        names::Names,
        probe::Measured,
        replication::claims::{self, Claim, Doubt},
        sim::Simulation,
        traces::Data,
    },
    problem::Problems,
    scenario::spec::{ScenarioSpec, WarmUp},
};

/// What every model of this kind leaves out.
const LEAVES_OUT: [&str; 2] = [
    "What no law or limit in the file stands for: TCP, garbage collection, kernel scheduling, \
     noisy neighbours, correlated failures.",
    "People: operators who restart things, users who give up and come back later.",
];

/// A compiled scenario with what is said about its run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What the results say about the run.
    pub info: RunInfo,
    scenario: Scenario,
}

fn design(spec: &ScenarioSpec) -> Design {
    Design {
        topology: spec.topology.clone().unwrap_or_default(),
        network: spec.network.clone().unwrap_or_default(),
        clients: spec.clients.clone(),
        nodes: spec.nodes.clone(),
        alerts: spec.alerts.clone(),
        budgets: spec.budgets.clone(),
        faults: spec.faults.clone(),
        clocks: spec.clocks.clone(),
        history: spec.history,
        versions: spec.versions.clone(),
        watched: BTreeSet::new(),
        duration: spec.duration.0,
        warm_up: spec.warm_up.map_or(0, WarmUp::nanos),
    }
}

/// The stores of a scenario whose history is followed, whatever else may be wrong with it.
#[must_use]
pub fn followed(spec: &ScenarioSpec) -> BTreeSet<String> {
    let names = Names::new(Arc::new(design(spec)));
    names.tracked.followed.iter().map(|store| names.name(*store).to_owned()).collect()
}

/// The links of a scenario that cannot carry everything at once, and whether both ways cannot.
#[must_use]
pub fn links_with_bandwidth(spec: &ScenarioSpec) -> BTreeMap<String, bool> {
    let links = spec.network.iter().flat_map(|network| &network.links);
    let links = links.filter(|link| link.bandwidth.is_some());
    links.map(|link| (link.name(), link.one_way != Some(true))).collect()
}

/// What speaks against each claim about each of them, likewise.
#[must_use]
pub fn doubts(spec: &ScenarioSpec) -> BTreeMap<String, [Option<Doubt>; Claim::ALL.len()]> {
    let names = Names::new(Arc::new(design(spec)));
    let of = |store: NodeId| Claim::ALL.map(|claim| claims::doubt(&names, store, claim));
    let stores = names.tracked.followed.iter();
    stores.map(|store| (names.name(*store).to_owned(), of(*store))).collect()
}

/// The sides of each fault that cuts those who ask apart, likewise.
#[must_use]
pub fn sides(spec: &ScenarioSpec) -> BTreeMap<String, Vec<String>> {
    let names = Names::new(Arc::new(design(spec)));
    Cuts::new(&names, 0, 0).named(&names)
}

/// What is known of a design before it is made ready to run.
#[derive(Clone, Debug)]
pub struct Outline {
    /// What it costs; none where nothing has a price.
    pub cost: Option<Before>,
    /// What is asked of its nodes.
    pub offered: Vec<Offered>,
}

/// What is known of a sound scenario before it is made ready to run, if caches miss this share of their reads.
#[must_use]
pub fn outline(spec: &ScenarioSpec, missed: f64) -> Outline {
    let names = Scenario::check(design(spec), &mut Problems::default());
    Outline { cost: before(&names), offered: names.offered(missed) }
}

impl Prepared {
    /// Checks what a scenario means without making anything of it.
    pub fn check(spec: &ScenarioSpec, problems: &mut Problems) {
        Scenario::check(design(spec), problems);
    }

    /// Warnings of what every request of some operation needs and of which there is one.
    pub fn single_points(&self, asked: &[(Option<String>, Option<String>)]) -> Problems {
        self.scenario.single_points(asked)
    }

    /// Compiles a scenario; `None` when `problems` has errors.
    pub fn new(spec: &ScenarioSpec, data: &dyn Data, problems: &mut Problems) -> Option<Self> {
        let scenario = Scenario::compile(design(spec), data, problems)?;
        let design = &scenario.names().design;
        let info = RunInfo {
            scenario: spec.name.0.clone(),
            description: spec.description.clone(),
            confidence: spec.confidence.map_or(0.95, |c| c.0),
            duration: design.duration,
            warm_up: design.warm_up,
            replications: super::DEFAULT_REPLICATIONS,
            design: picture::design(scenario.names()),
            budgets: budgets::of(design),
            tariff: scenario.names().tariff(),
            leaves_out: leaves_out(spec, scenario.names().is_priced()),
            ..RunInfo::default()
        };
        Some(Self { info, scenario })
    }

    /// The operations of clients that may write data of followed stores (true), or only read it.
    pub fn data_operations(&self) -> Vec<(String, String, bool)> {
        let names = self.scenario.names();
        let clients = names.design.clients.iter();
        let operations = clients.flat_map(|(client, spec)| {
            let operations = spec.operations().into_iter();
            operations.map(|(operation, of)| (client.0.clone(), operation, of))
        });
        let writes = operations.filter_map(|(client, operation, of)| {
            let writes = names.writes(&operation, &of)?;
            Some((client, operation, writes))
        });
        writes.collect()
    }

    /// Has requests measured operation by operation around these faults.
    pub fn watch(&mut self, faults: BTreeSet<String>) {
        self.scenario.watch(faults);
    }

    /// Simulated milliseconds so far, over all replications.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.scenario.progress)
    }

    /// Its clients in the order of their names.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.scenario.names().clients()
    }

    /// One replication, at its beginning.
    #[must_use]
    pub fn replication(&self, seed: u64) -> Simulation {
        self.scenario.replication(seed)
    }

    /// Bounds of each replication.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.scenario.limits
    }

    /// What is asked of its nodes, if caches miss this share of their reads.
    pub fn offered(&self, missed: f64) -> Vec<Offered> {
        self.scenario.names().offered(missed)
    }

    /// Stops each replication after so many events.
    pub fn limit_events(&mut self, events: u64) {
        self.scenario.limits.events = events;
    }
}

impl Replicate for Prepared {
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        self.scenario.replicate(seed, stop)
    }
}

fn leaves_out(spec: &ScenarioSpec, priced: bool) -> Vec<String> {
    let mut all: Vec<String> = LEAVES_OUT.iter().map(|text| (*text).to_owned()).collect();
    if priced {
        all.push(
            "Prices that change with how much is bought, free tiers, taxes, people.".to_owned(),
        );
    }
    if spec.network.is_none() {
        all.push("The network: no latency is given, so messages take no time.".to_owned());
    }
    if spec.warm_up.is_none() {
        all.push(
            "The start from empty is part of every figure, because `warm_up` is not given."
                .to_owned(),
        );
    }
    if spec.nodes.values().any(|node| node.kind().has_environments()) {
        all.push(
            "Functions: each zone keeps breakers, connections and limits of edges, as if its environments \
             shared them; no environment is taken away before its time."
                .to_owned(),
        );
    }
    let copied = |node: &crate::model::kinds::NodeSpec| {
        node.kind().partitions().is_some() && node.kind().replication().is_some()
    };
    if spec.nodes.values().any(copied) {
        all.push(
            "Logs with copies: how far groups are and who is in them is known to all copies at once."
                .to_owned(),
        );
    }
    let holds = |node: &crate::model::kinds::NodeSpec| {
        node.kind().autoscale().is_some_and(|(spec, _)| spec.hold.is_some())
    };
    if spec.nodes.values().any(holds) {
        all.push(
            "Calls that wait for an instance: the door where they do takes no time, costs nothing, and no fault \
             strikes it."
                .to_owned(),
        );
    }
    let sharded = |node: &crate::model::kinds::NodeSpec| {
        let facts = node.kind().facts();
        facts.shards && facts.instances > 1
    };
    if spec.nodes.values().any(sharded) {
        all.push(
            "Another placement of keys on shards: all replications share one, so its variability \
             is outside the intervals."
                .to_owned(),
        );
    }
    all
}
