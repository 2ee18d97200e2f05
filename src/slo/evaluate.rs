//! Verdicts of `run`: each expression on its point estimate.
//!
//! **Invariant.** A figure nobody observed, a run that is not complete, and one whose requests in flight at the
//! end could turn the verdict, never meet anything.

use serde_json::Value as Json;

use super::{AlertField, Figure, NodeField, RequestsField, Sample, Series, Slo, Stat, parse::Op};
use crate::{
    results::{
        Estimate, Evidence, NodeSeries, Requests, RequestsInWindow, Results, Selection, SloResult,
        figures, is_growing,
    },
    stats::{Histogram, mean},
    units::show::{Quantity, count, plural, value},
};

/// Judges the expressions on a run's results and what stands behind them.
pub fn evaluate(slos: &[Slo], results: &Results, evidence: &dyn Evidence) -> Vec<SloResult> {
    let judge = Judge { results, evidence };
    slos.iter().map(|slo| judge.result(slo)).collect()
}

/// Judges what is to be seen: the same, in words that call no disaster met.
pub fn expected(expect: &[Slo], results: &Results, evidence: &dyn Evidence) -> Vec<SloResult> {
    let mut each = evaluate(expect, results, evidence);
    for one in &mut each {
        match one.verdict.as_str() {
            "met" => "as expected".clone_into(&mut one.verdict),
            "missed" => "not as expected".clone_into(&mut one.verdict),
            _ => {}
        }
    }
    each
}

/// A figure: its point value (infinite when it falls on a request that never succeeded) and that
/// of each replication.
struct Reading {
    value: Option<f64>,
    each: Vec<Option<f64>>,
}

/// What becomes of requests that are in flight at the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum InFlight {
    LeftOut,
    /// They are bad: those that wait for what was lost, and those that are late. Those younger than the
    /// limit (ns) of a time are not.
    Bad(Option<u64>),
}

/// A reading held against a limit.
struct Judged {
    estimate: Estimate,
    /// Its value is beyond any limit.
    endless: bool,
    met: Option<bool>,
    margin: Option<f64>,
}

struct Judge<'a> {
    results: &'a Results,
    evidence: &'a dyn Evidence,
}

impl Judge<'_> {
    fn result(&self, slo: &Slo) -> SloResult {
        let judged = self.judged(slo, InFlight::LeftOut);
        // Only figures of requests know of those in flight.
        let of_requests = [Some(&slo.figure), slo.of.as_ref()].into_iter().flatten();
        let with_bad = of_requests.clone().any(Figure::is_of_requests).then(|| {
            let limit = matches!(slo.op, Op::AtMost | Op::Below).then(|| slo.limit * 1e9);
            let timed = matches!(slo.figure, Figure::Sample(..)) && slo.of.is_none();
            let limit = limit.filter(|_| timed).map(|ns| ns as u64);
            self.judged(slo, InFlight::Bad(limit))
        });
        let met = judged.met;
        let other = with_bad.map_or(met, |bad| bad.met);
        let (verdict, reason) = match met {
            None => ("undecided", Some(self.nothing(slo))),
            Some(met) if other.is_some_and(|other| other != met) => {
                ("undecided", Some(self.depends(slo, met)))
            }
            Some(true) if self.results.status != "complete" => {
                ("undecided", Some(format!("the run was {}", self.results.status)))
            }
            Some(true) => ("met", None),
            Some(false) => ("missed", judged.endless.then(|| self.endless(slo)).flatten()),
        };
        let verdict = verdict.to_owned();
        let (estimate, margin) = (judged.estimate, judged.margin);
        SloResult { expression: slo.text.clone(), estimate, verdict, reason, margin }
    }

    fn judged(&self, slo: &Slo, open: InFlight) -> Judged {
        let reading = self.reading(slo, open);
        let endless = reading.value.is_some_and(f64::is_infinite);
        let (estimate, met, margin) = match slo.runs {
            None => {
                let estimate =
                    Estimate::around(reading.value, &reading.each, self.results.confidence);
                let margin =
                    reading.value.filter(|v| v.is_finite()).map(|v| margin(v, slo.op, slo.limit));
                (estimate, reading.value.map(|v| holds(v, slo.op, slo.limit)), margin)
            }
            Some(share) => in_runs(&reading.each, slo, share),
        };
        Judged { estimate, endless, met, margin }
    }

    /// The requests an expression is about, of all replications.
    fn asked(&self, slo: &Slo) -> Option<Requests> {
        let (Figure::Requests(selection, _)
        | Figure::Sample(selection, ..)
        | Figure::Fraction(selection, ..)
        | Figure::Windows(Series::Requests(selection, _), ..)) = &slo.figure
        else {
            return None;
        };
        let mut all = Requests::default();
        self.evidence.requests(selection).iter().for_each(|part| all.merge(part));
        Some(all)
    }

    /// Why there is no figure.
    fn nothing(&self, slo: &Slo) -> String {
        match self.asked(slo) {
            Some(all) if all.issued == 0 => "no request was sent".to_owned(),
            Some(all) if all.decided() == 0 => "no request was decided".to_owned(),
            _ => "nothing was observed".to_owned(),
        }
    }

    /// Why the verdict hangs on what is in flight.
    fn depends(&self, slo: &Slo, met: bool) -> String {
        let all = self.asked(slo).unwrap_or_default();
        let open = plural(all.issued - all.decided(), "request");
        let issued = count(all.issued);
        let (out, bad) = if met { ("met", "missed") } else { ("missed", "met") };
        format!("{open} of {issued} in flight at the end: {out} without them, {bad} if they fail")
    }

    /// Why a figure is beyond any limit.
    fn endless(&self, slo: &Slo) -> Option<String> {
        if matches!(slo.figure, Figure::Recovery(_) | Figure::Back(..)) {
            return Some("not seen to the end".to_owned());
        }
        let all = self.asked(slo)?;
        let all = all.basis();
        let answered = match &slo.figure {
            Figure::Sample(_, Sample::Mark(mark), _) => {
                all.marks.get(mark).map_or(0, Histogram::count)
            }
            _ => all.latency.count(),
        };
        let missing = 1.0 - answered as f64 / all.decided() as f64;
        Some(format!("{} never answered", value(Quantity::Share, missing)))
    }

    fn reading(&self, slo: &Slo, open: InFlight) -> Reading {
        // Of a ratio the limit is no time.
        let limit = slo.of.is_none().then_some(slo.limit);
        let top = self.figure(&slo.figure, open, limit);
        let Some(of) = &slo.of else { return top };
        let bottom = self.figure(of, open, None);
        let ratio = |(a, b): (Option<f64>, Option<f64>)| {
            a.zip(b).filter(|&(_, b)| b > 0.0).map(|(a, b)| a / b)
        };
        Reading {
            value: ratio((top.value, bottom.value)),
            each: top.each.into_iter().zip(bottom.each).map(ratio).collect(),
        }
    }

    fn figure(&self, figure: &Figure, open: InFlight, limit: Option<f64>) -> Reading {
        match figure {
            Figure::Requests(selection, path) => self.requests(selection, path, open),
            Figure::Sample(selection, sample, stat) => {
                self.sample(selection, (sample, *stat), open)
            }
            Figure::Fraction(selection, sample, op, at) => {
                // Here it is the fraction's own limit that a request can still keep.
                let open = match open {
                    InFlight::LeftOut => open,
                    InFlight::Bad(_) => InFlight::Bad(Some(*at)),
                };
                self.times(selection, sample, open, |times| times.fraction(*op, *at))
            }
            Figure::Node(node, path) => self.over_results(|r| node_value(r, node, path)),
            Figure::Uptime(path) => self.over_results(|r| at(&json(&r.summary.uptime), path)),
            Figure::Metastable(fault) => self.over_results(|r| metastable(r, fault)),
            Figure::Alert(id, field) => self.over_results(|r| alert(r, id, *field)),
            Figure::Recovery(fault) => self.over_results(|r| recovery(r, fault, limit)),
            Figure::Back(fault, client) => {
                self.over_results(|r| back_after(r, fault, client.as_deref(), limit))
            }
            Figure::Windows(series, stat, window) => self.windows(series, (*stat, *window), open),
        }
    }

    /// A figure of the results, and of those of each replication.
    fn over_results(&self, figure: impl Fn(&Results) -> Option<f64>) -> Reading {
        let each = (0..self.evidence.replications()).map(|r| figure(&self.evidence.results_of(r)));
        Reading { value: figure(self.results), each: each.collect() }
    }

    fn requests(&self, selection: &Selection, path: &[String], open: InFlight) -> Reading {
        let parts = self.evidence.requests(selection);
        let availability = path.len() == 1 && path[0] == "availability";
        let value = |parts: &[Requests]| {
            let figures = figures(parts, 0.95);
            let least = figures.availability_at_least;
            match least.filter(|_| availability && open != InFlight::LeftOut) {
                Some(least) => least.value,
                None => at(&json(&figures), path),
            }
        };
        let each = parts.iter().map(|part| value(std::slice::from_ref(part))).collect();
        Reading { value: value(&parts), each }
    }

    fn sample(
        &self,
        selection: &Selection,
        (sample, stat): (&Sample, Stat),
        open: InFlight,
    ) -> Reading {
        let mut reading = self.times(selection, sample, open, |times| times.statistic(stat));
        if stat == Stat::Mean {
            reading.value = mean(&reading.each.iter().flatten().copied().collect::<Vec<_>>());
        }
        reading
    }

    /// A figure of the times of each replication, and of all of them together.
    fn times(
        &self,
        selection: &Selection,
        sample: &Sample,
        open: InFlight,
        figure: impl Fn(&Times) -> Option<f64>,
    ) -> Reading {
        let parts = self.evidence.requests(selection);
        let growing = open != InFlight::LeftOut && is_growing(&parts);
        let mut all = Times::default();
        let mut each = Vec::new();
        for requests in &parts {
            let late = match open {
                InFlight::LeftOut => 0,
                InFlight::Bad(limit) => requests.basis().late(limit, growing),
            };
            let times = Times::new(requests, sample, late);
            each.push(figure(&times));
            all.measured.merge(&times.measured);
            all.beyond += times.beyond;
        }
        Reading { value: figure(&all), each }
    }

    /// The statistic over the windows of each replication; then its mean, as of any other figure.
    fn windows(&self, series: &Series, (stat, window): (Stat, u64), open: InFlight) -> Reading {
        let over = |values: Vec<f64>| match stat {
            Stat::Min => values.into_iter().reduce(f64::min),
            Stat::Max => values.into_iter().reduce(f64::max),
            Stat::Mean | Stat::Quantile(_) => mean(&values),
        };
        let each: Vec<_> = match series {
            Series::Requests(selection, field) => {
                let warm_up = nanoseconds(self.results.warm_up);
                let parts = self.evidence.requests(selection);
                let growing = is_growing(&parts);
                let late = |p: &Requests, w: &RequestsInWindow| match open {
                    InFlight::LeftOut => None,
                    InFlight::Bad(_) => Some(p.late_in(w, growing)),
                };
                let each =
                    parts.iter().map(|p| request_windows(p, *field, (warm_up, window), &late));
                each.map(over).collect()
            }
            Series::Node(node, field) => (0..self.evidence.replications())
                .map(|r| over(node_windows(&self.evidence.results_of(r), node, *field, window)))
                .collect(),
        };
        let value = mean(&each.iter().flatten().copied().collect::<Vec<_>>());
        Reading { value, each }
    }
}

/// Times of requests, and how many are slower than any limit.
#[derive(Default)]
struct Times {
    measured: Histogram,
    beyond: u64,
}

impl Times {
    /// `late` of those in flight are slower than any limit.
    fn new(requests: &Requests, sample: &Sample, late: u64) -> Self {
        let requests = requests.basis();
        let beyond =
            |reached: &Histogram| (requests.decided() + late).saturating_sub(reached.count());
        match sample {
            Sample::Latency => {
                Self { beyond: beyond(&requests.latency), measured: requests.latency.clone() }
            }
            Sample::Survivors => Self { measured: requests.latency.clone(), beyond: 0 },
            Sample::All => {
                let mut measured = requests.latency.clone();
                measured.merge(&requests.latency_failed);
                Self { measured, beyond: late }
            }
            Sample::Mark(mark) => {
                let measured = requests.marks.get(mark).cloned().unwrap_or_default();
                Self { beyond: beyond(&measured), measured }
            }
        }
    }

    /// The share that is below, up to, above or from a limit on.
    fn fraction(&self, op: Op, limit: u64) -> Option<f64> {
        let all = self.measured.count() + self.beyond;
        let up_to = |limit: u64| {
            let measured = self.measured.count() as f64;
            let above = self.measured.fraction_above(limit).unwrap_or(1.0) * measured;
            // Counts are whole, or within a bucket as fine as this: 18 of 20 are 90 %, not less.
            ((measured - above) * 1e6).round() / 1e6
        };
        let count = match op {
            Op::Below => up_to(limit - 1),
            Op::Above => all as f64 - up_to(limit),
            Op::AtLeast => all as f64 - up_to(limit - 1),
            _ => up_to(limit),
        };
        (all > 0).then(|| count / all as f64)
    }

    /// In seconds; infinite where it falls on a request beyond any limit.
    fn statistic(&self, stat: Stat) -> Option<f64> {
        let measured = self.measured.count();
        let all = measured + self.beyond;
        let quantile = |q: f64| {
            let inside = q * all as f64 / measured as f64;
            if inside <= 1.0 { self.measured.quantile(inside) } else { Some(f64::INFINITY) }
        };
        let ns = match stat {
            _ if all == 0 => None,
            Stat::Min if measured > 0 => self.measured.min().map(|ns| ns as f64),
            _ if measured == 0 => Some(f64::INFINITY),
            Stat::Quantile(q) => quantile(q),
            _ if self.beyond > 0 => Some(f64::INFINITY),
            Stat::Mean => self.measured.mean(),
            Stat::Max | Stat::Min => self.measured.max().map(|ns| ns as f64),
        };
        ns.map(|ns| ns / 1e9)
    }
}

/// The figure of each whole window after the warm-up in which it is defined.
/// Of those in flight so many are bad as `late` says; if nothing, they are left out.
fn request_windows(
    part: &Requests,
    field: RequestsField,
    (warm_up, window): (u64, u64),
    late: &dyn Fn(&Requests, &RequestsInWindow) -> Option<u64>,
) -> Vec<f64> {
    let spans = part.windows.iter().map(|w| (w.start, w.covered));
    let ratio = |top: u64, bottom: u64| (bottom > 0).then(|| top as f64 / bottom as f64);
    grouped(spans, warm_up, window)
        .into_iter()
        .filter_map(|group| {
            let windows = &part.windows[group];
            let sum =
                |count: fn(&RequestsInWindow) -> u64| -> u64 { windows.iter().map(count).sum() };
            let good = sum(|w| w.good);
            match field {
                RequestsField::Availability => {
                    let judged = windows.iter().filter_map(|w| match late(part, w) {
                        Some(late) => Some((w.good, w.decided() + late)),
                        None => w.judged(),
                    });
                    let (good, decided) = judged.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
                    ratio(good, decided)
                }
                RequestsField::Goodput => Some(good as f64 * 1e9 / window as f64),
                RequestsField::AttemptsPerRequest => ratio(sum(|w| w.attempts), sum(|w| w.issued)),
            }
        })
        .collect()
}

/// The time-weighted mean of each whole window after the warm-up.
fn node_windows(results: &Results, node: &str, field: NodeField, window: u64) -> Vec<f64> {
    let Some(of) = results.series.nodes.get(node) else { return Vec::new() };
    let starts = results.series.start.iter().map(|&s| nanoseconds(s));
    let spans = starts.zip(results.series.length.iter().map(|&s| nanoseconds(s)));
    let value = |of: &NodeSeries, i: usize| match field {
        NodeField::Utilisation => of.utilisation.get(i).copied().flatten(),
        NodeField::InSystem => of.in_system.get(i).copied(),
        NodeField::InQueue => of.in_queue.get(i).copied(),
        NodeField::Throughput => of.throughput.get(i).copied(),
    };
    grouped(spans, nanoseconds(results.warm_up), window)
        .into_iter()
        .filter_map(|group| {
            let values: Option<Vec<f64>> = group.map(|i| value(of, i)).collect();
            // The windows of a group are equally long.
            values.and_then(|values| mean(&values))
        })
        .collect()
}

/// Runs of windows that make up `window`, from the first that starts after the warm-up on; an
/// incomplete last one is left out.
fn grouped(
    spans: impl Iterator<Item = (u64, u64)>,
    warm_up: u64,
    window: u64,
) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut open: Option<(usize, u64)> = None;
    for (index, (start, length)) in spans.enumerate() {
        if start < warm_up {
            continue;
        }
        let (first, before) = open.unwrap_or((index, 0));
        let covered = before + length;
        open = Some((first, covered));
        if covered >= window {
            if covered == window {
                groups.push(first..index + 1);
            }
            open = None;
        }
    }
    groups
}

/// `in F of runs`: the share of replications that meet it. Those that observed nothing could go
/// either way.
fn in_runs(each: &[Option<f64>], slo: &Slo, share: f64) -> (Estimate, Option<bool>, Option<f64>) {
    let judged: Vec<bool> =
        each.iter().flatten().map(|&value| holds(value, slo.op, slo.limit)).collect();
    let met = judged.iter().filter(|&&met| met).count() as f64;
    let open = (each.len() - judged.len()) as f64;
    let needed = share * each.len() as f64 - 1e-9;
    let verdict = if each.is_empty() {
        None
    } else if met >= needed {
        Some(true)
    } else {
        (met + open < needed).then_some(false)
    };
    let value = (!judged.is_empty()).then(|| met / judged.len() as f64);
    let estimate = Estimate { value, lower: None, upper: None, n: judged.len() as u64 };
    (estimate, verdict, value.map(|value| value - share))
}

fn holds(value: f64, op: Op, limit: f64) -> bool {
    match op {
        Op::AtLeast => value >= limit,
        Op::Above => value > limit,
        Op::AtMost => value <= limit,
        Op::Below => value < limit,
        Op::Equal => (value - limit).abs() == 0.0,
        Op::NotEqual => (value - limit).abs() > 0.0,
    }
}

/// How far on the right side of its limit a value is.
fn margin(value: f64, op: Op, limit: f64) -> f64 {
    match op {
        Op::AtLeast | Op::Above => value - limit,
        Op::AtMost | Op::Below => limit - value,
        Op::Equal => 0.0 - (value - limit).abs(),
        Op::NotEqual => (value - limit).abs(),
    }
}

fn node_value(results: &Results, node: &str, path: &[String]) -> Option<f64> {
    let figures = json(results.nodes.get(node)?);
    match path {
        // A cause that never came up is not listed.
        [block, _] if block == "causes" => Some(at(&figures, path).unwrap_or(0.0)),
        _ => at(&figures, path),
    }
}

fn alert(results: &Results, id: &str, field: AlertField) -> Option<f64> {
    let alert = results.alerts.iter().find(|alert| alert.id == id)?;
    match field {
        AlertField::Count => alert.count.value,
        AlertField::Fired => alert.fired.value,
        AlertField::Resolved => alert.resolved.value,
    }
}

/// Infinite if it was watched for longer than the limit and not seen.
fn recovery(results: &Results, fault: &str, limit: Option<f64>) -> Option<f64> {
    let fault = results.faults.iter().find(|f| f.id == fault)?;
    fault.time_to_recover.value.or_else(|| unseen(fault.watched.value?, limit))
}

/// Of the only client there is it is that of all.
fn back_after(
    results: &Results,
    fault: &str,
    client: Option<&str>,
    limit: Option<f64>,
) -> Option<f64> {
    let fault = results.faults.iter().find(|f| f.id == fault)?;
    let of = client.and_then(|client| fault.back_by_client.get(client));
    let lasted = || Some(fault.ended.value? - fault.started.value? + fault.watched.value?);
    of.unwrap_or(&fault.back_after).value.or_else(|| unseen(lasted()?, limit))
}

fn unseen(watched: f64, limit: Option<f64>) -> Option<f64> {
    limit.is_some_and(|limit| watched > limit).then_some(f64::INFINITY)
}

/// 1 for true, 0 for false.
fn metastable(results: &Results, fault: &str) -> Option<f64> {
    let verdict = results.faults.iter().find(|f| f.id == fault)?.metastable?;
    Some(f64::from(u8::from(verdict)))
}

fn json(figures: &impl serde::Serialize) -> Json {
    serde_json::to_value(figures).expect("figures have string keys")
}

/// The number at a path, or the value of the estimate there.
fn at(figures: &Json, path: &[String]) -> Option<f64> {
    let here = path.iter().try_fold(figures, |here, segment| here.get(segment))?;
    here.get("value").unwrap_or(here).as_f64()
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

#[cfg(test)]
mod tests;
