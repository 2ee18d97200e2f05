//! All connections of a replication that have two ends, and what becomes of them.
//!
//! An end that closes one says so by a message, which takes its time, or is lost: then the other end has half of a connection
//! until it uses it, or its own time for idle ones is over.
//!
//! **Invariant.** Each end acts by what it knows. A connection is forgotten when it has no end any more.

use std::collections::{BTreeMap, VecDeque};

use crate::model::ids::{Host, NONE, NodeId, Slot};

/// The calling end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Near {
    Opening,
    Open,
    /// It takes no new calls, and is closed after those it has.
    Closing,
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) identity: u64,
    pub(super) near: Host,
    /// Whom the caller called: the far end, or a balancer before it.
    pub(super) called: Host,
    /// Index of the target that balancer chose.
    pub(super) through: Option<usize>,
    pub(super) far: Host,
    pub(super) pool: u32,
    pub(super) state: Near,
    pub(super) calls: u64,
    /// Who waits for it to be open: the first had it opened.
    pub(super) openers: Vec<Slot>,
    pub(super) trips: u64,
    /// When it is too old, ns.
    pub(super) dies: u64,
    pub(super) idle_since: u64,
    pub(super) near_due: u64,
    /// The far end has it.
    pub(super) accepted: bool,
    /// Visits there that came on it.
    pub(super) inside: Vec<Slot>,
    /// The far end has heard that the near one is gone.
    pub(super) left: bool,
    /// A greeting whose work is under way there.
    pub(super) greeting: Slot,
    pub(super) keep_alive: u64,
    pub(super) quiet_since: u64,
    pub(super) far_due: u64,
    /// A call came when the far end had closed it.
    pub(super) reset: bool,
}

/// Connections of a calling instance by one edge.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) streams: u64,
    pub(super) keep: u64,
    pub(super) idle: u64,
    pub(super) linger: u64,
    /// All that it knows of, which take ports.
    pub(super) all: u64,
    /// Those that take new calls; the one used last is the last.
    pub(super) free: Vec<u32>,
    /// When ports that linger are free again.
    pub(super) lingering: VecDeque<u64>,
}

/// What an instance knows of connections that end there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Far {
    pub(super) open: u64,
    pub(super) inside: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Connections {
    pub(super) all: BTreeMap<u32, Connection>,
    pub(super) next: u32,
    pub(super) pools: BTreeMap<(Host, u32), Pool>,
    pub(super) far: BTreeMap<Host, Far>,
    /// Targets of balancers that have one connection less.
    pub(super) over: BTreeMap<NodeId, Vec<usize>>,
}

/// What an event of a connection is about.
pub(super) const IDLE: u32 = 0;
pub(super) const QUIET: u32 = 1;
pub(super) const TO_NEAR: u32 = 2;
pub(super) const TO_FAR: u32 = 3;
/// It has come to the balancer between the ends.
pub(super) const HALFWAY: u32 = 4;
pub(super) const BITS: u32 = 3;

/// Whether an event of a connection is a message that arrives.
pub fn is_message(event: u32) -> bool {
    event & ((1 << BITS) - 1) >= TO_NEAR
}

impl Connections {
    /// Where a connection leads to.
    pub fn far_of(&self, id: u32) -> Option<Host> {
        self.all.get(&id).map(|c| c.called)
    }

    /// Connections open at an instance, and visits inside that came on one.
    pub fn at(&self, host: Host) -> (u64, u64) {
        let far = self.far.get(&host).copied().unwrap_or_default();
        (far.open, far.inside)
    }

    /// The target that a balancer chose for a connection; none: it has not.
    pub fn target_of(&self, id: u32) -> Option<usize> {
        self.all.get(&id)?.through
    }

    /// A balancer has chosen the instance at which a connection is to end.
    pub fn leads_to(&mut self, id: u32, index: usize, far: Host) {
        if let Some(c) = self.all.get_mut(&id) {
            (c.through, c.far) = (Some(index), far);
        }
    }

    /// Targets of a balancer that have one connection less than it thinks.
    pub fn take_over(&mut self, balancer: NodeId) -> Vec<usize> {
        self.over.get_mut(&balancer).map(std::mem::take).unwrap_or_default()
    }

    /// At whose instance an event is due.
    pub fn whose(&self, event: u32) -> Option<Host> {
        let (id, what) = (event >> BITS, event & ((1 << BITS) - 1));
        let c = self.all.get(&id);
        c.map(|c| match what {
            IDLE | TO_NEAR => c.near,
            QUIET | TO_FAR => c.far,
            _ => c.called,
        })
    }

    /// A place on a connection of a pool that leads to a node, to this instance of it or to any; the one used last first.
    pub(super) fn take_free(
        &mut self,
        place: (Host, u32),
        (to, any): (Host, bool),
        now: u64,
    ) -> Option<u32> {
        let pool = self.pools.get_mut(&place)?;
        let fits = |id: &u32| {
            let c = &self.all[id];
            c.called.0 == to.0 && (any || c.called == to) && now < c.dies
        };
        let at = pool.free.iter().rposition(fits)?;
        let id = pool.free[at];
        let c = self.all.get_mut(&id)?;
        c.calls += 1;
        if c.calls == pool.streams {
            pool.free.remove(at);
        }
        Some(id)
    }

    /// Forgets a connection that has no end any more.
    pub(super) fn settle(&mut self, id: u32) {
        let Some(c) = self.all.get(&id) else { return };
        if c.state != Near::Gone || c.accepted || c.greeting != NONE {
            return;
        }
        if let Some(index) = c.through {
            self.over.entry(c.called.0).or_default().push(index);
        }
        self.all.remove(&id);
    }
}
