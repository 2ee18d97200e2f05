//! Places inside a service for so many requests of each client, key or value at once.
//!
//! **Invariant.** Who is let in has one place, and gives it back when it leaves, however it does.

use std::collections::BTreeMap;

use crate::model::{
    build::Assembly,
    ids::{AttrRef, Slot},
    resilience::concurrency::FixedSpec,
    world::World,
};

/// A limit on requests at once, ready to run.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// At most so many.
    most: u64,
    /// What has a limit of its own.
    per: Option<AttrRef>,
    /// All instances together.
    shared: bool,
}

/// Those who share a limit: an instance, or 0 for all of them, and the value they have in common.
pub type Whose = (u16, u64);

impl Fixed {
    /// Ready to run.
    pub fn new(spec: &FixedSpec, assembly: &Assembly<'_>) -> Self {
        let known = |name: &String| assembly.names.attribute(name).expect("it was checked");
        Self { most: spec.most, per: spec.per.as_ref().map(known), shared: spec.shared }
    }

    /// Whether who has a place under the other one has it under this, too.
    pub fn counts_like(&self, other: &Self) -> bool {
        (self.per, self.shared) == (other.per, other.shared)
    }

    /// With whom a request shares its limit.
    pub fn whose(&self, slot: Slot, world: &World) -> Whose {
        let inst = if self.shared { 0 } else { world.frames[slot].inst };
        (inst, self.per.map_or(0, |per| world.attribute(per, slot).to_bits()))
    }
}

/// Who is inside.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// At which instance each is, and with whom it shares a limit.
    held: BTreeMap<Slot, (u16, Whose)>,
    /// How many there are of each.
    taken: BTreeMap<Whose, u64>,
}

impl Places {
    /// Whether there is none left.
    pub fn are_taken(&self, limit: Fixed, whose: Whose) -> bool {
        self.taken.get(&whose).is_some_and(|&taken| taken >= limit.most)
    }

    /// A request at an instance takes one.
    pub fn take(&mut self, slot: Slot, inst: u16, whose: Whose) {
        let before = self.held.insert(slot, (inst, whose));
        assert!(before.is_none(), "request {slot} has one place");
        *self.taken.entry(whose).or_default() += 1;
    }

    /// A request leaves; it need not have one.
    pub fn give_back(&mut self, slot: Slot) {
        let Some((_, whose)) = self.held.remove(&slot) else { return };
        let Some(taken) = self.taken.get_mut(&whose) else { return };
        *taken -= 1;
        if *taken == 0 {
            self.taken.remove(&whose);
        }
    }

    /// All who were at an instance are gone.
    pub fn clear(&mut self, inst: u16) {
        let gone: Vec<Slot> =
            self.held.iter().filter(|(_, held)| held.0 == inst).map(|(slot, _)| *slot).collect();
        for slot in gone {
            self.give_back(slot);
        }
    }

    /// How many have one at an instance.
    pub fn at(&self, inst: u16) -> u64 {
        self.held.values().filter(|held| held.0 == inst).count() as u64
    }
}
