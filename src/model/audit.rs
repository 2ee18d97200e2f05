//! Bounds that hold at the end of every run, release builds too, whatever the design.
//!
//! **Invariant.** Nothing here changes anything; a breach is a bug of the program.

use std::collections::BTreeMap;

use super::{
    frame::{BRANCH, CALLEE_DONE, CALLER_DONE, FREE, IN_ROOM},
    record::{NodeSnapshot, Snapshot},
    sim::Simulation,
};
use crate::model::{
    books::{EnvironmentBooks, EnvironmentsMeasured, InstanceBooks},
    connection::registry::is_message,
    consistency::spec::GuaranteeSpec,
    event,
    ids::{NodeId, Slot},
    names::Names,
    network::line::Line,
    probe::ConsistencyMeasured,
    queue::{
        counts::{Counts, GroupMeasured, QueueMeasured},
        mail::Read,
    },
};

impl Simulation {
    /// No instance was busier than it can be, found more than was looked up, or let more go than came; no
    /// frame is left that nobody holds.
    pub(super) fn check_bounds(&self, last: &Snapshot, names: &Names) {
        for (node, snapshot) in last.nodes.iter().enumerate() {
            let capacity = names.kind(node as NodeId).facts().capacity;
            for (i, books) in snapshot.instances.iter().enumerate() {
                let sound = is_sound(books, capacity, last.at);
                assert!(sound, "instance {i} of node {node} is within its bounds: {books:?}");
            }
        }
        for (slot, f) in self.world.frames.iter() {
            let held = f.flags & (CALLER_DONE | CALLEE_DONE) != CALLER_DONE | CALLEE_DONE;
            assert!(held || f.flags & IN_ROOM != 0, "frame {slot} is held by somebody: {f:?}");
        }
    }

    /// What a protocol promises whatever happens is kept: one order explains all answers, and nothing acknowledged is
    /// lost.
    pub(super) fn check_promises(
        &self,
        seen: &BTreeMap<NodeId, ConsistencyMeasured>,
        names: &Names,
    ) {
        for (&node, seen) in seen.iter().filter(|(node, _)| names.promises_order(**node)) {
            let witness = &seen.witness;
            assert!(
                seen.linearizable != Some(false) && seen.lost.is_empty(),
                "node {node} keeps what its protocol promises (seed {}): lost {:?}, {witness:?}",
                self.seed,
                seen.lost
            );
        }
    }

    /// Sessions that ask for a guarantee have it; but what a view has not been brought it cannot know of.
    pub(super) fn check_sessions(
        &self,
        seen: &BTreeMap<NodeId, ConsistencyMeasured>,
        names: &Names,
    ) {
        let asked = names.guaranteed();
        let views = names.views();
        let kept =
            seen.iter().filter(|(node, _)| !names.forgets(**node) && !views.contains_key(node));
        for (node, ConsistencyMeasured { broken, .. }) in kept {
            let found = [
                (GuaranteeSpec::ReadYourWrites, broken.read_your_writes),
                (GuaranteeSpec::MonotonicReads, broken.monotonic_reads),
                (GuaranteeSpec::MonotonicWrites, broken.monotonic_writes),
                (GuaranteeSpec::WritesFollowReads, broken.writes_follow_reads),
            ];
            for (guarantee, broken) in found {
                assert!(
                    broken == 0 || !asked.contains(&guarantee),
                    "sessions of node {node} have what they asked for (seed {}): {guarantee:?}, broken {broken} times",
                    self.seed
                );
            }
        }
    }

    /// What became of the messages of a queue: what its broker knows (and whether each is accounted for), and what is
    /// seen from outside.
    pub(super) fn messages(
        &self,
        read: Read,
        (own, sound): (QueueMeasured, bool),
    ) -> QueueMeasured {
        let (queue, _) = read;
        assert!(sound, "every message of queue {queue} is accounted for (seed {})", self.seed);
        let Some(mail) = &self.world.mail else { return own };
        let frames = self.world.frames.iter();
        let now = self.world.now();
        let live = frames.filter_map(|(slot, _)| self.world.post_of(slot));
        let seen = mail.measured(read, live, now);
        let mut all = QueueMeasured { most: own.most, age: own.age, ..seen };
        self.nodes[usize::from(queue)].each_held(read.1, now, &mut |accepted, identity| {
            if !mail.is_done(read, identity) {
                all.open.record(now - accepted);
            }
        });
        let Counts { lost, unacked, deliveries, redelivered, .. } = all.counts;
        all.counts = own.counts;
        all.counts.deliveries += deliveries;
        all.counts.redelivered += redelivered;
        // Whoever hands out at most once takes all that leaves for worked off.
        all.counts.acked -= lost + unacked;
        all.counts.lost += lost;
        all.counts.unacked += unacked;
        let counts = all.counts;
        assert!(
            counts.balances(),
            "messages of queue {queue} add up (seed {}): {counts:?}",
            self.seed
        );
        all
    }

    /// What became of the messages of a log, for each group that reads it.
    pub(super) fn read_by_groups(&self, log: NodeId) -> Vec<GroupMeasured> {
        let (now, from) = (self.world.now(), self.world.record.measured_from);
        let (groups, sound) = self.nodes[usize::from(log)].groups(now, from);
        let all = groups.into_iter().enumerate().map(|(i, group)| {
            let messages = self.messages((log, i as u16), (group.messages, sound));
            GroupMeasured { messages, ..group }
        });
        all.collect()
    }

    /// What came of the environments of a function in the measured span, which began with these books: started = ended +
    /// crashed + there.
    pub(super) fn environments_measured(
        &self,
        node: usize,
        from: &NodeSnapshot,
        now: u64,
    ) -> Option<Box<EnvironmentsMeasured>> {
        let mut own = self.nodes[node].environments(now, true)?;
        let EnvironmentBooks { started, ended, crashed, now: there, .. } = own.books;
        assert_eq!(
            started,
            ended + crashed + there,
            "environments of node {node} add up (seed {})",
            self.seed
        );
        own.books = own.books.since(from.environments);
        Some(Box::new(own))
    }

    /// Sojourns counted visit by visit equal the integral of the number inside (`semantics.md` 25).
    pub(super) fn check_little(&self, last: &Snapshot) {
        let from = self.world.record.measured_from;
        let mut left = vec![0u128; last.nodes.len()];
        for (_, f) in self.world.frames.iter() {
            let node = usize::from(f.node);
            let inside =
                node < left.len() && f.flags & BRANCH == 0 && f.armed < super::frame::IN_TRANSIT;
            if inside {
                left[node] += u128::from(last.at - f.arrived.max(from));
            }
        }
        for (i, node) in last.nodes.iter().enumerate() {
            let record = &self.world.record.nodes[i];
            let area = node.in_system - self.span_snapshot.nodes[i].in_system;
            assert_eq!(
                area,
                record.sojourn() + left[i],
                "Little's law is exact at node {i} (seed {})",
                self.seed
            );
            assert_eq!(
                record.arrivals,
                record.departures + record.inside.count(),
                "arrivals = departures + inside at node {i} (seed {})",
                self.seed
            );
        }
    }

    /// Sent = delivered + lost + in flight over all links.
    pub(super) fn check_messages(&self) {
        let at_work = |slot: Slot| self.world.frames[slot].node != FREE;
        let kept = self.world.kept.as_ref().is_none_or(|kept| kept.is_sound(at_work));
        assert!(kept, "connections taken = given back + kept (seed {})", self.seed);
        let net = &self.world.network;
        let mut flying = 0;
        let scheduled = self.world.agenda.schedule().map(|(_, p)| (p.kind, p.slot));
        for (event, slot) in scheduled.chain(self.world.hosts.held_messages()) {
            flying += match event {
                event::DELIVER | event::CANCEL | event::ANSWER | event::LETTER => 1,
                event::REPLY => u64::from(self.world.frames[slot].flags & BRANCH == 0),
                event::CONNECTION => u64::from(is_message(slot)),
                _ => 0,
            };
        }
        flying += net.lines().map(Line::under_way).sum::<u64>();
        let sent = net.links.iter().map(|l| l.sent).sum::<u64>() + net.inside.sent;
        let lost: u64 = net.links.iter().map(|l| l.more.lost).sum();
        assert_eq!(
            sent,
            self.world.delivered + lost + flying,
            "sent = delivered + lost + in flight (seed {})",
            self.seed
        );
    }
}

fn is_sound(books: &InstanceBooks, capacity: Option<f64>, now: u64) -> bool {
    let cache = &books.cache;
    let found = cache.hits <= cache.lookups
        && cache.coalesced <= cache.lookups - cache.hits
        && cache.stale_hits + cache.negative_hits <= cache.hits;
    // Shared work is rounded to a nanosecond at each change.
    let up = (u128::from(now) - books.down) as f64;
    let most = capacity.map_or(f64::INFINITY, |c| c * up * (1.0 + 1e-9));
    let changes = (books.arrivals + books.departures) as f64;
    found && books.departures <= books.arrivals && books.busy as f64 <= most + changes
}
