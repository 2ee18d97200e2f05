//! What each mode promises, without failover.

use super::*;
use crate::replication::Failure;

#[test]
fn a_follower_shows_a_write_after_its_lag_and_its_work() {
    let config = Config { has_lag: true, ..config(3, Ack::Async) };
    let settings = Settings { laws, work: (MS, 2 * MS, 3 * MS), ..quiet(1) };
    let mut net =
        net(Settings { laws: |law, _| u64::from(law == Law::Lag) * 50 * MS, ..settings }, &config);
    net.busy = false;
    net.ask(0, 0, Act::Write(7), 1);
    // Trip, work: 3 ms; acknowledged a trip later.
    net.run(10 * MS);
    assert_eq!(
        net.ended.last().map(|ended| (ended.0, ended.4)),
        Some((4 * MS, Some(Answer::Written)))
    );
    // It leaves at 53, arrives at 54, is applied at 57.
    net.run(57 * MS - 1);
    assert_eq!(net.replica(1).replica().data().get(1).version, 0);
    net.run(57 * MS);
    assert_eq!(net.replica(1).replica().data().get(1).version, 7);
    let applied = net.notes.iter().filter(|(_, _, note)| matches!(note, Note::Applied { .. }));
    assert_eq!(
        applied.map(|(at, who, _)| (*at, *who)).collect::<Vec<_>>(),
        [(57 * MS, 1), (57 * MS, 2)]
    );
    assert_eq!(net.sent["append"], 2);
    net.run(10 * SECOND);
    assert_eq!(net.sent.values().sum::<u64>(), 4, "an idle leader is silent: {:?}", net.sent);
}

#[test]
fn a_write_is_acknowledged_when_as_many_have_stored_it_as_the_mode_says() {
    let took = |ack, parted: &[usize]| {
        let mut net = net(quiet(1), &config(3, ack));
        net.busy = false;
        net.part(&[0], parted);
        net.ask(0, 0, Act::Write(7), 1);
        net.run(SECOND);
        net.ended.last().map(|ended| ended.0 / MS)
    };
    // Trip, work 0.1 ms, trip: 2.1 ms; with followers 4.1 ms.
    assert_eq!(took(Ack::Async, &[1, 2]), Some(2));
    assert_eq!(took(Ack::Sync, &[]), Some(4));
    assert_eq!(took(Ack::Sync, &[2]), None);
    let semi = |acks| Ack::SemiSync { timeout: 300 * MS, acks };
    assert_eq!(took(semi(1), &[]), Some(4));
    assert_eq!(took(semi(1), &[2]), Some(4));
    assert_eq!(took(semi(2), &[2]), Some(302));
    assert_eq!(took(semi(1), &[1, 2]), Some(302));
}

#[test]
fn semi_sync_goes_on_as_async_until_a_follower_has_caught_up() {
    let mut net = net(quiet(1), &config(2, Ack::SemiSync { timeout: 300 * MS, acks: 1 }));
    net.busy = false;
    let took = |net: &mut Net<Node>| {
        let (began, count) = (net.now, net.ended.len());
        net.ask(0, 0, Act::Write(began + 1), 1);
        while net.ended.len() == count {
            net.run(net.now + MS / 10);
        }
        (net.now - began) / MS
    };
    assert_eq!(took(&mut net), 4);
    net.part(&[0], &[1]);
    assert_eq!(took(&mut net), 302);
    assert_eq!(took(&mut net), 2);
    assert_eq!(took(&mut net), 2);
    net.heal();
    net.run(net.now + SECOND);
    assert_eq!(took(&mut net), 4);
    check_equal(&net, 0..2);
}

#[test]
fn only_the_leader_takes_writes_and_all_take_reads() {
    let mut net = net(quiet(1), &config(3, Ack::Sync));
    net.busy = false;
    net.ask(0, 1, Act::Write(7), 1);
    net.run(SECOND);
    assert_eq!(last(&net), Some(Answer::Failed(Failure::NoLeader)));
    net.ask(0, 0, Act::Write(8), 1);
    net.run(2 * SECOND);
    for at in 0..3 {
        net.ask(0, at, Act::Read, 1);
        net.run(net.now + SECOND);
        assert_eq!(last(&net), Some(Answer::Read(8)));
    }
}

#[test]
fn a_follower_that_is_behind_or_cannot_know_sends_readers_to_the_leader() {
    let config = Config { max_lag: Some(100 * MS), ..config(2, Ack::Async) };
    let mut net = net(quiet(1), &config);
    net.busy = false;
    let read = |net: &mut Net<Node>| {
        net.ask(0, 1, Act::Read, 1);
        net.run(net.now + 20 * MS);
        net.clients[0].asks
    };
    net.run(10 * SECOND);
    net.clients[0].asks = 1;
    assert_eq!(read(&mut net), 1);
    net.part(&[0], &[1]);
    net.run(net.now + 150 * MS);
    assert_eq!(read(&mut net), 0, "it heard nothing for long");
    net.heal();
    net.run(net.now + SECOND);
    net.clients[0].asks = 1;
    assert_eq!(read(&mut net), 1);
}

#[test]
fn a_crash_loses_rate_times_lag_and_nothing_for_the_network() {
    // Oracle async-loss: constant lag of 50 ms, 200/s: 10 on average; latency is 1 ms or 100 ms.
    for latency in [MS, 100 * MS] {
        let (mut sum, mut square, runs) = (0.0, 0.0, 400);
        for seed in 0..runs {
            let config = Config { has_lag: true, ..config(2, Ack::Async) };
            let settings = Settings {
                latency: (latency, latency),
                work: (0, 0, 0),
                laws: |law, _| u64::from(law == Law::Lag) * 50 * MS,
                ..quiet(seed)
            };
            let mut net = net(settings, &config);
            let mut load = Load::new(seed, 200.0);
            load.run(&mut net, 0, SECOND);
            net.crash(0);
            net.run(3 * SECOND);
            // Those whose answers were cut off by the crash are on their way all the same.
            let lost = lost(&net, 1) as f64;
            sum += lost;
            square += lost * lost;
        }
        let mean = sum / f64::from(runs as u32);
        let sd = (square / f64::from(runs as u32) - mean * mean).sqrt();
        // A Poisson number's variance is its mean.
        assert!((mean - 10.0).abs() < 0.6 && (sd * sd / 10.0 - 1.0).abs() < 0.3, "{mean} {sd}");
    }
}

#[test]
fn exponential_lag_in_log_order_loses_what_queues_behind_the_longest() {
    // Oracle async-loss-exp-ordered: 29.798.
    let (mut sum, runs) = (0.0, 600);
    for seed in 0..runs {
        let config = Config { has_lag: true, ..config(2, Ack::Async) };
        let law = |law, draw: &mut Draw| match law {
            Law::Lag => exponential(draw, 50e6),
            _ => 0,
        };
        let mut net = net(Settings { work: (0, 0, 0), laws: law, ..quiet(seed) }, &config);
        let mut load = Load::new(seed, 200.0);
        load.run(&mut net, 0, 2 * SECOND);
        net.crash(0);
        net.run(3 * SECOND);
        sum += lost(&net, 1) as f64;
    }
    let mean = sum / f64::from(runs as u32);
    assert!((mean / 29.798 - 1.0).abs() < 0.05, "{mean}");
}

#[test]
fn what_a_follower_missed_is_shipped_again_in_few_messages() {
    let mut net = net(quiet(1), &config(2, Ack::Async));
    let mut load = Load::new(1, 1_000.0);
    load.run(&mut net, 0, SECOND);
    net.part(&[0], &[1]);
    load.run(&mut net, 0, 5 * SECOND);
    let sent: u64 = net.sent.values().sum();
    net.heal();
    net.run(6 * SECOND);
    check_equal(&net, 0..2);
    let after: u64 = net.sent.values().sum();
    assert!(after - sent <= 8, "{} messages for {} entries", after - sent, load.count);
    assert!(net.sent["batch"] < 40 && net.sent["append"] < 1_500, "{:?}", net.sent);
}

#[test]
fn a_restarted_follower_catches_up_and_an_empty_one_is_rebuilt() {
    for how in [Start::Again, Start::Empty] {
        let mut net = net(Settings { laws, ..quiet(1) }, &config(3, Ack::Async));
        let mut load = Load::new(1, 1_000.0);
        load.run(&mut net, 0, SECOND);
        net.crash(1);
        load.run(&mut net, 0, 2 * SECOND);
        net.restart(1, how);
        net.run(net.now + 100 * MS);
        net.ask(0, 1, Act::Read, 1);
        net.run(net.now + 50 * MS);
        let rebuilds = last(&net) == Some(Answer::Failed(Failure::NoLeader));
        assert_eq!(rebuilds, how == Start::Empty);
        load.run(&mut net, 0, 3 * SECOND);
        net.run(4 * SECOND);
        check_equal(&net, 0..3);
        check_logs(&net, 3);
        assert_eq!(net.sent.contains_key("snapshot"), how == Start::Empty);
    }
}

#[test]
fn a_leader_that_comes_back_goes_on_with_what_was_certain() {
    for mode in [disk::Mode::Each, disk::Mode::Every(300 * MS), disk::Mode::Never] {
        let config = Config { disk: mode, ..config(3, Ack::Async) };
        let mut net = net(Settings { laws, ..quiet(1) }, &config);
        let mut load = Load::new(1, 1_000.0);
        load.run(&mut net, 0, SECOND);
        net.crash(0);
        load.run(&mut net, 0, 2 * SECOND);
        let acknowledged = acknowledged(&net).len();
        net.restart(0, Start::Again);
        let kept = acknowledged - lost(&net, 0);
        match mode {
            disk::Mode::Each => assert_eq!(kept, acknowledged),
            disk::Mode::Never => assert_eq!(kept, 0),
            _ => assert!(kept > acknowledged / 2 && kept < acknowledged, "{kept} {acknowledged}"),
        }
        load.run(&mut net, 0, 3 * SECOND);
        net.run(5 * SECOND);
        check_equal(&net, 0..3);
        check_logs(&net, 3);
    }
}

#[test]
fn a_leader_that_lost_all_begins_with_what_the_best_follower_has() {
    let mut net = net(Settings { laws, ..quiet(1) }, &config(3, Ack::Sync));
    let mut load = Load::new(1, 500.0);
    load.run(&mut net, 0, SECOND);
    net.crash(0);
    net.run(2 * SECOND);
    net.restart(0, Start::Empty);
    load.next = 4 * SECOND;
    load.run(&mut net, 0, 5 * SECOND);
    net.run(8 * SECOND);
    assert_eq!(lost(&net, 0), 0);
    assert!(acknowledged(&net).len() > 900);
    check_equal(&net, 0..3);
    check_logs(&net, 3);
}

#[test]
fn the_log_is_cut_once_all_have_it() {
    let mut net = net(quiet(1), &config(3, Ack::Async));
    let mut load = Load::new(1, 10_000.0);
    net.settings.work = (0, 0, 0);
    load.run(&mut net, 0, 2 * SECOND);
    net.run(3 * SECOND);
    assert!(net.replica(0).replica().log().1.is_empty());
    assert!(net.replica(1).replica().log().1.len() <= 8192);
}

#[test]
fn a_message_is_small() {
    let size = size_of::<crate::replication::leader_follower::Message>();
    assert!(size <= 48, "{size}");
}
