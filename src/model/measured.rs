//! What a replication measured, put together at its end.
//!
//! **Invariant.** The books are checked before anything is taken from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    budget::pages::{self, Over},
    probe::{
        ClientMeasured, ConsistencyMeasured, InstanceMeasured, Measured, NodeMeasured,
        OperationMeasured, RequestWindow, Side,
    },
    record::{OperationRecord, Snapshot},
    replication::{ReplicationSpec, tally::ReplicasMeasured},
    sim::Simulation,
    windows::{NodeWindows, causes_since, since},
};
use crate::{
    model::{ids::NodeId, names::Names, network::books::LinkMeasured},
    stats::Histogram,
};

impl Simulation {
    pub(super) fn finish(mut self, ended_at: u64, truncated: Option<String>) -> Measured {
        let plan = Arc::clone(&self.plan);
        let names = &plan.names;
        self.end_window();
        self.world.record.end_window();
        let last = std::mem::take(&mut self.window_snapshot);
        if truncated.is_none() {
            self.check_little(&last);
        }
        self.check_bounds(&last, names);
        let hanging = self.check_requests(names);
        self.check_messages();
        let window = self.world.record.window;
        let outages = self.world.data.as_mut().and_then(|data| data.outages.take());
        let outages = outages.map(|outages| outages.measured()).unwrap_or_default();
        let mut consistency = self.consistency_measured();
        self.check_promises(&consistency, names);
        self.check_sessions(&consistency, names);
        let by_window = std::mem::take(&mut self.by_window.nodes).into_iter().enumerate();
        let nodes = by_window.map(|(i, node)| {
            let measured = self.node_measured(i, node, names, &last);
            let mut seen = consistency.remove(&(i as NodeId));
            if let (Some(seen), Some(replicas)) = (&mut seen, &measured.replicas) {
                seen.split = replicas.elections.is_some().then_some(replicas.split);
                let spec = names.kind(i as NodeId).replication();
                let conflicts = replicas.counted.get("conflict").copied().unwrap_or_default();
                seen.conflicts =
                    spec.is_some_and(ReplicationSpec::keeps_siblings).then_some(conflicts);
            }
            NodeMeasured { consistency: seen, ..measured }
        });
        let mut nodes: Vec<NodeMeasured> = nodes.collect();
        let links = self.links_measured(names, last.at);
        let from = &self.span_snapshot;
        let uptime = (last.uptime.since(from.uptime), last.at.saturating_sub(from.at));
        let between = last.between.since(from.between);
        let traffic = std::array::from_fn(|class| last.traffic[class] - from.traffic[class]);
        let samples = std::mem::take(&mut self.world.record.samples);
        let fingerprint = self.world.record.fingerprint;
        let mut faults = self.faults_measured(names, ended_at);
        self.count_costs(&outages, (&mut faults, &mut nodes), names, ended_at);
        let ids = names.design.alerts.keys();
        let alerts = self.monitors.iter().zip(ids).map(|(m, id)| m.measured(&id.0)).collect();
        let over = Over { ended_at, span: last.at.saturating_sub(from.at) };
        let budgets = names.design.budgets.values().zip(&self.world.record.budgets);
        let budgets =
            budgets.map(|(spec, counts)| pages::measured(spec, counts, &faults, over)).collect();
        let window_starts = (0..self.windows).map(|w| w * window).collect();
        let (seed, events) = (self.seed, self.events);
        Measured {
            seed,
            clients: self.clients_measured(names),
            nodes,
            uptime,
            between,
            traffic,
            links,
            alerts,
            budgets,
            faults,
            hanging,
            window_starts,
            ended_at,
            truncated,
            events,
            fingerprint,
            samples: samples.into_iter().map(|s| s.1).collect(),
        }
    }

    fn links_measured(&mut self, names: &Names, now: u64) -> Vec<LinkMeasured> {
        let all = self.world.network.links_measured(now).into_iter();
        let name = |link: usize| names.design.network.links[link].name();
        let mut held = std::mem::take(&mut self.by_window.links);
        all.map(|(of, one)| LinkMeasured {
            name: name(of.0),
            back: of.1,
            held: held.held(of),
            ..one
        })
        .collect()
    }

    fn node_measured(
        &self,
        i: usize,
        mut by_window: NodeWindows,
        names: &Names,
        last: &Snapshot,
    ) -> NodeMeasured {
        let facts = names.kind(i as NodeId).facts();
        let record = &self.world.record.nodes[i];
        let (from, to) = (&self.span_snapshot.nodes[i], &last.nodes[i]);
        let instances: Vec<InstanceMeasured> = to
            .instances
            .iter()
            .zip(&from.instances)
            .map(|(b, a)| InstanceMeasured {
                busy: b.busy - a.busy,
                arrivals: b.arrivals - a.arrivals,
                served: b.served() - a.served(),
                down: b.down - a.down,
                in_queue: b.in_queue - a.in_queue,
                depth: b.depth - a.depth,
                cache: b.cache.since(a.cache),
                throttled: (b.throttled.0 - a.throttled.0, b.throttled.1 - a.throttled.1),
            })
            .collect();
        NodeMeasured {
            held: by_window.held((from, self.span_snapshot.at), (to, last.at)),
            name: names.name(i).to_owned(),
            uptime: to.uptime.since(from.uptime),
            kind: facts.kind,
            capacity: facts.capacity,
            span: last.at.saturating_sub(self.span_snapshot.at),
            arrivals: to.arrivals - from.arrivals,
            in_system: to.in_system - from.in_system,
            in_queue: instances.iter().map(|x| x.in_queue).sum(),
            waiting: record.waiting.clone(),
            service: record.service.clone(),
            response: record.response.clone(),
            outcomes: since(&to.outcomes, &from.outcomes),
            causes: causes_since(&to.causes, &from.causes),
            instances,
            windows: by_window.windows,
            each: by_window.each,
            consistency: None,
            sagas: self.nodes[i].sagas(),
            batches: self.nodes[i].batches(),
            pools: self.world.record.pools_of("node", names.name(i)),
            purchase: self.purchase_measured(i as NodeId, names, (self.span_snapshot.at, last.at)),
            moved: self.nodes[i].moved(),
            backups: self.nodes[i].backups().map(Box::new),
            queue: self.nodes[i].queue().map(|own| Box::new(self.messages((i as NodeId, 0), own))),
            groups: self.read_by_groups(i as NodeId),
            outbox: self.nodes[i].outbox(),
            in_doubt: self.nodes[i].in_doubt(last.at).map(Box::new),
            environments: self.environments_measured(i, from, last.at),
            scaling: self.scaling_measured(i as NodeId, self.span_snapshot.at),
            replicas: self.nodes[i].replicas(last.at).map(|replicas| ReplicasMeasured {
                zones: names.zones_of_instances(i as NodeId),
                ..replicas
            }),
        }
    }

    /// All operations on data are kept one by one, of these keys or, without any, of all.
    pub fn keep_operations(&mut self, keys: &BTreeSet<u64>) {
        if let Some(data) = &mut self.world.data {
            data.keep_operations(keys);
        }
    }

    /// What clients saw of the data of each store that is followed.
    fn consistency_measured(&mut self) -> BTreeMap<NodeId, ConsistencyMeasured> {
        let Some(data) = self.world.data.take() else { return BTreeMap::new() };
        let mut held = data.on_their_way(self.world.frames.iter().map(|(slot, _)| slot));
        self.nodes.iter().for_each(|node| node.holds(&mut held));
        let written = &self.plan.names.tracked.transactions;
        data.measured(&held, written, |store, key| self.world.shard_of(store, key))
    }

    fn clients_measured(mut self, names: &Names) -> Vec<ClientMeasured> {
        let record = &self.world.record;
        let first = record.window_at(record.measured_from);
        let span = (first, !record.measured_from.is_multiple_of(record.window));
        let places = names.design.watched.len() * Side::ALL.len();
        let windows = std::mem::take(&mut self.world.record.active);
        let (from, end) = (self.world.record.measured_from, self.world.now());
        let active = |client: usize| {
            let at = windows.iter().position(|w| w.0 == client)?;
            Some(windows[at].1.measured(places + 2 * at, from, end))
        };
        let mut pools = self.world.record.pools_of_all("client", names.clients());
        let mut rows = self.world.record.operations.into_iter();
        names
            .design
            .clients
            .iter()
            .enumerate()
            .map(|(index, (name, spec))| ClientMeasured {
                active: active(index),
                pools: pools.remove(&name.0).unwrap_or_default(),
                name: name.0.clone(),
                operations: spec
                    .operations()
                    .into_iter()
                    .map(|(operation, effective)| {
                        let row = rows.next().expect("a row per operation");
                        let writes = names.writes(&operation, &effective);
                        OperationMeasured {
                            writes,
                            ..operation_measured(operation, row, &names.marks, span)
                        }
                    })
                    .collect(),
            })
            .collect()
    }
}

/// Figures of one operation; `span` is the first measured window and whether it is the second part of
/// a window that the span cuts in two.
fn operation_measured(
    name: String,
    row: OperationRecord,
    marks: &[String],
    span: (usize, bool),
) -> OperationMeasured {
    let marks: BTreeMap<String, Histogram> =
        marks.iter().cloned().zip(row.marks).filter(|(_, h)| h.count() > 0).collect();
    let (mut windows, mut happened) = (row.windows, row.happened);
    let mut total = RequestWindow::default();
    windows[span.0..].iter().for_each(|w| total.add_counts(w));
    if span.1 {
        let second = windows.remove(span.0);
        let first = &mut windows[span.0 - 1];
        first.add_counts(&second);
        first.latency.merge(&second.latency);
        let second = happened.remove(span.0);
        happened[span.0 - 1].add(&second);
    }
    OperationMeasured {
        name,
        issued: total.issued,
        outcomes: total.outcomes,
        good: total.good,
        attempts: total.attempts,
        replies: row.replies,
        waiting: row.waiting,
        latency: row.latency,
        latency_failed: row.latency_failed,
        marks,
        windows,
        happened,
        around: row.around,
        writes: None,
    }
}
