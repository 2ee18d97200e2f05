//! A coordinator and its members over a network that loses, delays and doubles what they say, beside what must hold of
//! them whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{engine::random::Stream, model::topic::member::Member as Instance};

const HEARTBEAT: u64 = 3;
const SESSION: u64 = 20;
const PARTITIONS: u32 = 7;

/// What is on its way, or due.
#[derive(Clone, Debug)]
enum Event {
    Beat(Beat),
    Told(Host, Told),
    /// The heartbeat of an instance in that life of its process.
    Due(Host, u32),
    /// What it was at with a partition is done.
    Done(Host, u32),
}

/// An instance, and whether its process is there.
#[derive(Clone, Debug, Default)]
struct Process {
    member: Instance,
    up: bool,
    born: u32,
}

struct Group {
    coordinator: Coordinator,
    processes: BTreeMap<Host, Process>,
    queue: BTreeMap<(u64, u64), Event>,
    number: u64,
    now: u64,
    draws: Stream,
    drawn: u64,
    /// How much of what is sent is lost or comes late.
    bad: bool,
}

impl Group {
    fn new(rebalance: RebalanceSpec, seed: u64) -> Self {
        let hosts: Vec<(Host, u16)> = (0..4).map(|inst| ((3, inst), 0)).collect();
        let coordinator = Coordinator::new((rebalance, SESSION, HEARTBEAT), &hosts, PARTITIONS, 0);
        let mut processes = BTreeMap::new();
        let mut group = Self {
            queue: BTreeMap::new(),
            number: 0,
            now: 0,
            draws: Stream::new(seed, "group", "talk"),
            drawn: 0,
            bad: true,
            processes: BTreeMap::new(),
            coordinator,
        };
        for (host, _) in hosts {
            let held = group.coordinator.may_hold(host).into_iter().map(|(partition, _)| partition);
            let member = Instance::holding(held);
            processes.insert(host, Process { member, up: true, born: 0 });
            group.later(HEARTBEAT, Event::Due(host, 0));
        }
        group.processes = processes;
        group
    }

    fn chance(&mut self, of: f64) -> bool {
        self.drawn += 1;
        self.draws.draw(self.drawn).unit() < of
    }

    fn later(&mut self, after: u64, event: Event) {
        self.number += 1;
        self.queue.insert((self.now + after, self.number), event);
    }

    fn send(&mut self, event: Event) {
        if self.bad && self.chance(0.1) {
            return;
        }
        let late = if self.bad && self.chance(0.1) { 5 } else { 0 };
        if self.bad && self.chance(0.05) {
            self.later(1 + late, event.clone());
        }
        self.later(1, event);
    }

    fn say(&mut self, host: Host, word: Word) {
        let process = self.processes.get_mut(&host).expect("it is one");
        let beat = process.member.says(word, (host, 0, 0), true);
        self.send(Event::Beat(beat));
    }

    fn tell(&mut self, news: Vec<News>) {
        for News { to, told, .. } in news {
            self.send(Event::Told(to, told));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Beat(beat) => {
                let news = self.coordinator.hears(&beat, self.now);
                self.tell(news);
            }
            Event::Told(host, told) => {
                let process = self.processes.get_mut(&host).expect("it is one");
                if !process.up || process.member.life != told.life {
                    return;
                }
                if !told.known {
                    process.member.begins_anew();
                    return self.say(host, Word::Joins);
                }
                if process.member.hears(&told) {
                    let loses = process.member.is_letting_go() || process.member.holds.is_empty();
                    if loses {
                        self.say(host, Word::Here);
                    }
                }
            }
            Event::Due(host, born) => {
                let process = &self.processes[&host];
                if process.up && process.born == born {
                    let word = if process.member.joins { Word::Joins } else { Word::Here };
                    self.say(host, word);
                    self.later(HEARTBEAT, Event::Due(host, born));
                }
            }
            Event::Done(host, partition) => {
                let process = self.processes.get_mut(&host).expect("it is one");
                let Some(holding) = process.member.of(partition) else { return };
                holding.busy = None;
                if holding.given_up {
                    self.say(host, Word::Here);
                }
            }
        }
        let news = self.coordinator.tick(self.now);
        self.tell(news);
    }

    /// Something happens to the processes.
    fn disturb(&mut self) {
        let at = (self.draws.draw(self.number << 8).unit() * 4.0) as u16;
        let host = (3, at);
        let process = self.processes.get_mut(&host).expect("it is one");
        process.born += 1;
        if process.up {
            process.up = false;
            process.member.holds.clear();
        } else {
            process.up = true;
            process.member.begins_anew();
            let born = process.born;
            self.say(host, Word::Joins);
            self.later(HEARTBEAT, Event::Due(host, born));
        }
    }

    /// Work begins somewhere.
    fn work(&mut self) {
        for host in self.processes.keys().copied().collect::<Vec<_>>() {
            let lasts =
                1 + (self.draws.draw(self.number << 9 | u64::from(host.1)).unit() * 6.0) as u64;
            let holds = &mut self.processes.get_mut(&host).expect("it is one").member.holds;
            if let Some(holding) = holds.iter_mut().find(|h| h.busy.is_none() && !h.given_up) {
                holding.busy = Some(1);
                let partition = holding.partition;
                self.later(lasts, Event::Done(host, partition));
            }
        }
    }

    /// Who holds a partition and is known for the life he is in: his word on it counts.
    fn holders(&self, partition: u32) -> Vec<Host> {
        let holds = |(host, process): (&Host, &Process)| {
            let held = process.member.holds.iter().any(|holding| holding.partition == partition);
            let known = self.coordinator.members.get(host);
            let known = known.is_some_and(|member| member.life == process.member.life);
            (process.up && held && known).then_some(*host)
        };
        self.processes.iter().filter_map(holds).collect()
    }

    fn run(&mut self, until: u64, disturbed: bool) {
        while let Some((&(at, number), _)) = self.queue.first_key_value()
            && at <= until
        {
            let event = self.queue.remove(&(at, number)).expect("it is there");
            self.now = at;
            self.happens(event);
            for partition in 0..PARTITIONS {
                let holders = self.holders(partition);
                assert!(holders.len() < 2, "partition {partition} is held by {holders:?}");
                for host in holders {
                    let life = self.processes[&host].member.life;
                    assert!(
                        self.coordinator.has(host, life, partition),
                        "the word of {host:?} counts"
                    );
                }
            }
            if disturbed && self.chance(0.01) {
                self.disturb();
            }
            if self.chance(0.3) {
                self.work();
            }
        }
        self.now = until;
    }
}

#[test]
fn nobody_holds_what_another_one_holds_and_in_the_end_everybody_has_his_share() {
    for rebalance in [RebalanceSpec::Eager, RebalanceSpec::Cooperative] {
        for seed in 0..300 {
            let mut group = Group::new(rebalance, seed);
            group.run(400, true);
            group.bad = false;
            for host in group.processes.keys().copied().collect::<Vec<_>>() {
                if !group.processes[&host].up {
                    group.processes.get_mut(&host).expect("it is one").born += 1;
                    let process = group.processes.get_mut(&host).expect("it is one");
                    process.up = true;
                    process.member.begins_anew();
                    let born = process.born;
                    group.say(host, Word::Joins);
                    group.later(HEARTBEAT, Event::Due(host, born));
                }
            }
            group.run(500, false);
            let shares: Vec<usize> =
                group.processes.values().map(|process| process.member.holds.len()).collect();
            let sum: usize = shares.iter().sum();
            assert_eq!(sum, PARTITIONS as usize, "{rebalance:?} {seed}: {shares:?}");
            assert!(shares.iter().all(|share| *share == 1 || *share == 2), "{shares:?}");
        }
    }
}

#[test]
fn a_process_that_crashed_is_forgotten_with_all_it_knew() {
    let mut group = Group::new(RebalanceSpec::Eager, 1);
    group.bad = false;
    group.run(50, false);
    group.coordinator.crash();
    assert!(group.coordinator.due().is_none());
    group.run(100, false);
    let shares: Vec<usize> =
        group.processes.values().map(|process| process.member.holds.len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 7);
    // All join within a heartbeat: one generation.
    assert_eq!(group.coordinator.rebalances, 1);
}

#[test]
fn partitions_go_to_members_in_turn_and_stay_where_they_can() {
    let hosts: Vec<Host> = (0..3).map(|inst| (1, inst)).collect();
    let none = vec![None; 8];
    let first = assign(&hosts, &none);
    let by: Vec<u16> = first.iter().map(|owner| owner.expect("all are").1).collect();
    assert_eq!(by, [0, 1, 2, 0, 1, 2, 0, 1]);
    // One leaves: only what was his moves.
    let two = assign(&hosts[..2], &first);
    let moved = first.iter().zip(&two).filter(|(a, b)| a != b).count();
    assert_eq!(moved, 2);
    // He comes back: two thirds of a fair share stay.
    let three = assign(&hosts, &two);
    let moved: BTreeSet<usize> = (0..8).filter(|&i| two[i] != three[i]).collect();
    assert_eq!(moved.len(), 2);
    // Members and no partitions, partitions and no members.
    assert_eq!(assign(&hosts, &[]), []);
    assert_eq!(assign(&[], &none), none);
}
