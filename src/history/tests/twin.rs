//! Staleness and sessions against twins that remember everything and look at all of it.

use super::super::{
    Act, History, Judged, OpId, Outcome, Place, Seen, Sessions, Settings, Violations,
};

use super::Dice;

#[derive(Clone, Copy, Debug)]
struct Write {
    version: u64,
    place: Option<Place>,
    acked: Option<(usize, u64)>,
    op: OpId,
    over: bool,
}

/// What a read invoked then saw, from all writes of the key.
fn naive(writes: &[Write], read: Option<Place>, (event, at): (usize, u64)) -> Option<Judged> {
    let read = read?;
    let before = |write: &&Write| write.acked.is_some_and(|(other, _)| other < event);
    let known: Vec<(Place, u64)> = writes
        .iter()
        .filter(before)
        .filter_map(|write| Some((write.place?, write.acked?.1)))
        .collect();
    let newer: Vec<u64> =
        known.iter().filter(|(place, _)| *place > read).map(|&(_, acked)| acked).collect();
    Some(Judged {
        versions: newer.len() as u64,
        age_ns: newer.iter().min().map_or(0, |acked| at - acked),
        after_ns: known.iter().max().map(|(_, acked)| at - acked),
    })
}

/// How a history is made.
#[derive(Clone, Copy, Debug)]
struct Plan {
    keys: u64,
    events: usize,
    /// How far stamps stray from the order of time.
    skew: u64,
    /// How old a version is read.
    lag: u64,
    /// Operations under way at once.
    crowd: usize,
}

/// Judges a random history twice; how many reads were stale.
fn compare(seed: u64, plan: Plan) -> (u64, u64) {
    let mut dice = Dice(seed);
    let mut history = History::new(Settings { horizon_ns: 1 << 40, ..Settings::default() });
    let mut writes: Vec<Vec<Write>> = vec![Vec::new(); plan.keys as usize];
    let mut open: Vec<(usize, Option<usize>, OpId, (usize, u64))> = Vec::new();
    let (mut at, mut stale, mut reads) = (0, 0, 0);
    for event in 0..plan.events {
        at += dice.below(3);
        if open.len() < plan.crowd && dice.below(2) == 0 {
            // Squared, so that some keys are hot.
            let key = (dice.below(plan.keys) * dice.below(plan.keys) / plan.keys) as usize;
            if dice.below(3) == 0 {
                let version = event as u64 + 1;
                let op = history.invoke(key as u64, Act::Write(version), at);
                let write = Write { version, place: None, acked: None, op, over: false };
                writes[key].push(write);
                open.push((key, Some(writes[key].len() - 1), op, (event, at)));
            } else {
                let op = history.invoke(key as u64, Act::Read, at);
                open.push((key, None, op, (event, at)));
            }
        } else if dice.once_in(4) {
            // Sometimes a place; of writes long acknowledged too, and twice.
            let key = dice.below(plan.keys) as usize;
            let recent = writes[key].len().min(6) as u64;
            let Some(behind) = (recent > 0).then(|| dice.below(recent)) else { continue };
            let number = writes[key].len() - 1 - behind as usize;
            accept(&mut history, key, &mut writes[key][number], at + dice.below(plan.skew + 1));
        } else if !open.is_empty() {
            let (key, write, op, invoked) =
                open.swap_remove(dice.below(open.len() as u64) as usize);
            let Some(number) = write else {
                let lag = dice.below(plan.lag + 1).min(writes[key].len() as u64) as usize;
                let number = writes[key].len() - lag;
                let read = number.checked_sub(1).map(|number| writes[key][number]);
                let place = read.map_or(Some(Place::INITIAL), |write| write.place);
                let version = read.map_or(0, |write| write.version);
                let found = history.done(op, Outcome::Read(version), at).judged;
                let expected = naive(&writes[key], place, invoked);
                assert_eq!(found, expected, "seed {seed} event {event} {plan:?}");
                stale += u64::from(found.is_some_and(|judged| !judged.is_fresh()));
                reads += 1;
                continue;
            };
            end(&mut history, &mut dice, key, &mut writes[key][number], (event, at));
        }
    }
    (stale, reads)
}

fn accept(history: &mut History, key: usize, write: &mut Write, order: u64) {
    let place = Place { order, version: write.version };
    history.accepted(key as u64, place);
    if write.place.is_none() || write.acked.is_none() {
        write.place = Some(place);
    }
}

fn end(
    history: &mut History,
    dice: &mut Dice,
    key: usize,
    write: &mut Write,
    (event, at): (usize, u64),
) {
    if !dice.once_in(8) {
        accept(history, key, write, at.saturating_sub(dice.below(9)));
    }
    write.over = true;
    let outcome = match dice.below(8) {
        0 => Outcome::Failed,
        1 => Outcome::Unknown,
        _ => Outcome::Written,
    };
    if outcome == Outcome::Written {
        write.acked = Some((event, at));
    }
    let seen = history.done(write.op, outcome, at).seen;
    assert_eq!(seen.map(|seen| seen.place), write.acked.and(write.place));
}

#[test]
fn staleness_agrees_with_looking_at_everything() {
    let plan = Plan { keys: 4, events: 400, skew: 0, lag: 4, crowd: 6 };
    let plans = [
        plan,
        Plan { skew: 60, lag: 12, ..plan },
        Plan { keys: 2, events: 4_000, lag: 90, skew: 20, crowd: 12 },
        Plan { keys: 1, events: 4_000, lag: 700, skew: 5_000, crowd: 40 },
        Plan { keys: 3, events: 4_000, lag: 8, skew: 300, crowd: 400 },
        Plan { keys: 40, events: 6_000, lag: 60, skew: 10, crowd: 8 },
    ];
    for plan in plans {
        let (mut stale, mut reads) = (0, 0);
        for seed in 0..60 {
            let (some, all) = compare(seed, plan);
            (stale, reads) = (stale + some, reads + all);
        }
        assert!(stale * 50 > reads && stale < reads);
    }
}

/// What an operation broke, from all of its session that had returned.
fn naive_session(past: &[Seen], seen: &Seen, broken: &mut Violations) {
    let newer = |wrote: bool| {
        past.iter().any(|other| {
            (other.key, other.wrote) == (seen.key, wrote)
                && other.returned < seen.invoked
                && other.place > seen.place
        })
    };
    let (write, read) = (u64::from(newer(true)), u64::from(newer(false)));
    if seen.wrote {
        broken.monotonic_writes += write;
        broken.writes_follow_reads += read;
    } else {
        broken.read_your_writes += write;
        broken.monotonic_reads += read;
    }
}

#[test]
fn sessions_agree_with_looking_at_everything() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let (mut sessions, mut expected) = (Sessions::default(), Violations::default());
        let mut past: Vec<Vec<Seen>> = vec![Vec::new(); 3];
        for request in 0..100u64 {
            let session = dice.below(3) as usize;
            let operations: Vec<Seen> = (0..dice.below(5))
                .map(|_| {
                    let invoked = request * 100 + dice.below(50);
                    let returned = invoked + 1 + dice.below(40);
                    let order = (request + 1).saturating_sub(dice.below(8));
                    let version = if order == 0 { 0 } else { 1 + dice.below(3) };
                    let place = Place { order, version };
                    let wrote = version > 0 && dice.once_in(2);
                    Seen { key: dice.below(3), wrote, place, invoked, returned }
                })
                .collect();
            past[session].extend(&operations);
            let mut broken = Violations::default();
            for seen in &operations {
                naive_session(&past[session], seen, &mut broken);
            }
            assert_eq!(sessions.observe(session as u32, &operations), broken, "seed {seed}");
            expected.add(broken);
            if dice.once_in(20) {
                sessions.close(session as u32);
                past[session].clear();
            }
        }
        assert_eq!(sessions.violations(), expected);
        assert!(expected.read_your_writes > 0 && expected.writes_follow_reads > 0);
    }
}
