//! Requests that need no frame of their own.
//!
//! Where a client neither retries nor gives up, its operations carry nothing and no message can be lost,
//! a request is its one attempt: the frame of the visit stands for both. Its caller counts as gone from
//! the start, as of a request given up, so that the reply goes to where the client is and is handed to
//! `on_late` of the client; when the request was sent, and its number, stand in the cold half.
//!
//! **Invariant.** Such a request is open as long as its frame has had no reply.

use super::run::Client;
use crate::{
    engine::random::descend,
    model::{
        client::ClientSpec,
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, Frame},
        ids::{NONE, Slot},
        kind::Reach,
        names::Names,
        record::Decided,
        route::Asked,
        world::{World, pack, unpack},
    },
};

/// Whether the requests of a client, whose edges are all plain, need no frame of their own.
pub fn are_alone(spec: &ClientSpec, names: &Names) -> bool {
    let design = &names.design;
    let lossy = design.network.links.iter().any(|l| l.loss.is_some_and(|f| f.0 > 0.0));
    let direct = spec.operations().iter().all(|(_, operation)| {
        if operation.publish().is_some_and(|publish| publish.delay.is_some()) {
            return false;
        }
        let (target, _) = operation.target().expect("targets were checked");
        let node = names.node(&target.0).expect("targets were checked");
        let facts = names.kind(node).facts();
        facts.replicas.is_none() && !matches!(facts.reach, Reach::Answer { .. } | Reach::Inside)
    });
    let followed = !names.tracked.followed.is_empty();
    let laden = names.carries || followed || names.knows_connections;
    direct && !lossy && design.faults.is_empty() && !laden
}

impl Client {
    /// Sends a request that is its one attempt.
    #[inline(always)]
    pub(super) fn ask(
        &mut self,
        id: u64,
        (local, key, place): (usize, u64, u16),
        world: &mut World,
    ) {
        let number = self.issued;
        self.issued += 1;
        let now = world.now();
        world.record.issue(self.first_row + local, now, || place);
        let operation = &self.operations[local];
        let id = descend(id, operation.site);
        let asked = Asked { op: operation.op, key, id };
        let target = world.destination(NONE, operation.target, asked);
        let from = (self.node, place);
        let slot = world.new_call(pack(from.0, from.1), target, (operation.op, key), id);
        world.frames[slot].flags = CALLER_DONE;
        let extra = world.frames.extra_mut(slot);
        extra.intended = now;
        extra.session = number;
        world.send(slot, from, target, id);
    }

    /// The reply to a request that is its one attempt decides it.
    #[inline(always)]
    pub(super) fn heard(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let extra = world.frames.extra(slot);
        let decided = Decided {
            intended: extra.intended,
            operation: self.row_of(f),
            attempts: 1,
            outcome: f.outcome(),
            in_time: true,
        };
        let now = world.now();
        // Only a cut asks for places, and no design with a fault has such clients.
        if world.record.decide(now, &decided, || 0) {
            let f = &world.frames[slot];
            let key = self.key.is_some().then_some(f.key);
            let number = world.frames.extra(slot).session;
            world.record.sample(now, &decided.copy(), number, key);
        }
    }

    /// Row of the operation a visit was asked for.
    #[inline(always)]
    pub fn row_of(&self, visit: &Frame) -> usize {
        self.first_row + usize::from(self.local_of[usize::from(visit.op)])
    }
}

/// The client whose open request a frame alone stands for, if it may be one: its id.
pub fn asked_by(f: &Frame) -> Option<u16> {
    let open = f.flags & (CALLER_DONE | CALLEE_DONE | BRANCH) == CALLER_DONE;
    open.then(|| unpack(f.parent).0)
}
