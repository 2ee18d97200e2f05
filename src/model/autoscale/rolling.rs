//! Deployments of a node whose instances come and go: who is there is replaced, batch by batch, and whoever begins a life
//! meanwhile, or later, begins it with the new version.
//!
//! **Invariant.** A life that serves is of the version it began with, unless it takes up another one as it runs.

use super::{
    places::{Places, State},
    scaling::Scaling,
};
use crate::model::{names::Names, sim::Simulation};

/// A deployment that goes on, or back.
#[derive(Clone, Debug)]
pub struct Roll {
    /// Which of all deployments.
    rollout: usize,
    /// It goes back.
    back: bool,
    /// Place and life of those who are to be replaced, in the order of places.
    left: Vec<(u16, u64)>,
    /// Sizes of the batches, and how many have begun.
    sizes: Vec<usize>,
    begun: usize,
    /// Place and life of those who are being replaced.
    under_way: Vec<(u16, u64)>,
    /// When the next batch is to begin, ns.
    pub next: Option<u64>,
}

impl Roll {
    /// The next batch, without those who have gone by themselves.
    fn batch(&mut self, places: &Places) -> Vec<(u16, u64)> {
        let size = self.sizes[self.begun.min(self.sizes.len() - 1)];
        self.left.retain(|one| places.is_ready_still(*one));
        self.begun += 1;
        self.left.drain(..size.min(self.left.len())).collect()
    }
}

impl Simulation {
    /// A deployment begins, or goes back if it has: whoever boots takes up the version, who is ready will. Whether somebody
    /// has.
    pub(in crate::model) fn begin_roll(
        &mut self,
        rollout: usize,
        back: bool,
        names: &Names,
    ) -> bool {
        let of = &self.timeline.rollouts[rollout];
        let (fault, node, now) = (of.fault, of.node, self.world.agenda.now());
        let Some(mut scaling) = self.scalings.remove(&node) else { return false };
        let places = &scaling.places;
        let is_ready = |place: &u16| places.all[usize::from(*place)].state == State::Ready;
        let (ready, others): (Vec<u16>, Vec<u16>) =
            (0..places.all.len() as u16).partition(is_ready);
        let old = |place: &u16| !back || of.reached.contains_key(place);
        let left: Vec<(u16, u64)> =
            ready.into_iter().filter(old).map(|p| (p, places.all[usize::from(p)].life)).collect();
        let deploy = names.fault(fault).deploy.as_ref();
        let sizes = deploy.map_or_else(|| vec![1], |deploy| deploy.sizes(left.len().max(1)));
        scaling.rolls.retain(|roll| roll.rollout != rollout);
        let (begun, under_way, next) = (0, Vec::new(), Some(now));
        scaling.rolls.push(Roll { rollout, back, left, sizes, begun, under_way, next });
        let mut changed = false;
        for place in others {
            let state = scaling.places.all[usize::from(place)].state;
            if state == State::Booting || !self.timeline.rollouts[rollout].restart {
                changed |= self.takes_version(rollout, place);
            }
        }
        // Before the run has begun nobody starts.
        if now > 0 {
            self.go_on(&mut scaling, names, now);
        }
        self.plan_stops(&scaling);
        self.scalings.insert(node, scaling);
        changed
    }

    /// Somebody begins a life at a place: with what was deployed.
    pub(super) fn begins_with_versions(&mut self, places: &Places, place: u16, names: &Names) {
        let all = self.timeline.rollouts.iter().enumerate();
        let here: Vec<usize> = all
            .filter(|(_, one)| one.node == places.node && one.began.is_some())
            .map(|(rollout, _)| rollout)
            .collect();
        let changed = here.into_iter().filter(|&one| self.takes_version(one, place)).count();
        if changed > 0 {
            self.change_version(names);
        }
    }

    /// Deployments go on as far as they can now; whether somebody has taken up another version as he runs.
    pub(super) fn roll_on(&mut self, scaling: &mut Scaling, names: &Names, now: u64) -> bool {
        let mut changed = false;
        for mut roll in std::mem::take(&mut scaling.rolls) {
            let ended = loop {
                roll.under_way.retain(|one| scaling.places.is_replaced(*one));
                if !roll.under_way.is_empty() {
                    break false;
                }
                let Some(next) = roll.next else {
                    if roll.left.is_empty() {
                        break true;
                    }
                    let of = &self.timeline.rollouts[roll.rollout];
                    roll.next = Some(now.saturating_add(if roll.back { 0 } else { of.pause }));
                    continue;
                };
                if next > now {
                    break false;
                }
                roll.next = None;
                roll.under_way = roll.batch(&scaling.places);
                for &(place, _) in &roll.under_way {
                    changed |= self.is_deployed(scaling, (roll.rollout, place), now);
                }
            };
            if ended {
                self.timeline.rolled(roll.rollout, now, names);
                self.timeline.count_by_phase(names, &mut self.world.record);
            } else {
                scaling.rolls.push(roll);
            }
        }
        changed
    }

    /// One that is ready is replaced, or takes up the version as it runs: whether it does the latter.
    fn is_deployed(
        &mut self,
        scaling: &mut Scaling,
        (rollout, place): (usize, u16),
        now: u64,
    ) -> bool {
        let of = &self.timeline.rollouts[rollout];
        if !of.restart {
            return self.takes_version(rollout, place);
        }
        let drain = of.drain;
        let places = &mut scaling.places;
        let sums = self.sums(places.node, now)[usize::from(place)];
        places.goes(place, sums, (now, drain));
        places.all[usize::from(place)].owed = true;
        self.tell((places.node, place), false);
        false
    }
}
