//! The simulated world.

pub mod balancer;
pub mod client;
pub mod external;
pub mod kinds;
pub mod network;
pub mod probe;
pub mod resilience;
pub mod service;
pub mod store;
