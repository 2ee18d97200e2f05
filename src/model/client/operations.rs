//! What a client says of itself: its operations with what they inherit, its files, its load.

use crate::{
    engine::law::{DurationLaw, SizeFormula, Table},
    model::{
        client::{
            ActiveSpec, Arrivals, AttributeSpec, ClientSpec, LoadSpec, OperationSpec, load::Profile,
        },
        kind::Verb,
        names::Names,
        network::ZonesSpec,
        queue::consumes::{AckSpec, PublishFields},
        replication::AnsweredSpec,
        resilience::EdgeSpec,
        service::StepSpec,
    },
    units::{Count, Fraction, Name},
};

/// One operation with everything it inherits from its client.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'s> {
    own: Option<&'s OperationSpec>,
    client: &'s ClientSpec,
}

impl<'s> Effective<'s> {
    /// Node and verb.
    pub fn target(&self) -> Option<(&'s Name, Option<Verb>)> {
        self.own_target().or_else(|| {
            let c = self.client;
            let (read, write) = (c.read.as_ref(), c.write.as_ref());
            let [read, write] = [read.map(|r| &r.0.from), write.map(|w| &w.0.to)];
            let rest = [c.delete.as_ref(), c.cas.as_ref(), c.increment.as_ref()];
            let to = c.publish.as_ref().map(|publish| &publish.0.to).or(c.to.as_ref());
            first_target(to, [read, write], rest)
        })
    }

    /// Node and verb, where it does not inherit them.
    fn own_target(&self) -> Option<(&'s Name, Option<Verb>)> {
        let o = self.own?;
        let (read, write) = (o.read.as_ref(), o.write.as_ref());
        let [read, write] = [read.map(|r| &r.0.from), write.map(|w| &w.0.to)];
        let rest = [o.delete.as_ref(), o.cas.as_ref(), o.increment.as_ref()];
        let to = o.publish.as_ref().map(|publish| &publish.0.to).or(o.to.as_ref());
        first_target(to, [read, write], rest)
    }

    /// The message its requests are, if they publish one.
    pub fn publish(&self) -> Option<&'s PublishFields> {
        let publish = match (self.own, self.own_target()) {
            (Some(own), Some(_)) => own.publish.as_ref(),
            _ => self.client.publish.as_ref(),
        };
        publish.map(|publish| &publish.0)
    }

    /// Whether its requests are over as soon as they are sent.
    pub fn is_unanswered(&self) -> bool {
        self.publish().is_some_and(|publish| publish.ack == Some(AckSpec::None))
    }

    /// Other targets that stand beside a `publish`, and what else says the same of its message.
    pub fn beside_publish(&self) -> Vec<&'static str> {
        macro_rules! given {
            ($of:expr, $($key:ident)*) => {
                [$((stringify!($key), $of.$key.is_some())),*].into_iter().filter(|given| given.1).map(|given| given.0)
            };
        }
        let Some(publish) = self.publish() else { return Vec::new() };
        let mut all: Vec<&'static str> = Vec::new();
        match self.own.filter(|own| own.publish.is_some()) {
            Some(own) => {
                all.extend(given!(own, to read write delete cas increment));
                all.extend(own.key.as_ref().filter(|_| publish.key.is_some()).map(|_| "key"));
                all.extend(own.size.as_ref().filter(|_| publish.size.is_some()).map(|_| "size"));
            }
            None => {
                let client = self.client;
                all.extend(given!(client, to read write delete cas increment));
                all.extend(client.size.as_ref().filter(|_| publish.size.is_some()).map(|_| "size"));
            }
        }
        all
    }

    /// Policies that stand beside a `publish` nobody waits for.
    pub fn in_vain(&self) -> Vec<&'static str> {
        macro_rules! given {
            ($($key:ident)*) => {
                [$((stringify!($key), match self.own.filter(|own| own.publish.is_some()) {
                    Some(own) => own.$key.is_some(),
                    None => self.client.$key.is_some(),
                })),*]
            };
        }
        let all = given!(timeout deadline retry breaker throttle rate_limit bulkhead pool hedge fallback cancel);
        let given = all.into_iter().filter(|given| given.1 && self.is_unanswered());
        given.map(|given| given.0).collect()
    }

    /// How what it reads or writes is answered, where that is not as its store says.
    pub fn answered(&self) -> AnsweredSpec {
        let (own, client) = (self.own, self.client);
        match self.target().and_then(|(_, verb)| verb) {
            Some(Verb::Read) => {
                let read = own.and_then(|o| o.read.as_ref()).or(client.read.as_ref());
                read.map_or_else(AnsweredSpec::default, |read| AnsweredSpec {
                    reads: read.0.reads,
                    quorum: read.0.quorum,
                })
            }
            Some(Verb::Write) => {
                let write = own.and_then(|o| o.write.as_ref()).or(client.write.as_ref());
                AnsweredSpec { reads: None, quorum: write.and_then(|write| write.0.quorum) }
            }
            _ => AnsweredSpec::default(),
        }
    }

    /// Share, if it was given.
    pub fn share(&self) -> Option<Fraction> {
        self.own.and_then(|o| o.share)
    }

    /// Key space, if it was given.
    pub fn key(&self) -> Option<&'s Name> {
        let of_message = || self.publish().and_then(|publish| publish.key.as_ref());
        self.own.and_then(|o| o.key.as_ref()).or_else(of_message)
    }

    /// Priority; 100 when not given.
    pub fn priority(&self) -> u64 {
        let own = self.own.and_then(|o| o.priority);
        own.or(self.client.priority).unwrap_or(Count(100)).0
    }

    /// Size of a request.
    pub fn size(&self) -> Option<&'s SizeFormula> {
        let of_message = self.publish().and_then(|publish| publish.size.as_ref());
        let own = self.own.and_then(|o| o.size.as_ref());
        own.or(of_message).or(self.client.size.as_ref())
    }

    /// Node and verb of its requests, and of what they fall back on.
    pub fn targets(&self) -> Vec<(&'s Name, Option<Verb>)> {
        let Some((first, verb)) = self.target() else { return Vec::new() };
        let other = self.own.and_then(|o| o.fallback.as_ref()).or(self.client.fallback.as_ref());
        let other = other.and_then(|fallback| fallback.call.as_ref());
        [first].into_iter().chain(other).map(|name| (name, verb)).collect()
    }

    /// Path of a key (`timeout`, `retry.attempts`): in the operation, or in its client, whose path is
    /// given, where it inherits it.
    pub fn place(&self, client: &str, operation: &str, key: &str) -> String {
        if self.own.is_none() || self.inherits(key.split(['.', '[']).next().unwrap_or(key)) {
            format!("{client}.{key}")
        } else {
            format!("{client}.operations.{operation}.{key}")
        }
    }

    fn inherits(&self, key: &str) -> bool {
        macro_rules! is_client_s {
            ($($name:ident)*) => {
                match key {
                    $(stringify!($name) => {
                        self.client.$name.is_some() && self.own.is_none_or(|o| o.$name.is_none())
                    })*
                    _ => false,
                }
            };
        }
        is_client_s!(to publish read write delete cas increment timeout deadline retry breaker throttle rate_limit
            bulkhead pool hedge fallback cancel guarantees idempotent priority size)
    }

    /// The policies as an edge.
    pub fn edge(&self) -> EdgeSpec {
        macro_rules! inherited {
            ($($key:ident)*) => {
                EdgeSpec {
                    $($key: {
                        let own = self.own.and_then(|o| o.$key.as_ref());
                        own.or(self.client.$key.as_ref()).cloned()
                    },)*
                    // Nobody calls a client.
                    max_depth: None,
                }
            };
        }
        inherited!(timeout deadline retry breaker throttle rate_limit bulkhead pool hedge fallback cancel guarantees idempotent)
    }
}

fn first_target<'s>(
    to: Option<&'s Name>,
    data: [Option<&'s Name>; 2],
    rest: [Option<&'s Name>; 3],
) -> Option<(&'s Name, Option<Verb>)> {
    let verbs = [None].into_iter().chain(Verb::ALL.into_iter().map(Some));
    let names = [to].into_iter().chain(data).chain(rest);
    names.zip(verbs).find_map(|(name, verb)| Some((name?, verb)))
}

impl ClientSpec {
    /// Its operations in name order; `default` when none is named.
    pub fn operations(&self) -> Vec<(String, Effective<'_>)> {
        if self.operations.is_empty() {
            return vec![("default".to_owned(), Effective { own: None, client: self })];
        }
        self.operations
            .iter()
            .map(|(n, o)| (n.0.clone(), Effective { own: Some(o), client: self }))
            .collect()
    }

    /// Files its laws read.
    pub fn files(&self) -> Vec<(Table, String)> {
        let mut all = Vec::new();
        match &self.arrivals {
            Arrivals::Renewal(law) => all.extend(law.tables()),
            Arrivals::Closed { think, .. } => all.extend(think.tables()),
            _ => {}
        }
        for attribute in self.attributes.values() {
            if let AttributeSpec::Law(law) = attribute {
                all.extend(law.tables());
            }
        }
        for (_, operation) in self.operations() {
            all.extend(operation.size().into_iter().flat_map(SizeFormula::tables));
            all.extend(operation.edge().laws().flat_map(DurationLaw::tables));
        }
        all
    }

    /// The table of a trace its attributes are read from, with the rows the client says.
    pub fn trace_table(&self) -> Option<Table> {
        let Arrivals::Trace(trace) = &self.arrivals else { return None };
        let mut table = trace.table.clone();
        if let Some(rows) = &self.where_ {
            table.rows = table.rows.and(rows);
        }
        Some(table)
    }

    /// The table of keys, and whether each row has those of a request: as the trace's it is read where it is the same file and
    /// does not choose other rows.
    pub fn key_table(&self, table: &Table) -> (Table, bool) {
        match self.trace_table() {
            Some(own)
                if own.is_same_file(table) && (table.rows.is_all() || table.rows == own.rows) =>
            {
                (own, true)
            }
            _ => (table.clone(), false),
        }
    }

    /// Number of users of a closed client.
    pub fn users(&self) -> u64 {
        if let Arrivals::Closed { users, .. } = self.arrivals { users } else { 0 }
    }

    /// Requests (or sessions) that one arrival brings.
    pub fn at_once(&self) -> u64 {
        match &self.arrivals {
            Arrivals::Poisson { batch, .. } => *batch,
            Arrivals::Schedule(schedule) if schedule.over == 0 => schedule.batch,
            _ => 1,
        }
    }

    /// Mean arrivals per second at factor 1, where it is known; beside a curve there is no such thing.
    pub fn mean_rate(&self) -> Option<f64> {
        if matches!(self.load, Some(LoadSpec::Curve(_))) {
            return None;
        }
        match &self.arrivals {
            Arrivals::Poisson { rate, batch } => Some(rate.0 * *batch as f64),
            Arrivals::Constant(rate) => Some(rate.0),
            Arrivals::Renewal(law) => law.mean().filter(|m| *m > 0.0).map(|m| 1e9 / m),
            Arrivals::Mmpp(states) => {
                let (work, time) = states
                    .iter()
                    .fold((0.0, 0.0), |(w, t), (r, d)| (w + r.0 * d.0 as f64, t + d.0 as f64));
                Some(work / time)
            }
            Arrivals::Schedule(schedule) => Some(schedule.rate()),
            Arrivals::Closed { .. } | Arrivals::Trace(_) | Arrivals::Requirements(_) => None,
        }
    }

    /// Steps of its load.
    pub fn load_steps(&self) -> usize {
        match &self.load {
            Some(LoadSpec::Steps(steps)) => steps.len(),
            _ => 0,
        }
    }

    /// Share of the run in which it sends, about.
    pub fn active_share(&self, names: &Names) -> f64 {
        let share = |a: ActiveSpec| a.expected_share(names.faults(), names.design.duration);
        self.active.map_or(1.0, share)
    }

    /// Requests expected in the first `duration` ns with all changes of the load; `None` where that
    /// is not known beforehand (closed users, traces) or takes too long to find out.
    pub fn expected_requests(&self, duration: u64) -> Option<f64> {
        if let Arrivals::Schedule(schedule) = &self.arrivals {
            return Some(schedule.before(duration) as f64);
        }
        Profile::new(self.mean_rate()?, self.load.as_ref(), None).expected(duration)
    }

    /// Every step of its session.
    pub fn steps(&self) -> &[StepSpec] {
        &self.session
    }

    /// Whether several of its requests are one user's.
    pub fn has_sessions(&self) -> bool {
        !self.session.is_empty() || self.users() > 0
    }

    /// Its zones.
    pub fn zones(&self) -> Option<&ZonesSpec> {
        self.zones.as_ref()
    }
}
