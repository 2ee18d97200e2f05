//! What a replica knows as the leader, and what it knows as a follower.
//!
//! **Invariant.** It dies with its process; what a leader knows is gone, too, when it leads no more.

use std::collections::{BTreeMap, VecDeque};

use super::config::{PATIENCE, RESEND};
use super::fetch::Incoming;
use super::message::Sent;
use crate::replication::words::{Peer, Ticket};

/// What a leader knows of a follower.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) peer: Peer,
    /// It has stored all up to this place; none if that is not known.
    pub(super) acked: Option<u64>,
    /// All up to this place was sent to it.
    pub(super) sent: u64,
    /// When it was last heard of, or else something was sent to it again, ns.
    pub(super) since: u64,
    /// Entries are sent to it as they leave: it answers.
    pub(super) streams: bool,
    /// Something was sent to it again since it was heard of.
    pub(super) late: bool,
    /// What its round trip is measured by: the place of an entry and when that was sent.
    pub(super) probe: Option<(u64, u64)>,
    /// How long its last answer took, ns.
    pub(super) trip: u64,
}

/// Timers that are armed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Armed {
    pub(super) leaving: bool,
    /// When it fires.
    pub(super) tick: Option<u64>,
    pub(super) semi: bool,
}

/// What a leader knows while it leads.
#[derive(Clone, Debug)]
pub struct Lead {
    pub(super) copies: Vec<Copy>,
    /// Writes that wait to be acknowledged, by place.
    pub(super) waiting: VecDeque<(u64, Ticket)>,
    /// All up to this place is committed.
    pub(super) committed: u64,
    /// All up to this place has left, if there are followers.
    pub left: u64,
    /// When the last committed entry leaves or left.
    pub(super) leaves: u64,
    /// When it began, ns.
    pub(super) began: u64,
    /// It has applied all that it began with.
    pub drained: bool,
    /// Of each observer: when the newest `pong` that it heard was sent.
    pub(super) renewed: Vec<Option<u64>>,
    /// Those who look on were told that its fence is lost.
    pub(super) fenced: bool,
    pub(super) armed: Armed,
    /// When it last told all followers how far it is, ns.
    pub(super) beat: u64,
    /// Entries that were forgotten since.
    pub(super) forgotten: usize,
}

impl Lead {
    /// The place up to which so many followers have stored all.
    pub(super) fn acked(&self, count: usize) -> u64 {
        if count == 0 {
            return u64::MAX;
        }
        let acked = || self.copies.iter().map(|copy| copy.acked.unwrap_or(0));
        let enough =
            acked().filter(|place| acked().filter(|other| other >= place).count() >= count);
        enough.max().unwrap_or(0)
    }

    /// The place up to which all followers have stored all.
    pub(super) fn all(&self) -> u64 {
        self.copies.iter().map(|copy| copy.acked.unwrap_or(0)).min().unwrap_or(u64::MAX)
    }
}

impl Copy {
    /// It is to be asked now.
    pub(super) fn is_silent(&self, now: u64) -> bool {
        now.saturating_sub(self.since) >= RESEND.max(self.trip * 2).min(PATIENCE)
    }
}

/// Entries of some keys, to be applied one after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    pub(super) queue: VecDeque<u64>,
    /// The place of the one being applied; 0 if it was cut meanwhile.
    pub(super) busy: Option<u64>,
}

/// What a follower knows while it runs.
#[derive(Clone, Debug)]
pub struct Follow {
    /// All up to this place is in its leader's log, none if it does not know.
    pub matched: Option<u64>,
    /// Entries that came before their turn, with the place before each.
    pub(super) early: BTreeMap<u64, (u64, Sent)>,
    pub(super) lanes: Vec<Lane>,
    /// All up to this place was applied.
    pub applied: u64,
    /// All up to this place was given to a lane.
    pub dispatched: u64,
    /// It was as its leader at this time of the leader's clock.
    pub complete: u64,
    /// The leader had committed all up to this place at this time.
    pub(super) beat: Option<(u64, u64)>,
    /// How long it waits for the copy it asked for; it has not asked if none.
    pub(super) copy: Option<u64>,
    /// It is the leader, has lost all, and asked others how far they are.
    pub best: Option<(u64, Peer)>,
    /// Those who have lost all, too.
    pub(super) bare: Vec<Peer>,
    /// What it fetches key by key.
    pub(super) incoming: Option<Incoming>,
}

impl Follow {
    /// A follower that knows of nothing yet, with so many lanes.
    pub fn new(lanes: u8) -> Self {
        Self {
            matched: None,
            early: BTreeMap::new(),
            lanes: vec![Lane::default(); usize::from(lanes.max(1))],
            applied: 0,
            dispatched: 0,
            complete: 0,
            beat: None,
            copy: None,
            best: None,
            bare: Vec::new(),
            incoming: None,
        }
    }

    /// What it knows of a leader is void.
    pub fn forget_leader(&mut self) {
        (self.matched, self.beat) = (None, None);
        self.early.clear();
    }

    /// Entries after a place will not be applied.
    pub(super) fn cut(&mut self, place: u64) {
        for lane in &mut self.lanes {
            lane.queue.retain(|queued| *queued <= place);
            if lane.busy.is_some_and(|busy| busy > place) {
                lane.busy = Some(0);
            }
        }
        self.applied = self.applied.min(place);
        self.dispatched = self.dispatched.min(place);
    }

    /// It follows nobody.
    pub fn leads(&mut self) {
        self.forget_leader();
        (self.best, self.copy) = (None, None);
        self.bare.clear();
    }

    /// All is lost.
    pub fn lose_all(&mut self) {
        self.forget_leader();
        self.cut(0);
        (self.copy, self.complete, self.incoming) = (None, 0, None);
    }
}
