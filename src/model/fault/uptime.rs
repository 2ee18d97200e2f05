//! How long enough instances are up (`semantics.md` 24, 50): state intervals, which cost nothing between
//! faults.
//!
//! **Invariant.** An outage begins when the last one that is needed falls and ends when it rises.

use crate::model::books::Area;

/// The instances of a node, in groups that each need so many of theirs (the replicas of a shard; most nodes are one
/// group); or the nodes of a design, of which all are needed.
#[derive(Clone, Debug)]
pub struct Uptime {
    /// Instances of a group.
    each: usize,
    /// How many of a group may be down at once without an outage.
    spare: u64,
    groups: Vec<Group>,
    /// Those that are down.
    down: Area,
    /// Those of which the place is free, or being booted in.
    off: Area,
    /// The latter alone.
    booting: Area,
    /// Whether some group has too few.
    short: Area,
    /// Groups that have too few.
    short_groups: u64,
    /// When the last outage ended: one that begins at that instant is the same one, as where an instance that is
    /// repaired has yet to boot.
    ended: Option<u64>,
    books: UptimeBooks,
}

/// Instances that do the same work.
#[derive(Clone, Debug, Default)]
struct Group {
    /// How many are down.
    down: u64,
    /// One of them leads, and must be up.
    led: bool,
    /// Who does: two while one does not know that it was replaced.
    leaders: Vec<u16>,
}

impl Group {
    fn is_short(&self, spare: u64) -> bool {
        self.down > spare || self.led && self.leaders.is_empty()
    }
}

/// What is known of some uptime: integrals and counts from time 0, extremes since the measured span
/// began.
#[derive(Clone, Copy, Debug, Default)]
pub struct UptimeBooks {
    /// Time down, or not there, summed over instances, instance-ns.
    pub down: u128,
    /// Of that, time their place was free or being booted in, instance-ns.
    pub off: u128,
    /// Of that, time it was being booted in, instance-ns.
    pub booting: u128,
    /// Time in which fewer are up than needed, ns.
    pub short: u128,
    /// Outages that began.
    pub outages: u64,
    /// Fewest down at once.
    pub least_down: u64,
    /// Most down at once.
    pub most_down: u64,
}

impl UptimeBooks {
    /// What came after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            down: self.down - earlier.down,
            off: self.off - earlier.off,
            booting: self.booting - earlier.booting,
            short: self.short - earlier.short,
            outages: self.outages - earlier.outages,
            ..self
        }
    }
}

impl Uptime {
    /// All are up: so many in groups of `each`, of which `need` must be.
    pub fn new(instances: u64, each: u64, need: u64) -> Self {
        let groups = instances.checked_div(each).unwrap_or(1);
        Self {
            each: each.max(1) as usize,
            spare: each.saturating_sub(need),
            groups: vec![Group::default(); groups as usize],
            down: Area::default(),
            off: Area::default(),
            booting: Area::default(),
            short: Area::default(),
            short_groups: 0,
            ended: None,
            books: UptimeBooks::default(),
        }
    }

    /// One of each group leads, at first its first one.
    #[must_use]
    pub fn led(mut self) -> Self {
        for (i, group) in self.groups.iter_mut().enumerate() {
            (group.led, group.leaders) = (true, vec![(i * self.each) as u16]);
        }
        self
    }

    /// Changes a group; whether an outage begins (true) or ends (false).
    fn change(&mut self, inst: u16, now: u64, change: impl FnOnce(&mut Group)) -> Option<bool> {
        let group = self.groups.get_mut(usize::from(inst) / self.each)?;
        let was = group.is_short(self.spare);
        change(group);
        let is = group.is_short(self.spare);
        let before = self.short_groups;
        self.short_groups = self.short_groups + u64::from(is) - u64::from(was);
        match (before > 0, self.short_groups > 0) {
            (false, true) => {
                self.short.enter(now);
                self.books.outages += u64::from(self.ended != Some(now));
                Some(true)
            }
            (true, false) => {
                self.short.leave(now);
                self.ended = Some(now);
                Some(false)
            }
            _ => None,
        }
    }

    /// An instance goes down; whether an outage begins.
    pub fn fall(&mut self, inst: u16, now: u64) -> Option<bool> {
        self.groups.get(usize::from(inst) / self.each)?;
        self.down.enter(now);
        self.books.most_down = self.books.most_down.max(self.down.count());
        self.change(inst, now, |group| {
            group.down += 1;
            group.leaders.retain(|leader| *leader != inst);
        })
    }

    /// It is up again; whether an outage ends.
    pub fn rise(&mut self, inst: u16, now: u64) -> Option<bool> {
        self.groups.get(usize::from(inst) / self.each)?;
        let change = self.change(inst, now, |group| group.down -= 1);
        self.down.leave(now);
        self.books.least_down = self.books.least_down.min(self.down.count());
        change
    }

    /// The place of one is free from now on, or is not any more.
    pub fn is_off(&mut self, inst: u16, begins: bool, now: u64) {
        if self.groups.len() <= usize::from(inst) / self.each {
            return; // as in `fall`
        }
        if begins { self.off.enter(now) } else { self.off.leave(now) }
    }

    /// Somebody boots in such a place, or does not any more.
    pub fn boots(&mut self, begins: bool, now: u64) {
        if begins { self.booting.enter(now) } else { self.booting.leave(now) }
    }

    /// An instance leads its group; whether that ends an outage.
    pub fn leads(&mut self, inst: u16, now: u64) -> Option<bool> {
        self.change(inst, now, |group| {
            group.leaders.retain(|leader| *leader != inst);
            group.leaders.push(inst);
        })
    }

    /// It leads no more; whether that begins one.
    pub fn leads_no_more(&mut self, inst: u16, now: u64) -> Option<bool> {
        self.change(inst, now, |group| group.leaders.retain(|leader| *leader != inst))
    }

    /// The measured span begins.
    pub fn begin_span(&mut self) {
        let down = self.down.count();
        (self.books.least_down, self.books.most_down) = (down, down);
    }

    /// The books at an instant.
    pub fn books(&self, now: u64) -> UptimeBooks {
        UptimeBooks {
            down: self.down.until(now),
            off: self.off.until(now),
            booting: self.booting.until(now),
            short: self.short.until(now),
            ..self.books
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_away_who_is_not_counted_as_down() {
        // Four count, in one group; places beyond them are for those who come instead.
        let mut uptime = Uptime::new(4, 4, 1);
        for (place, at) in [(3, 10), (4, 20)] {
            uptime.is_off(place, true, at);
            uptime.fall(place, at);
        }
        let books = uptime.books(110);
        assert_eq!((books.off, books.down), (100, 100));
        for place in [3, 4] {
            uptime.is_off(place, false, 110);
            uptime.rise(place, 110);
        }
        let books = uptime.books(500);
        assert_eq!((books.off, books.down), (100, 100));
    }
}
