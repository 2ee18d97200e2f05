//! Quantities drawn per visit.

use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::Stream,
    },
    model::{
        ids::{AttrRef, Slot},
        span::Work,
        world::World,
    },
};

/// A quantity drawn per visit: a law plus attributes.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The law.
    pub sampler: Sampler,
    /// Its draws.
    pub stream: Stream,
    /// Coefficient and attribute of each further term.
    pub terms: Vec<(f64, AttrRef)>,
    /// The whole when it is constant.
    pub constant: Option<Work>,
    /// Drawn by the key instead of by the visit.
    pub per_key: bool,
}

impl Demand {
    /// The quantity for a frame, in base units.
    #[inline(always)]
    pub fn amount(&self, slot: Slot, world: &World) -> f64 {
        let f = &world.frames[slot];
        let mut draw =
            if self.per_key { self.stream.draw(f.key) } else { self.stream.draw_mixed(f.id) };
        let mut x = self.sampler.sample(&mut draw);
        for &(coefficient, attribute) in &self.terms {
            x += coefficient * world.attribute(attribute, slot);
        }
        x
    }

    /// The quantity of a key, without attributes, in whole base units.
    pub fn of_key(&self, key: u64) -> u64 {
        to_nanos(self.sampler.sample(&mut self.stream.draw(key)))
    }

    /// The duration for a frame.
    #[inline(always)]
    pub fn work(&self, slot: Slot, world: &World) -> Work {
        if let Some(work) = self.constant {
            return work;
        }
        let nanos = to_nanos(self.amount(slot, world));
        Work::of(nanos)
    }
}
