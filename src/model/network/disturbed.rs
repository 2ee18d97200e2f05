//! Messages under the faults of the network: cut, delayed, lost, doubled.
//!
//! **Invariant.** A message counts as sent on its link whatever becomes of it.

use std::collections::BTreeSet;

use crate::{
    engine::{law::Sampler, random::Stream},
    model::ids::{End, Host, NodeId, Zone},
};

/// One side of a disturbed path.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Nodes and clients.
    pub entities: BTreeSet<NodeId>,
    /// Zones.
    pub zones: BTreeSet<Zone>,
    /// Instances.
    pub hosts: BTreeSet<Host>,
    /// The leaders of a store's shards (true), or the others of so many replicas: who that is turns out when the fault
    /// begins.
    pub roles: Vec<(NodeId, u16, bool)>,
    /// Everything there is.
    pub everything: bool,
}

/// What a fault does to messages.
#[derive(Clone, Debug)]
pub enum Blow {
    /// None arrives; the network may tell who calls.
    Cut {
        /// It does.
        reject: bool,
    },
    /// They take longer.
    Delay(Sampler, Stream),
    /// Some are lost.
    Lose(Channel, Stream),
    /// Some calls arrive twice.
    Double(f64, Stream),
    /// Those each way wait for one another: bytes per ns, and when the last has left, forth and back.
    Throttle(f64, [u64; 2]),
}

/// A way on which a share of the messages is lost: each by itself, or while the channel is bad, which it
/// is for `burst` messages on average (E. N. Gilbert, "Capacity of a burst-noise channel", 1960; all are
/// lost in the bad state and none in the good one).
#[derive(Clone, Debug)]
pub struct Channel {
    /// Share of the messages that are lost.
    pub fraction: f64,
    /// So many in a row on average.
    pub burst: Option<f64>,
    /// Forth and back.
    pub bad: [bool; 2],
}

impl Channel {
    /// Whether a message that drew `u` is lost.
    pub fn loses(&mut self, u: f64, forth: bool, strength: f64) -> bool {
        let p = self.fraction * strength;
        let Some(burst) = self.burst.filter(|_| p < 1.0) else { return u < p };
        let bad = &mut self.bad[usize::from(!forth)];
        // In the long run it is bad for p of the messages.
        *bad = if *bad { u >= 1.0 / burst } else { u < p / ((1.0 - p) * burst) };
        *bad
    }
}

/// A fault of the network.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// Its index, in order of ids.
    pub fault: usize,
    /// Share of its full size it has now.
    pub strength: f64,
    /// One side.
    pub from: Side,
    /// The other side.
    pub to: Side,
    /// Only messages from the one to the other are hit.
    pub one_way: bool,
    /// What it does to them.
    pub blow: Blow,
}

/// Those of so many instances of a node that are among its leaders, or those that are not.
pub fn with_role(node: NodeId, all: u16, leads: bool, leaders: &[u16]) -> Vec<Host> {
    let has_role = |inst: &u16| leaders.contains(inst) == leads;
    (0..all).filter(has_role).map(|inst| (node, inst)).collect()
}

impl Disturbance {
    /// It begins: who has the roles that its sides name.
    pub fn find_roles(&mut self, leaders: impl Fn(NodeId) -> Vec<u16>) {
        for side in [&mut self.from, &mut self.to] {
            for &(node, all, leads) in &side.roles {
                side.hosts.extend(with_role(node, all, leads, &leaders(node)));
            }
        }
    }
}

impl Side {
    /// Whether something of an entity that stands in a zone can be on this side.
    pub fn may_hold(&self, end: End) -> bool {
        self.holds((end.0, u16::MAX), end.1)
            || self.hosts.iter().any(|host| host.0 == end.0)
            || self.roles.iter().any(|role| role.0 == end.0)
    }

    /// Whether an instance that stands in a zone is on this side.
    pub fn holds(&self, host: Host, zone: Zone) -> bool {
        self.everything
            || self.entities.contains(&host.0)
            || self.zones.contains(&zone)
            || self.hosts.contains(&host)
    }
}
