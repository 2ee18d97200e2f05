//! Windtunnel: a deterministic discrete-event simulator of distributed-system designs.
//!
//! The modules below are listed in layer order, lowest first; imports go down only.

#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod explain;
pub mod expr;
pub mod model;
pub mod problem;
#[cfg(feature = "cli")]
pub mod report;
pub mod results;
pub mod runner;
pub mod scenario;
pub mod slo;
pub mod stats;
pub mod units;
