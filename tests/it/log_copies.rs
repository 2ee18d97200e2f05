//! Copies of the partitions of a log: when publishers are answered, who takes over, what is lost and what is not.

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    logs::{all, close, of},
};

/// 1,000 events, ten a second for 100 s of 140 s, from zone a, where the leader stands: 0.25 ms within a zone, 1 ms between two.
fn feed(topic: &str, consumer: &str, faults: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 140s\nseed: 7\ntopology: {{regions: {{eu: [a, b, c]}}}}\n\
         network: {{same_zone: 0.25ms, same_region: 1ms}}\n\
         clients: {{users: {{zones: a, arrivals: constant(10/s), load: [{{at: 0s, factor: 1}}, {{at: 100.05s, factor: 0}}], timeout: 1s, to: events}}}}\n\
         nodes:\n  events: {{topic: {{replicas: 3, zones: [a, b, c], {topic}}}}}\n  \
         search: {{service: {{zones: a, consumes: {{from: events, session: 10s, heartbeat: 1s}}, workers: 1, {consumer}}}}}\n{faults}\n"
    )
}

#[test]
fn a_publisher_waits_for_most_copies_for_the_leader_or_for_nobody() {
    let latency = |topic: &str| {
        let found = results_of(&feed(topic, "work: 1ms", ""), 1);
        assert_eq!(all(&found, ["published", "acked", "lost"]), [1000.0, 1000.0, 0.0]);
        // The leader and his nearest follower have it, whoever was answered when.
        close(of(&found, "done.p50"), 0.000_25 + 0.001, 1e-6);
        (number(&found, "summary.latency.mean"), number(&found, "summary.latency.max"))
    };
    let exactly = |topic: &str, expected: f64| {
        let (mean, most) = latency(topic);
        close(mean, expected, 1e-6);
        close(most, expected, 1e-6);
    };
    // There, the work, to a follower and back, and back.
    exactly("publish: 2ms", 0.000_25 + 0.002 + 0.002 + 0.000_25);
    exactly("publish: 2ms, ack: leader", 0.000_25 + 0.002 + 0.000_25);
    exactly("publish: 2ms, ack: none", 0.000_5);
    // Messages take their time on the lines between copies: 10 KB at 1 MB/s.
    let slow = feed("publish: 2ms", "work: 1ms", "").replace("timeout: 1s, to", "size: 10KB, timeout: 1s, to").replace(
        "same_region: 1ms",
        "same_region: 1ms, links: [{from: a, to: b, bandwidth: 1MB/s}, {from: a, to: c, bandwidth: 1MB/s}]",
    );
    let mean = number(&results_of(&slow, 1), "summary.latency.mean");
    close(mean, 0.000_25 + 0.002 + 0.010 + 0.002 + 0.000_25, 1e-5);
    // With one copy `all` is the leader.
    let alone = |topic: &str| {
        let text =
            feed(topic, "work: 1ms", "").replace("replicas: 3, zones: [a, b, c]", "zones: a");
        number(&results_of(&text, 1), "summary.latency.max")
    };
    close(alone("publish: 2ms, ack: all"), 0.0025, 1e-6);
    close(alone("publish: 2ms, ack: none"), 0.0005, 1e-6);
}

#[test]
fn one_copy_that_is_said_is_one_copy() {
    let text = |topic: &str| feed(topic, "work: exp(mean=20ms)", "").replace("replicas: 3, ", "");
    let (said, unsaid) = (text("replicas: 1"), text("partitions: 1"));
    let hash = |text: &str| results_of(text, 1)["fingerprint"].clone();
    assert_eq!(hash(&said), hash(&unsaid));
    assert_ne!(hash(&said), hash(&text("replicas: 3")));
}

#[test]
fn another_copy_leads_when_the_leader_is_gone() {
    let crash = |more: &str| {
        format!(
            "faults: [{{id: away, at: 40.05s, for: 30s, crash: {{node: events, replica: leader{more}}}}}]"
        )
    };
    let found = results_of(&feed("publish: 2ms", "work: 1ms", &crash(", process: true")), 1);
    assert_eq!(number(&found, "nodes.events.elections.count"), 1.0);
    // Election time-outs are drawn from 150 to 300 ms, and somebody has heard of the leader up to 50 ms before.
    let gap = number(&found, "nodes.events.elections.leaderless.max");
    assert!((0.1..0.31).contains(&gap), "{gap}");
    let refused = 1000.0 - number(&found, "summary.requests.ok");
    assert!((1.0..=4.0).contains(&refused), "{refused}");
    // What was answered well is there, and is worked off; what came meanwhile may be there too.
    let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
    assert!(published == acked && lost == 0.0 && published >= 1000.0 - refused);
    // Who reads asks another one as soon as he hears that nobody is there.
    assert!(of(&found, "done.max") < 0.5, "{}", of(&found, "done.max"));
    // A host that says nothing keeps him waiting for an answer: half a second, and one more.
    let found = results_of(&feed("publish: 2ms", "work: 1ms", &crash("")), 1);
    let late = of(&found, "done.max");
    assert!((0.3..1.5).contains(&late), "{late}");
    // Likewise who publishes, a second by its own patience.
    let timeouts = number(&found, "summary.requests.timeout");
    assert!((10.0..=12.0).contains(&timeouts), "{timeouts}");
    assert_eq!(of(&found, "lost"), 0.0);
    // Alone it takes 30 s.
    let alone =
        feed("publish: 2ms", "work: 1ms", &crash("").replace("replica: leader", "instances: [0]"))
            .replace("replicas: 3, zones: [a, b, c]", "zones: a");
    let found = results_of(&alone, 1);
    assert!((1000.0 - of(&found, "published") - 300.0).abs() <= 2.0);
}

#[test]
fn a_leader_that_answers_early_loses_what_most_copies_have_not() {
    // The leader and its publishers on one side, the others on the other.
    let cut = "faults: [{id: cut, at: 40.05s, for: 20s, partition: {between: [[a], [b, c]]}}]";
    let early = feed("ack: leader", "work: 1ms", cut).replace("constant(10/s)", "constant(100/s)");
    let found = results_of(&early, 1);
    // It steps down when it has heard of no majority for 150 ms: what it answered until then is gone.
    let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
    assert!((12.0..=26.0).contains(&lost), "{lost}");
    assert_eq!(published, acked + lost);
    let ok = number(&found, "summary.requests.ok");
    assert!((ok - published).abs() <= 1.0, "{ok} answered, {published} published");
    // Who waits for most copies is told nothing that is not so.
    let found = results_of(&early.replace("ack: leader", "ack: all"), 1);
    let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
    assert_eq!((published, lost), (acked, 0.0));
    assert!(number(&found, "summary.requests.ok") <= published);
    // Nobody on that side is served until it is over: neither publishers nor who reads.
    let refused = 10_000.0 - number(&found, "summary.requests.ok");
    assert!((1_900.0..=2_150.0).contains(&refused), "{refused}");
}

#[test]
fn a_leader_cut_off_hands_out_no_more_than_it_knows() {
    // The leader of a keeps its readers; publishers are with the others, who elect another one.
    let cut = "faults: [{id: cut, at: 40.05s, for: 20s, partition: {between: [[a], [b, c]]}}]";
    let text = feed("", "work: 1ms", cut).replace("zones: a, arrivals", "zones: b, arrivals");
    let found = results_of(&text, 1);
    let [published, acked, lost, duplicates] =
        all(&found, ["published", "acked", "lost", "duplicates"]);
    assert_eq!((published, lost, duplicates), (acked, 0.0, 0.0));
    // Publishers go on after an election, readers when the cut is over.
    assert!(number(&found, "summary.requests.ok") >= 990.0);
    let late = of(&found, "done.max");
    assert!((19.0..=22.5).contains(&late), "{late}");
}

#[test]
fn groups_are_coordinated_where_the_first_partition_is_led() {
    // The first leader never comes back; then one of two members falls silent.
    let faults = "faults:\n  - {id: lead, at: 30.05s, crash: {node: events, instances: [0]}}\n  \
        - {id: member, at: 60.05s, crash: {node: search, instances: [0]}}";
    let text = feed("partitions: 2", "instances: 2, work: 1ms", faults);
    let found = results_of(&text, 1);
    let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
    assert_eq!((published, lost), (acked, 0.0));
    // Who is in the group is known to the new coordinator, who takes a session to see that one of them is gone.
    assert_eq!(of(&found, "rebalances"), 1.0);
    let late = of(&found, "done.max");
    assert!((9.0..13.0).contains(&late), "{late}");
}

#[test]
fn rows_of_an_outbox_find_who_leads() {
    let faults = "faults:\n  - {id: lead, at: 30.05s, for: 20s, crash: {node: events, replica: leader}}\n  \
        - {id: again, at: 70.05s, for: 20s, crash: {node: events, replica: leader, process: true}}";
    let text = feed("partitions: 2", "work: 1ms", faults)
        .replace("to: events}}", "keys: uniform(n=50), to: api}}")
        .replace(
            "nodes:\n",
            "nodes:\n  api: {service: {zones: a, endpoints: {default: [{write: {to: db, outbox: events}}]}}}\n  \
             db: {store: {zones: a, read: 1ms, write: 2ms}}\n",
        );
    let found = results_of(&text, 1);
    let outbox = |figure: &str| number(&found, &format!("nodes.db.outbox.{figure}"));
    assert_eq!([outbox("written"), outbox("relayed"), outbox("left")], [1000.0, 1000.0, 0.0]);
    let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
    assert!((1000.0..1100.0).contains(&published), "{published}");
    assert_eq!((published, lost), (acked, 0.0));
    assert!(of(&found, "done.max") < 5.0);
}

#[test]
fn nothing_that_most_copies_have_is_lost_whatever_happens() {
    let faults = "faults:\n  \
        - {id: copy, mtbf: exp(mean=12s), mttr: exp(mean=3s), crash: {node: events, instances: 1}}\n  \
        - {id: process, mtbf: exp(mean=15s), mttr: exp(mean=1s), crash: {node: events, instances: 1, process: true}}\n  \
        - {id: still, mtbf: exp(mean=30s), mttr: exp(mean=2s), pause: {node: events, instances: 1}}\n  \
        - {id: member, mtbf: exp(mean=40s), mttr: exp(mean=5s), crash: {node: search, instances: 1, process: true}}\n  \
        - {id: cut, mtbf: exp(mean=30s), mttr: exp(mean=4s), partition: {between: [[a], [b, c]]}}\n  \
        - {id: other, mtbf: exp(mean=30s), mttr: exp(mean=4s), partition: {between: [[c], [a, b]]}}\n";
    for ack in ["all", "leader", "none"] {
        let mut lost_in_all = 0.0;
        for seed in 1..=12 {
            let text = feed(
                &format!("partitions: 3, ack: {ack}, publish: exp(mean=1ms)"),
                "instances: 2, work: exp(mean=10ms)",
                faults,
            )
            .replace("seed: 7", &format!("seed: {seed}"))
            .replace("duration: 140s", "duration: 300s")
            .replace("same_region: 1ms", "same_region: 1ms, links: [{from: a, to: b, loss: 1%}]")
            .replace(
                "to: events}}",
                "retry: {attempts: 3, backoff: constant(200ms)}, to: events}}",
            );
            let found = results_of(&text, 1);
            let [published, acked, lost] = all(&found, ["published", "acked", "lost"]);
            assert_eq!(published, acked + lost, "seed {seed}, {ack}: {found:?}");
            let ok = number(&found, "summary.requests.ok");
            if ack == "all" {
                assert!(
                    lost == 0.0 && ok <= published,
                    "seed {seed}: {lost} lost, {ok} of {published}"
                );
            }
            lost_in_all += lost;
        }
        // Whoever is answered early may be told what is not so.
        assert_eq!(lost_in_all > 0.0, ack != "all", "{ack}: {lost_in_all}");
    }
}

#[test]
fn the_same_bytes_at_one_thread_and_two() {
    let fault = "faults: [{id: away, at: 20s, for: 20s, crash: {node: events, replica: leader}}]";
    let text = feed("partitions: 3, publish: exp(mean=1ms)", "work: exp(mean=20ms)", fault);
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn what_makes_no_sense_is_said_at_its_place() {
    let base = feed("publish: 2ms", "work: 1ms", "");
    let (copies, zones) = ("replicas: 3", "zones: [a, b, c]");
    let cases: [Case; 8] = [
        ("none", copies, "replicas: 0", "9:30 E-RANGE", "at least 1"),
        ("many", copies, "replicas: 64", "9:30 E-QUORUM", "from 1 to 63"),
        (
            "even",
            "replicas: 3, zones: [a, b, c]",
            "replicas: 6, zones: [a, b, c]",
            "9:30 W-EVEN",
            "like 5",
        ),
        ("two", copies, "replicas: 2", "9:30 W-NOHA", "does not survive"),
        ("brokers", "publish: 2ms", "instances: 3", "9:62 E-CONFLICT", "machine of its own"),
        ("ack", "publish: 2ms", "ack: most", "9:56 E-ENUM", "`leader`"),
        ("map", zones, "zones: {a: 1, b: 1}", "9:33 E-REPL", "2 places for 3 replicas"),
        ("one", zones, "zones: [a, b]", "9:33 W-SPREAD", "no majority"),
    ];
    check_in(&base, &cases);
}
