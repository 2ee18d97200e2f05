//! Random schedules.

use super::disk::Mode::{Each, Every, Group, Never};
use super::*;
use crate::replication::leader_follower::{Failover, Paced};

/// Goes on; with a fence no two serve at once.
fn go(net: &mut Net<Node>, config: &Config, time: u64) {
    let until = net.now + time;
    while net.now < until {
        net.run((net.now + 5 * MS).min(until));
        if config.failover.as_ref().is_some_and(|failover| failover.fencing) {
            let serves = |at: &Peer| net.up(*at) && net.replica(*at).replica().serves(net.now);
            assert!((0..config.replicas).filter(serves).count() < 2, "two serve");
        }
    }
}

/// Crashes, pauses, cuts, loss, copies, overtaking: then all is healed.
///
/// At each look no two serve, if that is promised.
fn schedule(seed: u64, config: &Config, empty: bool) -> Net<Node> {
    schedule_of(seed, config, empty, None)
}

/// The same, with clients that are sessions.
pub(super) fn schedule_of(
    seed: u64,
    config: &Config,
    empty: bool,
    sessions: Option<Sessions>,
) -> Net<Node> {
    let mut draw = Stream::new(seed, "schedule", "test").draw(0);
    let settings = Settings {
        seed,
        clients: 4,
        latency: (MS, 1 + draw.below(4) * 20 * MS + MS),
        loss: draw.unit() * 0.1,
        copies: draw.unit() * 0.1,
        keys: 5,
        timeout: 500 * MS,
        sessions,
        laws,
        ..Settings::default()
    };
    let mut net = net(settings, config);
    let replicas = config.replicas;
    let nodes = replicas + config.failover.as_ref().map_or(0, |f| f.observers.len()) as u16;
    for _ in 0..12 {
        go(&mut net, config, draw.below(800 * MS));
        let at = draw.below(u64::from(nodes)) as Peer;
        match draw.below(6) {
            0 => net.crash(at),
            1 => net.pause(at),
            2 => {
                let side = draw.below(1 << nodes);
                let part =
                    |yes| (0..usize::from(nodes)).filter(move |n| (side >> n & 1 == 1) == yes);
                net.part(&part(true).collect::<Vec<_>>(), &part(false).collect::<Vec<_>>());
            }
            3 => net.heal(),
            4 => net.resume(at),
            _ => {
                let how = if empty && draw.below(4) == 0 { Start::Empty } else { Start::Again };
                (0..nodes).for_each(|at| net.restart(at, how));
            }
        }
        check_logs(&net, replicas);
        check_prefixes(&net, replicas);
    }
    net.heal();
    (0..nodes).for_each(|at| net.resume(at));
    (0..nodes).for_each(|at| net.restart(at, Start::Again));
    go(&mut net, config, 2 * SECOND);
    net.settings.loss = 0.0;
    go(&mut net, config, 10 * SECOND);
    net.busy = false;
    net.run(net.now + 4 * SECOND);
    check_logs(&net, replicas);
    check_equal(&net, 0..replicas);
    net
}

#[test]
fn without_failover_replicas_become_equal() {
    for seed in 0..300 {
        let acks = [Ack::Async, Ack::Sync, Ack::SemiSync { timeout: 100 * MS, acks: 1 }];
        let modes = [Each, Group(MS), Every(200 * MS), Never];
        let config = Config {
            has_lag: seed % 2 == 0,
            max_lag: (seed % 5 == 0).then_some(SECOND),
            disk: modes[seed as usize % 4],
            apply_lanes: 1 + (seed % 3) as u8,
            ..config(1 + (seed % 4) as u16, acks[seed as usize % 3])
        };
        let net = schedule(seed, &config, false);
        let written = net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written)).count();
        assert!(written > 0, "seed {seed}");
    }
}

pub(super) fn failover(replicas: u16, seed: u64, fencing: bool) -> Failover {
    let observers = (replicas..replicas + 3).collect();
    let candidates = (0..replicas).filter(|n| !seed.is_multiple_of(7) || *n != 1).collect();
    Failover { detect: 400 * MS, observers, candidates, fencing }
}

#[test]
fn with_failover_replicas_become_equal() {
    let mut promoted = 0;
    for seed in 0..1_000 {
        let acks = [Ack::Async, Ack::Sync, Ack::SemiSync { timeout: 100 * MS, acks: 1 }];
        let modes = [Each, Group(MS), Every(200 * MS), Never];
        let replicas = 2 + (seed % 3) as u16;
        let config = Config {
            has_lag: seed % 2 == 0,
            disk: modes[seed as usize % 4],
            failover: Some(failover(replicas, seed, seed % 3 == 0)),
            paced: (seed % 5 == 1).then_some(Paced { every: 20 * MS, keys: 5, all: 5 }),
            ..config(replicas, acks[seed as usize % 3])
        };
        let net = schedule(seed, &config, false);
        promoted +=
            net.notes.iter().filter(|(.., note)| matches!(note, Note::Leads { .. })).count();
        let end = net.now - 6 * SECOND;
        let written =
            net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written) && ended.0 > end);
        assert!(written.count() > 0, "seed {seed}: no write at the end");
    }
    assert!(promoted > 1_000, "{promoted}");
}

/// Acknowledged writes that are lost: a newer epoch began without them, or at the end nobody holds them or newer ones.
fn forgotten(net: &Net<Node>) -> usize {
    let (mut places, mut began) = (BTreeMap::new(), Vec::new());
    for (_, _, note) in &net.notes {
        match *note {
            Note::Accepted { version, order, .. } => drop(places.insert(version, order)),
            Note::Leads { term, began_with } => began.push((term, began_with)),
            _ => {}
        }
    }
    let data = net.replica(0).replica().data();
    let written = net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written));
    let lost = written.filter(|(_, _, operation, ..)| {
        let version = operation.act.version().expect("it was written");
        let place = places[&version];
        let newer = |(term, with): &(u64, u64)| *term > place >> 40 && *with < place;
        began.iter().any(newer) || data.get(operation.key).order < place
    });
    lost.count()
}

#[test]
fn sync_with_a_fence_loses_nothing_and_others_do() {
    let lost = |ack, disk| {
        let lost = (0..250).map(|seed| {
            let replicas = 2 + (seed % 3) as u16;
            let config = Config {
                has_lag: seed % 2 == 0,
                failover: Some(failover(replicas, seed, true)),
                disk,
                ..config(replicas, ack)
            };
            forgotten(&schedule(seed, &config, false))
        });
        lost.sum::<usize>()
    };
    let semi = Ack::SemiSync { timeout: 50 * MS, acks: 1 };
    assert_eq!(lost(Ack::Sync, Each), 0);
    assert_eq!(lost(Ack::Sync, Group(2 * MS)), 0);
    // The check sees a loss where there is one.
    assert!(lost(Ack::Async, Each) > 100, "{}", lost(Ack::Async, Each));
    assert!(lost(semi, Each) > 10, "{}", lost(semi, Each));
    assert!(lost(Ack::Sync, Every(300 * MS)) > 0);
    assert!(lost(Ack::Sync, Never) > 0);
}

#[test]
fn replicas_that_lose_their_disks_become_equal() {
    let mut rebuilt = 0;
    for seed in 0..300 {
        let acks = [Ack::Async, Ack::Sync, Ack::SemiSync { timeout: 100 * MS, acks: 1 }];
        let replicas = 1 + (seed % 4) as u16;
        let failover =
            (seed % 2 == 0 && replicas > 1).then(|| failover(replicas, 1, seed % 3 == 0));
        let paced = (seed % 3 == 0).then_some(Paced { every: 20 * MS, keys: 5, all: 5 });
        let config = Config { failover, paced, ..config(replicas, acks[seed as usize % 3]) };
        let net = schedule(seed, &config, true);
        rebuilt += net.notes.iter().filter(|n| n.2 == Note::Counted("rebuild")).count();
        let end = net.now - 6 * SECOND;
        let written =
            |ended: &&_| matches!(ended, (at, _, _, _, Some(Answer::Written)) if *at > end);
        assert!(net.ended.iter().any(|ended| written(&ended)), "seed {seed}: no write at the end");
    }
    assert!(rebuilt > 50, "{rebuilt}");
}
