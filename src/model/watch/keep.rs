//! Which requests of a replication are looked at more closely.
//!
//! **Invariant.** Among equals those decided first are kept, so that one replication keeps the same ones each time.

use std::collections::BTreeMap;

use crate::{model::probe::RequestSample, outcome::Outcome};

/// What is looked for among the requests of the measured span.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// So many that took longest.
    pub slowest: usize,
    /// Latencies of answers, ns, and how many of those next to each.
    pub near: (Vec<u64>, usize),
    /// So many of each outcome but ok: the first.
    pub of_each: usize,
    /// Only of this one, if given.
    pub outcome: Option<Outcome>,
    /// So many that failed first after each fault began.
    pub after_fault: usize,
    /// These: client (index in name order) and number.
    pub asked: Vec<(u16, u64)>,
}

/// Why a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// It is among the slowest.
    Slow,
    /// Its latency is next to that one of those given.
    Near(usize),
    /// It is among the first that ended so.
    Ended(usize),
    /// It failed first after this fault (index in order of ids) began.
    After(usize),
}

/// Requests as they are decided -> those that are kept.
#[derive(Debug)]
pub struct Keeper {
    wanted: Wanted,
    seen: u64,
    /// By how far they are from what is looked for, then in order of decision.
    slow: BTreeMap<(u64, u64), RequestSample>,
    near: Vec<BTreeMap<(u64, u64), RequestSample>>,
    ended: [Vec<RequestSample>; Outcome::ALL.len()],
    after: BTreeMap<usize, Vec<RequestSample>>,
    asked: Vec<RequestSample>,
}

impl Keeper {
    /// Nothing was seen yet.
    pub fn new(wanted: Wanted) -> Self {
        let near = vec![BTreeMap::new(); wanted.near.0.len()];
        Self {
            wanted,
            seen: 0,
            slow: BTreeMap::new(),
            near,
            ended: Default::default(),
            after: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// A request was decided; these faults had begun by then or later, each at its time, ns.
    pub fn push(&mut self, sample: &RequestSample, faults: &BTreeMap<usize, u64>) {
        self.seen += 1;
        let seen = self.seen;
        let Wanted { slowest, near, of_each, outcome, after_fault, asked } = &self.wanted;
        if asked.contains(&(sample.client, sample.number)) {
            self.asked.push(sample.clone());
        }
        let fits = outcome.is_none_or(|outcome| outcome == sample.outcome);
        if fits {
            least(&mut self.slow, *slowest, (u64::MAX - sample.latency, seen), sample);
        }
        let all = &mut self.ended[sample.outcome as usize];
        if fits && all.len() < *of_each && (outcome.is_some() || sample.outcome != Outcome::Ok) {
            all.push(sample.clone());
        }
        if sample.outcome.is_success() {
            for (latency, near_it) in near.0.iter().zip(&mut self.near) {
                let off = latency.abs_diff(sample.latency);
                least(near_it, near.1, (off, seen), sample);
            }
            return;
        }
        let decided = sample.intended + sample.latency;
        for (&fault, _) in faults.iter().filter(|(_, began)| **began <= decided) {
            let first = self.after.entry(fault).or_default();
            if first.len() < *after_fault {
                first.push(sample.clone());
            }
        }
    }

    /// Those that are kept, each once, with all that speaks for it; in order of intended send.
    pub fn kept(self) -> Vec<(RequestSample, Vec<Why>)> {
        let mut all: BTreeMap<(u64, u16, u64), (RequestSample, Vec<Why>)> = BTreeMap::new();
        let asked = self.asked.into_iter().map(|sample| (sample, Why::Asked));
        let slow = self.slow.into_values().map(|sample| (sample, Why::Slow));
        let near = self
            .near
            .into_iter()
            .enumerate()
            .flat_map(|(i, near)| near.into_values().map(move |sample| (sample, Why::Near(i))));
        let ended =
            self.ended.into_iter().enumerate().flat_map(|(i, ended)| {
                ended.into_iter().map(move |sample| (sample, Why::Ended(i)))
            });
        let after = self.after.into_iter().flat_map(|(fault, first)| {
            first.into_iter().map(move |sample| (sample, Why::After(fault)))
        });
        for (sample, why) in asked.chain(slow).chain(near).chain(ended).chain(after) {
            let name = (sample.intended, sample.client, sample.number);
            all.entry(name).or_insert((sample, Vec::new())).1.push(why);
        }
        all.into_values().collect()
    }
}

/// Keeps a request if it is among so many with the least keys.
fn least(
    kept: &mut BTreeMap<(u64, u64), RequestSample>,
    most: usize,
    key: (u64, u64),
    sample: &RequestSample,
) {
    if most == 0 || kept.len() == most && kept.last_key_value().is_some_and(|last| *last.0 < key) {
        return;
    }
    kept.insert(key, sample.clone());
    if kept.len() > most {
        kept.pop_last();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u64, latency: u64, outcome: Outcome) -> RequestSample {
        RequestSample {
            client: 0,
            operation: 0,
            number,
            intended: 10 * number,
            latency,
            key: None,
            attempts: 1,
            outcome,
        }
    }

    fn numbers(kept: &[(RequestSample, Vec<Why>)], why: Why) -> Vec<u64> {
        kept.iter().filter(|(_, all)| all.contains(&why)).map(|(one, _)| one.number).collect()
    }

    #[test]
    fn keeps_what_a_full_sort_would() {
        let wanted = Wanted {
            slowest: 3,
            near: (vec![50], 2),
            of_each: 2,
            outcome: None,
            after_fault: 1,
            asked: vec![(0, 7), (0, 99)],
        };
        let latencies: [u64; 12] = [5, 90, 50, 49, 90, 90, 12, 51, 90, 3, 52, 48];
        let outcome = |i: usize| if i % 4 == 1 { Outcome::Timeout } else { Outcome::Ok };
        let mut keeper = Keeper::new(wanted);
        let faults = BTreeMap::from([(4, 100)]);
        for (i, &latency) in latencies.iter().enumerate() {
            keeper.push(&sample(i as u64, latency, outcome(i)), &faults);
        }
        let kept = keeper.kept();
        // Of four with 90 the first three.
        assert_eq!(numbers(&kept, Why::Slow), [1, 4, 5]);
        // 50 itself; of 49 and 51 the one decided first.
        assert_eq!(numbers(&kept, Why::Near(0)), [2, 3]);
        assert_eq!(numbers(&kept, Why::Ended(Outcome::Timeout as usize)), [1, 5]);
        assert!(numbers(&kept, Why::Ended(Outcome::Ok as usize)).is_empty());
        // Request 1 is decided at 10 + 90, the instant at which the fault begins.
        assert_eq!(numbers(&kept, Why::After(4)), [1]);
        assert_eq!(numbers(&kept, Why::Asked), [7]);
        assert_eq!(kept.len(), 6);
    }
}
