//! What budgets count while a replication runs.
//!
//! **Invariant.** Memory goes by the number of looks, never by that of requests.

/// Requests decided: all, and those that were bad.
pub type Decisions = (u64, u64);

/// What is counted for one budget.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The rows of operations it is about.
    rows: Vec<bool>,
    /// Who succeeds later is bad, ns; none: who succeeds after its deadline.
    limit: Option<u64>,
    /// Time between two looks, ns.
    period: u64,
    /// What was decided between two looks, from 0 on.
    looks: Vec<Decisions>,
    /// Of all requests sent in the measured span.
    measured: Decisions,
}

/// A decided request, as far as a budget asks.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Row of its operation.
    pub row: usize,
    /// It succeeded.
    pub success: bool,
    /// It was decided within its deadline, or has none.
    pub in_time: bool,
    /// How long that took, ns.
    pub latency: u64,
    /// It was sent in the measured span.
    pub measured: bool,
}

impl Counts {
    /// Nothing yet, of so many ns.
    pub fn new(rows: Vec<bool>, limit: Option<u64>, (period, duration): (u64, u64)) -> Self {
        let looks = vec![(0, 0); duration.div_ceil(period) as usize];
        Self { rows, limit, period, looks, measured: (0, 0) }
    }

    /// A request is decided.
    pub fn note(&mut self, now: u64, request: &Answered) {
        if !self.rows[request.row] {
            return;
        }
        let soon = self.limit.map_or(request.in_time, |limit| request.latency <= limit);
        let bad = u64::from(!(request.success && soon));
        let since_look = &mut self.looks[(now / self.period) as usize];
        *since_look = (since_look.0 + 1, since_look.1 + bad);
        if request.measured {
            self.measured = (self.measured.0 + 1, self.measured.1 + bad);
        }
    }

    /// Time between two looks, ns.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// Of all requests sent in the measured span.
    pub fn measured(&self) -> Decisions {
        self.measured
    }

    /// What was decided before each look, from that at 0 to the last one before `end`, ns.
    pub fn sums(&self, end: u64) -> Vec<Decisions> {
        let looks = (end.saturating_sub(1) / self.period) as usize;
        let mut sum = (0, 0);
        let mut sums = vec![sum];
        sums.extend(self.looks.iter().take(looks).map(|between| {
            sum = (sum.0 + between.0, sum.1 + between.1);
            sum
        }));
        sums
    }
}
