//! Replicas that compare what they hold; tombstones that are forgotten.

use super::{MS, Net, ask, quiet};
use crate::replication::AntiEntropy;
use crate::replication::quorum::{Config, Quorum, Stamp};
use crate::replication::{Act, Answer, Peer, Start};

const COMPARE: AntiEntropy = AntiEntropy { every: 1_000 * MS, rate: 1_000 };
const CONFIG: Config =
    Config { anti_entropy: Some(COMPARE), read_repair: 0.0, timeout: 100 * MS, ..Config::DEFAULT };

fn nobody(_: Peer) -> Vec<Peer> {
    Vec::new()
}

fn same(net: &Net<Quorum>) -> bool {
    let all = |at| net.replica(at).data().all();
    all(0) == all(1) && all(1) == all(2)
}

fn sent(net: &Net<Quorum>, name: &str) -> u64 {
    net.sent.get(name).copied().unwrap_or_default()
}

/// One that was cut off while 500 keys were written, after 1,000 that all hold.
fn behind(config: Config) -> Net<Quorum> {
    let mut net = quiet(config, &nobody);
    for key in 0..1_000 {
        ask(&mut net, 0, Act::Write(key + 1), key);
    }
    net.part(&[2], &[0, 1]);
    for key in 800..1_300 {
        ask(&mut net, 0, Act::Write(key + 10_000), key);
    }
    net.run(net.now + 500 * MS);
    assert!(!same(&net));
    net.heal();
    net
}

#[test]
fn replicas_that_compare_come_to_hold_the_same_newest() {
    let mut net = behind(Config { anti_entropy: None, ..CONFIG });
    net.run(net.now + 10_000 * MS);
    assert!(!same(&net), "nothing brings them together");
    let mut net = behind(CONFIG);
    let puts = sent(&net, "put");
    net.run(net.now + 5_000 * MS);
    assert!(same(&net));
    assert_eq!(net.replica(2).data().len(), 1_300);
    assert_eq!(net.replica(2).data().get(800).version, 10_800);
    let puts = sent(&net, "put") - puts;
    assert!((500..1_050).contains(&puts), "{puts}: what differs is sent, by one or by both");
    // Where nothing differs only digests are sent: by each of the three each second.
    let (lists, all) = (sent(&net, "list"), net.sent.values().sum::<u64>());
    net.run(net.now + 10_000 * MS);
    assert_eq!((sent(&net, "list"), net.sent.values().sum::<u64>()), (lists, all + 30));
}

#[test]
fn keys_are_exchanged_at_a_rate() {
    let mut net =
        behind(Config { anti_entropy: Some(AntiEntropy { rate: 100, ..COMPARE }), ..CONFIG });
    let before = sent(&net, "put");
    net.run(net.now + 3_000 * MS);
    // Each of the two that are ahead sends 100 per second.
    let puts = sent(&net, "put") - before;
    assert!((200..=600).contains(&puts), "{puts}");
    net.run(net.now + 8_000 * MS);
    assert!(same(&net));
}

#[test]
fn a_replica_that_lost_all_gets_it_back() {
    let mut net = behind(CONFIG);
    net.run(net.now + 5_000 * MS);
    net.crash(1);
    net.restart(1, Start::Empty);
    assert!(net.replica(1).data().is_empty());
    net.run(net.now + 6_000 * MS);
    assert!(same(&net));
    assert_eq!(net.replica(1).data().len(), 1_300);
}

#[test]
fn what_is_held_after_a_crash_is_what_digests_are_of() {
    for seed in 0..20 {
        let mut net = quiet(CONFIG, &nobody);
        net.settings.loss = 0.3;
        for step in 0..200 {
            if step % 20 == 7 {
                net.crash(2);
                net.restart(2, Start::Again);
            }
            net.ask(0, ((seed + step) % 3) as Peer, Act::Write(seed * 1_000 + step + 1), step % 50);
            net.run(net.now + 3 * MS);
        }
        net.settings.loss = 0.0;
        net.run(net.now + 4_000 * MS);
        assert!(same(&net), "seed {seed}");
    }
}

/// Version 1 at all, then its deletion where replica 2 does not hear of it; then a while.
fn deleted(config: Config, cut_ms: u64) -> Net<Quorum> {
    let mut net = quiet(config, &nobody);
    assert_eq!(ask(&mut net, 0, Act::Write(1), 7), Answer::Written);
    net.run(50 * MS);
    net.part(&[2], &[0, 1]);
    assert_eq!(ask(&mut net, 0, Act::Delete(2), 7), Answer::Written);
    assert_eq!(ask(&mut net, 0, Act::Read, 7), Answer::Read(2), "a miss names its tombstone");
    net.run(cut_ms * MS);
    net.heal();
    net
}

fn held(net: &Net<Quorum>) -> [u64; 3] {
    [0, 1, 2].map(|at| net.replica(at).data().get(7).version)
}

#[test]
fn a_tombstone_that_is_forgotten_too_early_lets_what_was_deleted_come_back() {
    for stamp in [Stamp::Clock, Stamp::Query] {
        let config = Config { tombstones: Some(5_000 * MS), stamp, ..CONFIG };
        // It hears of the deletion in time: all forget, and for good.
        let mut net = deleted(config, 2_000);
        net.run(4_500 * MS);
        assert_eq!(held(&net), [2, 2, 2]);
        for at in 6..20 {
            net.run(at * 1_000 * MS);
            assert_eq!(held(&net), [0, 0, 0]);
            assert!(net.replica(0).data().is_empty());
        }
        // It does not: what was deleted comes back everywhere.
        let mut net = deleted(config, 6_000);
        assert_eq!(held(&net), [0, 0, 1]);
        net.run(10_000 * MS);
        assert_eq!(held(&net), [1, 1, 1]);
        assert_eq!(ask(&mut net, 0, Act::Read, 7), Answer::Read(1), "resurrected");
        // Tombstones that are held for ever do not let it.
        let mut net = deleted(Config { tombstones: None, ..config }, 60_000);
        net.run(70_000 * MS);
        assert_eq!(held(&net), [2, 2, 2]);
    }
}

#[test]
fn read_repair_hands_on_how_old_a_tombstone_is() {
    let config =
        Config { tombstones: Some(5_000 * MS), anti_entropy: None, read_repair: 1.0, ..CONFIG };
    let mut net = deleted(config, 4_000);
    assert_eq!(held(&net), [2, 2, 1]);
    assert_eq!(ask(&mut net, 1, Act::Read, 7), Answer::Read(2));
    net.run(4_500 * MS);
    assert_eq!(held(&net), [2, 2, 2]);
    net.run(5_500 * MS);
    assert_eq!(held(&net), [0, 0, 0], "at the same time");
}

#[test]
fn a_tombstone_outlives_a_crash_and_is_forgotten_all_the_same_unless_it_was_overwritten() {
    let config = Config { tombstones: Some(5_000 * MS), anti_entropy: None, ..CONFIG };
    let mut net = deleted(config, 1_000);
    net.crash(1);
    net.restart(1, Start::Again);
    assert_eq!(held(&net), [2, 2, 1]);
    net.run(5_500 * MS);
    assert_eq!(held(&net), [0, 0, 1]);
    let mut net = deleted(config, 1_000);
    assert_eq!(ask(&mut net, 0, Act::Write(3), 7), Answer::Written);
    net.run(60_000 * MS);
    assert_eq!(held(&net), [3, 3, 3]);
}
