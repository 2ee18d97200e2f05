//! What a frame is at, told by what it looks like between two events.
//!
//! **Invariant.** Nothing here changes anything.

use super::spans::Part;
use crate::model::{
    any_node::AnyNode,
    client::run::Client,
    frame::{ABANDONED, BRANCH, CALLER_DONE, Frame, HAS_CORE, IN_ROOM, LETTER, UNSEEN},
    ids::{NONE, Slot},
    resilience::{caller::Caller, flight::Hold},
    service::instr::{Instr, Point},
    sim::Simulation,
};

/// The clients, in the order of their names.
pub(super) fn clients(sim: &Simulation) -> impl Iterator<Item = &Client> {
    let nodes = sim.nodes.iter().skip(usize::from(sim.world.first_client));
    nodes.filter_map(|node| match node {
        AnyNode::Client(client) => Some(&**client),
        _ => None,
    })
}

/// The node a frame is at.
pub(super) fn node<'s>(sim: &'s Simulation, f: &Frame) -> &'s AnyNode {
    &sim.nodes[usize::from(f.node)]
}

/// Whether a frame waits for an answer to what it called.
pub(super) fn waits(sim: &Simulation, slot: Slot) -> bool {
    let frames = &sim.world.frames;
    let child = frames[slot].next;
    if child == NONE {
        return false;
    }
    let f = &frames[child];
    f.parent == slot && f.flags & (CALLER_DONE | BRANCH) == 0 && f.node < LETTER
}

/// What a frame is at.
pub(super) fn part_of(sim: &Simulation, slot: Slot) -> Part {
    let f = &sim.world.frames[slot];
    if f.armed == UNSEEN || f.flags & (IN_ROOM | ABANDONED) == IN_ROOM {
        return Part::Waiting;
    }
    if f.flags & HAS_CORE != 0 {
        return Part::Work;
    }
    if waits(sim, slot) {
        return Part::Calling;
    }
    let before = |guarded: bool| {
        let held = guarded && sim.world.frames.extra(slot).hold != Hold::Start;
        if held { Part::Permit } else { Part::Backoff }
    };
    match node(sim, f) {
        AnyNode::Client(client) => before(client.policy(f.op.into()).guard.is_some()),
        AnyNode::Server(server) => match server.program.code.get(usize::from(f.pc)) {
            Some(&Instr::Call(call)) => before(server.policy(call).guard.is_some()),
            Some(Instr::Fork(_)) => Part::Calling,
            Some(
                Instr::Begin
                | Instr::Lock(_)
                | Instr::Lease(..)
                | Instr::Cache(..)
                | Instr::Held(_)
                | Instr::Point(Point::Environment | Point::Publish | Point::Asked | Point::Locked),
            ) => Part::Waiting,
            _ => Part::Pause,
        },
        AnyNode::Other(_) => Part::Pause,
    }
}
