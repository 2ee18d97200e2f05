//! Views with replicas: how late they are, what is lost when another one leads, and what is left when all is over.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    transactions::{next, pick, schedule},
    views::{at_search, fed, near, shop, view},
};

/// A view whose copies follow one another so.
fn copied(text: &str, copies: &str) -> String {
    let alone = "write: 5ms, cores: 8";
    assert!(text.contains(alone), "{text}");
    text.replace(alone, &format!("{alone}, replication: {{{copies}}}"))
}

const ALONE: [&str; 2] = ["raft: {replicas: 1}", "leader_follower: {followers: 0}"];

/// All that is seen of a view from outside.
fn seen(found: &Value) -> Vec<Value> {
    let mut node = found["nodes"]["search"].clone();
    // Only of what has copies.
    node["consistency"].as_object_mut().map(|all| all.remove("split_brain_time"));
    let of = |what: &str| node[what].clone();
    ["view", "consistency", "outcomes", "waiting_time", "throughput"].map(of).to_vec()
}

#[test]
fn a_view_of_one_replica_is_as_one_of_one_copy() {
    // Some messages pass others on their way.
    let text = shop("").replace("wait: 100ms", "wait: exp(mean=100ms)").replace("n=100)", "n=10)");
    let alone = results_of(&text, 1);
    assert!(view(&alone, "inversions") > 50.0);
    let one = seen(&alone);
    for alone in ALONE {
        assert_eq!(seen(&results_of(&copied(&text, alone), 1)), one, "{alone}");
    }
}

#[test]
fn a_version_is_there_when_it_is_committed_or_has_its_stamp() {
    // To the view and its work there, as for one copy; and then to the others and back. A stamp is given before the work.
    let alone = 1.0 + 1.0 + 3.0 + 1.0 + 100.0 + 1.0 + 5.0;
    for (copies, more) in [
        ("leader_follower: {followers: 2}", 0.0),
        ("leader_follower: {followers: 2, ack: sync}", 0.0),
        ("raft: {replicas: 3}", 2.0),
        ("raft: {replicas: 3, fsync: 4ms}", 6.0),
        ("quorum: {replicas: 3}", -5.0),
    ] {
        let text = shop("").replace("poisson(20/s)", "constant(20/s)");
        let found = results_of(&copied(&text, copies), 1);
        near(view(&found, "lag.mean") * 1e3, alone + more);
        near(view(&found, "lag.max") * 1e3, alone + more);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert!((view(&found, "applied") - written).abs() < 10.0, "{copies}: {written}");
        assert_eq!(view(&found, "inversions"), 0.0, "{copies}");
        // What is said there of data is said of the source's.
        assert!(found["nodes"]["search"]["consistency"]["linearizable"].is_null(), "{copies}");
        assert_eq!(found["consistency"]["linearizable"], true, "{copies}");
        assert_eq!(at_search(&found, "lost_acked_writes"), 0.0, "{copies}");
    }
}

#[test]
fn a_follower_of_a_view_is_older_than_its_leader_by_what_lies_between_them() {
    // One key is written twice a second and looked at every millisecond.
    let text = |copies: &str| {
        copied(&shop(""), copies)
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(2/s), keys: uniform(n=1)")
            .replace("poisson(200/s), keys: uniform(n=100)", "constant(1000/s), keys: uniform(n=1)")
    };
    let old = |copies: &str| {
        let found = results_of(&text(copies), 1);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        (at_search(&found, "stale_reads") / written, at_search(&found, "staleness_age.max") * 1e3)
    };
    // From the answer to the shop until the version is at the leader, less 1 ms of work of a read that begins before it comes.
    let window = 112.0 - 1.0 - 1.0;
    let (share, age) = old("leader_follower: {followers: 1, lag: 50ms, reads: leader}");
    assert!((share - window).abs() < 1.5 && (age - window).abs() < 1.5, "{share} {age}");
    // It leaves 50 ms later, is 1 ms on its way, and 5 ms of work.
    let (late, oldest) = old("leader_follower: {followers: 1, lag: 50ms, reads: followers}");
    assert!((late - share - 56.0).abs() < 0.5, "{late} {share}");
    assert!((oldest - age - 56.0).abs() < 1.0, "{oldest} {age}");
    // Half of those who ask any ask the leader.
    let (any, _) = old("leader_follower: {followers: 1, lag: 50ms, reads: any}");
    assert!((any - share - 28.0).abs() < 3.0, "{any}");
}

/// Orders of many keys until 100 s, or for all time; the view's leader is gone for good from then on, with what it has not sent.
fn failover(goes_on: bool, keys: &str) -> Value {
    let dead = "faults: [{id: dead, at: 100s, for: 1h, crash: {node: search, replica: leader}}]";
    let copies = "leader_follower: {followers: 2, lag: 2s, failover: {detect: 500ms}}";
    let mut text = copied(&shop(dead), copies)
        .replace("keys: uniform(n=100)", &format!("keys: uniform(n={keys})"))
        .replace("warm_up: 10s", "warm_up: 200s")
        .replace("poisson(200/s)", "poisson(500/s)");
    if !goes_on {
        text = text.replace(
            "poisson(20/s)",
            "poisson(20/s), load: [{at: 0s, factor: 1}, {at: 100s, factor: 1}, {at: 100.001s, factor: 0}]",
        );
    }
    results_of(&text, 1)
}

#[test]
fn what_a_failover_of_a_view_loses_comes_with_the_next_write_only() {
    let found = failover(false, "2k");
    // 40 of the last two seconds before are lost, and asked for at random.
    let (stale, reads) = (at_search(&found, "stale_reads"), at_search(&found, "operations.read"));
    let share = stale / reads;
    assert!((0.008..0.03).contains(&share), "{share}");
    // It shows in no other way, and for ever.
    assert!(at_search(&found, "staleness_age.max") > 198.0);
    assert_eq!(at_search(&found, "lost_acked_writes"), 0.0);
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
    // Who writes a key again brings it up to date.
    let found = failover(true, "100");
    assert!(at_search(&found, "staleness_age.max") < 60.0);
}

#[test]
fn a_session_that_asks_for_it_sees_no_view_go_back() {
    let text = |guarantees: &str| {
        let looks = "session: [{do: look}, {do: look}, {wait: 20ms}, {do: look}]";
        shop("")
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(10/s), keys: uniform(n=5)")
            .replace(
                "readers: {arrivals: poisson(200/s), keys: uniform(n=100)",
                &format!(
                    "readers: {{arrivals: poisson(100/s), keys: uniform(n=5), {guarantees}{looks}"
                ),
            )
            // Nobody overtakes anybody.
            .replace("workers: 50", "workers: 1")
            .replace("wait: 100ms", "wait: 1ms")
    };
    for copies in [
        "leader_follower: {followers: 2, lag: exp(mean=100ms), reads: any}",
        "raft: {replicas: 3, reads: follower}",
        "quorum: {replicas: 3, read: 1, write: 1, read_repair: false}",
    ] {
        // A message takes as long as it likes to the one replica or the other.
        let slow = |text: String| {
            copied(&text, copies).replace("same_zone: 1ms", "same_zone: exp(mean=5ms)")
        };
        let free = results_of(&slow(text("")), 1);
        assert!(at_search(&free, "monotonic_read_violations") > 10.0, "{copies}");
        assert_eq!(view(&free, "inversions"), 0.0, "{copies}");
        let asked = results_of(&slow(text("guarantees: [monotonic_reads], ")), 1);
        assert_eq!(at_search(&asked, "monotonic_read_violations"), 0.0, "{copies}");
        assert!(number(&asked, "summary.availability") > 0.95, "{copies}");
    }
}

#[test]
fn whoever_knows_no_version_writes_none_to_a_replica() {
    let text = shop("")
        .replace(
            "[{wait: 100ms}, {write: search}]",
            "[{all: [[{read: orders}], [{wait: 100ms}, {write: search}]]}]",
        )
        .replace("[{write: orders}, {publish: placed}]", "[{publish: placed}]")
        .replace("300s", "60s");
    let text = text.replace(
        "operations: {look: {read: search}}",
        "operations: {look: {read: search, share: 90%}, put: {write: orders, share: 10%}}",
    );
    let one = results_of(&text, 1);
    let failed = number(&one, "nodes.search.causes.no_version");
    assert!(failed > 5_000.0, "{failed}");
    for copies in [
        "leader_follower: {followers: 2}",
        "raft: {replicas: 3}",
        "quorum: {replicas: 3}",
        "quorum: {replicas: 3, coordinator: client}",
    ] {
        let found = results_of(&copied(&text, copies), 1);
        let failed = number(&found, "nodes.search.causes.no_version");
        assert!(failed > 5_000.0, "{copies}: {failed}");
        assert_eq!(number(&found, "nodes.search.outcomes.error"), failed, "{copies}");
        assert_eq!(view(&found, "applied"), 0.0, "{copies}");
    }
    for alone in ALONE {
        let found = results_of(&copied(&text, alone), 1);
        assert_eq!(seen(&found), seen(&one), "{alone}");
    }
}

#[test]
fn all_attempts_at_showing_a_version_are_one_if_that_is_asked_for() {
    let text = |asked: &str| {
        shop("")
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(2/s), keys: uniform(n=1)")
            .replace("wait: 100ms", "wait: 1ms")
            .replace("service: {workers: 50", &format!("service: {{dependencies: {{search: {{timeout: 60ms, {asked}retry: {{attempts: 10, backoff: constant(10ms)}}}}}}, workers: 1"))
            .replace("same_zone: 1ms", "same_zone: 1ms, links: [{from: indexer, to: search, latency: lognormal(median=5ms p99=2s)}]")
    };
    for copies in
        ["raft: {replicas: 3}", "leader_follower: {followers: 2}", "quorum: {replicas: 3}"]
    {
        // An attempt that was given up takes the place of a later version.
        let twice = results_of(&copied(&text(""), copies), 1);
        assert!(view(&twice, "inversions") > 5.0, "{copies}: {}", view(&twice, "inversions"));
        let once = results_of(&copied(&text("idempotent: true, "), copies), 1);
        assert_eq!(view(&once, "inversions"), 0.0, "{copies}");
        assert!(view(&once, "applied") > 500.0, "{copies}");
    }
}

#[test]
fn sessions_are_not_promised_what_nobody_brought_to_a_view() {
    // All who ask for anything ask for it, and a run that breaks what is promised says so.
    let text = "windtunnel: 1\nname: shop\nduration: 30s\nnetwork: {same_zone: 1ms}\nclients:\n  \
        users: {arrivals: poisson(50/s), keys: uniform(n=100), timeout: 5s, guarantees: [read_your_writes], \
        operations: {put: {write: orders}, look: {read: search}}, session: [{do: put}, {do: look}]}\n\
        nodes:\n  orders: {store: {read: 1ms}}\n  search: {store: {view_of: {store: orders, lag: 40ms}, read: 1ms}}\n";
    let found = results_of(text, 1);
    let missed = at_search(&found, "read_your_writes_violations");
    assert!(missed > 1_000.0, "{missed}");
}

// ---- fed by logs ------------------------------------------------------------------------------

/// Copies of a view of which one leads.
pub(crate) const LED: [&str; 6] = [
    "raft: {replicas: 3}",
    "raft: {replicas: 3, fsync: exp(mean=3ms)}",
    "leader_follower: {followers: 2, lag: 300ms, failover: {detect: 500ms}}",
    "leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms, fencing: true}}",
    "leader_follower: {followers: 1, ack: semi_sync(timeout=200ms), lag: 50ms}",
    ONE,
];

const ONE: &str = "raft: {replicas: 1}";

/// What can go wrong with a view, its source, and what is between them.
fn harm(state: &mut u64) -> String {
    let which = pick(
        state,
        [
            "replica: leader",
            "replica: leader, process: true",
            "replica: 1",
            "replica: leader, lose_data: true",
            "shard: 0",
            "shard: 0, lose_data: true",
        ],
    );
    let source = pick(state, ["shard: 0", "shard: 1, process: true"]);
    let [zone, others, other] =
        [["a", "b, c", "b"], ["b", "a, c", "c"], ["c", "a, b", "a"]][(next(state) % 3) as usize];
    let between = pick(state, ["between: [[orders], [search]]", "between: [[a], [b, c]]"]);
    match next(state) % 11 {
        0..=2 => format!("crash: {{node: search, {which}}}"),
        3 => "crash: {node: search, lose_data: true}".to_owned(),
        4 => format!("crash: {{node: orders, {source}}}"),
        5 => format!("partition: {{between: [[{zone}], [{others}]]}}"),
        6 => format!("partition: {{from: [{zone}], to: [{other}]}}"),
        7 => format!("loss: {{{between}, fraction: 20%}}"),
        8 => "pause: {node: search, shard: 1}".to_owned(),
        9 => format!("duplicate: {{{between}, fraction: 50%}}"),
        _ => format!("latency: {{{between}, add: exp(mean=100ms)}}"),
    }
}

/// Keys of a source are written until 20 s, and read at its view when all is quiet.
pub(crate) fn under_faults(source: &str, copies: &str, rest: &str, seed: u64) -> String {
    let faults = schedule(seed, harm);
    format!(
        "windtunnel: 1\nname: shop\nduration: 34s\nwarm_up: 30s\nseed: {seed}\n\
         topology: {{regions: {{eu: [a, b, c]}}}}\nnetwork: {{same_zone: exp(mean=1ms), same_region: exp(mean=2ms)}}\n\
         clients:\n  \
         writers: {{arrivals: poisson(100/s), keys: uniform(n=200), zones: [a], load: [{{at: 0s, factor: 1}}, {{at: 20s, factor: 0}}], timeout: 1s, operations: {{put: {{write: orders}}}}}}\n  \
         readers: {{arrivals: constant(200/s), keys: sequential(n=200), zones: [a], load: [{{at: 0s, factor: 0}}, {{at: 30s, factor: 1}}], timeout: 1s, operations: {{look: {{read: search}}}}}}\n\
         nodes:\n  \
         orders: {{store: {{read: 1ms, write: 1ms, cores: 8, shards: {{count: 2}}, zones: [a, b, c]{source}}}}}\n  \
         search: {{store: {{view_of: {{store: orders, lag: exp(mean=20ms)}}, read: 1ms, write: 1ms, apply: exp(mean=2ms), cores: 8, shards: {{count: 2}}, zones: [a, b, c], replication: {{{copies}}}{rest}}}}}\n{}\n",
        if copies == ONE { faults.replace("replica: 1", "replica: 0") } else { faults }
    )
}

#[test]
fn a_view_with_replicas_is_as_its_source_when_all_is_over() {
    let sources = [
        "",
        ", replication: {raft: {replicas: 3}}",
        ", replication: {leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms}}}",
    ];
    let mut seed = 0;
    let mut again = 0.0;
    for copies in LED {
        for source in sources {
            for rest in ["", ", apply_cores: 4"] {
                for _ in 0..6 {
                    seed += 1;
                    let text = under_faults(source, copies, rest, seed);
                    let found = results_of(&text, 1);
                    let reads = at_search(&found, "operations.read");
                    assert!(reads > 790.0, "{reads}\n{text}");
                    assert_eq!(at_search(&found, "stale_reads"), 0.0, "of {reads}\n{text}");
                    again += view(&found, "applied");
                }
            }
        }
    }
    // All of it came before anybody looked.
    assert_eq!(again, 0.0);
}

#[test]
fn a_view_of_one_replica_is_fed_as_one_of_one_copy() {
    let text = fed(", apply: exp(mean=20ms), apply_cores: 4", "");
    let one = seen(&results_of(&text, 1));
    for alone in ALONE {
        assert_eq!(seen(&results_of(&copied(&text, alone), 1)), one, "{alone}");
    }
}

#[test]
fn a_log_feeds_whoever_leads_and_that_one_its_followers() {
    // 40 ms of lag, 1 ms on its way, 4 ms of work; then to the others and back.
    let constant = |text: String| text.replace("poisson(20/s)", "constant(20/s)");
    let text = constant(fed(", apply: 4ms", ""));
    for (copies, more) in [
        ("leader_follower: {followers: 2, ack: sync}", 0.0),
        ("raft: {replicas: 3}", 2.0),
        ("raft: {replicas: 3, fsync: 4ms}", 6.0),
    ] {
        let found = results_of(&copied(&text, copies), 1);
        near(view(&found, "lag.mean") * 1e3, 45.0 + more);
        near(view(&found, "lag.max") * 1e3, 45.0 + more);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert_eq!(view(&found, "applied"), written, "{copies}");
    }
    // A follower has it 50 ms later, 1 ms on its way and 4 ms of work.
    let old = |reads: &str| {
        let copies = format!("leader_follower: {{followers: 1, lag: 50ms, reads: {reads}}}");
        let text = copied(&text, &copies)
            .replace("constant(20/s), keys: uniform(n=100)", "constant(2/s), keys: uniform(n=1)")
            .replace(
                "poisson(200/s), keys: uniform(n=100)",
                "constant(1000/s), keys: uniform(n=1)",
            );
        let found = results_of(&text, 1);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        at_search(&found, "stale_reads") / written
    };
    let (leader, follower) = (old("leader"), old("followers"));
    assert!((follower - leader - 55.0).abs() < 0.5, "{follower} {leader}");
    // One core applies 250 a second whatever the others take to say that they have it.
    let many = constant(fed(", apply: 4ms", ""))
        .replace("constant(20/s)", "constant(240/s)")
        .replace("same_zone: 1ms", "same_zone: 20ms");
    let found = results_of(&copied(&many, "raft: {replicas: 3}"), 1);
    assert!(view(&found, "lag.max") < 0.11, "{}", view(&found, "lag.max"));
}

/// A view of 2,000 keys whose leader is gone at 100 s, and nothing is written from then on. An entry is 10 ms of work.
fn fed_failover(copies: &str) -> Value {
    let dead = "faults: [{id: dead, at: 100s, for: 1h, crash: {node: search, replica: leader}}]";
    let text = fed(", apply: 10ms", dead)
        .replace("keys: uniform(n=100)", "keys: uniform(n=2k)")
        .replace("warm_up: 10s", "warm_up: 100s")
        .replace(
            "poisson(20/s)",
            "poisson(40/s), load: [{at: 0s, factor: 1}, {at: 100s, factor: 1}, {at: 100.001s, factor: 0}]",
        );
    results_of(&copied(&text, copies), 1)
}

#[test]
fn what_a_failover_of_a_view_loses_is_fed_again() {
    let found = fed_failover("leader_follower: {followers: 2, lag: 2s, failover: {detect: 500ms}}");
    // What was written in the last two seconds comes again behind all else that there is: 2,000 keys, less those never written.
    let applied = view(&found, "applied");
    assert!((65.0..95.0).contains(&applied), "{applied}");
    let last = view(&found, "lag.max");
    assert!((17.0..24.0).contains(&last), "{last}");
    let age = at_search(&found, "staleness_age.max");
    assert!(age < last && age > last - 3.0, "{age} {last}");
    // What a majority has is not asked for again: only what was on its way is late.
    let found = fed_failover("raft: {replicas: 3}");
    let last = view(&found, "lag.max");
    assert!((0.2..2.5).contains(&last), "{last}");
    assert!(view(&found, "applied") < 10.0);
    // Nor is what all followers had.
    let sync = "leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms}}";
    let last = view(&fed_failover(sync), "lag.max");
    assert!((0.2..3.5).contains(&last), "{last}");
}

#[test]
fn who_leads_next_is_fed_while_the_one_before_is_cut_off() {
    let text = |source: &str| {
        fed(", apply: 4ms", "faults: [{id: cut, at: 100s, for: 60s, partition: {between: [[search@0], [a, b, c, search@1, search@2, orders]]}}]")
            .replace("seed: 5", "seed: 5\ntopology: {regions: {r: [a, b, c]}}")
            .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms")
            .replace("{store: {view_of", "{store: {zones: [a, b, c], view_of")
            .replace("write: 2ms, cores: 8", &format!("write: 2ms, cores: 8{source}"))
    };
    for source in ["", ", replication: {raft: {replicas: 3}}"] {
        let found = results_of(&copied(&text(source), "raft: {replicas: 3}"), 1);
        assert!(number(&found, "nodes.search.elections.count") >= 1.0);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert!((view(&found, "applied") - written).abs() < 5.0, "{written}");
        assert_eq!(view(&found, "inversions"), 0.0);
        // Until another one leads, and the source asks that one.
        let last = view(&found, "lag.max");
        assert!((0.3..3.0).contains(&last), "{last}");
    }
}

#[test]
fn sessions_that_ask_for_it_see_no_fed_view_go_back_whoever_leads() {
    for (copies, lag) in [
        ("raft: {replicas: 3, reads: follower}", "1ms"),
        (
            "leader_follower: {followers: 2, lag: exp(mean=200ms), reads: any, failover: {detect: 500ms}}",
            "1ms",
        ),
    ] {
        let text = |guarantees: &str| {
            let looks = "session: [{do: look, optional: true}, {wait: 20ms}, {do: look, optional: true}, {wait: 1s}, {do: look, optional: true}]";
            let dead =
                "faults: [{id: dead, every: 20s, for: 5s, crash: {node: search, replica: leader}}]";
            let text = fed(", apply: exp(mean=5ms), apply_cores: 4", dead)
                .replace("lag: 40ms", &format!("lag: {lag}"))
                .replace(
                    "poisson(20/s), keys: uniform(n=100)",
                    "poisson(50/s), keys: uniform(n=20)",
                )
                .replace(
                    "poisson(200/s), keys: uniform(n=100)",
                    &format!("poisson(60/s), keys: uniform(n=20), {guarantees}{looks}"),
                )
                .replace("same_zone: 1ms", "same_zone: exp(mean=2ms)");
            copied(&text, copies)
        };
        let free = results_of(&text(""), 1);
        assert!(at_search(&free, "monotonic_read_violations") > 10.0, "{copies}");
        assert_eq!(view(&free, "inversions"), 0.0, "{copies}");
        let asked = results_of(&text("guarantees: [monotonic_reads], "), 1);
        assert_eq!(at_search(&asked, "monotonic_read_violations"), 0.0, "{copies}");
    }
}

#[test]
fn a_view_of_a_view_with_replicas_is_fed_by_its_log() {
    let text = copied(
        &fed(
            ", apply: 4ms",
            "  far: {store: {view_of: {store: search, lag: 10ms}, apply: 2ms, read: 1ms}}",
        ),
        "raft: {replicas: 3}",
    )
    .replace("poisson(20/s)", "constant(20/s)");
    let found = results_of(&text, 1);
    // What a majority of the first has leaves it 10 ms later, and is 1 ms on its way and 2 ms of work.
    near(view(&found, "lag.max") * 1e3, 47.0);
    near(number(&found, "nodes.far.view.lag.max") * 1e3, 60.0);
    assert_eq!(number(&found, "nodes.far.view.applied"), view(&found, "applied"));
}

#[test]
fn views_with_replicas_are_the_same_on_one_and_two_threads() {
    for copies in [LED[0], LED[2]] {
        let text =
            under_faults(", replication: {raft: {replicas: 3}}", copies, ", apply_cores: 2", 12);
        let one = bytes_of_run(&text, "--jobs 1 --replications 2");
        assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 2"));
    }
}

#[test]
fn what_no_view_with_replicas_can_do_is_said_where_it_stands() {
    let of = "view_of: orders";
    let several =
        "view_of: orders, replication: {multi_leader: {leaders: [a, b], conflict: version_vector}}";
    let placed = shop("")
        .replace("network:", "topology: {regions: {r: [a, b]}}\nnetwork:")
        .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms");
    check_in(&placed, &[("leaders", of, several, "16:37 E-CONFLICT", "each leader of a view")]);
    let quorum = "view_of: {store: orders, lag: 1s}, replication: {quorum: {replicas: 3}}";
    let client = copied(&shop(""), "raft: {replicas: 3}");
    check_in(&shop(""), &[("equals", of, quorum, "15:55 E-UNSUPPORTED", "of which none leads")]);
    check_in(
        &client,
        &[(
            "client",
            "look: {read: search}",
            "look: {write: search}",
            "9:101 E-CONFLICT",
            "a client knows no version",
        )],
    );
}

#[test]
fn replicas_that_have_all_forgotten_feed_and_are_fed_again() {
    // Terms are past the first when all is lost, and begin anew.
    let raft = "raft: {replicas: 3}";
    let text = |node: &str| {
        let dead = |id: &str, at: &str| {
            format!("{{id: {id}, at: {at}, for: 5s, crash: {{node: {node}, replica: leader}}}}")
        };
        let faults = format!(
            "faults: [{}, {}, {}, {{id: all, at: 100s, for: 1s, crash: {{node: {node}, lose_data: true}}}}]",
            dead("a", "50s"),
            dead("b", "60s"),
            dead("c", "70s")
        );
        copied(&fed(", apply: 4ms", &faults), raft)
            .replace(
                "write: 2ms, cores: 8",
                &format!("write: 2ms, cores: 8, replication: {{{raft}}}"),
            )
            .replace("warm_up: 10s", "warm_up: 150s")
    };
    for node in ["orders", "search"] {
        let found = results_of(&text(node), 1);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert!(written > 2_500.0, "{node}: {written}");
        assert!((view(&found, "applied") - written).abs() < 10.0, "{node}: {written}");
        assert!(view(&found, "lag.max") < 0.2, "{node}: {}", view(&found, "lag.max"));
    }
}
