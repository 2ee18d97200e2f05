//! What can be wrong with an autoscaler beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{AutoscaleSpec, BoundsSpec, LevelSpec, LimitSpec, MetricSpec, StepScalingSpec};
use crate::{
    model::{
        check::{MAX_INSTANCES, closest, few, positive},
        kind::Kind,
        names::Names,
        network::ZonesSpec,
        service::ServiceSpec,
    },
    problem::Problems,
    units::{Count, Name},
};

/// Calls that wait at a door, at most.
const MAX_HELD: u64 = 100_000;

/// Readings an autoscaler keeps in mind, at most.
const MAX_READINGS: u64 = 1000;

/// Checks the autoscaler of a service; `path` is that of the service's map.
pub fn autoscale(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(scales) = &spec.autoscale else { return };
    let duration = names.design.duration;
    let check = Check { scales, spec, path: format!("{path}.autoscale"), duration };
    check.numbers(path, problems);
    check.zero(problems);
    check.times(problems);
    check.figure(problems);
    check.limits(problems);
    for (i, bounds) in scales.schedule.iter().enumerate() {
        check.bounds(bounds, &check.at(&format!("schedule[{i}]")), problems);
    }
    check.flaps(problems);
    if let Some(by) = scales.by.as_ref().filter(|by| names.node(&by.0).is_none()) {
        let help = closest(&by.0, names.nodes());
        problems.error_help("E-REF", check.at("by"), format!("unknown node `{}`", by.0), help);
    }
    if let Some(MetricSpec::Lag(topic, group)) = &scales.metric {
        check.group((topic, group), names, problems);
    }
    if let Some(MetricSpec::Depth(queue) | MetricSpec::Age(queue)) = &scales.metric {
        let keeps = |id| names.kind(id).is_broker() && names.kind(id).partitions().is_none();
        let is_queue = names.node(&queue.0).is_some_and(keeps);
        if !is_queue {
            let all = names.nodes().filter(|name| names.node(name).is_some_and(keeps));
            let help = closest(&queue.0, all);
            let message = format!("there is no queue `{}`", queue.0);
            problems.error_help("E-REF", check.at("metric"), message, help);
        }
    }
}

impl Check<'_> {
    /// A group that reads a log.
    fn group(&self, (topic, group): (&Name, &Name), names: &Names, problems: &mut Problems) {
        let log = |name: &str| names.node(name).filter(|&id| names.kind(id).partitions().is_some());
        let Some(id) = log(&topic.0) else {
            let help = closest(&topic.0, names.nodes().filter(|name| log(name).is_some()));
            let message = format!("there is no log `{}`", topic.0);
            return problems.error_help("E-REF", self.at("metric"), message, help);
        };
        let groups = names.groups(id);
        if !groups.contains_key(group.0.as_str()) {
            let help = closest(&group.0, groups.into_keys());
            let message = format!("no group `{}` reads `{}`", group.0, topic.0);
            problems.error_help("E-REF", self.at("metric"), message, help);
        }
    }
}

struct Check<'a> {
    scales: &'a AutoscaleSpec,
    spec: &'a ServiceSpec,
    path: String,
    duration: u64,
}

impl Check<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// How many there may be.
    fn numbers(&self, path: &str, problems: &mut Problems) {
        let AutoscaleSpec { min, max, .. } = *self.scales;
        positive(Some(max), MAX_INSTANCES, &self.at("max"), problems);
        if min > max {
            let message = format!("at least {min} and at most {max}: nothing is between");
            problems.error_help("E-RANGE", self.at("min"), message, "at most as many as `max`");
        }
        if let Some(first) = self.spec.instances.filter(|n| *n < min || *n > max) {
            let message =
                format!("it begins with {first} instances, which are not in {min}..={max}");
            let help = "`instances` is where an `autoscale` starts";
            problems.error_help("E-RANGE", format!("{path}.instances"), message, help);
        }
        if matches!(self.spec.zones, Some(ZonesSpec::Counts(_))) {
            let message =
                "a map of zones says how many instances there are, and so does `autoscale`";
            let help = "give `zones` as a list: places stand in them in turn";
            problems.error_help("E-CONFLICT", format!("{path}.zones"), message, help);
        }
    }

    /// Whoever is gone for good serves nobody, and nobody waits where somebody always is.
    fn zero(&self, problems: &mut Problems) {
        let scales = self.scales;
        if !scales.reaches_zero() {
            if scales.hold.is_some() {
                let message = "there is always an instance: no call waits for one at the door";
                let help = "`min: 0`; or leave out `hold`";
                problems.error_help("E-CONFLICT", self.at("hold"), message, help);
            }
            return;
        }
        positive(scales.hold, MAX_HELD, &self.at("hold"), problems);
        // What is known of messages is known without any instance.
        let metric = scales.metric();
        let of_messages =
            matches!(metric, MetricSpec::Depth(_) | MetricSpec::Age(_) | MetricSpec::Lag(..));
        let later = |bounds: &BoundsSpec| bounds.min.is_some_and(|min| min.0 > 0);
        let comes_again = scales.schedule.iter().any(later) || scales.predict.is_some();
        if scales.hold.is_none() && !of_messages && !comes_again {
            let message =
                format!("while there is no instance nobody knows `{metric}`: none would ever come");
            let help = "`hold: 100` has calls wait at the door and one boot for them; or a metric of a queue, `depth(orders)`";
            problems.error_help("E-CONFLICT", self.at("min"), message, help);
        }
    }

    fn times(&self, problems: &mut Problems) {
        let scales = self.scales;
        let zero = [("every", scales.every), ("window", scales.window)]
            .into_iter()
            .find(|(_, time)| time.is_some_and(|time| time.0 == 0));
        if let Some((key, _)) = zero {
            return problems.error("E-RANGE", self.at(key), "must be above 0");
        }
        let (every, back) = (scales.every(), scales.delay().saturating_add(scales.window()));
        if !few((&self.path, 1), [every].into_iter(), self.duration, problems) {
            return;
        }
        if back / every > MAX_READINGS {
            let message = format!("it looks back over more than {MAX_READINGS} times of `every`");
            return problems.error_help("E-BUDGET", &self.path, message, "a longer `every`");
        }
        if back >= self.duration && scales.schedule.is_empty() {
            let message = "the run is over before it could decide anything";
            let help = "`delay` and `window` together are shorter than `duration`";
            problems.warn("W-LATE", &self.path, message, help);
        }
        let Some(predict) = scales.predict else { return };
        if predict.period.0 == 0 || predict.ahead >= predict.period {
            let message = "it looks ahead less far than one period";
            let help = "such as `predict: {period: 24h, ahead: 10m}`";
            problems.error_help("E-RANGE", self.at("predict"), message, help);
        } else if predict.period.0 >= self.duration {
            let message = "the run is over before a period is";
            problems.warn("W-LATE", self.at("predict"), message, "a longer `duration`");
        }
    }

    /// What is compared with what.
    fn figure(&self, problems: &mut Problems) {
        let scales = self.scales;
        if scales.metric() == MetricSpec::Utilisation && self.spec.facts().capacity.is_none() {
            let message = "this service has no capacity to use";
            let help = "`cores` or `workers` bound it; or another `metric`";
            problems.error_help("E-CONFLICT", &self.path, message, help);
        }
        match (scales.target, scales.steps.as_slice()) {
            (None, []) => {
                let help = "such as `target: 60%`; or `steps`";
                problems.error_help("E-MISSING", &self.path, "nothing says when it scales", help);
            }
            (Some(_), [_, ..]) => {
                let message = "`steps` take the place of a `target`";
                problems.error_help("E-CONFLICT", self.at("steps"), message, "remove either");
            }
            (Some(target), []) => self.level(target, &self.at("target"), problems),
            (None, steps) => {
                for (i, step) in steps.iter().enumerate() {
                    self.step(step, &self.at(&format!("steps[{i}]")), problems);
                }
            }
        }
        let tolerance = scales.tolerance.filter(|tolerance| tolerance.0 >= 1.0);
        if tolerance.is_some() {
            let message = "it would never scale in";
            problems.error_help("E-RANGE", self.at("tolerance"), message, "below 100%");
        }
    }

    fn step(&self, step: &StepScalingSpec, path: &str, problems: &mut Problems) {
        let StepScalingSpec { above, add, below, remove } = *step;
        match (above.zip(add), below.zip(remove)) {
            (Some(_), None) if below.is_none() && remove.is_none() => {}
            (None, Some(_)) if above.is_none() && add.is_none() => {}
            _ => {
                let message = "a step has `above` and `add`, or `below` and `remove`";
                let help = "such as `{above: 80%, add: 2}`";
                return problems.error_help("E-CONFLICT", path, message, help);
            }
        }
        for (key, level) in [("above", above), ("below", below)] {
            if let Some(level) = level {
                self.level(level, &format!("{path}.{key}"), problems);
            }
        }
        for (key, count) in [("add", add), ("remove", remove)] {
            positive(count, MAX_INSTANCES, &format!("{path}.{key}"), problems);
        }
    }

    /// A level must be in the unit of the figure, and above 0.
    fn level(&self, level: LevelSpec, path: &str, problems: &mut Problems) {
        let metric = self.scales.metric();
        let (fits, unit) = match metric {
            MetricSpec::Utilisation => {
                let share = matches!(level, LevelSpec::Share(_));
                (share || matches!(level, LevelSpec::Number(n) if n.0 <= 1.0), "a share: `60%`")
            }
            MetricSpec::Requests => (matches!(level, LevelSpec::Rate(_)), "a rate: `100/s`"),
            MetricSpec::InSystem
            | MetricSpec::InQueue
            | MetricSpec::Depth(_)
            | MetricSpec::Lag(..) => (matches!(level, LevelSpec::Number(_)), "a number: `8`"),
            MetricSpec::ResponseTime | MetricSpec::Age(_) => {
                (matches!(level, LevelSpec::Time(_)), "a time: `200ms`")
            }
        };
        if !fits {
            let message = format!("`{level}` is not in the unit of `{metric}`");
            problems.error_help("E-UNIT", path, message, format!("`{metric}` is {unit}"));
        } else if level.value() <= 0.0 {
            problems.error("E-RANGE", path, "must be above 0");
        }
    }

    fn limits(&self, problems: &mut Problems) {
        for (key, limit) in [("up", self.scales.up), ("down", self.scales.down)] {
            let Some(LimitSpec { count, share, per }) = limit else { continue };
            if per.0 == 0 {
                problems.error("E-RANGE", self.at(key), "`per` must be above 0");
            } else if count.is_none_or(|n| n == Count(0)) && share.is_none_or(|s| s.0 == 0.0) {
                problems.error("E-RANGE", self.at(key), "nothing would ever change");
            }
        }
    }

    fn bounds(&self, bounds: &BoundsSpec, path: &str, problems: &mut Problems) {
        let scales = self.scales;
        if bounds.every.is_some_and(|every| every <= bounds.at) {
            let message = "it would begin when its period is over";
            problems.error_help("E-RANGE", format!("{path}.at"), message, "less than `every`");
        }
        positive(bounds.max, MAX_INSTANCES, &format!("{path}.max"), problems);
        let (min, max) = (bounds.min.unwrap_or(scales.min), bounds.max.unwrap_or(scales.max));
        if max > scales.max {
            let message = format!("there are only {} places", scales.max);
            problems.error_help("E-RANGE", format!("{path}.max"), message, "a larger `max`");
        } else if min > max {
            let message = format!("at least {min} and at most {max}: nothing is between");
            problems.error("E-RANGE", path, message);
        }
    }

    /// What was measured is older than what became of the last change.
    fn flaps(&self, problems: &mut Problems) {
        let scales = self.scales;
        let zero = |time: Option<crate::units::SimDuration>| time.is_some_and(|time| time.0 == 0);
        let at_once = self.spec.boot.is_none() && scales.cooldown.is_none_or(|time| time.0 == 0);
        if at_once && zero(scales.stabilise) {
            let message = "it goes by what was measured before its last change could show";
            let help = "a `cooldown`, or a `stabilise` of more than 0";
            problems.warn("W-FLAP", &self.path, message, help);
        }
    }
}
