//! What a broker keeps, and to whom it hands what: messages, hand-outs, those who ask.
//!
//! It is told what happens and asked what is next; it knows neither network nor cores.
//!
//! **Invariant.** A message is at one place: ready, behind one of its key, delayed, handed out, or gone.

mod due;
mod held;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
};

use super::{
    counts::Counts,
    oldest::Oldest,
    post::{Ask, Handle, Record},
    ready::Ready,
};
use crate::{
    engine::random::{Stream, mix},
    model::{ids::Host, resilience::policy::Retry},
    stats::Histogram,
};

/// How long an ask waits until it is answered though there is nothing, ns (the long poll of Amazon SQS).
pub const PATIENCE: u64 = 20_000_000_000;

/// Whether a message that was handed out so often in vain is dead; of the largest number there is no end.
pub fn is_last(receives: u16, most: u16) -> bool {
    most < u16::MAX && receives >= most
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nowhere: the place is free.
    Gone,
    /// It can be handed out.
    Ready,
    /// It waits for one of the same key.
    Behind,
    /// It waits for its time.
    Delayed,
    /// Handed out.
    Out,
    /// On its way to where dead messages go.
    Dying,
}

#[derive(Clone, Debug)]
struct Held {
    record: Record,
    holder: Host,
    handout: u32,
    receives: u16,
    state: State,
}

/// How a queue behaves.
#[allow(clippy::struct_excessive_bools, reason = "what a file says of it, each by itself")]
#[derive(Clone, Debug)]
pub struct Rules {
    /// Messages and bytes it holds at most.
    pub room: (u64, u64),
    /// When it is full.
    pub full: super::FullQueueSpec,
    /// What is handed out is off the queue.
    pub once: bool,
    /// From hand-out until it is ready again, ns.
    pub visibility: u64,
    /// Hand-outs of a message.
    pub max_receives: u16,
    /// Dead messages go to another queue.
    pub buries: bool,
    /// What failed is ready again at once.
    pub at_once: bool,
    /// After how long, if not.
    pub backoff: Option<(Retry, Stream)>,
    /// How long a message is kept, ns; 0: for ever.
    pub retention: u64,
    /// How long until it is ready, ns.
    pub delay: u64,
    /// Messages of a key go one by one.
    pub in_order: bool,
    /// How long an identity is known, ns; 0: not at all.
    pub dedupe: u64,
    /// What it holds outlives its process.
    pub durable: bool,
    /// Somebody watches how old the oldest is.
    pub aged: bool,
    /// Start of the measured span, ns.
    pub from: u64,
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is accepted, or its publisher is told so.
    Taken,
    /// There is no room.
    Full,
}

/// How a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Acked,
    Dead,
    Expired,
    Dropped,
    Lost,
}

/// An ask that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ask: Ask,
    since: u64,
    /// When it is answered with what there is.
    lingers: Option<u64>,
}

/// The broker of a queue.
#[derive(Debug)]
pub struct Broker {
    /// How it behaves.
    pub rules: Rules,
    held: Vec<Held>,
    free: Vec<u32>,
    ready: Ready,
    /// How many wait for one of the same key.
    behind: u64,
    /// By key, in order of acceptance: the first may go.
    chains: BTreeMap<u64, VecDeque<u32>>,
    /// When, place, and order of acceptance.
    delayed: BinaryHeap<Reverse<(u64, u32, u64)>>,
    /// When hand-outs are over, by the order in which they were sent.
    out: VecDeque<(u64, Handle)>,
    /// Place and order of acceptance, if messages are not kept for ever.
    by_age: VecDeque<(u32, u64)>,
    asks: VecDeque<Waiting>,
    /// Identities that are known, and when they were accepted.
    known: BTreeSet<u64>,
    known_since: VecDeque<(u64, u64)>,
    messages: u64,
    bytes: u64,
    accepted: u64,
    handouts: u32,
    /// Dead messages that have to be sent where they go.
    pub dying: Vec<(Handle, Record)>,
    /// The integral of those that are ready, up to an instant, message-ns.
    depth: (u128, u64),
    /// If somebody watches it.
    oldest: Option<Box<Oldest>>,
    /// The most at once in the measured span.
    pub most: u64,
    /// Of all messages, and of those accepted in the measured span.
    all: Counts,
    measured: Counts,
    /// Of the latter: from acceptance to the first hand-out, ns.
    pub age: Histogram,
}

impl Broker {
    /// An empty one.
    pub fn new(rules: Rules, ready: Ready) -> Self {
        let oldest = rules.aged.then(Box::default);
        Self {
            rules,
            held: Vec::new(),
            free: Vec::new(),
            ready,
            behind: 0,
            chains: BTreeMap::new(),
            delayed: BinaryHeap::new(),
            out: VecDeque::new(),
            by_age: VecDeque::new(),
            asks: VecDeque::new(),
            known: BTreeSet::new(),
            known_since: VecDeque::new(),
            messages: 0,
            bytes: 0,
            accepted: 0,
            handouts: 0,
            dying: Vec::new(),
            depth: (0, 0),
            oldest,
            most: 0,
            all: Counts::default(),
            measured: Counts::default(),
            age: Histogram::default(),
        }
    }

    fn count(&mut self, accepted: u64, one_more: impl Fn(&mut Counts) -> &mut u64) {
        *one_more(&mut self.all) += 1;
        if accepted >= self.rules.from {
            *one_more(&mut self.measured) += 1;
        }
    }

    // ---- how many there are ------------------------------------------------------------------

    /// Messages that wait to be handed out.
    pub fn depth(&self) -> u64 {
        self.ready.len() as u64 + self.behind
    }

    /// The integral of those from time 0, message-ns.
    pub fn depth_until(&self, now: u64) -> u128 {
        let (sum, since) = self.depth;
        sum + u128::from(self.depth()) * u128::from(now - since)
    }

    /// The integral of the age of the oldest of them from time 0, ns x ns.
    pub fn age_until(&self, now: u64) -> u128 {
        self.oldest.as_ref().map_or(0, |oldest| oldest.until(now))
    }

    /// Before their number changes.
    fn note_depth(&mut self, now: u64) {
        self.depth = (self.depth_until(now), now);
        if let Some(oldest) = &mut self.oldest {
            oldest.note(now);
        }
    }

    /// After it has.
    fn note_oldest(&mut self) {
        let held = &self.held;
        let waits = |order: u64, place: u32| {
            let Held { record, state, .. } = &held[place as usize];
            let waits = record.order == order && matches!(state, State::Ready | State::Behind);
            waits.then_some(record.accepted)
        };
        if let Some(oldest) = &mut self.oldest {
            oldest.look(waits);
        }
    }

    /// After it has.
    fn note_most(&mut self, now: u64) {
        if now >= self.rules.from {
            self.most = self.most.max(self.depth());
        }
    }

    /// Something happens.
    fn changes<T>(&mut self, now: u64, what: impl FnOnce(&mut Self) -> T) -> T {
        self.note_depth(now);
        let result = what(self);
        self.note_most(now);
        self.note_oldest();
        result
    }

    // ---- in ----------------------------------------------------------------------------------

    /// A message is offered, to be ready after so long.
    pub fn offer(&mut self, record: Record, delay: Option<u64>, now: u64) -> Offer {
        self.changes(now, |broker| broker.offered(record, delay, now))
    }

    fn offered(&mut self, mut record: Record, delay: Option<u64>, now: u64) -> Offer {
        record.accepted = now;
        if self.is_known(record.identity, now) {
            self.count(now, |counts| &mut counts.deduplicated);
            return Offer::Taken;
        }
        while !self.has_room(record.size) {
            match self.rules.full {
                super::FullQueueSpec::Reject | super::FullQueueSpec::Block => return Offer::Full,
                super::FullQueueSpec::Drop => {
                    self.count(now, |counts| &mut counts.published);
                    self.count(now, |counts| &mut counts.dropped);
                    return Offer::Taken;
                }
                super::FullQueueSpec::DropOldest => {
                    let held = &self.held;
                    match self.ready.oldest(|place| held[place as usize].record.order) {
                        Some(place) if self.messages > 0 => self.end(place, End::Dropped),
                        _ => return Offer::Full,
                    }
                }
            }
        }
        self.count(now, |counts| &mut counts.published);
        if self.rules.dedupe > 0 {
            self.known.insert(record.identity);
            self.known_since.push_back((now, record.identity));
        }
        self.accepted += 1;
        self.messages += 1;
        self.bytes += record.size;
        record.order = self.accepted;
        let (order, key) = (record.order, record.key);
        let held = Held { record, holder: (0, 0), handout: 0, receives: 0, state: State::Delayed };
        let place = match self.free.pop() {
            Some(place) => {
                self.held[place as usize] = held;
                place
            }
            None => {
                self.held.push(held);
                self.held.len() as u32 - 1
            }
        };
        if self.rules.retention > 0 {
            self.by_age.push_back((place, order));
        }
        if self.rules.in_order {
            self.chains.entry(key).or_default().push_back(place);
        }
        match delay.unwrap_or(self.rules.delay) {
            0 => self.available(place),
            delay => self.delayed.push(Reverse((now.saturating_add(delay), place, order))),
        }
        Offer::Taken
    }

    fn has_room(&self, size: u64) -> bool {
        let (messages, bytes) = self.rules.room;
        self.messages < messages && self.bytes.saturating_add(size) <= bytes
    }

    fn is_known(&mut self, identity: u64, now: u64) -> bool {
        while let Some(&(since, old)) = self.known_since.front()
            && since + self.rules.dedupe < now
        {
            self.known_since.pop_front();
            self.known.remove(&old);
        }
        self.known.contains(&identity)
    }

    /// Whether a message of so many bytes would be accepted.
    pub fn takes(&self, size: u64) -> bool {
        self.has_room(size)
    }

    /// A message can be handed out, unless one of its key comes first.
    fn available(&mut self, place: u32) {
        let held = &mut self.held[place as usize];
        if let Some(oldest) = &mut self.oldest {
            oldest.put(held.record.order, place);
        }
        let first = || self.chains.get(&held.record.key).and_then(|chain| chain.front());
        if self.rules.in_order && first() != Some(&place) {
            held.state = State::Behind;
            self.behind += 1;
            return;
        }
        held.state = State::Ready;
        self.ready.put(place, (held.record.priority, held.record.order));
    }

    /// A message is gone.
    fn end(&mut self, place: u32, how: End) {
        let held = &mut self.held[place as usize];
        let (state, key) = (held.state, held.record.key);
        let (accepted, of) = (held.record.accepted, (held.record.priority, held.record.order));
        held.state = State::Gone;
        held.record.sender = None;
        self.messages -= 1;
        self.bytes -= held.record.size;
        self.free.push(place);
        match state {
            State::Ready => self.ready.remove(place, of),
            State::Behind => self.behind -= 1,
            _ => {}
        }
        self.count(accepted, |counts| match how {
            End::Acked => &mut counts.acked,
            End::Dead => &mut counts.dead_lettered,
            End::Expired => &mut counts.expired,
            End::Dropped => &mut counts.dropped,
            End::Lost => &mut counts.lost,
        });
        self.leave_chain(place, key);
    }

    /// The next one of its key may go.
    fn leave_chain(&mut self, place: u32, key: u64) {
        let Some(chain) = self.chains.get_mut(&key) else { return };
        if chain.front() == Some(&place) {
            chain.pop_front();
        } else {
            chain.retain(|&other| other != place);
        }
        match chain.front() {
            None => drop(self.chains.remove(&key)),
            Some(&next) if self.held[next as usize].state == State::Behind => {
                self.behind -= 1;
                self.available(next);
            }
            Some(_) => {}
        }
    }

    // ---- out ---------------------------------------------------------------------------------

    /// Somebody asks for messages.
    pub fn ask(&mut self, ask: Ask, now: u64) {
        self.asks.push_back(Waiting { ask, since: now, lingers: None });
    }

    /// Who is answered now, and with what.
    pub fn next(&mut self, now: u64) -> Option<(Ask, Vec<(Handle, Record)>)> {
        let ready = self.ready.len();
        let first = self.asks.front_mut()?;
        let over = first.since + PATIENCE <= now;
        if ready == 0 {
            first.lingers = None;
            return over.then(|| self.asks.pop_front()).flatten().map(|w| (w.ask, Vec::new()));
        }
        let Ask { batch, linger, .. } = first.ask;
        let until = *first.lingers.get_or_insert(now.saturating_add(linger));
        if ready < batch as usize && until > now && !over {
            return None;
        }
        let Waiting { ask, .. } = self.asks.pop_front()?;
        let messages = self.changes(now, |broker| {
            (0..ready.min(batch as usize)).map_while(|_| broker.hand_out(ask.from, now)).collect()
        });
        Some((ask, messages))
    }

    fn hand_out(&mut self, holder: Host, now: u64) -> Option<(Handle, Record)> {
        let place = self.ready.next()?;
        self.handouts += 1;
        let held = &mut self.held[place as usize];
        held.state = State::Out;
        held.holder = holder;
        held.handout = self.handouts;
        held.receives = held.receives.saturating_add(1);
        let (again, record) = (held.receives > 1, held.record.clone());
        let handle = Handle { place, handout: self.handouts, receives: held.receives };
        self.count(record.accepted, |counts| &mut counts.deliveries);
        if again {
            self.count(record.accepted, |counts| &mut counts.redelivered);
        } else if record.accepted >= self.rules.from {
            self.age.record(now - record.accepted);
        }
        if self.rules.once {
            // What becomes of it nobody tells the broker.
            self.end(place, End::Acked);
        }
        Some((handle, record))
    }

    /// These hand-outs are on their way.
    pub fn sent(&mut self, handles: impl Iterator<Item = Handle>, now: u64) {
        let over = now.saturating_add(self.rules.visibility);
        if !self.rules.once {
            self.out.extend(handles.map(|handle| (over, handle)));
        }
    }

    fn is_out(&self, Handle { place, handout, .. }: Handle) -> bool {
        let held = self.held.get(place as usize);
        held.is_some_and(|held| {
            held.handout == handout && matches!(held.state, State::Out | State::Dying)
        })
    }

    /// A hand-out ended, well or not; what was handed out again meanwhile does not care.
    pub fn settle(&mut self, handle: Handle, well: bool, now: u64) {
        if !self.is_out(handle) {
            return;
        }
        let dies = self.held[handle.place as usize].state == State::Dying;
        self.changes(now, |broker| match (well, dies) {
            (true, true) => broker.end(handle.place, End::Dead),
            (true, false) => broker.end(handle.place, End::Acked),
            // Whoever takes the dead in is asked again when its time is over.
            (false, true) => {}
            (false, false) => broker.failed(handle.place, true, now),
        });
    }

    /// A hand-out came to nothing: its holder said so, or was not heard of in time.
    fn failed(&mut self, place: u32, said: bool, now: u64) {
        let rules = &self.rules;
        let held = &mut self.held[place as usize];
        if rules.retention > 0 && held.record.accepted + rules.retention <= now {
            return self.end(place, End::Expired);
        }
        if is_last(held.receives, rules.max_receives) {
            if !rules.buries {
                return self.end(place, End::Dead);
            }
            held.state = State::Dying;
            return self.bury(place, now);
        }
        if !said || rules.at_once {
            return self.available(place);
        }
        if let Some((retry, stream)) = &rules.backoff {
            let mut draw = stream.draw_mixed(mix(held.record.identity ^ u64::from(held.receives)));
            let wait = retry.wait(held.receives, 0, &mut draw);
            held.state = State::Delayed;
            self.delayed.push(Reverse((now.saturating_add(wait), place, held.record.order)));
        }
        // Else it waits until its time with its holder is over.
    }

    /// A dead message is sent where such messages go, again each time nobody says that it has come.
    fn bury(&mut self, place: u32, now: u64) {
        self.handouts += 1;
        let held = &mut self.held[place as usize];
        held.handout = self.handouts;
        let handle = Handle { place, handout: self.handouts, receives: held.receives };
        self.out.push_back((now.saturating_add(self.rules.visibility), handle));
        self.dying.push((handle, held.record.clone()));
    }

    /// The process of an instance is gone, with all it was handed.
    pub fn reset(&mut self, host: Host, now: u64) {
        self.asks.retain(|waiting| waiting.ask.from != host);
        let of_host = |place: &u32| {
            let held = &self.held[*place as usize];
            held.state == State::Out && held.holder == host
        };
        let back: Vec<u32> = (0..self.held.len() as u32).filter(of_host).collect();
        self.changes(now, |broker| {
            for place in back {
                broker.failed(place, false, now);
            }
        });
    }

    // ---- time --------------------------------------------------------------------------------

    /// Its process is gone: who had asked, and all it holds if that is in memory.
    pub fn crash(&mut self, now: u64) -> Vec<Ask> {
        let asked = self.asks.drain(..).map(|waiting| waiting.ask).collect();
        self.dying.clear();
        self.changes(now, |broker| {
            if broker.rules.durable {
                broker.take_back();
            } else {
                let there = |place: &u32| broker.held[*place as usize].state != State::Gone;
                let all: Vec<u32> = (0..broker.held.len() as u32).filter(there).collect();
                for place in all {
                    broker.end(place, End::Lost);
                }
                broker.known.clear();
                broker.known_since.clear();
            }
        });
        asked
    }

    /// What was about to be handed out never left.
    fn take_back(&mut self) {
        let sent: BTreeSet<u32> = self.out.iter().map(|(_, handle)| handle.handout).collect();
        for place in 0..self.held.len() as u32 {
            let held = &self.held[place as usize];
            if held.state == State::Out && !sent.contains(&held.handout) {
                self.available(place);
            }
        }
    }

    // ---- books -------------------------------------------------------------------------------
}

#[cfg(test)]
mod tests;
