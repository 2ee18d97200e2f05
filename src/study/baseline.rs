//! What objectives such as `p99(latency) <= baseline + 5%` are held against: another design, simulated beside the one
//! that is judged, or what an earlier check of one left behind.
//!
//! **Invariant.** What is held against each other are the same replications of the same window under the same meaning of
//! the language; everything else is told, and nothing is simulated.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Breach, RunInfo, Study, changed::changed, seeds, sha256};
use crate::{
    results::{Results, SEMANTICS_VERSION},
    runner::{self, Accumulator},
    scenario::problems::Found,
    slo::{Base, BaselineFigures, BaselineLook, Metric, faults_asked},
    units::show::duration,
};

/// Of the files that hold baselines.
const FORMAT: u32 = 1;
/// The key by which they are known.
const MARK: &str = "windtunnel_baseline";
const CHECKSUM: &str = "checksum";

/// What objectives are held against.
#[derive(Clone, Debug)]
pub enum Baseline {
    /// A design, simulated beside.
    Design(Box<Study>),
    /// What was written down of one.
    Written(Box<Written>),
}

/// What a check measured of a design, for later ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Version of this format.
    windtunnel_baseline: u32,
    windtunnel_version: String,
    /// Of what a scenario means: results of different ones cannot be compared.
    semantics_version: u32,
    /// Name of the scenario.
    scenario: String,
    seed: u64,
    /// Of its replications.
    seeds: Vec<u64>,
    duration_ns: u64,
    warm_up_ns: u64,
    /// The design, with everything resolved.
    resolved: String,
    /// What was known after some numbers of replications, fewest first.
    looks: Vec<BaselineLook>,
}

impl Written {
    /// Reads what [`Written::bytes`] made.
    ///
    /// # Errors
    ///
    /// Why it cannot be used: the end of a sentence that begins with the name of the file.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(bytes).map_err(|e| {
            if e.is_eof() {
                "ends in the middle: it is no whole baseline".to_owned()
            } else {
                format!("is no baseline: it is not JSON ({e})")
            }
        })?;
        let Value::Object(mut map) = json else { return Err(foreign()) };
        let format = map.get(MARK).ok_or_else(foreign)?;
        if *format != FORMAT {
            return Err(format!(
                "has version {format} of the format, and {FORMAT} is what is read"
            ));
        }
        let Some(Value::String(written)) = map.remove(CHECKSUM) else {
            return Err("has no checksum: it is no whole baseline".to_owned());
        };
        let json = Value::Object(map);
        if checksum(&json) != written {
            return Err("was changed since it was written: its checksum does not fit".to_owned());
        }
        let read: Self =
            serde_json::from_value(json).map_err(|e| format!("is no baseline: {e}"))?;
        if read.looks.last().map(|look| look.replications) != Some(read.seeds.len()) {
            return Err("is no baseline: its looks and its seeds do not fit".to_owned());
        }
        Ok(read)
    }

    /// It, as a file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut json = serde_json::to_value(self).expect("it has string keys");
        let checksum = checksum(&json);
        // Lists of numbers are lines; everything else can be read.
        json[CHECKSUM] = Value::from(checksum);
        let mut text = String::new();
        lines(&json, 0, &mut text);
        text.push('\n');
        text.into_bytes()
    }

    /// How many replications it has.
    #[must_use]
    pub fn replications(&self) -> usize {
        self.seeds.len()
    }

    /// How much of each is left out, ns.
    #[must_use]
    pub fn warm_up(&self) -> u64 {
        self.warm_up_ns
    }

    /// The figures it holds.
    fn names(&self) -> Vec<&str> {
        self.looks.last().map_or(Vec::new(), |look| look.names().collect())
    }

    /// After how many replications it says what was known, fewest first.
    #[must_use]
    pub fn looks(&self) -> Vec<usize> {
        self.looks.iter().map(|look| look.replications).collect()
    }

    /// What was known after `n`.
    fn after(&self, n: usize) -> Option<&BaselineLook> {
        self.looks.iter().find(|look| look.replications == n)
    }
}

fn foreign() -> String {
    "is no baseline: `--update-baseline` writes one".to_owned()
}

/// Of the content, however it is laid out.
fn checksum(json: &Value) -> String {
    format!("sha256:{}", sha256(json.to_string().as_bytes()))
}

/// JSON with a line for each entry of a map, and for each list of plain values.
fn lines(json: &Value, indent: usize, out: &mut String) {
    let nested = |value: &Value| value.is_object() || value.is_array();
    let (open, close, entries): (_, _, Vec<(Option<&String>, &Value)>) = match json {
        Value::Object(map) => ('{', '}', map.iter().map(|(key, of)| (Some(key), of)).collect()),
        Value::Array(all) if all.iter().any(nested) => {
            ('[', ']', all.iter().map(|of| (None, of)).collect())
        }
        plain => {
            out.push_str(&plain.to_string());
            return;
        }
    };
    out.push(open);
    for (i, (key, of)) in entries.into_iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', indent + 1));
        if let Some(key) = key {
            out.push_str(&Value::from(key.as_str()).to_string());
            out.push_str(": ");
        }
        lines(of, indent + 1, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

impl Baseline {
    fn resolved(&self) -> &str {
        match self {
            Self::Design(study) => &study.resolved,
            Self::Written(written) => &written.resolved,
        }
    }

    /// Seed, duration and warm-up, ns.
    fn window(&self) -> (u64, u64, u64) {
        match self {
            Self::Design(study) => study.window(),
            Self::Written(of) => (of.seed, of.duration_ns, of.warm_up_ns),
        }
    }

    /// The figure of that name, or why it has none.
    fn metric(&self, name: &str) -> Result<(), (String, Option<String>)> {
        match self {
            Self::Design(study) => {
                study.metric(name).map(|_| ()).map_err(|problem| (problem.message, problem.help))
            }
            Self::Written(written) if written.names().contains(&name) => Ok(()),
            Self::Written(written) => {
                Err((format!("it holds {}", written.names().join(", ")), None))
            }
        }
    }
}

impl Study {
    /// Paths at which this design is not what the baseline is.
    #[must_use]
    pub fn changed_since(&self, baseline: &Baseline) -> Vec<String> {
        changed(baseline.resolved(), &self.resolved)
    }

    /// The figures of which a baseline is needed.
    #[must_use]
    pub fn held(&self) -> Vec<&str> {
        self.slos.iter().chain(&self.expect).filter_map(|slo| slo.baseline()).collect()
    }

    /// The objectives that are held against a baseline, as they were written.
    pub fn expressions_held(&self) -> impl Iterator<Item = String> {
        let all = self.slos.iter().chain(&self.expect);
        all.filter(|slo| slo.baseline().is_some()).map(|slo| slo.text().to_owned())
    }

    /// How much of a replication is left out, ns.
    #[must_use]
    pub fn warm_up(&self) -> u64 {
        self.prepared.info.warm_up
    }

    fn window(&self) -> (u64, u64, u64) {
        (self.seed, self.prepared.info.duration, self.prepared.info.warm_up)
    }

    /// What keeps this from being held against a baseline; the two are called so.
    #[must_use]
    pub fn unfit(&self, baseline: &Baseline, (own, other): (&str, &str)) -> Vec<Found> {
        let mut found = Vec::new();
        let mut refuse = |message: String, help: &str| {
            found.push(Found::nowhere("E-BASELINE", message).help(help));
        };
        let again = "`--update-baseline` writes it again, from the design it is of";
        if let Baseline::Written(of) = baseline
            && of.semantics_version != SEMANTICS_VERSION
        {
            let (was, is) = (of.semantics_version, SEMANTICS_VERSION);
            let by = &of.windtunnel_version;
            refuse(
                format!(
                    "{other} was written by windtunnel {by}, under version {was} of what a scenario means; \
                     this is version {is}"
                ),
                again,
            );
            return found;
        }
        let ((seed, lasts, from), (old_seed, old_lasts, old_from)) =
            (self.window(), baseline.window());
        let is_written = matches!(baseline, Baseline::Written(_));
        if seed != old_seed {
            let both = "give both the same `seed`; `--seed` is of both";
            let message =
                format!("{other} has seed {old_seed} and {own} has {seed}: their requests differ");
            refuse(message, if is_written { again } else { both });
        } else if let Baseline::Written(of) = baseline
            && of.seeds != seeds(seed, of.seeds.len())
        {
            refuse(
                format!("the replications of {other} have other seeds than those of {own}"),
                again,
            );
        }
        let shown = |ns: u64| duration(ns as f64 / 1e9);
        if lasts != old_lasts {
            refuse(
                format!("{other} lasts {} and {own} {}", shown(old_lasts), shown(lasts)),
                "only the same window can be compared: give both the same `duration`",
            );
        }
        if from != old_from {
            refuse(
                format!(
                    "{other} is measured from {} on and {own} from {} on",
                    shown(old_from),
                    shown(from)
                ),
                "only the same window can be compared: give both the same `warm_up`",
            );
        }
        for (slo, at) in self.slos.iter().chain(&self.expect).zip(&self.objectives) {
            let Some(name) = slo.baseline() else { continue };
            if let Err((why, help)) = baseline.metric(name) {
                let message = format!("{other} has no `{name}`: {why}");
                let help = help.unwrap_or_else(|| again.to_owned());
                found.push(Found::error("E-BASELINE", at.span, message).path(&at.path).help(help));
            }
        }
        found
    }

    /// Its own figures, while its replications come in.
    pub(super) fn recording(&self) -> BaselineFigures {
        let metrics: Vec<Metric> =
            self.held().into_iter().filter_map(|name| self.metric(name).ok()).collect();
        BaselineFigures::new(&metrics, self.random.clone())
    }

    /// What was recorded.
    pub(super) fn written(&self, looks: Vec<BaselineLook>) -> Option<Written> {
        let replications = looks.last()?.replications;
        let (seed, duration_ns, warm_up_ns) = self.window();
        Some(Written {
            windtunnel_baseline: FORMAT,
            windtunnel_version: env!("CARGO_PKG_VERSION").to_owned(),
            semantics_version: SEMANTICS_VERSION,
            scenario: self.prepared.info.scenario.clone(),
            seed,
            seeds: seeds(seed, replications),
            duration_ns,
            warm_up_ns,
            resolved: self.resolved.clone(),
            looks,
        })
    }
}

/// A baseline, look by look.
pub(super) struct Beside<'b> {
    unchanged: bool,
    source: Source<'b>,
}

enum Source<'b> {
    Written(&'b Written),
    Running(Box<Running>),
}

/// A design that is simulated beside.
struct Running {
    study: Study,
    run: Accumulator,
    figures: BaselineFigures,
}

impl<'b> Beside<'b> {
    /// None where no objective asks for it.
    pub(super) fn new(study: &Study, baseline: &'b Baseline) -> Option<Self> {
        let held = study.held();
        let unchanged = study.changed_since(baseline).is_empty();
        let source = match baseline {
            _ if held.is_empty() => return None,
            Baseline::Written(written) => Source::Written(written),
            Baseline::Design(design) => {
                let metrics: Vec<Metric> =
                    held.into_iter().filter_map(|name| design.metric(name).ok()).collect();
                let mut study = Study::clone(design);
                study.prepared.watch(faults_asked(&[], &metrics));
                let info = RunInfo { replications: 0, ..study.prepared.info.clone() };
                let figures = BaselineFigures::new(&metrics, study.random.clone());
                let run = Accumulator::new(info);
                Source::Running(Box::new(Running { study, run, figures }))
            }
        };
        Some(Self { unchanged, source })
    }

    /// After `n` replications; and how they ended, if they were simulated.
    pub(super) fn after(
        &mut self,
        n: usize,
        stop: &AtomicBool,
    ) -> Result<(Base, Option<Results>), Breach> {
        let (look, results) = match &mut self.source {
            Source::Written(written) => {
                let look = written.after(n).or(written.looks.last());
                (look.expect("it was read with looks").clone(), None)
            }
            Source::Running(running) => {
                let Running { study, run, figures } = running.as_mut();
                let (so_far, to) = (std::mem::take(run), (study.seed, n));
                *run =
                    runner::go_on(&study.prepared, so_far, to, stop, &mut |one| figures.push(one))?;
                let results = run.results();
                (figures.look(&results), Some(results))
            }
        };
        Ok((Base { look, unchanged: self.unchanged }, results))
    }
}
