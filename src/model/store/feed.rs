//! Logs that feed views: what a source has to send (`intake.rs` is what a view has taken).
//!
//! Each shard of a source has a line of entries for each shard of a view. What is committed is put into its line and leaves
//! after its lag, in that order; it is sent again until the view has said that it is applied. A view that lost what it held
//! begins a new line, with all that the source holds.
//!
//! A key that has come from another shard is shown once more, by the one that serves it now: no line waits for another one, and
//! what is still under way of the old one is told from that by how often the key had moved.
//!
//! **Invariant.** Entries of a line leave in the order of the log, and each is sent until it is said to be applied.

use std::collections::{BTreeMap, VecDeque};

use super::{committed::Committed, intake::Intake, shown::Shown};
use crate::{
    engine::random::mix,
    model::{
        demand::Demand,
        ids::{Host, NONE, NodeId, Slot},
        replication::letters::{Fed, FedSaid, Line, Showing},
    },
};

/// The identity for draws of what is done next, after so many others.
pub(super) fn next_id(site: u64, posted: &mut u64) -> u64 {
    *posted += 1;
    mix(site.rotate_left(17) ^ mix(*posted))
}

/// What nobody has said to have applied for so long is sent again; who asks is not answered for so long asks again, ns.
pub const AGAIN: u64 = 1_000_000_000;
/// Entries of a line that are on their way at once.
const UNDER_WAY: usize = 1_000;

/// An entry of a line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    change: Showing,
    /// When it leaves, ns.
    leaves: u64,
}

/// The entries of a shard of a source for a shard of a view.
#[derive(Clone, Debug, Default)]
struct Outgoing {
    /// The how manyth line between the two it is.
    line: u32,
    /// The number of the last entry.
    last: u64,
    /// In order: those that are under way, and those that have not left.
    entries: VecDeque<Entry>,
    under_way: usize,
    /// When the first of those was sent, or the one before it was applied, ns.
    since: u64,
}

impl Entry {
    /// It as it is sent, and its bytes.
    fn of(self, line: Line, value: Option<&Demand>) -> (u64, Fed) {
        let size = value.map_or(0, |value| value.of_key(self.change.key));
        (size, Fed { line, said: FedSaid::Entry(self.number, self.change) })
    }
}

impl Outgoing {
    fn add(&mut self, change: Showing, leaves: u64) {
        self.last += 1;
        self.entries.push_back(Entry { number: self.last, change, leaves });
    }

    /// What is to be sent now, and whether it was before.
    fn due(&mut self, now: u64) -> (bool, Vec<Entry>) {
        let mut first = self.under_way;
        let again = first > 0 && now >= self.since + AGAIN;
        if again {
            (first, self.since) = (0, now);
        }
        if self.under_way == 0 {
            self.since = now;
        }
        let may = self.entries.iter().take(UNDER_WAY).skip(self.under_way);
        self.under_way += may.take_while(|entry| entry.leaves <= now).count();
        (again, self.entries.range(first..self.under_way).copied().collect())
    }

    /// When something is to be sent next, ns.
    fn next(&self) -> Option<u64> {
        let again = (self.under_way > 0).then_some(self.since + AGAIN);
        let more = self.entries.get(self.under_way).filter(|_| self.under_way < UNDER_WAY);
        again.into_iter().chain(more.map(|entry| entry.leaves)).min()
    }

    fn applied(&mut self, upto: u64, now: u64) {
        while self.under_way > 0 && self.entries.front().is_some_and(|entry| entry.number <= upto) {
            self.entries.pop_front();
            self.under_way -= 1;
            self.since = now;
        }
    }
}

/// A shard of a source.
#[derive(Clone, Debug)]
struct Shard {
    /// Its log: whoever leads sends its entries.
    log: Committed,
    /// By view (as it stands among those that are fed) and its shard.
    lines: BTreeMap<(usize, u16), Outgoing>,
    /// When the last entry leaves to each view, ns: none overtakes another one.
    leaves: Vec<u64>,
    /// Who waits until something is due, and when that is, ns.
    clock: (Slot, u64),
}

/// What a source sends.
#[derive(Debug)]
pub struct Feeds {
    site: u64,
    posted: u64,
    /// Replicas of each shard.
    each: u16,
    /// There is a log that has to be agreed on.
    agrees: bool,
    /// Each view, and how long an entry waits until it leaves.
    views: Vec<(NodeId, Demand)>,
    /// Bytes of a value.
    value: Option<Demand>,
    shards: Vec<Shard>,
    /// How often each key has moved.
    moves: BTreeMap<u64, u32>,
}

/// An entry that is to be sent, and where.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// From whom.
    pub from: u16,
    /// To whom: a view, and its shard.
    pub to: Host,
    /// Identity for draws.
    pub id: u64,
    /// Bytes.
    pub size: u64,
    /// It was sent before, and nobody has said anything for long.
    pub again: bool,
    /// It.
    pub fed: Fed,
}

impl Feeds {
    /// Nothing is written yet. Of a source with so many shards, of so many replicas each if it has any.
    pub fn new(
        site: u64,
        (shards, each): (usize, Option<u16>),
        views: Vec<(NodeId, Demand)>,
        value: Option<Demand>,
    ) -> Self {
        // At first the first leads.
        let new = |shard: u16| Shard {
            log: Committed::new(shard * each.unwrap_or(1)),
            lines: BTreeMap::new(),
            leaves: vec![0; views.len()],
            clock: (NONE, u64::MAX),
        };
        let shards = (0..shards as u16).map(new).collect();
        let (each, agrees) = (each.unwrap_or(1), each.is_some());
        Self { site, posted: 0, each, agrees, views, value, shards, moves: BTreeMap::new() }
    }

    /// The shard of an instance.
    pub fn shard(&self, inst: u16) -> u16 {
        inst / self.each
    }

    /// Who sends the entries of a shard.
    pub fn leader(&self, shard: u16) -> Option<u16> {
        // Observers are of no shard.
        self.shards.get(usize::from(shard))?.log.leader.by
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The identity for draws of the next thing that is done.
    pub fn next_id(&mut self) -> u64 {
        next_id(self.site, &mut self.posted)
    }

    /// Somebody who sends a shard's entries has written a key, in this place. `home` says the shard of a key in a view.
    pub fn written(
        &mut self,
        inst: u16,
        (key, version, place): (u64, u64, u64),
        now: u64,
        home: impl Fn(NodeId, u64) -> u16,
    ) {
        let shard = self.shard(inst);
        if self.leader(shard) != Some(inst) {
            return;
        }
        if self.agrees {
            self.shards[usize::from(shard)].log.written((key, version, place));
        } else {
            self.commits(shard, (key, version), now, &home);
        }
    }

    /// The log of a shard is committed up to a place.
    pub fn committed(&mut self, inst: u16, upto: u64, now: u64, home: impl Fn(NodeId, u64) -> u16) {
        let shard = self.shard(inst);
        if self.leader(shard) != Some(inst) {
            return;
        }
        while let Some((_, key, version)) = self.shards[usize::from(shard)].log.next(upto) {
            self.commits(shard, (key, version), now, &home);
        }
    }

    /// A key, of which this is the newest version, is served by another shard from now on.
    pub fn comes(
        &mut self,
        shard: u16,
        (key, version): (u64, u64),
        now: u64,
        home: impl Fn(NodeId, u64) -> u16,
    ) {
        *self.moves.entry(key).or_default() += 1;
        // What nobody has written is as it was in the view, too.
        if version != 0 {
            self.commits(shard, (key, version), now, &home);
        }
    }

    fn change(&self, (key, version): (u64, u64)) -> Showing {
        Showing { key, version, moves: self.moves.get(&key).copied().unwrap_or(0) }
    }

    fn commits(
        &mut self,
        shard: u16,
        (key, version): (u64, u64),
        now: u64,
        home: &impl Fn(NodeId, u64) -> u16,
    ) {
        let change = self.change((key, version));
        let of = &mut self.shards[usize::from(shard)];
        for (at, (view, lag)) in self.views.iter().enumerate() {
            of.leaves[at] = of.leaves[at].max(now + lag.of_key(version));
            let line = of.lines.entry((at, home(*view, key))).or_default();
            line.add(change, of.leaves[at]);
        }
    }

    /// What is due of a shard's entries, from who sends them.
    pub fn due(&mut self, shard: u16, now: u64) -> Vec<Due> {
        let Some(from) = self.leader(shard) else { return Vec::new() };
        let mut all = Vec::new();
        for (&(at, inst), line) in &mut self.shards[usize::from(shard)].lines {
            let view = self.views[at].0;
            let of = Line { view, to: inst, from: shard, number: line.line };
            let (again, entries) = line.due(now);
            for entry in entries {
                let (size, fed) = entry.of(of, self.value.as_ref());
                let (to, id) = ((view, inst), next_id(self.site, &mut self.posted));
                all.push(Due { from, to, id, size, again, fed });
            }
        }
        all
    }

    /// When something of a shard is to be sent next, ns.
    pub fn next(&self, shard: u16) -> Option<u64> {
        let of = &self.shards[usize::from(shard)];
        of.log.leader.by?;
        of.lines.values().filter_map(Outgoing::next).min()
    }

    /// Who waits until something of a shard is due.
    pub fn clock(&mut self, shard: u16) -> &mut (Slot, u64) {
        &mut self.shards[usize::from(shard)].clock
    }

    /// An entry did not come to whoever leads the view's shard: it is sent once more, by whoever sends it now.
    pub fn turned_away(&mut self, inst: u16, line: &Line, number: u64) -> Option<Due> {
        if self.leader(line.from) != Some(inst) {
            return None;
        }
        let own = self.outgoing(line).filter(|own| own.line == line.number)?;
        let first = own.entries.front()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        let entry = *own.entries.get(at).filter(|_| at < own.under_way)?;
        let (size, fed) = entry.of(*line, self.value.as_ref());
        let (to, id) = ((line.view, line.to), self.next_id());
        Some(Due { from: inst, to, id, size, again: false, fed })
    }

    /// A view has applied the entries of a line up to this number.
    pub fn applied(&mut self, line: &Line, upto: u64, now: u64) {
        let own = self.outgoing(line);
        if let Some(own) = own.filter(|own| own.line == line.number) {
            own.applied(upto, now);
        }
    }

    fn outgoing(&mut self, line: &Line) -> Option<&mut Outgoing> {
        let at = self.views.iter().position(|(view, _)| *view == line.view)?;
        let of = self.shards.get_mut(usize::from(line.from))?;
        Some(of.lines.entry((at, line.to)).or_default())
    }

    /// A view has lost what it had said to have and begins a new line, with what the source holds: keys and versions in the order
    /// in which they were written. The identity for draws of the answer, from who is asked as the one who sends.
    pub fn begins(
        &mut self,
        inst: u16,
        line: Line,
        held: Vec<(u64, u64)>,
        now: u64,
    ) -> Option<u64> {
        let shard = self.shard(inst);
        if self.leader(shard) != Some(inst) || shard != line.from {
            return None;
        }
        if self.outgoing(&line)?.line < line.number {
            let mut new = Outgoing { line: line.number, ..Outgoing::default() };
            for one in held {
                new.add(self.change(one), now);
            }
            *self.outgoing(&line)? = new;
        }
        Some(self.next_id())
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// The process of an instance is gone, and all it held if `empty`.
    pub fn crash(&mut self, inst: u16) {
        let (shard, agrees) = (self.shard(inst), self.agrees);
        if self.leader(shard) == Some(inst) {
            let of = &mut self.shards[usize::from(shard)];
            of.clock = (NONE, u64::MAX);
            of.log.leader.by = of.log.leader.by.filter(|_| !agrees);
        }
    }

    /// What the one copy of a shard held is gone, and its log with that.
    pub fn wipe(&mut self, shard: u16) {
        for line in self.shards[usize::from(shard)].lines.values_mut() {
            line.entries.truncate(line.under_way);
            line.last = line.entries.back().map_or(line.last, |entry| entry.number);
        }
    }

    /// An instance leads its shard no more.
    pub fn leads_no_more(&mut self, inst: u16) {
        let shard = self.shard(inst);
        // Observers are of no shard.
        if let Some(of) = self.shards.get_mut(usize::from(shard)) {
            of.log.leader.leads_no_more(inst);
        }
    }

    /// An instance leads its shard from now on, with the entries up to this place; not one that does not know yet that a later
    /// term has begun.
    pub fn leads(&mut self, inst: u16, (term, upto): (u64, u64)) {
        let shard = usize::from(self.shard(inst));
        let of = &mut self.shards[shard];
        if of.log.leads(inst, (term, upto)) {
            of.clock = (NONE, u64::MAX);
        }
    }
}

/// What a store has to do with views, and with logs that feed them.
#[derive(Debug, Default)]
pub struct Feeding {
    /// It is one, with replicas.
    pub shown: Option<Shown>,
    /// Its own log feeds some.
    pub out: Option<Feeds>,
    /// It is one.
    pub intake: Option<Intake>,
    /// The place of its timer among what it does unasked.
    pub timer: usize,
    /// Likewise of the work of applying an entry.
    pub apply: usize,
    /// Likewise, at a view with replicas, of asking one whether it leads.
    pub asks: usize,
}
