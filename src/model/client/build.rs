//! A client's spec: its operations with what they inherit, and the client at work.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Arrivals, AttributeSpec, ClientSpec, KeyLaw, KeysSpec,
    alone::are_alone,
    load::Profile,
    run::{ANY, Client, Fallback, Operation},
    schedule::Schedule,
    source::{Gaps, KeySource, Source, ValueSource},
};
use crate::{
    engine::{
        law::{Law, Sampler, exponential},
        random::{hash_str, mix},
    },
    model::{
        build::Assembly,
        consistency::operation::Site,
        fault::timeline::surges,
        replication::whom::Answered,
        resilience::policy::{EdgePolicy, EdgeState},
        service::{compile::Compiler, instr::Instr, program::Program},
    },
};

impl ClientSpec {
    /// Builds the client; everything was checked before.
    pub fn build(&self, index: usize, first_row: usize, assembly: &mut Assembly<'_>) -> Client {
        let names = assembly.names;
        let name = names.client_name(index);
        let path = format!("client/{name}");
        let operations = self.operations();
        let built = self.build_operations(&path, assembly);
        let mut local_of = vec![0; names.ops.len()];
        for (i, operation) in built.iter().enumerate() {
            local_of[usize::from(operation.op)] = i as u8;
        }
        let mut shares = Vec::new();
        let by_row = assembly.prepared.operations.get(name).cloned();
        if by_row.is_some() {
            // They are told apart by the row, and not drawn.
            shares.push(1.0);
        } else if operations.len() > 1 && operations.iter().all(|o| o.1.share().is_some()) {
            let mut upto = 0.0;
            for (_, o) in &operations {
                upto += o.share().map_or(0.0, |s| s.0);
                shares.push(upto);
            }
        }
        let node = names.client_id(index);
        let (key, session) =
            (self.first_key(name, assembly), self.session_program(&path, assembly));
        let places = names.origins(self.zones.as_ref()).len() as u16;
        let plain_edges = built.iter().all(|o| o.policy.is_plain());
        let alone = session.is_none() && plain_edges && are_alone(self, names);
        Client {
            plain: shares.is_empty() && key.is_none() && session.is_none() && places <= 1,
            node,
            index: index as u16,
            first_row,
            operations: built.into(),
            local_of: local_of.into(),
            shares,
            by_row,
            operation_stream: assembly.stream(&path, "operation"),
            source: self.source(&path, name, assembly),
            jitter: assembly.stream(&path, "jitter"),
            key,
            values: self.values(index, assembly),
            session,
            alone,
            places,
            salt: Assembly::site(&path),
            identity: mix(hash_str(2, name)),
            seat: assembly.agenda.seat(),
            issued: 0,
            batch: self.at_once(),
            arrived: 0,
            scheduled: 0,
        }
    }

    fn build_operations(&self, path: &str, assembly: &mut Assembly<'_>) -> Vec<Operation> {
        self.operations()
            .into_iter()
            .map(|(name, o)| {
                let names = assembly.names;
                let (target, verb) = o.target().expect("targets were checked");
                let (entity, edge) = (format!("{path}/{name}"), o.edge());
                Operation {
                    op: names.op(&(name, verb)).expect("operations are known"),
                    target: names.node(&target.0).expect("targets were checked"),
                    site: Assembly::site(&entity),
                    key: o.key().map(|k| names.columns[&k.0]),
                    fallback: edge.fallback.as_ref().map(|fallback| match &fallback.call {
                        None => Fallback::Reply,
                        Some(other) => {
                            Fallback::Call(names.node(&other.0).expect("targets were checked"))
                        }
                    }),
                    policy: EdgePolicy::new(&edge, (&entity, &target.0), assembly),
                    priority: o.priority() as u8,
                    delay: o.publish().and_then(|publish| publish.delay).map(|delay| delay.0),
                    unanswered: o.is_unanswered(),
                    size: o.size().map(|s| assembly.demand(s, &format!("{entity}/size"))),
                    state: EdgeState::default(),
                    data: names.follows(&target.0, verb).map(|(store, access)| {
                        let replication = names.kind(store).replication();
                        let answered = Answered::of(o.answered(), replication);
                        let path = Assembly::site(&entity);
                        Site {
                            store,
                            access,
                            answered,
                            path,
                            common: path,
                            of_record: false,
                            once: false,
                        }
                    }),
                }
            })
            .collect()
    }

    fn source(&self, path: &str, name: &str, assembly: &mut Assembly<'_>) -> Source {
        let gaps = |assembly: &Assembly<'_>| {
            Gaps::Exponential(assembly.stream(path, "gap"), exponential(1.0))
        };
        let surges = surges(assembly.timeline, assembly.names, name);
        let (timeline, seed) = (assembly.timeline, assembly.seed);
        let windows = self.active.map(|a| a.windows(name, timeline, assembly.names, seed));
        let profile = |rate: f64, chain| {
            let profile = Profile::new(rate, self.load.as_ref(), chain);
            let curve = assembly.prepared.curves.get(name).cloned();
            let profile = curve.into_iter().fold(profile, Profile::along);
            let profile = surges.iter().copied().fold(profile, Profile::with_surge);
            match &windows {
                Some(windows) => profile.within(windows.all()),
                None => profile,
            }
        };
        match &self.arrivals {
            Arrivals::Poisson { rate, .. } => {
                let profile = profile(rate.0, None);
                match profile.constant() {
                    Some(rate) => {
                        Source::Poisson(exponential(1.0 / rate), assembly.stream(path, "gap"))
                    }
                    None => Source::Rate { gaps: gaps(assembly), profile },
                }
            }
            Arrivals::Constant(rate) => {
                Source::Rate { gaps: Gaps::One, profile: profile(rate.0, None) }
            }
            Arrivals::Renewal(law) => {
                let mean = law.mean().expect("the mean was checked");
                let sampler = assembly.sampler(law);
                Source::Rate {
                    gaps: Gaps::Law(sampler, mean, assembly.stream(path, "gap")),
                    profile: profile(1e9 / mean, None),
                }
            }
            Arrivals::Mmpp(states) => {
                let states = states.iter().map(|(r, d)| (r.0, d.0 as f64)).collect();
                let chain = Some((states, assembly.stream(path, "chain")));
                Source::Rate { gaps: gaps(assembly), profile: profile(1.0, chain) }
            }
            Arrivals::Closed { users, requests, .. } => {
                Source::Closed { users: *users, requests: requests.unwrap_or(u64::MAX) }
            }
            Arrivals::Requirements(_) => unreachable!("it has a rate since it was read"),
            Arrivals::Trace(trace) => {
                let rows = &assembly.prepared.rows[name];
                let (times, period) = rows.replay(trace.speed, assembly.stream(path, "spread"));
                Source::Trace { period: trace.repeat.then_some(period), times }
            }
            Arrivals::Schedule(schedule) => {
                let batch = schedule.batch / self.at_once();
                Source::Schedule(Schedule { batch, ..*schedule })
            }
        }
    }

    fn first_key(&self, client: &str, assembly: &Assembly<'_>) -> Option<KeySource> {
        match self.keys.as_ref()? {
            KeysSpec::One(law) => Some(key_source(law, (client, ""), assembly)),
            KeysSpec::Named(spaces) => {
                spaces.first().map(|(name, law)| key_source(law, (client, &name.0), assembly))
            }
        }
    }

    /// Columns of the attributes' rows this client fills.
    fn values(&self, index: usize, assembly: &Assembly<'_>) -> Vec<(u16, ValueSource)> {
        let names = assembly.names;
        let client = names.client_name(index);
        let path = &format!("client/{client}");
        let mut values = Vec::new();
        for (name, spec) in &self.attributes {
            let stream = assembly.stream(path, &format!("attribute/{}", name.0));
            let source = match spec {
                AttributeSpec::Law(law) => ValueSource::Law(sampler(law, assembly), stream),
                AttributeSpec::Coin(p) => ValueSource::Coin(p.0, stream),
                AttributeSpec::Choice(options) => {
                    let mut upto = 0.0;
                    let options = options.iter().map(|(name, share)| {
                        upto += share.0;
                        (upto, names.literals[&name.0])
                    });
                    ValueSource::Choice(options.collect(), stream)
                }
                AttributeSpec::Column(_) => {
                    let own = (client.to_owned(), name.0.clone());
                    ValueSource::Column(Arc::clone(&assembly.prepared.attributes[&own]))
                }
            };
            values.push((names.columns[&name.0], source));
        }
        if let Some(KeysSpec::Named(spaces)) = &self.keys {
            for (name, law) in spaces {
                let source = ValueSource::Key(key_source(law, (client, &name.0), assembly));
                values.push((names.columns[&name.0], source));
            }
        }
        values
    }

    /// The session's program; a closed user thinks first and then does one request or the steps.
    fn session_program(&self, path: &str, assembly: &mut Assembly<'_>) -> Option<Program> {
        let think = match &self.arrivals {
            Arrivals::Closed { think, .. } => Some(think.clone()),
            _ if self.session.is_empty() => return None,
            _ => None,
        };
        let none = BTreeMap::new();
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.operations = self.operations().into_iter().map(|o| o.0).collect();
        if let Some(think) = think {
            let formula = crate::engine::law::DurationFormula::from(think);
            let demand = compiler.demand(&formula, "/think");
            compiler.emit(Instr::Wait(demand));
        }
        if self.session.is_empty() {
            compiler.emit(Instr::Do { op: ANY, optional: true });
        } else {
            compiler.steps(&self.session, "/session");
        }
        compiler.emit(Instr::End);
        Some(compiler.program)
    }
}

fn sampler<D: crate::engine::law::Dimension>(law: &Law<D>, assembly: &Assembly<'_>) -> Sampler {
    assembly.sampler(law)
}

/// The stream of a key space depends on its name alone, not on the client: equal names mean the
/// same keys, and each request has its own index.
fn key_source(law: &KeyLaw, (client, space): (&str, &str), assembly: &Assembly<'_>) -> KeySource {
    match law {
        KeyLaw::Sequential { n } => KeySource::Sequential(*n),
        KeyLaw::Trace { .. } => {
            KeySource::Listed(Arc::clone(assembly.prepared.keys_of(client, law)))
        }
        _ => {
            let popularity = assembly.prepared.popularity[&law.to_string()].clone();
            KeySource::Drawn(popularity, assembly.stream("keys", space))
        }
    }
}
