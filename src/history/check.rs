//! The verdict on a history: whether each key was an atomic register.
//!
//! **Invariant.** `Some(true)` only if every key that is followed was checked, and one at least. A
//! violation has a witness of at most four operations.

use super::clock::Clock;
use super::followed::Followed;
use super::place::NotChecked;
use super::rows::{NEVER, Row};
use super::zones::{Pair, Zone, conflicts};

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It returned a version.
    Read,
    /// It wrote one.
    Write,
    /// It wrote a tombstone.
    Delete,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Of two versions each would have to be the older one: the second was there when the first was
    /// still, or again, returned.
    Reappeared,
    /// A version that was written and returned between two moments at which another one stood.
    Overlooked,
    /// A read found a key never written after an operation that shows that it was.
    Unwritten,
    /// A read returned what a failed write certainly did not apply.
    Aborted,
    /// A read returned what nobody had begun to write.
    Unknown,
}

/// An operation of a witness, with the ends that prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WitnessOp {
    /// What it did.
    pub kind: Kind,
    /// What it wrote or returned.
    pub version: u64,
    /// When it was invoked, if that matters.
    pub invoked_ns: Option<u64>,
    /// When it returned, if that matters.
    pub returned_ns: Option<u64>,
}

/// Operations of one key that no order explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The key.
    pub key: u64,
    /// What is wrong.
    pub reason: Reason,
    /// At most four, by the first end of each that is known.
    pub operations: Vec<WitnessOp>,
    /// By when they were all seen, in ns.
    pub proven_ns: u64,
}

/// The verdict on a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// False if a key is not linearizable; true if all that are followed were checked and are.
    pub linearizable: Option<bool>,
    /// Followed keys that were written.
    pub keys: u64,
    /// Those that were checked.
    pub keys_checked: u64,
    /// The others by cause, as in [`NotChecked::ALL`].
    pub not_checked: [u64; NotChecked::ALL.len()],
    /// Zones in conflict, failed writes that were read, and keys on which a read found nothing where
    /// something was, or something out of nowhere.
    pub violations: u64,
    /// Keys with violations.
    pub keys_violated: u64,
    /// The violation that was proven first.
    pub witness: Option<Witness>,
}

/// Judges all keys. `seen` are witnesses of what was noticed while recording.
pub(crate) fn check(followed: &Followed, clock: &Clock, seen: &[Witness]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut room = Vec::new();
    let mut first: Option<(u32, Found)> = None;
    for (id, key) in followed.keys() {
        if verdict.keys.is_multiple_of(TOGETHER) {
            warm(followed, id);
        }
        verdict.keys += 1;
        if let Some(cause) = key.cause() {
            verdict.not_checked[cause as usize] += 1;
            continue;
        }
        verdict.keys_checked += 1;
        let (count, found) = check_key(followed, id, &mut room);
        let count = count + u64::from(key.flagged());
        verdict.violations += count;
        verdict.keys_violated += u64::from(count > 0);
        if let Some(found) = found
            && first.is_none_or(|(_, other)| (found.proven, key.key) < (other.proven, other.key))
        {
            first = Some((id, Found { key: key.key, ..found }));
        }
    }
    verdict.linearizable = match verdict {
        Verdict { violations: 1.., .. } => Some(false),
        Verdict { keys, keys_checked, .. } => (keys > 0 && keys == keys_checked).then_some(true),
    };
    let at_the_end = first.map(|(id, found)| found.witness(followed, id, clock));
    let checked = |witness: &&Witness| {
        followed.find(witness.key).is_some_and(|id| followed.key(id).cause().is_none())
    };
    let seen = seen.iter().filter(checked).cloned();
    verdict.witness = seen.chain(at_the_end).min_by_key(|witness| (witness.proven_ns, witness.key));
    verdict
}

/// So many keys are visited together at first.
const TOGETHER: u64 = 64;

/// Walks the chains of the next keys side by side, so that the processor waits for many rows at once
/// and not for one after the other: the check of a million keys takes half the time.
fn warm(followed: &Followed, from: u32) {
    let next = followed.keys_from(from).take(TOGETHER as usize);
    let mut chains: Vec<_> = next.map(|(id, _)| followed.chain(id).take(64)).collect();
    while !chains.is_empty() {
        chains.retain_mut(|chain| chain.next().is_some());
    }
}

/// A violation of a key.
#[derive(Clone, Copy, Debug)]
struct Found {
    key: u64,
    proven: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Zones(Pair),
    Aborted(u64),
}

/// How many violations a key has, and the first.
fn check_key(followed: &Followed, id: u32, room: &mut Vec<Zone>) -> (u64, Option<Found>) {
    let mut first: Option<Found> = None;
    let mut count = 0;
    let rows = followed.chain(id).map(|(_, row)| row).filter(|row| row.finish != NEVER);
    for row in rows.clone().filter(|row| row.failed()) {
        count += 1;
        if first.is_none_or(|other| row.finish < other.proven) {
            let what = What::Aborted(row.version);
            first = Some(Found { key: 0, proven: row.finish, what });
        }
    }
    // One zone is in nobody's way.
    let mut alone = rows.clone();
    if alone.next().is_some() && alone.next().is_some() {
        let zones = rows.map(|row| Zone { finish: row.finish, start: row.start });
        let conflicts = conflicts(zones, room);
        count += conflicts.count;
        if let Some(pair) = conflicts.first
            && first.is_none_or(|other| pair.proven < other.proven)
        {
            first = Some(Found { key: 0, proven: pair.proven, what: What::Zones(pair) });
        }
    }
    (count, first)
}

impl Found {
    fn witness(self, followed: &Followed, id: u32, clock: &Clock) -> Witness {
        let row = |is: &dyn Fn(&Row) -> bool| {
            let row = followed.chain(id).map(|(_, row)| row).find(|row| is(row));
            *row.expect("a zone belongs to a row of its key")
        };
        let (reason, mut operations) = match self.what {
            What::Aborted(version) => {
                let row = row(&|row| row.version == version);
                (Reason::Aborted, operations(&row, clock))
            }
            What::Zones(pair) => {
                let forward = row(&|row| row.start == pair.forward_start);
                let other =
                    row(&|row| row.finish == pair.other.finish && row.start == pair.other.start);
                let overlap = pair.other.finish < pair.other.start;
                let reason = if overlap { Reason::Reappeared } else { Reason::Overlooked };
                (reason, [operations(&forward, clock), operations(&other, clock)].concat())
            }
        };
        operations.sort_by_key(|op| op.invoked_ns.or(op.returned_ns));
        Witness { key: self.key, reason, operations, proven_ns: clock.ns(self.proven) }
    }
}

/// The operations at the two ends of a zone, often one and the same.
fn operations(row: &Row, clock: &Clock) -> Vec<WitnessOp> {
    let kind = if row.is_delete() { Kind::Delete } else { Kind::Write };
    let (start, acked) = (clock.ns(row.start), row.acked());
    let write = WitnessOp {
        kind,
        version: row.version,
        invoked_ns: (!row.read_last()).then_some(start),
        returned_ns: acked.map(|acked| clock.ns(acked)),
    };
    let read = WitnessOp { kind: Kind::Read, invoked_ns: None, returned_ns: None, ..write };
    let mut found = Vec::new();
    // A write of which neither end is one of the zone proves nothing, unless it failed.
    if acked == Some(row.finish) || !row.read_last() || row.failed() {
        found.push(write);
    }
    if acked != Some(row.finish) {
        let invoked_ns = row.one_read().then_some(start);
        found.push(WitnessOp { invoked_ns, returned_ns: Some(clock.ns(row.finish)), ..read });
    }
    if row.read_last() && !row.one_read() {
        found.push(WitnessOp { invoked_ns: Some(start), ..read });
    }
    found
}
