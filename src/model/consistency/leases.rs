//! Locks that are kept in a store: what a record of one says, who holds which, and with which number they write.
//!
//! Who wants a lock reads its record. If that says nobody holds it, or is the same for as long as a lease lasts, he writes
//! (`cas`) that he holds it, with a number higher by one; and again, as long as he does. How long that is both measure by
//! their own clocks: the holder from when he sent what was acknowledged last, the others from when they first saw it.
//!
//! **Invariant.** Nobody knows of a record but who wrote it or read it; of overlaps nobody knows.

use std::collections::BTreeMap;

use crate::{
    model::{
        by_slot::BySlot,
        ids::{Host, NodeId, Slot},
    },
    replication::Fence,
};

/// What the record of a lock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The number of the last who held it; 0: nobody ever did.
    pub number: u64,
    /// He holds it still.
    pub held: bool,
}

/// A lock for one value: the store, and the key of its record.
pub type Place = (NodeId, u64);

/// Someone who asks for a lock or holds it, or the renewal of what somebody holds.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The lock.
    pub place: Place,
    /// Which step it is of.
    pub site: u16,
    /// What is written next.
    pub next: Record,
    /// What was written and may stand there, and when each was sent by the local clock, ns.
    pub written: Vec<(u64, u64)>,
    /// How often it asked anew.
    pub rounds: u64,
    /// Of who holds it: the frame that renews it.
    pub renewal: Option<Slot>,
    /// Since when it is held or was renewed last, by the local clock, ns.
    pub since: u64,
    /// When what it waits for is due, ns.
    pub due: u64,
    /// It is to be given back.
    pub leaves: bool,
    /// It renews what another frame holds.
    pub is_renewal: bool,
    /// Which of all; a renewal has that of what it renews.
    pub serial: u64,
    /// With which number its frame wrote before.
    before: Option<Fence>,
}

impl Lease {
    /// Of who asks for a lock by a step; or of its renewal.
    pub fn new(place: Place, site: u16, serial: u64) -> Self {
        Self {
            place,
            site,
            next: Record::default(),
            written: Vec::new(),
            rounds: 0,
            renewal: None,
            since: 0,
            due: 0,
            leaves: false,
            is_renewal: false,
            serial,
            before: None,
        }
    }
}

/// The locks of a replication that are kept in stores.
#[derive(Debug, Default)]
pub struct Leases {
    records: BTreeMap<u64, Record>,
    /// Of each frame, the innermost last.
    of: BTreeMap<Slot, Vec<Lease>>,
    /// What an instance saw last of a lock, and when it first saw that, by its clock, ns.
    seen: BTreeMap<(Host, Place), (u64, u64)>,
    /// How many are between taking a lock and giving it back.
    inside: BTreeMap<Place, u64>,
    /// By store: how often one came in where another one was.
    overlaps: BTreeMap<NodeId, u64>,
    /// How many were ever asked for.
    asked: u64,
    /// With which number frames write.
    fences: BySlot<Option<Fence>>,
}

impl Leases {
    /// A frame asks for a lock by a step.
    pub fn ask(&mut self, slot: Slot, place: Place, site: u16) {
        self.asked += 1;
        let lease = Lease::new(place, site, self.asked);
        self.of.entry(slot).or_default().push(lease);
    }

    /// What a frame asks for or holds, the innermost.
    pub fn innermost(&mut self, slot: Slot) -> &mut Lease {
        self.of.get_mut(&slot).and_then(|all| all.last_mut()).expect("it asked for a lock")
    }

    /// Frames that may wait for something that is due later than this instant, and how long still, ns.
    pub fn waiting(&self, now: u64) -> Vec<(Slot, u64)> {
        let last = self.of.iter().filter_map(|(slot, all)| Some((*slot, all.last()?.due)));
        last.filter(|(_, due)| *due > now).map(|(slot, due)| (slot, due - now)).collect()
    }

    /// The key of the record a frame is about.
    pub fn key(&self, slot: Slot) -> u64 {
        self.of.get(&slot).and_then(|all| all.last()).map_or(0, |lease| lease.place.1)
    }

    /// What a version says.
    pub fn record(&self, version: u64) -> Record {
        self.records.get(&version).copied().unwrap_or_default()
    }

    /// A frame is about to write a version, at this instant by its clock.
    pub fn writes(&mut self, slot: Slot, version: u64, at: u64) {
        let lease = self.innermost(slot);
        lease.written.push((version, at));
        let next = lease.next;
        self.records.insert(version, next);
    }

    /// An instance sees a version of a lock's record: since when it does, by its clock.
    pub fn sees(&mut self, (host, place): (Host, Place), version: u64, at: u64) -> u64 {
        let seen = self.seen.entry((host, place)).or_insert((version, at));
        if seen.0 != version {
            *seen = (version, at);
        }
        seen.1
    }

    /// The process of an instance is gone, with what it had in mind.
    pub fn forget(&mut self, host: Host) {
        self.seen.retain(|(of, _), _| *of != host);
    }

    /// A frame takes the lock it asked for, which another one renews from now on; `measured` if it counts that somebody is
    /// inside. With `fenced` what is written inside has the number of who does.
    pub fn enter(&mut self, slot: Slot, renewal: Slot, (fenced, measured): (bool, bool)) {
        let before = self.fence(slot);
        let lease = self.innermost(slot);
        let (place, number) = (lease.place, lease.next.number);
        (lease.renewal, lease.before) = (Some(renewal), before);
        let mut of = Lease::new(place, lease.site, lease.serial);
        (of.next, of.is_renewal) = (lease.next, true);
        of.written = lease.written.split_off(lease.written.len() - 1);
        of.since = of.written[0].1;
        self.of.insert(renewal, vec![of]);
        let inside = self.inside.entry(place).or_default();
        let overlaps = *inside > 0 && measured;
        *inside += 1;
        *self.overlaps.entry(place.0).or_default() += u64::from(overlaps);
        if fenced {
            *self.fences.at(slot) = Some(Fence { lock: place.1, number });
        }
    }

    /// Whether a frame asks for a lock or holds one.
    pub fn has(&self, slot: Slot) -> bool {
        self.of.contains_key(&slot)
    }

    /// A frame leaves the lock it took last, or no longer asks for it: who renews it, if somebody does still.
    pub fn leave(&mut self, slot: Slot) -> Option<Slot> {
        let all = self.of.get_mut(&slot)?;
        let lease = all.pop()?;
        if all.is_empty() {
            self.of.remove(&slot);
        }
        let renewal = lease.renewal?;
        *self.fences.at(slot) = lease.before;
        let inside = self.inside.get_mut(&lease.place).expect("it is inside");
        *inside -= 1;
        if *inside == 0 {
            self.inside.remove(&lease.place);
        }
        let still = self.of.get_mut(&renewal).and_then(|all| all.last_mut());
        still.filter(|other| other.serial == lease.serial)?.leaves = true;
        Some(renewal)
    }

    /// What a frame asks for or holds is another one's.
    pub fn hand_over(&mut self, from: Slot, to: Slot) {
        if let Some(all) = self.of.remove(&from) {
            self.of.insert(to, all);
        }
    }

    /// With which number a frame writes.
    pub fn fence(&self, slot: Slot) -> Option<Fence> {
        self.fences.get(slot).copied().flatten()
    }

    /// A frame writes with this number from now on.
    pub fn set_fence(&mut self, slot: Slot, fence: Option<Fence>) {
        *self.fences.at(slot) = fence;
    }

    /// A frame begins for another one.
    pub fn descend(&mut self, parent: Slot, child: Slot) {
        *self.fences.at(child) = self.fence(parent);
    }

    /// A frame is released.
    pub fn release(&mut self, slot: Slot) {
        self.fences.take(slot);
    }

    /// How often somebody came into a lock of a store where another one was, if it keeps any.
    pub fn overlaps(&self, store: NodeId) -> Option<u64> {
        self.overlaps.get(&store).copied()
    }
}
