//! A log as its server hosts it: the clocks of its brokers, its coordinators, and what is sent.
//!
//! **Invariant.** Coordinators sit at broker 0, or where the copies of partition 0 are led.

use super::{
    coordinator::{Coordinator, News},
    letters::{Beat, Told},
    log::Log,
    reader::Reader,
    replicated::Replicated,
};
use crate::{
    engine::random::mix,
    model::{
        ids::{Host, NONE, Slot},
        queue::counts::{GroupMeasured, QueueMeasured},
    },
};

/// A log, and what it has to do with the rest of the world.
#[derive(Debug)]
pub struct Logs {
    /// What it keeps.
    pub log: Log,
    /// Of each group.
    pub coordinators: Vec<Coordinator>,
    /// If its partitions have copies.
    pub copies: Option<Replicated>,
    /// Of each broker: the frame of its clock, and for when it is set.
    pub clocks: Vec<(Slot, Option<u64>)>,
    pub site: u64,
    posted: u64,
}

impl Logs {
    /// Ready to run.
    pub fn new(
        mut log: Log,
        coordinators: Vec<Coordinator>,
        copies: Option<Replicated>,
        (brokers, site): (u16, u64),
    ) -> Self {
        let clocks = vec![(NONE, None); usize::from(brokers)];
        for (reader, coordinator) in log.groups.iter_mut().zip(&coordinators) {
            for (partition, holder) in coordinator.holders() {
                reader.is_given(partition, holder, 0);
            }
        }
        Self { log, coordinators, copies, clocks, site, posted: 0 }
    }

    /// The identity for draws of the next thing it sends or does.
    pub fn next_id(&mut self) -> u64 {
        self.posted += 1;
        mix(self.site.rotate_left(29) ^ mix(self.posted))
    }

    /// A member says something: who is told what then.
    pub fn hears(&mut self, beat: &Beat, now: u64) -> Vec<(Host, Told)> {
        let Some(coordinator) = self.coordinators.get_mut(usize::from(beat.group)) else {
            return Vec::new();
        };
        let mut confirmed = Vec::new();
        for commit in &beat.commits {
            if coordinator.has(beat.from, beat.life, commit.partition) {
                self.log.commit(beat.group, (commit.partition, commit.upto), &commit.dead, now);
                confirmed.push((commit.partition, commit.upto));
            }
        }
        let news = coordinator.hears(beat, now);
        let mut told = self.tells(beat.group, news, now);
        if let Some((_, own)) = told.iter_mut().find(|(to, _)| *to == beat.from) {
            own.confirmed = confirmed;
        }
        told
    }

    /// Those who are given partitions begin where those were committed.
    fn tells(&mut self, group: u16, news: Vec<News>, now: u64) -> Vec<(Host, Told)> {
        let reader: &mut Reader = &mut self.log.groups[usize::from(group)];
        let one = |News { to, mut told, given }: News| {
            for partition in given {
                reader.is_given(partition, to, now);
            }
            for (partition, from) in told.may.iter_mut().flatten() {
                *from = reader.committed(*partition);
            }
            (to, told)
        };
        news.into_iter().map(one).collect()
    }

    /// The instance where groups are coordinated, if there is one.
    pub fn coordinates(&self) -> Option<u16> {
        self.copies.as_ref().map_or(Some(0), |copies| copies.coordinates)
    }

    /// What is due by now where groups are coordinated happens to them: who is told what then.
    pub fn tick(&mut self, now: u64) -> Vec<(Host, Told)> {
        let mut told = Vec::new();
        for group in 0..self.coordinators.len() {
            let news = self.coordinators[group].tick(now);
            told.extend(self.tells(group as u16, news, now));
        }
        told
    }

    /// When something is due at a broker.
    pub fn due(&self, broker: u16) -> Option<u64> {
        let at = self.coordinates();
        let groups = self.coordinators.iter().filter(|_| at == Some(broker));
        groups.filter_map(Coordinator::due).chain(self.log.due(broker)).min()
    }

    /// What became of the messages of each group, and whether each is accounted for.
    pub fn measured(&self, now: u64, from: u64) -> (Vec<GroupMeasured>, bool) {
        let one = |(i, coordinator): (usize, &Coordinator)| {
            let reader = &self.log.groups[i];
            let mut counts = self.log.counts(i, true, now);
            // They were published, as far as their publishers know.
            let lost = self.copies.as_ref().map_or(0, |copies| copies.lost(true));
            (counts.published, counts.lost) = (counts.published + lost, counts.lost + lost);
            let messages = QueueMeasured {
                counts,
                most: reader.depth.most(),
                age: reader.age.clone(),
                ..QueueMeasured::default()
            };
            GroupMeasured {
                name: reader.name.clone(),
                messages,
                depth: reader.depth.measured(now, from),
                lag: reader.lag.measured(now, from),
                most_lag: reader.lag.most(),
                rebalances: coordinator.rebalances,
            }
        };
        (self.coordinators.iter().enumerate().map(one).collect(), self.log.is_sound(now))
    }
}
