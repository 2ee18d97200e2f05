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
    for (name, variant) in [("fan-out-tail", None), ("hedged-requests", Some("cancel"))] {
        let path = format!("scenarios/{name}.yaml");
        let sets = vec!["duration=8s".to_owned(), "warm_up=1s".to_owned()];
        let variant = variant.map(str::to_owned);
        let asked = Overrides { variant, sets, ..Overrides::default() };
        let study = Study::open(&path, &Shipped, &asked);
        let study = study.unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        assert!(rows_are_seen_as_they_were(&study, 10) > 10, "{name}");
    }
}

/// A design without chance whose messages take 1 ms.
fn exact(client: &str, nodes: &str) -> String {
    format!(
        "windtunnel: 1\nname: exact\nduration: 5s\nnetwork: {{same_zone: 1ms, internet: 1ms}}\nclients: {{load: {{{client}}}}}\n\
         nodes: {{{nodes}}}\n"
    )
}

/// Spans as `kind node start end outcome: parts`, in ms after the intended send.
fn told(one: &Waterfall) -> Vec<String> {
    let at = |time: f64| (ns(time) - ns(one.request.intended)) / 1_000_000;
    let parts = |parts: &[RequestPart]| -> String {
        let one = |part: &RequestPart| format!(" {} {}-{}", part.0, at(part.1), at(part.2));
        parts.iter().map(one).collect()
    };
    let span = |span: &RequestSpan| {
        let end = span.end.map_or_else(|| "-".to_owned(), |end| at(end).to_string());
        let outcome = span.outcome.as_deref().unwrap_or("-");
        let Some(parent) = span.parent else {
            let (start, parts) = (at(span.start), parts(&span.parts));
            return format!("{} {start}-{end} {outcome}:{parts}", span.kind);
        };
        format!(
            "{parent} {} {}[{}] {}-{end} {outcome}:{}",
            span.kind,
            span.node,
            span.instance,
            at(span.start),
            parts(&span.parts)
        )
    };
    let mut told = vec![format!("{}:{}", one.request.outcome, parts(&one.parts))];
    told.extend(one.spans.iter().map(span));
    told
}

#[test]
fn a_request_waits_works_and_calls() {
    // Work of 120 ms for requests that come each 100 ms: the third one waits 40 ms.
    let text = exact(
        "arrivals: constant(10/s), to: app, timeout: 3s",
        "app: {service: {cores: 1, endpoints: {default: [{work: 120ms}, {call: db}, {wait: 5ms}]}}}, \
         db: {service: {work: 10ms}}",
    );
    let one = watch_one(&text, "load", 2);
    assert_eq!(ns(one.request.intended), 300_000_000);
    assert_eq!(
        told(&one),
        [
            "ok: calling 0-179",
            "attempt 0-179 ok: calling 0-179",
            "0 visit app[0] 1-178 ok: waiting 1-41 work 41-161 calling 161-173 pause 173-178",
            "1 call app[0] 161-173 ok: calling 161-173",
            "2 visit db[0] 162-172 ok: work 162-172",
        ]
    );
    let (visit, db) = (&one.spans[1], &one.spans[3]);
    assert_eq!([visit.waiting, visit.work, db.waiting, db.work], [0.04, 0.12, 0.0, 0.01]);
    assert_eq!(one.spans[2].to, Some(("db".to_owned(), 0)));
}

#[test]
fn what_a_client_gave_up_goes_on() {
    let text = exact(
        "arrivals: constant(1/s), to: app, timeout: 50ms, retry: {attempts: 2, backoff: constant(20ms)}",
        "app: {service: {cores: 1, work: 80ms}}",
    );
    assert_eq!(
        told(&watch_one(&text, "load", 1)),
        [
            "timeout: calling 0-50 backoff 50-70 calling 70-120",
            "attempt 0-50 timeout: calling 0-50",
            "0 visit app[0] 1-81 ok: work 1-81",
            "attempt 70-120 timeout: calling 70-120",
            "2 visit app[0] 71-161 ok: waiting 71-81 work 81-161",
        ]
    );
    // Called off, it stops with the message that says so.
    let cancels = text.replace("timeout: 50ms", "timeout: 50ms, cancel: true");
    assert_eq!(
        told(&watch_one(&cancels, "load", 1))[2],
        "0 visit app[0] 1-51 cancelled: work 1-51"
    );
}

#[test]
fn parallel_branches_overlap_and_what_follows_an_answer_is_no_part_of_it() {
    let text = exact(
        "arrivals: constant(1/s), to: app, timeout: 3s",
        "app: {service: {endpoints: {default: [{all: [{wait: 10ms}, {call: db}]}, {reply: 1KB}, {wait: 7ms}]}}}, \
         db: {service: {work: 20ms}}",
    );
    assert_eq!(
        told(&watch_one(&text, "load", 0)),
        [
            "ok: calling 0-24",
            "attempt 0-24 ok: calling 0-24",
            "0 visit app[0] 1-23 ok: calling 1-23",
            "1 branch app[0] 1-11 ok: pause 1-11",
            "1 branch app[0] 1-23 ok: calling 1-23",
            "3 call app[0] 1-23 ok: calling 1-23",
            "4 visit db[0] 2-22 ok: work 2-22",
            "1 background app[0] 23-30 ok: pause 23-30",
        ]
    );
}

#[test]
fn a_connection_is_waited_for_and_a_dead_process_ends_its_visits() {
    let text = exact(
        "arrivals: constant(200/s), to: app, timeout: 3s",
        "app: {service: {calls: [db], dependencies: {db: {pool: {size: 1, wait: 1s}}}}}, \
         db: {service: {work: 20ms}}",
    );
    let second = told(&watch_one(&text, "load", 1));
    // The first one has the connection from 1 to 23 ms, 5 ms before.
    assert_eq!(second[2], "0 visit app[0] 1-40 ok: permit 1-18 calling 18-40", "{second:#?}");
    assert_eq!(second[3], "1 call app[0] 1-40 ok: permit 1-18 calling 18-40");
    let crash = format!(
        "{}faults: [{{id: dies, at: 1.01s, for: 1s, crash: {{node: db}}}}]\n",
        exact("arrivals: constant(1/s), to: app, timeout: 100ms", "app: {service: {calls: [db]}}, db: {service: {work: 20ms}}")
    );
    let lost = told(&watch_one(&crash, "load", 0));
    assert_eq!(lost[4], "2 visit db[0] 2-10 crashed: work 2-10", "{lost:#?}");
}

#[test]
fn a_message_is_followed_to_whoever_works_it_off() {
    let text = exact(
        "arrivals: constant(1/s), to: jobs",
        "jobs: {queue: {}}, worker: {service: {workers: 1, work: 30ms, consumes: {from: jobs}}}",
    );
    let one = watch_one(&text, "load", 0);
    let kinds: Vec<&str> = one.spans.iter().map(|span| span.kind.as_str()).collect();
    assert_eq!(kinds, ["attempt", "visit", "message"], "{:#?}", told(&one));
    assert_eq!((one.spans[2].node.as_str(), one.spans[2].parent), ("worker", Some(1)));
    assert_eq!(one.spans[2].work, 0.03);
}

#[test]
fn a_request_that_nobody_answers_is_open() {
    let text = format!(
        "{}faults: [{{id: cut, at: 0s, partition: {{between: [[app], [db]]}}}}]\n",
        exact("arrivals: constant(1/s), to: app", "app: {service: {calls: [db]}}, db: {service: {work: 20ms}}")
    );
    let one = watch_one(&text, "load", 0);
    assert_eq!((one.request.latency, one.request.outcome.as_str()), (None, "in_flight"));
    assert_eq!(one.spans.iter().filter(|span| span.end.is_none()).count(), one.spans.len());
}
