//! What a coordinator knows of those who do not answer, and of those who stand in for them.
//!
//! **Invariant.** Looks are in the order of their times.

use std::collections::VecDeque;

use super::message::Number;
use super::table::Stage;
use crate::replication::words::Peer;

/// How long it is remembered that a process did not answer, ns.
const REMEMBERED: u64 = 10_000_000_000;

/// Whether somebody answered in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) due: u64,
    pub(super) number: Number,
    pub(super) stage: Stage,
    /// This one, who was asked in the place of that replica; or all replicas that were asked.
    pub(super) who: Option<(Peer, Peer)>,
}

/// What a coordinator knows of those who do not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct StandIns {
    /// Those of its zone, who stand in first; sorted.
    pub(super) near: Box<[Peer]>,
    /// Who did not answer, and until when it is remembered.
    pub(super) silent: Vec<(Peer, u64)>,
    /// What to look at, by time: `after` is the same for all.
    pub(super) looks: VecDeque<Look>,
    pub(super) armed: bool,
}

impl StandIns {
    pub(super) fn near(mut near: Vec<Peer>) -> Self {
        near.sort_unstable();
        Self { near: near.into(), ..Self::default() }
    }

    /// Its process died.
    pub(super) fn restart(&mut self) {
        *self = Self { near: std::mem::take(&mut self.near), ..Self::default() };
    }

    pub(super) fn is_silent(&self, peer: Peer, now: u64) -> bool {
        self.silent.iter().any(|(silent, until)| *silent == peer && now < *until)
    }

    pub(super) fn silence(&mut self, peer: Peer, now: u64) {
        self.silent.retain(|(silent, until)| *silent != peer && now < *until);
        self.silent.push((peer, now + REMEMBERED));
    }
}
