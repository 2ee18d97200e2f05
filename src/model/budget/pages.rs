//! What the alerts of a budget would have done: when they fire, which fault that tells of, what was missed.
//!
//! **Invariant.** A function of what was counted and of when faults were at work.

use super::{
    BurnAlertSpec, ErrorBudgetSpec,
    counts::{Counts, Decisions},
};
use crate::model::probe::{BudgetMeasured, BurnMeasured, FaultMeasured};

/// From when until when, ns.
type Span = (u64, u64);

/// A replication that is over, as a budget sees it.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// When it ended, ns.
    pub ended_at: u64,
    /// Length of its measured span, ns.
    pub span: u64,
}

/// What became of a budget and its alerts.
pub fn measured(
    spec: &ErrorBudgetSpec,
    counts: &Counts,
    faults: &[FaultMeasured],
    over: Over,
) -> BudgetMeasured {
    let faults: Vec<Span> = faults.iter().flat_map(|fault| &fault.spans).copied().collect();
    let (decided, bad) = counts.measured();
    let allowed = spec.objective.allowed();
    // As many bad ones as a window of such traffic may have.
    let whole = decided as f64 * allowed * spec.window.0 as f64 / over.span as f64;
    let share = over.span.min(spec.window.0) as f64 / spec.window.0 as f64;
    let watch = Watch {
        period: counts.period(),
        sums: counts.sums(over.ended_at),
        faults,
        ended_at: over.ended_at,
        whole,
    };
    BudgetMeasured {
        spent: (decided > 0).then(|| bad as f64 / decided as f64 / allowed * share),
        alerts: spec.burns().iter().map(|alert| watch.alert(alert, spec)).collect(),
    }
}

/// One budget in one replication.
struct Watch {
    period: u64,
    /// What was decided before each look.
    sums: Vec<Decisions>,
    /// When faults were at work.
    faults: Vec<Span>,
    ended_at: u64,
    /// Bad requests that spend a whole window's budget.
    whole: f64,
}

/// What an alert told of one fault.
#[derive(Clone, Debug, Default)]
struct Told {
    /// First page.
    paged: Option<u64>,
    /// When the last of its pages was over; `u64::MAX`: not by the end.
    over: u64,
}

impl Watch {
    fn alert(&self, alert: &BurnAlertSpec, spec: &ErrorBudgetSpec) -> BurnMeasured {
        if alert.long.0 >= self.ended_at {
            return BurnMeasured::default();
        }
        let firing = self.firing(alert, alert.burn.0 * spec.objective.allowed());
        let mut told = vec![Told::default(); self.faults.len()];
        let mut false_pages = 0;
        for &(page, over) in &firing {
            match self.fault_of(page, alert.long.0) {
                Some(fault) => {
                    let told = &mut told[fault];
                    *told = Told { paged: told.paged.or(Some(page)), over };
                }
                // Before that the window is still filling: that does not come every month.
                None => false_pages += u64::from(page >= alert.long.0),
            }
        }
        let least = alert.burn.0 * alert.long.0 as f64 / spec.window.0 as f64;
        let missed = self.faults.iter().filter(|fault| {
            let seen = |&(page, over): &Span| {
                page < fault.1.saturating_add(alert.long.0) && over > fault.0
            };
            let until = fault.1.saturating_add(alert.short.0).min(self.ended_at);
            let spent = self.spent(fault.0, until.div_ceil(self.period));
            spent.is_some_and(|spent| spent > least) && !firing.iter().any(seen)
        });
        let each = || {
            self.faults.iter().zip(&told).filter_map(|(f, told)| Some((f, told.paged?, told.over)))
        };
        let reset = each().filter(|(.., over)| *over < u64::MAX);
        BurnMeasured {
            fired: Some(firing.len() as u64),
            detect: mean(each().map(|(fault, page, _)| (page - fault.0) as f64 / 1e9)),
            reset: mean(reset.map(|(fault, _, over)| over.saturating_sub(fault.1) as f64 / 1e9)),
            spent_at_page: mean(
                each().filter_map(|(fault, page, _)| self.spent(fault.0, page / self.period)),
            ),
            missed: (!self.faults.is_empty()).then(|| missed.count() as u64),
            false_pages,
            quiet: self.quiet(alert.long.0),
        }
    }

    /// The spans in which it fires; `u64::MAX`: not over by the end.
    fn firing(&self, alert: &BurnAlertSpec, most: f64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut fires = false;
        for look in 1..self.sums.len() {
            let bad = [alert.long, alert.short].iter().all(|window| {
                let before = self.sums[look.saturating_sub((window.0 / self.period) as usize)];
                let now = self.sums[look];
                (now.1 - before.1) as f64 > most * (now.0 - before.0) as f64
            });
            let at = look as u64 * self.period;
            match (fires, bad) {
                (false, true) => spans.push((at, u64::MAX)),
                (true, false) => spans.last_mut().expect("it fires").1 = at,
                _ => {}
            }
            fires = bad;
        }
        spans
    }

    /// The last fault that began before a page, if it was at work in the long window.
    fn fault_of(&self, page: u64, long: u64) -> Option<usize> {
        let met = |fault: &Span| fault.0 < page && page < fault.1.saturating_add(long);
        let all = self.faults.iter().enumerate().filter(|(_, fault)| met(fault));
        all.max_by_key(|(i, fault)| (fault.0, usize::MAX - i)).map(|(i, _)| i)
    }

    /// The share of a whole window's budget spent from the look before an instant to look `until`.
    fn spent(&self, from: u64, until: u64) -> Option<f64> {
        let at = |look: u64| self.sums[(look as usize).min(self.sums.len() - 1)].1;
        let bad = at(until) - at(from / self.period);
        (self.whole > 0.0).then(|| bad as f64 / self.whole)
    }

    /// Time in which a page would be false, ns: a whole long window has been seen, and no fault in it.
    fn quiet(&self, long: u64) -> u64 {
        let mut spans: Vec<Span> =
            self.faults.iter().map(|f| (f.0.max(long), f.1.saturating_add(long))).collect();
        spans.sort_unstable();
        let (mut quiet, mut from) = (0, long);
        for (start, end) in spans {
            quiet += start.min(self.ended_at).saturating_sub(from);
            from = from.max(end);
        }
        quiet + self.ended_at.saturating_sub(from)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_what_no_fault_reaches() {
        let watch = |faults: &[Span]| Watch {
            period: 1,
            sums: vec![(0, 0)],
            faults: faults.to_vec(),
            ended_at: 100,
            whole: 1.0,
        };
        for (faults, quiet) in [
            (&[][..], 90),
            (&[(50, 60)], 70),
            (&[(50, 60), (55, 58), (65, 66)], 64),
            (&[(0, 2)], 88),
            (&[(95, 99)], 85),
            (&[(0, 100)], 0),
            (&[(40, 40)], 80),
        ] {
            assert_eq!(watch(faults).quiet(10), quiet, "{faults:?}");
        }
    }
}
