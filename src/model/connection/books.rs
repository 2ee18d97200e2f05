//! What is measured of a pool of connections.

use crate::stats::Histogram;

/// A pool, at all its calling instances.
#[derive(Clone, Debug, Default)]
pub struct PoolBooks {
    /// The kind and name of the caller, and the node called.
    pub ends: (String, String),
    /// Calls that got a connection, or did not.
    pub asked: u64,
    /// Of these: not at once.
    pub waited: u64,
    /// How long they waited for one that was ready, all of them, ns.
    pub waits: Histogram,
    /// Connections that were begun to be opened.
    pub setups: u64,
    /// Calls that met a connection that the other end had closed.
    pub resets: u64,
}

impl PoolBooks {
    /// Pools between these, nothing measured yet.
    pub fn of(ends: &[(String, String)]) -> Vec<Self> {
        ends.iter().map(|ends| Self { ends: ends.clone(), ..Self::default() }).collect()
    }

    /// A call has waited so long, ns.
    pub fn asked(&mut self, waited: u64) {
        self.asked += 1;
        self.waited += u64::from(waited > 0);
        self.waits.record(waited);
    }

    /// The measured span begins.
    pub fn begin_span(&mut self) {
        *self = Self { ends: std::mem::take(&mut self.ends), ..Self::default() };
    }

    /// Adds what was measured at the same edge with other rules.
    pub fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.waited += other.waited;
        self.waits.merge(&other.waits);
        self.setups += other.setups;
        self.resets += other.resets;
    }
}
