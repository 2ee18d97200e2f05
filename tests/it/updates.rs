//! Writes that depend on what was read, and writes that are attempted several times: what is lost and what is done twice,
//! unless somebody compares, and unless attempts are one.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Buyers whose visit reads a seat, works for 10 ms, and does `last` with it.
fn seats(last: &str, edge: &str, store: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: seats\nduration: 120s\nseed: 5\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients: {{buyers: {{arrivals: poisson(200/s), keys: uniform(n=50), timeout: 5s, operations: {{buy: {{to: shop}}}}}}}}\n\
         nodes:\n  shop: {{service: {{zones: [a], cores: 100, endpoints: {{buy: [{{read: kv}}, {{work: 10ms}}, {{{last}: kv}}]}}, \
         dependencies: {{kv: {{{edge}}}}}}}}}\n\
         \x20 kv: {{store: {{read: 1ms, write: 1ms, {store}}}}}\n{rest}\n"
    )
}

const PLAIN: &str = "timeout: 1s";
const ASYNC: &str = "zones: [a, b, c], replication: {leader_follower: {followers: 2}}";
const RAFT: &str = "zones: [a, b, c], replication: {raft: {replicas: 3}}";
const QUORUM: &str = "zones: [a, b, c], replication: {quorum: {replicas: 3, write_back: true}}";
const LEADERS: &str = "replication: {multi_leader: {leaders: [a, b, c]}}";

fn lost(results: &Value) -> f64 {
    number(results, "consistency.lost_updates")
}

/// Of all replications.
fn conflicts(results: &Value) -> f64 {
    results["nodes"]["kv"]["causes"]["conflict"].as_f64().unwrap_or_default()
}

fn done(results: &Value, what: &str) -> f64 {
    number(results, &format!("consistency.operations.{what}"))
}

#[test]
fn what_is_written_over_unseen_is_lost_and_what_is_compared_is_not() {
    // Between the end of a read's work and that of its write are 10 ms of work, 1 ms of writing and two messages of 0.2 ms.
    // Whoever writes the key meanwhile, at 4/s, is overwritten; or was compared with, if that went well.
    let (rate, apart) = (4.0, 11.4e-3);
    let writes = results_of(&seats("write", PLAIN, "zones: [a]", ""), 2);
    let expected = 1.0 - f64::exp(-rate * apart);
    let share = lost(&writes) / done(&writes, "write");
    assert!((share / expected - 1.0).abs() < 0.08, "{share} {expected}");
    let compares = results_of(&seats("cas", PLAIN, "zones: [a]", ""), 2);
    let mut conflict = 0.0;
    for _ in 0..20 {
        conflict = 1.0 - f64::exp(-rate * (1.0 - conflict) * apart);
    }
    let share = 1.0 - done(&compares, "cas") / done(&compares, "read");
    assert!((share / conflict - 1.0).abs() < 0.08, "{share} {conflict}");
    let told = conflicts(&compares) / 2.0;
    assert!(told > 0.0 && (told / done(&compares, "read") - share).abs() < 2e-3, "{told}");
    assert_eq!(lost(&compares), 0.0);
    assert!(compares["consistency"]["not_checked"]["cas"].is_object());
}

#[test]
fn a_log_compares_for_all_and_who_decides_alone_does_not() {
    for store in [ASYNC, RAFT] {
        let faults =
            "faults: [{id: slow, at: 30s, for: 30s, latency: {node: kv, add: exp(mean=3ms)}}]";
        let writes = results_of(&seats("write", PLAIN, store, faults), 1);
        let compares = results_of(&seats("cas", PLAIN, store, faults), 1);
        assert!(lost(&writes) > 500.0, "{store}: {}", lost(&writes));
        assert_eq!(lost(&compares), 0.0, "{store}");
    }
    // Each coordinator asks and then writes: two that ask at once both find what they expect.
    let (writes, compares) = (
        results_of(&seats("write", PLAIN, QUORUM, ""), 1),
        results_of(&seats("cas", PLAIN, QUORUM, ""), 1),
    );
    let (unseen, both) = (lost(&writes), lost(&compares));
    assert!(both > 20.0 && both < 0.5 * unseen, "{both} {unseen}");
    // Each leader compares with what it holds, and what others wrote meanwhile gives way or takes its place.
    let spread = seats("cas", PLAIN, LEADERS, "clocks: {offset: 0ms}")
        .replace("zones: [a], cores", "zones: [a, b, c], instances: 3, cores");
    let both = lost(&results_of(&spread, 1));
    assert!(both > 50.0, "{both}");
}

#[test]
fn a_session_compares_with_what_it_read_before() {
    let design = |reads: &str| {
        format!(
            "windtunnel: 1\nname: pages\nduration: 120s\nclients:\n  editors:\n    arrivals: poisson(20/s)\n    keys: uniform(n=20)\n\
             \x20   timeout: 1s\n    operations: {{show: {{to: wiki}}, save: {{to: wiki}}, look: {{read: kv}}, put: {{cas: kv}}}}\n\
             \x20   session: [{reads}]\n\
             nodes:\n  wiki: {{service: {{cores: 8, endpoints: {{show: [{{read: kv}}], save: [{{cas: kv}}]}}}}}}\n\
             \x20 kv: {{store: {{read: 1ms, write: 1ms}}}}\n"
        )
    };
    // Writers of a key, 1/s, half a second apart: those who read it first are told of a conflict, the others of none.
    let told = |steps: &str| {
        let found = results_of(&design(steps), 1);
        assert_eq!(lost(&found), 0.0, "{steps}");
        conflicts(&found) / number(&found, "summary.requests.issued")
    };
    for (first, last) in [("show", "save"), ("look", "put")] {
        let seen =
            told(&format!("{{do: {first}}}, {{wait: 500ms}}, {{do: {last}, optional: true}}"));
        // A conflict p of those who compare: p = 1 - exp(-1/s x (1 - p) x 0.5 s), 0.32 of half of the requests.
        assert!((seen - 0.16).abs() < 0.02, "{first}: {seen}");
        assert_eq!(told(&format!("{{wait: 500ms}}, {{do: {last}, optional: true}}")), 0.0);
    }
}

/// Payers whose attempts give up after 60 ms though the work goes on.
fn payments(client: &str, edge: &str, verb: &str, store: &str) -> Value {
    results_of(
        &format!(
            "windtunnel: 1\nname: payments\nduration: 60s\nseed: 7\n\
             topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\nclocks: {{offset: exp(mean=5ms)}}\n\
             clients: {{payers: {{arrivals: poisson(50/s), keys: uniform(n=40), {client}, operations: {{pay: {{to: lb}}}}}}}}\n\
             nodes:\n  lb: {{load_balancer: {{to: [bank], policy: random}}}}\n\
             \x20 bank: {{service: {{zones: [a, a], instances: 2, cores: 100, endpoints: {{pay: [{{all: [[{{{verb}: kv}}], \
             [{{repeat: {{times: 2, do: [{{{verb}: log}}]}}}}]]}}]}}, \
             dependencies: {{kv: {{{edge}}}, log: {{timeout: 2s}}}}}}}}\n\
             \x20 kv: {{store: {{read: 1ms, write: exp(mean=20ms), {store}}}}}\n\
             \x20 log: {{store: {{zones: [a], read: 1ms, write: 1ms}}}}\n"
        ),
        1,
    )
}

#[test]
fn attempts_that_are_one_are_done_once() {
    let retries = "timeout: 60ms, retry: {attempts: 3}";
    let patient = "timeout: 2s";
    for (verb, store) in [
        ("increment", "zones: [a]"),
        ("increment", ASYNC),
        ("increment", RAFT),
        ("write", QUORUM),
        ("write", LEADERS),
        ("increment", "replication: {multi_leader: {leaders: [a, b, c], conflict: crdt(counter)}}"),
    ] {
        let twice = |client: &str, edge: &str| {
            number(&payments(client, edge, verb, store), "consistency.duplicate_applies")
        };
        // The caller of the store tries again, or who calls that one.
        for (client, edge) in [(patient, retries), (retries, patient)] {
            let found = twice(client, edge);
            assert!(found > 20.0, "{store}: {found}");
            let once = |text: &str| {
                if text == retries { format!("{text}, idempotent: true") } else { text.to_owned() }
            };
            let left = twice(&once(client), &once(edge));
            // Those who decide alone may do it at the same time: leaders do not know of the work of others, who are asked while it
            // lasts, and increments have no stamp by which they would be the same.
            let most = match store {
                QUORUM | LEADERS => 0.3,
                _ if store.contains("counter") => 0.9,
                _ => 0.0,
            };
            assert!(left <= most * found, "{store}: {left} of {found}");
        }
    }
}

#[test]
fn answers_fit_together_though_writes_are_attempted_again() {
    let design = |edge: &str, store: &str| {
        format!(
            "windtunnel: 1\nname: again\nduration: 60s\nseed: 3\n\
             topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
             clients: {{users: {{arrivals: poisson(150/s), zones: [a, b, c], keys: uniform(n=10), timeout: 50ms, \
             retry: {{attempts: 4, backoff: constant(30ms)}}{edge}, operations: {{put: {{write: kv, share: 50%}}, get: {{read: kv, share: 50%}}}}}}}}\n\
             nodes: {{kv: {{store: {{read: exp(mean=1ms), write: exp(mean=2ms), {store}}}}}}}\n\
             faults:\n  - {{id: cut, at: 10s, for: 8s, partition: {{between: [[a], [b, c]]}}}}\n\
             \x20 - {{id: slow, at: 25s, for: 15s, latency: {{node: kv, add: exp(mean=10ms)}}}}\n\
             \x20 - {{id: twice, at: 45s, for: 10s, duplicate: {{node: kv, fraction: 30%}}}}\n"
        )
    };
    for store in [RAFT, QUORUM] {
        let without = results_of(&design("", store), 2);
        assert_eq!(without["consistency"]["linearizable"], false, "{store}");
        // Checked at the end of every run, too: it would say that it is broken.
        let with = results_of(&design(", idempotent: true", store), 2);
        assert_eq!(with["consistency"]["linearizable"], true, "{store}");
        assert!(number(&with, "summary.availability") > 0.8, "{store}");
    }
}

#[test]
fn what_cannot_be_compared_or_done_once_is_refused_where_it_stands() {
    let good = seats("cas", "timeout: 1s, retry: {attempts: 2}, idempotent: true", QUORUM, "");
    let cases: [Case; 5] = [
        ("query", "write_back: true", "stamp: query", "9:168 E-CONFLICT", "several"),
        ("nothing", "{cas: kv}", "{read: kv}", "9:169 W-POLICY", "nothing could be done twice"),
        ("word", "idempotent: true", "idempotent: yes", "9:168 E-TYPE", "`true` or `false`"),
        (
            "retried",
            ", idempotent: true",
            "",
            "9:94 W-RETRIED-CAS",
            "compares with what was read before",
        ),
        (
            "crdt",
            QUORUM,
            "replication: {multi_leader: {leaders: [a, b], conflict: crdt(set)}}",
            "9:94 E-CONFLICT",
            "compared with nothing",
        ),
    ];
    check_in(&good, &cases);
    // A key that comes along from the client is as good.
    let keyed = good
        .replace(", idempotent: true", "")
        .replace("timeout: 5s,", "timeout: 5s, idempotent: true,");
    assert_eq!(crate::bad_input::told(keyed.as_bytes()), Vec::<String>::new());
    let chosen = good
        .replace("{cas: kv}", "{cas: both}")
        .replace("dependencies: {kv", "dependencies: {both")
        .replace("{read: kv}, ", "")
        .replace(QUORUM, "")
        + "  both: {load_balancer: {to: [kv, other], policy: consistent_hash}}\n  other: {store: {read: 1ms, write: 1ms}}\n";
    let cases: [Case; 1] = [(
        "chosen",
        ", retry: {attempts: 2}, idempotent: true",
        "",
        "9:82 E-CONFLICT",
        "somebody chooses among several stores",
    )];
    check_in(&chosen, &cases);
}

/// Somebody whose one request a second is attempted twice, the second time 60 ms after the first, and a witness who reads the
/// key 5 ms before that and compares 25 ms after it.
fn watched(client: &str, nodes: &str, faults: &str) -> Value {
    results_of(
        &format!(
            "windtunnel: 1\nname: watched\nduration: 20s\nnetwork: {{same_zone: 0.5ms}}\n\
             clients:\n  buyer: {{arrivals: constant(1/s), keys: uniform(n=1), timeout: 60ms, retry: {{attempts: 2}}, {client}, \
             operations: {{buy: {{to: shop}}}}}}\n\
             \x20 witness: {{arrivals: constant(1/s), keys: uniform(n=1), operations: {{look: {{to: looks}}}}}}\n\
             nodes:\n  looks: {{service: {{cores: 4, endpoints: {{default: [{{wait: 55ms}}, {{read: kv}}, {{wait: 30ms}}, {{cas: kv}}]}}}}}}\n\
             \x20 kv: {{store: {{read: 0.5ms, write: 0.5ms}}}}\n{nodes}{faults}"
        ),
        1,
    )
}

#[test]
fn a_key_is_the_same_at_another_node_and_in_another_version() {
    const TWO: &str = "  shop: {load_balancer: {to: [blue, green], policy: round_robin}}\n\
         \x20 blue: {service: {cores: 4, endpoints: {default: [{write: kv}, {wait: 100ms}]}}}\n\
         \x20 green: {service: {cores: 4, endpoints: {default: [{write: kv}, {wait: 100ms}]}}}\n";
    const ONE: &str =
        "  shop: {service: {cores: 4, endpoints: {default: [{write: kv}, {wait: 100ms}]}}}\n";
    let mut changes = "faults:\n".to_owned();
    for second in 1..=19 {
        changes += &format!(
            "  - {{id: new{second}, at: {second}.03s, for: 500ms, set: {{nodes.shop.service.endpoints.default: \
             [{{wait: 1ms}}, {{write: kv}}, {{wait: 100ms}}]}}}}\n"
        );
    }
    for (nodes, faults) in [(TWO, ""), (ONE, changes.as_str())] {
        let seen = |client: &str| {
            let found = watched(client, nodes, faults);
            (number(&found, "consistency.duplicate_applies"), conflicts(&found))
        };
        assert_eq!(seen("cancel: false"), (19.0, 19.0), "{nodes}");
        assert_eq!(seen("idempotent: true"), (0.0, 0.0), "{nodes}");
    }
}

#[test]
fn attempts_that_are_one_are_one_write_of_the_history() {
    for (store, duration) in
        [("cores: 4", "20s"), ("cores: 4, replication: {raft: {replicas: 3}}", "100s")]
    {
        // Another one writes between the attempts; and without, a key has so many attempts that it is kept otherwise.
        for writer in ["constant(37/s)", "constant(1/s)"] {
            let found = results_of(
                &format!(
                    "windtunnel: 1\nname: one\nduration: {duration}\nnetwork: {{same_zone: 0.5ms}}\n\
                     clients:\n  buyer: {{arrivals: constant(1/s), keys: uniform(n=1), timeout: 30ms, retry: {{attempts: 2}}, \
                     idempotent: true, operations: {{buy: {{to: shop}}}}}}\n\
                     \x20 other: {{arrivals: {writer}, keys: uniform(n=1), operations: {{put: {{write: kv}}}}}}\n\
                     \x20 reader: {{arrivals: constant(100/s), keys: uniform(n=1), operations: {{get: {{read: kv}}}}}}\n\
                     nodes:\n  shop: {{service: {{cores: 4, endpoints: {{buy: [{{wait: 10ms}}, {{write: kv}}, {{wait: 30ms}}]}}}}}}\n\
                     \x20 kv: {{store: {{read: 1ms, write: 1ms, {store}}}}}\n"
                ),
                1,
            );
            assert_eq!(found["consistency"]["linearizable"], true, "{store} {writer}");
            assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0);
        }
    }
}

#[test]
fn what_a_cache_writes_later_is_done_once_and_not_lost() {
    for store in ["raft: {replicas: 3}", "leader_follower: {followers: 1}", "quorum: {replicas: 3}"]
    {
        let found = results_of(
            &format!(
                "windtunnel: 1\nname: behind\nduration: 20s\nnetwork: {{same_zone: 0.5ms}}\n\
                 clients: {{c: {{arrivals: poisson(100/s), keys: uniform(n=3), timeout: 1s, retry: {{attempts: 2}}, operations: {{buy: {{to: s}}}}}}}}\n\
                 nodes:\n  s: {{service: {{cores: 4, endpoints: {{default: [{{write: {{to: db, cache: k, mode: behind}}}}]}}}}}}\n\
                 \x20 k: {{cache: {{from: db}}}}\n\
                 \x20 db: {{store: {{read: 1ms, write: 1ms, replication: {{{store}}}}}}}\n"
            ),
            1,
        );
        assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0, "{store}");
        assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0, "{store}");
    }
}

#[test]
fn an_entry_that_was_never_committed_was_not_done() {
    let found = results_of(
        "windtunnel: 1\nname: cut\nduration: 12s\nnetwork: {same_zone: 0.5ms}\n\
         clients: {c: {arrivals: constant(200/s), keys: uniform(n=2), timeout: 50ms, \
         retry: {attempts: 4, backoff: constant(100ms)}, idempotent: true, write: db}}\n\
         nodes: {db: {store: {read: 0.5ms, write: 1ms, replication: {raft: {}}}}}\n\
         faults: [{id: z, at: 4s, for: 600ms, partition: {between: [[db@leader], [db@followers]]}}]\n",
        1,
    );
    assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0);
    assert!(number(&found, "summary.attempts_per_request") > 1.0);
}

#[test]
fn who_has_read_nothing_overwrites_what_he_means_to() {
    let found = |steps: &str| {
        let text = format!(
            "windtunnel: 1\nname: blind\nduration: 30s\nnetwork: {{same_zone: 1ms}}\n\
             clients:\n  c: {{arrivals: constant(10/s), keys: uniform(n=1), operations: {{add: {{to: s}}}}}}\n\
             \x20 e: {{arrivals: constant(1/s), keys: uniform(n=1), operations: {{o: {{cas: kv}}}}}}\n\
             nodes:\n  s: {{service: {{cores: 9, endpoints: {{add: [{steps}]}}}}}}\n  kv: {{store: {{read: 1ms, write: 1ms}}}}\n"
        );
        lost(&results_of(&text, 1))
    };
    assert_eq!(found("{write: kv}, {wait: 250ms}, {write: kv}"), 0.0);
    assert_eq!(found("{read: kv}, {wait: 250ms}, {increment: kv}"), 0.0);
    assert!(found("{read: kv}, {wait: 250ms}, {write: kv}") > 200.0);
}

#[test]
fn what_is_done_in_the_warm_up_does_not_count() {
    let of_last = |warm_up: &str| {
        let edge = "timeout: 1s, hedge: {after: 1ms}";
        let text = seats("write", edge, "zones: [a]", "").replace("120s", warm_up);
        let found = results_of(&text, 1);
        (lost(&found), number(&found, "consistency.duplicate_applies"))
    };
    let (all, last) = (of_last("40s"), of_last("40s\nwarm_up: 30s"));
    for (all, last) in [(all.0, last.0), (all.1, last.1)] {
        assert!(all > 200.0 && (last / all - 0.25).abs() < 0.06, "{last} of {all}");
    }
}
