//! Sides of cuts: who asks from where, and what is seen from there.

use serde_json::Value;

use crate::design::{number, results_of};

/// Three copies that are read where they are nearest, one of which leads in `a`; `stroll` asks from `a` and `b` in turn.
/// Whoever goes through `shop` reads and writes there.
fn design(cut: &str, rest: &str) -> String {
    let client = |name: &str, zones: &str, what: &str| {
        format!(
            "  {name}: {{arrivals: constant(100/s), zones: [{zones}], keys: uniform(n=20), timeout: 200ms, \
             operations: {{{what}}}}}\n"
        )
    };
    let [at_a, at_b, stroll, shops] = [
        client("at-a", "a", "look: {read: db, share: 50%}, edit: {write: db, share: 50%}"),
        client("at-b", "b", "look: {read: db, share: 50%}, edit: {write: db, share: 50%}"),
        client("stroll", "a, b", "look: {read: db}"),
        client("shops", "c", "see: {to: shop, share: 50%}, buy: {to: shop, share: 50%}"),
    ];
    format!(
        "windtunnel: 1\nname: sides\nduration: 60s\nwarm_up: 2s\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n{at_a}{at_b}{stroll}{shops}\
         nodes:\n  shop: {{service: {{zones: [c], endpoints: {{see: [{{read: db}}], buy: [{{read: db}}, {{write: db}}]}}}}}}\n  \
         db: {{store: {{read: 0.2ms, write: 0.2ms, zones: [a, b, c], \
         replication: {{leader_follower: {{followers: 2, leader: a, reads: nearest}}}}}}}}\n\
         faults: [{{id: cut, at: 20s, for: 20s, {cut}}}]\n{rest}\n"
    )
}

const CUT: &str = "partition: {between: [[a], [b, c]]}";

/// The figures of each side of the cut, by its name.
fn sides<'a>(results: &'a Value) -> Vec<(String, &'a Value)> {
    let sides = results["faults"][0]["sides"].as_array();
    let named = |side: &'a Value| (side["side"].as_str().unwrap_or_default().to_owned(), side);
    sides.into_iter().flatten().map(named).collect()
}

fn names(results: &Value) -> Vec<String> {
    sides(results).into_iter().map(|side| side.0).collect()
}

#[test]
fn each_side_is_told_apart_by_the_place_of_the_client() {
    let results = results_of(&design(CUT, ""), 2);
    let all = sides(&results);
    assert_eq!(names(&results), ["a", "b"]);
    let (a, b) = (all[0].1, all[1].1);
    assert_eq!(b["names"], serde_json::json!(["b", "c"]));
    for side in [a, b] {
        for when in ["before", "after"] {
            assert!(number(side, &format!("availability_{when}")) > 0.99, "{side}");
        }
        assert_eq!(number(side, "operations.read.availability_during"), 1.0, "the nearest copy");
    }
    // Who leads stands in `a`: nobody else writes, and what they go on reading is soon old.
    assert_eq!(number(a, "operations.write.availability_during"), 1.0);
    assert_eq!(number(b, "operations.write.availability_during"), 0.0);
    assert!(number(a, "stale_read_fraction") < 0.001, "{a}");
    // `at-a` writes 50/s of 20 keys: after two seconds hardly one has not been written.
    let stale = number(b, "stale_read_fraction");
    assert!((0.9..0.999).contains(&stale), "{stale}");
    // Reads are two thirds of what `at-b` and `stroll` ask from `b`, and a half of what `shops` ask.
    let during = number(b, "availability_during");
    assert!((during - 0.6).abs() < 0.03, "{during}");
}

#[test]
fn sides_sum_up_to_the_fault() {
    let slos = "slos:\n  - requests.issued(during=cut) >= 1\n  - requests.issued(during=cut side=a) >= 1\n  \
                - requests.issued(during=cut side=b) >= 1\n  - availability(during=cut side=b operation=edit) <= 1%\n  \
                - stale_read_fraction(during=cut side=a) <= 1%\n  - stale_read_fraction(during=cut side=b) <= 1%";
    let results = results_of(&design(CUT, slos), 2);
    let figure = |i: usize| number(&results, &format!("slos.{i}.estimate"));
    assert_eq!(figure(0), figure(1) + figure(2));
    // `at-a` and every other request of `stroll`, of 400/s for 20 s.
    assert!((figure(1) / 2.0 - 3000.0).abs() < 10.0, "{}", figure(1));
    let verdict = |i: usize| results["slos"][i]["verdict"].as_str().unwrap().to_owned();
    assert_eq!([3, 4, 5].map(verdict), ["met", "met", "missed"]);
    let side = sides(&results)[1].1;
    assert_eq!(figure(5), number(side, "stale_read_fraction"));
    let series = &results["series"]["sides"]["cut"]["b"];
    for name in ["availability", "stale_read_fraction"] {
        let windows = series[name].as_array().unwrap().len();
        assert_eq!(windows, results["series"]["start"].as_array().unwrap().len());
    }
}

#[test]
fn a_side_is_called_by_its_first_name_and_the_rest_is_the_rest() {
    for (cut, expected) in [
        ("partition: {between: [[stroll, a], [db]]}", vec!["stroll", "rest"]),
        ("partition: {from: [c, b], to: [a]}", vec!["c", "a"]),
        ("partition: {link: [c, db]}", vec!["c", "rest"]),
        ("partition: {node: at-b}", vec!["at-b", "rest"]),
        ("partition: {between: [[stroll@a], [a]]}", vec!["stroll@a", "a", "rest"]),
        // Nobody who asks is told apart by these.
        ("partition: {between: [[db@0], [db@1]]}", vec![]),
        ("partition: {node: db}", vec![]),
        ("loss: {between: [[a], [b]], fraction: 50%}", vec![]),
    ] {
        let results = results_of(&design(cut, ""), 1);
        assert_eq!(names(&results), expected, "{cut}");
        let told = results["series"]["sides"].get("cut").is_some();
        assert_eq!(told, !expected.is_empty(), "{cut}");
    }
}

#[test]
fn a_cut_that_never_came_has_no_figures_and_one_without_data_no_reads() {
    let never = results_of(&design(&format!("probability: 0%, {CUT}"), ""), 1);
    for (_, side) in sides(&never) {
        assert!(side["availability_before"]["value"].is_null(), "{side}");
        assert!(side["stale_read_fraction"]["value"].is_null(), "{side}");
    }
    let text = design(CUT, "").replace("{read: db}, {write: db}", "{read: db}");
    let text = text.replace("edit: {write: db", "edit: {read: db");
    let unwritten = results_of(&text, 1);
    for (_, side) in sides(&unwritten) {
        assert!(side.get("operations").is_none() && side.get("stale_read_fraction").is_none());
        assert!(number(side, "availability_before") > 0.99);
    }
}

#[test]
fn an_alert_may_bring_the_cut() {
    let alert = "alerts: {busy: {when: throughput(node=db) > 1/s, every: 1s, for: 10s}}";
    let cut = format!("after: busy, {CUT}");
    let text = design(&cut, alert).replace("at: 20s, for: 20s, ", "for: 20s, ");
    let results = results_of(&text, 1);
    let b = sides(&results)[1].1;
    assert_eq!(number(b, "operations.write.availability_during"), 0.0);
    assert!(number(b, "operations.write.availability_before") > 0.99);
}

/// What the story tells of who leads, and when.
fn leaders(results: &Value) -> Vec<(String, f64, String)> {
    let events = results["timeline"]["events"].as_array().unwrap().iter();
    let told = events.filter(|event| event["kind"].as_str().unwrap().contains("leader"));
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    told.map(|event| (text(event, "kind"), number(event, "at"), text(event, "text"))).collect()
}

#[test]
fn the_story_tells_who_leads() {
    let led = |replication: &str, cut: &str| {
        let text = design(cut, "")
            .replace("leader_follower: {followers: 2, leader: a, reads: nearest}", replication);
        leaders(&results_of(&text, 1))
    };
    let failover = |more: &str| {
        format!("leader_follower: {{followers: 2, leader: a, failover: {{detect: 2s{more}}}}}")
    };
    let kinds = |all: &[(String, f64, String)]| -> Vec<String> {
        all.iter().map(|(kind, ..)| kind.clone()).collect()
    };
    // The old leader goes on until it hears of the next one.
    let split = led(&failover(""), CUT);
    assert_eq!(kinds(&split), ["two_leaders", "one_leader"], "{split:?}");
    assert!((21.5..25.0).contains(&split[0].1) && (40.0..42.0).contains(&split[1].1), "{split:?}");
    assert!(split[0].2.contains("while replica 0 (in a) goes on: two leaders at once"));
    // A fence has it stop first.
    let fenced = led(&failover(", fencing: true"), CUT);
    assert_eq!(kinds(&fenced), ["leader_lost", "leader_elected"], "{fenced:?}");
    assert!(fenced[0].2.starts_with("db: replica 0 (in a) leads no more, after 2"), "{fenced:?}");
    assert!(fenced[1].2.contains(" leads; for ") && fenced[1].1 >= fenced[0].1);
    let crash = led(&failover(""), "crash: {zone: a}");
    // When it is back it has yet to hear of the other.
    let expected = ["leader_lost", "leader_elected", "two_leaders", "one_leader"];
    assert_eq!(kinds(&crash), expected, "{crash:?}");
    assert!(crash[3].1 - crash[2].1 < 0.1, "{crash:?}");
    assert_eq!(crash[0].1, 20.0);
    let raft = led("raft: {replicas: 3, leader: a}", "crash: {node: db, replica: leader}");
    assert_eq!(kinds(&raft), ["leader_lost", "leader_elected"], "{raft:?}");
    // Nobody takes over, or nobody leads at all.
    let quorum = led("quorum: {replicas: 3}", CUT);
    assert!(quorum.is_empty(), "{quorum:?}");
    assert!(led("leader_follower: {followers: 2, leader: a}", CUT).is_empty());
}
