//! Requests that are open when a run ends, and which of them wait for an answer that will never come.
//!
//! A call or its reply was lost and the caller still waits: nobody will speak again. If no timer runs on
//! the way from there to the client, the request hangs for ever.
//!
//! **Invariant.** Nothing here changes anything but the record.

use std::collections::BTreeMap;

use super::{
    any_node::AnyNode,
    client::alone::asked_by,
    fault::timeline::Timeline,
    frame::{BRANCH, CALLEE_DONE, CALLER_DONE, IN_TRANSIT, LETTER},
    probe::HangingMeasured,
    sim::Simulation,
};
use crate::model::{
    fault::occurrence::Occurrence,
    ids::{NONE, NodeId, Slot},
    names::Names,
};

/// What an open request waits for that was lost.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// The call nobody will answer.
    call: Slot,
    /// Somebody on the way gives up in time.
    given_up: bool,
}

impl Simulation {
    /// Issued = decided + in flight, per operation, over the whole run; what is in flight is recorded.
    pub(super) fn check_requests(&mut self, names: &Names) -> Vec<HangingMeasured> {
        let lost = self.lost_calls();
        let now = self.world.now();
        let mut hanging = BTreeMap::new();
        let record = &mut self.world.record;
        let mut open = vec![0u64; record.operations.len()];
        for (slot, f) in self.world.frames.iter() {
            if f.flags & BRANCH == 0
                && let Some(AnyNode::Client(client)) = self.nodes.get(usize::from(f.node))
            {
                let row = client.first_row + usize::from(f.op);
                open[row] += 1;
                let lost = lost.get(&slot);
                let attempts = client.attempts(slot, &self.world.frames);
                let from = (row, f.inst);
                record.left_open(from, (f.arrived, now), attempts.into(), lost.is_some());
                if f.arrived >= record.measured_from
                    && let Some(lost) = lost.filter(|lost| !lost.given_up)
                {
                    let call = &self.world.frames[lost.call];
                    let caller = self.world.frames[call.parent].node;
                    let from =
                        fault_met(&self.timeline, names, (call.node, call.inst), (f.arrived, now));
                    let since = hanging.entry((caller, call.node, from)).or_insert((0, f.arrived));
                    *since = (since.0 + 1, since.1.min(f.arrived));
                }
            } else if let Some(client) = asked_by(f)
                && let Some(AnyNode::Client(client)) = self.nodes.get(usize::from(client))
                && client.alone
            {
                let row = client.row_of(f);
                open[row] += 1;
                let intended = self.world.frames.extra(slot).intended;
                record.left_open((row, 0), (intended, now), 1, false);
            }
        }
        for (row, op) in record.operations.iter().enumerate() {
            let issued: u64 = op.windows.iter().map(|w| w.issued).sum();
            let decided: u64 = op.windows.iter().flat_map(|w| w.outcomes).sum();
            assert_eq!(
                issued,
                decided + open[row],
                "issued = decided + in flight in row {row} (seed {})",
                self.seed
            );
        }
        let named = |((from, to, fault), (requests, since)): ((_, _, Option<usize>), _)| {
            let fault = fault.map(|fault| names.fault(fault).id.0.clone());
            let (from, to) = (names.entity(from).to_owned(), names.entity(to).to_owned());
            HangingMeasured { from, to, fault, requests, since }
        };
        hanging.into_iter().map(named).collect()
    }

    /// Open requests that wait for what was lost, by their frame.
    fn lost_calls(&self) -> BTreeMap<Slot, Lost> {
        let frames = &self.world.frames;
        let mut roots: BTreeMap<Slot, Lost> = BTreeMap::new();
        let silent = |flags: u8| flags & (CALLEE_DONE | CALLER_DONE | BRANCH) == CALLEE_DONE;
        for (call, _) in frames.iter().filter(|(_, f)| f.node < LETTER && silent(f.flags)) {
            let (mut at, mut given_up) = (call, false);
            // Whose caller has given up holds up nobody above.
            while frames[at].flags & CALLER_DONE == 0 && frames[at].parent != NONE {
                at = frames[at].parent;
                let f = &frames[at];
                given_up |= f.armed != 0 && f.armed < IN_TRANSIT;
                if f.node >= self.world.first_client {
                    let entry = roots.entry(at).or_insert(Lost { call, given_up });
                    if entry.given_up && !given_up {
                        *entry = Lost { call, given_up };
                    }
                    break;
                }
            }
        }
        roots
    }
}

/// The first fault that was at work on a host, or else on messages, while a request was under way.
fn fault_met(
    timeline: &Timeline,
    names: &Names,
    host: (NodeId, u16),
    (sent, now): (u64, u64),
) -> Option<usize> {
    let met = || timeline.faults().filter(|o| o.start <= now && o.end >= sent);
    let on_host = met().filter(|o| o.hosts.contains(&host));
    let on_messages = met().filter(|o| names.fault(o.fault).effect().path().is_some());
    let first = |o: &&Occurrence| (o.start.max(sent), o.fault);
    on_host.min_by_key(first).or_else(|| on_messages.min_by_key(first)).map(|o| o.fault)
}
