//! What a leader knows of another one: how far that is in its log, and what came of that one's log.
//!
//! **Invariant.** It dies with the process, but for the lives that are over and what was taken in them.

use std::collections::{BTreeMap, VecDeque};

use super::config::{PACE, PAST, PATIENCE, RESEND};
use super::message::{Entry, Life};
use super::store::Mark;
use crate::replication::words::Peer;

/// All data on their way to another leader, a chunk at a time.
#[derive(Clone, Debug)]
pub(super) struct Copying {
    /// The life of the other one that asked.
    pub(super) to: Life,
    /// All keys, and how many of them have arrived.
    pub(super) keys: Vec<u64>,
    pub(super) done: usize,
    /// By what the chunk under way is answered.
    pub(super) number: u64,
    /// All that is in the log up to this place is in the data.
    pub(super) upto: u64,
    /// The next chunk waits for its time.
    pub(super) paced: bool,
}

/// How far another leader is in the log of this one.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) peer: Peer,
    /// Its place among the leaders.
    pub(super) place: u8,
    /// It has all up to this place; none if that is not known.
    pub(super) acked: Option<u64>,
    /// All up to this place was sent to it.
    pub(super) sent: u64,
    /// The last place that was ever sent to it.
    pub(super) most: u64,
    /// When it was last heard of, or else something was sent to it again, ns.
    pub(super) since: u64,
    /// How long it may be silent, ns: longer each time it is.
    pub(super) wait: u64,
    /// Entries are sent to it as they leave: it answers.
    pub(super) streams: bool,
    /// What its round trip is measured by: the place of an entry and when that was sent.
    pub(super) probe: Option<(u64, u64)>,
    /// How long its last answer took, ns.
    pub(super) trip: u64,
    /// It is sent all data.
    pub(super) copying: Option<Copying>,
}

impl Copy {
    pub(super) fn new(peer: Peer, place: u8, acked: Option<u64>, now: u64) -> Self {
        Self {
            peer,
            place,
            acked,
            sent: acked.unwrap_or_default(),
            most: 0,
            since: now,
            wait: RESEND,
            streams: acked.is_some(),
            probe: None,
            trip: 0,
            copying: None,
        }
    }

    /// It has answered.
    pub(super) fn heard(&mut self, now: u64) {
        (self.since, self.wait) = (now, (self.trip * 2).clamp(RESEND, PATIENCE));
    }

    /// It has not, for too long.
    pub(super) fn silent(&mut self, now: u64) {
        (self.since, self.wait) = (now, (self.wait * 2).min(PATIENCE));
    }

    /// When it is to be sent something that is no new entry, if entries up to this place have left.
    pub(super) fn due(&self, left: u64) -> Option<u64> {
        match &self.copying {
            Some(copying) if copying.paced => Some(self.since + PACE),
            None if self.acked >= Some(left) => None,
            _ => Some(self.since + self.wait),
        }
    }
}

/// What came of another leader's log.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// Lives of it that are over, the last of them.
    pub(super) past: VecDeque<Life>,
    /// All up to this place of its log was taken, in whatever life: places rise over lives.
    pub(super) had: u64,
    /// So many lives of it are over, at least.
    pub(super) over: u32,
    /// All up to this place has come; none if it has to be told everything first.
    pub(super) came: Option<u64>,
    /// What has come before its turn.
    pub(super) early: BTreeMap<u64, Entry>,
    /// What is not applied yet, up to `came`, and what is applied before its turn.
    pub(super) queue: VecDeque<(Entry, bool)>,
    /// The other one was told that all up to this place is here for good.
    pub(super) told: u64,
    /// When.
    pub(super) told_at: u64,
}

impl Origin {
    /// As it is after its process has died: of one that has lost all nothing is known.
    pub(super) fn restart(&mut self, mark: &Mark) {
        let past = std::mem::take(&mut self.past);
        let kept = if mark.life == 0 {
            Self::default()
        } else {
            Self { past, had: self.had, over: self.over, ..Self::default() }
        };
        *self = Self { came: mark.upto, ..kept };
    }

    /// A life of it is over.
    pub(super) fn is_over(&mut self, Mark { life, upto }: Mark) {
        self.had = self.had.max(upto.unwrap_or_default());
        self.over += 1;
        if life != 0 {
            self.past.push_back(life);
            if self.past.len() > PAST {
                self.past.pop_front();
            }
        }
        (self.came, self.told) = (None, 0);
        self.early.clear();
    }
}

/// Entries of some keys, to be applied one after another: whose, and their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    pub(super) queue: VecDeque<(u8, u64)>,
    pub(super) busy: Option<(u8, u64)>,
}
