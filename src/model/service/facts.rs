//! What a service says of itself: its outside, its calls, what a visit takes.

use std::collections::BTreeMap;

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        autoscale::AutoscaleSpec,
        fault::Effect,
        kind::{
            Facts, FarEnd, Kind, Op, Outgoing, Prices, Reach, Startup, Verb, Visit, spares_a_server,
        },
        network::ZonesSpec,
        purchase::PurchaseSpec,
        queue::consumes::ConsumeFields,
        replication::AnsweredSpec,
        resilience::{EdgeSpec, rate_limit::RateLimitsSpec},
        service::{
            ServiceSpec, Speedup, StepSpec,
            parts::{AUTH, LockSpec, OPERATION},
            walk::{any_step, step_calls, step_files, step_marks, step_names, steps_visit},
        },
    },
    node_kind::NodeKind,
    units::{Name, show::plural},
};

/// Calls that are followed to what they fall back on, should those go round in a circle.
const MAX_OUTGOING: usize = 10_000;

/// Spot instances of one place in the design that are on their way out at once, besides one, at most.
const MOST_AGAIN: f64 = 3.0;

impl ServiceSpec {
    /// Instances that an autoscaler may want.
    pub fn most(&self) -> u64 {
        self.autoscale.as_ref().map_or(0, |scales| scales.max.0)
    }

    /// Instances at the start.
    fn first_instances(&self) -> u64 {
        match (&self.autoscale, self.instances) {
            (Some(_), Some(n)) => n.0,
            (Some(scales), None) => scales.min.0,
            (None, _) => self.wanted(),
        }
    }

    /// Whether there may be no instance at all.
    fn reaches_zero(&self) -> bool {
        self.autoscale.as_ref().is_some_and(|scales| scales.reaches_zero())
    }

    /// Places for those who are about to leave while others take their part.
    fn spare_places(&self) -> u64 {
        let vacant = u64::from(self.reaches_zero());
        let Some(purchase) = &self.purchase else { return vacant };
        let Some(spot) = &purchase.spot else { return vacant };
        let mean =
            |law: &Option<DurationLaw>| law.as_ref().and_then(DurationLaw::mean).unwrap_or(0.0);
        // So many may be told to go, one after the other, before the first of them is gone.
        let again = spot.notice() as f64 / (mean(&self.boot) + mean(&spot.refill)).max(1.0);
        let waves = 1 + again.ceil().min(MOST_AGAIN) as u64;
        // And one where nobody ever is.
        purchase.of(self.wanted())[1] * waves + 1
    }
}

impl Kind for ServiceSpec {
    fn facts(&self) -> Facts<'_> {
        let cores = self.cores.map(|c| c.0 as f64);
        // Batches are worked off by cores.
        let speed = self.speedup.as_ref().filter(|_| self.batch.is_none()).map(Speedup::max);
        let workers = self.workers.map(|w| w.0 as f64);
        let places = Some(self.places).filter(|places| *places > 0);
        Facts {
            kind: NodeKind::Service,
            instances: places.unwrap_or_else(|| self.wanted() + self.spare_places()),
            need: self.need.map_or(u64::from(!self.reaches_zero()), |n| n.0),
            capacity: speed.or(cores).or(workers),
            shards: false,
            zones: self.zones.as_ref(),
            floats: false,
            reach: Reach::Any,
            replicas: None,
        }
    }

    fn comes_and_goes(&self) -> Option<u64> {
        let spot = self.purchase.as_ref().is_some_and(|purchase| purchase.spot.is_some());
        (spot || self.autoscale.is_some()).then(|| self.first_instances())
    }

    fn wanted(&self) -> u64 {
        match (&self.autoscale, &self.zones) {
            (Some(scales), _) => scales.max.0,
            (None, Some(ZonesSpec::Counts(counts))) => counts.values().map(|c| c.0).sum(),
            (None, _) => self.instances.map_or(1, |n| n.0),
        }
    }

    fn purchase(&self) -> Option<(&PurchaseSpec, u64)> {
        Some((self.purchase.as_deref()?, self.wanted()))
    }

    fn detail(&self) -> String {
        let parts = [(self.workers, "worker"), (self.cores, "core")];
        let parts = parts.into_iter().filter_map(|(n, word)| Some(plural(n?.0, word)));
        let batch = self.batch.map(|batch| format!("batches of {}", batch.size.0));
        parts.chain(batch).collect::<Vec<_>>().join(", ")
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let mut all = Vec::new();
        for (name, steps) in &self.endpoints {
            let path = format!("{path}.endpoints.{}", name.0);
            step_calls(steps, (&path, &name.0), (1.0, true), &mut all);
        }
        for (i, target) in self.calls.iter().enumerate() {
            all.push(Outgoing::to(format!("{path}.calls[{i}]"), &target.0));
        }
        if let Some(auth) = self.inbound.as_ref().and_then(|inbound| inbound.auth.as_ref()) {
            all.push(Outgoing {
                operation: Some((AUTH.to_owned(), None)),
                label: AUTH.to_owned(),
                ..Outgoing::to(format!("{path}.inbound.auth"), &auth.0)
            });
        }
        for (i, task) in self.background.iter().enumerate() {
            let (first, path) = (all.len(), format!("{path}.background[{i}].do"));
            let rate = task.rate(self.first_instances());
            step_calls(&task.do_, (&path, &String::new()), (rate, true), &mut all);
            for call in &mut all[first..] {
                (call.endpoint, call.by_itself) = (None, true);
                call.operation.get_or_insert((OPERATION.to_owned(), None));
                call.label = format!("{} {}", OPERATION, call.label).trim_end().to_owned();
            }
        }
        for (i, consumed) in self.consumed().enumerate() {
            let (first, at) = (all.len(), self.consume_path(path, i));
            let path = format!("{at}.per_batch");
            let each = 1.0 / consumed.batch.map_or(1, |n| n.0) as f64;
            step_calls(&consumed.per_batch, (&path, &String::new()), (each, false), &mut all);
            all[first..].iter_mut().for_each(|call| call.endpoint = None);
            let dead = |grave: &Name| Outgoing {
                label: "dead message".to_owned(),
                times: 0.0,
                ..Outgoing::message(format!("{at}.dead_letter"), &grave.0)
            };
            all.extend(consumed.dead_letter.iter().map(dead));
        }
        for (store, tier) in self.stale_reads() {
            all.push(Outgoing {
                operation: Some((Verb::LookupStale.name().to_owned(), Some(Verb::LookupStale))),
                label: "fallback".to_owned(),
                times: 0.0,
                ..Outgoing::to(format!("{path}.dependencies.{store}.fallback.cache"), &tier.0)
            });
        }
        // What a call falls back on is asked the same, and may fall back in turn.
        let mut next = 0;
        while let Some(call) = all.get(next) {
            let edge = self.edge(&call.target).filter(|_| !call.of_transaction);
            let edge = edge.and_then(|edge| edge.fallback.as_ref());
            if let Some(other) = edge.and_then(|fallback| fallback.call.as_ref())
                && all.len() < MAX_OUTGOING
            {
                let fallback = Outgoing {
                    path: format!("{path}.dependencies.{}.fallback.call", call.target),
                    target: other.0.clone(),
                    times: 0.0,
                    label: "fallback".to_owned(),
                    answered: AnsweredSpec::default(),
                    ..call.clone()
                };
                all.push(fallback);
            }
            next += 1;
        }
        for call in &mut all {
            self.by_its_edge(call);
        }
        all
    }

    fn marks(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.endpoints.values().for_each(|steps| step_marks(steps, &mut all));
        all
    }

    fn key_locks(&self) -> Vec<String> {
        self.locks_of_keys()
    }

    fn carries(&self) -> bool {
        let edges = self.dependencies.values().any(EdgeSpec::carries);
        let uses = |f: &DurationFormula| f.attributes().next().is_some();
        edges
            || self.inbound.as_ref().is_some_and(|inbound| inbound.carries())
            || self.work.as_ref().is_some_and(uses)
            || self.lists().any(|s| {
                any_step(s, &|step| {
                    step.when.is_some()
                        || step.lock.as_ref().is_some_and(|lock| lock.per.is_some())
                        || step.spread().is_some()
                        || step.reply.is_some()
                        || step.work.iter().chain(&step.wait).any(uses)
                        || step.target().is_some_and(|t| t.2.is_some() || t.3.is_some())
                })
            })
    }

    fn compared(&self) -> Vec<(String, Option<String>)> {
        let mut all = Vec::new();
        self.lists().for_each(|steps| step_names(steps, &mut all));
        let inbound = self.inbound.iter().filter_map(|inbound| inbound.rate_limit.as_ref());
        let edges = self.dependencies.values().filter_map(|edge| edge.rate_limit.as_ref());
        let limits = inbound.flat_map(|limits| limits.0.values()).chain(edges);
        let parts = limits.flat_map(RateLimitsSpec::parts);
        let at_once = self.inbound.iter().filter_map(|inbound| inbound.per());
        all.extend(parts.chain(at_once).map(|per| (per.clone(), None)));
        all
    }

    fn files(&self) -> Vec<(Table, String)> {
        let mut all = Vec::new();
        let validate = self.inbound.iter().filter_map(|inbound| inbound.validate.as_ref());
        all.extend(self.work.iter().chain(validate).flat_map(DurationFormula::tables));
        let edges = self.dependencies.values().flat_map(EdgeSpec::laws);
        let periods = self.background.iter().map(|task| &task.every);
        let bought = self.purchase.iter().flat_map(|purchase| purchase.laws());
        let laws = self.patience.iter().chain(&self.boot).chain(edges).chain(periods).chain(bought);
        all.extend(laws.flat_map(DurationLaw::tables));
        for steps in self.lists() {
            step_files(steps, &mut all);
        }
        all
    }

    fn autoscale(&self) -> Option<(&AutoscaleSpec, u64)> {
        Some((self.autoscale.as_deref()?, self.first_instances()))
    }

    fn is_mortal(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| limits.is_mortal())
    }

    fn startup(&self) -> Startup<'_> {
        let warm = self.warm.map(|w| (w.for_.0, w.factor.0));
        Startup { boot: self.boot.as_ref(), warm }
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        spares_a_server(effect)
            .filter(|_| !(matches!(effect, Effect::Clock(_)) && self.goes_by_clock()))
    }

    fn goes_by_clock(&self) -> bool {
        !self.leased_locks().is_empty()
    }

    fn restarts(&self) -> bool {
        true
    }

    fn edges(&self) -> Option<&BTreeMap<Name, EdgeSpec>> {
        Some(&self.dependencies)
    }

    fn far_end(&self) -> FarEnd {
        let most = self.limits.as_ref().and_then(|limits| limits.connections);
        FarEnd {
            takes: true,
            keep_alive: self.keep_alive.map(|span| span.0),
            most: most.map(|most| most.0),
            passes_on: false,
        }
    }

    fn endpoints(&self) -> Vec<&str> {
        self.endpoints.keys().map(|name| name.0.as_str()).collect()
    }

    fn unasked(&self) -> f64 {
        self.background.iter().map(|task| task.rate(self.first_instances())).sum()
    }

    /// They die, or lose a lease.
    fn stops_by_itself(&self) -> bool {
        self.is_mortal() || self.background.iter().any(|task| task.lease.is_some())
    }

    fn rationed(&self) -> Option<f64> {
        self.quota.map(|quota| quota.cores())
    }

    fn saturates(&self) -> Option<&'static str> {
        match (&self.speedup, self.cores) {
            // Several at once may be served faster than one after the other.
            _ if self.batch.is_some() => None,
            (Some(_), _) => None,
            (None, Some(_)) => Some("cores"),
            (None, None) => Some("workers"),
        }
    }

    fn prices(&self) -> Option<Prices> {
        let classes = self.purchase.as_ref().map(|purchase| purchase.prices());
        Some(Prices { hour: self.price.map(|p| p.0), classes, ..Prices::default() })
    }

    fn visit(&self, op: &Op) -> Visit {
        let default = || self.endpoints.get(&Name("default".to_owned()));
        let mut visit = match self.endpoints.get(&Name(op.0.clone())).or_else(default) {
            Some(steps) => steps_visit(steps),
            None => self.work.as_ref().map_or_else(Visit::default, |work| Visit {
                least: work.min_value(),
                work: work.mean_of_law().unwrap_or(0.0),
            }),
        };
        if let Some(work) = self.inbound.as_ref().and_then(|inbound| inbound.validate.as_ref()) {
            visit.least += work.min_value();
            visit.work += work.mean_of_law().unwrap_or(0.0);
        }
        if self.speedup.is_some() || self.limits.as_ref().is_some_and(|limits| limits.strains()) {
            // Several at once may be served faster than one alone.
            visit.least = 0.0;
        }
        visit
    }

    fn consumes(&self, path: &str) -> Vec<(&Name, String)> {
        let one = |(i, consumed): (usize, &'_ ConsumeFields)| {
            let short = consumed.is_short();
            let at = self.consume_path(path, i);
            if short { at } else { format!("{at}.from") }
        };
        let paths: Vec<String> = self.consumed().enumerate().map(one).collect();
        self.consumed().map(|consumed| &consumed.from).zip(paths).collect()
    }

    fn read_groups(&self, own: &str) -> Vec<(String, String)> {
        let one = |consumed: &ConsumeFields| {
            let group = consumed.group.as_ref().map_or(own, |group| &group.0);
            (consumed.from.0.clone(), group.to_owned())
        };
        self.consumed().map(one).collect()
    }

    fn changeable(&self) -> &'static [&'static str] {
        &[
            "work",
            "calls",
            "endpoints",
            "background",
            "dependencies",
            "inbound",
            "limits",
            "autoscale",
        ]
    }
}

impl ServiceSpec {
    /// How often a call is tried, and how deep it may go, by its edge. What stands in for another call is not bounded, nor what a door asks.
    fn by_its_edge(&self, call: &mut Outgoing) {
        let edge = self.edge(&call.target);
        if !call.of_transaction {
            call.attempts =
                edge.and_then(|edge| edge.retry.as_ref()).map_or(1, |retry| retry.attempts.0);
        }
        let of_step =
            !call.path.contains(".dependencies.") && !call.path.ends_with(".inbound.auth");
        let depth = edge.and_then(|edge| edge.max_depth).filter(|_| of_step && !call.of_record);
        call.bounded = depth.map(|depth| depth.0);
    }

    /// All its lists of steps.
    pub fn lists(&self) -> impl Iterator<Item = &[StepSpec]> {
        let own = self.background.iter().map(|task| task.do_.as_slice());
        let batches = self.consumed().map(|consumed| consumed.per_batch.as_slice());
        self.endpoints.values().map(Vec::as_slice).chain(own).chain(batches)
    }

    /// The queues it consumes.
    pub fn consumed(&self) -> impl Iterator<Item = &ConsumeFields> {
        self.consumes.iter().flat_map(|consumes| &consumes.0).map(|consume| &consume.0)
    }

    /// Where the file says that it consumes its `i`-th queue.
    pub fn consume_path(&self, path: &str, i: usize) -> String {
        let several = self.consumes.as_ref().is_some_and(|consumes| consumes.0.len() > 1);
        if several { format!("{path}.consumes[{i}]") } else { format!("{path}.consumes") }
    }

    /// The dependencies of the file.
    pub fn edge(&self, target: &str) -> Option<&EdgeSpec> {
        self.dependencies.iter().find(|d| d.0.0 == target).map(|d| d.1)
    }
}

impl ServiceSpec {
    /// The reads through caches that fall back on what these still have: node and tier.
    pub fn stale_reads(&self) -> Vec<(&str, &Name)> {
        let mut all = Vec::new();
        let mut lists: Vec<&[StepSpec]> = self.endpoints.values().map(Vec::as_slice).collect();
        while let Some(steps) = lists.pop() {
            for step in steps {
                lists.extend(step.inner().into_iter().map(|(_, steps)| steps));
                let Some(read) = step.read.as_ref().map(|read| &read.0) else { continue };
                let edge = self.edge(&read.from.0).and_then(|edge| edge.fallback.as_ref());
                if edge.is_some_and(|fallback| fallback.cache.is_some()) {
                    let tiers = read.cache.iter().flat_map(|tiers| &tiers.0);
                    all.extend(tiers.map(|tier| (read.from.0.as_str(), tier)));
                }
            }
        }
        all
    }
}

impl ServiceSpec {
    /// All its steps, and those within.
    fn all_steps(&self) -> Vec<&StepSpec> {
        let mut all: Vec<&StepSpec> = self.lists().flatten().collect();
        let mut next = 0;
        while let Some(step) = all.get(next) {
            all.extend(step.inner().into_iter().flat_map(|(_, list)| list));
            next += 1;
        }
        all
    }

    /// The locks of which each key has its own.
    pub(super) fn locks_of_keys(&self) -> Vec<String> {
        let locks = self.all_steps().into_iter().filter_map(|step| step.lock.as_ref());
        locks.filter(|lock| lock.per.is_some()).map(|lock| lock.name.0.clone()).collect()
    }

    /// Whether a process that dies leaves something undone.
    pub fn has_blocks(&self) -> bool {
        let leased = |step: &&StepSpec| step.leased_lock().is_some();
        let undone = |step: &&StepSpec| step.saga.is_some() || step.transaction.is_some();
        self.all_steps().iter().any(|step| leased(step) || undone(step))
    }

    /// The locks that are kept in stores.
    pub fn leased_locks(&self) -> Vec<(&Name, &LockSpec)> {
        self.all_steps().into_iter().filter_map(StepSpec::leased_lock).collect()
    }
}
