//! Caches: exact hit counts on real traces, and what each way of using one does to store and cache.

use std::collections::BTreeMap;

use serde_json::Value;
use windtunnel::scenario::load::{Files, Overrides};

use crate::{
    bad_input::{check_in, told},
    theory::oracles::run::{self, simulate},
};

/// A scenario beside the traces of the tests.
struct Beside(String);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == "scenario.yaml" {
            return Ok(self.0.clone().into_bytes());
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        std::fs::read(format!("{folder}{path}")).map_err(|e| e.to_string())
    }
}

fn results(text: String) -> Value {
    let merged = run::run("scenario.yaml", &Beside(text), &Overrides::default(), 1);
    serde_json::to_value(merged).expect("results are JSON")
}

/// A request every millisecond, `n` in all.
fn trace(keys: &str, n: u64, nodes: &str, to: &str) -> Value {
    results(format!(
        "windtunnel: 1\nname: caches\nduration: {}ms\n\
         clients: {{load: {{arrivals: constant(1000/s), to: {to}, keys: {keys}}}}}\nnodes:\n{nodes}",
        n + 1
    ))
}

#[test]
fn hits_on_real_traces_are_exact() {
    let entries: Vec<Value> =
        serde_json::from_str(include_str!("../oracles/caches_trace.json")).unwrap();
    let mut checked = 0;
    for entry in &entries {
        let path = entry["params"]["file"].as_str().unwrap();
        let file = path.trim_start_matches("cache/");
        // The other traces may not be distributed.
        if !file.starts_with("lirs_") {
            continue;
        }
        let system = entry["system"].as_str().unwrap();
        let requests = system.split(": ").nth(1).unwrap().split(' ').next().unwrap();
        let requests: u64 = requests.parse().unwrap();
        let capacity = &entry["params"]["capacity_objects"];
        // LFU, ARC and 2Q need not agree to the last hit by their tolerance (.02, .002, .01), but do.
        for (policy, eviction, tolerance) in [
            ("LRU", "lru", 1e-9),
            ("FIFO", "fifo", 1e-9),
            ("CLOCK", "clock", 1e-9),
            ("SIEVE", "sieve", 1e-9),
            ("LFU", "lfu", 1e-9),
            ("ARC", "arc", 1e-9),
            ("TwoQ", "two_q", 1e-9),
            ("SLRU", "slru", 0.02),
            ("S3FIFO", "s3fifo", 0.01),
            ("LIRS", "lirs", 0.01),
            ("WTinyLFU", "w_tinylfu", 0.03),
            ("RANDOM", "random", 0.02),
        ] {
            if (file, capacity.as_u64(), policy) == ("lirs_2_pools.keys.gz", Some(10), "S3FIFO") {
                // The program behind this answer holds nothing at all in a cache of ten (0 hits).
                continue;
            }
            let cache = format!("  c: {{cache: {{capacity: {capacity}, eviction: {eviction}}}}}\n");
            let measured = trace(&format!("trace(file={file})"), requests, &cache, "c");
            let cache = &measured["nodes"]["c"];
            assert_eq!(cache["lookups"], requests, "{file}");
            let ratio = cache["hit_ratio"]["value"].as_f64().unwrap();
            let mut expected = entry["expected"][policy].as_f64().unwrap();
            if (file, capacity.as_u64(), policy) == ("lirs_loop.keys.gz", Some(202), "RANDOM") {
                // The program behind this answer (0.031) does not choose evenly. A key of a loop over
                // 1011 survives 1010 requests with chance h = (1 - 1/202)^(1010 (1 - h)): 0.00700.
                expected = 0.007;
            }
            // The program behind these answers holds nothing at all in a cache below a hundred; its parts
            // hold one entry less than the cache at a hundred; it counts what leaves the window twice,
            // which decides on a loop, where all keys are asked for equally often. Who does not hits more.
            let weak = ["lirs_2_pools 100", "lirs_loop 506", "lirs_loop 1000"];
            let name = format!("{} {capacity}", file.trim_end_matches(".keys.gz"));
            let weak = policy == "WTinyLFU" && (expected == 0.0 || weak.contains(&&*name));
            let best = entry["expected"]["OPT"].as_f64().unwrap();
            let fits = (ratio - expected).abs() <= tolerance;
            let fits = if weak { expected < ratio && ratio <= best } else { fits };
            assert!(fits, "{file} {capacity} {policy}: {ratio} instead of {expected}");
            checked += 1;
        }
    }
    assert_eq!(checked, 36 * 12 - 1);
}

fn count(results: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(results, |at, key| &at[key]);
    found.get("value").unwrap_or(found).as_f64().unwrap_or_else(|| panic!("{path}: {found}"))
}

/// 100 requests per second to the endpoint `step` of a service, keys 1..=10 in turn.
fn service(step: &str, nodes: &str) -> BTreeMap<&'static str, f64> {
    let nodes = format!("  app: {{service: {{endpoints: {{default: [{step}]}}}}}}\n{nodes}");
    let found = trace("sequential(n=10)", 1000, &nodes, "app");
    ["lookups", "hits", "throughput"]
        .map(|what| (what, count(&found, &format!("nodes.c.{what}"))))
        .into_iter()
        .chain([("store", count(&found, "nodes.db.throughput"))])
        .chain([("latency", count(&found, "summary.latency.max"))])
        .collect()
}

const STORE: &str = "  db: {store: {read: 2ms, write: 3ms}}\n";

#[test]
fn a_miss_is_read_and_filled_once() {
    let nodes = format!("  c: {{cache: {{latency: 1ms}}}}\n{STORE}");
    let found = service("{read: {from: db, cache: c}}", &nodes);
    assert_eq!((found["lookups"], found["hits"]), (1000.0, 990.0));
    // A miss takes the lookup and the read; nobody waits for the fill.
    assert!((found["latency"] - 0.003).abs() < 1e-9, "{}", found["latency"]);
    // Lookups and fills are visits of the cache.
    assert!((found["throughput"] * 1.001 - 1010.0).abs() < 3.0, "{}", found["throughput"]);
}

#[test]
fn writes_mean_to_the_cache_what_their_mode_says() {
    let nodes = format!("  c: {{cache: {{from: db}}}}\n{STORE}");
    let write = |mode: &str| {
        service(
            &format!("{{write: {{to: db, cache: c{mode}}}}}, {{read: {{from: db, cache: c}}}}"),
            &nodes,
        )
    };
    // Misses of the reads, each of which follows the write of its key, and the latency.
    let cases = [
        ("", f64::INFINITY, 0.005),
        (", mode: invalidate", f64::INFINITY, 0.005),
        (", mode: update", 0.0, 0.003),
        (", mode: around", 10.0, 0.005),
        (", mode: through", 0.0, 0.003),
        (", mode: behind", 0.0, 0.0),
    ];
    for (mode, misses, latency) in cases {
        let found = write(mode);
        let missed = found["lookups"] - found["hits"];
        assert_eq!(missed, misses.min(found["lookups"]), "{mode}");
        assert!((found["latency"] - latency).abs() < 1e-9, "{mode}: {}", found["latency"]);
        // Requests of the last 5 ms are cut off.
        let visits = found["store"] * 1.001;
        assert!((visits - 1000.0 - missed).abs() < 11.0, "{mode}: the store sees {visits} visits");
    }
}

#[test]
fn tiers_are_asked_in_turn_and_filled_backwards() {
    let nodes = format!("  near: {{cache: {{capacity: 5}}}}\n  c: {{cache: {{}}}}\n{STORE}");
    let step = "{read: {from: db, cache: [near, c]}}";
    let app = format!("  app: {{service: {{endpoints: {{default: [{step}]}}}}}}\n{nodes}");
    let found = trace("sequential(n=10)", 1000, &app, "app");
    // Ten keys in turn never fit five places, so each request goes on to the far tier.
    assert_eq!(count(&found, "nodes.near.hits"), 0.0);
    assert_eq!(count(&found, "nodes.near.evictions"), 995.0);
    assert_eq!((count(&found, "nodes.c.lookups"), count(&found, "nodes.c.hits")), (1000.0, 990.0));
    // With room it answers all but the first round, and the far tier is not asked.
    let roomy = app.replace("capacity: 5", "capacity: 10");
    let found = trace("sequential(n=10)", 1000, &roomy, "app");
    assert_eq!(count(&found, "nodes.near.hits"), 990.0);
    assert_eq!(count(&found, "nodes.c.lookups"), 10.0);
}

#[test]
fn a_cache_inside_a_service_is_near_and_shares_its_fate() {
    // Ten keys in turn, four instances at random: each misses each key once, and the crash of one after
    // half of the time costs it the ten once more. Nothing but the store is reached by a network.
    let text = |faults: &str| {
        format!(
            "windtunnel: 1\nname: inside\nduration: 100.0005s\n\
             topology: {{regions: {{r: [x, y]}}}}\n\
             network: {{same_zone: 1ms, same_region: 3ms, internet: 0s}}\n\
             clients: {{load: {{arrivals: constant(1000/s), to: app, keys: sequential(n=10), timeout: 1s}}}}\n\
             nodes:\n  app: {{service: {{instances: 4, endpoints: {{default: [{{read: {{from: db, cache: near}}}}]}}}}}}\n  \
             near: {{cache: {{in: app, capacity: 20}}}}\n  db: {{store: {{read: 1ms, zones: [x]}}}}\n\
             faults: [{faults}]\n"
        )
    };
    let run = |faults: &str| simulate(&text(faults), 1).merged;
    let well = run("");
    assert_eq!(count(&well, "nodes.near.lookups"), 100_000.0);
    // One fetch of each key each, and what was asked for again while it was fetched.
    let misses = count(&well, "nodes.near.misses");
    assert!((40.0..50.0).contains(&misses), "{misses}");
    assert_eq!(count(&well, "summary.latency.p50"), 0.0);
    assert!((count(&well, "summary.latency.max") - 0.007).abs() < 1e-9);
    assert_eq!(well["nodes"]["near"]["per_instance"].as_array().unwrap().len(), 4);
    for (target, again) in [("{node: app, instances: [1]}", 10.0), ("{zone: y}", 20.0)] {
        let crash = format!("{{id: f, at: 50s, for: 1s, crash: {target}}}");
        let found = count(&run(&crash), "nodes.near.misses") - misses;
        assert!((found - again).abs() <= 5.0, "{target}: {found} more misses");
    }
    // Cut off from everything, it still answers its own service.
    let cut = run("{id: f, at: 50s, for: 10s, latency: {node: near, add: 1s}}");
    assert_eq!(count(&cut, "summary.latency.p99"), 0.0);
}

#[test]
fn one_fetch_serves_all_who_ask_meanwhile() {
    let stampede = |coalesce: bool| {
        let nodes = format!(
            "  c: {{cache: {{from: origin, coalesce: {coalesce}, ttl: 500ms}}}}\n  \
             origin: {{external: {{latency: 100ms}}}}\n"
        );
        trace("sequential(n=1)", 1000, &nodes, "c")
    };
    let (alone, together) = (stampede(false), stampede(true));
    // A fetch takes 100 requests' time and its answer lasts 500: 1000 requests see two rounds.
    assert_eq!(count(&alone, "nodes.c.misses"), count(&together, "nodes.c.misses"));
    assert_eq!(count(&together, "nodes.c.coalesced"), count(&together, "nodes.c.misses") - 2.0);
    assert_eq!(count(&alone, "nodes.c.coalesced"), 0.0);
    assert!((count(&together, "nodes.origin.throughput") * 1.001 - 2.0).abs() < 0.01);
}

#[test]
fn a_service_that_fetches_what_is_missing_fetches_it_for_all() {
    let aside = |coalesce: bool, fault: &str| {
        let nodes = format!(
            "  app: {{service: {{endpoints: {{default: [{{read: {{from: origin, cache: c}}}}]}}}}}}\n  \
             c: {{cache: {{coalesce: {coalesce}, ttl: 500ms}}}}\n  \
             origin: {{store: {{read: 100ms}}}}\n{fault}"
        );
        trace("sequential(n=1)", 1000, &nodes, "app")
    };
    let (alone, together) = (aside(false, ""), aside(true, ""));
    assert_eq!(count(&alone, "nodes.c.coalesced"), 0.0);
    assert_eq!(count(&together, "nodes.c.coalesced"), count(&together, "nodes.c.misses") - 2.0);
    assert_eq!(count(&together, "nodes.origin.outcomes.ok"), 2.0);
    assert_eq!(count(&together, "summary.requests.ok"), 1000.0);
    assert!(count(&alone, "nodes.origin.outcomes.ok") > 190.0);
    // The origin is gone from 50.5 ms to 60.5 ms: the fetch under way fails and all 50 who wait fail with
    // it; the next ten fetch and fail one by one; after that one fetch serves all again.
    let fault = "faults: [{id: f, at: 50500us, for: 10ms, crash: {node: origin, process: true}}]\n";
    let failing = aside(true, fault);
    assert_eq!(count(&failing, "summary.requests.error"), 60.0);
    assert_eq!(count(&failing, "summary.requests.ok"), 940.0);
    assert_eq!(count(&failing, "nodes.origin.outcomes.ok"), 2.0);
    assert_eq!(count(&failing, "nodes.origin.causes.connection_refused"), 10.0);
    assert_eq!(count(&failing, "nodes.c.causes.failed_fetch"), 49.0);
}

#[test]
fn a_fetch_that_fails_fails_all_who_wait_or_lets_the_next_fetch() {
    // A fetch takes 100 ms and fails: through a cache as well as beside it.
    let db = "  db: {service: {endpoints: {default: [{wait: 100ms}, {fail: 100%}]}}}\n";
    let app = "  app: {service: {endpoints: {default: [{read: {from: db, cache: c}}]}}}\n";
    let run = |to: &str, more: &str| {
        let (from, app) = if to == "c" { (", from: db", "") } else { ("", app) };
        let nodes = format!("{app}  c: {{cache: {{coalesce: true{from}{more}}}}}\n{db}");
        trace("sequential(n=1)", 1000, &nodes, to)
    };
    for to in ["c", "app"] {
        // Every 100 ms one fetch fails, and whoever came meanwhile with it; nobody hangs.
        let together = run(to, "");
        assert_eq!(count(&together, "nodes.db.outcomes.error"), 9.0, "{to}");
        assert!(count(&together, "summary.requests.error") >= 900.0, "{to}");
        assert!(count(&together, "summary.requests.in_flight") <= 101.0, "{to}");
        // The next fetches, but who has waited for 250 ms fails: two more fetches and the rest of one.
        let next = run(to, ", on_failure: next(wait=250ms)");
        assert_eq!(count(&next, "nodes.db.outcomes.error"), 9.0, "{to}");
        let hang = count(&next, "summary.requests.in_flight");
        assert!((240.0..=352.0).contains(&hang), "{to}: {hang}");
    }
}

#[test]
fn an_entry_is_of_the_node_it_is_filled_from() {
    // Both stores are asked for all ten keys once; what is written to one is read again from it alone.
    let run = |steps: &str, cache: &str| {
        let nodes = format!(
            "  app: {{service: {{endpoints: {{default: [{steps}]}}}}}}\n  \
             c: {{cache: {{{cache}}}}}\n  users: {{store: {{read: 0s}}}}\n  goods: {{store: {{read: 0s}}}}\n"
        );
        trace("sequential(n=10)", 1000, &nodes, "app")
    };
    let reads = "{read: {from: users, cache: c}}, {read: {from: goods, cache: c}}";
    let served =
        |found: &Value| ["users", "goods"].map(|n| count(found, &format!("nodes.{n}.outcomes.ok")));
    for cache in [
        "",
        "in: app",
        "from: users",
        "from: goods",
        "coalesce: true, negative: 1s, eviction: arc, capacity: 20",
    ] {
        let found = run(reads, cache);
        assert_eq!(served(&found), [10.0, 10.0], "{cache}");
        assert_eq!(count(&found, "nodes.c.hits"), 1980.0, "{cache}");
    }
    let writes = format!("{{write: {{to: goods, cache: c}}}}, {reads}");
    assert_eq!(served(&run(&writes, "")), [10.0, 2000.0]);
    let updates = format!("{{write: {{to: users, cache: c, mode: update}}}}, {reads}");
    assert_eq!(served(&run(&updates, "")), [1000.0, 10.0]);
    // What nobody can read from one store can still be read from the other.
    let text = "  app: {service: {endpoints: {default: [{read: {from: users, cache: c}, optional: true}, \
                {read: {from: goods, cache: c}}]}}}\n  c: {cache: {negative: 1m}}\n  \
                users: {service: {endpoints: {default: [{fail: 100%}]}}}\n  goods: {store: {read: 0s}}\n";
    let found = trace("sequential(n=10)", 1000, text, "app");
    assert_eq!(count(&found, "nodes.users.outcomes.error"), 10.0);
    assert_eq!(count(&found, "nodes.goods.outcomes.ok"), 10.0);
    assert_eq!(count(&found, "summary.requests.ok"), 1000.0);
}

/// 1000 keys, each read once a second for so long; each is there 6 s, or thereabouts.
fn yearly(ttl: &str, millis: u64) -> f64 {
    let nodes = format!(
        "  app: {{service: {{endpoints: {{default: [{{read: {{from: db, cache: c}}}}]}}}}}}\n  \
         c: {{cache: {{ttl: {ttl}}}}}\n  db: {{store: {{read: 0s}}}}\n"
    );
    count(&trace("sequential(n=1000)", millis, &nodes, "app"), "nodes.c.misses")
}

#[test]
fn what_was_filled_together_need_not_expire_together() {
    // Filled in the first second, read in each that follows: after 5.1 s to 6.9 s, or after 6 s sharp.
    assert_eq!([6000, 7000].map(|n| yearly("6s", n)), [1000.0, 2000.0]);
    let [before, after] = [6000, 7000].map(|n| yearly("uniform(5.1s 6.9s)", n));
    // Lives of less than 5 s: none; of less than 6 s, which is met by the seventh read: half of them.
    assert_eq!(before, 1000.0);
    assert!((1460.0..1540.0).contains(&after), "{after}");
    assert_eq!(yearly("uniform(5.1s 6.9s)", 8000), 2000.0);
}

#[test]
fn one_caller_refreshes_what_will_soon_expire() {
    // A page is fetched in 100 ms and lives 1 s; a hundred requests would miss it each time.
    let run = |to: &str, more: &str| {
        let (from, app) = match to {
            "c" => (", from: db", ""),
            _ => ("", "  app: {service: {endpoints: {default: [{read: {from: db, cache: c}}]}}}\n"),
        };
        let nodes = format!(
            "{app}  c: {{cache: {{ttl: 1s{from}{more}}}}}\n  db: {{store: {{read: 100ms}}}}\n"
        );
        trace("sequential(n=1)", 10_000, &nodes, to)
    };
    for to in ["c", "app"] {
        // Nine lives and the fetches between them, and a hundred callers at each.
        assert!(count(&run(to, ""), "nodes.db.outcomes.ok") > 800.0, "{to}");
        let early = run(to, ", early: 20%");
        // A life of 0.8 s and a fetch, while all but one are served.
        let fetches = count(&early, "nodes.db.outcomes.ok");
        assert!((100.0 + 10.0..100.0 + 12.0).contains(&fetches), "{to}: {fetches}");
        let misses = count(&early, "nodes.c.misses");
        let refreshed = if to == "c" { 0.0 } else { fetches - 100.0 };
        assert!((misses - 100.0 - refreshed).abs() <= 1.0, "{to}: {misses} misses");
        // XFetch knows that a fetch takes long, and begins it by chance; now and then it is too late.
        let xfetch = run(to, ", early: xfetch(beta=3)");
        let fetches = count(&xfetch, "nodes.db.outcomes.ok");
        assert!((100.0 + 9.0..250.0).contains(&fetches), "{to}: {fetches}");
    }
    // A refresh that fails is tried again by the next.
    let nodes = "  app: {service: {endpoints: {default: [{read: {from: db, cache: c}}]}}}\n  \
                 c: {cache: {ttl: 1s, early: 20%}}\n  db: {store: {read: 0s}}\n\
                 faults: [{id: f, at: 500ms, for: 400ms, errors: {node: db, fraction: 100%}}]\n";
    let found = trace("sequential(n=1)", 2000, nodes, "app");
    let errors = count(&found, "summary.requests.error");
    assert!((99.0..=101.0).contains(&errors), "{errors}");
}

/// Share of a Zipf stream found in a cache of a tenth of its keys, asked a thousand times a second.
fn zipf(eviction: &str) -> f64 {
    let nodes = format!("  c: {{cache: {{capacity: 1k, eviction: {eviction}}}}}\n");
    count(&trace("zipf(n=10k s=0.9)", 100_000, &nodes, "c"), "nodes.c.hit_ratio")
}

#[test]
fn sampling_costs_hits_and_a_coarse_clock_more() {
    let (lru, lfu, random) = (zipf("lru"), zipf("lfu"), zipf("random"));
    let fine = zipf("sampled_lru(samples=10 clock=1ms)");
    assert!((fine - lru).abs() < 0.01, "{fine} beside {lru}");
    // With every entry used in one tick nothing tells them apart.
    let coarse = zipf("sampled_lru(samples=5 clock=1000s)");
    assert!((coarse - random).abs() < 0.01, "{coarse} beside {random}");
    let redis = zipf("sampled_lru");
    assert!(coarse < redis && redis < lru, "{redis}");
    let often = zipf("sampled_lfu");
    assert!(lru < often && often < lfu + 0.005, "{often} between {lru} and {lfu}");
}

#[test]
fn places_are_as_many_as_copies() {
    let text = "windtunnel: 1\nname: places\nduration: 100s\ntopology: {regions: {r: [za, zb]}}\n\
                clients: {u: {arrivals: poisson(10/s), to: app, keys: uniform(n=10), timeout: 1s}}\nnodes:\n  \
                app: {service: {endpoints: {default: [{read: {from: kv, cache: c}}]}, dependencies: {c: {timeout: 1s}}}}\n  \
                kv: {store: {zones: {za: 1}, read: 1ms, value_size: 10KB}}\n  \
                c: {cache: {instances: 2, zones: {za: 1, zb: 1}, capacity: 1MB}}\n\
                faults: [{id: f, at: 10s, for: 5s, crash: {zone: zb}}]\n";
    assert_eq!(told(text.as_bytes()), Vec::<String>::new());
    check_in(
        text,
        &[
            (
                "-",
                "zones: {za: 1}",
                "zones: {za: 3, zb: 2}",
                "8:16 E-REPL",
                "5 places for 1 shards",
            ),
            (
                "-",
                "kv: {store: {",
                "kv: {store: {shards: {count: 2}, ",
                "8:36 E-REPL",
                "1 places for 2 shards",
            ),
            ("-", "zb: 1}", "zb: 3}", "9:29 E-REPL", "4 places for 2 instances"),
            ("-", ", value_size: 10KB", "", "9:62 E-MISSING", "no size"),
            ("-", "capacity: 1MB", "capacity: 9KB", "9:62 E-RANGE", "nothing fits"),
            ("-", "capacity: 1MB", "on_failure: together", "9:64 E-CONFLICT", "nobody waits"),
            ("-", "capacity: 1MB", "coalesce: true, on_failure: next", "9:80 E-EXPR", "wait"),
            ("-", "capacity: 1MB", "coalesce: true, on_failure: alone", "9:80 E-ENUM", "together"),
            (
                "-",
                "capacity: 1MB",
                "coalesce: true, on_failure: next(wait=0s)",
                "9:80 E-RANGE",
                "above 0",
            ),
        ],
    );
}

#[test]
fn who_is_turned_away_leaves_the_fetch_of_others_alone() {
    // A fetch takes 100 requests' time and there is room for 50: half of those that come meanwhile are
    // rejected, and none of them makes another fetch.
    let nodes = "  app: {service: {workers: 50, queue: 0, endpoints: \
                 {default: [{read: {from: origin, cache: c}}]}}}\n  \
                 c: {cache: {coalesce: true, ttl: 500ms}}\n  origin: {store: {read: 100ms}}\n";
    let found = trace("sequential(n=1)", 1000, nodes, "app");
    assert!(count(&found, "summary.requests.rejected") > 90.0);
    assert_eq!(count(&found, "nodes.origin.outcomes.ok"), 2.0);
    // Lookups, and one fill for each fetch: nothing else came to the cache.
    let came = count(&found, "nodes.c.outcomes.ok");
    assert_eq!(came, count(&found, "nodes.c.lookups") + 2.0);
}

#[test]
fn a_failed_fetch_fails_all_who_waited_for_it() {
    let nodes = "  c: {cache: {from: origin, coalesce: true}}\n  \
                 origin: {external: {latency: 100ms, errors: 100%}}\n";
    let found = trace("sequential(n=1)", 1000, nodes, "c");
    let (errors, open) =
        (count(&found, "summary.requests.error"), count(&found, "summary.requests.in_flight"));
    assert_eq!(count(&found, "summary.requests.ok"), 0.0);
    assert!(errors + open == 1000.0 && open < 101.0, "{errors} {open}");
    assert!(count(&found, "nodes.c.causes.failed_fetch") > 800.0);
}

#[test]
fn a_stale_value_is_served_while_one_fetch_brings_a_new_one() {
    let cache = |more: &str| {
        let nodes = format!(
            "  c: {{cache: {{from: origin, coalesce: true, ttl: 500ms, latency: 1ms{more}}}}}\n  \
             origin: {{store: {{read: 100ms, value_size: 10KB}}}}\n"
        );
        trace("sequential(n=1)", 10_000, &nodes, "c")
    };
    let (waits, stale) = (cache(""), cache(", stale_while_revalidate: 1s"));
    // Fetches are 600 ms and a lookup apart either way; who comes during one waits or is served what was.
    for found in [&waits, &stale] {
        assert_eq!(count(found, "nodes.origin.outcomes.ok"), 17.0);
    }
    // The first 101 requests find nothing: the lookup that misses takes its time too.
    assert_eq!(count(&stale, "nodes.c.misses"), 101.0);
    assert_eq!(count(&waits, "nodes.c.stale_hits"), 0.0);
    let late = count(&stale, "nodes.c.stale_hits");
    assert!((1600.0..1640.0).contains(&late), "{late}");
    assert!((count(&stale, "summary.latency.p95") - 0.001).abs() < 1e-4);
    assert!(count(&waits, "summary.latency.p95") > 0.05);
    // When the origin is gone, what is stale is served to the end of its time and no longer.
    let fault = "faults: [{id: f, at: 1s, errors: {node: origin, fraction: 100%}}]\n";
    let nodes = format!(
        "  c: {{cache: {{from: origin, ttl: 500ms, stale_while_revalidate: 1s}}}}\n  \
         origin: {{external: {{latency: 100ms}}}}\n{fault}"
    );
    let found = trace("sequential(n=1)", 10_000, &nodes, "c");
    // Filled at 0.2 s and, stale from 0.7 s, at 0.8 s; stale again from 1.3 s and gone from 2.3 s.
    let errors = count(&found, "summary.requests.error");
    assert!((7695.0..7705.0).contains(&errors), "{errors}");
}

#[test]
fn a_key_that_cannot_be_read_is_asked_for_once_in_a_while() {
    // Key 3 of ten does not exist: the database says so after 2 ms. 100 requests a second for it.
    let db = "  db: {service: {workers: 100, endpoints: {default: [{work: 2ms}, {fail: 100%, when: key == 3}]}}}\n";
    let run = |step: &str, cache: &str, near: &str| {
        let app = if step.is_empty() {
            String::new()
        } else {
            format!("  app: {{service: {{endpoints: {{default: [{step}]}}}}}}\n")
        };
        let nodes = format!("{app}  c: {{cache: {{latency: 1ms{cache}}}}}\n{near}{db}");
        trace("sequential(n=10)", 10_000, &nodes, if app.is_empty() { "c" } else { "app" })
    };
    let aside = "{read: {from: db, cache: c}}";
    for (step, from) in [("", ", from: db"), (aside, "")] {
        let forgets = run(step, from, "");
        let remembers = run(step, &format!("{from}, negative: 1s"), "");
        for found in [&forgets, &remembers] {
            assert_eq!(count(found, "summary.requests.error"), 1000.0, "{step}");
        }
        assert_eq!(count(&forgets, "nodes.db.outcomes.error"), 1000.0, "{step}");
        assert_eq!(count(&forgets, "nodes.c.negative_hits"), 0.0, "{step}");
        // Asked again when a second is over: ten times in ten seconds.
        assert_eq!(count(&remembers, "nodes.db.outcomes.error"), 10.0, "{step}");
        assert_eq!(count(&remembers, "nodes.c.negative_hits"), 990.0, "{step}");
        assert_eq!(count(&remembers, "nodes.c.causes.negative"), 990.0, "{step}");
        assert_eq!(count(&remembers, "nodes.db.outcomes.ok"), 9.0, "{step}");
    }
    // An optional read goes on without it, whoever says so.
    let optional = run("{read: {from: db, cache: c}, optional: true}", ", negative: 1s", "");
    assert!(count(&optional, "summary.requests.ok") >= 9_999.0);
    assert_eq!(count(&optional, "nodes.db.outcomes.error"), 10.0);
    // The near tier learns from the far one, and answers by itself for half a second.
    let near = "  near: {cache: {negative: 500ms}}\n";
    let tiers = run("{read: {from: db, cache: [near, c]}}", ", negative: 1s", near);
    assert_eq!(count(&tiers, "summary.requests.error"), 1000.0);
    assert_eq!(count(&tiers, "nodes.db.outcomes.error"), 10.0);
    assert_eq!(count(&tiers, "nodes.c.negative_hits"), 10.0);
    assert_eq!(count(&tiers, "nodes.near.negative_hits"), 980.0);
}

#[test]
fn who_waits_for_a_key_that_cannot_be_read_is_told_so_once() {
    // Found out after 100 ms: a hundred requests wait for one answer, aside as well as through.
    let db = "  db: {service: {workers: 1, endpoints: {default: [{work: 100ms}, {fail: 100%}]}}}\n";
    let app = "  app: {service: {endpoints: {default: [{read: {from: db, cache: c}}]}}}\n";
    for (from, app, to) in [(", from: db", "", "c"), ("", app, "app")] {
        let nodes = format!("{app}  c: {{cache: {{coalesce: true, negative: 1s{from}}}}}\n{db}");
        let found = trace("sequential(n=1)", 1100, &nodes, to);
        assert_eq!(count(&found, "nodes.c.coalesced"), 99.0, "{to}");
        assert_eq!(count(&found, "nodes.db.outcomes.error"), 1.0, "{to}");
        assert_eq!(count(&found, "summary.requests.error"), 1100.0, "{to}");
    }
    // An error is an answer, whoever gives it; a rejection says nothing about the key.
    let dead = "  c: {cache: {from: db, negative: 1s}}\n  db: {external: {latency: 1ms}}\n\
                faults: [{id: f, at: 0s, errors: {node: db, fraction: 100%}}]\n";
    let found = trace("sequential(n=1)", 1000, dead, "c");
    assert_eq!(count(&found, "nodes.c.negative_hits"), 999.0);
    let full = "  c: {cache: {from: db, negative: 1s}}\n  \
                db: {service: {workers: 1, queue: 0, work: 5s}}\n";
    let found = trace("sequential(n=1)", 1000, full, "c");
    assert_eq!(count(&found, "nodes.c.negative_hits"), 0.0);
    assert_eq!(count(&found, "nodes.db.outcomes.rejected"), 999.0);
}

#[test]
fn bytes_bound_a_cache_by_the_sizes_it_is_filled_with() {
    let nodes = "  c: {cache: {capacity: 50KB}}\n  \
                 db: {store: {read: 0s, value_size: 10KB}}\n";
    let app = format!(
        "  app: {{service: {{endpoints: {{default: [{{read: {{from: db, cache: c}}}}]}}}}}}\n{nodes}"
    );
    let five = trace("sequential(n=5)", 1000, &app, "app");
    assert_eq!(count(&five, "nodes.c.hits"), 995.0);
    let six = trace("sequential(n=6)", 1000, &app, "app");
    assert_eq!((count(&six, "nodes.c.hits"), count(&six, "nodes.c.evictions")), (0.0, 995.0));
}

#[test]
fn each_key_lives_on_one_instance() {
    let nodes = "  c: {cache: {capacity: 100, instances: 4}}\n";
    let found = trace("sequential(n=200)", 10_000, nodes, "c");
    // 200 keys over four instances of 100 places: each fits, wherever the ring puts it.
    assert_eq!(count(&found, "nodes.c.hits"), 9800.0);
}

const CACHED: &str = "\
windtunnel: 1
name: cached
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app, keys: uniform(n=10)}}
nodes:
  app: {service: {endpoints: {default: [{read: {from: db, cache: near}}]}}}
  near: {cache: {capacity: 5}}
  db: {store: {read: 1ms}}
";

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn caches_are_checked() {
    assert_eq!(told(CACHED.as_bytes()), Vec::<String>::new());
    let capacity = "{capacity: 5}";
    check_in(
        CACHED,
        &[
            ("B76", capacity, "{capacity: 0}", "7:28 E-RANGE", "at least 1"),
            ("B76", capacity, "{capacity: 5, ttl: 0s}", "7:36 E-RANGE", "above 0"),
            ("B76", capacity, "{capacity: 5, ttl: -1s}", "7:36 E-RANGE", ""),
            ("in", capacity, "{capacity: 5, in: db}", "7:35 E-REF", "no service `db`"),
            ("in", capacity, "{capacity: 5, in: app, instances: 2}", "7:51 E-CONFLICT", "each"),
            (
                "in",
                "{capacity: 5}}",
                "{in: app}}\n  lb: {load_balancer: {to: near}}",
                "8:28 E-REF",
                "whose steps alone",
            ),
            ("B76", capacity, "{hit_ratio: 80%}", "7:18 E-UNKNOWN-KEY", "hit_ratio"),
            ("B16", capacity, "{capasity: 5}", "7:18 E-UNKNOWN-KEY", "capacity"),
            ("B33", capacity, "{capacity: 5, eviction: lruu}", "7:41 E-ENUM", "lru"),
            ("B20", capacity, "{capacity: 1e3}", "7:28 E-NUM-FORM", ""),
            ("B29", capacity, "{capacity: 5QB}", "7:28 E-UNIT", ""),
            ("B33", capacity, "{by: range}", "7:22 E-CONFLICT", "for stores"),
            ("B33", capacity, "{by: modulo}", "7:22 E-ENUM", "hash"),
            ("in", capacity, "{in: app, by: hash}", "7:31 E-CONFLICT", "without its keys"),
            ("-", capacity, "{ttl_renew: true}", "7:29 E-CONFLICT", "no `ttl`"),
            ("-", capacity, "{early: 5%}", "7:25 E-CONFLICT", "no `ttl`"),
            ("-", capacity, "{ttl: 1s, early: 0%}", "7:34 E-RANGE", "above 0"),
            ("-", capacity, "{ttl: 1s, early: 100%}", "7:34 E-RANGE", "below 100%"),
            ("-", capacity, "{ttl: 1s, early: xfetch(beta=0)}", "7:34 E-RANGE", "beta"),
            ("-", capacity, "{ttl: 1s, early: xfetch(alpha=1)}", "7:34 E-EXPR", "alpha"),
            ("-", capacity, "{ttl: uniform(2s 1s)}", "7:23 E-DIST", ""),
            (
                "-",
                capacity,
                "{capacity: 5, eviction: sampled_lru(samples=0)}",
                "7:41 E-RANGE",
                "1..=64",
            ),
            (
                "-",
                capacity,
                "{capacity: 5, eviction: sampled_lfu(decay=0s)}",
                "7:41 E-RANGE",
                "above 0",
            ),
            (
                "-",
                capacity,
                "{capacity: 5, eviction: sampled_lru(decay=1s)}",
                "7:41 E-EXPR",
                "decay",
            ),
            (
                "-",
                capacity,
                "{capacity: 5, eviction: lru(samples=5)}",
                "7:41 E-ENUM",
                "sampled_lru",
            ),
            ("B76", capacity, "{negative: 0s}", "7:28 E-RANGE", "above 0"),
            ("-", capacity, "{negative: yes}", "7:28 E-TYPE", "duration"),
            ("-", capacity, "{stale_while_revalidate: 1s}", "7:42 E-CONFLICT", "no `ttl`"),
            (
                "-",
                capacity,
                "{ttl: 1s, stale_while_revalidate: 1s}",
                "7:51 E-CONFLICT",
                "no `from`",
            ),
            ("B34", capacity, "{from: dbb}", "7:24 E-REF", "db"),
            ("B34", "cache: near", "cache: naer", "6:66 E-REF", "near"),
            ("B34", "cache: near", "cache: db", "6:66 E-REF", "is a store, not a cache"),
            ("B35", "cache: near", "cache: [near, near]", "6:59 E-DUP-NAME", "twice"),
            ("B38", capacity, "{capacity: 5, from: near}", "7:37 E-CYCLE", "itself"),
            ("B17", ", keys: uniform(n=10)", "", "4:11 E-MISSING", "need keys"),
            (
                "-",
                "{read: {from: db, cache: near}}",
                "{write: {to: db, cache: near, mode: through}}",
                "6:77 E-CONFLICT",
                "does not write to `db`",
            ),
            (
                "B33",
                "{read: {from: db, cache: near}}",
                "{write: {to: db, cache: near, mode: thru}}",
                "6:77 E-ENUM",
                "through",
            ),
            ("B70", "uniform(n=10)", "trace(file=../k.keys)", "4:57 E-TRACE", "leaves the folder"),
            ("B71", "uniform(n=10)", "trace(file=none.keys)", "4:57 E-TRACE", "does not exist"),
            ("B71", "uniform(n=10)", "trace(file=t.csv)", "4:57 E-TRACE", "column="),
            ("B71", "uniform(n=10)", "trace(file=t.csv column=k)", "4:57 E-TRACE", "no column `k`"),
        ],
    );
}
