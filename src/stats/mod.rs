//! Pure estimators: histogram, intervals. Nothing here knows the simulated world.

mod histogram;
pub use histogram::Histogram;
