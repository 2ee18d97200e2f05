//! The integration tests: one binary, each area in a file of its own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is its task")]
#![allow(clippy::disallowed_methods, reason = "a test that hangs is ended by the clock")]

mod active;
mod again;
mod alerts;
mod background;
mod bad_input;
mod balancing;
mod bounds;
mod budgets;
mod caches;
mod catalogue;
mod changes;
mod check;
mod cli;
mod cost;
mod deployments;
mod design;
mod determinism;
mod dns;
mod embedding;
mod explain;
mod fault_shapes;
mod fault_times;
mod faults;
mod floors;
mod hashing;
mod health;
mod hostile;
mod inbound;
mod incidents;
mod limits;
mod locks;
mod metamorphic;
mod mistakes;
mod network;
mod peers;
mod placement;
mod readme;
mod recovery;
mod reference;
mod reported;
mod resilience;
mod resources;
mod scenarios;
mod swarm;
mod tables;
mod targets;
mod terminal;
mod theory;
mod tidy;
mod told;
mod traces;
mod undecided;
mod warm_up;
