//! Arrivals by the clock: so many at the same time of every period.
//!
//! **Invariant.** Nothing is drawn: the n-th arrival is a function of n.

use std::fmt;

use super::Arrivals;
use crate::{
    expr::{Expr, Taker},
    units::{Count, SimDuration, ValueError},
};

/// Requests of one instant, at most.
const MOST_AT_ONCE: u64 = 1_000_000;
/// Requests of one period, at most: more than any run may have.
const MOST: u64 = 1_000_000_000_000;

/// So many requests at the same time of every period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The period, ns.
    pub every: u64,
    /// From its beginning to the first request, ns.
    pub at: u64,
    /// Requests in each.
    pub batch: u64,
    /// Over so much time they come, evenly, ns; 0: at once.
    pub over: u64,
}

impl Schedule {
    /// When the n-th (from 0) comes, ns.
    pub fn nth(&self, n: u64) -> u64 {
        let (round, place) = (n / self.batch, n % self.batch);
        let into = u128::from(self.over) * u128::from(place) / u128::from(self.batch);
        let at = u128::from(round) * u128::from(self.every) + u128::from(self.at) + into;
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    /// How many come before an instant.
    pub fn before(&self, end: u64) -> u64 {
        let Some(passed) = end.checked_sub(self.at + 1) else { return 0 };
        let whole = passed / self.every;
        // The last begun period: who comes strictly before the end.
        let within = u128::from(passed % self.every + 1);
        let begun = match u128::from(self.over) {
            0 => self.batch,
            over => (within * u128::from(self.batch)).div_ceil(over).min(self.batch.into()) as u64,
        };
        whole.saturating_mul(self.batch).saturating_add(begun)
    }

    /// Per second, in the mean of a period.
    pub fn rate(&self) -> f64 {
        self.batch as f64 / (self.every as f64 / 1e9)
    }
}

/// `schedule(every=24h at=2h batch=50k over=10m)`.
pub(super) fn schedule(expr: &Expr) -> Result<Arrivals, ValueError> {
    let mut t = Taker::new(expr, "schedule(every=24h at=2h batch=50k over=10m)")?;
    let every = t.need_read::<SimDuration>("every")?.0;
    let at = t.read::<SimDuration>("at")?.map_or(0, |at| at.0);
    let batch = t.read::<Count>("batch")?.map_or(1, |batch| batch.0);
    let over = t.read::<SimDuration>("over")?.map_or(0, |over| over.0);
    t.finish()?;
    let wrong = |message: String| Err(ValueError::new("E-RANGE", message));
    if every == 0 {
        return wrong("`every` must be above 0".to_owned());
    }
    if at >= every {
        return wrong(format!("`at` is a time of the period: less than {}", SimDuration(every)));
    }
    if over > every {
        return wrong(format!("`over` is longer than the period, {}", SimDuration(every)));
    }
    let most = if over == 0 { MOST_AT_ONCE } else { MOST };
    if batch == 0 || batch > most {
        return wrong(format!("`batch` must be in 1..={most}")).map_err(|error| {
            if over == 0 { error.help("spread them: `over=10m`") } else { error }
        });
    }
    Ok(Arrivals::Schedule(Schedule { every, at, batch, over }))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schedule(every={}", SimDuration(self.every))?;
        if self.at > 0 {
            write!(f, " at={}", SimDuration(self.at))?;
        }
        if self.batch > 1 {
            write!(f, " batch={}", Count(self.batch))?;
        }
        if self.over > 0 {
            write!(f, " over={}", SimDuration(self.over))?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_before(schedule: &Schedule, end: u64) -> u64 {
        (0..1000).take_while(|&n| schedule.nth(n) < end).count() as u64
    }

    #[test]
    fn as_many_are_expected_as_come() {
        for (every, at, batch, over) in [
            (10, 3, 4, 0),
            (10, 3, 4, 5),
            (10, 0, 3, 10),
            (7, 6, 5, 7),
            (10, 9, 1, 0),
            (9, 2, 7, 3),
        ] {
            let schedule = Schedule { every, at, batch, over };
            let mut last = 0;
            for n in 0..50 {
                assert!(schedule.nth(n) >= last, "in order of time");
                last = schedule.nth(n);
            }
            for end in 0..60 {
                assert_eq!(schedule.before(end), all_before(&schedule, end), "{schedule:?} {end}");
            }
        }
    }

    #[test]
    fn they_come_evenly_from_the_first_period_on() {
        let day = 86_400_000_000_000;
        let Ok(Arrivals::Schedule(schedule)) =
            "schedule(every=24h at=2h batch=50k over=10m)".parse::<Arrivals>()
        else {
            panic!("it is one");
        };
        assert_eq!(schedule.nth(0), 2 * day / 24);
        assert_eq!(schedule.nth(1) - schedule.nth(0), 12_000_000);
        assert_eq!(schedule.nth(49_999), 2 * day / 24 + 600_000_000_000 - 12_000_000);
        assert_eq!(schedule.nth(50_000), day + 2 * day / 24);
        assert_eq!(schedule.before(2 * day), 100_000);
        assert_eq!(schedule.nth(u64::MAX), u64::MAX);
    }
}
