//! What lists of steps say, those within them included.
//!
//! **Invariant.** A step counts as often as it is run in the mean.

use crate::{
    engine::law::{DurationFormula, SizeFormula, Table},
    model::{
        kind::{Outgoing, Verb, Visit},
        service::{Literal, StepSpec, steps::Spread},
    },
    units::Name,
};

impl StepSpec {
    /// How often each of the lists within is run in the mean, in the order of `inner`.
    fn times(&self) -> impl Iterator<Item = f64> {
        let shares = self.choose.iter().flatten().map(|c| c.share.0);
        let rounds = self.repeat.as_ref().map_or(1.0, |r| r.times.0 as f64);
        // If all goes well, nothing is undone.
        let parts = self.saga.iter().flat_map(|saga| &saga.parts).flat_map(|_| [1.0, 0.0]);
        shares.chain(parts).chain(std::iter::repeat(1.0)).map(move |share| share * rounds)
    }
}

/// What a list of steps takes: conditions count as met in the mean work and as not met in the least
/// time.
pub fn steps_visit(steps: &[StepSpec]) -> Visit {
    let mut all = Visit::default();
    for step in steps {
        let always = step.when.is_none();
        for formula in step.work.iter().chain(&step.wait).filter(|_| always) {
            all.least += formula.min_value();
        }
        if !always {
            continue;
        }
        all.work += step.work.as_ref().and_then(DurationFormula::mean_of_law).unwrap_or(0.0);
        for ((_, inner), times) in step.inner().into_iter().zip(step.times()) {
            all.work += times * steps_visit(inner).work;
        }
    }
    all
}

/// How often a step reads and writes records of its own: in which store, what that is called, and where the file says so.
fn record_calls(step: &StepSpec) -> Vec<(Verb, f64, (&Name, &'static str, &'static str))> {
    let mut all = Vec::new();
    if let Some((store, _)) = step.leased_lock() {
        // Read, taken, and given back.
        let at = (store, "lock", "lock.in");
        all.extend([(Verb::Read, 1.0, at), (Verb::Cas, 2.0, at)]);
    }
    if let Some((store, parts)) = step.logged_saga() {
        // Begun, and each part; read only after a crash.
        let at = (store, "saga log", "saga.log");
        all.extend([(Verb::Write, 1.0 + parts as f64, at), (Verb::Read, 0.0, at)]);
    }
    all
}

/// Collects the calls of a list of steps.
pub fn step_calls(
    steps: &[StepSpec],
    (path, endpoint): (&str, &String),
    (times, sure): (f64, bool),
    all: &mut Vec<Outgoing>,
) {
    for (i, step) in steps.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let sure = sure && step.when.is_none();
        let always = step.cache_verbs().is_empty();
        let spread = step.spread();
        let keys = if let Some(Spread::Keys(n)) = spread { n as f64 } else { 1.0 };
        let own = step.target().and_then(|(_, _, key, _)| key);
        let keyed = own.is_some_and(|key| matches!(key.0.as_str(), "instance" | "session"));
        if let Some((target, operation, ..)) = step.target() {
            let verb = operation.as_ref().and_then(|o| o.1);
            let label = operation.as_ref().map_or_else(String::new, |op| {
                verb.map_or_else(|| op.0.clone(), |verb| verb.name().to_owned())
            });
            let other = if step.publish.is_some() { "publish" } else { "call" };
            let key = verb.map_or(other, |v| v.name());
            all.push(Outgoing {
                operation,
                label,
                endpoint: Some(endpoint.clone()),
                times: times * keys,
                to_all: spread == Some(Spread::Shards),
                keyed,
                sure: sure && always,
                misses: !always && verb == Some(Verb::Read),
                answered: step.answered(),
                ..Outgoing::to(format!("{path}.{key}"), &target)
            });
            let outbox = step.outbox().map(|(_, outbox)| Outgoing {
                endpoint: Some(endpoint.clone()),
                times: times * keys,
                keyed,
                ..Outgoing::message(format!("{path}.{key}.outbox"), &outbox.to.0)
            });
            all.extend(outbox);
        }
        for (tier, verb) in step.cache_verbs() {
            // These take the place of a fill.
            let instead = matches!(verb, Verb::Release | Verb::Deny);
            let at = if step.read.is_some() { "read" } else { "write" };
            all.push(Outgoing {
                operation: Some((verb.name().to_owned(), Some(verb))),
                label: if instead { Verb::Fill } else { verb }.name().to_owned(),
                endpoint: Some(endpoint.clone()),
                times: if instead { 0.0 } else { times * keys },
                keyed,
                sure: false,
                ..Outgoing::to(format!("{path}.{at}.cache"), &tier.0)
            });
        }
        for (verb, each, (store, label, key)) in record_calls(step) {
            all.push(Outgoing {
                operation: Some((verb.name().to_owned(), Some(verb))),
                label: label.to_owned(),
                endpoint: Some(endpoint.clone()),
                times: times * each,
                keyed: true,
                of_record: true,
                sure: sure && each > 0.0,
                ..Outgoing::to(format!("{path}.{key}"), &store.0)
            });
        }
        let first = all.len();
        for ((inner, steps), each) in step.inner().into_iter().zip(step.times()) {
            let how = (times * each, sure && each > 0.0);
            step_calls(steps, (&format!("{path}{inner}"), endpoint), how, all);
        }
        if step.transaction.is_some() {
            all[first..].iter_mut().for_each(|call| call.of_transaction = call.writes());
        }
    }
}

/// Every mark in a list of steps.
pub fn step_marks(steps: &[StepSpec], all: &mut Vec<String>) {
    for step in steps {
        all.extend(step.mark.iter().map(|m: &Name| m.0.clone()));
        for (_, steps) in step.inner() {
            step_marks(steps, all);
        }
    }
}

/// Attributes that conditions in a list of steps compare with names, and these names.
pub fn step_names(steps: &[StepSpec], all: &mut Vec<(String, Option<String>)>) {
    for step in steps {
        for comparison in step.when.iter().flat_map(|when| &when.0) {
            if let Literal::Name(name) = &comparison.value {
                all.push((comparison.attribute.clone(), Some(name.clone())));
            }
        }
        let per = step.lock.as_ref().and_then(|lock| lock.per.as_ref());
        all.extend(per.map(|per| (per.0.clone(), None)));
        for (_, steps) in step.inner() {
            step_names(steps, all);
        }
    }
}

/// Whether any step in a list, or within one, is so.
pub fn any_step(steps: &[StepSpec], is: &dyn Fn(&StepSpec) -> bool) -> bool {
    steps.iter().any(|s| is(s) || s.inner().iter().any(|(_, inner)| any_step(inner, is)))
}

/// Files read by the laws of a list of steps.
pub fn step_files(steps: &[StepSpec], all: &mut Vec<(Table, String)>) {
    for step in steps {
        all.extend(step.work.iter().chain(&step.wait).flat_map(DurationFormula::tables));
        all.extend(step.reply.iter().flat_map(SizeFormula::tables));
        if let Some((_, _, _, Some(size))) = step.target() {
            all.extend(size.tables());
        }
        for (_, inner) in step.inner() {
            step_files(inner, all);
        }
    }
}
