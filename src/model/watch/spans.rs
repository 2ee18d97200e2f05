//! What was seen of a request: its attempts, the calls and visits they led to, and what each was at.
//!
//! **Invariant.** The parts of a span follow one another without gaps from its start to its end.

use crate::{model::ids::NodeId, outcome::Outcome};

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// An attempt of a client, from when it waits to be sent until the client has its answer or gives it up.
    Attempt,
    /// The same of a node.
    Call,
    /// A message that nobody waits for an answer to, as it leaves.
    Send,
    /// A visit of a node, from its arrival until its answer leaves.
    Visit,
    /// A visit by a copy that the network made of a call.
    Copy,
    /// A parallel branch of a visit.
    Branch,
    /// What a visit does after its answer.
    Background,
    /// A visit that works off a message of a queue or log.
    Message,
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In one of the ways in which requests do.
    With(Outcome),
    /// It was called off, or whoever waited does so no more.
    Cancelled,
    /// Its process died.
    Crashed,
}

/// What a request, call or visit is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It waits for a worker, a core, a lock, its turn.
    Waiting,
    /// It is at work on a core.
    Work,
    /// Time that takes no core: a `wait`, what replicas agree on, a balancer that waits.
    Pause,
    /// It waits for what it called; of a call: messages are on their way, or the callee is at it.
    Calling,
    /// It waits before its next attempt.
    Backoff,
    /// It waits for a connection, for room in a bulkhead, for a token.
    Permit,
}

/// One thing that was at a request.
#[derive(Clone, Debug)]
pub struct WatchedSpan {
    /// Index of the span that led to it; none: an attempt.
    pub parent: Option<usize>,
    /// Node or client it is at.
    pub node: NodeId,
    /// The instance; of a client the place.
    pub instance: u16,
    /// Whom it called, if it is a call.
    pub to: Option<(NodeId, u16)>,
    /// What it is.
    pub kind: SpanKind,
    /// From when, ns.
    pub start: u64,
    /// Until when, ns; none: to the end of the run.
    pub end: Option<u64>,
    /// How it ended.
    pub ended: Option<Ending>,
    /// What it was at, from when until when, ns.
    pub parts: Vec<(Part, u64, u64)>,
}

impl WatchedSpan {
    /// How long it was at something, ns.
    pub fn total(&self, part: Part) -> u64 {
        self.parts.iter().filter(|of| of.0 == part).map(|(_, from, to)| to - from).sum()
    }
}

/// What follows one another: what something is at now, since when, and what it was at before.
#[derive(Clone, Debug)]
pub struct Course {
    part: Part,
    since: u64,
}

impl Course {
    /// It begins with that.
    pub fn new(part: Part, now: u64) -> Self {
        Self { part, since: now }
    }

    /// It is at that from now on.
    pub fn turn(&mut self, part: Part, now: u64, parts: &mut Vec<(Part, u64, u64)>) {
        if part != self.part {
            self.end(now, parts);
            (self.part, self.since) = (part, now);
        }
    }

    /// It is over.
    pub fn end(&self, now: u64, parts: &mut Vec<(Part, u64, u64)>) {
        if now == self.since {
            return;
        }
        match parts.last_mut() {
            // Something that took no time lay between.
            Some((part, _, to)) if *part == self.part && *to == self.since => *to = now,
            _ => parts.push((self.part, self.since, now)),
        }
    }

    /// Since when it waits to be sent, if it does.
    pub fn held_since(&self) -> Option<u64> {
        (self.part == Part::Permit).then_some(self.since)
    }
}

/// What was seen of one request.
#[derive(Clone, Debug)]
pub struct WatchedRequest {
    /// Client (index in name order).
    pub client: u16,
    /// Its number there, from 0.
    pub number: u64,
    /// Operation (index in the client).
    pub operation: u16,
    /// Intended send, ns.
    pub intended: u64,
    /// Its key, if the client has keys.
    pub key: Option<u64>,
    /// Attempts sent, of one that is open at the end.
    pub attempts: u16,
    /// When it was decided, ns.
    pub decided: Option<u64>,
    /// What it was at while none of its attempts was out, and while one was.
    pub parts: Vec<(Part, u64, u64)>,
    /// What it led to, in the order in which it began.
    pub spans: Vec<WatchedSpan>,
}
