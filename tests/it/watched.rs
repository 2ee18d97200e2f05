//! Single requests of a replication that is simulated again: that they are seen as they were.

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::AtomicBool};

use windtunnel::{
    results::{RequestPart, RequestSpan, SampledRequest, Watched, Waterfall},
    scenario::{
        load::{Files, Overrides},
        swarm::scenario,
    },
    study::{Alone, Study, Watching},
};

fn open(text: &str) -> Study {
    let opened = Study::open(Alone::PATH, &Alone(text), &Overrides::default());
    opened.unwrap_or_else(|refused| panic!("{}\n{text}", refused.render(false)))
}

/// Times are whole nanoseconds.
fn ns(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

fn watch(study: &Study, requests: Vec<(String, u64)>) -> Watched {
    let watching = Watching { requests, ..Watching::default() };
    let seed = windtunnel::study::seeds(study.seed, 1)[0];
    let seen = study.watch((0, seed), &watching, &AtomicBool::new(false));
    seen.unwrap_or_else(|breach| panic!("{}", breach.message)).expect("nobody stopped it")
}

fn watch_one(text: &str, client: &str, number: u64) -> Waterfall {
    let mut all = watch(&open(text), vec![(client.to_owned(), number)]).waterfalls;
    assert_eq!(all.len(), 1);
    let one = all.remove(0);
    is_sound(&one);
    one
}

/// Parts follow one another from `start` on; where they end.
fn end_of(parts: &[RequestPart], start: f64, at: &str) -> f64 {
    parts.iter().fold(start, |end, part| {
        assert_eq!(part.1, end, "{at}: parts without gaps: {parts:?}");
        assert!(part.2 > part.1, "{at}: {parts:?}");
        part.2
    })
}

fn total(parts: &[RequestPart], name: &str) -> i64 {
    parts.iter().filter(|part| part.0 == name).map(|part| ns(part.2) - ns(part.1)).sum()
}

fn lasted(span: &RequestSpan) -> Option<i64> {
    Some(ns(span.end?) - ns(span.start))
}

/// What holds of whatever was seen of a request.
fn is_sound(one: &Waterfall) {
    let name = one.name();
    let of = &one.request;
    let end = end_of(&one.parts, of.intended, &name);
    if let Some(latency) = of.latency {
        // One that shares the frame of its attempt has no parts of its own.
        if !one.parts.is_empty() || latency == 0.0 {
            assert_eq!(ns(end), ns(of.intended) + ns(latency), "{name}");
        }
    }
    let attempts = one.spans.iter().filter(|span| span.parent.is_none());
    assert_eq!(attempts.clone().count(), of.attempts as usize, "{name}: {:#?}", one.spans);
    assert!(attempts.clone().all(|span| span.kind == "attempt"), "{name}");
    for span in &one.spans {
        let at = format!("{name} span {}: {:#?}", span.id, one.spans);
        let end = end_of(&span.parts, span.start, &at);
        assert!(span.end.is_none_or(|known| known == end), "{at}");
        assert_eq!(span.end.is_none(), span.outcome.is_none(), "{at}");
        let Some(parent) = span.parent.map(|id| &one.spans[id]) else { continue };
        assert!(parent.id < span.id && parent.start <= span.start, "{at}");
        // Whoever waits for an answer is there until it has it; what it gave up goes on.
        let awaited = match span.kind.as_str() {
            "call" => true,
            "branch" => span.outcome.as_deref() != Some("cancelled"),
            "visit" => {
                let ended = parent.outcome.as_deref();
                let waited = !parent.parts.is_empty();
                waited && ended == span.outcome.as_deref() && ended.is_some()
            }
            _ => false,
        };
        let gone = ["cancelled", "crashed", "timeout"].map(Some);
        if awaited && !gone.contains(&parent.outcome.as_deref()) && parent.end.is_some() {
            let within = span.end.is_some_and(|end| parent.end.is_some_and(|last| end <= last));
            // A race is over with the first of its branches.
            let raced = span.kind == "branch" || parent.kind == "visit" && span.kind == "call";
            assert!(within || raced || parent.to.is_some() && is_hedged(one), "{at}");
        }
    }
    adds_up(one);
}

fn is_hedged(one: &Waterfall) -> bool {
    one.spans.iter().any(|span| span.outcome.as_deref() == Some("cancelled"))
}

/// Where nothing overlaps and nothing is given up, times add up to the latency, to the nanosecond.
fn adds_up(one: &Waterfall) {
    let plain = |span: &RequestSpan| {
        // An attempt that nobody waits for has no parts.
        let known = ["attempt", "call"].contains(&span.kind.as_str()) && !span.parts.is_empty()
            || span.kind == "visit";
        let ended = span.outcome.as_deref();
        known && ended.is_some_and(|how| !["cancelled", "crashed", "timeout"].contains(&how))
    };
    // Of second copies, or copies of messages.
    let overlaps = |span: &RequestSpan| {
        let besides = |of: &&RequestSpan| of.parent == span.parent && of.id > span.id;
        let mut besides = one.spans.iter().filter(besides);
        besides.any(|of| span.end.is_some_and(|end| of.start < end))
    };
    let fits = |span: &RequestSpan| plain(span) && !overlaps(span);
    let Some(latency) = one.request.latency.filter(|_| one.spans.iter().all(fits)) else { return };
    for span in &one.spans {
        let below = one.spans.iter().filter(|of| of.parent == Some(span.id));
        let at = format!("{} span {}: {:#?}", one.name(), span.id, one.spans);
        if span.kind == "visit" {
            let calls: i64 = below
                .map(|call| lasted(call).unwrap() - total(&call.parts, "permit"))
                .sum();
            assert_eq!(calls, total(&span.parts, "calling"), "{at}");
        } else {
            let visits: i64 = below.map(|visit| lasted(visit).unwrap()).sum();
            assert!(visits <= lasted(span).unwrap(), "{at}");
        }
    }
    let sent: i64 = one
        .spans
        .iter()
        .filter(|span| span.parent.is_none())
        .map(|span| lasted(span).unwrap() - total(&span.parts, "permit"))
        .sum();
    let waited = ["backoff", "permit"].map(|part| total(&one.parts, part)).iter().sum::<i64>();
    assert_eq!(sent + waited, ns(latency), "{}: {one:#?}", one.name());
}

/// Every so many rows of `requests.csv` watched again: how many were compared, and of how many the times add up.
fn rows_are_seen_as_they_were(study: &Study, every: usize) -> usize {
    let run = study.run(1, &AtomicBool::new(false)).unwrap();
    let rows: Vec<&SampledRequest> = run.samples.iter().step_by(every).collect();
    let asked = rows.iter().map(|row| (row.client.clone(), row.number)).collect();
    let seen = watch(study, asked);
    assert_eq!(seen.fingerprint, run.results.replications[0].fingerprint);
    assert!(seen.missing.is_empty(), "{:?}", seen.missing);
    let by_name: BTreeMap<_, _> = seen
        .waterfalls
        .iter()
        .map(|one| ((one.request.client.as_str(), one.request.number), one))
        .collect();
    assert_eq!(by_name.len(), rows.len());
    for row in rows {
        let of = &by_name[&(row.client.as_str(), row.number)].request;
        let again = SampledRequest {
            replication: of.replication,
            client: of.client.clone(),
            operation: of.operation.clone(),
            number: of.number,
            intended: of.intended,
            latency: of.latency.expect("it was decided"),
            key: of.key,
            attempts: of.attempts,
            outcome: of.outcome.clone(),
        };
        assert_eq!(&again, row);
    }
    seen.waterfalls.iter().for_each(is_sound);
    by_name.len()
}

/// The files of the shipped scenarios.
struct Shipped;

impl Files for Shipped {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).map_err(|e| e.to_string())
    }
}

#[test]
fn requests_of_random_scenarios_are_seen_as_they_were() {
    let mut compared = 0;
    for seed in 0..12 {
        compared += rows_are_seen_as_they_were(&open(&scenario(seed)), 7);
    }
    assert!(compared > 500, "{compared}");
}

/// Hedges, lost messages, breakers, a replicated store, messages, sagas: what the swarm seldom draws together.
#[test]
fn requests_of_shipped_scenarios_are_seen_as_they_were() {
    for name in ["cache-aside-shop", "hedged-requests"] {
        let path = format!("scenarios/{name}.yaml");
        let asked = Overrides::default();
        let study = Study::open(&path, &Shipped, &asked).unwrap_or_else(|_| panic!("{name}"));
        assert!(rows_are_seen_as_they_were(&study, 20) > 20, "{name}");
    }
}
