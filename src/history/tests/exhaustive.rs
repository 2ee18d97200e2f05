//! The verdict against a search through all orders (Wing and Gong, JPDC 1993, with Lowe's memory of
//! configurations), on small random histories.

#![expect(clippy::cast_possible_wrap, reason = "events are few")]

use std::collections::BTreeSet;

use super::super::{Act, History, Kind, OpId, Outcome, Reason, Settings, Verdict, Witness};

use super::Dice;

/// An operation of a history of one key; ends are numbers of events.
#[derive(Clone, Copy, Debug)]
struct Op {
    write: bool,
    version: u64,
    invoked: i64,
    returned: i64,
    outcome: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Ok,
    Failed,
    Unknown,
    Pending,
}

/// Whether some order of the operations explains the history of a register that holds 0 at first.
fn linearizable(ops: &[Op]) -> bool {
    // What returned must have happened; unknown writes may have; nothing else did.
    let relevant = |op: &&Op| op.outcome == End::Ok || (op.write && op.outcome != End::Failed);
    let ops: Vec<Op> = ops.iter().filter(relevant).copied().collect();
    search(&ops, 0, 0, &mut BTreeSet::new())
}

fn search(ops: &[Op], done: u128, value: u64, seen: &mut BTreeSet<(u128, u64)>) -> bool {
    if !seen.insert((done, value)) {
        return false;
    }
    let rest = || (0..ops.len()).filter(|&i| done & 1 << i == 0);
    let must_return = |i: usize| ops[i].outcome == End::Ok;
    if !rest().any(must_return) {
        return true;
    }
    let first_return =
        rest().filter(|&i| must_return(i)).map(|i| ops[i].returned).min().unwrap_or(0);
    rest().any(|i| {
        let op = ops[i];
        op.invoked < first_return
            && (op.write || op.version == value)
            && search(ops, done | 1 << i, op.version, seen)
    })
}

/// A history of a register that mostly works: an operation takes effect at some event of its own.
fn random(dice: &mut Dice) -> Vec<Op> {
    let n = 2 + (0..4).map(|_| dice.below(5)).max().unwrap_or(0) as usize;
    let spread = 8 + dice.below(10 * n as u64);
    let faulty = dice.below(8);
    let mut ops: Vec<(Op, i64)> = Vec::new();
    for i in 0..n as u64 {
        let from = dice.below(spread) as i64;
        let length = 1 + dice.below(1 + spread / 6) as i64;
        let effect = from + dice.below(length as u64 + 1) as i64;
        let write = dice.below(5) < 2 || i == 0;
        let outcome = match dice.below(15) {
            0 => End::Unknown,
            1 => End::Pending,
            2 => End::Failed,
            _ => End::Ok,
        };
        let (invoked, returned) = (from * 64, (from + length) * 64 + 32);
        ops.push((Op { write, version: 0, invoked, returned, outcome }, effect * 64 + 16));
    }
    // No two ends at once.
    for (i, (op, effect)) in ops.iter_mut().enumerate() {
        op.invoked += i as i64;
        op.returned += i as i64;
        *effect += i as i64;
    }
    let mut by_effect: Vec<usize> = (0..n).collect();
    by_effect.sort_by_key(|&i| ops[i].1);
    let (mut value, mut written) = (0, Vec::new());
    for i in by_effect {
        let (op, effect) = &mut ops[i];
        if op.write {
            op.version = i as u64 + 1;
            let applied = match op.outcome {
                End::Failed => dice.once_in(12),
                End::Unknown if dice.once_in(3) => {
                    // It may take effect when its caller has long given up.
                    op.returned = op.returned.min(*effect + 1);
                    dice.once_in(2)
                }
                _ => !dice.once_in(4),
            };
            if applied || op.outcome == End::Ok && faulty == 0 {
                value = op.version;
            }
            written.push(op.version);
        } else {
            op.version = value;
            if faulty > 0 && dice.once_in(2) {
                op.version = match dice.below(6) {
                    0 if dice.once_in(3) => dice.below(n as u64 + 2),
                    1 => 0,
                    _ if written.is_empty() => 0,
                    _ => written[dice.below(written.len() as u64) as usize],
                };
            }
        }
    }
    // Only writes write: a read out of nowhere may hit the number of a read.
    ops.into_iter().map(|(op, _)| op).collect()
}

/// Tells the history to the checker, at these times by event.
fn verdict(ops: &[Op], at: impl Fn(i64) -> u64) -> Verdict {
    let mut history = History::new(Settings { horizon_ns: 1 << 40, ..Settings::default() });
    let mut ids = vec![OpId::UNFOLLOWED; ops.len()];
    let mut events: Vec<(i64, usize, bool)> = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        events.push((op.invoked, i, true));
        if op.outcome != End::Pending {
            events.push((op.returned, i, false));
        }
    }
    events.sort_unstable();
    for (event, i, invoke) in events {
        let op = ops[i];
        if invoke {
            let act = match (op.write, op.version % 2) {
                (false, _) => Act::Read,
                (true, 0) => Act::Delete(op.version),
                (true, _) => Act::Write(op.version),
            };
            ids[i] = history.invoke(7, act, at(event));
        } else {
            let outcome = match op.outcome {
                End::Ok if op.write => Outcome::Written,
                End::Ok => Outcome::Read(op.version),
                End::Failed => Outcome::Failed,
                _ => Outcome::Unknown,
            };
            history.done(ids[i], outcome, at(event));
        }
    }
    history.check()
}

/// A witness proves by itself: with the ends it names, and nothing else known, there is no order.
fn proves(witness: &Witness, ops: &[Op]) -> bool {
    let mut alone: Vec<Op> = Vec::new();
    for op in &witness.operations {
        let failed = witness.reason == Reason::Aborted && op.kind != Kind::Read;
        alone.push(Op {
            write: op.kind != Kind::Read,
            version: op.version,
            invoked: op.invoked_ns.map_or(-1, |ns| ns as i64),
            returned: op.returned_ns.map_or(i64::MAX, |ns| ns as i64),
            outcome: match op.returned_ns {
                _ if failed => End::Failed,
                None if op.kind != Kind::Read => End::Unknown,
                _ => End::Ok,
            },
        });
        // Each operation of the witness is one of the history.
        let is = |other: &&Op| {
            (other.write, other.version) == (op.kind != Kind::Read, op.version)
                && op.invoked_ns.is_none_or(|ns| other.invoked == ns as i64)
                && op.returned_ns.is_none_or(|ns| other.returned == ns as i64)
        };
        assert!(ops.iter().any(|other| is(&other)), "{op:?}\n{ops:#?}");
    }
    // Versions were written, sometime, unless that is what is wrong.
    if !matches!(witness.reason, Reason::Unknown) {
        for version in alone.iter().map(|op| op.version).collect::<BTreeSet<_>>() {
            if version != 0 && !alone.iter().any(|op| op.write && op.version == version) {
                let (invoked, returned) = (-1, i64::MAX);
                alone.push(Op { write: true, version, invoked, returned, outcome: End::Unknown });
            }
        }
    }
    // A reader of the future read before it was written.
    witness.operations.len() <= 4 && !linearizable(&alone)
}

#[test]
fn agrees_with_all_orders_on_100_000_histories() {
    let mut dice = Dice(18);
    let (mut good, mut bad, mut reasons) = (0, 0, [0; 5]);
    for i in 0..100_000 {
        let ops = random(&mut dice);
        let expected = linearizable(&ops);
        let found = verdict(&ops, |event| event as u64);
        if !ops.iter().any(|op| op.write || op.outcome == End::Ok && op.version != 0) {
            continue; // nothing to check
        }
        assert_eq!(found.linearizable, Some(expected), "history {i}: {ops:#?}\n{found:#?}");
        assert_eq!(found.violations > 0, !expected);
        // The order of the calls counts, whatever their times.
        assert_eq!(verdict(&ops, |_| 5).linearizable, Some(expected));
        assert_eq!(verdict(&ops, |event| event as u64 / 256).violations, found.violations);
        if expected {
            good += 1;
            assert_eq!(found.witness, None);
        } else {
            bad += 1;
            let witness = found.witness.expect("a violation has a witness");
            reasons[witness.reason as usize] += 1;
            assert!(proves(&witness, &ops), "history {i}: {ops:#?}\n{witness:#?}");
        }
    }
    assert!(good * 5 >= good + bad && bad * 5 >= good + bad, "{good} {bad}");
    assert!(reasons.iter().all(|&times| times >= 100), "{reasons:?}");
}

/// A register under a few operations at a time, nearly all writes, so that its key is kept as one
/// with many; half of the histories have one read that is wrong, or is not.
fn long(dice: &mut Dice, n: usize) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let (mut value, mut event) = (0, 0);
    let odd = if dice.once_in(2) { 0 } else { n / 2 + dice.below(n as u64 / 2) as usize };
    while ops.len() < n || !open.is_empty() {
        event += 1;
        if ops.len() < n && open.len() < 3 && dice.once_in(2) {
            let (number, write) = (ops.len(), !dice.once_in(6) && ops.len() != odd);
            let version = if write { number as u64 + 1 } else { 0 };
            let outcome = if dice.once_in(30) { End::Unknown } else { End::Ok };
            ops.push(Op { write, version, invoked: event, returned: 0, outcome });
            open.push((number, false));
        } else if !open.is_empty() {
            let chosen = dice.below(open.len() as u64) as usize;
            let (number, effective) = open[chosen];
            let op = &mut ops[number];
            if effective {
                op.returned = event;
                open.swap_remove(chosen);
            } else if op.write {
                value = op.version;
                open[chosen].1 = true;
            } else {
                let back = dice.below(5) as usize * usize::from(number == odd);
                let others = ops[..number].iter().filter(|op| op.write);
                let other = others.rev().nth(back).map(|op| op.version);
                ops[number].version = if back > 0 { other.unwrap_or(0) } else { value };
                if number == odd && back == 4 {
                    ops[number].version = 0;
                }
                open[chosen].1 = true;
            }
        }
    }
    ops
}

#[test]
fn agrees_on_keys_with_many_writes() {
    let mut dice = Dice(64);
    let (mut good, mut bad) = (0, 0);
    for i in 0..4_000 {
        let ops = long(&mut dice, 128);
        let (expected, found) = (linearizable(&ops), verdict(&ops, |event| event as u64));
        assert_eq!(found.linearizable, Some(expected), "history {i}: {ops:#?}\n{found:#?}");
        if let Some(witness) = found.witness {
            assert!(proves(&witness, &ops), "history {i}: {ops:#?}\n{witness:#?}");
        }
        (good, bad) = (good + u32::from(expected), bad + u32::from(!expected));
    }
    assert!(good > 800 && bad > 800, "{good} {bad}");
}
