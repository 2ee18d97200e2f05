//! What can be wrong with when a fault comes and how it goes.

use super::{Effect, check::Check};
use crate::{
    model::{
        alert::{Source, check::alert_named},
        fault::MAX_OCCURRENCES,
    },
    problem::Problems,
};

impl Check<'_> {
    pub(super) fn times(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        self.after(effect, problems);
        let again = spec.mtbf.is_some() || spec.mttr.is_some();
        let once = spec.at.is_some() || spec.for_.is_some() || spec.every.is_some();
        let duration = self.names.design.duration;
        if again && once {
            let help = "`at` and `for` say once, `mtbf` and `mttr` again and again";
            problems.error_help("E-FAULT-TIME", &self.path, "comes once or again and again", help);
        } else if spec.mtbf.is_some() != spec.mttr.is_some() {
            let help = "`mtbf` is the time from a repair to the next failure, `mttr` to the repair";
            problems.error_help("E-FAULT-TIME", &self.path, "`mtbf` needs `mttr`", help);
        } else if !again && spec.at.is_none() && spec.every.is_none() && spec.after.is_none() {
            let help =
                "such as `at: 3m, for: 40s`, `every: 24h`, `mtbf` and `mttr`, or `after` an alert";
            problems.error_help("E-FAULT-TIME", &self.path, "when does it start?", help);
        }
        if let Some(at) = spec.at
            && at.0 >= duration
        {
            let help = "it must start before `duration`";
            let message = "starts when the run is over";
            problems.error_help("E-FAULT-TIME", self.at("at"), message, help);
        }
        self.every(effect, problems);
        if spec.for_.is_some_and(|d| d.0 == 0) {
            problems.error("E-FAULT-TIME", self.at("for"), "must be above 0");
        }
        if spec.for_.is_some() && self.is_at_once(effect) {
            let message = match effect {
                Effect::ClearCache(_) => "a cache is emptied at once",
                Effect::Corrupt(_) => "copies are damaged at once",
                _ => "environments are gone at once, and others start when they are needed",
            };
            problems.error_help("E-FAULT-TIME", self.at("for"), message, "leave out `for`");
        }
        if matches!(effect, Effect::Set(_) | Effect::Deploy(_))
            && (again || spec.probability.is_some())
        {
            let help = "give it `at` or `after`, and `for` if it is taken back";
            let message = "a planned change comes once and for sure";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if again && matches!(effect, Effect::Reclaim(_)) {
            let help = "`reclaim` of `purchase.spot` says how often each is; this takes several, at a time: `at` or `every`";
            let message = "single instances are taken all the time";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if again && matches!(effect, Effect::Load(_)) {
            let help = "give it `at` and `for`, or the client a `load` with `every`";
            problems.error_help("E-FAULT-TIME", &self.path, "a `load` fault comes once", help);
        }
        if spec.group.is_some() && !again {
            let help = "only faults with `mtbf` are drawn together";
            problems.error_help("E-FAULT", self.at("group"), "there is nothing to group", help);
        }
        self.crews(effect, problems);
        self.over(effect, problems);
        self.stagger(effect, problems);
        let mean = |law: &Option<crate::engine::law::DurationLaw>| law.as_ref()?.mean();
        if let Some(cycle) = mean(&spec.mtbf).map(|up| up + mean(&spec.mttr).unwrap_or(0.0)) {
            let occurrences = duration as f64 / cycle.max(1.0);
            if occurrences > MAX_OCCURRENCES as f64 / 2.0 {
                problems.error_help(
                    "E-BUDGET",
                    self.at("mtbf"),
                    format!("about {occurrences:.1e} failures of each target in a run"),
                    format!("the limit is {MAX_OCCURRENCES}; a longer `mtbf`"),
                );
            }
        }
    }

    /// Whether an alert can bring it.
    fn after(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        let Some(name) = &spec.after else {
            if spec.delay.is_some() {
                let help = "`after` names the alert; a dated fault has `at`";
                problems.error_help("E-FAULT-TIME", self.at("delay"), "after what?", help);
            }
            return;
        };
        let alert = alert_named(name, &self.at("after"), self.names, problems);
        if alert.is_some_and(|alert| alert.when.of == Source::Deploy(spec.id.clone())) {
            let message = format!("`{name}` looks at what this deployment brought");
            let help = "it would wait for itself; `rollback` ends it after the alert";
            problems.error_help("E-CYCLE", self.at("after"), message, help);
        }
        if spec.at.is_some() || spec.every.is_some() || spec.mtbf.is_some() {
            let message = "comes after an alert or when its time is come";
            let help = "`after` and `delay`, or `at`, `every` or `mtbf`";
            problems.error_help("E-FAULT-TIME", &self.path, message, help);
        }
        if spec.delay.is_some_and(|delay| delay.0 >= self.names.design.duration) {
            let message = "the run is over by then";
            problems.error("E-FAULT-TIME", self.at("delay"), message);
        }
        let told = self.names.specs().any(|spec| spec.kind().is_told());
        let (message, help) = match effect {
            Effect::Load(_) => {
                ("a client's rate is known from the start", "give it `at`, or change what serves")
            }
            Effect::Crash(_) if told => {
                ("`detect` knows of crashes beforehand", "give the balancer an `interval`")
            }
            _ => return,
        };
        problems.error_help("E-FAULT-TIME", self.at("after"), message, help);
    }

    /// Whether anybody would ever wait for a crew.
    fn crews(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(crews) = self.spec.crews else { return };
        let apart = effect.target().is_some_and(|target| target.node.is_some());
        let (message, help) = if crews.0 == 0 {
            ("nothing would ever be repaired", "at least 1; without `crews` nobody waits")
        } else if self.spec.mtbf.is_none() {
            ("there is nothing to repair", "only what fails by `mtbf` is repaired")
        } else if self.spec.group.is_some() || !apart {
            ("what fails as one is repaired as one", "crews choose among the instances of a `node`")
        } else {
            return;
        };
        problems.error_help("E-FAULT", self.at("crews"), message, help);
    }

    /// Whether it can grow, and has the time for it.
    fn over(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(over) = self.spec.over else { return };
        let at = self.at("over");
        let has_size = matches!(
            effect,
            Effect::Slow(_) | Effect::Errors(_) | Effect::Latency(_) | Effect::Loss(_)
        );
        if over.0 == 0 {
            problems.error("E-RANGE", at, "must be above 0");
        } else if !has_size && !matches!(effect, Effect::Load(_)) {
            let message = format!("`{}` has no size that could grow", effect.name());
            let help = "slow, errors, latency, loss and load have";
            problems.error_help("E-FAULT", at, message, help);
        } else if self.spec.for_.is_some_and(|for_| for_ < over) {
            let help = "at most as long as `for`";
            problems.error_help("E-RANGE", at, "it is over before it has grown", help);
        }
    }

    fn is_at_once(&self, effect: Effect<'_>) -> bool {
        self.names.is_at_once(effect)
    }

    /// Whether there are instances that can recover one by one.
    fn stagger(&self, effect: Effect<'_>, problems: &mut Problems) {
        let spec = self.spec;
        let Some(stagger) = spec.stagger else { return };
        let apart = spec.mtbf.is_some()
            && spec.group.is_none()
            && effect.target().is_some_and(|target| target.node.is_some());
        let (message, help) = if stagger.0 == 0 {
            ("must be above 0", "leave it out: all recover at once")
        } else if effect.target().is_none()
            || self.is_at_once(effect)
            || matches!(effect, Effect::Reclaim(_))
        {
            ("it hits no instances that could recover one by one", "several faults end apart")
        } else if apart {
            ("each instance fails and is repaired by itself", "a `group` fails as one")
        } else if spec.for_.is_none() && spec.mtbf.is_none() {
            ("it never ends", "give it `for`")
        } else {
            return;
        };
        problems.error_help("E-FAULT", self.at("stagger"), message, help);
    }

    /// Whether what comes again after each period is over by then.
    fn every(&self, effect: Effect<'_>, problems: &mut Problems) {
        let Some(every) = self.spec.every else { return };
        let at = self.at("every");
        let duration = self.names.design.duration;
        if every.0 == 0 {
            return problems.error("E-FAULT-TIME", at, "must be above 0");
        }
        if self.spec.at.is_none() && every.0 >= duration {
            let help = "it comes for the first time after one period, unless `at` says when";
            return problems.error_help("E-FAULT-TIME", at, "starts when the run is over", help);
        }
        if matches!(effect, Effect::Set(_) | Effect::Load(_) | Effect::Deploy(_)) {
            let message = format!("`{}` comes once", effect.name());
            let help = "several faults, or the client's `load` with `every`";
            return problems.error_help("E-FAULT-TIME", at, message, help);
        }
        let spread = self.spec.stagger.map_or(0, |stagger| stagger.0);
        match self.spec.for_ {
            Some(for_) if for_.0.saturating_add(spread) >= every.0 => {
                let message = "it comes again before it is over";
                problems.error_help("E-FAULT-TIME", at, message, "a longer period than `for`");
            }
            None if !self.is_at_once(effect) => {
                let message = "it never ends, so it cannot come again";
                problems.error_help("E-FAULT-TIME", at, message, "give it `for`");
            }
            _ => {}
        }
        if duration / every.0 > MAX_OCCURRENCES as u64 {
            let message = format!("it would come more than {MAX_OCCURRENCES} times");
            problems.error_help("E-BUDGET", self.at("every"), message, "a longer period");
        }
    }
}
