//! Pure estimators: streaming histograms and intervals over replications.
//!
//! **Invariant.** Everything here is mathematics on numbers: nothing knows the simulated world, and
//! the order in which histograms are merged changes no bit of any result.

mod histogram;
mod interval;
mod mser;

pub use histogram::{CoarseHistogram, Histogram, LogHistogram};
pub use interval::{interval_around, mean, mean_interval, student_t};
pub use mser::{Steady, mser};
