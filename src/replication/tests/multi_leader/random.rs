//! Random schedules: clients write, delete and read a few keys at all leaders, while messages are lost and doubled, leaders
//! are cut off, stand still, die and come back. What must hold holds, and what need not breaks.

use std::collections::{BTreeMap, BTreeSet};

use super::super::net::{MS, Net, Settings};
use super::spy::Spy;
use super::{RULES, SECOND, agree, net_of, three};
use crate::engine::random::{Draw, Stream};
use crate::replication::AntiEntropy;
use crate::replication::disk::Mode;
use crate::replication::multi_leader::{Config, Conflict, State};
use crate::replication::{Answer, Dots, Law, Note, Start};

/// What happens to a net.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hurt {
    /// Loss, copies, cuts, pauses, and leaders that die and come back like this.
    All(Start),
    /// Nothing but clocks that are apart by so much, ns.
    Clocks(u64),
}

const CLIENTS: usize = 6;

pub(super) fn net(config: Config, hurt: Hurt, seed: u64) -> Net<Spy> {
    let bad = matches!(hurt, Hurt::All(_));
    let settings = Settings {
        seed,
        clients: CLIENTS,
        latency: (MS / 20, 8 * MS),
        loss: if bad { 0.1 } else { 0.0 },
        copies: if bad { 0.05 } else { 0.0 },
        keys: 3,
        think: 10 * MS,
        writes: 0.4,
        deletes: if config.conflict == Conflict::Counter { 0.0 } else { 0.2 },
        timeout: 100 * MS,
        laws: |law, draw| match law {
            Law::Fsync => draw.below(6 * MS),
            Law::Lag => draw.below(30 * MS),
            _ => 0,
        },
        ..Settings::default()
    };
    let mut net = net_of(config, &settings);
    for (at, client) in net.clients.iter_mut().enumerate() {
        client.asks = at as u16 % config.leaders;
        client.session.roams = at % 2 == 0;
        client.session.context = at > 0;
    }
    net
}

fn strike(net: &mut Net<Spy>, draw: &mut Draw, (all, how): (u16, Start)) {
    let at = draw.below(u64::from(all)) as u16;
    let other = draw.below(u64::from(all)) as u16;
    match draw.below(8) {
        0 | 1 => net.crash(at),
        2 => net.pause(at),
        3 => {
            let others: Vec<_> = (0..usize::from(all)).filter(|p| *p != usize::from(at)).collect();
            net.part(&[usize::from(at)], &others);
        }
        4 => net.cut(&[usize::from(at)], &[usize::from(other)]),
        5 => {
            net.restart(at, how);
            net.heal();
        }
        _ => mend(net, (all, how)),
    }
}

fn mend(net: &mut Net<Spy>, (all, how): (u16, Start)) {
    net.heal();
    for at in 0..all {
        net.resume(at);
        net.restart(at, how);
    }
}

/// Runs one for 2 s, and until nothing more happens.
pub(super) fn run(mut net: Net<Spy>, config: Config, hurt: Hurt, seed: u64) -> Net<Spy> {
    let mut draw = Stream::new(seed, "hurt", "schedule").draw(0);
    let all = config.leaders * config.shards;
    if config.conflict == Conflict::Lww || matches!(hurt, Hurt::Clocks(_)) {
        let apart = if let Hurt::Clocks(apart) = hurt { apart } else { 40 * MS };
        for at in 0..all {
            net.clock(at, draw.below(apart + 1), 1.0);
        }
    }
    for step in 1..=40 {
        net.run(step * 50 * MS);
        if let Hurt::All(how) = hurt {
            strike(&mut net, &mut draw, (all, how));
        }
    }
    net.busy = false;
    let how = if let Hurt::All(how) = hurt { how } else { Start::Again };
    mend(&mut net, (all, how));
    net.run(net.now + 20 * SECOND);
    net
}

/// One of the settings under which nothing that was acknowledged may be lost.
fn config(conflict: Conflict, seed: u64) -> Config {
    Config {
        leaders: [3, 2, 4, 1][(seed % 4) as usize],
        shards: 1 + u16::from(seed.is_multiple_of(5)),
        has_lag: !seed.is_multiple_of(3),
        apply_lanes: 1 + (seed % 5) as u8,
        disk: if seed % 7 < 5 { Mode::Each } else { Mode::Group(5 * MS) },
        ..three(conflict)
    }
}

/// Where writes got their dots, the last one that had it: by key and dot the version.
fn dotted(net: &Net<Spy>) -> BTreeMap<(u64, u8, u32), u64> {
    let notes = net.notes.iter().filter_map(|(_, _, note)| match *note {
        Note::Dotted { key, version, leader, number } => Some(((key, leader, number), version)),
        _ => None,
    });
    notes.collect()
}

/// The writes that were acknowledged.
fn acknowledged(net: &Net<Spy>) -> BTreeSet<u64> {
    let written = net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written));
    written.filter_map(|(_, _, operation, ..)| operation.act.version()).collect()
}

fn covers(dots: &Dots, (leader, number): (u8, u32)) -> bool {
    dots.0[usize::from(leader)] >= number
}

/// What the first leader of a key's shard holds.
fn state(net: &Net<Spy>, config: &Config, key: u64) -> State {
    net.replica((key % u64::from(config.shards)) as u16 * config.leaders).state(key)
}

/// What of the acknowledged writes is missing in the end, though it should not.
fn missing(net: &Net<Spy>, config: &Config) -> Vec<String> {
    let (dotted, acked) = (dotted(net), acknowledged(net));
    let by_version: BTreeMap<u64, (u64, u8, u32)> =
        dotted.iter().map(|(dot, version)| (*version, *dot)).collect();
    let all = 0..config.leaders * config.shards;
    let took: Vec<_> = all.flat_map(|at| net.replica(at).took.clone()).collect();
    let mut bad = Vec::new();
    for version in &acked {
        let Some(&(key, leader, number)) = by_version.get(version) else {
            bad.push(format!("{version} has no dot of its own"));
            continue;
        };
        let dot = (leader, number);
        let same = took.iter().filter(|(operation, _)| operation.key == key);
        let held = match state(net, config, key) {
            State::Siblings(held) => {
                let stands = held.all.iter().any(|one| one.dot == dot && one.version == *version);
                let over = |dots: &Dots| covers(dots, dot);
                stands || same.clone().any(|(operation, _)| over(&operation.context))
            }
            State::Counter(dots) => covers(&dots, dot),
            State::Set(held) => {
                let delete = |at: &&&(crate::replication::Operation, Dots)| {
                    matches!(at.0.act, crate::replication::Act::Delete(_))
                };
                let known = |&(_, before): &&(_, Dots)| covers(before, dot);
                let removed =
                    !covers(&held.1, dot) || same.clone().filter(|d| delete(&d)).any(|d| known(&d));
                covers(&held.0, dot) && removed
            }
            State::Register(..) => unreachable!("it has dots"),
        };
        if !held {
            bad.push(format!("{version} of {key} at {dot:?}"));
        }
    }
    bad
}

/// The highest acknowledged stamp of each key is held, or a higher one that was given.
fn missing_newest(net: &Net<Spy>, config: &Config) -> Vec<String> {
    let (acked, mut bad) = (acknowledged(net), Vec::new());
    let mut given: BTreeMap<u64, BTreeSet<(u64, u64)>> = BTreeMap::new();
    for (_, _, note) in &net.notes {
        if let Note::Accepted { key, version, order } = *note {
            given.entry(key).or_default().insert((order, version));
        }
    }
    for (key, given) in given {
        let held = state(net, config, key).item();
        let newest = given.iter().rev().find(|(_, version)| acked.contains(version));
        let at = (held.order, held.version);
        if newest.is_some_and(|newest| at < *newest) || held.version != 0 && !given.contains(&at) {
            bad.push(format!("{held:?} of {key}, {newest:?} was acknowledged"));
        }
    }
    bad
}

fn lost(net: &Net<Spy>, config: &Config) -> Vec<String> {
    if config.conflict == Conflict::Lww {
        missing_newest(net, config)
    } else {
        missing(net, config)
    }
}

fn converges(conflict: Conflict) {
    let mut answered = 0;
    for seed in 0..500 {
        let config = config(conflict, seed);
        let hurt = Hurt::All(Start::Again);
        let net = run(net(config, hurt, seed), config, hurt, seed);
        agree(&net, &config).unwrap_or_else(|why| panic!("{conflict:?}, seed {seed}: {why}"));
        assert_eq!(lost(&net, &config), Vec::<String>::new(), "{conflict:?}, seed {seed}");
        for at in 0..config.leaders * config.shards {
            assert_eq!(net.replica(at).pending(), (0, 0, (0, 0)), "{conflict:?}, seed {seed}");
            assert_eq!(net.replica(at).is_whole(), (1, true));
        }
        answered += acknowledged(&net).len();
    }
    assert!(answered > 500 * 50, "{answered}");
}

#[test]
fn all_come_to_hold_the_highest_stamp() {
    converges(Conflict::Lww);
}

#[test]
fn all_come_to_hold_each_write_that_nobody_wrote_over() {
    converges(Conflict::Vectors);
}

#[test]
fn all_come_to_count_each_increment() {
    converges(Conflict::Counter);
}

#[test]
fn all_come_to_hold_each_element_that_no_delete_knew() {
    converges(Conflict::Set);
}

#[test]
fn they_agree_after_leaders_have_lost_all_they_had() {
    let compare = AntiEntropy { every: 300 * MS, rate: 1_000 };
    let mut lives = 0;
    for (conflict, seed) in RULES.into_iter().flat_map(|rule| (0..150_u64).map(move |n| (rule, n)))
    {
        let (how, disk) = match seed % 4 {
            0 => (Start::Empty, Mode::Each),
            1 => (Start::Again, Mode::Never),
            2 => (Start::Again, Mode::Every(40 * MS)),
            _ => (Start::Empty, Mode::Every(40 * MS)),
        };
        let anti_entropy = seed.is_multiple_of(3).then_some(compare);
        let config = Config { leaders: 3, disk, anti_entropy, ..config(conflict, seed) };
        let hurt = Hurt::All(how);
        let net = run(net(config, hurt, seed), config, hurt, seed);
        agree(&net, &config).unwrap_or_else(|why| panic!("{conflict:?}, seed {seed}: {why}"));
        for at in 0..3 * config.shards {
            let (life, whole) = net.replica(at).is_whole();
            lives += u32::from(life != 1);
            assert!(whole, "{conflict:?}, seed {seed}");
            let (log, waits, (_, told)) = net.replica(at).pending();
            assert_eq!((log, waits, told), (0, 0, 0), "{conflict:?}, seed {seed}");
        }
    }
    assert!(lives > 4 * 150, "{lives}");
}

#[test]
fn what_was_acknowledged_before_it_was_certain_may_be_lost() {
    for conflict in RULES {
        let bad = |disk| {
            let config = Config { disk, has_lag: true, ..three(conflict) };
            let hurt = Hurt::All(Start::Again);
            let all = (0..60).map(|seed| run(net(config, hurt, seed), config, hurt, seed));
            all.filter(|net| !lost(net, &config).is_empty()).count()
        };
        let never = bad(Mode::Never);
        assert!(never > 5, "{conflict:?}: {never}");
        assert_eq!(bad(Mode::Each), 0, "{conflict:?}");
    }
}

/// Writes that lost to one that was over before they began.
fn overtaken(net: &Net<Spy>, config: &Config) -> usize {
    let written = || net.ended.iter().filter(|ended| ended.4 == Some(Answer::Written));
    let held = |key| state(net, config, key).item().version;
    let wins = |one: &&(u64, usize, crate::replication::Operation, u64, _)| {
        one.2.act.version() == Some(held(one.2.key))
    };
    let later = |winner: &(u64, usize, crate::replication::Operation, u64, Option<Answer>)| {
        written().filter(|one| one.2.key == winner.2.key && one.3 > winner.0).count()
    };
    written().filter(wins).map(later).sum()
}

#[test]
fn clocks_that_are_apart_lose_later_writes() {
    let config = three(Conflict::Lww);
    let lost = |apart| {
        let hurt = Hurt::Clocks(apart);
        let all = (0..20).map(|seed| run(net(config, hurt, seed), config, hurt, seed));
        all.map(|net| overtaken(&net, &config)).sum::<usize>()
    };
    assert_eq!(lost(0), 0);
    assert!(lost(200 * MS) > 20);
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let told = |seed| {
        let config = config(Conflict::Vectors, 0);
        let hurt = Hurt::All(Start::Again);
        let net = run(net(config, hurt, seed), config, hurt, seed);
        (net.sent.clone(), net.ended.len(), net.notes.len(), net.replica(0).held())
    };
    assert_eq!(told(5), told(5));
    assert_ne!(told(5), told(6));
}
