//! How often and how long groups vote, against `oracles/replication.json`.

use super::{MS, Net, Settings, config, net};
use crate::engine::random::{Draw, Stream};
use crate::replication::raft::{Config, Raft};
use crate::replication::{Law, Note};

fn laws(law: Law, draw: &mut Draw) -> u64 {
    if law == Law::Election { 150 * MS + draw.below(150 * MS) } else { 0 }
}

fn wan(law: Law, draw: &mut Draw) -> u64 {
    if law == Law::Election { 300 * MS + draw.below(300 * MS) } else { 0 }
}

/// As the paper has it.
fn plain(replicas: u16) -> Config {
    Config { pre_vote: false, check_quorum: false, heartbeat: 75 * MS, ..config(replicas) }
}

/// After the leader died, and `more` others: when somebody leads, and whether the first term was won.
fn vacancy(config: Config, mut settings: Settings, more: u16, at: u64) -> (u64, bool) {
    settings.clients = 0;
    let mut net = net(settings, config);
    net.run(at);
    for dead in 0..=more {
        net.crash(dead);
    }
    let mut stood = None;
    loop {
        let next = net.now + 50 * MS;
        net.run(next);
        for (when, _, note) in &net.notes {
            match *note {
                Note::Stands { term } if stood.is_none() => stood = Some(term),
                Note::Leads { term, .. } if term > 1 => return (when - at, stood == Some(term)),
                _ => {}
            }
        }
        assert!(net.now < at + 60_000 * MS, "nobody is elected");
    }
}

/// `raft-split-*`: the share of first terms that nobody wins; latency is constant, a share of the range of time-outs.
#[test]
fn votes_split_as_often_as_computed() {
    let cases = [
        (5, 0, 0.01, 0.000_592_03),
        (5, 0, 0.1, 0.0523),
        (5, 0, 0.2, 0.1808),
        (5, 1, 0.2, 0.488),
        (3, 0, 0.1, 0.19),
    ];
    for (replicas, more, share, expected) in cases {
        let latency = (share * 150.0 * MS as f64) as u64;
        let runs = 4_000;
        let split = (0..runs).filter(|seed| {
            let settings =
                Settings { seed: *seed, latency: (latency, latency), laws, ..Settings::default() };
            !vacancy(plain(replicas), settings, more, 0).1
        });
        let seen = split.count() as f64 / runs as f64;
        let deviation = (expected * (1.0 - expected) / runs as f64).sqrt();
        let off = (seen - expected).abs();
        assert!(off < 3.5 * deviation, "{replicas} {more} {share}: {seen}, not {expected}");
    }
}

/// `raft-elect-150-300`, and the last heartbeat's trip, which the formula leaves out: 5 ms.
#[test]
fn elections_take_as_long_as_computed() {
    let runs = 4_000;
    let mut draw = Stream::new(1, "elections", "when").draw(0);
    let mut sum = 0;
    for seed in 0..runs {
        let latency = (5 * MS, 5 * MS);
        let settings = Settings { seed, latency, laws, ..Settings::default() };
        let at = 300 * MS + draw.below(75 * MS);
        sum += vacancy(plain(5), settings, 0, at).0;
    }
    let mean = sum as f64 / runs as f64 / MS as f64;
    assert!(((mean - 5.0) / 153.686_8 - 1.0).abs() < 0.02, "{mean} ms");
}

/// `raft-wan-1` and `-2`: time-outs begin when the first heartbeat comes, 35 ms after the leader died.
#[test]
fn elections_over_a_wide_area_take_as_long_as_simulated_elsewhere() {
    for (more, expected) in [(0, 467.83), (1, 620.73)] {
        let runs = 4_000;
        let mut all: Vec<u64> = (0..runs)
            .map(|seed| {
                let latency = (30 * MS, 40 * MS);
                let settings = Settings { seed, latency, laws: wan, ..Settings::default() };
                vacancy(plain(5), settings, more, 0).0
            })
            .collect();
        all.sort_unstable();
        let mean = all.iter().sum::<u64>() as f64 / runs as f64 / MS as f64 - 35.0;
        assert!((mean / expected - 1.0).abs() < 0.03, "{mean} ms, not {expected} ms");
    }
}

/// Three replicas and two writers for a minute: what is cut, whose clock is slow, pre-votes, check quorum.
fn minute(hurt: impl Fn(&mut Net<Raft>), seed: u64, safe: (bool, bool)) -> (usize, f64) {
    let config = Config { pre_vote: safe.0, check_quorum: safe.1, ..config(3) };
    let settings = Settings {
        seed,
        laws,
        clients: 2,
        writes: 1.0,
        timeout: 200 * MS,
        think: 10 * MS,
        ..Settings::default()
    };
    let mut net = net(settings, config);
    net.run(1_000 * MS);
    hurt(&mut net);
    net.run(60_000 * MS);
    let changes = |(at, _, note): &&(u64, u16, Note)| *at > 0 && matches!(note, Note::Leads { .. });
    let slots: std::collections::BTreeSet<u64> = net
        .notes
        .iter()
        .filter(|(at, _, note)| *at > 1_000 * MS && matches!(note, Note::Committed { .. }))
        .map(|(at, ..)| at / (50 * MS))
        .collect();
    assert_eq!(super::is_safe(&net), Ok(()));
    (net.notes.iter().filter(changes).count(), slots.len() as f64 / 1_180.0)
}

/// The leader 0 and 2 do not hear one another, 1 hears both: without pre-votes 1 to 4 changes, for ever if 1 is slow to
/// stand; with pre-votes none.
#[test]
fn a_bridge_changes_no_leader_where_there_are_pre_votes() {
    for seed in 0..10 {
        let (changes, busy) = minute(|net| net.part(&[0], &[2]), seed, (true, true));
        assert!(changes == 0 && busy > 0.99, "{changes} {busy}");
        let (changes, _) = minute(|net| net.part(&[0], &[2]), seed, (true, false));
        assert_eq!(changes, 0);
        let (changes, busy) = minute(|net| net.part(&[0], &[2]), seed, (false, false));
        assert!((1..=5).contains(&changes) && busy > 0.95, "{changes} {busy}");
        let slow = |net: &mut Net<Raft>| {
            net.part(&[0], &[2]);
            net.clock(1, 0, 0.4);
        };
        let (changes, busy) = minute(slow, seed, (false, false));
        assert!(changes > 80 && busy < 0.75, "{changes} {busy}");
    }
}

/// The leader 0 is heard but hears nothing: for ever without check quorum; with it, but without pre-votes, it disturbs
/// whoever comes after it.
#[test]
fn a_leader_that_cannot_hear_steps_down_where_quorum_is_checked() {
    for seed in 0..10 {
        let deaf = |net: &mut Net<Raft>| net.cut(&[1, 2], &[0]);
        for pre_vote in [false, true] {
            let (changes, busy) = minute(deaf, seed, (pre_vote, false));
            assert!(changes == 0 && busy < 0.01, "{changes} {busy}");
        }
        let (changes, busy) = minute(deaf, seed, (false, true));
        assert!(changes > 50 && busy < 0.85, "{changes} {busy}");
        let (changes, busy) = minute(deaf, seed, (true, true));
        assert!(changes == 1 && busy > 0.97, "{changes} {busy}");
    }
}
