//! Random schedules: several clients write and read a few keys through all coordinators, while messages are lost and
//! doubled, hosts are cut off, stand still, die and come back. What must hold holds, and what need not breaks.

use crate::engine::random::{Draw, Stream};
use crate::replication::AntiEntropy;
use crate::replication::quorum::{Config, Handoff, Quorum, Stamp};
use crate::replication::tests::net::{Again, MS, Net, Settings};
use crate::replication::tests::sessions::Sessions;
use crate::replication::{Law, Note, Start, disk};

const CLIENTS: usize = 8;

/// What happens to a net besides loss.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Hurt {
    /// Cuts, pauses, and processes that die.
    All,
    /// Clocks go wrong by so much, ns; nothing else happens.
    Clocks(u64),
    /// Nothing.
    Not,
}

fn net(config: Config, hurt: Hurt, seed: u64, asks: Asks) -> Net<Quorum> {
    let processes = config.replicas * config.shards;
    let settings = Settings {
        seed,
        replicas: config.replicas,
        shards: config.shards,
        clients: CLIENTS,
        latency: match hurt {
            Hurt::Clocks(_) => (MS / 100, MS / 5),
            _ => (MS / 20, 4 * MS),
        },
        loss: if hurt == Hurt::All { 0.1 } else { 0.0 },
        copies: if hurt == Hurt::All { 0.03 } else { 0.0 },
        keys: 2,
        think: MS,
        writes: 0.3,
        timeout: 300 * MS,
        sessions: asks.sessions,
        again: asks.again,
        laws: |law, draw| if law == Law::Fsync { draw.below(6 * MS) } else { 0 },
        ..Settings::default()
    };
    let once = settings.again.is_some_and(|again| again.once);
    let replica = |me| {
        let replica = Quorum::new(config, me, true);
        if once { replica.remembering() } else { replica }
    };
    let replicas = (0..processes).map(replica).collect();
    let mut net = Net::new(settings, replicas);
    for client in 0..CLIENTS {
        net.clients[client].asks = client as u16 % config.replicas;
    }
    net
}

/// How clients ask.
#[derive(Clone, Copy, Default)]
struct Asks {
    sessions: Option<Sessions>,
    again: Option<Again>,
}

fn run(config: Config, hurt: Hurt, seed: u64) -> Net<Quorum> {
    run_asked(config, hurt, seed, Asks::default())
}

/// Runs one for 2 s and more.
pub(super) fn run_with(
    config: Config,
    hurt: Hurt,
    seed: u64,
    sessions: Option<Sessions>,
) -> Net<Quorum> {
    run_asked(config, hurt, seed, Asks { sessions, ..Asks::default() })
}

fn run_asked(config: Config, hurt: Hurt, seed: u64, asks: Asks) -> Net<Quorum> {
    let mut net = net(config, hurt, seed, asks);
    let mut draw = Stream::new(seed, "hurt", "schedule").draw(0);
    let all = config.replicas * config.shards;
    if let Hurt::Clocks(apart) = hurt {
        for at in 0..all {
            net.clock(at, draw.below(apart), 1.0);
        }
    }
    for step in 1..=40 {
        net.run(step * 50 * MS);
        if hurt == Hurt::All {
            strike(&mut net, &mut draw, all);
        }
    }
    net.busy = false;
    for at in 0..all {
        net.resume(at);
    }
    net.run(net.now + 400 * MS);
    net
}

fn strike(net: &mut Net<Quorum>, draw: &mut Draw, all: u16) {
    let at = draw.below(u64::from(all)) as u16;
    let other = draw.below(u64::from(all)) as u16;
    match draw.below(8) {
        0 | 1 => {
            net.crash(at);
        }
        2 => net.pause(at),
        3 => {
            let others: Vec<_> = (0..usize::from(all)).filter(|p| *p != usize::from(at)).collect();
            net.part(&[usize::from(at)], &others);
        }
        4 => net.cut(&[usize::from(at)], &[usize::from(other)]),
        _ => {
            net.heal();
            for at in 0..all {
                net.resume(at);
                net.restart(at, Start::Again);
            }
        }
    }
}

/// Of so many seeds: those under which the history was not linearizable.
fn violated(config: Config, hurt: Hurt, seeds: u64) -> Vec<u64> {
    violated_asked(config, hurt, seeds, Asks::default())
}

fn violated_asked(config: Config, hurt: Hurt, seeds: u64, asks: Asks) -> Vec<u64> {
    let bad = |seed: &u64| {
        let net = run_asked(config, hurt, *seed, asks);
        let verdict = net.history.check();
        assert_eq!(verdict.keys, verdict.keys_checked);
        let done = net.ended.iter().filter(|(.., answer)| answer.is_some()).count();
        assert!(done > 100, "seed {seed}: only {done} operations were answered");
        verdict.linearizable == Some(false)
    };
    (0..seeds).filter(bad).collect()
}

/// As the tests run it: time-outs shorter than the clients'.
pub(super) const CONFIG: Config = Config {
    replicas: 3,
    shards: 1,
    read: 2,
    write: 2,
    timeout: 200 * MS,
    write_back: true,
    read_repair: 0.0,
    stamp: Stamp::Query,
    ..Config::DEFAULT
};

#[test]
fn write_back_and_a_query_for_the_stamp_make_an_atomic_register() {
    assert_eq!(violated(CONFIG, Hurt::All, 1_000), Vec::<u64>::new());
    assert_eq!(violated(Config { read_repair: 0.5, ..CONFIG }, Hurt::All, 200), Vec::<u64>::new());
}

#[test]
fn so_they_do_in_other_sizes_and_with_clocks_that_are_wrong() {
    for (replicas, read, write) in [(5, 3, 3), (4, 2, 3), (3, 1, 3), (1, 1, 1)] {
        let config = Config { replicas, read, write, ..CONFIG };
        assert_eq!(violated(config, Hurt::All, 60), Vec::<u64>::new(), "{replicas} {read} {write}");
    }
    assert_eq!(violated(CONFIG, Hurt::Clocks(50 * MS), 60), Vec::<u64>::new());
}

#[test]
fn write_back_and_exact_clocks_make_an_atomic_register() {
    assert_eq!(
        violated(Config { stamp: Stamp::Clock, ..CONFIG }, Hurt::All, 300),
        Vec::<u64>::new()
    );
}

#[test]
fn without_write_back_a_read_may_see_what_a_later_one_does_not() {
    for stamp in [Stamp::Clock, Stamp::Query] {
        let config = Config { write_back: false, stamp, ..CONFIG };
        assert!(violated(config, Hurt::All, 40).len() > 10);
    }
}

#[test]
fn clocks_that_are_apart_put_a_later_write_before_an_earlier_one() {
    let config = Config { stamp: Stamp::Clock, disk: disk::Mode::Never, ..CONFIG };
    assert!(violated(config, Hurt::Clocks(2 * MS), 40).len() > 10);
    assert_eq!(violated(config, Hurt::Clocks(1), 40), Vec::<u64>::new());
}

#[test]
fn quorums_that_do_not_overlap_are_no_register() {
    let config = Config { read: 1, write: 1, ..CONFIG };
    assert!(violated(config, Hurt::Not, 40).len() > 10);
}

#[test]
fn what_was_acknowledged_before_it_was_certain_may_be_lost() {
    for disk in [disk::Mode::Never, disk::Mode::Every(100 * MS)] {
        assert!(!violated(Config { disk, ..CONFIG }, Hurt::All, 100).is_empty(), "{disk:?}");
    }
    assert_eq!(
        violated(Config { disk: disk::Mode::Group(5 * MS), ..CONFIG }, Hurt::All, 100),
        Vec::<u64>::new()
    );
}

#[test]
fn a_single_copy_is_a_register_without_write_back_or_query() {
    let config =
        Config { replicas: 1, read: 1, write: 1, write_back: false, stamp: Stamp::Clock, ..CONFIG };
    for disk in [disk::Mode::Each, disk::Mode::Group(5 * MS)] {
        assert_eq!(violated(Config { disk, ..config }, Hurt::Not, 40), Vec::<u64>::new());
    }
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let told = |seed| {
        let net = run(CONFIG, Hurt::All, seed);
        (net.sent.clone(), net.ended.len(), net.notes.len(), net.now)
    };
    assert_eq!(told(5), told(5));
    assert_ne!(told(5), told(6));
}

#[test]
fn coordinations_end_whatever_happens() {
    for seed in 0..50 {
        let net = run(CONFIG, Hurt::All, seed);
        for at in (0..3).filter(|at| net.up(*at)) {
            assert_eq!(net.replica(at).pending(), (0, 0), "seed {seed}, {at}");
        }
    }
}

#[test]
fn read_repair_brings_replicas_up_to_date() {
    let repairs = |read_repair| {
        let config = Config { read_repair, write_back: false, ..CONFIG };
        let net = run(config, Hurt::All, 1);
        net.notes.iter().filter(|(_, _, note)| *note == Note::Counted("repair")).count()
    };
    assert_eq!(repairs(0.0), 0);
    let (some, all) = (repairs(0.2), repairs(1.0));
    assert!(some > 0 && all > 2 * some, "{some} of {all}");
}

/// Sloppy, with two shards.
const SLOPPY: Config = Config {
    shards: 2,
    sloppy: Some(Handoff { after: 20 * MS, keep: 3_600_000 * MS, rate: 1_000 }),
    ..CONFIG
};

#[test]
fn sloppy_quorums_are_no_register() {
    assert!(violated(SLOPPY, Hurt::All, 60).len() > 10);
    assert_eq!(
        violated(SLOPPY, Hurt::Not, 60),
        Vec::<u64>::new(),
        "where all answer in time they are strict"
    );
    assert_eq!(violated(Config { sloppy: None, ..SLOPPY }, Hurt::All, 60), Vec::<u64>::new());
}

#[test]
fn in_the_end_all_replicas_hold_the_newest_that_was_acknowledged() {
    let compare = AntiEntropy { every: 200 * MS, rate: 1_000 };
    for seed in 0..100 {
        let sloppy = if seed % 2 == 0 { SLOPPY.sloppy } else { None };
        let config = Config { sloppy, anti_entropy: Some(compare), ..SLOPPY };
        let mut net = run(config, Hurt::All, seed);
        net.heal();
        for at in 0..6 {
            net.resume(at);
            net.restart(at, Start::Again);
        }
        net.run(net.now + 8_000 * MS);
        for shard in 0..2u16 {
            let all = |replica: u16| net.replica(shard * 3 + replica).data().all();
            assert_eq!(all(0), all(1), "seed {seed}");
            assert_eq!(all(1), all(2), "seed {seed}");
        }
        for (key, newest) in net.history.newest_acknowledged() {
            let held = net.replica(key as u16 % 2 * 3).data().get(key);
            assert!((held.order, held.version) >= (newest.order, newest.version), "seed {seed}");
        }
        let hints: usize = (0..6).map(|at| net.replica(at).hints()).sum();
        assert_eq!(hints, 0, "seed {seed}");
    }
}

/// A write that is attempted again after it was done, and after newer ones, gets a newer stamp than they have, unless its
/// attempts are one.
#[test]
fn attempts_that_are_one_have_one_stamp_whatever_happens() {
    let again =
        |once| Asks { again: Some(Again { after: 30 * MS, most: 5, once }), ..Asks::default() };
    let clock = Config { stamp: Stamp::Clock, ..CONFIG };
    for disk in [disk::Mode::Each, disk::Mode::Group(5 * MS)] {
        let config = Config { disk, ..clock };
        assert_eq!(violated_asked(config, Hurt::All, 200, again(true)), Vec::<u64>::new());
    }
    assert!(violated_asked(clock, Hurt::All, 60, again(false)).len() > 10);
}
