//! How lives are bought, those the spot market takes and gives, and how long each class was there.
//!
//! **Invariant.** A life is of one class from its beginning to its end, and metered as long.

use std::collections::BTreeSet;

use crate::{
    engine::{
        law::{Sampler, Tables, to_nanos},
        random::Stream,
    },
    model::{
        books::{Area, PurchaseMeasured},
        purchase::{CLASSES, Class, PurchaseSpec, SpotSpec, spots},
    },
};

/// The spot market of a node.
#[derive(Debug)]
struct Market {
    reclaim: Sampler,
    reclaims: Stream,
    notice: u64,
    refill: Option<Sampler>,
    refills: Stream,
}

impl Market {
    fn new(spec: &SpotSpec, tables: &dyn Tables, (seed, node): (u64, &str)) -> Self {
        let compile = |law: &crate::engine::law::DurationLaw| {
            law.compile(tables).expect("the law was checked")
        };
        let stream = |purpose| Stream::new(seed, &format!("node/{node}"), purpose);
        Self {
            reclaim: compile(&spec.reclaim),
            reclaims: stream("reclaim"),
            notice: spec.notice(),
            refill: spec.refill.as_ref().map(compile),
            refills: stream("refill"),
        }
    }
}

/// How the lives of a node are bought.
#[derive(Debug)]
pub struct Classes {
    reserved: u64,
    share: f64,
    market: Option<Market>,
    /// How long lives of each class were there.
    hours: [Area; CLASSES],
    /// Replacements that are to be had from some instant on, and how many there were.
    refills: BTreeSet<(u64, u64)>,
    asked: u64,
    /// Those that wait for a place.
    waiting: u64,
    /// Faults that keep spot lives from each place.
    barred: Vec<u32>,
    reclaims: u64,
    /// What was metered before the measured span.
    before: PurchaseMeasured,
}

impl Classes {
    /// As a file says; so many places.
    pub fn new(spec: &PurchaseSpec, places: u64, tables: &dyn Tables, draws: (u64, &str)) -> Self {
        Self {
            reserved: spec.reserved(),
            share: spec.share(),
            market: spec.spot.as_ref().map(|spot| Market::new(spot, tables, draws)),
            hours: [Area::default(); CLASSES],
            refills: BTreeSet::new(),
            asked: 0,
            waiting: 0,
            barred: vec![0; places as usize],
            reclaims: 0,
            before: PurchaseMeasured::default(),
        }
    }

    /// Whether some of them may be taken away.
    pub fn has_market(&self) -> bool {
        self.market.is_some()
    }

    /// What is missing where there are so many of each class.
    pub fn missing(&self, there: [u64; CLASSES]) -> Class {
        let [reserved, spot, on_demand] = there;
        if reserved < self.reserved {
            Class::Reserved
        } else if spot < spots(self.share, spot + on_demand + 1) {
            Class::Spot
        } else {
            Class::OnDemand
        }
    }

    /// Whether a life of a class may begin at a place.
    pub fn may_begin(&self, class: Class, place: usize) -> bool {
        class != Class::Spot || self.barred[place] == 0
    }

    /// A life begins.
    pub fn begins(&mut self, class: Class, now: u64) {
        self.hours[class as usize].enter(now);
    }

    /// A life is over.
    pub fn ends(&mut self, class: Class, now: u64) {
        self.hours[class as usize].leave(now);
    }

    /// When a life that is ready now is told to go, and when it is gone, if anybody takes it.
    pub fn taken(&self, class: Class, id: u64, now: u64) -> Option<(u64, u64)> {
        let market = self.market.as_ref().filter(|_| class == Class::Spot)?;
        // Nobody is gone before having been there.
        let after = to_nanos(market.reclaim.sample(&mut market.reclaims.draw_mixed(id))).max(1);
        let gone = now.saturating_add(after);
        Some((now.max(gone.saturating_sub(market.notice)), gone))
    }

    /// How long before it is taken a life is told, ns.
    pub fn notice(&self) -> u64 {
        self.market.as_ref().map_or(0, |market| market.notice)
    }

    /// A life is taken, and another one is asked for in its place.
    pub fn takes(&mut self, now: u64) {
        self.reclaims += 1;
        let Some(market) = &self.market else { return };
        let draw = |law: &Sampler| to_nanos(law.sample(&mut market.refills.draw(self.asked)));
        let after = market.refill.as_ref().map_or(0, draw);
        self.refills.insert((now.saturating_add(after), self.asked));
        self.asked += 1;
    }

    /// Somebody else is asked for and waits for a place, where spot lives come and go.
    pub fn owes(&mut self) {
        self.waiting += u64::from(self.market.is_some());
    }

    /// How many are asked for and have not begun.
    pub fn to_come(&self) -> u64 {
        self.waiting + self.refills.len() as u64
    }

    /// One that was asked for is not wanted any more; whether there was one.
    pub fn calls_off(&mut self) -> bool {
        if self.waiting == 0 {
            return self.refills.pop_last().is_some();
        }
        self.waiting -= 1;
        true
    }

    /// When the next one is to be had.
    pub fn next(&self) -> Option<u64> {
        self.refills.first().map(|refill| refill.0)
    }

    /// How many may begin now.
    pub fn due(&mut self, now: u64) -> u64 {
        while self.refills.first().is_some_and(|refill| refill.0 <= now) {
            self.refills.pop_first();
            self.waiting += 1;
        }
        self.waiting
    }

    /// One of them has begun.
    pub fn filled(&mut self) {
        self.waiting -= 1;
    }

    /// A fault keeps spot lives from a place, or does not any more.
    pub fn bar(&mut self, place: u16, begins: bool) {
        let barred = &mut self.barred[usize::from(place)];
        *barred = if begins { *barred + 1 } else { *barred - 1 };
        // Those who wait may try again.
        for _ in 0..if begins { 0 } else { std::mem::take(&mut self.waiting) } {
            self.refills.insert((0, self.asked));
            self.asked += 1;
        }
    }

    /// The measured span begins.
    pub fn begin_span(&mut self, now: u64) {
        self.before = self.until(now);
    }

    fn until(&self, now: u64) -> PurchaseMeasured {
        PurchaseMeasured { time: self.hours.map(|area| area.until(now)), reclaims: self.reclaims }
    }

    /// What was metered in the measured span, up to `now`.
    pub fn measured(&self, now: u64) -> PurchaseMeasured {
        let all = self.until(now);
        let time = std::array::from_fn(|class| all.time[class] - self.before.time[class]);
        PurchaseMeasured { time, reclaims: all.reclaims - self.before.reclaims }
    }
}
