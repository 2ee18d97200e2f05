//! Small worlds whose truth is known.
//!
//! **Invariant.** An experiment's draws depend on its world, purpose and number only.

/// Requests of a replication where nothing fails; its length, s, where something does.
const REQUESTS: f64 = 3_600.0;
const HOUR: f64 = 3_600.0;
/// Work in the second design, in that of the first.
pub const LESS: f64 = 0.95;

/// Draws of a fixed sequence: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
pub struct Draws {
    state: u64,
    /// Normal ones come in pairs.
    other: Option<f64>,
}

impl Draws {
    /// Those of one experiment.
    pub fn of(world: &World, purpose: u64, experiment: u64) -> Self {
        let mut draws = Self { state: world.seed, other: None };
        for part in [purpose, experiment, 0] {
            draws.state = draws.word() ^ part;
        }
        draws
    }

    #[inline(always)]
    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1).
    #[inline(always)]
    fn unit(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Of mean 1. Half of the time would go into a logarithm that is right to the last bit; this one is to 1e-9.
    #[inline(always)]
    fn exponential(&mut self) -> f64 {
        const HALF_ROOT: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
        // 2^k m with m around 1, and log m = 2 artanh ((m - 1) / (m + 1)).
        let bits = self.unit().to_bits().wrapping_sub(HALF_ROOT);
        let (k, m) = (bits as i64 >> 52, f64::from_bits((bits & ((1 << 52) - 1)) + HALF_ROOT));
        let s = (m - 1.0) / (m + 1.0);
        let z = s * s;
        let odd = [1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0];
        let series = odd.iter().fold(1.0 / 9.0, |sum, term| sum * z + term);
        -(k as f64 * std::f64::consts::LN_2 + 2.0 * s * series)
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        self.other.take().unwrap_or_else(|| {
            let (sin, cos) = libm::sincos(2.0 * std::f64::consts::PI * self.unit());
            let far = (2.0 * self.exponential()).sqrt();
            self.other = Some(far * sin);
            far * cos
        })
    }

    /// How many events of a Poisson process of rate 1 come in so long.
    fn events(&mut self, length: f64) -> f64 {
        let mut left = length - self.exponential();
        let mut events = 0.0;
        while left > 0.0 {
            left -= self.exponential();
            events += 1.0;
        }
        events
    }
}

/// How something varies around its mean.
#[derive(Clone, Copy)]
pub enum Law {
    Exponential,
    /// With this standard deviation of the logarithm.
    Lognormal(f64),
}

impl Law {
    #[inline(always)]
    fn draw(self, mean: f64, draws: &mut Draws) -> f64 {
        match self {
            Self::Exponential => mean * draws.exponential(),
            Self::Lognormal(s) => mean * libm::exp(s * draws.normal() - s * s / 2.0),
        }
    }

    /// What is left of it when one looks in while it goes on: one finds long ones as much more often as they are
    /// longer, and anywhere in them.
    fn left(self, mean: f64, draws: &mut Draws) -> f64 {
        match self {
            Self::Exponential => mean * draws.exponential(),
            Self::Lognormal(s) => draws.unit() * mean * libm::exp(s * draws.normal() + s * s / 2.0),
        }
    }

    /// Share that is longer than `x`.
    fn beyond(self, mean: f64, x: f64) -> f64 {
        match self {
            Self::Exponential => libm::exp(-x / mean),
            Self::Lognormal(s) => normal_beyond(libm::log(x / mean) / s + s / 2.0),
        }
    }

    /// Share of which more than `x` is left when one looks in.
    fn left_beyond(self, mean: f64, x: f64) -> f64 {
        match self {
            Self::Exponential => libm::exp(-x / mean),
            Self::Lognormal(s) => {
                normal_beyond(libm::log(x / mean) / s - s / 2.0) - x / mean * self.beyond(mean, x)
            }
        }
    }

    /// Mean of the square, in squares of the mean.
    fn square(self) -> f64 {
        match self {
            Self::Exponential => 2.0,
            Self::Lognormal(s) => libm::exp(s * s),
        }
    }
}

fn normal_beyond(x: f64) -> f64 {
    libm::erfc(x * std::f64::consts::FRAC_1_SQRT_2) / 2.0
}

/// A server and its queue, which begins as one finds it at any time. While it is down, what arrives is lost and what
/// waits stands still.
pub struct World {
    seed: u64,
    pub name: &'static str,
    /// Mean time between requests and mean work of one, s.
    pub gap: f64,
    pub work: f64,
    law: Law,
    pub outages: Option<Outages>,
    /// An answer after this time, s, is no good.
    pub patience: f64,
}

/// From the end of one to the next, and their length: means, s.
#[derive(Clone, Copy)]
pub struct Outages {
    every: f64,
    length: f64,
    law: Law,
}

/// The outages of a replication, on a clock that stands still in them: there, the queue knows nothing of them.
pub struct Timeline {
    /// When each begins, and its length; the last one after the end.
    outages: Vec<(f64, f64)>,
    /// Reading at the end.
    pub up: f64,
    pub strikes: u64,
}

/// What a replication shows beside its answers: lost requests, and per request the mean work drawn and how much it is
/// more than there was time for.
pub struct Drawn {
    pub lost: f64,
    pub strikes: u64,
    pub work: f64,
    pub load: f64,
}

pub fn worlds() -> [World; 4] {
    // Lognormal laws by median and p99.
    let law = |times: f64| libm::log(times) / 2.326_347_874;
    let mean = |median: f64, s: f64| median * libm::exp(s * s / 2.0);
    let (tail, repair) = (law(20.0), law(10.0));
    let (work, length) = (mean(0.003, tail), mean(30.0, repair));
    let fails = |seed, name, every| {
        let outages = Some(Outages { every, length, law: Law::Lognormal(repair) });
        let (law, patience) = (Law::Exponential, f64::INFINITY);
        World { seed, name, gap: 1.0, work: 0.5, law, outages, patience }
    };
    [
        World {
            gap: 0.125,
            work: 0.1,
            outages: None,
            patience: libm::log(200.0) / 2.0,
            ..fails(1, "M/M/1", 0.0)
        },
        World {
            gap: 2.0 * work,
            work,
            law: Law::Lognormal(tail),
            outages: None,
            patience: 0.15,
            ..fails(2, "heavy tail", 0.0)
        },
        fails(3, "outages", 7_200.0),
        fails(4, "rare failure", 72_000.0),
    ]
}

impl Timeline {
    #[inline(always)]
    fn begins(&self, outage: usize) -> f64 {
        self.outages.get(outage).map_or(f64::INFINITY, |one| one.0)
    }
}

impl World {
    /// A replication of designs that differ in the work of a request: the time of each answer.
    pub fn replicate<const D: usize>(
        &self,
        draws: &mut Draws,
        designs: [f64; D],
        mut answered: impl FnMut(usize, f64),
    ) -> Drawn {
        let timeline = self.timeline(draws);
        let mut backlog = self.backlog(draws, designs);
        let (mut now, mut next, mut requests, mut work) = (0.0, 0, 0.0, 0.0);
        while requests < REQUESTS || self.outages.is_some() {
            let gap = self.gap * draws.exponential();
            if now + gap >= timeline.up {
                break;
            }
            let own = self.law.draw(self.work, draws);
            (now, requests, work) = (now + gap, requests + 1.0, work + own);
            while timeline.begins(next) <= now {
                next += 1;
            }
            for ((i, ahead), scale) in backlog.iter_mut().enumerate().zip(designs) {
                *ahead = (*ahead - gap).max(0.0) + own * scale;
                let until = now + *ahead;
                let mut time = *ahead;
                let mut stop = next;
                while timeline.begins(stop) <= until {
                    time += timeline.outages[stop].1;
                    stop += 1;
                }
                answered(i, time);
            }
        }
        let load = (work - self.work / self.gap * now) / requests;
        let lost = self.lost(&timeline, draws);
        Drawn { lost, strikes: timeline.strikes, work: work / requests, load }
    }

    /// Work found in the queue at any time: of as many requests as a geometric law says what is left of each (Pollaczek
    /// and Khinchine). The same draws for all designs.
    fn backlog<const D: usize>(&self, draws: &mut Draws, designs: [f64; D]) -> [f64; D] {
        let size = libm::log(draws.unit());
        let ahead = designs.map(|scale| (size / libm::log(self.work * scale / self.gap)) as usize);
        let mut backlog = [0.0; D];
        for k in 0..ahead.into_iter().max().unwrap_or(0) {
            let left = self.law.left(self.work, draws);
            for i in (0..D).filter(|&i| k < ahead[i]) {
                backlog[i] += left * designs[i];
            }
        }
        backlog
    }

    pub fn timeline(&self, draws: &mut Draws) -> Timeline {
        let mut all = Timeline { outages: Vec::new(), up: f64::INFINITY, strikes: 0 };
        let Some(Outages { every, length, law }) = self.outages else { return all };
        let (mut wall, mut clock) = (0.0, 0.0);
        if draws.unit() < self.down() {
            wall = law.left(length, draws);
            all.strikes = 1;
        }
        while wall < HOUR {
            let (up, down) = (every * draws.exponential(), law.draw(length, draws));
            all.outages.push((clock + up, down));
            let over = wall + up >= HOUR;
            clock += if over { HOUR - wall } else { up };
            all.strikes += u64::from(!over);
            wall += up + down;
        }
        all.up = clock;
        all
    }

    pub fn lost(&self, timeline: &Timeline, draws: &mut Draws) -> f64 {
        self.outages.map_or(0.0, |_| draws.events((HOUR - timeline.up) / self.gap))
    }

    /// Mean time to an answer in a design: by Pollaczek and Khinchine, on the clock that stands still in outages.
    pub fn mean(&self, scale: f64) -> f64 {
        let (work, load) = (self.work * scale, self.work * scale / self.gap);
        let time = work + load * work * self.law.square() / (2.0 * (1.0 - load));
        time * self.outages.map_or(1.0, |o| 1.0 + o.length / o.every)
    }

    /// Share of the time that it is down.
    pub fn down(&self) -> f64 {
        self.outages.map_or(0.0, |o| o.length / (o.every + o.length))
    }
}

/// What is true of a world.
pub struct Truth {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub available: f64,
    /// Of the second design less the first.
    pub means: f64,
    pub p99s: f64,
    /// 1 % of the requests are slower or lost.
    pub late: f64,
}

impl Truth {
    pub fn of(world: &World) -> Self {
        let [base, less] = [1.0, LESS].map(|scale| Times::of(world, scale));
        let [mean, faster] = [1.0, LESS].map(|scale| world.mean(scale));
        let down = world.down();
        let p99 = base.exceeded(0.01);
        Self {
            mean,
            p50: base.exceeded(0.5),
            p99,
            available: (1.0 - down) * (1.0 - base.beyond(world.patience)),
            means: faster - mean,
            p99s: less.exceeded(0.01) - p99,
            late: base.exceeded((0.01 - down) / (1.0 - down)),
        }
    }
}

/// The distribution of the time to an answer: the share that takes longer than each multiple of a step. Half the step
/// changes no figure by more than 1 in 100,000, and what formulas tell of M/M/1 is met as well.
struct Times {
    step: f64,
    beyond: Vec<f64>,
}

impl Times {
    const POINTS: usize = 4_096;

    fn of(world: &World, scale: f64) -> Self {
        let step = 12.0 * world.mean(1.0) / Self::POINTS as f64;
        let (work, load) = (world.work * scale, world.work * scale / world.gap);
        // Waiting times W by what is left of the first request in the queue: P(W > t) = load (P(left > t) + the
        // integral of P(W > t - s) over what is left, s in 0..t), as a sum over the parts around each point.
        let left = |place: f64| world.law.left_beyond(work, place.max(1e-9) * step);
        let parts: Vec<f64> =
            (0..=Self::POINTS).map(|k| left(k as f64 - 0.5) - left(k as f64 + 0.5)).collect();
        let mut waits = vec![load];
        for k in 1..=Self::POINTS {
            let inner: f64 = (1..k).map(|j| parts[j] * waits[k - j]).sum();
            let last = left(k as f64 - 0.5) - left(k as f64);
            let known = load * (left(k as f64) + inner + last * waits[0]);
            waits.push(known / (1.0 - load * parts[0]));
        }
        // The queue crosses t upwards as often as downwards: P(T > t) = P(W > t) + density of W at t x gap.
        let slope = |k: usize| (waits[k - 1] - waits[k + 1]) / (2.0 * step);
        let mut beyond = vec![1.0];
        beyond.extend((1..Self::POINTS).map(|k| waits[k] + slope(k) * world.gap));
        let mut all = Self { step, beyond };
        if let Some(outages) = world.outages {
            all.hold_up(outages);
        }
        all
    }

    /// Outages are added that begin before the answer; that two do is 1 in 10^8.
    fn hold_up(&mut self, Outages { every, length, law }: Outages) {
        let longer: Vec<f64> = (0..self.beyond.len())
            .map(|k| law.beyond(length, (k as f64 + 0.5) * self.step))
            .collect();
        let held = |k: usize| {
            // From those that would take between j and j + 1 steps.
            let from = |j: usize| {
                let time = (j as f64 + 0.5) * self.step;
                (self.beyond[j] - self.beyond[j + 1]) * time / every * longer[k - 1 - j]
            };
            self.beyond[k] + (0..k).map(from).sum::<f64>()
        };
        self.beyond = (0..self.beyond.len()).map(held).collect();
    }

    /// Share that takes longer, on a straight line between the points.
    fn beyond(&self, time: f64) -> f64 {
        let place = time / self.step;
        match self.beyond.get(place as usize..).unwrap_or_default() {
            [from, to, ..] => from + (to - from) * place.fract(),
            _ => 0.0,
        }
    }

    /// What so large a share exceeds.
    fn exceeded(&self, share: f64) -> f64 {
        let next = self.beyond.partition_point(|&beyond| beyond > share);
        let [from, to] = [self.beyond[next - 1], self.beyond[next]];
        self.step * (next as f64 - (share - to) / (from - to))
    }
}
