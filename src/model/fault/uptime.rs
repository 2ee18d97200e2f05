//! How long enough instances are up (`semantics.md` 24, 50): state intervals, which cost nothing between
//! faults.
//!
//! **Invariant.** An outage begins when the last one that is needed falls and ends when it rises.

use crate::model::books::Area;

/// The instances of a node; or the nodes of a design, of which all are needed.
#[derive(Clone, Debug)]
pub struct Uptime {
    /// How many may be down at once without an outage.
    spare: u64,
    /// Those that are down.
    down: Area,
    /// Whether there are too few.
    short: Area,
    /// When the last outage ended: one that begins at that instant is the same one, as where an instance that is
    /// repaired has yet to boot.
    ended: Option<u64>,
    books: UptimeBooks,
}

/// What is known of some uptime: integrals and counts from time 0, extremes since the measured span
/// began.
#[derive(Clone, Copy, Debug, Default)]
pub struct UptimeBooks {
    /// Time down, summed over instances, instance-ns.
    pub down: u128,
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
            short: self.short - earlier.short,
            outages: self.outages - earlier.outages,
            ..self
        }
    }
}

impl Uptime {
    /// All are up.
    pub fn new(spare: u64) -> Self {
        let (down, short) = (Area::default(), Area::default());
        Self { spare, down, short, ended: None, books: UptimeBooks::default() }
    }

    /// One goes down; whether an outage begins.
    pub fn fall(&mut self, now: u64) -> bool {
        self.down.enter(now);
        self.books.most_down = self.books.most_down.max(self.down.count());
        let begins = self.down.count() == self.spare + 1;
        if begins {
            self.short.enter(now);
            self.books.outages += u64::from(self.ended != Some(now));
        }
        begins
    }

    /// One is up again; whether an outage ends.
    pub fn rise(&mut self, now: u64) -> bool {
        let ends = self.down.count() == self.spare + 1;
        if ends {
            self.short.leave(now);
            self.ended = Some(now);
        }
        self.down.leave(now);
        self.books.least_down = self.books.least_down.min(self.down.count());
        ends
    }

    /// The measured span begins.
    pub fn begin_span(&mut self) {
        let down = self.down.count();
        (self.books.least_down, self.books.most_down) = (down, down);
    }

    /// The books at an instant.
    pub fn books(&self, now: u64) -> UptimeBooks {
        UptimeBooks { down: self.down.until(now), short: self.short.until(now), ..self.books }
    }
}
