//! What faults do in one replication: when, where, how strongly.

use crate::model::ids::Host;

/// A fault that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// Index of the fault, in order of ids.
    pub fault: usize,
    /// From when, ns.
    pub start: u64,
    /// Until when, ns; `u64::MAX`: for ever.
    pub end: u64,
    /// Instances hit; empty for effects on messages and clients.
    pub hosts: Vec<Host>,
    /// It is not the fault itself but what comes after it.
    pub aftermath: Option<Aftermath>,
    /// Share of its full size it has.
    pub strength: f64,
    /// It goes on with what has begun: nothing new comes.
    pub goes_on: bool,
    /// When the whole began that it is a part of, before any delay: the same for all its parts and what comes after.
    pub root: u64,
}

impl Occurrence {
    /// Of full size.
    pub fn new(fault: usize, (start, end): (u64, u64), hosts: Vec<Host>) -> Self {
        let (aftermath, strength, goes_on, root) = (None, 1.0, false, start);
        Self { fault, start, end, hosts, aftermath, strength, goes_on, root }
    }
}

/// What an instance goes through after a crash, or in a deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aftermath {
    /// It starts; its host says that nobody is there.
    Boot,
    /// It is slower by this factor at first.
    Warm(f64),
    /// In a deployment: balancers send it nothing.
    Out,
    /// In a deployment: it takes nothing new, and its host says so.
    Closed,
    /// In a deployment: it takes up the new version, or the old one again.
    Switch {
        /// The old one.
        back: bool,
    },
    /// A deployment is taken back.
    Back,
}

/// An occurrence begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// When, ns.
    pub at: u64,
    /// It begins; ends come first (`semantics.md` 35).
    pub begins: bool,
    /// Index of the occurrence.
    pub occurrence: usize,
}
