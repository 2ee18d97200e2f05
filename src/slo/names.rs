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
    /// What speaks against claims about each of them.
    pub doubts: BTreeMap<String, Doubts>,
    /// Sides of each fault that cuts those who ask apart.
    pub sides: BTreeMap<String, Vec<String>>,
    /// Node and name of the locks of which each key (`per`) has its own.
    pub key_locks: BTreeSet<(String, String)>,
    /// Links with a bandwidth, and whether both ways have it.
    pub links: BTreeMap<String, bool>,
    /// Logs and the groups that read them.
    pub groups: BTreeSet<(String, String)>,
}

/// What speaks against claims about a store, each with what would help.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubts {
    /// One order of all operations explains all answers.
    pub order: Option<(&'static str, &'static str)>,
    /// No read is old.
    pub fresh: Option<(&'static str, &'static str)>,
    /// No acknowledged write is lost.
    pub kept: Option<(&'static str, &'static str)>,
}
