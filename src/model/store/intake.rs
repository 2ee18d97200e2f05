//! What a view has taken of the logs that feed it.
//!
//! A view with replicas writes each entry to the log of its own shard. Whoever leads next has the entries that it began with; if
//! some are missing of which its source was told, that is asked for all that it holds, by new lines.
//!
//! **Invariant.** Entries of a line are applied in its order, those of different keys up to as many at once as there are cores;
//! none that is in the log of a view is applied again.

use std::collections::{BTreeMap, BTreeSet};

use super::feed::next_id;
use crate::model::{
    ids::{Host, NodeId},
    replication::letters::{Line, Showing},
};

/// The entries of a line as they come.
#[derive(Clone, Debug, Default)]
struct Coming {
    /// All up to this one are applied, and as safe as they are to be.
    upto: u64,
    /// And these.
    done: BTreeSet<u64>,
    /// All up to this one have begun.
    begun: u64,
    /// Those that are being applied, and their keys.
    working: BTreeMap<u64, u64>,
    /// Those that have come and not begun.
    here: BTreeMap<u64, Showing>,
    /// Of a view with replicas: those that whoever leads has written to its log and that are not known to be safe, and their places
    /// there.
    written: BTreeMap<u64, u64>,
    /// Likewise those that it found there.
    found: BTreeMap<u64, u64>,
    /// The last place of those up to which all are.
    place: u64,
    /// Which instance of the source sent the last one that came.
    sender: u16,
}

/// A shard of a view.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// The how manyth line from each shard of the source it is.
    number: u32,
    /// The shards that have not said that they begin it.
    waits: BTreeSet<u16>,
    /// How often somebody began to lead it.
    reign: u32,
    /// By shard of the source.
    lines: BTreeMap<u16, Coming>,
    /// By key that had moved from shard to shard of the source: how often it had, when what was applied of it last was written.
    moves: BTreeMap<u64, u32>,
}

/// What a view takes.
#[derive(Debug)]
pub struct Intake {
    site: u64,
    posted: u64,
    /// Who feeds it: shards, and replicas of each.
    source: (NodeId, u16, u16),
    /// So many entries of a line are applied at once.
    cores: usize,
    shards: Vec<Shard>,
    /// What is being written to the log of a shard: from which shard of the source, and its number.
    entering: Option<(u16, u64)>,
}

/// An entry that is applied from now on: its number, and what it says.
pub type Begun = (u64, Showing);

/// A line up to whose entry all are applied, as its source is to be told: from which shard, which line, which entry, and who there
/// is to hear of it.
#[derive(Clone, Copy, Debug)]
pub struct Safe {
    /// The line.
    pub line: Line,
    /// All up to this one.
    pub upto: u64,
    /// The instance of the source.
    pub sender: u16,
}

impl Intake {
    /// Of so many shards, fed by so many shards of so many replicas each.
    pub fn new(site: u64, source: (NodeId, u16, u16), cores: usize, shards: usize) -> Self {
        let shards = vec![Shard::default(); shards];
        Self { site, posted: 0, source, cores, shards, entering: None }
    }

    /// The identity for draws of the next thing that is done.
    pub fn next_id(&mut self) -> u64 {
        next_id(self.site, &mut self.posted)
    }

    /// Who feeds it.
    pub fn source(&self) -> NodeId {
        self.source.0
    }

    /// How often somebody began to lead a shard.
    pub fn reign(&self, shard: u16) -> u32 {
        self.shards[usize::from(shard)].reign
    }

    /// The entries of a line, unless that is given up.
    fn coming(&mut self, line: &Line) -> Option<&mut Coming> {
        let own = self.shards.get_mut(usize::from(line.to))?;
        (line.number == own.number).then(|| own.lines.entry(line.from).or_default())
    }

    /// An entry has come, from this instance of the source: those that begin now; none if it was applied before.
    pub fn comes(
        &mut self,
        line: &Line,
        (number, change): Begun,
        sender: u16,
    ) -> Option<Vec<Begun>> {
        let cores = self.cores;
        if let Some(own) = self.shards.get_mut(usize::from(line.to))
            && line.number == own.number
        {
            own.waits.remove(&line.from);
        }
        let Some(own) = self.coming(line) else { return Some(Vec::new()) };
        own.sender = sender;
        if number <= own.upto {
            return None;
        }
        if number > own.begun {
            own.here.insert(number, change);
        }
        Some(own.begin(cores))
    }

    /// The work of an entry is done: those that begin now.
    pub fn worked(&mut self, line: &Line, number: u64) -> Vec<Begun> {
        let cores = self.cores;
        let Some(own) = self.coming(line) else { return Vec::new() };
        own.working.remove(&number);
        own.begin(cores)
    }

    /// An entry is applied, and as safe as it is to be: up to which one all are. Not of a line that is given up.
    pub fn applied(&mut self, line: &Line, number: u64) -> Option<u64> {
        let own = self.coming(line)?;
        own.done.insert(number);
        own.settle();
        Some(own.upto)
    }

    /// Whether something newer has been applied of the key of an entry, which a later shard of the source had to say: then that
    /// takes no effect.
    pub fn is_late(&mut self, shard: u16, change: Showing) -> bool {
        let all = &mut self.shards[usize::from(shard)].moves;
        let last = all.get(&change.key).copied().unwrap_or(0);
        if change.moves > last {
            all.insert(change.key, change.moves);
        }
        change.moves < last
    }

    /// Up to which entry of a line all are applied.
    pub fn upto(&mut self, line: &Line) -> u64 {
        self.coming(line).map_or(0, |own| own.upto)
    }

    /// The process of the one copy of a shard is gone, with what it was at.
    pub fn crash(&mut self, shard: u16) {
        let own = &mut self.shards[usize::from(shard)];
        own.lines.values_mut().for_each(Coming::begin_again);
    }

    /// All that a shard held is gone: it needs new lines.
    pub fn wipe(&mut self, shard: u16) {
        let (_, shards, _) = self.source;
        let own = &mut self.shards[usize::from(shard)];
        (own.lines, own.moves) = Default::default();
        own.number += 1;
        own.waits = (0..shards).collect();
    }

    /// A shard of the source begins a new line.
    pub fn begins(&mut self, line: &Line) {
        let own = &mut self.shards[usize::from(line.to)];
        if line.number == own.number {
            own.waits.remove(&line.from);
        }
    }

    /// What a shard asks its source for: the lines that have not begun, and who may send them.
    pub fn asks(&self, view: NodeId, shard: u16) -> Vec<(Host, Line)> {
        let (source, _, each) = self.source;
        let own = &self.shards[usize::from(shard)];
        let of = |from: &u16| {
            let line = Line { view, to: shard, from: *from, number: own.number };
            (*from * each..(*from + 1) * each).map(move |at| ((source, at), line))
        };
        own.waits.iter().flat_map(of).collect()
    }

    // ---- views with replicas ------------------------------------------------------------------

    /// Whoever leads is about to write an entry to its log; or has done so, or not.
    pub fn enters(&mut self, entry: Option<(u16, u64)>) {
        self.entering = entry;
    }

    /// Whoever leads a shard has given something this place.
    pub fn accepted(&mut self, shard: u16, place: u64) {
        if let Some((from, number)) = self.entering.take() {
            let own = self.shards[usize::from(shard)].lines.entry(from).or_default();
            own.written.insert(number, place);
        }
    }

    /// The log of a shard is committed up to a place: what is safe that nobody waited for, and who is to be told.
    pub fn committed(&mut self, (view, shard): (NodeId, u16), upto: u64) -> Vec<Safe> {
        let own = &mut self.shards[usize::from(shard)];
        let number = own.number;
        let safe = |(from, line): (&u16, &mut Coming)| {
            let before = line.upto;
            line.keep(upto);
            let line_of = Line { view, to: shard, from: *from, number };
            let (upto, sender) = (line.upto, line.sender);
            (upto > before).then_some(Safe { line: line_of, upto, sender })
        };
        own.lines.iter_mut().filter_map(safe).collect()
    }

    /// Somebody leads a shard from now on, with the entries up to this place, all of which are safe or not.
    pub fn leads(&mut self, shard: u16, began_with: u64, safe: bool) {
        let own = &mut self.shards[usize::from(shard)];
        own.reign += 1;
        if own.lines.values().any(|line| line.place > began_with) {
            return self.wipe(shard);
        }
        for line in own.lines.values_mut() {
            line.found.append(&mut line.written);
            line.found.retain(|_, place| *place <= began_with);
            line.begin_again();
            if safe {
                line.keep(began_with);
            }
        }
    }
}

impl Coming {
    /// Those that begin now, in order; one waits for the one before it of its key, and so do all after it.
    fn begin(&mut self, cores: usize) -> Vec<Begun> {
        let mut all = Vec::new();
        loop {
            let next = self.begun + 1;
            if self.done.contains(&next)
                || self.written.contains_key(&next)
                || self.found.contains_key(&next)
            {
                // It was applied before.
                self.begun = next;
                self.here.remove(&next);
            } else if self.working.len() < cores
                && let Some(&change) = self.here.get(&next)
                && !self.working.values().any(|other| *other == change.key)
            {
                self.begun = next;
                self.here.remove(&next);
                self.working.insert(next, change.key);
                all.push((next, change));
            } else {
                return all;
            }
        }
    }

    /// Nothing is being applied, and what was not has to come again.
    fn begin_again(&mut self) {
        self.begun = self.upto;
        self.working.clear();
        self.here.clear();
    }

    /// What earlier leaders wrote is safe up to a place.
    fn keep(&mut self, upto: u64) {
        let kept = self.found.iter().filter(|(_, place)| **place <= upto);
        self.done.extend(kept.map(|(number, _)| *number));
        self.settle();
    }

    fn settle(&mut self) {
        while self.done.remove(&(self.upto + 1)) {
            self.upto += 1;
            let written = self.written.remove(&self.upto);
            let place = written.or_else(|| self.found.remove(&self.upto));
            self.place = self.place.max(place.unwrap_or(0));
        }
        self.begun = self.begun.max(self.upto);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: u64, version: u64) -> Showing {
        Showing { key, version, moves: 0 }
    }

    const LINE: Line = Line { view: 1, to: 0, from: 0, number: 0 };

    /// A view of one shard, fed by one shard of three replicas: entries 1 (place 11) and 3 (place 13) are in the log of whoever
    /// leads, 2 is being applied, nothing is safe. 1 and 3 are of one key.
    fn taken() -> Intake {
        let mut intake = Intake::new(1, (0, 1, 3), 4, 1);
        assert_eq!(intake.comes(&LINE, (1, of(7, 100)), 2), Some(vec![(1, of(7, 100))]));
        assert_eq!(intake.comes(&LINE, (2, of(8, 101)), 2), Some(vec![(2, of(8, 101))]));
        // It waits for the one before it of its key, and that one's work.
        assert_eq!(intake.comes(&LINE, (3, of(7, 102)), 2), Some(vec![]));
        for (number, place, next) in [(1, 11, vec![(3, of(7, 102))]), (3, 13, vec![])] {
            intake.enters(Some((0, number)));
            intake.accepted(0, place);
            intake.enters(None);
            assert_eq!(intake.worked(&LINE, number), next);
        }
        intake
    }

    #[test]
    fn what_whoever_leads_next_finds_in_its_log_is_not_applied_again() {
        let mut intake = taken();
        intake.leads(0, 13, false);
        assert_eq!(intake.comes(&LINE, (1, of(7, 100)), 1), Some(vec![]));
        assert_eq!(intake.comes(&LINE, (2, of(8, 101)), 1), Some(vec![(2, of(8, 101))]));
        assert_eq!(intake.comes(&LINE, (3, of(7, 102)), 1), Some(vec![]));
        // They are safe when its log is committed that far, of which whoever sent them last is told.
        assert!(intake.committed((1, 0), 10).is_empty());
        let safe = intake.committed((1, 0), 12);
        assert_eq!(safe.iter().map(|one| (one.upto, one.sender)).collect::<Vec<_>>(), [(1, 1)]);
        assert!(intake.committed((1, 0), 13).is_empty());
        assert_eq!(intake.applied(&LINE, 2), Some(3));
        assert_eq!(intake.comes(&LINE, (3, of(7, 102)), 1), None);
    }

    #[test]
    fn what_an_old_shard_of_the_source_still_says_is_late_until_all_is_lost() {
        let mut intake = taken();
        let moved = |moves| Showing { moves, ..of(7, 100 + u64::from(moves)) };
        assert!(!intake.is_late(0, moved(0)) && !intake.is_late(0, moved(2)));
        assert!(intake.is_late(0, moved(1)) && !intake.is_late(0, moved(2)));
        assert!(!intake.is_late(0, of(8, 1)), "another key");
        intake.wipe(0);
        assert!(!intake.is_late(0, moved(1)));
    }

    #[test]
    fn what_it_began_without_comes_again() {
        let mut intake = taken();
        intake.leads(0, 12, true);
        // All it begins with is safe, there: the first was the only one.
        assert_eq!(intake.comes(&LINE, (1, of(7, 100)), 0), None);
        assert_eq!(intake.comes(&LINE, (2, of(8, 101)), 0), Some(vec![(2, of(8, 101))]));
        assert_eq!(intake.comes(&LINE, (3, of(7, 102)), 0), Some(vec![(3, of(7, 102))]));
        assert!(intake.asks(1, 0).is_empty());
    }

    #[test]
    fn what_was_said_to_be_applied_and_is_missing_takes_new_lines() {
        let mut intake = taken();
        assert_eq!(intake.applied(&LINE, 1), Some(1));
        intake.leads(0, 10, true);
        let next = Line { number: 1, ..LINE };
        assert_eq!(intake.asks(1, 0), [((0, 0), next), ((0, 1), next), ((0, 2), next)]);
        // What is under way of the old one says nothing.
        assert_eq!(intake.comes(&LINE, (2, of(8, 101)), 0), Some(vec![]));
        assert_eq!(intake.applied(&LINE, 2), None);
        assert_eq!(intake.comes(&next, (1, of(8, 101)), 0), Some(vec![(1, of(8, 101))]));
        assert!(intake.asks(1, 0).is_empty());
    }
}
