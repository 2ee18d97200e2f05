//! The simulated world: nodes that call one another over a network.
//!
//! `build` resolves names and prepares tables, `check` says what is wrong, `sim` runs one
//! replication. Nodes (`node.rs`) are state machines behind one trait; each kind lives in a room of
//! its own and is registered in `kinds.rs`.
//!
//! **Invariant.** The model reads no clock, file, thread or environment.

pub mod alert;
mod any_node;
pub mod attributes;
mod audit;
pub mod autoscale;
pub mod balancer;
pub mod books;
pub mod bounded;
pub mod budget;
pub mod build;
mod by_slot;
pub mod cache;
pub mod check;
pub mod check_design;
mod check_flow;
mod check_prices;
mod check_single;
mod check_size;
mod check_steps;
mod check_versions;
pub mod client;
pub mod clock;
pub mod connection;
pub mod consistency;
pub mod demand;
pub mod design;
pub mod dns;
pub mod event;
pub mod external;
pub mod fault;
pub mod frame;
pub mod function;
pub mod ids;
pub mod kind;
pub mod kinds;
pub mod lasted;
mod measured;
pub mod names;
pub mod network;
pub mod node;
mod open;
pub mod plan;
pub mod prices;
pub mod probe;
pub mod purchase;
pub mod queue;
pub mod record;
pub mod replication;
pub mod resilience;
pub mod ring;
mod route;
mod run;
pub mod scenario;
pub mod service;
pub mod sim;
pub mod span;
pub mod store;
mod tick;
pub mod topic;
pub mod traces;
pub mod versions;
pub mod watch;
mod windows;
pub mod world;

pub use check_flow::Offered;
pub use scenario::Scenario;
