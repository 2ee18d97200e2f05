//! The contract between a protocol of replication and its host: what a replica is told, and what it has done.
//!
//! **Invariant.** A replica has nothing of its host but what a [`Context`] gives.

use super::fences::Fences;
use super::message::Message;
use super::words::{
    Answer, Failure, Known, Laws, Note, Operation, Peer, Phase, Start, Ticket, Timer,
};

/// What a replica has its host do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a message to a process; to itself it arrives at once, as an event of its own, and is work all the same.
    Send(Peer, Message),
    /// Have a timer fire after so many ns of its own clock, and not when it was to fire before.
    Arm(Timer, u64),
    /// Have a timer not fire.
    Disarm(Timer),
    /// Do the work of applying an entry about this key, on a core; the timer [`APPLIED`](super::words::APPLIED) + lane
    /// fires when it is done. A lane has one such work at a time.
    Apply {
        /// Which one.
        lane: u8,
        /// The key.
        key: u64,
    },
    /// An operation that has arrived goes on to its work.
    GoOn(Ticket),
    /// An operation is over, here at least, and what its answer is of. It may have been called off meanwhile: then the host
    /// ignores this.
    Answer(Ticket, Answer, Known),
    /// Tell who leads to all who call the node, from this process: by messages, again each second until each of them has
    /// said that it knows.
    Announce {
        /// A replica of the shard.
        leader: Peer,
        /// Its epoch: callers keep the newest.
        epoch: u64,
    },
    /// Something for those who look on, of which no replica hears.
    Note(Note),
}

/// What a replica may ask while it is told something, and where it puts what is to be done.
pub struct Context<'c> {
    /// Time by its own clock that is never set, ns: it never goes back while it runs.
    pub now: u64,
    /// Time of day by its own clock, ns: what it tells others, who compare it with theirs.
    pub wall: u64,
    /// Its draws.
    pub laws: &'c mut dyn Laws,
    /// What is to be done, in order.
    pub effects: &'c mut Vec<Effect>,
    /// Under which locks versions were written, if any were.
    pub fences: Option<&'c Fences>,
    /// Takes messages that leave before anything else is to be done, if the host has such a thing.
    pub post: Option<&'c mut dyn Post>,
}

/// Where a host takes messages at once.
pub trait Post {
    /// Sends a message to a process, as [`Effect::Send`] does.
    fn post(&mut self, to: Peer, message: Message);
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("now", &self.now).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl<'c> Context<'c> {
    /// Of a process that is told something by hand at this instant, by right clocks: all that it wants done is in `effects`.
    pub fn alone(now: u64, laws: &'c mut dyn Laws, effects: &'c mut Vec<Effect>) -> Self {
        Self { now, wall: now, laws, effects, fences: None, post: None }
    }
}

impl Context<'_> {
    /// Has something done.
    #[inline]
    pub fn act(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Sends a message to a process.
    #[inline]
    pub fn send(&mut self, to: Peer, message: Message) {
        match &mut self.post {
            // Nearly all messages leave before anything else is done: they are spared the way through the list.
            Some(post) if self.effects.is_empty() => post.post(to, message),
            _ => self.act(Effect::Send(to, message)),
        }
    }

    /// Answers an operation by something that is of no data.
    #[inline]
    pub fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answer_of(ticket, answer, Known::default());
    }

    /// Answers an operation: what is read, or where what is written stands.
    #[inline]
    pub fn answer_of(&mut self, ticket: Ticket, answer: Answer, known: Known) {
        self.act(Effect::Answer(ticket, answer, known));
    }

    /// Why a write does not take the place of what is there, if it does not: it expects another version, or that is of a
    /// later holder of its lock. The version there is asked for only if it matters.
    #[inline]
    pub fn refuses(
        &self,
        (expects, version): (Option<u64>, u64),
        there: impl FnOnce() -> u64,
    ) -> Option<Failure> {
        if expects.is_none() && self.fences.is_none() {
            return None;
        }
        let there = there();
        if expects.is_some_and(|expected| expected != there) {
            return Some(Failure::Conflict);
        }
        let fenced = self.fences.is_some_and(|fences| fences.keep_out(version, there));
        fenced.then_some(Failure::Fenced)
    }

    /// Tells those who look on.
    #[inline]
    pub fn note(&mut self, note: Note) {
        self.act(Effect::Note(note));
    }
}

/// A replica of some protocol. Its host calls `start` first; after that process has died, `start` again and nothing in
/// between: of what it was told before only what was on its disk remains.
pub trait Protocol {
    /// Its process starts.
    fn start(&mut self, how: Start, cx: &mut Context<'_>);
    /// A client's operation is that far.
    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>);
    /// A message came, and the [work](Message::work) of it is done.
    fn message(&mut self, from: Peer, message: Message, cx: &mut Context<'_>);
    /// A timer fired.
    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>);
}
