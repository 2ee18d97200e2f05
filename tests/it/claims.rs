//! What an objective says of data and the design cannot keep is told before anything runs.

use windtunnel::{
    scenario::load::Overrides,
    study::{self, Alone},
};

use crate::bad_input::examine;

/// A client of a store in three zones.
fn design((store, client, rest): (&str, &str, &str), objective: &str) -> String {
    format!(
        "windtunnel: 1\nname: claims\nduration: 10s\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients: {{c: {{arrivals: poisson(9/s), zones: [a], keys: uniform(n=9), timeout: 1s, {client}\
         operations: {{get: {{read: {{from: kv}}, share: 50%}}, put: {{write: kv, share: 50%}}}}}}}}\n\
         nodes:\n  kv: {{store: {{read: 1ms, write: 1ms, {store}}}}}\n{rest}slos: [{objective}]\n"
    )
}

/// What is told of claims.
fn told(text: &str) -> Vec<String> {
    let (_, found) = examine(text.as_bytes());
    assert!(
        !found.iter().any(windtunnel::scenario::problems::Found::is_error),
        "{text}\n{found:?}"
    );
    let claims = found.into_iter().filter(|found| found.problem.code == "W-CLAIM");
    claims.map(|found| found.problem.message).collect()
}

const CUT: &str = "faults: [{id: cut, at: 2s, for: 2s, partition: {between: [[kv@0], [kv@1]]}}]\n";
const ROT: &str = "faults: [{id: rot, at: 2s, corrupt: {node: kv, fraction: 5%, silent: false}}]\n";
const LATE: &str = "faults: [{id: rot, at: 2s, errors: {node: kv, fraction: 5%}}]\n";
const DIES: &str = "faults: [{id: dies, at: 2s, for: 2s, crash: {node: kv, lose_data: false}}]\n";

/// What is lost is of some time: who claims that there is none is told the same as who claims that nothing is lost.
fn of_some_time(text: &str, kept: &str) {
    let fault = ["cut", "dies"].into_iter().find(|id| text.contains(&format!("{{id: {id}")));
    let of_fault = fault.map(|id| format!("rpo({id}) == 0"));
    let same = ["rpo == 0", "nodes.kv.consistency.rpo == 0s"].map(str::to_owned);
    for claim in same.into_iter().chain(of_fault).filter(|_| text.contains(kept)) {
        assert_eq!(told(&text.replace(kept, &claim)), told(text), "{claim}");
    }
}

#[test]
fn damaged_copies_are_a_reason() {
    let raft = "zones: [a, b, c], replication: {raft: {reads: read_index}}";
    let quorum = "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 2, write: 2, write_back: true}}";
    let (order, fresh, kept) =
        ("linearizable == true", "stale_read_fraction == 0", "lost_acked_writes == 0");
    for (good, from, to, why) in [
        (design((raft, "", ROT), fresh), "silent: false", "silent: true", "without a word"),
        (design((raft, "", ROT), order), "silent: false", "silent: true", "without a word"),
        (design((quorum, "", LATE), order), "errors:", "corrupt:", "found damaged"),
        (design(("", "", LATE), kept), "errors:", "corrupt:", "found damaged"),
    ] {
        assert_eq!(told(&good), Vec::<String>::new(), "{good}");
        let found = told(&good.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(why), "{to}: {found:?}");
    }
}

#[test]
fn a_claim_that_cannot_be_kept_is_told_with_the_reason() {
    let raft = "zones: [a, b, c], replication: {raft: {reads: read_index}}";
    let quorum = "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 2, write: 2, sloppy: false, write_back: true}}";
    let follow = "zones: [a, b, c], replication: {leader_follower: {followers: 2, reads: leader, ack: sync, \
                  failover: {detect: 1s, fencing: true}}}";
    let leaders = "durability: {mode: each}, replication: {multi_leader: {leaders: [a, b], conflict: version_vector}}";
    let (order, fresh, kept) =
        ("linearizable == true", "stale_read_fraction == 0", "lost_acked_writes == 0");
    let exact = "clocks: {offset: 0ms}\n";
    let again = "retry: {attempts: 2}, idempotent: true, ";
    let keeps_and_not = [
        (design((raft, "", ""), order), "read_index", "follower", "by followers"),
        (design((raft, again, ""), order), ", idempotent: true", "", "may write again"),
        (
            design((raft, "", ""), order),
            "{from: kv}",
            "{from: kv, reads: follower}",
            "by followers",
        ),
        (design((quorum, "", ""), order), "write_back: true", "write_back: false", "next reader"),
        (design((quorum, "", exact), order), "offset: 0ms", "offset: 5ms", "clocks are wrong"),
        (design((quorum, "", ""), fresh), "read: 2", "read: 1", "may miss a write"),
        (
            design((quorum, "", ""), fresh),
            "{from: kv}",
            "{from: kv, quorum: 1}",
            "may miss a write",
        ),
        (design((follow, "", CUT), fresh), "reads: leader", "reads: any", "behind the leader"),
        (design((follow, "", CUT), fresh), "fencing: true", "fencing: false", "goes on answering"),
        (design((follow, "", CUT), kept), "ack: sync", "ack: async", "not sent yet"),
        (
            design((follow, "", CUT), kept),
            "ack: sync",
            "ack: semi_sync(timeout=200ms)",
            "after its timeout",
        ),
        (design((leaders, "", exact), kept), "version_vector", "lww", "later stamp wins"),
        (design((leaders, "", DIES), kept), "mode: each", "mode: every(1s)", "on a disk"),
        (design(("", "", DIES), kept), "lose_data: false", "lose_data: true", "takes all copies"),
    ];
    for (good, from, to, why) in keeps_and_not {
        assert_eq!(told(&good), Vec::<String>::new(), "{good}");
        assert!(good.contains(from), "{from}: {good}");
        let found = told(&good.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(why), "{to}: {found:?}");
        assert!(found[0].starts_with("`kv` cannot keep this: "), "{found:?}");
        of_some_time(&good.replace(from, to), kept);
        // Who claims less, or of another store, is told nothing; nor who compares designs.
        for (claim, less) in [
            ("linearizable == true", "linearizable == false"),
            (fresh, "stale_read_fraction <= 9%"),
        ] {
            let text = good.replace(from, to).replace(claim, less);
            assert!(!text.contains(less) || told(&text).is_empty(), "{text}");
        }
        let compares = good.replace(from, to) + "variants: {other: {duration: 20s}}\n";
        assert_eq!(told(&compares), Vec::<String>::new());
    }
    // Who asks for more than the store gives has it; and a leader shows what its followers do not have yet.
    let weak = follow.replace("reads: leader", "reads: any");
    let strong = design((&weak, "", ""), fresh).replace("{from: kv}", "{from: kv, reads: leader}");
    assert_eq!(told(&strong), Vec::<String>::new());
    let both = "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 1, write: 1}}";
    let both = design((both, "", ""), fresh).replace("{from: kv}", "{from: kv, quorum: all}");
    assert_eq!(told(&both), Vec::<String>::new());
    assert!(told(&design((follow, "", CUT), order))[0].contains("before its followers have them"));
    let counts = design(("", "", ""), order).replace("put: {write: kv", "put: {increment: kv");
    assert!(told(&counts)[0].contains("stay unchecked"));
    let leaders = design((leaders, "", ""), fresh);
    assert!(told(&leaders)[0].contains("before it has heard"));
    let of_one = leaders.replace(fresh, "nodes.kv.consistency.stale_reads == 0");
    assert_eq!(told(&of_one), told(&leaders));
}

#[test]
fn a_variant_is_not_told_what_its_file_claims() {
    let weak = "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 1, write: 1}}";
    let text = design((weak, "", ""), "stale_read_fraction == 0");
    assert_eq!(told(&text).len(), 1);
    let text = text + "variants: {other: {duration: 20s}}\n";
    let overrides = Overrides { variant: Some("other".to_owned()), ..Overrides::default() };
    let examined = study::examine(Alone::PATH, &Alone(&text), &overrides, &[]);
    assert!(examined.study.is_some());
    assert!(
        examined.found.iter().all(|found| found.problem.code != "W-CLAIM"),
        "{:?}",
        examined.found
    );
}

#[test]
fn caches_answer_with_what_they_have() {
    let cached = |mode: &str, claim: &str, faults: &str| {
        format!(
            "windtunnel: 1\nname: cached\nduration: 10s\n\
             clients: {{c: {{arrivals: poisson(9/s), keys: uniform(n=9), timeout: 1s, operations: {{get: {{to: api, share: 50%}}, put: {{to: api, share: 50%}}}}}}}}\n\
             nodes:\n  api: {{service: {{cores: 2, endpoints: {{get: [{{read: {{from: kv, cache: c1}}}}], put: [{{write: {{to: kv, cache: c1, mode: {mode}}}}}]}}}}}}\n\
             \x20 c1: {{cache: {{from: kv, capacity: 100}}}}\n  kv: {{store: {{read: 1ms, write: 1ms}}}}\n{faults}slos: [{claim}]\n"
        )
    };
    let dies = "faults: [{id: dies, at: 2s, for: 2s, crash: {node: c1}}]\n";
    assert!(
        told(&cached("invalidate", "stale_reads == 0", ""))[0].contains("may hold what is older")
    );
    assert!(told(&cached("behind", "lost_acked_writes == 0", dies))[0].contains("die with it"));
    assert!(told(&cached("through", "lost_acked_writes == 0", dies)).is_empty());
    assert!(told(&cached("behind", "lost_acked_writes == 0", "")).is_empty());
}
