//! What an expression may name.

use std::collections::{BTreeMap, BTreeSet};

/// The names of a scenario that an expression may use.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Each client's operations.
    pub clients: BTreeMap<String, Vec<String>>,
    /// All nodes.
    pub nodes: BTreeSet<String>,
    /// All `mark` steps.
    pub marks: BTreeSet<String>,
    /// All attributes of requests.
    pub attributes: BTreeSet<String>,
    /// Measured span, ns.
    pub span: u64,
    /// Length of the windows of the time series, ns.
    pub window: u64,
    /// Ids of all faults.
    pub faults: BTreeSet<String>,
    /// Names of all alerts.
    pub alerts: BTreeSet<String>,
    /// Something has a price.
    pub priced: bool,
    /// Nodes that have one.
    pub priced_nodes: BTreeSet<String>,
    /// Stores whose history is followed.
    pub followed: BTreeSet<String>,
    /// What speaks against claims about each of them, and what would help: that one order explains all answers, that no read
    /// is old, that no acknowledged write is lost.
    pub doubts: BTreeMap<String, [Option<(&'static str, &'static str)>; 3]>,
    /// Sides of each fault that cuts those who ask apart.
    pub sides: BTreeMap<String, Vec<String>>,
    /// Node and name of the locks of which each key (`per`) has its own.
    pub key_locks: BTreeSet<(String, String)>,
}
