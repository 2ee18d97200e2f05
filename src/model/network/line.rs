//! What a link can carry: messages share it, or go one after the other.
//!
//! **Invariant.** What shares a link gets all of it, or as much as each can use: a message that is alone has one event,
//! its delivery; while there are others, one more tells when the first of them has left.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use crate::{
    engine::{agenda::Agenda, law::to_nanos, virtual_clock::VirtualClock},
    model::{
        books::Area,
        event,
        ids::{NONE, Slot},
        network::{LineDiscipline, books::LinkMeasured},
    },
    stats::Histogram,
};

/// Bits of a fraction of a nanosecond in sums.
const FRACTION: u32 = 32;

/// Whose a line is: the link of the file, and whether it is the way back.
pub type LineOf = (usize, bool);

/// One direction of a link that cannot carry everything at once.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of which link.
    pub of: LineOf,
    /// How the agenda names it.
    pub index: u32,
    /// Bytes per ns.
    bandwidth: f64,
    discipline: LineDiscipline,
    /// Share of it that one message can use.
    most: f64,
    /// When it has sent all it has accepted (one after the other), ns.
    busy_until: u64,
    /// When each of those has left, ns.
    lined_up: VecDeque<u64>,
    clock: VirtualClock<48>,
    /// Those that are leaving.
    leaving: BinaryHeap<Reverse<Leaving>>,
    accepted: u64,
    /// Sequence of the event at which the first of several has left; 0: none.
    armed: u64,
    /// When the only one has left, ns.
    alone_until: Option<u64>,
    /// Deliveries of messages that were alone when they were armed: sequence, and what is delivered.
    air: VecDeque<(u64, Slot, u8)>,
    /// What it accepts now is told apart: no request waits for it.
    pub apart: bool,
    /// Part of it that is used, 2^-32.
    speed: u64,
    /// What has left took so long to, ns; nobody's probes and letters.
    pub travel: u128,
    books: LineBooks,
}

/// A message that leaves together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaving {
    /// When its last byte does, on the virtual clock.
    tag: u128,
    order: u64,
    /// Its frame; [`NONE`]: it is lost on the way.
    slot: Slot,
    kind: u8,
    /// Since when, ns.
    since: u64,
    /// What it takes by itself, ns.
    least: u64,
    /// How long it is under way once it has left, ns.
    latency: u64,
    apart: bool,
}

/// What is measured of a line.
#[derive(Clone, Debug, Default)]
struct LineBooks {
    transfer: Histogram,
    waiting: Histogram,
    /// Those that are leaving.
    inside: Area,
    /// Integral of the part of it that is used, 2^-32 ns.
    busy: u128,
    /// How much longer those took that somebody waited for, together, ns.
    held_up: u128,
    /// Integrals and this as the measured span began.
    begun: (u128, u128, u128),
}

impl LineBooks {
    /// A message took so long, so much of it because of others.
    fn count(&mut self, took: u64, waited: u64, apart: bool) {
        self.transfer.record(took);
        self.waiting.record(waited);
        self.held_up += if apart { 0 } else { u128::from(waited) };
    }
}

impl Line {
    /// A line of so many bytes per ns, of which each message can use so many.
    pub fn new(of: LineOf, (bandwidth, each): (f64, f64), discipline: LineDiscipline) -> Self {
        Self {
            of,
            index: 0,
            bandwidth,
            discipline,
            most: (each / bandwidth).min(1.0),
            busy_until: 0,
            lined_up: VecDeque::new(),
            clock: VirtualClock::default(),
            leaving: BinaryHeap::new(),
            accepted: 0,
            armed: 0,
            alone_until: None,
            air: VecDeque::new(),
            apart: false,
            speed: 0,
            travel: 0,
            books: LineBooks::default(),
        }
    }

    /// What so many bytes take at its full speed, ns.
    pub fn takes(&self, size: u64) -> u64 {
        to_nanos(size as f64 / self.bandwidth)
    }

    /// Whether what is on it shares it.
    pub fn is_shared(&self) -> bool {
        self.discipline == LineDiscipline::Shared
    }

    /// Takes what goes after everything before it: when it has left, ns.
    pub fn follow(&mut self, takes: u64, now: u64) -> u64 {
        self.settle(now);
        let begins = now.max(self.busy_until);
        self.busy_until = begins + takes;
        if takes > 0 {
            self.books.inside.enter(now);
            self.lined_up.push_back(self.busy_until);
            self.books.count(self.busy_until - now, begins - now, self.apart);
            self.books.busy += u128::from(takes) << FRACTION;
        }
        self.busy_until
    }

    /// Takes a message that shares it; `slot` is [`NONE`] if it is lost. It is under way so long once it has left.
    pub fn share(
        &mut self,
        agenda: &mut Agenda,
        (slot, kind): (Slot, u8),
        takes: u64,
        latency: u64,
    ) {
        let now = agenda.now();
        self.settle(now);
        self.is_no_longer_alone(agenda);
        self.accepted += 1;
        self.leaving.push(Reverse(Leaving {
            tag: self.clock.after(takes),
            order: self.accepted,
            slot,
            kind,
            since: now,
            least: to_nanos(takes as f64 / self.most),
            latency,
            apart: self.apart,
        }));
        self.books.inside.enter(now);
        self.arm(agenda);
    }

    /// An event of it is due: the first of several has left, or one that was alone is there.
    pub fn due(&mut self, agenda: &mut Agenda, sequence: u64) {
        let now = agenda.now();
        if sequence == self.armed {
            self.armed = 0;
            self.settle(now);
            while let Some(Reverse(first)) = self.leaving.peek()
                && self.clock.has_reached(first.tag)
            {
                let Leaving { tag, slot, kind, latency, .. } = self.left(now);
                // It left within the last nanosecond: from then on the others had its part.
                self.clock.run_since(tag, self.each());
                if slot != NONE {
                    agenda.push(latency, slot, kind);
                }
            }
            return self.arm(agenda);
        }
        if let Ok(at) = self.air.binary_search_by_key(&sequence, |delivery| delivery.0) {
            self.settle(now);
            let (_, slot, kind) = self.air.remove(at).expect("it was found there");
            agenda.push_now(slot, kind);
        }
    }

    /// Whether one of its events still means something.
    pub fn awaits(&self, sequence: u64) -> bool {
        sequence == self.armed
            || self.air.binary_search_by_key(&sequence, |delivery| delivery.0).is_ok()
    }

    /// Messages that are not in the agenda themselves.
    pub fn under_way(&self) -> u64 {
        let alone = self.alone_until.is_some();
        let leaving = self.leaving.iter().filter(|flow| !alone && flow.0.slot != NONE);
        (leaving.count() + self.air.len()) as u64
    }

    /// Brings it up to date: one that was alone may have left.
    fn settle(&mut self, now: u64) {
        if let Some(end) = self.alone_until.filter(|end| *end <= now) {
            self.advance(end);
            self.alone_until = None;
            self.left(end);
            self.run();
        }
        while let Some(&end) = self.lined_up.front()
            && end <= now
        {
            self.lined_up.pop_front();
            self.books.inside.leave(end);
        }
        self.advance(now);
    }

    fn advance(&mut self, now: u64) {
        self.books.busy += u128::from(self.clock.advance(now)) * u128::from(self.speed);
    }

    /// The first has left.
    fn left(&mut self, now: u64) -> Leaving {
        let Reverse(flow) = self.leaving.pop().expect("there is one");
        let took = now - flow.since;
        self.books.inside.leave(now);
        self.books.count(took, took.saturating_sub(flow.least), flow.apart);
        if !flow.apart {
            self.travel += u128::from(took);
        }
        flow
    }

    /// The delivery of one that was alone comes later than was thought, as another shares the line with it.
    fn is_no_longer_alone(&mut self, agenda: &mut Agenda) {
        if self.alone_until.take().is_some()
            && self.leaving.peek().is_some_and(|only| only.0.slot != NONE)
        {
            self.air.pop_back();
            agenda.note_dead();
        }
    }

    /// The part of the line that each of those that are leaving gets.
    fn each(&self) -> f64 {
        self.most.min(1.0 / self.leaving.len().max(1) as f64)
    }

    /// Each gets its part from now on.
    fn run(&mut self) {
        let (each, all) = (self.each(), self.leaving.len() as f64);
        self.speed = (each * all * (1u64 << FRACTION) as f64).round() as u64;
        if self.leaving.is_empty() { self.clock.stop() } else { self.clock.run(each) }
    }

    /// What is on it has changed: the next event.
    fn arm(&mut self, agenda: &mut Agenda) {
        if std::mem::take(&mut self.armed) != 0 {
            agenda.note_dead();
        }
        self.run();
        let Some(&Reverse(first)) = self.leaving.peek() else { return };
        let left = self.clock.until(first.tag).expect("it runs");
        if self.leaving.len() > 1 {
            self.armed = agenda.push(left, self.index, event::LINE);
            return;
        }
        self.alone_until = Some(agenda.now() + left);
        if first.slot != NONE {
            let delay = left.checked_add(first.latency).expect("the clock does not overflow");
            let sequence = agenda.push(delay, self.index, event::LINE);
            self.air.push_back((sequence, first.slot, first.kind));
        }
    }

    /// The measured span begins.
    pub fn begin_span(&mut self, now: u64) {
        self.books.begun = self.until(now);
        (self.books.transfer, self.books.waiting) = Default::default();
    }

    /// From time 0: integrals of the part of it that is used, 2^-32 ns, and of how many messages are leaving; how much
    /// longer they took.
    fn until(&mut self, now: u64) -> (u128, u128, u128) {
        self.settle(now);
        // What was accepted one after the other and has not left.
        let ahead = u128::from(self.busy_until.saturating_sub(now));
        (self.books.busy - (ahead << FRACTION), self.books.inside.until(now), self.books.held_up)
    }

    /// From time 0: what part of it was used, ns, as [`Self::until`] has it, which changes nothing here.
    pub fn used(&self, now: u64) -> u128 {
        let to = self.alone_until.map_or(now, |end| end.min(now));
        let since = u128::from(to.saturating_sub(self.clock.time())) * u128::from(self.speed);
        let ahead = u128::from(self.busy_until.saturating_sub(now));
        (self.books.busy + since - (ahead << FRACTION)) >> FRACTION
    }

    /// Adds what was measured since the measured span began.
    pub fn measured(&mut self, into: &mut LinkMeasured, now: u64) {
        let read = self.used(now);
        let ((used, inside, held_up), begun) = (self.until(now), self.books.begun);
        debug_assert_eq!(read, used >> FRACTION, "what is read is what is counted");
        into.lines += 1;
        into.used.0 += (used - begun.0) >> FRACTION;
        into.used.1 += inside - begun.1;
        into.held_up += held_up - begun.2;
        into.transfer.merge(&self.books.transfer);
        into.waiting.merge(&self.books.waiting);
    }
}
