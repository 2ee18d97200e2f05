//! How far: the largest load of a scenario that meets its objectives, what is full first, and how far twice of that goes.
//!
//! **Invariant.** Each load is judged as `check` judges it, on the same seeds; what is told was simulated.

use super::{
    factor::Bisection,
    sizing::{outcome, step},
    told::{Doubled, Loads, Step},
};
use crate::{
    results::Bottleneck,
    scenario::{
        load::{Files, Loaded, Overrides, Rejected, load},
        loads,
        sizing::Knob,
    },
    study::{Checked, meanings},
};

/// A search under way: simulate what it `asks` for and `tell` what came of it, until it asks for nothing.
#[derive(Debug)]
pub struct Loading {
    loaded: Loaded,
    bisection: Bisection,
    /// The factor asked for, and what is set for it.
    asked: (f64, Vec<String>),
    loads: Loads,
    /// What was set for each step: users are whole, and two factors may be the same design.
    sets: Vec<Vec<String>>,
    /// How often each instance has what is bounded, where that was full when the first load was missed.
    capacity: Option<f64>,
    /// What was found before something was doubled.
    before: Option<(Loads, Doubled)>,
}

impl Loading {
    /// Of all clients of the scenario at `path`, or of one.
    ///
    /// # Errors
    ///
    /// The scenario cannot be run, has no such client, or a load that cannot be multiplied.
    pub fn open(
        path: &str,
        files: &dyn Files,
        overrides: &Overrides,
        client: Option<&str>,
    ) -> Result<Self, Rejected> {
        let loaded = load(path, files, overrides)?;
        match loads::multiplied(&loaded.spec, client) {
            Ok(clients) => Ok(Self {
                loaded,
                bisection: Bisection::from(1.0),
                asked: (1.0, Vec::new()),
                loads: Loads { clients, met: None, missed: None, steps: Vec::new() },
                sets: Vec::new(),
                capacity: None,
                before: None,
            }),
            Err(problem) => {
                let found = loaded.found(&[problem]);
                Err(Rejected { sources: loaded.sources, found, rest: None })
            }
        }
    }

    /// The next load to simulate, as `--set` has it; none when the largest is known.
    pub fn asks(&mut self) -> Option<Vec<String>> {
        loop {
            let factor = self.bisection.asks()?;
            let doubled = self.before.iter().map(|(_, doubled)| doubled.set());
            let loads = loads::sets(&self.loaded.spec, &self.loads.clients, factor);
            let sets: Vec<String> = doubled.chain(loads).collect();
            self.asked = (factor, sets.clone());
            match self.sets.iter().position(|before| *before == sets) {
                Some(same) => self.found(same),
                None => return Some(sets),
            }
        }
    }

    /// What came of the load it asked for.
    pub fn tell(&mut self, checked: &Checked) -> &Step {
        let (factor, sets) = self.asked.clone();
        self.loads.steps.push(step(vec![factor.to_string()], checked, None));
        self.sets.push(sets);
        self.found(self.sets.len() - 1);
        if self.loads.missed.is_some_and(|(missed, _)| missed == factor) {
            self.capacity = checked.results.bottleneck.as_ref().and_then(|full| {
                let node = checked.results.nodes.get(&full.node)?;
                Some(node.resources.get(&full.resource)?.capacity)
            });
        }
        self.loads.steps.last().expect("it was just told")
    }

    /// The factor asked for came out as this step did.
    fn found(&mut self, step: usize) {
        let factor = self.asked.0;
        self.bisection.tell(factor, outcome(self.loads.steps[step].verdict));
        let at = |end: Option<f64>| end.filter(|end| *end == factor).map(|end| (end, step));
        self.loads.met = at(self.bisection.met()).or(self.loads.met);
        self.loads.missed = at(self.bisection.missed()).or(self.loads.missed);
    }

    /// What is known by now.
    #[must_use]
    pub const fn loads(&self) -> &Loads {
        &self.loads
    }

    /// Begins again with twice of what was full first; none where nothing was, or there can be no two of it.
    pub fn double(&mut self) -> Option<Doubled> {
        let ((met, _), full) = (self.loads.met?, self.loads.full()?.clone());
        let doubled = self.doubled(&full)?;
        let clients = self.loads.clients.clone();
        let next = Loads { clients, met: None, missed: None, steps: Vec::new() };
        self.before = Some((std::mem::replace(&mut self.loads, next), doubled.clone()));
        self.bisection = Bisection::from(met);
        self.sets.clear();
        Some(doubled)
    }

    /// What was found before something was doubled, and what that was.
    #[must_use]
    pub const fn before(&self) -> Option<&(Loads, Doubled)> {
        self.before.as_ref()
    }

    /// Where the file says how much there is of it, and twice as much.
    fn doubled(&self, full: &Bottleneck) -> Option<Doubled> {
        let capacity = self.capacity.filter(|capacity| capacity.is_finite())?;
        let mut nodes = self.loaded.spec.nodes.iter();
        let (_, spec) = nodes.find(|(name, _)| name.0 == full.node)?;
        let (resource, other) =
            full.resource.split_once(':').unwrap_or((full.resource.as_str(), ""));
        let keys = match resource {
            "cores" | "workers" => vec![resource.to_owned()],
            // In the long form or the short one.
            "pool" | "bulkhead" => {
                let of = format!("dependencies.{other}.{resource}");
                vec![format!("{of}.size"), of]
            }
            "memory" | "threads" | "descriptors" => vec![format!("limits.{resource}.max")],
            // One lock is one lock.
            _ => return None,
        };
        let unit = if resource == "memory" { "B" } else { "" };
        let [from, to] = [1.0, 2.0].map(|times| format!("{}{unit}", capacity * times));
        let start = format!("nodes.{}.{}", full.node, spec.kind().facts().kind);
        keys.into_iter().find_map(|key| {
            let path = format!("{start}.{key}");
            let (name, paths, values) = (path.clone(), vec![path.clone()], vec![to.clone()]);
            let knob = Knob { name, paths, values };
            self.loaded.with(&[(&knob, &to)], &meanings).ok()?;
            Some(Doubled { path, from: from.clone(), to: to.clone() })
        })
    }
}
