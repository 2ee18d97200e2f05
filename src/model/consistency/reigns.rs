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
    /// Writes that were given more than one place, by version.
    again: BTreeMap<u64, Again>,
}

/// A write of a key that was asked for again, and was given a place each time.
#[derive(Clone, Debug)]
struct Again {
    shard: u16,
    key: u64,
    /// Among all places of the key, as they were given.
    places: Vec<u64>,
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

    /// A shard gives a version of a key a place that has one already: which of them counts.
    pub fn gives_again(
        &mut self,
        shard: u16,
        (key, version): (u64, u64),
        (before, order): (u64, u64),
    ) -> u64 {
        let new = || Again { shard, key, places: vec![before] };
        let mut again = self.again.remove(&version).unwrap_or_else(new);
        again.places.push(order);
        let counts = self.counts(&again);
        self.again.insert(version, again);
        counts
    }

    /// Likewise now, of all: keys, versions and the places that count.
    pub fn all_again(&self) -> Vec<(u64, u64, u64)> {
        self.again.iter().map(|(version, all)| (all.key, *version, self.counts(all))).collect()
    }

    /// The last one that nobody began without. Whoever leads no more may go on for a while, and give a place after his successor.
    fn counts(&self, Again { shard, key, places }: &Again) -> u64 {
        let fresh = |reign: &Reign| reign.since.is_none();
        let stays = |place: &&u64| self.first_without((*key, **place), *shard, fresh).is_none();
        let last = places.iter().rfind(stays).or(places.last());
        last.copied().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_places_the_last_counts_that_nobody_began_without() {
        let mut all = Reigns::default();
        let at = |term, index| place(term, index);
        for (term, began_with, now) in [(1, 0, 0), (2, at(1, 4), 10)] {
            all.began(0, (term, began_with), now);
        }
        // The second leader, then the first one, who does not know yet.
        assert_eq!(all.gives_again(0, (7, 70), (at(2, 6), at(1, 9))), at(2, 6));
        // As if nobody led anew in between: what was entered last.
        assert_eq!(all.gives_again(0, (7, 71), (at(2, 7), at(2, 8))), at(2, 8));
        // The first one leads once more, with what it had.
        all.began(0, (3, at(1, 9)), 20);
        assert_eq!(all.all_again(), [(7, 70, at(1, 9)), (7, 71, at(2, 8))]);
    }
}
