//! What the cells of a sweep say together: the best, where objectives break, how throughput grows.
//!
//! **Invariant.** Cells are held against one another only where they differ along one axis.

use std::collections::BTreeMap;

use crate::{
    results::{
        Break, Judgement, Knee, Scalability, SloResult, Status, Sweep, SweepFindings, SweepPlan,
        SweptCell, SweptFigure,
    },
    scenario::sweep::paths,
    stats::Usl,
    units::along,
};

/// By which the best cell is found: what it costs, or else how fast it is.
const BEST_BY: [&str; 2] = ["cost.per_month", "p99(latency)"];
/// What takes off.
const LATENCY: &str = "p99(latency)";
/// By which a curve that rises may fall, for chance.
const MOST_FALL: f64 = 0.05;
/// A curve of fewer points has no knee.
const LEAST_POINTS: usize = 5;
/// A knee lies so far below the straight line, in parts of the whole rise.
const LEAST_BEND: f64 = 0.3;
/// What grows.
const THROUGHPUT: &str = "goodput";
/// What axes count that do work, the last part of their path.
const WORKERS: [&str; 6] = ["instances", "workers", "cores", "count", "users", "replicas"];
/// And of laws.
const USERS: &str = "closed(users=";
/// A law is told only where it explains so much of what is seen.
const LEAST_R2: f64 = 0.9;
/// And where the most does so many times as much as the least.
const LEAST_GROWTH: f64 = 1.2;

/// A sweep made of its cells, in any order.
#[must_use]
pub fn swept(plan: SweepPlan, mut done: Vec<SweptCell>) -> Sweep {
    done.sort_by_key(|cell| cell.cell);
    let status =
        if done.len() as u64 == plan.cells { Status::Complete } else { Status::Interrupted };
    let mut findings = SweepFindings::default();
    (findings.best, findings.best_by) = best(&plan, &done).unzip();
    if !plan.drawn {
        for axis in 0..plan.axes.len() {
            let Some(numbers) = along(&plan.axes[axis].values) else { continue };
            for line in lines(&plan, &done, axis) {
                findings.breaks.extend(breaks(&plan, axis, &line));
                findings.knees.extend(knee(&plan, axis, &numbers, &line));
                findings.scalability.extend(scalability(&plan, axis, &numbers, &line));
            }
        }
    }
    Sweep { plan, status, findings, done }
}

fn meets(cell: &SweptCell) -> bool {
    !cell.slos.is_empty() && cell.slos.iter().all(|slo| slo.verdict == Judgement::Met)
}

fn missed(cell: &SweptCell) -> Option<&SloResult> {
    cell.slos.iter().find(|slo| slo.verdict == Judgement::Missed)
}

fn best(plan: &SweepPlan, done: &[SweptCell]) -> Option<(u64, String)> {
    let known = |by: &&&str| plan.metrics.iter().any(|metric| metric.metric == **by);
    let by = BEST_BY.iter().find(known)?;
    let value = |cell: &SweptCell| cell.figures.get(*by).and_then(SweptFigure::value);
    let sound = done.iter().filter(|cell| meets(cell) && cell.status == Status::Complete);
    let valued = sound.filter_map(|cell| Some((cell.cell, value(cell)?)));
    let best = valued.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((best.0, (*by).to_owned()))
}

/// Cells that differ along an axis only, in its order: of each value the one that is done.
type Line<'c> = Vec<Option<&'c SweptCell>>;

/// All of them that have a cell, by what the other axes have.
fn lines<'c>(plan: &SweepPlan, done: &'c [SweptCell], axis: usize) -> Vec<Line<'c>> {
    let lengths: Vec<usize> = plan.axes.iter().map(|axis| axis.values.len()).collect();
    let step: usize = lengths[axis + 1..].iter().product();
    let mut lines: BTreeMap<usize, Line<'c>> = BTreeMap::new();
    for cell in done {
        let number = cell.cell as usize;
        let place = number / step % lengths[axis];
        let line = lines.entry(number - place * step).or_insert_with(|| vec![None; lengths[axis]]);
        line[place] = Some(cell);
    }
    lines.into_values().collect()
}

/// What the other axes have.
fn with(plan: &SweepPlan, axis: usize, line: &Line<'_>) -> BTreeMap<String, String> {
    let mut settings =
        line.iter().flatten().next().map_or(BTreeMap::new(), |of| of.settings.clone());
    settings.remove(&plan.axes[axis].path);
    settings
}

fn breaks(plan: &SweepPlan, axis: usize, line: &Line<'_>) -> Option<Break> {
    let cells: Vec<(usize, &SweptCell)> =
        line.iter().enumerate().filter_map(|(place, cell)| Some((place, (*cell)?))).collect();
    if cells.iter().all(|(_, cell)| cell.slos.is_empty()) {
        return None;
    }
    let values = &plan.axes[axis].values;
    let broken = cells.iter().position(|(_, cell)| missed(cell).is_some());
    let before = &cells[..broken.unwrap_or(cells.len())];
    let after = broken.map_or(&[][..], |at| &cells[at + 1..]);
    let met = |(place, cell): &(usize, &SweptCell)| meets(cell).then(|| values[*place].clone());
    let at = broken.map(|at| cells[at]);
    Some(Break {
        axis: plan.axes[axis].path.clone(),
        with: with(plan, axis, line),
        holds: before.iter().rev().find_map(met),
        breaks: at.map(|(place, _)| values[place].clone()),
        cell: at.map(|(_, cell)| cell.cell),
        objective: at.and_then(|(_, cell)| missed(cell)).cloned(),
        again: after.iter().find_map(met),
    })
}

fn knee(plan: &SweepPlan, axis: usize, numbers: &[f64], line: &Line<'_>) -> Option<Knee> {
    let latency = |cell: Option<&SweptCell>| cell?.figures.get(LATENCY)?.value();
    let points: Option<Vec<f64>> = line.iter().map(|cell| latency(*cell)).collect();
    // A gap may hide it.
    let points = points?;
    let rises = points.windows(2).all(|pair| pair[1] >= pair[0] * (1.0 - MOST_FALL));
    let ascends = numbers.windows(2).all(|pair| pair[1] > pair[0]);
    if points.len() < LEAST_POINTS || !rises || !ascends {
        return None;
    }
    let beyond = points.iter().position(|y| y.is_infinite());
    let place = match beyond {
        Some(place) => place.checked_sub(1)?,
        None => {
            let last = points.len() - 1;
            let part = |of: &[f64], i: usize| (of[i] - of[0]) / (of[last] - of[0]);
            let below = |i: usize| part(numbers, i) - part(&points, i);
            let place = (0..=last).max_by(|&i, &j| below(i).total_cmp(&below(j)))?;
            (below(place) >= LEAST_BEND).then_some(place)?
        }
    };
    let at = plan.axes[axis].values[place].clone();
    Some(Knee { axis: plan.axes[axis].path.clone(), with: with(plan, axis, line), at })
}

fn scalability(
    plan: &SweepPlan,
    axis: usize,
    numbers: &[f64],
    line: &Line<'_>,
) -> Option<Scalability> {
    let of = &plan.axes[axis];
    let last =
        |path: &str| path.rsplit('.').next().is_some_and(|part| WORKERS.contains(&part.trim()));
    let counts = paths(&of.path).all(last);
    if !counts && !of.values.iter().all(|value| value.starts_with(USERS)) {
        return None;
    }
    let point =
        |(n, cell): (&f64, Option<&SweptCell>)| Some((*n, cell?.figures.get(THROUGHPUT)?.value()?));
    let points: Vec<(f64, f64)> =
        numbers.iter().zip(line.iter().copied()).filter_map(point).collect();
    let most = points.iter().map(|p| p.1).fold(0.0, f64::max);
    let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let law = Usl::fit(&points).filter(|_| most >= least * LEAST_GROWTH)?;
    let r2 = law.r2(&points);
    (r2 >= LEAST_R2).then(|| Scalability {
        axis: of.path.clone(),
        with: with(plan, axis, line),
        gamma: law.gamma,
        sigma: law.sigma,
        kappa: law.kappa,
        n_peak: law.peak(),
        r2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{ComparedFigure, ComparedMetric, Estimate, SweepAxis, SweptFigure};

    fn plan() -> SweepPlan {
        let axis = |path: &str, values: &[&str]| SweepAxis {
            path: path.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let metric = |metric: &str| ComparedMetric {
            metric: metric.to_owned(),
            unit: "s".to_owned(),
            better: "lower".to_owned(),
        };
        SweepPlan {
            axes: vec![
                axis("variant", &["base", "other"]),
                axis("nodes.a.service.instances", &["1", "2", "4", "8"]),
            ],
            cells: 8,
            metrics: vec![metric("p99(latency)"), metric("goodput")],
            ..SweepPlan::default()
        }
    }

    fn cell(
        plan: &SweepPlan,
        cell: u64,
        verdict: Judgement,
        [p99, goodput]: [f64; 2],
    ) -> SweptCell {
        let [a, b] = [cell as usize / 4, cell as usize % 4];
        let settings = [(0, a), (1, b)].map(|(axis, place)| {
            (plan.axes[axis].path.clone(), plan.axes[axis].values[place].clone())
        });
        let figure = |value: f64| SweptFigure {
            figure: ComparedFigure {
                estimate: Estimate { value: Some(value), ..Estimate::default() },
                never: None,
            },
            ..SweptFigure::default()
        };
        SweptCell {
            cell,
            settings: settings.into(),
            status: Status::Complete,
            figures: [
                ("p99(latency)".to_owned(), figure(p99)),
                ("goodput".to_owned(), figure(goodput)),
            ]
            .into(),
            slos: vec![SloResult {
                expression: "p99(latency) <= 1s".to_owned(),
                estimate: Estimate::default(),
                verdict,
                reason: None,
                margin: None,
                unit: None,
            }],
            ..SweptCell::default()
        }
    }

    #[test]
    fn lines_run_along_one_axis_each() {
        let plan = plan();
        let verdicts = [
            Judgement::Missed,
            Judgement::Missed,
            Judgement::Met,
            Judgement::Met,
            Judgement::Met,
            Judgement::Inconclusive,
            Judgement::Missed,
            Judgement::Met,
        ];
        let done: Vec<SweptCell> = (0..8)
            .rev()
            .map(|i| cell(&plan, i, verdicts[i as usize], [1.0 / (1.0 + i as f64), 10.0]))
            .collect();
        let sweep = swept(plan, done);
        assert_eq!(sweep.status, Status::Complete);
        assert_eq!(
            (sweep.findings.best, sweep.findings.best_by.as_deref()),
            (Some(7), Some("p99(latency)"))
        );
        // A variant is no number: nothing goes along it.
        let [a, b] = &sweep.findings.breaks[..] else { panic!("{:?}", sweep.findings.breaks) };
        let told = |of: &Break| [of.holds.clone(), of.breaks.clone(), of.again.clone()];
        assert_eq!(a.with["variant"], "base");
        assert_eq!(told(a), [None, Some("1".to_owned()), Some("4".to_owned())]);
        assert_eq!(told(b), [Some("1".to_owned()), Some("4".to_owned()), Some("8".to_owned())]);
        assert_eq!((a.cell, b.cell), (Some(0), Some(6)));
        // Goodput that does not grow follows no law of growth.
        assert!(sweep.findings.scalability.is_empty());
    }

    #[test]
    fn throughput_that_grows_is_fitted() {
        let plan = plan();
        let law = Usl { gamma: 50.0, sigma: 0.05, kappa: 0.01 };
        let done = (4..8).map(|i| {
            cell(&plan, i, Judgement::Met, [1.0, law.at([1.0, 2.0, 4.0, 8.0][i as usize - 4])])
        });
        let sweep = swept(plan.clone(), done.collect());
        assert_eq!(sweep.status, Status::Interrupted);
        let [of] = &sweep.findings.scalability[..] else { panic!() };
        assert!((of.n_peak.unwrap() - law.peak().unwrap()).abs() < 1e-3, "{of:?}");
        assert_eq!(of.with["variant"], "other");
        assert_eq!(sweep.findings.breaks[0].breaks, None);
        assert_eq!(sweep.findings.breaks[0].holds.as_deref(), Some("8"));
    }
}
