//! Keys that move to other shards while the store serves: how many, how fast, at what price, and that none is lost.

use serde_json::Value;

use crate::{
    bad_input::told,
    design::{number, results_of},
};

/// Readers and writers of a store that holds 20,000 keys in four shards, and gets another one after 10 s.
pub fn grows(by: &str, pace: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: grows\nduration: 60s\nseed: 3\n\
         topology: {{regions: {{r: [a, b]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 0.5ms}}\n\
         clients: {{users: {{zones: [a], arrivals: poisson(400/s), keys: zipf(n=20k s=0.9), timeout: 2s, \
         operations: {{get: {{read: db, share: 80%}}, put: {{write: db, share: 20%}}}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a, b], shards: {{count: 4, by: {by}, move: {pace}}}, keys: 20k, \
         read: 0.5ms, write: 1ms, value_size: 2KB, cores: 2}}}}\n\
         faults: [{{id: grow, at: 10s, set: {{nodes.db.store.shards.count: 5}}}}]\n{rest}\n"
    )
}

const RING: &str = "consistent_hash(vnodes=100)";

pub fn moved(found: &Value, what: &str) -> f64 {
    number(found, &format!("nodes.db.moved.{what}"))
}

/// As `hash` places keys.
pub fn mix(key: u64) -> u64 {
    let mut z = key;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn modulo_moves_nearly_all_keys_and_a_ring_one_of_as_many_as_there_are_shards() {
    let modulo = results_of(&grows("hash", "500/s", ""), 1);
    let moves = |key: &u64| mix(*key) % 4 != mix(*key) % 5;
    let expected = (1..=20_000).filter(moves).count() as f64;
    assert_eq!(moved(&modulo, "keys"), expected);
    assert_eq!(moved(&modulo, "bytes"), 2_000.0 * expected);
    assert!((moved(&modulo, "fraction") - 0.8).abs() < 0.01);
    let ring = results_of(&grows(RING, "500/s", ""), 1);
    // 100 points of each spread the arcs of a fifth by about a tenth.
    assert!((moved(&ring, "fraction") - 0.2).abs() < 0.03, "{}", moved(&ring, "fraction"));
    for found in [modulo, ring] {
        assert_eq!(found["consistency"]["linearizable"], true);
        assert_eq!(number(&found, "summary.availability"), 1.0);
    }
}

#[test]
fn a_move_takes_as_long_as_the_largest_shard_at_its_rate_or_as_its_cores_need() {
    let largest = |from: u64, to: u64| {
        let of = |shard: u64| {
            let moves = move |key: &u64| mix(*key) % from == shard && mix(*key) % to != shard;
            (1..=20_000).filter(moves).count()
        };
        (0..from).map(of).max().unwrap_or_default() as f64
    };
    for pace in ["500/s", "1k/s"] {
        let rate = if pace == "1k/s" { 1_000.0 } else { 500.0 };
        let time = moved(&results_of(&grows("hash", pace, ""), 1), "time");
        let least = largest(4, 5) / rate;
        // The last one is on its way for some milliseconds; one that was written meanwhile goes twice.
        assert!(time >= least && time < 1.02 * least + 0.1, "{pace}: {time} {least}");
    }
    // Two cores read 4,000 keys a second, and write as many as come from three others.
    let fast = results_of(&grows("hash", "100k/s", ""), 1);
    assert!(moved(&fast, "time") > largest(4, 5) / 4_000.0);
    // Requests wait behind that.
    let slow = results_of(&grows("hash", "500/s", ""), 1);
    let p99 = |found: &Value| number(found, "nodes.db.waiting_time.p99");
    assert!(p99(&fast) > 20.0 * p99(&slow), "{} {}", p99(&fast), p99(&slow));
}

#[test]
fn whoever_asks_the_old_shard_for_a_key_that_has_gone_is_sent_on() {
    let found = results_of(&grows("hash", "500/s", ""), 1);
    let sent_on = found["nodes"]["db"]["causes"]["sent_on"].as_f64().unwrap();
    // While they move half of what moves has gone, on the average, and is asked for: 400/s for 8 s.
    let expected = 400.0 * moved(&found, "time") * 0.8 / 2.0;
    assert!((sent_on / expected - 1.0).abs() < 0.15, "{sent_on} {expected}");
    let still = results_of(&grows("hash", "500/s", "").replace("count: 5", "count: 4"), 1);
    assert!(still["nodes"]["db"]["causes"].get("sent_on").is_none());
    assert_eq!(moved(&still, "keys"), 0.0);
}

#[test]
fn what_is_written_without_keys_of_the_start_moves_as_far_as_it_was_written() {
    let text = grows("hash", "500/s", "").replace("keys: 20k, ", "");
    let found = results_of(&text, 1);
    let writes = number(&found, "nodes.db.consistency.keys");
    assert!(moved(&found, "keys") > 100.0 && moved(&found, "keys") < writes);
    assert_eq!(found["consistency"]["linearizable"], true);
}

#[test]
fn a_key_that_is_written_without_end_moves_all_the_same() {
    // Each of eight keys is written 250 times a second, and is on its way for more than 20 ms: never without a write.
    let text = grows("hash", "2/s", "")
        .replace("zipf(n=20k s=0.9)", "uniform(n=8)")
        .replace("keys: 20k", "keys: 8")
        .replace("poisson(400/s)", "poisson(2000/s)")
        .replace("share: 80%", "share: 1%")
        .replace("share: 20%", "share: 99%")
        .replace("same_region: 0.5ms", "same_region: 20ms")
        .replace("cores: 2", "cores: 8");
    let found = results_of(&text, 1);
    let moves = (1..=8).filter(|key| mix(*key) % 4 != mix(*key) % 5).count();
    assert_eq!(moved(&found, "keys"), moves as f64);
    assert!(moved(&found, "time") < 20.0);
    assert_eq!(found["consistency"]["linearizable"], true);
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
}

#[test]
fn changes_that_come_while_keys_move_wait_until_they_are_there() {
    let more = "{id: grow, at: 10s, for: 2s, set: {nodes.db.store.shards.count: 5}}";
    let text = grows("hash", "500/s", "")
        .replace("{id: grow, at: 10s, set: {nodes.db.store.shards.count: 5}}", more);
    let found = results_of(&text, 1);
    let once = results_of(&grows("hash", "500/s", ""), 1);
    // There and back again.
    assert_eq!(moved(&found, "keys"), 2.0 * moved(&once, "keys"));
    assert_eq!(moved(&found, "fraction"), moved(&once, "fraction"));
    assert!(moved(&found, "time") > 1.8 * moved(&once, "time"));
    assert_eq!(found["consistency"]["linearizable"], true);
}

/// A random schedule of crashes and cuts while keys move.
fn schedule(seed: u64) -> String {
    let mut state = seed;
    let mut below = |n: u64| {
        state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        state % n
    };
    let counts = [(1, 2), (2, 3), (3, 5), (4, 3), (3, 1)];
    let (from, to) = counts[below(5) as usize];
    let by = ["hash", RING, "range"][below(3) as usize];
    let mut faults =
        vec![format!("{{id: grow, at: 3s, set: {{nodes.db.store.shards.count: {to}}}}}")];
    for i in 0..=below(4) {
        let (at, lasts) = (2_000 + below(6_000), 100 + below(2_500));
        let instance = below(from.max(to));
        let what = match below(6) {
            0 => "partition: {between: [[a], [b]]}".to_owned(),
            1 => "loss: {between: [[a], [b]], fraction: 30%}".to_owned(),
            2 => "duplicate: {between: [[a], [b]], fraction: 30%}".to_owned(),
            3 => format!("pause: {{node: db, instances: [{instance}]}}"),
            4 => format!("crash: {{node: db, instances: [{instance}]}}"),
            _ => format!("crash: {{node: db, instances: [{instance}], process: true}}"),
        };
        faults.push(format!("{{id: f{i}, at: {at}ms, for: {lasts}ms, {what}}}"));
    }
    if below(3) == 0 {
        faults
            .push("{id: again, at: 4s, for: 3s, set: {nodes.db.store.shards.count: 4}}".to_owned());
    }
    format!(
        "windtunnel: 1\nname: schedule\nduration: 30s\nseed: {seed}\n\
         topology: {{regions: {{r: [a, b]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: exp(mean=3ms)}}\n\
         clients: {{users: {{zones: [a, b], arrivals: poisson(150/s), keys: zipf(n=60 s=0.6), timeout: 400ms, \
         retry: {{attempts: 3, backoff: constant(20ms)}}, idempotent: true, \
         operations: {{get: {{read: db, share: 50%}}, put: {{write: db, share: 50%}}}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a, b], shards: {{count: {from}, by: {by}, move: 20/s}}, keys: 60, \
         read: exp(mean=1ms), write: exp(mean=2ms), cores: 1}}}}\nfaults: [{}]\n",
        faults.join(", ")
    )
}

#[test]
fn nothing_is_lost_or_doubled_while_keys_move_whoever_dies() {
    let mut refused = 0.0;
    for seed in 0..60 {
        let text = schedule(seed);
        let found = results_of(&text, 1);
        assert_eq!(found["consistency"]["linearizable"], true, "{text}");
        for what in ["lost_acked_writes", "duplicate_applies", "stale_reads"] {
            assert_eq!(number(&found, &format!("consistency.{what}")), 0.0, "{what}: {text}");
        }
        // All is over long before the end, and every key is where it is to be.
        assert!(moved(&found, "time") > 0.0, "{text}");
        refused += 1.0 - number(&found, "summary.availability");
    }
    assert!(refused > 0.5, "faults were felt: {refused}");
}

#[test]
fn a_shard_that_loses_its_data_loses_what_it_served() {
    let wipe = |at: &str, instance: u32| {
        let crash = format!(
            ", {{id: gone, at: {at}, for: 1s, crash: {{node: db, instances: [{instance}], lose_data: true}}}}]"
        );
        results_of(&grows("hash", "500/s", "").replace("}}]", &format!("}}}}{crash}")), 1)
    };
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    // The new shard has nothing before the move, and a fifth of all after it.
    assert_eq!(lost(&wipe("5s", 4)), 0.0);
    let after = wipe("40s", 4);
    let writes = number(&after, "consistency.operations.write") * 40.0 / 60.0;
    assert!((lost(&after) / writes - 0.2).abs() < 0.05, "{} {writes}", lost(&after));
    // What the first shard handed over before it lost all is safe: of the writes of 14 s it loses half of a fourth, and
    // what stays there.
    let during = wipe("14s", 0);
    let (all, before) = (lost(&wipe("9s", 0)) * 14.0 / 9.0, lost(&during));
    assert!(before < 0.85 * all && before > 0.2 * all, "{before} {all}");
}

#[test]
fn what_a_shard_confirmed_and_lost_before_that_was_heard_is_lost() {
    // 40 keys are written once each. From 10 s on one goes to the other shard every 100 ms, is there 301.5 ms later and confirmed
    // after 300 ms more. At 11 s that shard loses its data: of the six that had come the old one has heard of three, and
    // hears of the others when they are gone.
    let text = "windtunnel: 1\nname: heard\nduration: 30s\nseed: 3\n\
         topology: {regions: {r: [a, b]}}\nnetwork: {same_zone: 0ms, same_region: 300ms}\n\
         clients: {users: {zones: [a], arrivals: constant(10/s), load: [{at: 0s, factor: 1}, {at: 4.05s, factor: 0}], \
         keys: sequential(n=40), timeout: 5s, operations: {put: {write: db}}}}\n\
         nodes: {db: {store: {zones: [a, b], shards: {count: 1, move: 10/s}, read: 0.5ms, write: 1ms}}}\n\
         faults: [{id: grow, at: 10s, set: {nodes.db.store.shards.count: 2}}, \
         {id: dies, at: 11s, for: 50ms, crash: {node: db, instances: [1], lose_data: true}}]\n";
    let found = results_of(text, 1);
    assert_eq!(number(&found, "consistency.operations.write"), 40.0);
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 6.0);
    assert_eq!(moved(&found, "keys"), (1..=40).filter(|key| mix(*key) % 2 == 1).count() as f64);
}

#[test]
fn what_is_wrong_with_a_change_of_shards_is_said_where_it_stands() {
    let good = grows("hash", "500/s", "");
    let at = |what: &str, with: &str| good.replace(what, with);
    let set = "set: {nodes.db.store.shards.count: 5}";
    let cases = [
        (at(", move: 500/s", ""), "10:65 E-MISSING how fast do keys move"),
        (at("move: 500/s", "move: 2M/s"), "E-RANGE no shard hands over"),
        (at("by: hash", "by: directory"), "10:65 E-CONFLICT a directory keeps every key"),
        (at("shards.count: 5", "shards.by: range"), "E-FAULT-TARGET of the shards only `count`"),
        (at("keys: 20k, read", "keys: 20M, read"), "E-BUDGET at most 10000000 keys"),
        (
            at("put: {write: db", "look: {read: db").replace("keys: 20k, ", ""),
            "E-MISSING nobody writes `db`",
        ),
        (
            at(set, "deploy: {node: db, set: {shards.count: 5}}"),
            "E-FAULT-TARGET `shards` cannot change",
        ),
        (
            at("get: {read: db, share: 80%}", "get: {to: all, share: 80%}").replace(
                "nodes:\n",
                "nodes:\n  all: {service: {endpoints: {get: [{read: {from: db, shards: all}}]}}}\n",
            ),
            "E-FAULT-TARGET somebody asks all shards",
        ),
        (
            at("get: {read: db, share: 80%}", "get: {to: lb, share: 80%}")
                .replace("nodes:\n", "nodes:\n  lb: {load_balancer: {to: [db]}}\n"),
            "E-FAULT-TARGET a balancer or a name leads",
        ),
        (at(&format!("{{id: grow, at: 10s, {set}}}"), ""), "W-UNUSED no key moves"),
    ];
    for (text, expected) in cases {
        let found = told(text.as_bytes());
        assert!(found.iter().any(|one| one.contains(expected)), "{expected}: {found:#?}");
    }
    assert!(told(good.as_bytes()).is_empty(), "{:#?}", told(good.as_bytes()));
}
