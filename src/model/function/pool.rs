//! The environments of a function in one zone: which there are, which is used next, and when each starts and ends.
//!
//! **Invariant.** Started = ended + crashed + there. A visit costs the same however many there are.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::{Stream, mix},
    },
    model::{
        books::{Area, EnvironmentBooks},
        ids::{NONE, Slot},
        resilience::rate_limit::{Limiter, RateLimit},
        service::room::Room,
        span::scaled,
    },
};

/// No place.
const NOWHERE: u32 = u32::MAX;
/// Nanoseconds of the unit in which visits and starts are billed.
const BILLED: u64 = 1_000_000;

/// What holds for the environments of a zone.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How many there are at most.
    pub most: u64,
    /// The first so many places are provisioned.
    pub provisioned: u32,
    /// Visits at once in each.
    pub workers: u32,
    /// Requests that wait in line; none: each waits for the environment that starts for it.
    pub line: Option<u64>,
    /// A start that nobody waits for is called off.
    pub cancel: bool,
    /// How fast there may be more.
    pub growth: Option<RateLimit>,
    /// How long a start takes, and how long an idle one is kept.
    pub laws: [(Sampler, Stream); 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Starting,
    Ready,
}

/// A place for an environment, and who is there.
#[derive(Clone, Debug)]
struct Place {
    state: State,
    /// Takes nothing new, and ends with its last visit.
    leaves: bool,
    /// It ends by a crash.
    crashes: bool,
    /// How many have been there.
    life: u64,
    /// How often this one has become idle.
    rests: u64,
    visits: u32,
    /// When its start began.
    since: u64,
    /// When it has started, or, if it is idle, ends.
    until: u64,
    /// When the clock looks at it next.
    looks: u64,
    /// Who waits for its start.
    waiter: Slot,
    /// Its neighbours among those that take visits: used later, used earlier.
    near: [u32; 2],
    listed: bool,
}

impl Place {
    const EMPTY: Self = Self {
        state: State::Free,
        leaves: false,
        crashes: false,
        life: 0,
        rests: 0,
        visits: 0,
        since: 0,
        until: 0,
        looks: u64::MAX,
        waiter: NONE,
        near: [NOWHERE; 2],
        listed: false,
    };
}

/// The environments of a zone.
#[derive(Debug)]
pub struct Pool {
    rules: Rules,
    places: Vec<Place>,
    /// Places below the number of all so far where nobody is.
    free: BinaryHeap<Reverse<u32>>,
    /// Who was used last of those that take visits: of the provisioned ones, of the others.
    last: [u32; 2],
    /// When the clock looks at whom. An entry that does not name the place's next look is void.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// Those that start and are not provisioned, the youngest last.
    starts: BTreeSet<(u64, u32)>,
    limiter: Limiter,
    /// When there may be one more, if that is waited for.
    token: Option<u64>,
    /// Who waits in line.
    pub room: Room,
    /// Those who wait for the one that starts for them.
    pub bound: Area,
    /// The frame of its clock, and for when it is set.
    pub clock: (Slot, Option<u64>),
    there: Area,
    starting: Area,
    busy: Area,
    visiting: Area,
    provisioned: Area,
    counts: Counts,
}

/// Counts from the start of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    started: u64,
    starts: u64,
    ended: u64,
    crashed: u64,
    visits: u64,
    cold: u64,
    billed: u64,
}

impl Pool {
    /// Of these, with nobody there.
    pub fn new(rules: Rules, room: Room) -> Self {
        Self {
            rules,
            places: Vec::new(),
            free: BinaryHeap::new(),
            last: [NOWHERE; 2],
            due: BinaryHeap::new(),
            starts: BTreeSet::new(),
            limiter: Limiter::default(),
            token: None,
            room,
            bound: Area::default(),
            clock: (NONE, None),
            there: Area::default(),
            starting: Area::default(),
            busy: Area::default(),
            visiting: Area::default(),
            provisioned: Area::default(),
            counts: Counts::default(),
        }
    }

    /// Requests that may wait in line; none: there is no line.
    pub fn line(&self) -> Option<u64> {
        self.rules.line
    }

    /// Environments that are there, those that start included.
    pub fn there(&self) -> u64 {
        self.there.count()
    }

    /// The places where somebody is.
    pub fn inhabited(&self) -> impl Iterator<Item = u32> {
        let there = |(_, place): &(usize, &Place)| place.state != State::Free;
        self.places.iter().enumerate().filter(there).map(|(number, _)| number as u32)
    }

    /// How many more visits can come in now, or have one start for them.
    pub fn spare(&self, now: u64) -> u64 {
        let Rules { most, workers, growth, .. } = &self.rules;
        let ready = self.there.count() - self.starting.count();
        let room = (ready * u64::from(*workers)).saturating_sub(self.visiting.count());
        let tokens = growth.as_ref().map_or(u64::MAX, |growth| self.limiter.left(growth, 0, now));
        let starts = tokens.min(most.saturating_sub(self.there.count()));
        // Those who wait in line come first.
        room.saturating_add(starts).saturating_sub(self.room.waiting())
    }

    /// How long it is until one more may start, if that is all that is in the way, ns.
    pub fn until_token(&self, now: u64) -> Option<u64> {
        let growth = self.rules.growth.as_ref().filter(|_| self.there() < self.rules.most)?;
        Some(self.limiter.wait(growth, 0, now)).filter(|wait| *wait > 0)
    }

    fn at(&mut self, number: u32) -> &mut Place {
        &mut self.places[number as usize]
    }

    fn is_provisioned(&self, number: u32) -> bool {
        number < self.rules.provisioned
    }

    /// A length drawn for a place by its life.
    fn draw(&self, law: usize, number: u32, n: u64) -> u64 {
        let (sampler, stream) = &self.rules.laws[law];
        let id = mix(mix(u64::from(number)) ^ self.places[number as usize].life) ^ n;
        to_nanos(sampler.sample(&mut stream.draw_mixed(mix(id))))
    }

    /// Takes a place out of the list of those that take visits.
    fn unlist(&mut self, number: u32) {
        let place = self.at(number);
        if !std::mem::replace(&mut place.listed, false) {
            return;
        }
        let [later, earlier] = place.near;
        if later == NOWHERE {
            self.last[usize::from(!self.is_provisioned(number))] = earlier;
        } else {
            self.at(later).near[1] = earlier;
        }
        if earlier != NOWHERE {
            self.at(earlier).near[0] = later;
        }
    }

    /// It takes visits, and was used last.
    fn list(&mut self, number: u32) {
        self.unlist(number);
        let list = usize::from(!self.is_provisioned(number));
        let before = std::mem::replace(&mut self.last[list], number);
        let place = self.at(number);
        (place.listed, place.near) = (true, [NOWHERE, before]);
        if before != NOWHERE {
            self.at(before).near[0] = number;
        }
    }

    fn look_at(&mut self, number: u32) {
        let place = self.at(number);
        let until = place.until;
        if until < place.looks {
            place.looks = until;
            self.due.push(Reverse((until, number)));
        }
    }

    /// When something is due of itself.
    pub fn due(&self) -> Option<u64> {
        let first = self.due.peek().map(|Reverse((at, _))| *at);
        first.into_iter().chain(self.token).min()
    }

    // ---- visits ------------------------------------------------------------------------------

    /// A visit begins where somebody was used last of those that have room, provisioned ones first.
    pub fn take(&mut self, now: u64) -> Option<u32> {
        let number = self.last.into_iter().find(|number| *number != NOWHERE)?;
        self.enter(number, now);
        Some(number)
    }

    fn enter(&mut self, number: u32, now: u64) {
        let workers = self.rules.workers;
        let place = self.at(number);
        place.visits += 1;
        let (first, full) = (place.visits == 1, place.visits == workers);
        if first {
            self.busy.enter(now);
        }
        if full || self.at(number).leaves {
            self.unlist(number);
        } else {
            self.list(number);
        }
        self.visiting.enter(now);
        self.counts.visits += 1;
    }

    /// A visit that began there at `began` ends; it may be used for another one at once, and then it is to [`Self::rest`].
    pub fn leave(&mut self, number: u32, began: u64, now: u64) {
        if !self.is_provisioned(number) {
            self.bill(now - began);
        }
        self.visiting.leave(now);
        let place = self.at(number);
        place.visits -= 1;
        let (idle, leaves) = (place.visits == 0, place.leaves);
        if idle {
            self.busy.leave(now);
        }
        if !leaves {
            self.list(number);
        } else if idle {
            self.end(number, now);
        }
    }

    /// A visit that began there at `began` is lost with it.
    pub fn lose(&mut self, number: u32, began: u64, now: u64) {
        if !self.is_provisioned(number) {
            self.bill(now - began);
        }
        self.visiting.leave(now);
        let place = self.at(number);
        place.visits -= 1;
        if place.visits == 0 {
            self.busy.leave(now);
        }
    }

    /// If it is idle, it is kept from now on for as long as is drawn.
    pub fn rest(&mut self, number: u32, now: u64) {
        let place = self.at(number);
        if place.state != State::Ready || place.visits > 0 || self.is_provisioned(number) {
            return;
        }
        let place = self.at(number);
        place.rests += 1;
        let n = place.rests;
        let kept = self.draw(1, number, n);
        if kept == 0 {
            return self.end(number, now);
        }
        self.at(number).until = now.saturating_add(kept);
        self.look_at(number);
    }

    fn bill(&mut self, nanos: u64) {
        self.counts.billed += nanos.div_ceil(BILLED);
    }

    // ---- starts and ends -------------------------------------------------------------------------

    /// One more starts, at a host that is so many times slower, if there may be one.
    pub fn start(&mut self, pace: f64, now: u64) -> Option<u32> {
        self.token = None;
        if self.there.count() >= self.rules.most {
            return None;
        }
        if let Some(growth) = &self.rules.growth
            && self.limiter.take(growth, 0, now, true).is_none()
        {
            self.token = self.rules.line.map(|_| now + self.limiter.wait(growth, 0, now));
            return None;
        }
        let number = match self.free.pop() {
            Some(Reverse(number)) => number,
            None => {
                let first = self.rules.provisioned.max(self.places.len() as u32);
                self.places.resize(first as usize + 1, Place::EMPTY);
                first
            }
        };
        self.begin(number, Some(pace), now);
        Some(number)
    }

    /// Somebody comes to a place; without a pace it has started.
    fn begin(&mut self, number: u32, pace: Option<f64>, now: u64) {
        let place = self.at(number);
        let life = place.life + 1;
        *place = Place { life, state: State::Ready, since: now, until: now, ..Place::EMPTY };
        self.there.enter(now);
        self.counts.started += 1;
        if self.is_provisioned(number) {
            self.provisioned.enter(now);
        }
        let Some(pace) = pace else { return self.list(number) };
        self.counts.starts += 1;
        let until = now.saturating_add(scaled(self.draw(0, number, 0), pace));
        let place = self.at(number);
        (place.state, place.until) = (State::Starting, until);
        self.look_at(number);
        self.starting.enter(now);
        if !self.is_provisioned(number) {
            self.starts.insert((now, number));
        }
    }

    /// Those that are provisioned are there; from the start of a run on, or they start.
    pub fn provision(&mut self, pace: Option<f64>, now: u64) {
        self.places.resize((self.rules.provisioned as usize).max(self.places.len()), Place::EMPTY);
        for number in 0..self.rules.provisioned {
            self.begin(number, pace, now);
        }
    }

    /// The start of one is over, or it is called off.
    fn ends_start(&mut self, number: u32, now: u64) {
        let since = self.at(number).since;
        self.starting.leave(now);
        if self.starts.remove(&(since, number)) {
            self.bill(now - since);
        }
    }

    /// Whoever is due: one that has started, with the one who waits for it. Idle ones that were kept long enough end.
    pub fn next_started(&mut self, now: u64) -> Option<(u32, Slot)> {
        self.token = self.token.filter(|at| *at > now);
        while let Some(&Reverse((at, number))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            let provisioned = self.is_provisioned(number);
            let place = self.at(number);
            if place.looks != at {
                continue;
            }
            place.looks = u64::MAX;
            match place.state {
                State::Starting => {
                    place.state = State::Ready;
                    let waiter = std::mem::replace(&mut place.waiter, NONE);
                    self.ends_start(number, now);
                    self.list(number);
                    return Some((number, waiter));
                }
                State::Ready if place.visits == 0 && !provisioned => {
                    if place.until <= now {
                        self.end(number, now);
                    } else {
                        self.look_at(number);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// One that has just started is used by somebody who waited.
    pub fn enter_cold(&mut self, number: u32, now: u64) {
        self.counts.cold += 1;
        self.enter(number, now);
    }

    /// Somebody waits for the start of one; `NONE`: nobody any more.
    pub fn bind(&mut self, number: u32, slot: Slot) {
        self.at(number).waiter = slot;
    }

    /// As many start as wait, as far as there may be; of those that more than wait the youngest are called off.
    pub fn follow_line(&mut self, pace: f64, now: u64) {
        let waiting = self.room.waiting();
        while (self.starts.len() as u64) < waiting && self.start(pace, now).is_some() {}
        while self.rules.cancel
            && self.starts.len() as u64 > waiting
            && let Some(&(_, number)) = self.starts.last()
        {
            self.end(number, now);
        }
        if self.starts.len() as u64 >= waiting {
            self.token = None;
        }
    }

    /// It is gone; a provisioned one starts anew.
    fn end(&mut self, number: u32, now: u64) {
        self.unlist(number);
        if self.at(number).state == State::Starting {
            self.ends_start(number, now);
        }
        self.there.leave(now);
        let place = self.at(number);
        let crashes = place.crashes;
        *place = Place { life: place.life, ..Place::EMPTY };
        if crashes {
            self.counts.crashed += 1;
        } else {
            self.counts.ended += 1;
        }
        if self.is_provisioned(number) {
            self.provisioned.leave(now);
            self.begin(number, Some(1.0), now);
        } else {
            self.free.push(Reverse(number));
        }
    }

    /// One takes nothing new, and ends when nobody is inside any more: as it crashes, or for a newer one, which those that
    /// start are already.
    pub fn retire(&mut self, number: u32, crash: bool, now: u64) {
        let place = self.at(number);
        if place.state == State::Free || place.state == State::Starting && !crash {
            return;
        }
        (place.leaves, place.crashes) = (true, crash);
        if place.visits == 0 {
            self.end(number, now);
        } else {
            self.unlist(number);
        }
    }

    /// All are gone; whoever was inside is lost.
    pub fn crash(&mut self, now: u64) {
        for number in self.inhabited().collect::<Vec<u32>>() {
            self.unlist(number);
            if self.at(number).state == State::Starting {
                self.ends_start(number, now);
            }
            let place = self.at(number);
            *place = Place { life: place.life, ..Place::EMPTY };
            if !self.is_provisioned(number) {
                self.free.push(Reverse(number));
            }
            self.counts.crashed += 1;
        }
        self.due.clear();
        for area in [&mut self.there, &mut self.provisioned, &mut self.bound] {
            area.clear(now);
        }
        (self.clock, self.token) = ((NONE, None), None);
    }

    /// Running sums up to `now`.
    pub fn books(&self, now: u64) -> EnvironmentBooks {
        let Counts { started, starts, ended, crashed, visits, cold, billed } = self.counts;
        EnvironmentBooks {
            there: self.there.until(now),
            starting: self.starting.until(now),
            busy: self.busy.until(now),
            provisioned: self.provisioned.until(now),
            started,
            starts,
            ended,
            crashed,
            now: self.there.count(),
            visits,
            cold,
            billed,
        }
    }

    /// Integral of visits inside from time 0, visit-ns.
    pub fn visiting(&self, now: u64) -> u128 {
        self.visiting.until(now)
    }

    /// Integral of those who wait from time 0, request-ns.
    pub fn waiting(&self, now: u64) -> u128 {
        self.bound.until(now) + self.room.until(now)
    }

    /// Whether counts agree with who is there.
    pub fn is_sound(&self) -> bool {
        let Counts { started, ended, crashed, .. } = self.counts;
        let there = self.inhabited().count() as u64;
        let visits: u64 = self.places.iter().map(|place| u64::from(place.visits)).sum();
        started == ended + crashed + there
            && there == self.there.count()
            && there <= self.rules.most
            && visits == self.visiting.count()
    }
}
