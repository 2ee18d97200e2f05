//! Windtunnel: a deterministic discrete-event simulator of distributed-system designs.
//!
//! The modules below are listed in layer order, lowest first; imports go down only.

pub mod units;
pub mod expr;
pub mod problem;
pub mod stats;
pub mod engine;
pub mod results;
pub mod slo;
pub mod model;
pub mod scenario;
pub mod runner;
#[cfg(feature = "cli")]
pub mod report;
