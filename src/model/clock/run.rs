//! The clocks of all instances in one replication.
//!
//! **Invariant.** A steady clock never goes back; a `clock` fault that has ended leaves the time of day as it was before.

use super::{Drift, Offset};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::{Stream, hash_str, mix},
    },
    model::{ids::Host, names::Names, plan::Prepared, replication::callers::Within},
};

/// The time of day as a run begins, ns: so far from 0 that no clock is before that.
const EPOCH: u64 = 1 << 60;

/// What an instance reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// By the clock that is never set, ns since the start of the run.
    pub steady: u64,
    /// Time of day, ns.
    pub wall: u64,
}

/// One clock.
#[derive(Clone, Debug, Default)]
struct Clock {
    /// When it was set last, or a fault began or ended, ns. Reading it changes nothing.
    since: u64,
    /// What the steady clock showed then.
    steady: u64,
    /// How often it was set, and when last, ns.
    set: (u64, u64),
    /// What is wrong with it: by itself, and by each fault at work.
    errors: Vec<Error>,
}

/// What is wrong with a clock for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Error {
    /// How far it is put, ns.
    offset: i64,
    /// How much too fast it goes.
    drift: f64,
    /// How far that has brought it, until the last change, ns.
    gained: i64,
}

/// How clocks are wrong by themselves.
#[derive(Debug)]
struct Wrong {
    offset: Option<Sampler>,
    drift: f64,
    resync: Option<u64>,
    draws: Stream,
}

/// The clocks of all instances.
#[derive(Debug)]
pub struct Clocks {
    nodes: Vec<Vec<Clock>>,
    wrong: Wrong,
    /// Hash of each node's name.
    sites: Vec<u64>,
    /// Processes that go by the clock of another entity's instance.
    within: Within,
}

impl Wrong {
    /// What is wrong with a clock by itself from when it is set for the n-th time.
    fn draw(&self, identity: u64, n: u64) -> Error {
        let mut draw = self.draws.draw_mixed(mix(identity ^ mix(n)));
        let signs = draw.below(4);
        let sign = |bit: u64| if signs & bit == 0 { 1.0 } else { -1.0 };
        let offset = self.offset.as_ref().map_or(0, |law| to_nanos(law.sample(&mut draw)));
        let offset = (offset as f64 * sign(1)) as i64;
        Error { offset, drift: self.drift * sign(2), gained: 0 }
    }
}

impl Clock {
    /// One that is set at the start.
    fn new(error: Error) -> Self {
        Self { errors: vec![error], ..Self::default() }
    }

    /// How fast it goes: what is wrong with it multiplies, so that it never goes back.
    fn rate(&self) -> f64 {
        self.errors.iter().map(|error| 1.0 + error.drift).product()
    }

    /// How far each thing that is wrong with it has brought it since the last change.
    fn gained(&self, now: u64) -> impl Iterator<Item = i64> {
        let (passed, mut rate) = ((now - self.since) as f64, 1.0);
        self.errors.iter().map(move |error| {
            let gained = (passed * rate * error.drift) as i64;
            rate *= 1.0 + error.drift;
            gained
        })
    }

    fn read(&self, now: u64) -> Reading {
        let gained: i64 = self.gained(now).sum();
        let passed = self.steady.saturating_add(now - self.since);
        let off = self.errors.iter().map(|error| error.offset.saturating_add(error.gained));
        let off = off.fold(gained, i64::saturating_add);
        Reading {
            steady: passed.saturating_add_signed(gained),
            wall: (EPOCH + now).saturating_add_signed(off),
        }
    }

    /// What is wrong with it is about to change.
    fn change(&mut self, now: u64) {
        self.steady = self.read(now).steady;
        let gained: Vec<i64> = self.gained(now).collect();
        self.errors.iter_mut().zip(gained).for_each(|(error, more)| error.gained += more);
        self.since = now;
    }
}

impl Clocks {
    /// Of a design, if any clock of it is ever wrong.
    pub fn of(names: &Names, prepared: &Prepared, seed: u64) -> Option<Self> {
        names.wrong_clocks()?;
        let spec = names.design.clocks.clone().unwrap_or_default();
        let wrong = Wrong {
            offset: spec.offset.map(|law| law.compile(prepared).expect("the law was checked")),
            drift: spec.drift.map_or(0.0, |drift| drift.0),
            resync: spec.resync.map(|every| every.0),
            draws: Stream::new(seed, "clocks", "set"),
        };
        let sites: Vec<u64> = names.nodes().map(|name| hash_str(0, name)).collect();
        let nodes = names.specs().zip(&sites).map(|(spec, site)| {
            let clock = |inst: u64| Clock::new(wrong.draw(site ^ inst, 0));
            (0..spec.kind().facts().instances).map(clock).collect()
        });
        Some(Self { nodes: nodes.collect(), wrong, sites, within: prepared.ground.within.clone() })
    }

    /// The clock of an instance, set as often as it is by an instant; none: it is a client, whose clock is right.
    fn at(&mut self, host: Host, now: u64) -> Option<&mut Clock> {
        let (node, inst) = self.within.whose(host);
        let clock = self.nodes.get_mut(usize::from(node))?.get_mut(usize::from(inst))?;
        if let Some(every) = self.wrong.resync {
            while now - clock.set.1 >= every {
                clock.set = (clock.set.0 + 1, clock.set.1 + every);
                clock.change(clock.set.1);
                let identity = self.sites[usize::from(node)] ^ u64::from(inst);
                clock.errors.iter_mut().for_each(|error| error.gained = 0);
                clock.errors[0] = self.wrong.draw(identity, clock.set.0);
            }
        }
        Some(clock)
    }

    /// What an instance reads.
    pub fn read(&mut self, host: Host, now: u64) -> Reading {
        let right = Reading { steady: now, wall: EPOCH + now };
        self.at(host, now).map_or(right, |clock| clock.read(now))
    }

    /// True time until so much has passed by the steady clock of an instance, as fast as it goes now.
    pub fn until(&mut self, host: Host, span: u64, now: u64) -> u64 {
        let rate = self.at(host, now).map_or(1.0, |clock| clock.rate());
        if rate == 1.0 { span } else { ((span as f64 / rate).ceil() as u64).saturating_add(1) }
    }

    /// A fault begins to put a clock wrong, or ceases to; how many times as fast as before it goes from now on.
    pub fn disturb(
        &mut self,
        host: Host,
        (Offset(offset), Drift(drift)): (Offset, Drift),
        begins: bool,
        now: u64,
    ) -> f64 {
        let Some(clock) = self.at(host, now) else { return 1.0 };
        let before = clock.rate();
        clock.change(now);
        if begins {
            clock.errors.push(Error { offset, drift, gained: 0 });
        } else if let Some(at) =
            clock.errors.iter().skip(1).position(|e| (e.offset, e.drift) == (offset, drift))
        {
            clock.errors.remove(at + 1);
        }
        clock.rate() / before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn clocks(drift: f64, resync: Option<u64>) -> Clocks {
        let draws = Stream::new(1, "clocks", "set");
        let wrong = Wrong { offset: None, drift, resync, draws };
        let within = Within::default();
        Clocks { nodes: vec![vec![Clock::new(Error::default()); 2]], wrong, sites: vec![7], within }
    }

    #[test]
    fn an_offset_moves_the_time_of_day_alone_and_ends_without_a_trace() {
        let mut clocks = clocks(0.0, None);
        let shift = (Offset(-300_000_000), Drift(0.0));
        assert_eq!(clocks.disturb((0, 1), shift, true, S), 1.0);
        let read = clocks.read((0, 1), 2 * S);
        assert_eq!((read.steady, read.wall), (2 * S, EPOCH + 2 * S - 300_000_000));
        assert_eq!(clocks.read((0, 0), 2 * S).wall, EPOCH + 2 * S);
        clocks.disturb((0, 1), shift, false, 3 * S);
        assert_eq!(clocks.read((0, 1), 3 * S).wall, EPOCH + 3 * S);
    }

    #[test]
    fn a_drift_is_felt_by_both_clocks_while_it_lasts() {
        let mut clocks = clocks(0.0, None);
        let slow = (Offset(0), Drift(-0.6));
        assert!((clocks.disturb((0, 0), slow, true, 10 * S) - 0.4).abs() < 1e-12);
        let read = clocks.read((0, 0), 15 * S);
        assert_eq!((read.steady, read.wall), (12 * S, EPOCH + 12 * S));
        // A timer of 2 s takes 5.
        assert_eq!(clocks.until((0, 0), 2 * S, 15 * S), 5 * S + 1);
        clocks.disturb((0, 0), slow, false, 20 * S);
        let read = clocks.read((0, 0), 20 * S);
        // What has passed has passed; what time it is is known again.
        assert_eq!((read.steady, read.wall), (14 * S, EPOCH + 20 * S));
    }

    #[test]
    fn who_looks_often_sees_the_same_time() {
        // At 50 ppm a clock gains less than a nanosecond between two looks.
        let shift = (Offset(0), Drift(50e-6));
        let (mut often, mut once) = (clocks(0.0, None), clocks(0.0, None));
        often.disturb((0, 0), shift, true, 0);
        once.disturb((0, 0), shift, true, 0);
        let looks = (0..=100_000).map(|n| often.read((0, 0), n * 10_000));
        assert_eq!(looks.last(), Some(once.read((0, 0), S)));
        assert_eq!(once.read((0, 0), S).steady, S + 50_000);
    }

    #[test]
    fn clocks_that_several_faults_slow_never_go_back() {
        let mut clocks = clocks(0.1, Some(7 * S));
        let slow = (Offset(0), Drift(-0.8));
        let mut last = 0;
        for n in 0..60 {
            if n % 10 < 2 {
                clocks.disturb((0, 0), slow, true, n * S);
            }
            if n % 10 > 7 {
                clocks.disturb((0, 0), slow, false, n * S);
            }
            let read = clocks.read((0, 0), n * S + S / 2).steady;
            assert!(read > last, "{read} after {last}");
            last = read;
        }
        assert_eq!(clocks.nodes[0][0].errors.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_drifts_anew() {
        let mut clocks = clocks(0.01, Some(64 * S));
        let off = |now: u64, clocks: &mut Clocks| {
            clocks.read((0, 0), now).wall as i64 - (EPOCH + now) as i64
        };
        // The first stretch has no drift here; those after it drift either way.
        let just_set: Vec<i64> = (1..9).map(|n| off(n * 64 * S, &mut clocks)).collect();
        assert_eq!(just_set, [0; 8]);
        let mut signs = std::collections::BTreeSet::new();
        for n in 9..40 {
            let found = off(n * 64 * S + 10 * S, &mut clocks);
            assert_eq!(found.abs(), 100_000_000);
            signs.insert(found.signum());
        }
        assert_eq!(signs.len(), 2);
    }
}
