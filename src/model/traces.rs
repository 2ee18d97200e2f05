//! Rows of traces on the clock of the run: where it starts, in which order, spread over coarse stamps.
//!
//! **Invariant.** All rows of a trace are replayed, except those before a `start` that was asked for;
//! whatever else sets them apart from the file is said in a warning.

use std::{collections::BTreeMap, sync::Arc};

use super::client::{Arrivals, Spread, TraceSpec, TraceStart, TraceUnit};
use crate::{
    engine::{
        law::{Table, Tables, to_nanos},
        random::Stream,
    },
    model::{design::Design, network::MatrixSpec},
    problem::Problems,
    units::SimDuration,
};

/// Files a design refers to.
pub trait Data: Tables {
    /// A column of times, non-decreasing unless it is to be sorted.
    fn times(
        &self,
        table: &Table,
        column: &str,
        reading: (TraceUnit, bool),
    ) -> Result<Stamps, String>;
    /// A column of numbers and texts; each text as the number it stands for.
    fn words(
        &self,
        table: &Table,
        column: &str,
        number: &dyn Fn(&str) -> f64,
    ) -> Result<Vec<f64>, String>;
    /// The keys of a file, in order; a text is the key of that text.
    fn keys(&self, table: &Table, column: Option<&str>) -> Result<Vec<u64>, String>;
    /// One-way latencies (from, to, ns) of a matrix of regions.
    fn matrix(&self, spec: &MatrixSpec) -> Result<Vec<(String, String, f64)>, String>;
}

/// Instants of a file, in nanoseconds: its first row, and each row's distance from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The first row, from the origin of the file's own clock (1970 for dates).
    pub first: i128,
    /// Each row since the first one.
    pub since: Vec<i64>,
}

/// Rows of a client's trace.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Instants from the start of the run, non-decreasing, ns.
    pub times: Arc<[u64]>,
    /// Place in the file of each, where that is not its own number.
    order: Option<Vec<u32>>,
    /// Rows that share a stamp come within so many ns after it.
    spread: u64,
}

/// Units that stamps are rounded to, ns.
const RESOLUTIONS: [u64; 8] =
    [60_000_000_000, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000];
/// Later than any run ends, and still far from the end of the clock.
const NEVER: u64 = u64::MAX / 4;

/// The rows of all clients that replay a trace, by the client's name.
pub(super) fn rows(
    design: &Design,
    data: &dyn Data,
    problems: &mut Problems,
) -> BTreeMap<String, Rows> {
    let mut read = Vec::new();
    for (name, client) in &design.clients {
        let Arrivals::Trace(trace) = &client.arrivals else { continue };
        let path = format!("clients.{}.arrivals", name.0);
        match data.times(&trace.table, &trace.column, (trace.unit, trace.sort)) {
            Ok(stamps) if stamps.since.is_empty() => {
                problems.error("E-TRACE", path, format!("`{}` has no rows", trace.table.file));
            }
            Ok(stamps) => read.push((&name.0, path, trace, stamps)),
            Err(message) => problems.error("E-TRACE", path, message),
        }
    }
    let shared = read.iter().filter(|(_, _, trace, _)| trace.start != TraceStart::First);
    let earliest = shared.map(|(.., stamps)| stamps.earliest()).min().unwrap_or_default();
    let mut all = BTreeMap::new();
    for (name, path, trace, stamps) in read {
        let origin = match &trace.start {
            TraceStart::Earliest => earliest,
            TraceStart::First => stamps.earliest(),
            TraceStart::At { nanos, .. } => *nanos,
        };
        let finer = stamps.finer_unit(trace.unit);
        if let Some((unit, years)) = finer {
            let (file, read) = (&trace.table.file, trace.unit);
            let message = format!("read as {read}, `{file}` begins {years} years after 1970");
            problems.warn("W-TRACE", &path, message, format!("should it be `unit={unit}`?"));
        }
        if let Some(rows) = Rows::new(trace, &stamps, origin, &path, problems) {
            if finer.is_none() {
                rows.compare(trace, design.duration, &path, problems);
            }
            all.insert(name.clone(), rows);
        }
    }
    all
}

impl Stamps {
    fn earliest(&self) -> i128 {
        self.first + i128::from(self.since.iter().min().copied().unwrap_or_default())
    }

    /// The unit in which these numbers would be times of our days, if in theirs they are not by far,
    /// and the years since 1970 they are read as.
    fn finer_unit(&self, unit: TraceUnit) -> Option<(TraceUnit, i128)> {
        const YEAR: i128 = 31_557_600_000_000_000;
        let TraceUnit::Nanoseconds(nanos) = unit else { return None };
        let years = self.first / YEAR;
        let ours = |finer: &u64| {
            let first = self.first / i128::from(nanos) * i128::from(*finer);
            (20..200).contains(&(first / YEAR))
        };
        let finer = [1_000_000, 1000, 1].into_iter().filter(|finer| *finer < nanos).find(ours);
        finer.filter(|_| years >= 1000).map(|finer| (TraceUnit::Nanoseconds(finer), years))
    }

    /// The largest unit all stamps are whole multiples of, if rows crowd on nearly every one.
    fn resolution(&self, sorted: &[u64]) -> Option<u64> {
        let whole = |unit: u64| {
            self.since
                .iter()
                .all(|&since| (self.first + i128::from(since)).rem_euclid(i128::from(unit)) == 0)
        };
        let steps = || sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0);
        let distinct = 1 + steps().count();
        // Stamps far apart that are shared are batches, not seconds cut off.
        let dense =
            |unit: u64| 2 * steps().filter(|step| *step <= 2 * unit).count() >= distinct - 1;
        let crowded = distinct > 1 && (sorted.len() - distinct) * 10 >= sorted.len();
        if !crowded {
            return None;
        }
        RESOLUTIONS.into_iter().find(|unit| whole(*unit)).filter(|unit| dense(*unit))
    }
}

impl Rows {
    fn new(
        trace: &TraceSpec,
        stamps: &Stamps,
        origin: i128,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let total = stamps.since.len();
        let mut kept: Vec<u32> = (0..total as u32)
            .filter(|&row| stamps.first + i128::from(stamps.since[row as usize]) >= origin)
            .collect();
        let before = total - kept.len();
        if kept.is_empty() {
            let message = format!("all rows of `{}` are before `start`", trace.table.file);
            problems.error_help("E-TRACE", path, message, "an earlier `start`");
            return None;
        }
        if before > 0 {
            let message = format!("{before} of {total} rows are before `start` and are left out");
            problems.warn("W-TRACE", path, message, "an earlier `start` keeps them");
        }
        if trace.sort {
            kept.sort_by_key(|&row| stamps.since[row as usize]);
        }
        let time = |&row: &u32| {
            let time = stamps.first + i128::from(stamps.since[row as usize]) - origin;
            u64::try_from(time).map_or(NEVER, |time| time.min(NEVER))
        };
        let times: Vec<u64> = kept.iter().map(time).collect();
        let spread = match trace.spread {
            Spread::Over(nanos) => nanos,
            Spread::Auto => stamps
                .resolution(&times)
                .inspect(|unit| {
                    let unit = SimDuration(*unit);
                    let message = format!(
                        "all times of `{}` are multiples of {unit} and many rows share theirs: \
                     they are spread at random over the {unit} after it, in their order",
                        trace.table.file
                    );
                    let help =
                        format!("`spread={unit}` says so, `spread=none` lets them come at once");
                    problems.warn("W-TRACE", path, message, help);
                })
                .unwrap_or(0),
        };
        let in_order = kept.iter().enumerate().all(|(i, &row)| i == row as usize);
        Some(Self { times: times.into(), order: (!in_order).then_some(kept), spread })
    }

    /// Warns of what a run makes of them that its author may not expect.
    fn compare(&self, trace: &TraceSpec, duration: u64, path: &str, problems: &mut Problems) {
        let file = &trace.table.file;
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let scale = |time: u64| scaled(time, trace.speed);
        let beyond = self.times.iter().rev().take_while(|&&time| scale(time) > duration).count();
        let total = self.times.len();
        let (end, last) = (SimDuration(duration), SimDuration(scale(last)));
        if beyond == total {
            let message = format!(
                "no row of `{file}` is sent: the first comes {} after the start, the run ends at {end}",
                SimDuration(scale(first))
            );
            let help = "rows keep their time from the earliest row of all traces; `start=first` \
                        counts from the file's own";
            problems.warn("W-TRACE", path, message, help);
        } else if beyond * 10 > total {
            let message = format!(
                "{beyond} of {total} rows of `{file}` come after the end of the run ({end}) and \
                 are not sent: the last one is at {last}"
            );
            problems.warn("W-TRACE", path, message, "a longer `duration`, or `start=`");
        } else if !trace.repeat && last.0 < duration - duration / 10 {
            let message =
                format!("the last row of `{file}` is at {last}, the run goes on until {end}");
            problems.warn("W-TRACE", path, message, "`at_end=repeat`, or a shorter `duration`");
        }
    }

    /// The values of a column of the same file, as its rows come.
    pub(super) fn arranged<T: Copy>(&self, column: Vec<T>) -> Vec<T> {
        match &self.order {
            None => column,
            Some(order) => order.iter().map(|&row| column[row as usize]).collect(),
        }
    }

    /// Whether rows come in another order than in the file.
    pub(super) fn rearranged(&self) -> bool {
        self.order.is_some()
    }

    /// The instants of a replication and the length of one pass, at a speed.
    pub fn replay(&self, speed: f64, stream: Stream) -> (Arc<[u64]>, u64) {
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        // A pass ends one mean gap after its last row, and not within that one's stamp.
        let length = scaled(last, speed) - scaled(first, speed);
        let gap = length / (self.times.len() as u64 - 1).max(1);
        let period = length + gap.max(1).max(scaled(self.spread, speed));
        if self.spread > 0 {
            let times = self.spread_out(stream);
            return (times.into_iter().map(|time| scaled(time, speed)).collect(), period);
        }
        let times = if speed.to_bits() == 1f64.to_bits() {
            Arc::clone(&self.times)
        } else {
            self.times.iter().map(|&time| scaled(time, speed)).collect()
        };
        (times, period)
    }

    /// Rows that share a stamp at random instants of the time it stands for, in their order.
    fn spread_out(&self, stream: Stream) -> Vec<u64> {
        let mut times = Vec::with_capacity(self.times.len());
        for group in self.times.chunk_by(|a, b| a == b) {
            let from = times.len();
            let alone = group.len() == 1;
            times.extend(group.iter().enumerate().map(|(i, &stamp)| {
                let place = stream.draw((from + i) as u64).unit();
                // One row by itself keeps its stamp: nothing is known that moved it.
                if alone { stamp } else { stamp + to_nanos(place * (self.spread - 1) as f64) }
            }));
            times[from..].sort_unstable();
        }
        times
    }
}

/// A time at a speed.
fn scaled(time: u64, speed: f64) -> u64 {
    if speed.to_bits() == 1f64.to_bits() {
        return time;
    }
    to_nanos((time as f64 / speed).min(NEVER as f64))
}
