//! What the names in an expression mean; everything that cannot be judged is a problem here.
//!
//! **Invariant.** An expression that passes can be evaluated on any results of its scenario.

mod against;
mod contradictions;
mod data;
mod money;
mod of_one;
mod resources;
mod selectors;

use contradictions::contradictions;
use data::meant_data;
use selectors::Selectors;

use super::{
    names::Names,
    objective::{Figure, NodeField, RequestsField, Sample, Series, Slo, Stat},
    parse::{self, Expression, Metric, Op, Value, Word},
    shape::{any_node, in_shape, requests_shape, shape},
    words::{Checked, Dimension, Fault, choice, fault, limit, not_yet, parsed, sensible, trivial},
};
use crate::{
    cause::Cause,
    expr::percentile,
    outcome::Outcome,
    problem::Problems,
    results::{GroupResults, QueueResults, ResourceResults, Selection, UptimeResults},
    units::{Fraction, SimDuration},
};

/// Words of the language whose parts of the model do not exist yet.
const NOT_YET: [&str; 3] = ["error_fraction", "faults", "queue_depth"];

/// Checks the file's expressions; those with errors are reported at `slos[i]` and left out.
pub fn check(key: &str, texts: &[String], names: &Names, problems: &mut Problems) -> Vec<Slo> {
    let mut slos: Vec<(usize, Slo)> = Vec::new();
    if texts.len() > MAX_SLOS {
        let message = format!("{} expressions; the limit is {MAX_SLOS}", texts.len());
        problems.error("E-LIMIT", key, message);
        return Vec::new();
    }
    for (index, text) in texts.iter().enumerate() {
        let slo = parse::parse(text)
            .map_err(|error| {
                let message = format!("{} (character {})", error.message, 1 + error.at.start);
                let help = "for example `availability >= 99.5%`, `p99(latency) <= 400ms`, \
                            `min(availability window=1m) >= 95% in 90% of runs`";
                fault("E-SLO", message, Some(help.to_owned()))
            })
            .and_then(|expression| Checker { names, text }.slo(&expression));
        match slo {
            Ok(slo) => slos.push((index, slo)),
            Err(fault) => problems.add(fault.at(format!("{key}[{index}]"))),
        }
    }
    contradictions(key, &slos, problems);
    let sound = !problems.any_error();
    for (index, slo) in slos.iter().filter(|_| sound) {
        data::claims(&format!("{key}[{index}]"), slo, names, problems);
    }
    slos.into_iter().map(|(_, slo)| slo).collect()
}

/// A metric alone, what it is divided by, and what they measure.
pub(super) fn metric(
    text: &str,
    names: &Names,
) -> Result<(Figure, Option<Figure>, Dimension), Fault> {
    let (metric, of) = parse::metric(text).map_err(|error| {
        let message = format!("{} (character {})", error.message, 1 + error.at.start);
        let help = "for example `p99(latency operation=buy)`, `nodes.api.utilisation`";
        fault("E-SLO", message, Some(help.to_owned()))
    })?;
    Checker { names, text }.related(&metric, of.as_ref())
}

/// Most SLOs of a scenario: each is held against each for contradictions.
const MAX_SLOS: usize = 1000;

struct Checker<'a> {
    names: &'a Names,
    text: &'a str,
}

impl Checker<'_> {
    fn slo(&self, expression: &Expression) -> Checked<Slo> {
        let (figure, of, measured) = self.related(&expression.metric, expression.of.as_ref())?;
        let (limit, baseline) = match &expression.value {
            Value::Literal(literal) => {
                let limit = limit(literal, measured)?;
                sensible(literal, measured, limit, expression.op)?;
                (limit, None)
            }
            Value::Baseline { below, by } => {
                (0.0, Some(self.against(expression, (&figure, measured), (*below, by.as_ref()))?))
            }
        };
        let runs = expression.runs.as_ref().map(|word| {
            let share = parsed::<Fraction>(word, "a fraction such as `99%`")?.0;
            if share > 0.0 { Ok(share) } else { Err(trivial(word)) }
        });
        let text = self.text.to_owned();
        Ok(Slo { text, figure, op: expression.op, limit, baseline, of, runs: runs.transpose()? })
    }

    /// A figure, what it is divided by, and what the two make.
    fn related(
        &self,
        metric: &Metric,
        of: Option<&Metric>,
    ) -> Checked<(Figure, Option<Figure>, Dimension)> {
        let (figure, dimension) = self.figure(metric)?;
        let Some(divisor) = of else { return Ok((figure, None, dimension)) };
        let (other, unit) = self.figure(divisor)?;
        if (dimension, unit) != (Dimension::Count, Dimension::Count) {
            let message = "`of` relates two counts".to_owned();
            let help = "for example `requests.timeout <= 1% of requests.issued`";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        }
        Ok((figure, Some(other), Dimension::Fraction))
    }

    fn figure(&self, metric: &Metric) -> Checked<(Figure, Dimension)> {
        let mut segments = segments(&metric.path.text);
        if let Some(word) = segments.iter().find(|s| NOT_YET.contains(s)) {
            let known = self.names.clients.contains_key(*word) || self.names.nodes.contains(*word);
            if !known {
                return Err(not_yet(word));
            }
        }
        if let ["time_to_recover" | "back_after" | "metastable"] = segments.as_slice() {
            return self.of_one_fault(metric, segments[0]);
        }
        if let Some(figure) = self.cost_of_fault(metric, &segments)? {
            return Ok(figure);
        }
        if let ["alerts", alert, field] = segments.as_slice() {
            return self.of_alert(metric, alert, field);
        }
        if segments[0] == "links" {
            return self.of_link(metric, &segments);
        }
        let mut selectors = self.selectors(metric)?;
        if segments[0] == "summary" {
            segments.remove(0);
        }
        if segments.last() == Some(&"value") {
            segments.pop();
        }
        self.path_into_selectors(&mut segments, &mut selectors)?;
        let group = selectors.group.take();
        if let Some(group) = &group {
            if selectors.node.is_none() || selectors.window.is_some() {
                let message = "`group=` is one that reads a log, over the whole run".to_owned();
                let help = "for example `p99(done node=events group=search) <= 1s`";
                return Err(fault("E-SLO", message, Some(help.to_owned())));
            }
            segments.splice(0..0, ["groups", group.as_str()]);
        }
        if segments.first() == Some(&"cost") {
            return self.cost(metric, &segments, &selectors);
        }
        if Self::is_of_data(&segments) {
            return self.data(metric, &segments, &selectors);
        }
        if selectors.node.is_some() && selectors.selection != Selection::default() {
            let message =
                "a node's figures are not told apart by client, operation or fault".to_owned();
            return Err(fault("E-SLO", message, None));
        }
        let measured = selectors.to.is_none()
            && selectors.window.is_none()
            && !matches!(segments.first(), Some(&("throughput" | "marks")));
        if selectors.selection.around.is_some() && !measured {
            let message = "marks, windows and throughput are not measured around faults".to_owned();
            return Err(fault("E-SLO", message, None));
        }
        match &metric.stat {
            Some(stat) if stat.text == parse::FRACTION => {
                self.fraction(metric.within.as_ref(), &segments, selectors)
            }
            Some(stat) => self.statistic(stat, &segments, selectors),
            None => self.plain(&segments, selectors),
        }
    }

    /// `stat(metric ..)`.
    fn statistic(
        &self,
        word: &Word,
        path: &[&str],
        selectors: Selectors,
    ) -> Checked<(Figure, Dimension)> {
        // Of messages any percentile is known, not only those in the results.
        let messages = match path {
            ["done"] => Some(None),
            ["groups", group, "done"] => Some(Some(*group)),
            _ => None,
        };
        if selectors.node.is_some() && word.text.contains('.') && messages.is_none() {
            let message = format!("`{}` is measured of requests, not of nodes", word.text);
            let help = "of nodes there are p50, p90, p95, p99, p999".to_owned();
            return Err(fault("E-SLO", message, Some(help)));
        }
        let stat = match word.text.as_str() {
            "mean" => Stat::Mean,
            "min" => Stat::Min,
            "max" => Stat::Max,
            name => Stat::Quantile(percentile(name).expect("the parser knows statistics")),
        };
        if let Some(window) = selectors.window {
            return windows(stat, word, path, selectors, window);
        }
        if let Some(node) = selectors.node {
            let last = if messages.is_some() { "mean" } else { &word.text };
            let whole = path.iter().chain([&last]).map(|s| (*s).to_owned()).collect::<Vec<_>>();
            let dimension = self.of_node(&node, &whole)?;
            let figure = match messages {
                Some(group) => Figure::of_messages(node, group, stat),
                None => Figure::Node(node, whole),
            };
            return Ok((figure, dimension));
        }
        let sample = self.sample(path, selectors.outcome.as_deref(), selectors.to)?;
        Ok((Figure::Sample(selectors.selection, sample, stat), Dimension::Seconds))
    }

    /// Whether a path leads to a figure of a node.
    fn of_node(&self, node: &str, path: &[String]) -> Checked<Dimension> {
        match path {
            [of, name, rest @ ..] if of == "resources" && !rest.is_empty() => {
                self.resource(node, name)?;
                in_shape(&shape(&ResourceResults::default()), rest)
            }
            [of, name, rest @ ..] if of == "groups" && !rest.is_empty() => {
                let own = self.names.groups.iter().filter(|(topic, _)| topic == node);
                known("group", name, own.map(|(_, group)| group))?;
                in_shape(&shape(&GroupResults::default()), rest)
            }
            path => {
                let dimension = in_shape(&shape(&any_node()), path)?;
                let mut groups = self.names.groups.iter().filter(|(topic, _)| topic == node);
                let of_messages = shape(&QueueResults::default()).get(&path[0]).is_some();
                if let Some((_, group)) = groups.next().filter(|_| of_messages) {
                    let message =
                        format!("of the log `{node}` each group has its own `{}`", path[0]);
                    let help = format!("say which: `node={node} group={group}`");
                    return Err(fault("E-SLO", message, Some(help)));
                }
                Ok(dimension)
            }
        }
    }

    /// `fraction(latency <= 300ms ..)`.
    fn fraction(
        &self,
        within: Option<&(Op, Word)>,
        path: &[&str],
        selectors: Selectors,
    ) -> Checked<(Figure, Dimension)> {
        let example = || Some("for example `fraction(latency <= 300ms) >= 95%`".to_owned());
        if let (["availability"], Some(window), Some((op, word)), None) =
            (path, selectors.window, within, &selectors.node)
        {
            return slices((*op, word), selectors.selection, window);
        }
        if selectors.node.is_some() || selectors.window.is_some() {
            let message = "fractions are measured of requests, over the whole run".to_owned();
            return Err(fault("E-SLO", message, example()));
        }
        let Some((op, word)) = within.filter(|(op, _)| !matches!(op, Op::Equal | Op::NotEqual))
        else {
            let message = "a fraction is of what is below or above a limit".to_owned();
            return Err(fault("E-SLO", message, example()));
        };
        let limit = parsed::<SimDuration>(word, "a duration such as `300ms`")?.0;
        if limit == 0 {
            return Err(trivial(word));
        }
        let sample = self.sample(path, selectors.outcome.as_deref(), selectors.to)?;
        Ok((Figure::Fraction(selectors.selection, sample, *op, limit), Dimension::Fraction))
    }

    fn sample(&self, path: &[&str], outcome: Option<&str>, to: Option<String>) -> Checked<Sample> {
        match (path, outcome, to) {
            (["latency"], None, None) => Ok(Sample::Latency),
            (["latency"], Some("ok"), None) => Ok(Sample::Survivors),
            (["latency"], Some(other), None) => Err(not_yet(&format!("outcome={other}"))),
            (["latency"], None, Some(mark)) => Ok(Sample::Mark(mark)),
            (["latency_all"], None, None) => Ok(Sample::All),
            (["marks", mark], None, None) => {
                known("mark", mark, self.names.marks.iter())?;
                Ok(Sample::Mark((*mark).to_owned()))
            }
            (["latency" | "latency_all" | "marks", ..], ..) => {
                let message = "these selectors do not go together".to_owned();
                Err(fault("E-SLO", message, None))
            }
            _ => {
                let path: Vec<String> = path.iter().map(|s| (*s).to_owned()).collect();
                in_shape(&requests_shape(self.names), &path)?;
                let message = format!("`{}` is one number, not a sample", path.join("."));
                let help = "statistics are of `latency`, or over windows: `min(availability \
                            window=1m)`";
                Err(fault("E-SLO", message, Some(help.to_owned())))
            }
        }
    }

    /// A path of results.json, or a name with selectors.
    fn plain(&self, path: &[&str], selectors: Selectors) -> Checked<(Figure, Dimension)> {
        if selectors.window.is_some() {
            let message = "`window=` goes with `min(..)`, `max(..)` or `mean(..)`".to_owned();
            return Err(fault("E-SLO", message, None));
        }
        if let ["latency" | "done", stat] | ["groups", _, "done", stat] = path
            && parse::is_stat(stat)
        {
            let word = Word { text: (*stat).to_owned(), span: 0..0 };
            return self.statistic(&word, &path[..path.len() - 1], selectors);
        }
        let mut path: Vec<String> = path.iter().map(|s| (*s).to_owned()).collect();
        if let Some(node) = selectors.node {
            path.extend(outcome_segment(&path, "outcomes", selectors.outcome)?);
            let dimension = match path.as_slice() {
                [block, outcome] if block == "outcomes" => {
                    known("outcome", outcome, Outcome::NAMES.iter())?;
                    Dimension::Count
                }
                // A cause that never comes up is 0.
                [block, cause] if block == "causes" => {
                    known("cause", cause, Cause::ALL.iter().map(|cause| cause.name()))?;
                    Dimension::Count
                }
                _ => self.of_node(&node, &path)?,
            };
            return Ok((Figure::Node(node, path), dimension));
        }
        let uptime = shape(&UptimeResults::default());
        if path.first().is_some_and(|first| uptime.get(first).is_some())
            && selectors.selection == Selection::default()
        {
            let dimension = in_shape(&uptime, &path)?;
            return Ok((Figure::Uptime(path), dimension));
        }
        path.extend(outcome_segment(&path, "requests", selectors.outcome)?);
        let dimension = in_shape(&requests_shape(self.names), &path)
            .map_err(|fault| meant_data(fault, &path))?;
        if let Some(to) = selectors.to {
            let message = format!("`to={to}` goes with a statistic: `p99(latency to={to})`");
            return Err(fault("E-SLO", message, None));
        }
        Ok((Figure::Requests(selectors.selection, path), dimension))
    }
}

/// The parts of a path; the point of `latency.p99.99` parts nothing.
fn segments(path: &str) -> Vec<&str> {
    let stat = path.match_indices(".p").map(|(at, _)| at).last();
    match stat.filter(|at| percentile(&path[at + 1..]).is_some()) {
        Some(at) => path[..at].split('.').chain([&path[at + 1..]]).collect(),
        None => path.split('.').collect(),
    }
}

/// An error unless `name` is among `all`.
fn known<T: AsRef<str>>(
    what: &str,
    name: &str,
    all: impl Iterator<Item = T> + Clone,
) -> Checked<()> {
    if all.clone().any(|known| known.as_ref() == name) {
        return Ok(());
    }
    let help = match all.clone().next() {
        Some(_) => choice(name, all),
        None => format!("this scenario has no {what}"),
    };
    Err(fault("E-REF", format!("there is no {what} `{name}`"), Some(help)))
}

/// `requests(outcome=timeout)` is `requests.timeout`.
fn outcome_segment(
    path: &[String],
    block: &str,
    outcome: Option<String>,
) -> Checked<Option<String>> {
    if outcome.is_some() && path != [block] {
        let message = format!("`outcome=` goes with `latency` or `{block}`");
        return Err(fault("E-SLO", message, None));
    }
    Ok(outcome)
}

/// `fraction(availability >= 95% window=1m)`: the share of windows that are good enough.
fn slices((op, word): (Op, &Word), of: Selection, window: u64) -> Checked<(Figure, Dimension)> {
    let least = limit(word, Dimension::Fraction)?;
    if least <= 0.0 || !matches!(op, Op::AtLeast | Op::Above) {
        return Err(trivial(word));
    }
    let series = Series::Requests(of, RequestsField::Availability);
    Ok((Figure::Windows(series, Stat::Share(op, least), window), Dimension::Fraction))
}

fn windows(
    stat: Stat,
    word: &Word,
    path: &[&str],
    selectors: Selectors,
    window: u64,
) -> Checked<(Figure, Dimension)> {
    if matches!(stat, Stat::Quantile(_)) {
        let message = format!("`{}` of windows is not a sound figure", word.text);
        let help = "over windows there are `min`, `max` and `mean`".to_owned();
        return Err(fault("E-SLO", message, Some(help)));
    }
    let (series, dimension) = match (selectors.node, path) {
        (None, ["availability"]) => {
            let field = RequestsField::Availability;
            (Series::Requests(selectors.selection, field), Dimension::Fraction)
        }
        (None, ["goodput"]) => {
            (Series::Requests(selectors.selection, RequestsField::Goodput), Dimension::PerSecond)
        }
        (None, ["attempts_per_request"]) => {
            let field = RequestsField::AttemptsPerRequest;
            (Series::Requests(selectors.selection, field), Dimension::Number)
        }
        (Some(node), ["utilisation"]) => {
            (Series::Node(node, NodeField::Utilisation), Dimension::Fraction)
        }
        (Some(node), ["in_system"]) => (Series::Node(node, NodeField::InSystem), Dimension::Number),
        (Some(node), ["depth"]) => (Series::Node(node, NodeField::Depth), Dimension::Number),
        (Some(node), ["lag"]) => (Series::Node(node, NodeField::Lag), Dimension::Number),
        (Some(node), ["in_queue"]) => (Series::Node(node, NodeField::InQueue), Dimension::Number),
        (Some(node), ["throughput"]) => {
            (Series::Node(node, NodeField::Throughput), Dimension::PerSecond)
        }
        (Some(node), ["cold_share"]) => {
            (Series::Node(node, NodeField::ColdShare), Dimension::Fraction)
        }
        (Some(node), ["instances"]) => {
            (Series::Node(node, NodeField::Instances), Dimension::Number)
        }
        _ => {
            let message = format!("`{}` is not measured per window", path.join("."));
            let help = "per window there are availability, goodput, attempts_per_request, and of \
                        nodes utilisation, in_system, in_queue, throughput, instances (with `autoscale`, of functions), depth (of queues), lag (of logs), cold_share (of functions)";
            return Err(fault("E-SLO", message, Some(help.to_owned())));
        }
    };
    Ok((Figure::Windows(series, stat, window), dimension))
}

#[cfg(test)]
mod tests;
