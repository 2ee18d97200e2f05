//! The places of a node whose instances come and go, and the lives in them.
//!
//! **Invariant.** A place is in one state; a life of it goes from booting to ready, drains, and is over, and never
//! comes back.

use std::collections::BTreeSet;

use super::{classes::Classes, scaler::Sums};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::{descend, mix},
    },
    model::{fault::death::Rebirth, ids::NodeId, purchase::Class},
};

/// What a place is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody is there.
    #[default]
    Off,
    /// Somebody starts, and takes nothing yet.
    Booting,
    /// Somebody is there.
    Ready,
    /// Takes nothing new.
    Draining,
}

/// What is to come of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// It has booted.
    Ready,
    /// It is not fresh any more.
    Warm,
    /// It is told to go.
    Notice,
    /// It has drained.
    Gone,
}

/// One place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// What it is at.
    pub state: State,
    /// How often somebody has begun there.
    pub life: u64,
    /// Whether whoever is there is still fresh.
    pub fresh: bool,
    /// In which order they began, of all places.
    began: u64,
    /// Which of all changes asked for whoever is there.
    pub asked: usize,
    /// How whoever is there was bought.
    class: Class,
    /// When its host is taken, if anybody knows, ns.
    gone: Option<u64>,
    /// That is why it drains.
    pub taken: bool,
    /// Somebody else begins in its place when it is gone.
    pub owed: bool,
    /// What those who drained did meanwhile, which no figure counts; `out` is that time itself.
    drained: Sums,
    /// What was known when the one that drains now began to, and when that was, ns.
    since: (Sums, u64),
}

impl Place {
    /// What counts of the sums of this place: nothing of what is done while it drains.
    pub fn counted(&self, sums: Sums, now: u64) -> Sums {
        let Sums { busy, in_queue, arrivals, out } = self.drained;
        let (known, out) = match self.state {
            State::Draining => (self.since.0, out + u128::from(now - self.since.1)),
            _ => (sums, out),
        };
        Sums {
            busy: known.busy - busy,
            in_queue: known.in_queue - in_queue,
            arrivals: known.arrivals - arrivals,
            out: known.out + out,
        }
    }

    /// It has drained.
    pub fn is_gone(&mut self, sums: Sums, now: u64) {
        let (before, at) = self.since;
        let meanwhile = sums.since(before);
        let out = u128::from(now - at) - meanwhile.out;
        self.drained = self.drained.plus(Sums { out, ..meanwhile });
        self.state = State::Off;
    }
}

/// The places of a node.
#[derive(Debug)]
pub struct Places {
    /// The node.
    pub node: NodeId,
    /// What is needed to start.
    rebirth: Rebirth,
    /// By number.
    pub all: Vec<Place>,
    /// What is to come, and when.
    due: BTreeSet<(u64, u16, Due)>,
    /// Lives begun so far.
    lives: u64,
    /// How they are bought, if the file says.
    pub classes: Option<Box<Classes>>,
    /// At some time there may be none.
    pub reaches_zero: bool,
}

impl Places {
    /// The first so many are ready.
    pub fn new((node, places): (NodeId, u64), start: u64, rebirth: Rebirth) -> Self {
        let one = |number: u64| Place {
            state: if number < start { State::Ready } else { State::Off },
            life: u64::from(number < start),
            began: number,
            asked: usize::MAX,
            ..Place::default()
        };
        let all = (0..places).map(one).collect();
        Self {
            node,
            rebirth,
            all,
            due: BTreeSet::new(),
            lives: start,
            classes: None,
            reaches_zero: false,
        }
    }

    /// They are bought so; those who are there from the start in this order, so many of each class.
    pub fn bought(&mut self, classes: Classes, order: [u64; 3]) {
        self.classes = Some(Box::new(classes));
        let (first, spot) = (order[0], order[0] + order[1]);
        for number in 0..order.iter().sum::<u64>() {
            let class = match number {
                n if n < first => Class::Reserved,
                n if n < spot => Class::Spot,
                _ => Class::OnDemand,
            };
            self.buy(number as u16, class, 0);
            self.may_be_taken(number as u16, 0);
        }
    }

    fn buy(&mut self, number: u16, class: Class, now: u64) {
        let Some(classes) = &mut self.classes else { return };
        classes.begins(class, now);
        let place = &mut self.all[usize::from(number)];
        (place.class, place.gone, place.taken) = (class, None, false);
    }

    /// Nobody is there any more.
    pub fn frees(&mut self, number: u16, now: u64) {
        let class = self.all[usize::from(number)].class;
        if let Some(classes) = &mut self.classes {
            classes.ends(class, now);
        }
    }

    /// What is drawn for a life depends on its place and its number.
    fn identity(&self, number: u16) -> u64 {
        descend(mix(u64::from(number)), mix(self.all[usize::from(number)].life))
    }

    /// One that is ready now may be told to go later.
    fn may_be_taken(&mut self, number: u16, now: u64) {
        let (id, place) = (self.identity(number), &mut self.all[usize::from(number)]);
        let Some(classes) = &self.classes else { return };
        if let Some((notice, gone)) = classes.taken(place.class, id, now) {
            place.gone = Some(gone);
            self.due.insert((notice, number, Due::Notice));
        }
    }

    /// Its host is gone at an instant, or sooner if that was to be: it drains until then, and another one is asked for.
    pub fn notices(&mut self, number: u16, known: Sums, (now, at): (u64, u64)) {
        let place = &mut self.all[usize::from(number)];
        let gone = place.gone.map_or(at, |gone| gone.min(at));
        (place.gone, place.taken) = (Some(gone), true);
        self.due.retain(|due| due.1 != number || due.2 != Due::Notice);
        self.drains(number, known, (now, gone - now));
        if let Some(classes) = &mut self.classes {
            classes.takes(now);
        }
    }

    /// When its host is gone by what is known of it, if it is told now.
    pub fn gone(&self, number: u16, now: u64) -> u64 {
        let notice = self.classes.as_ref().map_or(0, |classes| classes.notice());
        let told = now.saturating_add(notice);
        self.all[usize::from(number)].gone.map_or(told, |gone| gone.min(told))
    }

    /// Those of the spot market who may be told to go.
    pub fn on_spot(&self) -> impl Iterator<Item = u16> {
        let all = self.all.iter().enumerate();
        let spot =
            all.filter(|(_, place)| place.state == State::Ready && place.class == Class::Spot);
        spot.filter(|_| self.classes.is_some()).map(|(number, _)| number as u16)
    }

    /// The place where nobody ever is: calls go there while nobody may be chosen.
    pub fn vacant(&self) -> Option<u16> {
        let market = self.classes.as_ref().is_some_and(|classes| classes.has_market());
        (market || self.reaches_zero).then(|| self.all.len() as u16 - 1)
    }

    /// How many are asked for and have not begun.
    pub fn to_come(&self) -> u64 {
        let owed = self.all.iter().filter(|place| place.owed).count() as u64;
        owed + self.classes.as_ref().map_or(0, |classes| classes.to_come())
    }

    /// One that is asked for is not wanted any more; whether there was one that has not begun.
    pub fn calls_off_next(&mut self) -> bool {
        let owed = self.all.iter_mut().rfind(|place| place.owed);
        let was_owed = owed.map(|place| place.owed = false).is_some();
        was_owed || self.classes.as_mut().is_some_and(|classes| classes.calls_off())
    }

    /// Whether a life is ready as it was.
    pub fn is_ready_still(&self, (number, life): (u16, u64)) -> bool {
        let place = &self.all[usize::from(number)];
        place.state == State::Ready && place.life == life
    }

    /// Whether a life is on its way out with somebody to come in its place, or he boots.
    pub fn is_replaced(&self, (number, life): (u16, u64)) -> bool {
        let place = &self.all[usize::from(number)];
        let boots = place.state == State::Booting && place.life == life + 1;
        place.owed && place.life == life || boots
    }

    /// Nodes inside each instance.
    pub fn guests(&self) -> &[NodeId] {
        &self.rebirth.guests
    }

    /// How long a fresh instance is slower, ns, and by which factor.
    pub fn warm(&self) -> Option<(u64, f64)> {
        self.rebirth.warm
    }

    /// How many are booting or ready.
    pub fn count(&self) -> u64 {
        let there = |place: &&Place| matches!(place.state, State::Booting | State::Ready);
        self.all.iter().filter(there).count() as u64
    }

    /// Places up to the last one that was ever taken.
    pub fn taken(&self) -> usize {
        self.all.iter().rposition(|place| place.life > 0).map_or(0, |last| last + 1)
    }

    /// Those who may be chosen.
    pub fn ready(&self) -> impl Iterator<Item = u16> {
        let ready = self.all.iter().enumerate().filter(|(_, place)| place.state == State::Ready);
        ready.map(|(number, _)| number as u16)
    }

    /// Those who have booted, and are not gone.
    pub fn there(&self) -> impl Iterator<Item = u16> {
        let there =
            |(_, place): &(usize, &Place)| matches!(place.state, State::Ready | State::Draining);
        self.all.iter().enumerate().filter(there).map(|(number, _)| number as u16)
    }

    /// When something is next to come.
    pub fn next(&self) -> Option<u64> {
        let refill = self.classes.as_ref().and_then(|classes| classes.next());
        self.due.first().map(|due| due.0).into_iter().chain(refill).min()
    }

    /// What comes at this instant, if there is anything left.
    pub fn take_due(&mut self, now: u64) -> Option<(u16, Due)> {
        let &(at, place, due) = self.due.first().filter(|due| due.0 <= now)?;
        self.due.remove(&(at, place, due));
        Some((place, due))
    }

    /// Somebody begins to boot, here if that may be or else at the first place that is off, as a change asked; which one.
    pub fn begin(&mut self, here: Option<u16>, now: u64, asked: usize) -> Option<u16> {
        let class = self.missing();
        let may = |number: usize| {
            self.classes.as_ref().is_none_or(|classes| classes.may_begin(class, number))
        };
        let vacant = self.vacant();
        let is_free = |number: usize| {
            let off = self.all[number].state == State::Off;
            off && may(number) && Some(number as u16) != vacant
        };
        let first = here.map(usize::from).filter(|&number| is_free(number));
        let number = first.or_else(|| (0..self.all.len()).find(|&number| is_free(number)))? as u16;
        let place = &mut self.all[usize::from(number)];
        (place.state, place.asked) = (State::Booting, asked);
        (place.life, place.began) = (place.life + 1, self.lives);
        let id = self.identity(number);
        self.buy(number, class, now);
        self.lives += 1;
        let Rebirth { boot, stream, .. } = &self.rebirth;
        let draw = |law: &Sampler| to_nanos(law.sample(&mut stream.draw_mixed(id)));
        let boot = boot.as_ref().map_or(0, draw);
        self.due.insert((now.saturating_add(boot), number, Due::Ready));
        Some(number)
    }

    /// How the next one is bought.
    fn missing(&self) -> Class {
        let Some(classes) = &self.classes else { return Class::default() };
        let mut there = [0; 3];
        for place in &self.all {
            if matches!(place.state, State::Booting | State::Ready) {
                there[place.class as usize] += 1;
            }
        }
        // Who is to come was a spot instance that was taken.
        there[Class::Spot as usize] += classes.to_come();
        classes.missing(there)
    }

    /// The newest of those that are booting or ready.
    pub fn newest(&self) -> Option<u16> {
        let there =
            |(_, place): &(usize, &Place)| matches!(place.state, State::Booting | State::Ready);
        let newest = self.all.iter().enumerate().filter(there).max_by_key(|(_, place)| place.began);
        newest.map(|(number, _)| number as u16)
    }

    /// It is not to come any more.
    pub fn call_off(&mut self, number: u16) {
        self.due.retain(|due| due.1 != number);
    }

    /// It is ready, for good or fresh.
    pub fn is_ready(&mut self, number: u16, now: u64) {
        let place = &mut self.all[usize::from(number)];
        place.state = State::Ready;
        self.may_be_taken(number, now);
        let place = &mut self.all[usize::from(number)];
        if let Some((length, _)) = self.rebirth.warm {
            place.fresh = true;
            self.due.insert((now.saturating_add(length), number, Due::Warm));
        }
    }

    /// It is not wanted any more and drains for so long, ns, or until its host is taken.
    pub fn goes(&mut self, number: u16, known: Sums, (now, drain): (u64, u64)) {
        self.due.retain(|due| due.1 != number || due.2 != Due::Notice);
        let place = &mut self.all[usize::from(number)];
        let left = place.gone.map_or(u64::MAX, |gone| gone - now);
        place.taken = left < drain;
        self.drains(number, known, (now, drain.min(left)));
    }

    /// It drains for so long, ns.
    fn drains(&mut self, number: u16, known: Sums, (now, drain): (u64, u64)) {
        let place = &mut self.all[usize::from(number)];
        (place.state, place.since) = (State::Draining, (known, now));
        self.due.insert((now.saturating_add(drain), number, Due::Gone));
    }
}
