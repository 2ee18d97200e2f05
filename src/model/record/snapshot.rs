//! The books of all nodes at one instant.

use std::collections::BTreeMap;

use crate::{
    cause::Cause,
    model::{
        books::{EnvironmentBooks, InstanceBooks},
        fault::uptime::UptimeBooks,
        network::PAID,
        probe::Between,
    },
    outcome::Tally,
};

/// Books of all nodes at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Instant.
    pub at: u64,
    /// Per node: its record's integrals and its instances' books.
    pub nodes: Vec<NodeSnapshot>,
    /// How long no node was short of instances.
    pub uptime: UptimeBooks,
    /// What passed between nodes.
    pub between: Between,
    /// Bytes sent over each class of traffic that can have a price.
    pub traffic: [u64; PAID.len()],
}

/// Books of one node at one instant.
#[derive(Clone, Debug, Default)]
pub struct NodeSnapshot {
    /// Integral of visits inside from time 0.
    pub in_system: u128,
    /// Arrivals from time 0.
    pub arrivals: u64,
    /// Departures from time 0.
    pub departures: u64,
    /// Visits by outcome from time 0.
    pub outcomes: Tally,
    /// Finer causes from time 0.
    pub causes: BTreeMap<Cause, u64>,
    /// How long its instances were up.
    pub uptime: UptimeBooks,
    /// Functions: environments.
    pub environments: EnvironmentBooks,
    /// Instances.
    pub instances: Vec<InstanceBooks>,
    /// What they hold of each further thing that is bounded, instance by instance (`bounded.rs`).
    pub held: Vec<u128>,
}
