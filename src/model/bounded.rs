//! What instances hold of what there is only so much of: cores, workers, connections, locks, memory.
//!
//! **Invariant.** What is held lies within what there is; an instance that is down holds nothing and has nothing.

use std::ops::Range;

/// Something bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded {
    /// `cores`, `workers`, `pool:db`, `bulkhead:db`, `lock:seat`, `memory`, `threads`, `descriptors`, `quota`.
    pub name: String,
    /// How much there is: in each instance, or in all.
    pub capacity: f64,
    /// Each instance has its own.
    pub each: bool,
    /// What is held is read at the end of a window, not integrated over it.
    pub sampled: bool,
}

/// Who was full in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All instances together.
    All,
    /// An instance, while the others were not.
    One(u32),
}

/// What was held of something bounded.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What it is.
    pub name: String,
    /// How much there is: in each instance, or in all.
    pub capacity: f64,
    /// By instance, over the measured span: what was held and what there was, unit-ns. One pair where all
    /// share it.
    pub instances: Vec<(f64, f64)>,
    /// Who was full in each window of the run.
    pub full: Vec<Option<Full>>,
}

/// Stretches of what is true.
pub fn runs(values: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in values.enumerate().filter(|(_, one)| *one) {
        match found.last_mut().filter(|run| run.end == at) {
            Some(run) => run.end += 1,
            None => found.push(at..at + 1),
        }
    }
    found
}
