//! What the brokers of a log keep: partitions, how far each group is with each, and who waits for more.
//!
//! It is told what happens and asked what is next; it knows neither network nor cores.
//!
//! **Invariant.** Of each group and partition: appended = committed + lag.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{letters::PATIENCE_OF_COPIES, reader::Reader};
use crate::model::{
    ids::Host,
    queue::{
        broker::PATIENCE,
        counts::Counts,
        post::{Ask, Handle, Record},
    },
};

/// How many messages that all groups have committed are held on to, over all partitions: for members that have lost theirs
/// and do not know it yet.
const FOR_STRANGERS: u64 = 1 << 16;

/// Messages in the order in which they came.
#[derive(Debug, Default)]
struct Partition {
    /// Those that some group has still to commit, and some before.
    records: VecDeque<Record>,
    /// Offset of the first of them.
    first: u64,
    /// Who waits for more of it, by numbers of asks.
    waiting: Vec<u64>,
}

impl Partition {
    /// The offset of the next one to come.
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// The offset of the first that is kept at an instant, if each is for so long (0: for ever).
    fn start(&self, retention: u64, now: u64) -> u64 {
        if retention == 0 {
            return self.first;
        }
        let old = self.records.partition_point(|record| record.accepted + retention <= now);
        self.first + old as u64
    }
}

/// An ask that waits.
#[derive(Clone, Debug)]
struct Waiting {
    ask: Ask,
    /// Partitions, and from which offset on, in the order in which they are looked at.
    wants: Vec<(u32, u64)>,
    since: u64,
    /// When it is answered with what there is.
    lingers: Option<u64>,
}

/// What somebody who asked is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Messages of one partition; none: ask again.
    Messages(Vec<(Handle, Record)>),
    /// What was asked for of this partition is not kept any more: go on from this offset.
    Moved(u32, u64),
}

/// What there is of a message that a group has not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It is not kept any more, and was not read.
    Expired,
    /// It was handed out.
    Handed,
    /// It waits.
    Ready,
}

/// The log.
#[derive(Debug)]
pub struct Log {
    partitions: Vec<Partition>,
    /// The groups that read it.
    pub groups: Vec<Reader>,
    brokers: u16,
    /// How long a message is kept, ns; 0: for ever.
    retention: u64,
    asks: BTreeMap<u64, Waiting>,
    numbers: u64,
    /// Of each broker: asks in order of arrival, and those that linger.
    at: Vec<BTreeSet<u64>>,
    lingering: Vec<BTreeSet<(u64, u64)>>,
    /// If partitions have copies: up to where each instance knows that of its own.
    known: Option<Vec<u64>>,
    /// Of each broker: where the next message without a key goes.
    turn: Vec<u32>,
    /// Messages appended in the measured span.
    pub published: u64,
    from: u64,
}

impl Log {
    /// An empty one, of so many partitions on so many brokers.
    pub fn new(
        (partitions, brokers): (u32, u16),
        groups: Vec<Reader>,
        retention: u64,
        from: u64,
    ) -> Self {
        let each = usize::from(brokers);
        Self {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            groups,
            brokers,
            retention,
            asks: BTreeMap::new(),
            numbers: 0,
            at: vec![BTreeSet::new(); each],
            lingering: vec![BTreeSet::new(); each],
            known: None,
            turn: (0..u32::from(brokers)).collect(),
            published: 0,
            from,
        }
    }

    /// Each instance has a copy of a partition: it hands out what it knows.
    #[must_use]
    pub fn with_copies(self) -> Self {
        Self { known: Some(vec![0; self.at.len()]), ..self }
    }

    /// How long an ask waits, ns.
    fn patience(&self) -> u64 {
        if self.known.is_some() { PATIENCE_OF_COPIES } else { PATIENCE }
    }

    /// An instance knows all that is in its partition.
    pub fn knows_all(&mut self, inst: u16, partition: u32) {
        let end = self.partitions[partition as usize].end();
        if let Some(known) = &mut self.known {
            known[usize::from(inst)] = end;
        }
    }

    /// The offset behind the last message of a partition that a broker knows.
    fn end_at(&self, broker: u16, partition: u32) -> u64 {
        let end = self.partitions[partition as usize].end();
        self.known.as_ref().map_or(end, |known| known[usize::from(broker)].min(end))
    }

    /// The partition at a broker whose turn it is.
    pub fn next_in_turn(&mut self, broker: u16) -> u32 {
        let count = self.partitions.len() as u32;
        let turn = &mut self.turn[usize::from(broker)];
        let partition = *turn;
        *turn += u32::from(self.brokers);
        if *turn >= count {
            *turn = u32::from(broker);
        }
        partition
    }

    // ---- in ----------------------------------------------------------------------------------

    /// A message is appended.
    pub fn append(&mut self, partition: u32, mut record: Record, now: u64) {
        let of = &mut self.partitions[partition as usize];
        (record.accepted, record.order) = (now, of.end());
        self.published += u64::from(now >= self.from);
        for group in &mut self.groups {
            group.appended(now);
        }
        if self.groups.is_empty() {
            // Nobody will ever read it.
            of.first += 1;
        } else {
            of.records.push_back(record);
        }
    }

    // ---- out ---------------------------------------------------------------------------------

    /// Somebody asks for more than he has of these partitions; what he asked before of one of them is forgotten.
    pub fn ask(&mut self, ask: Ask, wants: Vec<(u32, u64)>, now: u64) {
        let whose = |ask: &Ask| (ask.from, ask.source);
        let asked =
            wants.iter().flat_map(|&(partition, _)| &self.partitions[partition as usize].waiting);
        let old: BTreeSet<u64> =
            asked.copied().filter(|number| whose(&self.asks[number].ask) == whose(&ask)).collect();
        for number in old {
            self.forget(number);
        }
        self.numbers += 1;
        for &(partition, _) in &wants {
            self.partitions[partition as usize].waiting.push(self.numbers);
        }
        self.at[usize::from(ask.broker)].insert(self.numbers);
        self.asks.insert(self.numbers, Waiting { ask, wants, since: now, lingers: None });
    }

    /// The process of an instance is gone, with what it asked for.
    pub fn reset(&mut self, host: Host, broker: u16) {
        let own = |number: &u64| self.asks[number].ask.from == host;
        let all: Vec<u64> = self.at[usize::from(broker)].iter().copied().filter(own).collect();
        for number in all {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.asks.remove(&number)?;
        let broker = usize::from(waiting.ask.broker);
        self.at[broker].remove(&number);
        if let Some(due) = waiting.lingers {
            self.lingering[broker].remove(&(due, number));
        }
        for (partition, _) in &waiting.wants {
            self.partitions[*partition as usize].waiting.retain(|other| *other != number);
        }
        Some(waiting)
    }

    /// Who is answered now as there is more of a partition.
    pub fn answers_of(&mut self, partition: u32, now: u64) -> Vec<(Ask, Answer)> {
        let waiting = self.partitions[partition as usize].waiting.clone();
        waiting.into_iter().filter_map(|number| self.answer(number, now)).collect()
    }

    /// Who is answered now at a broker, as he has just asked or his time is over.
    pub fn answers_at(&mut self, broker: u16, now: u64) -> Vec<(Ask, Answer)> {
        let at = usize::from(broker);
        let mut due: Vec<u64> = self.at[at].last().copied().into_iter().collect();
        due.extend(self.lingering[at].iter().take_while(|of| of.0 <= now).map(|of| of.1));
        let old = |number: &&u64| self.asks[*number].since + self.patience() <= now;
        due.extend(self.at[at].iter().take_while(old));
        due.sort_unstable();
        due.dedup();
        due.into_iter().filter_map(|number| self.answer(number, now)).collect()
    }

    /// What somebody who waits is told now, if anything.
    fn answer(&mut self, number: u64, now: u64) -> Option<(Ask, Answer)> {
        let Waiting { ask, wants, since, lingers } = self.asks.get(&number)?;
        let (ask, over) = (*ask, since + self.patience() <= now);
        let some = |&&(partition, from): &&(u32, u64)| from < self.end_at(ask.broker, partition);
        let Some(&(partition, from)) = wants.iter().find(some) else {
            if over {
                self.forget(number);
                return Some((ask, Answer::Messages(Vec::new())));
            }
            return None;
        };
        let of = &self.partitions[partition as usize];
        let (start, end) = (of.start(self.retention, now), self.end_at(ask.broker, partition));
        if from < start {
            self.forget(number);
            let reader = &mut self.groups[usize::from(ask.group)];
            let to = if reader.latest { end } else { start };
            reader.skips((ask.from, partition), (from, to), now);
            return Some((ask, Answer::Moved(partition, to)));
        }
        let until = lingers.unwrap_or(now.saturating_add(ask.linger));
        if end - from < u64::from(ask.batch) && until > now && !over {
            if lingers.is_none() {
                self.lingering[usize::from(ask.broker)].insert((until, number));
                self.asks.get_mut(&number)?.lingers = Some(until);
            }
            return None;
        }
        self.forget(number);
        Some((ask, Answer::Messages(self.hand_out(ask, (partition, from), now))))
    }

    fn hand_out(
        &mut self,
        ask: Ask,
        (partition, from): (u32, u64),
        now: u64,
    ) -> Vec<(Handle, Record)> {
        let of = &self.partitions[partition as usize];
        let upto = self.end_at(ask.broker, partition).min(from + u64::from(ask.batch));
        let range = (from - of.first) as usize..(upto - of.first) as usize;
        let reader = &mut self.groups[usize::from(ask.group)];
        let handle = Handle { place: partition, handout: 0, receives: 1 };
        let all: Vec<_> = of.records.range(range).map(|record| (handle, record.clone())).collect();
        reader.handed((ask.from, partition), &all, now);
        all
    }

    /// When something is due at a broker; none: nothing is.
    pub fn due(&self, broker: u16) -> Option<u64> {
        let at = usize::from(broker);
        let over = self.at[at].first().map(|number| self.asks[number].since + self.patience());
        let lingers = self.lingering[at].first().map(|of| of.0);
        [over, lingers].into_iter().flatten().min()
    }

    // ---- groups ------------------------------------------------------------------------------

    /// A group has worked a partition off up to an offset; these on the way were sent away.
    pub fn commit(&mut self, group: u16, (partition, upto): (u32, u64), dead: &[u64], now: u64) {
        let of = &self.partitions[partition as usize];
        let reader = &mut self.groups[usize::from(group)];
        let from = reader.committed(partition);
        let upto = upto.min(of.end());
        if upto <= from {
            return;
        }
        let range = (from - of.first) as usize..(upto - of.first) as usize;
        reader.commits(partition, of.records.range(range), dead, now);
        let all = self.groups.iter().map(|group| group.committed(partition)).min();
        let spared = FOR_STRANGERS / self.partitions.len() as u64;
        let of = &mut self.partitions[partition as usize];
        while of.first + spared < all.unwrap_or(0) {
            of.records.pop_front();
            of.first += 1;
        }
    }

    /// The process of a broker is gone, with those who had asked it.
    pub fn crash(&mut self, broker: u16) -> Vec<Ask> {
        let all: Vec<u64> = self.at[usize::from(broker)].iter().copied().collect();
        all.into_iter()
            .filter_map(|number| self.forget(number))
            .map(|waiting| waiting.ask)
            .collect()
    }

    // ---- books -------------------------------------------------------------------------------

    /// What became of the messages that a group had to read, up to the end.
    pub fn counts(&self, group: usize, measured: bool, now: u64) -> Counts {
        let reader = &self.groups[group];
        let mut counts = if measured { reader.measured } else { reader.all };
        let from = if measured { self.from } else { 0 };
        counts.published = if measured { self.published } else { reader.appended_in_all() };
        for (_, state) in self.not_committed(group, from, now) {
            *match state {
                Left::Expired => &mut counts.expired,
                Left::Handed => &mut counts.unacked,
                Left::Ready => &mut counts.ready,
            } += 1;
        }
        counts
    }

    /// Messages accepted from an instant on that a group has not committed.
    fn not_committed(
        &self,
        group: usize,
        from: u64,
        now: u64,
    ) -> impl Iterator<Item = (&Record, Left)> {
        let reader = &self.groups[group];
        self.partitions.iter().enumerate().flat_map(move |(partition, of)| {
            let start = of.start(self.retention, now);
            let (committed, position) = reader.place(partition as u32);
            let left = of.records.range((committed - of.first) as usize..);
            left.filter(move |record| record.accepted >= from).map(move |record| {
                let skipped = reader.is_skipped(partition as u32, record.order);
                let state = if skipped || record.order < start && record.order >= position {
                    Left::Expired
                } else if record.order < position {
                    Left::Handed
                } else {
                    Left::Ready
                };
                (record, state)
            })
        })
    }

    /// Names the messages of the measured span that a group has still to commit: when each was accepted, ns, and its identity.
    pub fn each_held(&self, group: usize, now: u64, each: &mut dyn FnMut(u64, u64)) {
        let left = self.not_committed(group, self.from, now);
        let held = left.filter(|(_, state)| *state != Left::Expired);
        held.for_each(|(record, _)| each(record.accepted, record.identity));
    }

    /// Whether each message is where it should be, of each group.
    pub fn is_sound(&self, now: u64) -> bool {
        let end = |of: &Partition| of.end();
        let appended: u64 = self.partitions.iter().map(end).sum();
        self.groups.iter().enumerate().all(|(group, reader)| {
            let committed: u64 = (0..self.partitions.len() as u32)
                .map(|partition| reader.committed(partition))
                .sum();
            let counts = self.counts(group, false, now);
            counts.balances()
                && appended == committed + reader.lag()
                && appended == counts.published
        })
    }
}
