//! Verdicts of `run`: each expression on its point estimate, unless the interval around that holds the limit.
//!
//! **Invariant.** A figure nobody observed, a run that is not complete, and one whose requests in flight at the
//! end could turn the verdict, never meet anything; nor does an interval with the limit inside.

use super::{
    gather::{Gathered, InFlight, Reading},
    objective::{Figure, Slo, Stat},
    parse::Op,
};
use crate::{
    results::{Estimate, Evidence, Judgement, RequestPool, Results, SloResult},
    stats::needed_to_tell,
    units::show::{Quantity, count, plural, value},
};

/// Judges expressions on a run whose replications it sees one by one.
#[derive(Clone, Debug)]
pub struct Judge(Vec<Asked>);

impl Judge {
    /// Of these, and no replication yet.
    #[must_use]
    pub fn new(slos: &[Slo]) -> Self {
        Self(slos.iter().map(Asked::new).collect())
    }

    /// Takes in the next replication.
    pub fn push(&mut self, one: &dyn Evidence) {
        for asked in &mut self.0 {
            asked.push(one);
        }
    }

    /// The verdicts, the results of all replications being these.
    #[must_use]
    pub fn verdicts(&self, results: &Results) -> Vec<SloResult> {
        self.0.iter().map(|asked| asked.result(results)).collect()
    }

    /// Verdicts on what is to be seen: the same, in words that call no disaster met.
    #[must_use]
    pub fn expected(&self, results: &Results) -> Vec<SloResult> {
        let mut each = self.verdicts(results);
        for one in &mut each {
            one.verdict = match one.verdict {
                Judgement::Met => Judgement::AsExpected,
                Judgement::Missed => Judgement::NotAsExpected,
                open => open,
            };
        }
        each
    }
}

/// A reading held against a limit.
struct Judged {
    estimate: Estimate,
    /// Its value is beyond any limit.
    endless: bool,
    met: Option<bool>,
    margin: Option<f64>,
}

/// An expression and what is known of its figures.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) slo: Slo,
    top: Gathered,
    /// What it is divided by.
    of: Option<Gathered>,
}

impl Asked {
    pub(super) fn new(slo: &Slo) -> Self {
        let timed = matches!(slo.figure, Figure::Sample(..)) && slo.of.is_none();
        let own = slo.baseline.is_none();
        let bounds = matches!(slo.op, Op::AtMost | Op::Below) || slo.figure.is_of_messages();
        let late = (timed && own && bounds).then_some(slo.limit * 1e9);
        // Of a ratio the limit is no time.
        let limit = (slo.of.is_none() && own).then_some(slo.limit);
        Self {
            slo: slo.clone(),
            top: Gathered::new(&slo.figure, late.map(|ns| ns as u64), limit),
            of: slo.of.as_ref().map(|of| Gathered::new(of, None, None)),
        }
    }

    /// Takes in the next replication.
    pub(super) fn push(&mut self, one: &dyn Evidence) {
        self.top.push(one);
        if let Some(of) = &mut self.of {
            of.push(one);
        }
    }

    /// Of each replication what its figure is the ratio of; none where nothing was observed.
    pub(super) fn terms(&self, results: &Results, open: InFlight) -> Vec<Option<(f64, f64)>> {
        let top = self.top.terms(results, open);
        let Some(of) = &self.of else { return top };
        let value = |(top, bottom): (f64, f64)| top / bottom;
        let bottom = of.terms(results, open).into_iter();
        let both = top.into_iter().zip(bottom).map(|(a, b)| a.zip(b));
        both.map(|both| both.map(|(a, b)| (value(a), value(b))).filter(|t| t.1 > 0.0)).collect()
    }

    /// The verdict of `run`.
    fn result(&self, results: &Results) -> SloResult {
        let on_point = self.on_point(results);
        match self.straddled(&on_point.estimate) {
            Some(why) if on_point.verdict.is_good() || on_point.verdict.is_bad() => {
                let reason = [on_point.reason.clone(), Some(why)].into_iter().flatten();
                let reason = Some(reason.collect::<Vec<_>>().join("; "));
                SloResult { verdict: Judgement::Inconclusive, reason, ..on_point }
            }
            _ => on_point,
        }
    }

    /// What would help, if the limit lies inside the interval of its figure. Those of one run each have none that says
    /// anything of others: they are what was seen.
    fn straddled(&self, estimate: &Estimate) -> Option<String> {
        let slo = &self.slo;
        let extreme = matches!(slo.figure, Figure::Sample(.., Stat::Max | Stat::Min));
        if slo.is_of_each_run() || (extreme && slo.of.is_none()) {
            return None;
        }
        // An end of which nothing can be said may be anywhere beyond.
        estimate.lower.or(estimate.upper)?;
        let lower = estimate.lower.unwrap_or(f64::NEG_INFINITY);
        let upper = estimate.upper.unwrap_or(f64::INFINITY);
        if !(lower < slo.limit && slo.limit < upper) {
            return None;
        }
        let needed = estimate.value.and_then(|value| {
            // Shares end at 0 and 1: the farther end says how little is known.
            let far = (value - lower).max(upper - value).copysign(slo.limit - value);
            needed_to_tell(estimate.n, value, value + far, slo.limit)
        });
        let holds = "the interval holds the limit".to_owned();
        Some(match needed {
            Some(needed) => {
                let more = if needed > estimate.n { needed } else { 2 * estimate.n };
                format!("{holds}; about {} would tell", plural(more, "replication"))
            }
            None => holds,
        })
    }

    /// The verdict on the point estimate alone.
    pub(super) fn on_point(&self, results: &Results) -> SloResult {
        let judged = self.judged(results, InFlight::LeftOut);
        if let Some(baseline) = &self.slo.baseline {
            return SloResult {
                expression: self.slo.text.clone(),
                estimate: judged.estimate,
                verdict: Judgement::Undecided,
                reason: Some("needs `check --baseline`".to_owned()),
                margin: None,
                unit: Some(baseline.dimension.quantity().unit().to_owned()),
            };
        }
        // Only figures of requests know of those in flight.
        let with_bad = self.requests().is_some().then(|| self.judged(results, InFlight::Bad));
        let met = judged.met;
        let other = with_bad.map_or(met, |bad| bad.met);
        let (verdict, reason) = match met {
            None => (Judgement::Undecided, Some(self.nothing())),
            Some(met) if other.is_some_and(|other| other != met) => {
                (Judgement::Undecided, Some(self.depends(met)))
            }
            Some(true) if !results.is_complete() => {
                (Judgement::Undecided, Some(format!("the run was {}", results.status)))
            }
            Some(true) => (Judgement::Met, None),
            Some(false) => (Judgement::Missed, judged.endless.then(|| self.endless()).flatten()),
        };
        let (estimate, margin) = (judged.estimate, judged.margin);
        let expression = self.slo.text.clone();
        SloResult { expression, estimate, verdict, reason, margin, unit: None }
    }

    fn judged(&self, results: &Results, open: InFlight) -> Judged {
        let slo = &self.slo;
        let reading = self.reading(results, open);
        let endless = reading.value.is_some_and(f64::is_infinite);
        let (estimate, met, margin) = match slo.runs {
            None => {
                let around = || Estimate::around(reading.value, &reading.each, results.confidence);
                let estimate = reading.estimate.unwrap_or_else(around);
                let margin =
                    reading.value.filter(|v| v.is_finite()).map(|v| margin(v, slo.op, slo.limit));
                (estimate, reading.value.map(|v| slo.op.holds(v, slo.limit)), margin)
            }
            Some(share) => in_runs(&reading.each, slo, share),
        };
        Judged { estimate, endless, met, margin }
    }

    fn reading(&self, results: &Results, open: InFlight) -> Reading {
        let mut top = self.top.reading(results, open);
        let Some(of) = &self.of else { return top };
        let mut bottom = of.reading(results, open);
        // Requests are counted over all replications, what nodes and data count is of one.
        let runs = results.seeds.len().max(1) as f64;
        match (self.top.is_total(), of.is_total()) {
            (true, false) => top.value = top.value.map(|all| all / runs),
            (false, true) => bottom.value = bottom.value.map(|all| all / runs),
            _ => {}
        }
        let ratio = |(a, b): (Option<f64>, Option<f64>)| {
            a.zip(b).filter(|&(_, b)| b > 0.0).map(|(a, b)| a / b)
        };
        Reading {
            value: ratio((top.value, bottom.value)),
            each: top.each.into_iter().zip(bottom.each).map(ratio).collect(),
            estimate: None,
        }
    }

    /// The requests it is about, if it is about any.
    pub(super) fn requests(&self) -> Option<&RequestPool> {
        self.top.requests().or_else(|| self.of.as_ref()?.requests())
    }

    /// Why there is no figure.
    pub(super) fn nothing(&self) -> String {
        let unit = self.slo.figure.unit();
        match self.requests().map(RequestPool::counts) {
            Some(all) if all.issued == 0 => format!("no {unit} was sent"),
            Some(all) if all.in_flight == all.issued => format!("no {unit} was decided"),
            _ => "nothing was observed".to_owned(),
        }
    }

    /// Why the verdict hangs on what is in flight.
    fn depends(&self, met: bool) -> String {
        let all = self.requests().map(|pool| *pool.counts()).unwrap_or_default();
        let (open, issued) = (plural(all.in_flight, self.slo.figure.unit()), count(all.issued));
        let (out, bad) = if met { ("met", "missed") } else { ("missed", "met") };
        format!("{open} of {issued} in flight at the end: {out} without them, {bad} if they fail")
    }

    /// Why a figure is beyond any limit.
    fn endless(&self) -> Option<String> {
        let times = matches!(
            self.slo.figure,
            Figure::Recovery(_) | Figure::Back(..) | Figure::CostOf(..) | Figure::Consistency(_)
        );
        if times {
            return Some("not seen to the end".to_owned());
        }
        if self.slo.figure.is_of_messages() {
            return Some(format!("{} are not done", value(Quantity::Share, self.top.beyond())));
        }
        let (answered, decided) = self.top.answered()?;
        let missing = 1.0 - answered as f64 / decided as f64;
        Some(format!("{} never answered", value(Quantity::Share, missing)))
    }
}

/// `in F of runs`: the share of replications that meet it. Those that observed nothing could go
/// either way.
fn in_runs(each: &[Option<f64>], slo: &Slo, share: f64) -> (Estimate, Option<bool>, Option<f64>) {
    let judged: Vec<bool> =
        each.iter().flatten().map(|&value| slo.op.holds(value, slo.limit)).collect();
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

/// How far on the right side of its limit a value is.
fn margin(value: f64, op: Op, limit: f64) -> f64 {
    match op {
        Op::AtLeast | Op::Above => value - limit,
        Op::AtMost | Op::Below => limit - value,
        Op::Equal => 0.0 - (value - limit).abs(),
        Op::NotEqual => (value - limit).abs(),
    }
}

#[cfg(test)]
mod tests;
