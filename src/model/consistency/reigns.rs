//! Reigns of leaders: with what each began, and so what is lost of the logs of a store.
//!
//! **Invariant.** What a leader began without is lost, if it was given its place before.

use std::collections::BTreeMap;

use super::stays::{Stay, Stays};
use crate::replication::{place, term_of};

/// How a leader began.
#[derive(Clone, Copy, Debug)]
pub struct Reign {
    /// The least place it gives.
    first: u64,
    /// The last place of what it began with.
    began_with: u64,
    /// It goes on in a term that had begun: then what was acknowledged after this instant, ns, is of its own. Whoever has
    /// lost all gives the same places again.
    pub since: Option<u64>,
    /// When it began, ns.
    pub at: u64,
}

impl Reign {
    /// What has this place was written before it, and it began without that.
    fn lost(&self, order: u64) -> bool {
        order < self.first && order > self.began_with
    }
}

/// The logs of a store whose replicas have leaders.
#[derive(Clone, Debug, Default)]
pub struct Reigns {
    /// By shard: how each reign began.
    all: BTreeMap<u16, Vec<Reign>>,
    /// The last place given in each term of each shard.
    last: BTreeMap<(u16, u64), u64>,
    /// Where keys stood that went from log to log.
    stays: Stays,
}

impl Reigns {
    /// No leader of any shard has begun since the start.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A shard has given a place in its log.
    pub fn gave(&mut self, shard: u16, order: u64) {
        self.last.insert((shard, term_of(order)), order);
    }

    /// A shard has given a place to a version of a key: what that is among all places of the key.
    pub fn place(&mut self, shard: u16, key: u64, order: u64) -> u64 {
        self.gave(shard, order);
        self.stays.place(key, shard, order)
    }

    /// The last place that a shard has given, if any.
    pub fn last(&self, shard: u16) -> Option<u64> {
        let of_log = self.last.range((shard, 0)..=(shard, u64::MAX));
        of_log.map(|(_, last)| *last).max()
    }

    /// A leader of a shard began its term with entries up to this place.
    pub fn began(&mut self, shard: u16, (term, began_with): (u64, u64), now: u64) {
        let before = self.last.get(&(shard, term));
        let first = before.map_or(place(term, 0), |last| last + 1);
        let since = before.map(|_| now);
        self.all.entry(shard).or_default().push(Reign { first, began_with, since, at: now });
    }

    /// A key, of which this is the newest place, went to another shard, in whose log that has the other one.
    pub fn moved(&mut self, key: u64, shards: (u16, u16), places: (u64, u64), now: u64) {
        let last = self.last(shards.0).unwrap_or(0);
        self.stays.moves(key, shards, places, (last, now));
    }

    /// Where what has this place among all of its key stands; `now` is the shard of the key.
    pub fn stands(&self, key: u64, place: u64, now: u16) -> Option<Stay> {
        self.stays.of(key, place, now).pop().filter(|stay| stay.until.is_none())
    }

    /// The first reign that began without that, of those that count.
    pub fn first_without(
        &self,
        (key, place): (u64, u64),
        now: u16,
        counts: impl Fn(&Reign) -> bool,
    ) -> Option<&Reign> {
        let lost = |stay: &Stay| {
            let (place, until) = (stay.place, stay.until);
            let lost = |reign: &&Reign| {
                reign.lost(place) && until.is_none_or(|until| reign.at <= until) && counts(reign)
            };
            self.all.get(&stay.shard)?.iter().find(lost)
        };
        self.stays.of(key, place, now).iter().find_map(lost)
    }
}
