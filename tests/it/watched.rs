//! Single requests of a replication that is simulated again: that they are seen as they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::AtomicBool,
};

use serde_json::Value;

use windtunnel::{
    results::{RequestPart, RequestSpan, SampledRequest, Watched, Waterfall},
    scenario::{
        load::{Files, Overrides},
        swarm::scenario,
    },
    study::{Alone, Study, Watching},
};

use crate::cli::{files, result_folder, windtunnel};

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
            let calls: i64 =
                below.map(|call| lasted(call).unwrap() - total(&call.parts, "permit")).sum();
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
        exact(
            "arrivals: constant(1/s), to: app, timeout: 100ms",
            "app: {service: {calls: [db]}}, db: {service: {work: 20ms}}"
        )
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
        exact(
            "arrivals: constant(1/s), to: app",
            "app: {service: {calls: [db]}}, db: {service: {work: 20ms}}"
        )
    );
    let one = watch_one(&text, "load", 0);
    assert_eq!((one.request.latency, one.request.outcome.as_str()), (None, "in_flight"));
    assert_eq!(one.spans.iter().filter(|span| span.end.is_none()).count(), one.spans.len());
}

/// An overload under a fault, with retries: every reason to keep a request.
const BUSY: &str = "\
windtunnel: 1
name: busy
duration: 20s
warm_up: 1s
seed: 3
network: {same_zone: 1ms, internet: 5ms}
clients:
  users: {arrivals: poisson(60/s), to: app, timeout: 150ms, retry: {attempts: 2, backoff: constant(10ms)}, keys: uniform(n=9)}
nodes:
  app: {service: {instances: 2, cores: 1, work: exp(mean=10ms), calls: [db]}}
  db: {service: {cores: 1, queue: 20, work: exp(mean=12ms)}}
faults: [{id: slow, at: 8s, for: 3s, slow: {node: db, factor: 6}}]
";

fn busy() -> tempfile::TempDir {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("busy.yaml"), BUSY).unwrap();
    w
}

fn succeeds(folder: &Path, arguments: &str) -> String {
    let ran = windtunnel(folder, arguments);
    assert_eq!(ran.code, 0, "{arguments}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Every file of a folder but the one about the clock.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = files(folder).into_iter().filter(|name| name != "timing.json");
    names.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn a_folder_is_the_same_on_any_number_of_threads_and_its_results_whether_watched_or_not() {
    let w = busy();
    let mut folders = Vec::new();
    for (out, more) in [("one", "--jobs 1"), ("two", "--jobs 2"), ("not", "--watch none")] {
        succeeds(w.path(), &format!("run busy.yaml -n 3 --quiet --out {out}/outputs {more}"));
        folders.push(content(&result_folder(&w.path().join(out), "busy")));
    }
    assert!(folders[0] == folders[1]);
    for same in ["results.json", "requests.csv", "timeseries.csv"] {
        assert!(folders[0][same] == folders[2][same], "{same}");
    }
    assert!(!folders[2].contains_key("watched.json"));
    let page = |folder: &BTreeMap<String, Vec<u8>>| {
        String::from_utf8(folder["report.html"].clone()).unwrap()
    };
    assert!(!page(&folders[2]).contains("id=\"requests\""));
    let all: Vec<Waterfall> = serde_json::from_slice(&folders[0]["watched.json"]).unwrap();
    assert_eq!(page(&folders[0]).matches("class=\"waterfall\"").count(), all.len());
    all.iter().for_each(is_sound);
    let of = |why: &str| all.iter().filter(|of| of.why.iter().any(|one| one == why)).count();
    let kept = ["slowest", "p50", "p95", "p99", "timeout", "after slow"].map(of);
    assert_eq!(kept, [10, 5, 5, 5, 3, 3]);
    // Who failed first after it was decided after it began.
    let after = all.iter().filter(|of| of.why.iter().any(|one| one == "after slow"));
    assert!(after.clone().all(|of| of.decided() >= Some(8.0) && of.request.outcome != "ok"));
    let results: Value = serde_json::from_slice(&folders[0]["results.json"]).unwrap();
    let p99 = results["summary"]["latency"]["p99"]["value"].as_f64().unwrap();
    let near = all.iter().filter(|of| of.why.iter().any(|one| one == "p99"));
    assert!(near.clone().all(|of| (of.request.latency.unwrap() / p99 - 1.0).abs() < 0.05));
    // Drawn again from what was written.
    let folder = result_folder(&w.path().join("one"), "busy");
    succeeds(w.path(), &format!("report {} --quiet", folder.display()));
    assert!(content(&folder) == folders[0]);
}

#[test]
fn explain_shows_requests_of_a_folder_and_of_a_file() {
    let w = busy();
    succeeds(w.path(), "run busy.yaml -n 2 --quiet --watch none");
    let folder = result_folder(w.path(), "busy");
    let before = content(&folder);
    let rows = fs::read_to_string(folder.join("requests.csv")).unwrap();
    let row: Vec<&str> =
        rows.lines().find(|row| row.starts_with("1,users")).unwrap().split(',').collect();
    let asked = format!("--request users/{} --replication 1 --format json", row[3]);
    let of_folder = succeeds(w.path(), &format!("explain {} {asked}", folder.display()));
    assert_eq!(of_folder, succeeds(w.path(), &format!("explain busy.yaml {asked}")));
    let found: Value = serde_json::from_str(&of_folder).unwrap();
    let request = &found[0]["request"];
    let names: BTreeSet<&str> = request.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = "attempts client intended key latency number operation outcome replication";
    assert_eq!(names.into_iter().collect::<Vec<_>>().join(" "), wanted);
    assert_eq!(
        (&request["intended"], &request["latency"]),
        (&row[4].parse().unwrap(), &row[5].parse().unwrap())
    );
    for key in
        ["id", "parent", "node", "instance", "kind", "start", "end", "waiting", "work", "outcome"]
    {
        assert!(found[0]["spans"][1].get(key).is_some(), "{key}");
    }
    let slow = succeeds(w.path(), "explain busy.yaml --slowest 2 --outcome timeout --format json");
    let slow: Vec<Waterfall> = serde_json::from_str(&slow).unwrap();
    assert_eq!(slow.len(), 2);
    assert!(slow[0].request.latency >= slow[1].request.latency);
    assert!(slow.iter().all(|of| of.request.outcome == "timeout" && of.request.attempts == 2));
    let text = succeeds(w.path(), "explain busy.yaml --outcome timeout");
    assert!(text.contains("timeout after 310 ms and 2 attempts"), "{text}");
    assert!(
        text.lines().filter(|line| line.trim_start().starts_with("attempt 2: app[")).count() == 3,
        "{text}"
    );
    assert!(text.lines().any(|line| line.trim_start().starts_with("backoff  ")), "{text}");
    let none = succeeds(w.path(), "explain busy.yaml --outcome shed");
    assert_eq!(none, "No request of this replication is like that.\n");
    assert!(content(&folder) == before, "explaining writes nothing");
}

#[test]
fn what_cannot_be_watched_is_refused_in_one_line() {
    let w = busy();
    succeeds(w.path(), "run busy.yaml -n 1 --quiet --watch none");
    let folder = result_folder(w.path(), "busy");
    let dir = folder.display();
    let cases = [
        (format!("explain {dir} --request users/9999999"), "`users` sent no request 9999999"),
        // Of the warm-up.
        (format!("explain {dir} --request users/0"), "`users` sent no request 0 after the warm-up"),
        (format!("explain {dir} --request user/1"), "no client `user`; did you mean `users`?"),
        (format!("explain {dir} --slowest 1 --replication 1"), "they go from 0 to 0"),
        (format!("explain {dir} --slowest 1 --seed 4"), "is not changed by --set"),
        ("explain busy.yaml --replication 1".to_owned(), "say which requests"),
        ("explain busy.yaml --slowest 1 -n 3".to_owned(), "not of single requests"),
        ("explain busy.yaml --request users".to_owned(), "such as `users/7870`"),
        ("explain busy.yaml --outcome lost".to_owned(), "possible values: ok, degraded"),
        (format!("export {dir} --as otlp --key 3"), "of jepsen"),
        (format!("export {dir} --as otlp --output no/such/file"), "no/such/file"),
    ];
    for (arguments, line) in cases {
        let ran = windtunnel(w.path(), &arguments);
        assert!(ran.code == 2 && ran.stderr.contains(line), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
    let scenario = folder.join("scenario.yaml");
    let text = fs::read_to_string(&scenario).unwrap();
    fs::write(&scenario, text.replace("seed: 3", "seed: 4")).unwrap();
    for command in ["explain DIR --slowest 1", "export DIR --as otlp", "export DIR --as perfetto"] {
        let ran = windtunnel(w.path(), &command.replace("DIR", &dir.to_string()));
        assert!(
            ran.code == 2 && ran.stderr.contains("was changed after the run"),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn traces_name_their_parents_and_pairs_are_closed() {
    let w = busy();
    succeeds(w.path(), "run busy.yaml -n 1 --quiet");
    let folder = result_folder(w.path(), "busy");
    let all: Vec<Waterfall> =
        serde_json::from_slice(&fs::read(folder.join("watched.json")).unwrap()).unwrap();
    let spans: usize = all.iter().map(|of| of.spans.len() + 1).sum();
    let text = succeeds(w.path(), &format!("export {} --as otlp", folder.display()));
    let traces: Value = serde_json::from_str(&text).unwrap();
    let mut known = BTreeMap::new();
    for resource in traces["resourceSpans"].as_array().unwrap() {
        let service = &resource["resource"]["attributes"][0];
        assert_eq!(service["key"], "service.name");
        assert!(
            ["users", "app", "db"].contains(&service["value"]["stringValue"].as_str().unwrap())
        );
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            let of = |key: &str| span.get(key).map(|id| id.as_str().unwrap().to_owned());
            let (trace, id) = (of("traceId").unwrap(), of("spanId").unwrap());
            assert!(trace.len() == 32 && id.len() == 16);
            let [start, end] = ["startTimeUnixNano", "endTimeUnixNano"]
                .map(|key| of(key).unwrap().parse::<u64>().unwrap());
            assert!(start <= end);
            assert!(known.insert((trace, id), (of("parentSpanId"), start)).is_none(), "ids differ");
        }
    }
    assert_eq!(known.len(), spans);
    for ((trace, _), (parent, start)) in &known {
        let Some(parent) = parent else { continue };
        assert!(known[&(trace.clone(), parent.clone())].1 <= *start);
    }
    let roots = known.values().filter(|(parent, _)| parent.is_none()).count();
    assert_eq!(roots, all.len());

    let out = w.path().join("trace.json");
    succeeds(w.path(), &format!("export {} --as perfetto --output trace.json", folder.display()));
    let events: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let mut open: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events["traceEvents"].as_array().unwrap() {
        let (phase, at) = (event["ph"].as_str().unwrap(), event["ts"].as_f64().unwrap());
        *phases.entry(phase).or_default() += 1;
        let Some(id) = event["id"].as_str() else { continue };
        let (stack, name) = (open.entry(id).or_default(), event["name"].as_str().unwrap());
        if phase == "b" {
            assert!(stack.last().is_none_or(|above| above.1 <= at), "{event}");
            stack.push((name, at));
        } else {
            let (opened, from) = stack.pop().expect("it was opened");
            assert!(opened == name && from <= at, "{event}");
        }
    }
    assert!(open.values().all(Vec::is_empty) && open.len() == spans);
    assert_eq!(phases["M"], 3);
    assert_eq!(phases["i"], 2, "a fault begins and ends");
    assert!(phases["C"] > 100);
}
