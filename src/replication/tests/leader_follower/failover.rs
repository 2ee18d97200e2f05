//! Another replica comes to lead.

use super::*;
use crate::replication::leader_follower::Failover;

const DETECT: u64 = SECOND;

fn with_failover(replicas: u16, ack: Ack, fencing: bool) -> Config {
    let observers = (replicas..replicas + 3).collect();
    let candidates = (0..replicas).collect();
    let failover = Failover { detect: DETECT, observers, candidates, fencing };
    Config { failover: Some(failover), ..config(replicas, ack) }
}

/// Those that led, with when and in which epoch.
fn led(net: &Net<Node>) -> Vec<(u64, Peer, u64)> {
    let leads = net.notes.iter().filter_map(|(at, who, note)| match note {
        Note::Leads { term, .. } => Some((*at, *who, *term)),
        _ => None,
    });
    leads.collect()
}

fn serves(net: &Net<Node>, at: Peer) -> bool {
    net.up(at) && net.replica(at).replica().serves(net.now)
}

#[test]
fn the_gap_is_detection_and_promotion() {
    for (seed, fencing) in [(1, false), (2, true), (3, true), (4, false)] {
        let config = with_failover(3, Ack::Async, fencing);
        let settings = Settings { laws, ..quiet(seed) };
        let mut net = net(settings, &config);
        net.busy = false;
        net.run(10 * SECOND);
        assert!(led(&net).is_empty(), "{:?}", led(&net));
        assert!(serves(&net, 0));
        net.crash(0);
        net.run(20 * SECOND);
        let led = led(&net);
        assert_eq!(led.len(), 1, "{led:?}");
        let (at, who, term) = led[0];
        assert_eq!((who, term), (1, 2));
        let gap = at - 10 * SECOND;
        // The last pong may be detect / 5 old; promotion takes 100 ms; a few trips of 1 ms.
        assert!(gap > DETECT * 4 / 5 + 100 * MS && gap < DETECT + 110 * MS, "{gap}");
        assert!(serves(&net, 1));
        let stands = net.notes.iter().filter(|(.., note)| matches!(note, Note::Stands { term: 2 }));
        assert_eq!(stands.count(), 1);
        // Clients have heard of it.
        assert!(net.clients.iter().all(|client| client.asks == 1));
        // The old one comes back as a follower.
        net.restart(0, Start::Again);
        net.ask(0, 1, Act::Write(9), 1);
        net.run(30 * SECOND);
        assert!(serves(&net, 1) && !serves(&net, 0) && !serves(&net, 2));
        check_equal(&net, 0..3);
    }
}

#[test]
fn a_leader_that_is_back_in_time_goes_on() {
    for fencing in [false, true] {
        let mut net = net(quiet(1), &with_failover(3, Ack::Async, fencing));
        net.busy = false;
        net.run(5 * SECOND);
        net.crash(0);
        net.run(5 * SECOND + 300 * MS);
        net.restart(0, Start::Again);
        net.run(6 * SECOND);
        assert!(serves(&net, 0));
        net.run(20 * SECOND);
        assert_eq!(led(&net).iter().map(|led| (led.1, led.2)).collect::<Vec<_>>(), [(0, 1)]);
    }
}

/// Lost acknowledged writes when the leader crashes, or is cut off with the clients that reach it.
fn loses(seed: u64, ack: Ack, hurt: fn(&mut Net<Node>, &mut Load)) -> usize {
    let config = Config { has_lag: true, ..with_failover(3, ack, false) };
    let laws = |law, _: &mut Draw| u64::from(matches!(law, Law::Lag)) * 50 * MS;
    let mut net = net(Settings { laws, work: (0, 0, 0), ..quiet(seed) }, &config);
    let mut load = Load::new(seed, 200.0);
    load.run(&mut net, 0, 2 * SECOND);
    hurt(&mut net, &mut load);
    net.run(30 * SECOND);
    let (_, who, term) = *led(&net).last().expect("another leads");
    assert!(who != 0 && term == 2);
    lost(&net, who)
}

fn crash(net: &mut Net<Node>, _: &mut Load) {
    net.crash(0);
}

/// The old leader serves its clients for two seconds more.
fn cut(net: &mut Net<Node>, load: &mut Load) {
    net.part(&[0], &[1, 2, 3, 4, 5]);
    load.run(net, 0, 4 * SECOND);
    net.run(6 * SECOND);
    net.heal();
}

/// The same, after both followers were away for a while.
fn degraded(net: &mut Net<Node>, load: &mut Load) {
    net.part(&[0], &[1, 2]);
    load.run(net, 0, 4 * SECOND);
    net.crash(0);
    net.run(6 * SECOND);
    net.heal();
}

#[test]
fn what_a_failover_loses() {
    let mean = |ack, hurt| {
        let runs = 60;
        (0..runs).map(|seed| loses(seed, ack, hurt)).sum::<usize>() as f64 / runs as f64
    };
    let semi = Ack::SemiSync { timeout: 500 * MS, acks: 1 };
    let crashed = mean(Ack::Async, crash);
    assert!((crashed - 10.0).abs() < 1.6, "rate x lag: {crashed}");
    let parted = mean(Ack::Async, cut);
    assert!((parted / (200.0 * 2.05) - 1.0).abs() < 0.02, "rate x (lag + time): {parted}");
    assert_eq!(mean(Ack::Sync, crash), 0.0);
    assert_eq!(mean(Ack::Sync, cut), 0.0);
    assert_eq!(mean(semi, crash), 0.0);
    assert_eq!(mean(semi, degraded).round(), mean(Ack::Async, degraded).round());
    assert!(mean(semi, degraded) > 200.0);
}

#[test]
fn a_minority_that_suspects_promotes_nobody() {
    for fencing in [false, true] {
        let mut net = net(quiet(1), &with_failover(3, Ack::Async, fencing));
        net.busy = false;
        net.run(5 * SECOND);
        // One observer does not hear the leader, and all others do.
        net.part(&[0], &[3]);
        net.run(60 * SECOND);
        assert!(led(&net).is_empty() && serves(&net, 0));
        net.heal();
        // Two of them, but they do not hear one another.
        net.part(&[0, 3], &[4]);
        net.part(&[0, 4], &[3]);
        net.run(120 * SECOND);
        // With a fence the leader has no majority any more and says so to the third: then two can act.
        assert_eq!(led(&net).is_empty(), !fencing);
        assert_eq!(serves(&net, 0), !fencing);
        assert_eq!((0..3).filter(|at| serves(&net, *at)).count(), 1);
        net.heal();
        net.run(125 * SECOND);
        assert_eq!((0..3).filter(|at| serves(&net, *at)).count(), 1);
    }
}

#[test]
fn another_observer_acts_if_the_one_that_acts_dies() {
    let settings =
        Settings { laws: |law, _| if law == Law::Promote { 4 * SECOND } else { 0 }, ..quiet(1) };
    let mut net = net(settings, &with_failover(3, Ack::Async, true));
    net.busy = false;
    net.run(5 * SECOND);
    net.crash(0);
    net.run(8 * SECOND);
    let stands = |net: &Net<Node>| {
        let stands = net.notes.iter().filter_map(|(_, who, note)| match note {
            Note::Stands { term } => Some((*who, *term)),
            _ => None,
        });
        stands.collect::<Vec<_>>()
    };
    assert_eq!(stands(&net), [(3, 2)]);
    net.crash(3);
    net.run(20 * SECOND);
    assert_eq!(stands(&net), [(3, 2), (4, 3)]);
    assert!(serves(&net, 1));
    assert!(net.clients.iter().all(|client| client.asks == 1), "callers heard of it");
}

#[test]
fn candidates_are_those_named() {
    let mut config = with_failover(3, Ack::Async, false);
    if let Some(failover) = &mut config.failover {
        failover.candidates = vec![2];
    }
    let mut net = net(quiet(1), &config);
    net.busy = false;
    net.run(5 * SECOND);
    net.crash(0);
    net.run(20 * SECOND);
    assert!(serves(&net, 2));
    net.crash(2);
    net.run(40 * SECOND);
    assert!(!serves(&net, 1));
    net.restart(2, Start::Again);
    net.run(60 * SECOND);
    assert!(serves(&net, 2));
}

/// For how long two served at once, ns, when the leader is cut off; its clock goes at this rate.
fn two_serve(fencing: bool, rate: f64) -> u64 {
    let config = with_failover(3, Ack::Async, fencing);
    let laws = |_: Law, _: &mut Draw| 0;
    let mut net = net(Settings { laws, ..quiet(1) }, &config);
    net.busy = false;
    net.clock(0, 0, rate);
    net.run(5 * SECOND);
    net.part(&[0], &[1, 2, 3, 4, 5]);
    let mut both = 0;
    while net.now < 10 * SECOND {
        net.run(net.now + MS);
        let old = net.replica(0).replica().serves((net.now as f64 * rate) as u64);
        both += MS * u64::from(old && serves(&net, 1));
    }
    assert!(serves(&net, 1));
    net.heal();
    net.run(12 * SECOND);
    assert!(!serves(&net, 0), "it heard of the newer epoch");
    let down = net
        .notes
        .iter()
        .filter(|(_, who, note)| *who == 0 && matches!(note, Note::StepsDown { term: 1 }));
    assert_eq!(down.count(), 1);
    both
}

#[test]
fn a_fence_keeps_two_from_serving_at_once() {
    assert!(two_serve(false, 1.0) > 3 * SECOND);
    assert_eq!(two_serve(true, 1.0), 0);
    assert_eq!(two_serve(true, 0.9995), 0);
    assert_eq!(two_serve(true, 1.0005), 0);
    // Beyond its bounds a clock breaks it.
    assert!(two_serve(true, 0.5) > DETECT / 2);
}

#[test]
fn an_old_leader_with_writes_of_its_own_is_rebuilt() {
    let config = with_failover(3, Ack::Async, false);
    let mut net = net(Settings { laws, ..quiet(1) }, &config);
    let mut load = Load::new(1, 100.0);
    load.run(&mut net, 0, 2 * SECOND);
    cut(&mut net, &mut load);
    net.run(20 * SECOND);
    let counted = |what| {
        let noted = |note: &Note| *note == Note::Counted(what);
        net.notes.iter().filter(|(_, who, note)| *who == 0 && noted(note)).count()
    };
    assert_eq!((counted("cut"), counted("rebuild")), (1, 1));
    check_equal(&net, 0..3);
    check_logs(&net, 3);
}

#[test]
fn shards_fail_over_on_their_own() {
    let mut config = with_failover(3, Ack::Sync, true);
    if let Some(failover) = &mut config.failover {
        failover.observers = (9..12).collect();
        failover.candidates = (0..9).collect();
    }
    let mut net = net(Settings { shards: 3, ..quiet(1) }, &config);
    net.busy = false;
    net.run(5 * SECOND);
    net.crash(3);
    net.run(10 * SECOND);
    let now: Vec<_> = (0..9).filter(|at| serves(&net, *at)).collect();
    assert_eq!(now, [0, 4, 6]);
    net.restart(3, Start::Again);
    net.ask(0, 4, Act::Write(5), 1);
    net.run(12 * SECOND);
    assert_eq!(last(&net), Some(Answer::Written));
    check_equal(&net, 3..6);
}

#[test]
fn a_new_leader_serves_when_it_has_applied_what_it_had_stored() {
    let settings = Settings { work: (0, 0, 20 * MS), ..quiet(1) };
    let mut net = net(settings, &Config { apply_lanes: 1, ..with_failover(2, Ack::Sync, false) });
    let mut load = Load::new(1, 100.0);
    load.run(&mut net, 0, 5 * SECOND);
    net.crash(0);
    // 500 entries of 20 ms each take 10 s.
    net.run(8 * SECOND);
    assert_eq!(led(&net).len(), 1, "promoted, but");
    assert!(!serves(&net, 1));
    net.run(11 * SECOND);
    assert!(serves(&net, 1));
    assert_eq!((led(&net).len(), lost(&net, 1)), (1, 0));
}

struct NoDraws;

impl crate::replication::Laws for NoDraws {
    fn draw(&mut self, _: Law) -> u64 {
        0
    }
    fn below(&mut self, _: u64) -> u64 {
        0
    }
}

#[test]
fn an_observer_that_has_heard_the_leader_grants_nothing() {
    use crate::replication::Effect;
    use crate::replication::leader_follower::Message as Said;
    let config = with_failover(3, Ack::Async, true);
    let mut leader = Replica::new(config.clone(), 0);
    let mut observer = Observer::new(config, 3, 1);
    let tell = |node: &mut dyn Protocol, now, from, message: Option<Said>| {
        let (mut effects, mut laws) = (Vec::new(), NoDraws);
        let cx = &mut Context::alone(now, &mut laws, &mut effects);
        match message {
            Some(message) => node.message(from, Message::LeaderFollower(message), cx),
            None => node.start(Start::First, cx),
        }
        let said = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(_, Message::LeaderFollower(message)) => Some(message),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    tell(&mut leader, 0, 0, None);
    tell(&mut observer, 0, 0, None);
    let grant = || Some(Said::Grant { shard: 0, epoch: 2 });
    let pong = tell(&mut leader, DETECT - 1, 3, Some(Said::Ping));
    assert_eq!(pong.len(), 1);
    let renewed = tell(&mut observer, DETECT - 1, 0, Some(pong[0].clone()));
    assert_eq!(renewed, [Said::Renewed { epoch: 1, at: DETECT - 1 }]);
    assert_eq!(tell(&mut observer, 2 * DETECT - 2, 4, grant()), Vec::new());
    let yes = Said::Granted { shard: 0, epoch: 2, yes: true };
    assert_eq!(tell(&mut observer, 2 * DETECT - 1, 4, grant()), std::slice::from_ref(&yes));
    // Again to the same, not to another; and the old leader's fence is renewed no more.
    assert_eq!(tell(&mut observer, 2 * DETECT, 4, grant()), [yes]);
    let no = Said::Granted { shard: 0, epoch: 2, yes: false };
    assert_eq!(tell(&mut observer, 2 * DETECT, 5, grant()), [no]);
    assert_eq!(tell(&mut observer, 2 * DETECT, 0, Some(pong[0].clone())), Vec::new());
}

#[test]
fn with_backups_nobody_who_has_nothing_is_promoted_and_who_is_restored_is() {
    for (seed, fencing) in [(1, false), (2, true), (3, true)] {
        let settings = Settings { laws, ..quiet(seed) };
        let mut net = net(settings, &with_failover(3, Ack::Async, fencing));
        for at in 0..3 {
            net.begin(at, |node, _| node.replica_mut().backed_up());
        }
        let mut load = Load::new(seed, 200.0);
        load.run(&mut net, 0, SECOND);
        let saved = net.replica(0).replica().save().expect("it leads");
        assert!(net.replica(1).replica().save().is_none());
        load.run(&mut net, 0, 2 * SECOND);
        (0..3).for_each(|at| net.crash(at));
        net.run(3 * SECOND);
        (0..3).for_each(|at| net.restart(at, Start::Empty));
        net.run(20 * SECOND);
        assert_eq!(led(&net), [], "all say that they have nothing");
        net.begin(1, |node, cx| node.replica_mut().restored(&saved, cx));
        net.run(30 * SECOND);
        assert!(serves(&net, 1));
        check_equal(&net, 0..3);
        assert_eq!(net.replica(2).replica().data().all(), saved.held);
    }
}
