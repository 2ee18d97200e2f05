//! Log-linear histogram.

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Histogram;
