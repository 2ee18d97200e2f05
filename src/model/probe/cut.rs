//! What was seen from either side of a cut.
//!
//! **Invariant.** As in `probe.rs`.

/// The sides of a cut.
#[derive(Clone, Debug, Default)]
pub struct CutMeasured {
    /// Where, in the `around` of operations, its requests are counted: by side, and before, during, after it.
    pub place: usize,
    /// Those from which anybody asks.
    pub sides: Vec<SideMeasured>,
}

/// What was seen from one side of a cut.
#[derive(Clone, Debug, Default)]
pub struct SideMeasured {
    /// What it is called.
    pub name: String,
    /// Who and what the file puts there.
    pub names: Vec<String>,
    /// Stale reads and all that were answered, of requests sent before, during and after it.
    pub reads: [(u64, u64); 3],
    /// By window of the intended send, over the whole run.
    pub windows: Vec<SideWindow>,
    /// Acknowledged writes asked for from there that were lost, as of the fault.
    pub lost: u64,
}

/// Requests sent from one side of a cut in one window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideWindow {
    /// Decided ones.
    pub decided: u64,
    /// Ok and degraded ones within their deadline.
    pub good: u64,
    /// Reads for them that were answered.
    pub reads: u64,
    /// Those that were stale.
    pub stale: u64,
}

impl SideWindow {
    /// Adds those of another window.
    pub fn add(&mut self, other: &Self) {
        self.decided += other.decided;
        self.good += other.good;
        self.reads += other.reads;
        self.stale += other.stale;
    }
}
