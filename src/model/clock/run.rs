//! The clocks of all instances in one replication.
//!
//! **Invariant.** A steady clock never goes back; a `clock` fault that has ended leaves the time of day as it was before.

use super::{Drift, Offset};
use crate::{
    engine::{
        law::{Sampler, Tables, to_nanos},
        random::{Stream, hash_str, mix},
    },
    model::{ids::Host, names::Names},
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
    /// Up to when, in true time, the steady clock is known.
    known: u64,
    /// What it read then.
    steady: u64,
    /// As it was set last.
    set: Set,
    /// Of the faults at work: how far they put it, how fast they make it, and when they began.
    faults: Vec<(i64, f64, u64)>,
}

/// A clock is set: how far off it is then, and how much too fast it goes until it is set again.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    /// How often it was set before.
    number: u64,
    /// When, ns.
    at: u64,
    /// ns.
    offset: i64,
    drift: f64,
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
}

/// So much time as a clock shows that goes so much too fast.
fn stretched(time: u64, drift: f64) -> i64 {
    (time as f64 * drift) as i64
}

impl Wrong {
    /// A clock is set.
    fn set(&self, identity: u64, number: u64, at: u64) -> Set {
        let mut draw = self.draws.draw_mixed(mix(identity ^ mix(number)));
        let signs = draw.below(4);
        let sign = |bit: u64| if signs & bit == 0 { 1.0 } else { -1.0 };
        let offset = self.offset.as_ref().map_or(0, |law| to_nanos(law.sample(&mut draw)));
        let offset = (offset as f64 * sign(1)) as i64;
        Set { number, at, offset, drift: self.drift * sign(2) }
    }
}

impl Clock {
    fn rate(&self) -> f64 {
        1.0 + self.set.drift + self.faults.iter().map(|fault| fault.1).sum::<f64>()
    }

    /// Brings the steady clock up to an instant.
    fn advance(&mut self, now: u64) {
        let passed = now - self.known;
        let gained = stretched(passed, self.rate() - 1.0);
        self.steady = self.steady.saturating_add(passed).saturating_add_signed(gained);
        self.known = now;
    }

    fn wall(&self, now: u64) -> u64 {
        let Set { at: since, offset, drift, .. } = self.set;
        // A clock that is set is right but for what is wrong with it by itself, and for what a fault has put it.
        let fault = |&(offset, drift, began): &(i64, f64, u64)| {
            offset.saturating_add(stretched(now - began.max(since), drift))
        };
        let faults = self.faults.iter().map(fault).fold(0, i64::saturating_add);
        let off = offset.saturating_add(stretched(now - since, drift)).saturating_add(faults);
        (EPOCH + now).saturating_add_signed(off)
    }
}

impl Clocks {
    /// Of a design, if any clock of it is ever wrong.
    pub fn of(names: &Names, tables: &dyn Tables, seed: u64) -> Option<Self> {
        names.wrong_clocks()?;
        let spec = names.design.clocks.clone().unwrap_or_default();
        let wrong = Wrong {
            offset: spec.offset.map(|law| law.compile(tables).expect("the law was checked")),
            drift: spec.drift.map_or(0.0, |drift| drift.0),
            resync: spec.resync.map(|every| every.0),
            draws: Stream::new(seed, "clocks", "set"),
        };
        let sites: Vec<u64> = names.nodes().map(|name| hash_str(0, name)).collect();
        let nodes = names.specs().zip(&sites).map(|(spec, site)| {
            let clock = |inst: u64| Clock { set: wrong.set(site ^ inst, 0, 0), ..Clock::default() };
            (0..spec.kind().facts().instances).map(clock).collect()
        });
        Some(Self { nodes: nodes.collect(), wrong, sites })
    }

    /// The clock of an instance, brought up to an instant.
    fn at(&mut self, (node, inst): Host, now: u64) -> &mut Clock {
        let clock = &mut self.nodes[usize::from(node)][usize::from(inst)];
        if let Some(every) = self.wrong.resync {
            while now - clock.set.at >= every {
                let at = clock.set.at + every;
                clock.advance(at);
                let identity = self.sites[usize::from(node)] ^ u64::from(inst);
                clock.set = self.wrong.set(identity, clock.set.number + 1, at);
            }
        }
        clock.advance(now);
        clock
    }

    /// What an instance reads.
    pub fn read(&mut self, host: Host, now: u64) -> Reading {
        let clock = self.at(host, now);
        Reading { steady: clock.steady, wall: clock.wall(now) }
    }

    /// True time until so much has passed by the steady clock of an instance, as fast as it goes now.
    pub fn until(&mut self, host: Host, span: u64, now: u64) -> u64 {
        let rate = self.at(host, now).rate();
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
        let clock = self.at(host, now);
        let before = clock.rate();
        if begins {
            clock.faults.push((offset, drift, now));
        } else if let Some(at) =
            clock.faults.iter().position(|fault| (fault.0, fault.1) == (offset, drift))
        {
            clock.faults.remove(at);
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
        Clocks { nodes: vec![vec![Clock::default(); 2]], wrong, sites: vec![7] }
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
