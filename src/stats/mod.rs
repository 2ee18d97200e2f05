//! Pure estimators: streaming histograms, intervals, bounds and verdicts' errors over replications.
//!
//! **Invariant.** Everything here is mathematics on numbers: nothing knows the simulated world, and
//! the order in which histograms are merged changes no bit of any result.

mod bounds;
mod control;
mod histogram;
mod interval;
mod looks;
mod mser;
mod outline;
mod paired;
mod resample;
mod runs;
mod spread;
#[cfg(test)]
mod twin;
mod usl;

pub use bounds::{Bounds, Method, RESAMPLED_FROM};
pub use control::controlled;
pub use histogram::{CoarseHistogram, Histogram, LogHistogram};
pub use interval::{interval_around, mean, mean_interval, ratio_interval, ratio_values, student_t};
pub use looks::{
    Look, holm, looks, needed_for_precision, needed_to_tell, precision_looks, relative_half_width,
};
pub use mser::{Steady, mser};
pub use outline::{Outline, quantile_values};
pub use paired::{Paired, differences, identical, log_ratios, paired};
pub use runs::Runs;
pub use spread::QuantileSpread;
pub use usl::Usl;
