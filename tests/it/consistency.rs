//! What clients saw of the data: staleness and linearizability emerge from versions that travel.

use serde_json::Value;
use windtunnel::scenario::load::Overrides;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    scenarios::Disk,
    theory::oracles::run,
};

/// Results of a shipped scenario, changed so.
fn shipped(variant: Option<&str>, sets: &[&str], seeds: usize) -> Value {
    let overrides = Overrides {
        variant: variant.map(str::to_owned),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..Overrides::default()
    };
    let name = if sets.iter().any(|set| set.contains("sensors")) {
        "write-behind"
    } else {
        "cap/fill-race"
    };
    let results = run::run(&format!("scenarios/{name}.yaml"), &Disk, &overrides, seeds);
    serde_json::to_value(results).unwrap()
}

/// One key that is read through a cache and written past it.
const TTL: &str = "\
windtunnel: 1
name: ttl-stale
duration: 4020s
warm_up: 20s
clients:
  readers: {arrivals: poisson(50/s), keys: uniform(n=1), operations: {look: {read: near}}}
  writers: {arrivals: poisson(0.1/s), keys: uniform(n=1), operations: {edit: {write: db}}}
nodes:
  near: {cache: {ttl: 10s, from: db}}
  db: {store: {read: 0s}}
";

#[test]
fn a_ttl_without_invalidation_is_as_stale_as_renewal_theory_says() {
    // Oracle `ttl-stale`: 1 - (1 - exp(-w T)) / (w T) of the hits, w T = 1.
    let found = results_of(TTL, 20);
    let hits = number(&found, "nodes.near.hits") / 20.0;
    let stale = number(&found, "consistency.stale_reads") / hits;
    assert!((stale / 0.367_879_441_2 - 1.0).abs() < 0.02, "{stale}");
    // The oldest write a read misses is as old as the entry at most.
    let oldest = number(&found, "consistency.staleness_age.max");
    assert!(oldest > 9.5 && oldest <= 10.0, "{oldest}");
    // Of one key all is known: it is no register, for what was acknowledged is not read.
    assert_eq!(found["consistency"]["linearizable"], false);
    assert!((number(&found, "consistency.keys_checked") - 1.0).abs() < 1e-9);
    // So long after a write all is fresh, and shortly after it hardly anything.
    let points = found["consistency"]["t_visibility"].as_array().unwrap();
    let fresh = |after: f64| {
        points.iter().find(|p| p["after"] == after).unwrap()["fresh"].as_f64().unwrap()
    };
    assert!(fresh(0.05) < 0.05 && fresh(10.0) == 1.0 && fresh(20.0) == 1.0, "{points:?}");
}

#[test]
fn a_late_fill_brings_back_what_was_overwritten_and_a_lease_refuses_it() {
    let sets = ["duration=90s"];
    let base = shipped(None, &sets, 3);
    assert!(number(&base, "consistency.stale_reads") > 5.0);
    assert_eq!(base["consistency"]["linearizable"], false);
    assert!(number(&base, "consistency.read_your_writes_violations") > 0.0);
    let witness = base["consistency"]["witness"].as_array().unwrap();
    assert!((2..=4).contains(&witness.len()), "{witness:?}");
    assert!(witness.iter().all(|op| op["key"] == witness[0]["key"]));
    let lease = shipped(Some("lease"), &sets, 3);
    assert_eq!(number(&lease, "consistency.stale_reads"), 0.0);
    assert_eq!(number(&lease, "consistency.read_your_writes_violations"), 0.0);
    assert!(number(&lease, "nodes.hot.causes.fill_refused") > 0.0);
    // It costs next to nothing: a refused fill is a miss more.
    let [hits, others] = [&lease, &base].map(|of| number(of, "nodes.hot.hit_ratio"));
    assert!((hits - others).abs() < 0.01, "{hits} {others}");
    // Without any invalidation all that bounds it is the `ttl`.
    let around = shipped(Some("around"), &sets, 3);
    let [more, less] = [&around, &base].map(|of| number(of, "consistency.stale_read_fraction"));
    assert!(more > 5.0 * less, "{more} {less}");
}

#[test]
fn a_cache_that_writes_later_loses_what_it_answered_for() {
    let sensors = "clients.sensors.timeout=500ms";
    // The database is away for 20 s, whose reports, 360 a second, are in the cache alone.
    let away =
        "faults[0]={id: cache-loss, at: 110s, for: 20s, crash: {node: database, process: true}}";
    let room = "nodes.latest.cache.capacity=60k";
    let behind =
        |sets: &[&str]| shipped(Some("behind"), &[&[sensors, away, room], sets].concat(), 2);
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    let kept = behind(&[]);
    assert_eq!(lost(&kept), 0.0, "the cache still holds them");
    // Then it dies, 15 s after that began.
    let dies = "faults[1]={id: dies, at: 125s, for: 1s, crash: {node: latest}}";
    let gone = behind(&[dies]);
    assert!((lost(&gone) / (360.0 * 15.0) - 1.0).abs() < 0.1, "{}", lost(&gone));
    assert_eq!(number(&gone, "consistency.lost_by_cause.write_behind"), lost(&gone));
    // Or it has no room for them: what is pushed out was nowhere else.
    let pushed = behind(&["nodes.latest.cache.capacity=5k"]);
    assert!(lost(&pushed) > 500.0 && lost(&pushed) < 7200.0, "{}", lost(&pushed));
    // Who writes through is told.
    let through = shipped(None, &[sensors, away, dies], 2);
    assert_eq!(lost(&through), 0.0);
    assert!(number(&through, "clients.sensors.availability") < 0.99);
}

/// A search asks shards that do not hold the key: what they say is about other keys.
#[test]
fn a_question_to_all_shards_reads_no_key() {
    let text = "windtunnel: 1\nname: all\nduration: 20s\n\
         clients: {users: {arrivals: poisson(200/s), keys: uniform(n=20), to: app, \
         operations: {find: {share: 50%}, get: {share: 30%}, put: {share: 20%}}}}\n\
         nodes:\n  app: {service: {endpoints: {find: [{read: {from: db, shards: all}}], \
         get: [{read: {from: db, count: 3}}], put: [{write: {to: db, count: 2}}]}}}\n  \
         db: {store: {shards: {count: 4}, read: exp(mean=2ms)}}\n";
    let found = results_of(text, 2);
    assert_eq!(found["consistency"]["linearizable"], true, "{}", found["consistency"]);
    assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
    // Each of three keys is read by itself, each of two written.
    let [reads, writes] =
        ["read", "write"].map(|kind| number(&found, &format!("consistency.operations.{kind}")));
    assert!((reads / writes - 9.0 / 4.0).abs() < 0.15, "{reads} {writes}");
}

/// Clients of one store that is one copy.
fn plain(client: &str, more: &str) -> String {
    format!(
        "windtunnel: 1\nname: plain\nduration: 60s\n\
         network: {{same_zone: exp(mean=1ms), internet: exp(mean=3ms)}}\n\
         clients:\n  users: {{arrivals: poisson(400/s), keys: zipf(n=40 s=0.8), timeout: 100ms, {client}\
         operations: {{get: {{share: 70%, read: db}}, put: {{share: 30%, write: db}}}}}}\n\
         nodes:\n  db: {{store: {{shards: {{count: 2}}, read: exp(mean=2ms), write: exp(mean=3ms), cores: 2}}}}\n{more}"
    )
}

#[test]
fn one_copy_is_linearizable_through_crashes_and_cuts() {
    let faults = "faults:\n  - {id: dead, at: 20s, for: 3s, crash: {node: db, instances: 1}}\n  \
                  - {id: stall, at: 40s, for: 2s, pause: {node: db}}\n";
    let found = results_of(&plain("", faults), 3);
    assert!(number(&found, "summary.requests.timeout") > 100.0);
    assert_eq!(found["consistency"]["linearizable"], true, "{}", found["consistency"]);
    assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
    assert_eq!(number(&found, "consistency.violations"), 0.0);
    let [reads, writes] =
        ["read", "write"].map(|kind| number(&found, &format!("consistency.operations.{kind}")));
    assert!((reads / (reads + writes) - 0.7).abs() < 0.02);
}

#[test]
fn a_write_that_comes_twice_undoes_what_came_between() {
    let busy = |text: String| {
        text.replace("n=40", "n=4").replace("same_zone: exp(mean=1ms)", "same_zone: exp(mean=4ms)")
    };
    let echo = "faults:\n  - {id: echo, at: 10s, for: 40s, \
                duplicate: {from: [users], to: [db], fraction: 20%}}\n";
    let found = results_of(&busy(plain("", echo)), 3);
    assert_eq!(found["consistency"]["linearizable"], false);
    assert!(number(&found, "consistency.violations") > 3.0);
    // What is undone was acknowledged: whoever reads afterwards is behind.
    assert!(number(&found, "consistency.stale_reads") > 3.0);
    // A retry does the same where the first attempt was only late.
    let hasty = plain("retry: {attempts: 3, backoff: none}, ", "").replace("100ms", "6ms");
    let found = results_of(&busy(hasty), 3);
    assert!(number(&found, "consistency.violations") > 3.0);
}

#[test]
fn what_depends_on_what_it_finds_is_not_called_right() {
    let text = plain("", "").replace("write: db}", "increment: db}");
    let found = results_of(&text, 2);
    assert_eq!(found["consistency"]["linearizable"], Value::Null);
    assert!(number(&found, "consistency.not_checked.increment") > 30.0);
    assert_eq!(number(&found, "consistency.keys_checked"), 0.0);
}

#[test]
fn following_changes_no_event() {
    let text = plain("", "");
    let followed = results_of(&text, 2);
    let none = results_of(&(text.clone() + "history: none\n"), 2);
    assert_eq!(followed["fingerprint"], none["fingerprint"]);
    assert!(none["consistency"].is_null() && none["nodes"]["db"]["consistency"].is_null());
    // Whole keys are left out, and said so.
    let some = results_of(&(text.clone() + "history: {keys: 50%}\n"), 2);
    assert_eq!(followed["fingerprint"], some["fingerprint"]);
    let keys = number(&some, "consistency.keys");
    assert!((8.0..32.0).contains(&keys), "{keys}");
    assert!((number(&some, "consistency.followed") - 0.5).abs() < 1e-9);
    let few = results_of(&(text.clone() + "history: {limit: 1k}\n"), 2);
    assert!(number(&few, "consistency.followed") < 0.5);
    assert_eq!(few["consistency"]["linearizable"], true);
    // A store that nobody writes to has nothing to be behind of.
    let read_only = results_of(&text.replace("write: db", "read: db"), 1);
    assert!(read_only["consistency"].is_null());
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let good = plain("", "");
    let mark = "name: plain\n";
    let cases: [Case; 11] = [
        ("keys", mark, "name: plain\nhistory: {keys: 0%}\n", "3:17 E-RANGE", "above 0 %"),
        ("limit", mark, "name: plain\nhistory: {limit: 0}\n", "3:18 E-RANGE", "67,108,864"),
        ("word", mark, "name: plain\nhistory: some\n", "3:10 E-TYPE", "`none`"),
        ("key", mark, "name: plain\nhistory: {kyes: 10%}\n", "3:11 E-UNKNOWN-KEY", "`kyes`"),
        (
            "nothing",
            mark,
            "name: plain\nhistory: none\nslos: [linearizable == true]\n",
            "4:8 E-SLO",
            "nothing to be seen",
        ),
        (
            "selector",
            mark,
            "name: plain\nslos: [stale_read_fraction(operation=get) <= 1%]\n",
            "3:8 E-UNSUPPORTED",
            "not supported yet",
        ),
        ("truth", mark, "name: plain\nslos: [linearizable >= true]\n", "3:8 E-SLO", "== true"),
        (
            "misspelt",
            mark,
            "name: plain\nslos: [nodes.db.consistency.stale_raeds == 0]\n",
            "3:8 E-REF",
            "stale_raeds",
        ),
        (
            "misspelt, of all",
            mark,
            "name: plain\nslos: [stale_read_fracton <= 1%]\n",
            "3:8 E-REF",
            "did you mean `stale_read_fraction`",
        ),
        (
            "window",
            mark,
            "name: plain\nslos: [min(stale_read_fraction window=1s) <= 1%]\n",
            "3:8 E-SLO",
            "one figure of a run",
        ),
        ("lease", "cores: 2}}", "cores: 2, lease: true}}", "8:89 E-UNKNOWN-KEY", "`lease`"),
    ];
    check_in(&good, &cases);
}

#[test]
fn objectives_are_of_what_clients_saw() {
    let text = TTL.replace("4020s", "520s")
        + "slos:\n  - linearizable == false\n  - stale_read_fraction <= 60%\n  - staleness_age.p99 <= 11s\n  \
           - p99(staleness_age) <= 11s\n  - nodes.db.consistency.stale_reads >= 10\n  - lost_acked_writes == 0 in 99% of runs\n  \
           - read_your_writes_violations == 0\n  - violations <= 50% of reads\n  - stale_reads <= 60% of reads\n  - consistency.operations.read >= 100\n";
    let found = results_of(&text, 8);
    let slos = found["slos"].as_array().unwrap();
    for slo in slos {
        assert_eq!(slo["verdict"], "met", "{slo}");
    }
    assert_eq!(slos.len(), 10);
}

#[test]
fn what_was_turned_away_may_have_been_done_where_it_came_twice() {
    // The leader takes one request at a time, and each copy is turned away or not by itself.
    let text = "windtunnel: 1
name: doubled
duration: 60s
seed: 3
topology: {regions: {r: [a, b]}}
network: {same_zone: 0.2ms, same_region: exp(mean=3ms)}
clients: {users: {zones: [a], arrivals: poisson(100/s), keys: uniform(n=5),
  operations: {get: {read: db, share: 50%}, put: {write: db, share: 50%}}}}
nodes:
  db: {store: {zones: [b], replication: {raft: {replicas: 3}}, read: exp(mean=2ms),
    write: exp(mean=10ms), cores: 1, queue: 0}}
faults: [{id: twice, at: 0s, for: 60s, duplicate: {between: [[a], [b]], fraction: 50%}}]
";
    let found = results_of(text, 2);
    assert!(number(&found, "summary.availability") < 0.6);
    assert_eq!(found["consistency"]["linearizable"], true, "{}", found["consistency"]);
    assert!(number(&found, "consistency.operations.write") > 1_000.0);
}

#[test]
fn what_a_leader_of_the_past_enters_again_is_not_lost_with_it() {
    // A call that comes a second time, and late, finds a replica that does not know yet that it leads no more: the write has a
    // place in the log of the other one.
    let text = "windtunnel: 1
name: schedule
duration: 25s
seed: 842
topology: {regions: {r: [a, b, c]}}
network: {same_zone: 0.2ms, same_region: exp(mean=3ms)}
clients: {users: {zones: [a, b, c], arrivals: poisson(200/s), keys: uniform(n=20), timeout: 400ms,
  retry: {attempts: 3, backoff: constant(20ms)}, idempotent: true,
  operations: {get: {read: db, share: 40%}, put: {write: db, share: 60%}}}}
nodes:
  db: {store: {zones: [a, b, c], shards: {count: 1, move: 20/s}, keys: 20, read: exp(mean=1ms),
    write: exp(mean=2ms), cores: 4, replication: {raft: {replicas: 3}}}}
faults:
- {id: grow, at: 3s, set: {nodes.db.store.shards.count: 2}}
- {id: f0, at: 3512ms, for: 2805ms, latency: {from: [b, c], to: [a], add: exp(mean=600ms)}}
- {id: f1, at: 4511ms, for: 837ms, partition: {between: [[a], [b, c]]}}
- {id: f2, at: 5835ms, for: 3289ms, duplicate: {from: [b, c], to: [a], fraction: 60%}}
- {id: f3, at: 3855ms, for: 2407ms, duplicate: {between: [[c], [a, b]], fraction: 60%}}
- {id: f4, at: 5891ms, for: 3158ms, pause: {node: db, replica: leader}}
";
    let found = results_of(text, 1);
    assert_eq!(found["consistency"]["linearizable"], true);
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
    assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0);
}
