//! A replication simulated again for what clients asked of its data, operation by operation.
//!
//! **Invariant.** Keeping operations changes no event of the replication.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    sync::atomic::{AtomicBool, AtomicU64},
};

use super::{Breach, Prepared, Replicate, accumulator::hex, guarded};
use crate::{
    history::{Act, Entry, Moment, Outcome, Values},
    model::probe::Measured,
    results::{Does, HistoryEvent, Phase, RunHistory, StoreHistory},
};

/// A scenario whose operations are kept, of some keys or of all.
struct Kept<'p> {
    prepared: &'p Prepared,
    keys: &'p BTreeSet<u64>,
}

impl Replicate for Kept<'_> {
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        let mut one = self.prepared.replication(seed);
        one.keep_operations(self.keys);
        one.run(self.prepared.limits(), (stop, &AtomicU64::new(0)))
    }
}

/// The history of one replication, of these keys or, without any, of all; none when it was stopped half-way.
pub fn histories(
    prepared: &Prepared,
    (replication, seed): (usize, u64),
    keys: &BTreeSet<u64>,
    stop: &AtomicBool,
) -> Result<Option<RunHistory>, Breach> {
    let world = Kept { prepared, keys };
    let measured = guarded(&world, (replication, seed), &prepared.info, stop)?;
    Ok(measured.map(|measured| {
        let mut all =
            RunHistory { fingerprint: hex(measured.fingerprint), ..RunHistory::default() };
        for node in measured.nodes {
            let Some(seen) = node.consistency else { continue };
            match seen.entries {
                Some(entries) => all.stores.push(StoreHistory {
                    store: node.name,
                    followed: seen.followed,
                    witness: seen.witness.map(|witness| witness.key),
                    events: events(&entries),
                }),
                None => all.without.push(node.name),
            }
        }
        all
    }))
}

/// Beginnings and ends in order, each with who is at it: whoever is free first.
fn events(entries: &[Entry]) -> Vec<HistoryEvent> {
    let values = Values::of(entries);
    let mut moments: Vec<(Moment, usize, Option<Outcome>)> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        moments.push((entry.began, i, None));
        moments.extend(entry.ended.map(|(at, outcome)| (at, i, Some(outcome))));
    }
    moments.sort_unstable_by_key(|(at, ..)| at.order);
    let mut free = BinaryHeap::new();
    let mut at_it = vec![0; entries.len()];
    let mut processes = 0;
    let mut event = |(at, i, end): (Moment, usize, Option<Outcome>)| {
        let entry = &entries[i];
        let phase = match end {
            None => Phase::Invoke,
            Some(Outcome::Read(_) | Outcome::Written) => Phase::Ok,
            Some(Outcome::Unknown) if entry.act != Act::Read => Phase::Info,
            Some(Outcome::Failed | Outcome::Unknown) => Phase::Fail,
        };
        match phase {
            Phase::Invoke => {
                at_it[i] = free.pop().map_or(processes, |Reverse(process)| process);
                processes = processes.max(at_it[i] + 1);
            }
            Phase::Ok | Phase::Fail => free.push(Reverse(at_it[i])),
            Phase::Info => {}
        }
        let does = does(entry, end, &values);
        HistoryEvent { at_ns: at.at_ns, process: at_it[i], phase, does, key: entry.key }
    };
    moments.into_iter().map(&mut event).collect()
}

/// What an operation does, as far as it is known by then.
fn does(entry: &Entry, end: Option<Outcome>, values: &Values) -> Does {
    let value = |version: u64| values.get(entry.key, version);
    match (entry.act, end) {
        (Act::Read, Some(Outcome::Read(version))) => Does::Read(value(version)),
        (Act::Read, _) => Does::Read(None),
        (Act::Write(version) | Act::Delete(version), _) => {
            let number = value(version).unwrap_or(0);
            entry.expects.map_or(Does::Write(number), |seen| Does::Cas(value(seen), number))
        }
    }
}
