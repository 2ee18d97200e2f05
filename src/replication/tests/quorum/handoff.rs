//! Sloppy quorums: who stands in for whom, and what becomes of hints.

use super::{MS, Net, ask, quiet};
use crate::replication::quorum::{Config, Handoff, Quorum};
use crate::replication::{Act, Answer, Failure, Note, Peer, Start};

const HANDOFF: Handoff = Handoff { after: 100 * MS, keep: 3_600_000 * MS, rate: 1_000 };
const STRICT: Config = Config { shards: 2, timeout: 500 * MS, ..Config::DEFAULT };
const SLOPPY: Config = Config { sloppy: Some(HANDOFF), ..STRICT };

/// Two shards, of which two replicas of the first are cut off from all others.
fn cut(config: Config) -> Net<Quorum> {
    let mut net = quiet(config, &|_| Vec::new());
    net.part(&[1, 2], &[0, 3, 4, 5]);
    net
}

fn hints(net: &Net<Quorum>) -> Vec<usize> {
    (0..6).map(|at| net.replica(at).hints()).collect()
}

fn holds(net: &Net<Quorum>, at: Peer, key: u64) -> u64 {
    net.replica(at).data().get(key).version
}

#[test]
fn stand_ins_make_a_write_possible_that_may_be_unreadable_until_it_is_handed_over() {
    assert_eq!(ask(&mut cut(STRICT), 0, Act::Write(1), 0), Answer::Failed(Failure::QuorumTimeout));
    let mut net = cut(SLOPPY);
    assert_eq!(ask(&mut net, 0, Act::Write(1), 0), Answer::Written);
    assert!(net.now > 100 * MS && net.now < 110 * MS, "after `after`: {}", net.now);
    assert_eq!(hints(&net), [0, 0, 0, 1, 1, 0]);
    let counted = net.notes.iter().filter(|(.., note)| *note == Note::Counted("hint")).count();
    assert_eq!(counted, 2);
    assert_eq!(holds(&net, 3, 0), 0, "a hint is kept apart");
    // It is remembered who does not answer, and the hints are read.
    let began = net.now;
    assert_eq!(ask(&mut net, 0, Act::Read, 0), Answer::Read(1));
    assert!(net.now - began < 10 * MS, "at once");
    // Those who were cut off are a quorum, and know nothing.
    net.heal();
    net.part(&[0], &[1, 2, 3, 4, 5]);
    assert_eq!(ask(&mut net, 1, Act::Read, 0), Answer::Read(0));
    net.run(net.now + 2_000 * MS);
    assert_eq!((holds(&net, 1, 0), holds(&net, 2, 0)), (1, 1));
    assert_eq!(hints(&net), [0; 6]);
    assert_eq!(ask(&mut net, 1, Act::Read, 0), Answer::Read(1));
}

#[test]
fn a_silent_replica_is_asked_again_after_ten_seconds() {
    let mut net = cut(SLOPPY);
    ask(&mut net, 0, Act::Write(1), 0);
    net.heal();
    net.run(9_000 * MS);
    ask(&mut net, 0, Act::Write(2), 0);
    assert_eq!(hints(&net), [0, 0, 0, 1, 1, 0], "still remembered");
    net.run(12_000 * MS);
    ask(&mut net, 0, Act::Write(3), 0);
    net.run(net.now + 10 * MS);
    assert_eq!(hints(&net), [0; 6]);
    assert_eq!((1..3).map(|at| holds(&net, at, 0)).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn who_refuses_is_replaced_at_once_and_so_are_stand_ins() {
    let mut net = quiet(SLOPPY, &|_| Vec::new());
    for at in [1, 2, 3] {
        net.crash(at);
    }
    assert_eq!(ask(&mut net, 0, Act::Write(1), 0), Answer::Written);
    assert!(net.now < 20 * MS);
    assert_eq!(hints(&net), [0, 0, 0, 0, 1, 1]);
    // Two of six hold it, and nobody else is left; one is not enough.
    net.crash(4);
    net.run(200 * MS);
    assert_eq!(ask(&mut net, 0, Act::Write(2), 0), Answer::Written);
    net.crash(5);
    assert_eq!(ask(&mut net, 0, Act::Write(3), 0), Answer::Failed(Failure::TooFew));
}

#[test]
fn a_silent_stand_in_is_replaced_too() {
    let mut net = cut(SLOPPY);
    net.part(&[3], &[0, 1, 2, 4, 5]);
    assert_eq!(ask(&mut net, 0, Act::Write(1), 0), Answer::Written);
    net.run(net.now + 300 * MS);
    assert_eq!(hints(&net), [0, 0, 0, 0, 1, 1]);
}

#[test]
fn those_near_stand_in_first() {
    let near = |_| vec![7, 5, 1];
    let mut net = quiet(Config { shards: 3, ..SLOPPY }, &near);
    for at in [1, 2] {
        net.crash(at);
    }
    ask(&mut net, 0, Act::Write(1), 0);
    net.run(net.now + 20 * MS);
    let kept: Vec<_> = (0..9).filter(|at| net.replica(*at).hints() > 0).collect();
    assert_eq!(kept, [5, 7]);
}

#[test]
fn hints_are_handed_over_at_a_rate_and_survive_their_keeper() {
    let sloppy = Some(Handoff { rate: 100, ..HANDOFF });
    let mut net = cut(Config { sloppy, ..SLOPPY });
    for key in 0..300 {
        assert_eq!(ask(&mut net, 0, Act::Write(key + 1), key * 2), Answer::Written);
    }
    assert_eq!(hints(&net), [0, 0, 0, 300, 300, 0]);
    net.crash(3);
    net.restart(3, Start::Again);
    assert_eq!(hints(&net)[3], 300);
    net.heal();
    // Tries come each second; then so many in each.
    net.run(net.now + 2_000 * MS);
    let left = hints(&net);
    assert!(left[3] >= 90 && left[3] <= 200, "{left:?}");
    net.run(net.now + 3_000 * MS);
    assert_eq!(hints(&net), [0; 6]);
    for key in 0..300 {
        assert_eq!((holds(&net, 1, key * 2), holds(&net, 2, key * 2)), (key + 1, key + 1));
    }
    let handed = net.sent["hand"];
    assert!((600..640).contains(&handed), "{handed}: hardly any is sent twice");
}

#[test]
fn old_hints_are_dropped() {
    let sloppy = Some(Handoff { keep: 5_000 * MS, ..HANDOFF });
    let mut net = cut(Config { sloppy, ..SLOPPY });
    ask(&mut net, 0, Act::Write(1), 0);
    net.run(4_500 * MS);
    assert_eq!(hints(&net)[3], 1);
    net.run(6_500 * MS);
    assert_eq!(hints(&net)[3], 0);
    net.heal();
    net.run(20_000 * MS);
    assert_eq!(holds(&net, 1, 0), 0);
}

#[test]
fn a_write_that_has_enough_still_leaves_a_hint_for_who_misses_it() {
    let mut net = quiet(SLOPPY, &|_| Vec::new());
    net.part(&[2], &[0, 1, 3, 4, 5]);
    assert_eq!(ask(&mut net, 0, Act::Write(1), 0), Answer::Written);
    assert!(net.now < 20 * MS);
    net.run(200 * MS);
    assert_eq!(hints(&net), [0, 0, 0, 1, 0, 0]);
}
