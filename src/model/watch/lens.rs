//! Spans of a replication looked at closely: which messages were on their way, and how instances were; and how many
//! calls went which way.
//!
//! When a message was sent is known from the number of its entry in the agenda: numbers are handed out in the order of
//! time, and what the last one was is put down after each event.
//!
//! **Invariant.** Nothing here changes anything. Memory is bounded: of more messages than may be kept those of every other
//! request are let go, again and again.

use std::collections::BTreeMap;

use crate::{
    engine::{agenda::Popped, random::mix},
    model::{
        books::{InstanceBooks, InstanceWindow},
        event,
        frame::{CALLER_DONE, CONNECT, Frame, LETTER},
        ids::{Host, NONE, NodeId, Slot},
        sim::Simulation,
    },
};

/// Frames from one that is called up to its request, at most.
const DEEPEST: usize = 64;

/// Instants of sending that are remembered, at most: half of them are forgotten then, the oldest.
const MOST_NUMBERS: usize = 4_000_000;

/// What is looked at closely.
#[derive(Clone, Debug, Default)]
pub struct Closely {
    /// From when until when, ns: in order of time, apart from each other.
    pub spans: Vec<(u64, u64)>,
    /// How often instances are looked at in them, ns.
    pub step: u64,
    /// Messages that are kept, at most.
    pub most: usize,
    /// Of each window of time this part of it, from its beginning, has its calls counted: one in so many; 0: none.
    pub counted: u64,
}

/// A message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it was sent, ns.
    pub sent: u64,
    /// When it arrived, ns.
    pub arrived: u64,
    /// From where.
    pub from: Host,
    /// To where.
    pub to: Host,
    /// It answers a call.
    pub answer: bool,
    /// What all messages of one request share, unless it was given up.
    pub request: u64,
}

/// What was seen of one span.
#[derive(Clone, Debug, Default)]
pub struct CloseSpan {
    /// From when, ns.
    pub from: u64,
    /// Until when, ns.
    pub to: u64,
    /// By node: what each instance did from one look to the next, look by look; an instance is struck where a fault was at
    /// work at it as it was looked at.
    pub nodes: Vec<Vec<InstanceWindow>>,
    /// Instances of each node.
    pub instances: Vec<usize>,
    /// What arrived, in order of arrival.
    pub messages: Vec<Message>,
}

/// What was seen closely.
#[derive(Clone, Debug, Default)]
pub struct SeenClosely {
    /// Span by span.
    pub spans: Vec<CloseSpan>,
    /// Messages of one request in so many were kept.
    pub one_in: u64,
    /// Calls from one node or client to another that were counted, by window of time.
    pub calls: BTreeMap<(NodeId, NodeId), BTreeMap<u64, u64>>,
}

/// Who looks closely.
#[derive(Debug)]
pub(super) struct Lens {
    wanted: Closely,
    window: u64,
    /// The next span, or the one that is under way.
    span: usize,
    /// When instances are looked at next in the span that is under way, ns; none: none is.
    next: Option<u64>,
    /// The books of each node as they were looked at last.
    books: Vec<Vec<InstanceBooks>>,
    /// The last number of the agenda as the span began, or of which it is forgotten when it was handed out.
    first: u64,
    /// The last number after each event since, and when that was, ns.
    numbers: Vec<(u64, u64)>,
    /// The message that the event under way brings.
    brought: Option<Message>,
    kept: usize,
    seen: SeenClosely,
}

impl Lens {
    pub(super) fn new(wanted: &Closely, window: u64) -> Self {
        Self {
            wanted: wanted.clone(),
            window,
            span: 0,
            next: None,
            books: Vec::new(),
            first: 0,
            numbers: Vec::new(),
            brought: None,
            kept: 0,
            seen: SeenClosely { one_in: 1, ..SeenClosely::default() },
        }
    }

    /// Whether calls are counted at an instant; until when it is so.
    fn counts(&self, now: u64) -> (bool, u64) {
        let Some(counted) = self.window.checked_div(self.wanted.counted) else {
            return (false, u64::MAX);
        };
        let (begun, within) = (now - now % self.window, now % self.window);
        let is = within < counted;
        (is, begun + if is { counted } else { self.window })
    }

    /// When there is something to be done between two events, ns, or something else to be seen in them.
    pub(super) fn turns_at(&self, now: u64) -> u64 {
        let begins = || self.wanted.spans.get(self.span).map_or(u64::MAX, |span| span.0);
        self.next.unwrap_or_else(begins).min(self.counts(now).1)
    }

    /// Whether each event is to be seen.
    pub(super) fn is_awake(&self, now: u64) -> bool {
        self.next.is_some() || self.counts(now).0
    }

    /// An event is about to happen.
    pub(super) fn before(&mut self, sim: &Simulation, event: Popped) {
        self.brought = None;
        let answer = match event.kind {
            event::DELIVER => false,
            event::REPLY | event::ANSWER => true,
            _ => return,
        };
        let f = &sim.world.frames[event.slot];
        let away = f.flags & CALLER_DONE == 0 && f.parent == NONE;
        if f.node >= LETTER || f.op >= CONNECT || away {
            return;
        }
        let (there, caller) = ((f.node, f.inst), sim.world.caller(f.parent, f.flags));
        let (from, to) = if answer { (there, caller) } else { (caller, there) };
        if from.0 == to.0 {
            return;
        }
        // Of one that was sent before anybody looked it is not known when.
        let sent = self.sent(event.sequence).unwrap_or(u64::MAX);
        let request = request(sim, f);
        self.brought = Some(Message { sent, arrived: 0, from, to, answer, request });
    }

    /// When an entry of the agenda was made.
    fn sent(&self, number: u64) -> Option<u64> {
        let after = self.numbers.partition_point(|known| known.0 < number);
        self.numbers.get(after).filter(|_| number > self.first).map(|known| known.1)
    }

    /// It has happened; or something between two has.
    pub(super) fn after(&mut self, sim: &Simulation) {
        let now = sim.world.now();
        if let Some(message) = self.brought.take() {
            if !message.answer && self.counts(now).0 {
                let edge = self.seen.calls.entry((message.from.0, message.to.0)).or_default();
                *edge.entry(now / self.window).or_default() += 1;
            }
            if self.next.is_some() && message.sent != u64::MAX {
                self.keep(Message { arrived: now, ..message });
            }
        }
        if self.next.is_some() {
            self.note(sim);
        }
    }

    fn note(&mut self, sim: &Simulation) {
        let (number, now) = (sim.world.agenda.sequence(), sim.world.now());
        match self.numbers.last_mut() {
            Some((last, at)) if *at == now => *last = number,
            _ => self.numbers.push((number, now)),
        }
        if self.numbers.len() >= MOST_NUMBERS {
            let mut forgotten = self.numbers.drain(..MOST_NUMBERS / 2);
            self.first = forgotten.next_back().map_or(self.first, |(number, _)| number);
        }
    }

    fn is_kept(one_in: u64, message: &Message) -> bool {
        mix(message.request).is_multiple_of(one_in)
    }

    fn keep(&mut self, message: Message) {
        let Some(span) = self.seen.spans.last_mut() else { return };
        if !Self::is_kept(self.seen.one_in, &message) {
            return;
        }
        span.messages.push(message);
        self.kept += 1;
        while self.kept > self.wanted.most {
            self.seen.one_in *= 2;
            for span in &mut self.seen.spans {
                span.messages.retain(|message| Self::is_kept(self.seen.one_in, message));
            }
            self.kept = self.seen.spans.iter().map(|span| span.messages.len()).sum();
        }
    }

    /// Between two events: spans begin and end, instances are looked at.
    pub(super) fn turn(&mut self, sim: &Simulation) {
        let now = sim.world.now();
        let Some(&(from, to)) = self.wanted.spans.get(self.span) else { return };
        if self.next.is_some_and(|at| at <= now) {
            self.look(sim, now);
            self.next = Some((now + self.wanted.step).min(to));
            if now >= to {
                (self.next, self.numbers) = (None, Vec::new());
                self.span += 1;
                // The next one may begin here.
                self.turn(sim);
            }
        } else if self.next.is_none() && from <= now {
            let nodes = usize::from(sim.world.first_client);
            self.books = vec![Vec::new(); nodes];
            let (mut each, empty) = (Vec::new(), vec![Vec::new(); nodes]);
            for (node, books) in self.books.iter_mut().enumerate() {
                sim.books(node, now, books);
                each.push(books.len());
            }
            self.seen.spans.push(CloseSpan {
                from: now,
                to,
                nodes: empty,
                instances: each,
                messages: Vec::new(),
            });
            self.next = Some((now + self.wanted.step).min(to));
            self.first = sim.world.agenda.sequence();
        }
    }

    fn look(&mut self, sim: &Simulation, now: u64) {
        let Some(span) = self.seen.spans.last_mut() else { return };
        let mut latest = Vec::new();
        for (node, before) in self.books.iter_mut().enumerate() {
            sim.books(node, now, &mut latest);
            for inst in 0..span.instances[node] {
                let books = |all: &[InstanceBooks]| all.get(inst).copied().unwrap_or_default();
                let (then, now) = (books(before), books(&latest));
                let struck = sim.world.hosts.is_struck((node as NodeId, inst as u16));
                span.nodes[node].push(InstanceWindow {
                    busy: (now.busy - then.busy) as f64,
                    in_queue: (now.in_queue - then.in_queue) as f64,
                    down: (now.down - then.down) as f64,
                    struck: f64::from(u8::from(struck)),
                });
            }
            before.clone_from(&latest);
        }
    }

    /// What was seen, as the run ends.
    pub(super) fn seen(mut self, sim: &Simulation) -> SeenClosely {
        let now = sim.world.now();
        if let Some(span) = self.seen.spans.last_mut() {
            span.to = span.to.min(now);
        }
        self.seen
    }
}

/// What tells a request from others: the identity of its frame at the client, or of what it was before that gave it up.
fn request(sim: &Simulation, f: &Frame) -> u64 {
    let frames = &sim.world.frames;
    let mut top = f;
    for _ in 0..DEEPEST {
        let parent: Slot = top.parent;
        if top.flags & CALLER_DONE != 0 || parent == NONE || top.node >= sim.world.first_client {
            break;
        }
        top = &frames[parent];
    }
    top.id
}
