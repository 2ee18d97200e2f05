//! A leader that is watched: what it knew of a key when it took a write.

use std::ops::Deref;

use crate::replication::multi_leader::{Config, MultiLeader};
use crate::replication::{
    Act, Context, Dots, Message, Operation, Peer, Phase, Protocol, Start, Timer,
};

/// A leader, and the writes it took.
pub(super) struct Spy {
    inner: MultiLeader,
    /// Of each write it took: what was known before.
    pub(super) took: Vec<(Operation, Dots)>,
}

impl Spy {
    pub(super) fn new(config: Config, me: Peer) -> Self {
        Self { inner: MultiLeader::new(config, me), took: Vec::new() }
    }
}

impl Deref for Spy {
    type Target = MultiLeader;
    fn deref(&self) -> &MultiLeader {
        &self.inner
    }
}

impl Protocol for Spy {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        self.inner.start(how, cx);
    }
    fn operation(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        if phase == Phase::Worked && operation.act != Act::Read {
            self.took.push((*operation, self.inner.state(operation.key).dots()));
        }
        self.inner.operation(operation, phase, cx);
    }
    fn message(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        self.inner.message(from, message, cx);
    }
    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        self.inner.timer(timer, cx);
    }
}
