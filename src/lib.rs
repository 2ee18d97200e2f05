//! Windtunnel: a deterministic discrete-event simulator of distributed-system designs.
//!
//! The modules below are listed in layer order, lowest first; imports go down only.

pub mod cause;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
mod explain;
mod expr;
mod history;
mod model;
pub mod node_kind;
pub mod outcome;
pub mod plan;
pub mod playground;
pub mod problem;
mod replication;
pub mod report;
pub mod results;
mod runner;
pub mod scenario;
pub mod size;
mod slo;
pub mod stats;
pub mod study;
pub mod sweep;
mod units;
