//! Limits leave out whole keys, and the rest as it would be.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Act, History, OpId, Outcome, Place, Settings};

use super::Dice;

/// The same random history told to followers of different settings: reads return what was last
/// acknowledged, or now and then the first version of the key.
fn tell(settings: &[Settings], operations: u64, keys: u64) -> (Vec<History>, BTreeMap<u64, u64>) {
    let mut dice = Dice(5);
    let mut all: Vec<History> = settings.iter().map(|&s| History::new(s)).collect();
    let mut written: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut open: Vec<(u64, Option<u64>, Vec<OpId>)> = Vec::new();
    for at in 0..operations {
        // Numbers are square, so that some keys are hot enough to be big ones.
        let key = dice.below(keys) * dice.below(keys) / keys;
        let version = (dice.once_in(2)).then_some(at + 1);
        let act = version.map_or(Act::Read, Act::Write);
        open.push((key, version, all.iter_mut().map(|h| h.invoke(key, act, at)).collect()));
        if version.is_some() {
            *counts.entry(key).or_default() += 1;
        }
        while open.len() > 20 || (open.len() > 3 && dice.once_in(2)) {
            let (key, version, ids) = open.swap_remove(dice.below(open.len() as u64) as usize);
            let outcome = if let Some(version) = version {
                for history in &mut all {
                    history.accepted(key, Place { order: at, version });
                }
                let (_, last) = written.entry(key).or_insert((version, version));
                *last = version;
                Outcome::Written
            } else {
                let (first, last) = written.get(&key).copied().unwrap_or_default();
                Outcome::Read(if dice.once_in(3) { first } else { last })
            };
            for (history, id) in all.iter_mut().zip(ids) {
                history.done(id, outcome, at);
            }
        }
    }
    (all, counts)
}

#[test]
fn over_the_limit_whole_keys_are_left_out() {
    let limits = [u32::MAX, 20_000, 5_000, 300, 1];
    let settings = limits.map(|limit| Settings { limit, ..Settings::default() });
    let (all, counts) = tell(&settings, 60_000, 400);
    let newest: BTreeMap<u64, Place> = all[0].newest_acknowledged().collect();
    let mut wider: BTreeSet<u64> = newest.keys().copied().collect();
    assert_eq!(all[0].followed_share(), 1.0);
    for (history, limit) in all.iter().zip(limits).skip(1) {
        let kept: BTreeMap<u64, Place> = history.newest_acknowledged().collect();
        // What is kept of a key is all of it, and says the same.
        let of_kept: u64 = kept.keys().map(|key| counts[key]).sum();
        assert!((history.writes() as u64).abs_diff(of_kept) <= 20, "some were never acknowledged");
        assert!(history.writes() <= limit as usize);
        assert!(kept.iter().all(|(key, place)| newest[key] == *place));
        // Those with the largest hash go first, so fewer are fewer of the same.
        let kept: BTreeSet<u64> = kept.into_keys().collect();
        assert!(kept.is_subset(&wider));
        let share = history.followed_share();
        assert!((kept.len() as f64 / newest.len() as f64 - share).abs() < 0.1, "{share}");
        wider = kept;
    }
    assert!(all[1].writes() > 14_000 && all[2].writes() > 3_000);
    assert!(all[1].check().violations < all[0].check().violations);
}

#[test]
fn keys_of_a_limited_history_are_judged_as_in_the_whole() {
    let settings = [3_000, 10_000].map(|limit| Settings { limit, ..Settings::default() });
    let (all, _) = tell(&settings, 60_000, 400);
    for history in &all {
        let kept: BTreeSet<u64> = history.newest_acknowledged().map(|(key, _)| key).collect();
        let (whole, _) = tell(&[Settings::default()], 60_000, 400);
        let mut of_whole = whole[0].clone();
        // What was left out does not count there either.
        for (key, _) in whole[0].newest_acknowledged() {
            if !kept.contains(&key) {
                of_whole.mark_unchecked(key, super::super::NotChecked::Cas);
            }
        }
        let (limited, whole) = (history.check(), of_whole.check());
        assert!(limited.violations > 100, "{}", limited.violations);
        assert_eq!(limited.violations, whole.violations);
        assert_eq!(limited.keys_violated, whole.keys_violated);
        assert_eq!((whole.linearizable, limited.keys), (Some(false), whole.keys_checked));
    }
}

#[test]
fn a_sample_is_of_whole_keys() {
    let settings = [1.0, 0.3, 0.1, 0.0].map(|keys| Settings { keys, ..Settings::default() });
    let (all, counts) = tell(&settings, 100_000, 5_000);
    let of_all = all[0].newest_acknowledged().count() as f64;
    for (history, Settings { keys: share, .. }) in all.iter().zip(settings) {
        let kept: BTreeSet<u64> = history.newest_acknowledged().map(|(key, _)| key).collect();
        let expected: u64 = kept.iter().map(|key| counts[key]).sum();
        assert!((history.writes() as u64).abs_diff(expected) <= 20);
        assert!((kept.len() as f64 / of_all - share).abs() < 0.03, "{share} {}", kept.len());
        assert!((history.followed_share() - share).abs() < 1e-9);
    }
    assert_eq!((all[3].writes(), all[3].check().linearizable), (0, None));
}

/// What small a history would need too.
const CONSTANT: f64 = 400_000.0;

/// Writes each key so many times and reads it in between; bytes per write.
fn bytes_per_write(keys: u64, times: u64, limit: u32) -> f64 {
    let mut history = History::new(Settings { limit, ..Settings::default() });
    let mut at = 0;
    for time in 0..times {
        for key in 0..keys {
            at += 1;
            let version = time * keys + key + 1;
            let op = history.invoke(key, Act::Write(version), at);
            history.accepted(key, Place { order: at, version });
            history.done(op, Outcome::Written, at);
            for _ in 0..2 {
                let op = history.invoke(key, Act::Read, at);
                history.done(op, Outcome::Read(version), at);
            }
        }
    }
    (history.bytes() as f64 - CONSTANT) / history.writes() as f64
}

#[test]
fn at_most_64_bytes_a_write() {
    // From one write a key to all writes to one key.
    for (keys, times) in [
        (1, 300_000),
        (30, 10_000),
        (1_000, 300),
        (3_000, 100),
        (4_000, 66),
        (30_000, 10),
        (300_000, 1),
        (410_000, 1),
    ] {
        let bytes = bytes_per_write(keys, times, u32::MAX);
        assert!(bytes <= 64.0, "{keys} {times}: {bytes}");
    }
    // Places of what is left out are taken again.
    let bytes = bytes_per_write(400_000, 3, 300_000);
    assert!(bytes <= 80.0, "{bytes}: an eighth is free");
}

#[test]
fn what_ends_after_its_key_was_left_out_is_nobodys() {
    let mut history = History::new(Settings { limit: 16, ..Settings::default() });
    let ops: Vec<OpId> =
        (0..200).map(|key| history.invoke(key, Act::Write(key + 1), key)).collect();
    assert!(history.writes() <= 16);
    for (key, &op) in ops.iter().enumerate().filter(|(key, _)| key % 2 == 0) {
        history.accepted(key as u64, Place { order: 1, version: key as u64 + 1 });
        history.done(op, Outcome::Written, 300);
    }
    // Its place may be another write's by now, which did not end.
    assert!((0..200).all(|key| key % 2 == 0 || !history.is_acknowledged(key, key + 1)));
    assert!(history.newest_acknowledged().all(|(key, place)| place.version == key + 1));
}
