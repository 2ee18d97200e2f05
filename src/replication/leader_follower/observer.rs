//! To be written.
use super::Config;
use crate::replication::{Context, Message, Operation, Peer, Phase, Protocol, Start, Timer};

/// An observer.
#[derive(Clone, Debug)]
pub struct Observer;

impl Observer {
    /// An observer in this process.
    pub fn new(_config: Config, _me: Peer, _shards: u16) -> Self {
        Self
    }
}

impl Protocol for Observer {
    fn start(&mut self, _: Start, _: &mut Context<'_>) {}
    fn operation(&mut self, _: Operation, _: Phase, _: &mut Context<'_>) {}
    fn message(&mut self, _: Peer, _: Message, _: &mut Context<'_>) {}
    fn timer(&mut self, _: Timer, _: &mut Context<'_>) {}
}
