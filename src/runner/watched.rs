//! A replication simulated again, for what became of single requests.
//!
//! **Invariant.** Both passes go as the replication went: one that does not is a breach.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, atomic::AtomicBool},
};

use super::{Breach, Prepared, Replicate, accumulator::hex, closely, guarded};
use crate::{
    model::{
        probe::{Measured, RequestSample},
        watch::{
            Follow,
            keep::{Wanted, Why},
            lens::Closely,
            spans::{self, Ending, Part, SpanKind, WatchedSpan},
        },
    },
    outcome::Outcome,
    results::{self, RequestPart, RequestSpan, Results, Watched, WatchedRequest, Waterfall},
};

/// Which requests of a replication are looked at.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    /// So many that took longest.
    pub slowest: usize,
    /// Names of percentiles with the latency of answers there, s.
    pub near: Vec<(String, f64)>,
    /// How many next to each.
    pub next_to_each: usize,
    /// So many of each outcome but ok.
    pub of_each: usize,
    /// Only of this outcome, if given.
    pub outcome: Option<String>,
    /// So many that failed first after each fault began.
    pub after_fault: usize,
    /// These: client and number.
    pub requests: Vec<(String, u64)>,
    /// Whether spans around faults are looked at closely, and calls are counted by the way they go.
    pub closely: bool,
    /// Instead of those around faults these, s.
    pub spans: Vec<(f64, f64)>,
}

impl Watching {
    /// What a report shows: ten that took longest, five next to each percentile given, three of each outcome but ok, and
    /// three that failed first after each fault; closely the spans around the first three faults.
    #[must_use]
    pub fn usual(near: Vec<(String, f64)>) -> Self {
        let (slowest, next_to_each, of_each, after_fault) = (10, 5, 3, 3);
        let closely = true;
        Self { slowest, near, next_to_each, of_each, after_fault, closely, ..Self::default() }
    }
}

/// A pass over a replication, and what it found besides.
struct Pass<'p, T, F: Fn(u64, &AtomicBool) -> (Measured, T) + Sync> {
    simulate: &'p F,
    found: Mutex<Option<T>>,
}

impl<T: Send, F: Fn(u64, &AtomicBool) -> (Measured, T) + Sync> Replicate for Pass<'_, T, F> {
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        let (measured, found) = (self.simulate)(seed, stop);
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        measured
    }
}

/// What one pass measured and found; none when it was stopped half-way.
fn pass<T: Send>(
    prepared: &Prepared,
    replication: (usize, u64),
    stop: &AtomicBool,
    simulate: &(impl Fn(u64, &AtomicBool) -> (Measured, T) + Sync),
) -> Result<Option<(Measured, T)>, Breach> {
    let world = Pass { simulate, found: Mutex::new(None) };
    let measured = guarded(&world, replication, &prepared.info, stop)?;
    let found = world.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(measured.zip(found))
}

/// What became of requests of one replication; none when it was stopped half-way.
pub fn watched(
    prepared: &Prepared,
    replication: (usize, u64),
    watching: &Watching,
    stop: &AtomicBool,
) -> Result<Option<Watched>, Breach> {
    let limits = prepared.limits();
    let wanted = wanted(prepared, watching);
    let asked = wanted.asked.clone();
    let first = pass(prepared, replication, stop, &|seed, stop| {
        prepared.replication(seed).run_keeping(wanted.clone(), limits, stop)
    })?;
    let Some((before, kept)) = first else { return Ok(None) };
    let wishes = wishes(&kept, &asked);
    let wanted = if watching.closely {
        closely::closely(&before, &watching.spans)
    } else {
        Closely::default()
    };
    let second = pass(prepared, replication, stop, &|seed, stop| {
        prepared.replication(seed).run_watching((&wishes, &wanted), limits, stop)
    })?;
    let Some((measured, seen)) = second else { return Ok(None) };
    let breach = |message| Breach { replication: replication.0, seed: replication.1, message };
    if measured.fingerprint != before.fingerprint {
        return Err(breach("watching a replication changed it".to_owned()));
    }
    let told = Telling { measured: &measured, watching, replication: replication.0 as u64 };
    let mut kept: BTreeMap<(u16, u64), (RequestSample, Vec<Why>)> =
        kept.into_iter().map(|one| ((one.0.client, one.0.number), one)).collect();
    let mut all = Watched { fingerprint: hex(measured.fingerprint), ..Watched::default() };
    let number = replication.0 as u64;
    let closely = || closely::told(&seen.closely, (&measured, &wanted), number);
    all.closely = watching.closely.then(closely);
    for seen in seen.requests {
        let known = kept.remove(&(seen.client, seen.number));
        if known.is_none() && seen.decided.is_some() {
            continue; // of the warm-up: it is told apart below
        }
        let took = seen.decided.map(|at| at - seen.intended);
        if known.as_ref().is_some_and(|(sample, _)| Some(sample.latency) != took) {
            let what = format!("request {} was not seen as it was: {took:?} ns", seen.number);
            return Err(breach(what));
        }
        all.waterfalls.push(told.waterfall(&seen, known));
    }
    let missing = |(client, number): &&(String, u64)| {
        let is_it = |of: &Waterfall| of.request.client == *client && of.request.number == *number;
        !all.waterfalls.iter().any(is_it)
    };
    all.missing = watching.requests.iter().filter(missing).cloned().collect();
    Ok(Some(all))
}

/// What a report shows of the replication of interest beside results, of these spans (s) or else of those around faults; nothing
/// of one that was stopped.
pub fn usually(
    prepared: &Prepared,
    results: &Results,
    spans: &[(f64, f64)],
    stop: &AtomicBool,
) -> Result<Watched, Breach> {
    let Some((index, of)) = results.of_interest() else { return Ok(Watched::default()) };
    let latency = &results.summary.figures.latency;
    let near = [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)];
    let near = near.iter().filter_map(|(name, of)| Some(((*name).to_owned(), of.value?)));
    let watching = Watching { spans: spans.to_vec(), ..Watching::usual(near.collect()) };
    let found = watched(prepared, (index, of.seed), &watching, stop)?.unwrap_or_default();
    if !found.fingerprint.is_empty() && found.fingerprint != of.fingerprint {
        let message = "simulated again to be watched it went otherwise".to_owned();
        return Err(Breach { replication: index, seed: of.seed, message });
    }
    Ok(found)
}

fn wanted(prepared: &Prepared, watching: &Watching) -> Wanted {
    let latencies = watching.near.iter().map(|(_, at)| (at * 1e9).round() as u64).collect();
    let clients: Vec<&str> = prepared.clients().collect();
    let asked = watching.requests.iter().filter_map(|(client, number)| {
        let client = clients.iter().position(|name| name == client)?;
        Some((client as u16, *number))
    });
    let outcome = watching.outcome.as_ref().and_then(|wanted| {
        let place = Outcome::NAMES.iter().position(|name| name == wanted)?;
        Some(Outcome::ALL[place])
    });
    Wanted {
        slowest: watching.slowest,
        near: (latencies, watching.next_to_each),
        of_each: watching.of_each,
        outcome,
        after_fault: watching.after_fault,
        asked: asked.collect(),
    }
}

/// Those that were kept, and those that were asked for and not decided.
fn wishes(kept: &[(RequestSample, Vec<Why>)], asked: &[(u16, u64)]) -> Vec<Follow> {
    let one = |(sample, _): &(RequestSample, Vec<Why>)| Follow {
        client: sample.client,
        number: sample.number,
        at: Some(sample.intended),
    };
    let mut wishes: Vec<Follow> = kept.iter().map(one).collect();
    for &(client, number) in asked {
        if !wishes.iter().any(|wish| (wish.client, wish.number) == (client, number)) {
            wishes.push(Follow { client, number, at: None });
        }
    }
    wishes
}

/// What was seen, in words.
struct Telling<'t> {
    measured: &'t Measured,
    watching: &'t Watching,
    replication: u64,
}

impl Telling<'_> {
    fn waterfall(
        &self,
        seen: &spans::WatchedRequest,
        known: Option<(RequestSample, Vec<Why>)>,
    ) -> Waterfall {
        let client = &self.measured.clients[usize::from(seen.client)];
        let (sample, why) = known.unzip();
        let request = WatchedRequest {
            replication: self.replication,
            client: client.name.clone(),
            operation: client.operations[usize::from(seen.operation)].name.clone(),
            number: seen.number,
            intended: results::seconds(seen.intended),
            latency: sample.as_ref().map(|sample| results::seconds(sample.latency)),
            attempts: sample.as_ref().map_or(seen.attempts.into(), |sample| sample.attempts),
            outcome: sample
                .map_or("in_flight", |of| Outcome::NAMES[of.outcome as usize])
                .to_owned(),
            key: seen.key,
        };
        let why = why.unwrap_or_default().into_iter().map(|why| self.why(why)).collect();
        let spans = seen.spans.iter().enumerate().map(|(id, span)| self.span(id, span)).collect();
        Waterfall { request, spans, why, parts: parts(&seen.parts) }
    }

    fn why(&self, why: Why) -> String {
        match why {
            Why::Asked => "asked".to_owned(),
            Why::Slow => "slowest".to_owned(),
            Why::Near(i) => self.watching.near[i].0.clone(),
            Why::Ended(outcome) => Outcome::NAMES[outcome].to_owned(),
            Why::After(fault) => format!("after {}", self.measured.faults[fault].id),
        }
    }

    fn name(&self, node: u16) -> String {
        let (nodes, node) = (&self.measured.nodes, usize::from(node));
        let client = || &self.measured.clients[node - nodes.len()].name;
        nodes.get(node).map_or_else(client, |node| &node.name).clone()
    }

    fn span(&self, id: usize, span: &WatchedSpan) -> RequestSpan {
        let waits = [Part::Waiting, Part::Permit].into_iter().map(|part| span.total(part)).sum();
        RequestSpan {
            id,
            parent: span.parent,
            node: self.name(span.node),
            instance: span.instance,
            kind: kind(span.kind).to_owned(),
            start: results::seconds(span.start),
            end: span.end.map(results::seconds),
            waiting: results::seconds(waits),
            work: results::seconds(span.total(Part::Work)),
            outcome: span.ended.map(|ended| ending(ended).to_owned()),
            to: span.to.map(|(node, instance)| (self.name(node), instance)),
            parts: parts(&span.parts),
        }
    }
}

fn parts(parts: &[(Part, u64, u64)]) -> Vec<RequestPart> {
    let name = |part| match part {
        Part::Waiting => "waiting",
        Part::Work => "work",
        Part::Pause => "pause",
        Part::Calling => "calling",
        Part::Backoff => "backoff",
        Part::Permit => "permit",
    };
    let one = |&(part, from, to): &(Part, u64, u64)| {
        (name(part).to_owned(), results::seconds(from), results::seconds(to))
    };
    parts.iter().map(one).collect()
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Attempt => "attempt",
        SpanKind::Call => "call",
        SpanKind::Send => "send",
        SpanKind::Visit => "visit",
        SpanKind::Copy => "copy",
        SpanKind::Branch => "branch",
        SpanKind::Background => "background",
        SpanKind::Message => "message",
    }
}

fn ending(ended: Ending) -> &'static str {
    match ended {
        Ending::With(outcome) => Outcome::NAMES[outcome as usize],
        Ending::Cancelled => "cancelled",
        Ending::Crashed => "crashed",
    }
}
