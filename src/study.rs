//! The door: a scenario opened, run and judged, without files, threads of its own or a clock.
//!
#![doc = "```"]
#![doc = include_str!("../examples/embed.rs")]
#![doc = "```"]
//!
//! **Invariant.** Nothing is simulated unless the scenario and all its variants are sound.

mod baseline;
mod cap;
mod changed;
mod compare;
mod gate;
mod lose;
mod precision;
mod schema;
pub mod swarm;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use sha2::{Digest as _, Sha256};

pub use baseline::{Baseline, Written};
pub use cap::{CutDesign, cap};
pub use compare::{Compared, Margin, compare};
pub use gate::{Checked, Looks, Objective, Side};
pub use lose::Loss;
pub use precision::Precision;
pub use schema::schema;

pub use crate::runner::{
    Breach, DEFAULT_MAX_EVENTS, DEFAULT_REPLICATIONS, Replication, RunInfo, Watching, seeds,
};
pub(crate) use crate::runner::{Outline, outline};
use crate::{
    model::{Offered, kind::Prices},
    plan::WaitAsked,
    problem::{Problem, Problems, Severity},
    results::{
        CapNormal, DataFile, Results, RunHistory, SEMANTICS_VERSION, SampledRequest, Watched,
    },
    runner::{self, Accumulator, Prepared},
    scenario::{
        load::{Files, Overrides, Rejected, load},
        problems::Found,
        render::{self, Source},
        spec::{ScenarioSpec, WarmUp},
        trace::DataFiles,
    },
    slo::{self, Judge, Metric, Names, Slo},
    units::Name,
};

/// Events of a replication up to which it is watched unasked: not seconds, so that reports are the same everywhere.
pub const MOST_WATCHED: u64 = 20_000_000;

/// A sound scenario, compiled: it can be run any number of times.
#[derive(Clone, Debug)]
pub struct Study {
    /// The scenario with everything resolved, as text: the same scenario when it is opened.
    pub resolved: String,
    /// The seed of all draws.
    pub seed: u64,
    /// Its variants, and the paths each sets.
    pub variants: Vec<(String, Vec<String>)>,
    /// How long the warm-up is, a pilot must say (`warm_up: auto`): until then it is none.
    pub needs_pilot: bool,
    slos: Vec<Slo>,
    expect: Vec<Slo>,
    /// Faults that come by chance, by id.
    random: Vec<String>,
    objectives: Vec<Objective>,
    /// What is to be least of a design that is to be the cheapest.
    minimise: Option<Metric>,
    names: Names,
    /// The zones of each region.
    regions: Vec<(String, Vec<String>)>,
    prepared: Prepared,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its results; without any seed where it was stopped before a replication finished.
    pub results: Results,
    /// Some of the requests.
    pub samples: Vec<SampledRequest>,
}

/// A scenario looked at: what is wrong with it, and the study if nothing is.
#[derive(Debug)]
pub struct Examined {
    /// It can be run.
    pub study: Option<Study>,
    /// The texts it was read from; the first is the scenario's file.
    pub sources: Vec<Source>,
    /// Errors first.
    pub found: Vec<Found>,
    /// What every request of an operation with an objective needs and of which there is one: no mistake, so it is not
    /// among what was found.
    pub single_points: Vec<Found>,
}

impl Examined {
    /// The problems with frames around their places.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        render::human(&self.sources, &self.found, colour)
    }
}

/// A scenario that is all there is, at [`Alone::PATH`]: it reads no other file.
#[derive(Clone, Copy, Debug)]
pub struct Alone<'t>(pub &'t str);

impl Alone<'_> {
    /// Where it stands.
    pub const PATH: &'static str = "scenario.yaml";
}

impl Files for Alone<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = (path == Self::PATH).then(|| self.0.as_bytes().to_vec());
        found.ok_or_else(|| "does not exist".to_owned())
    }
}

impl Study {
    /// Opens the scenario at `path` of `files`. With `warm_up: auto` a pilot is run that shows how long that is.
    ///
    /// # Errors
    ///
    /// All problems of the scenario and its variants, with their places.
    pub fn open(path: &str, files: &dyn Files, overrides: &Overrides) -> Result<Self, Rejected> {
        let into = |examined: Examined| {
            let Examined { study, sources, found, .. } = examined;
            study.ok_or(Rejected { sources, found, rest: None })
        };
        let study = into(examine(path, files, overrides, &[]))?;
        if !study.needs_pilot {
            return Ok(study);
        }
        // A pilot that breaks breaks again when it is run, and is told then.
        let found = study.pilot(&AtomicBool::new(false)).ok().flatten();
        let span = found.map_or(0, |(span, _)| span);
        into(examine(path, files, &overrides.with_warm_up(span), &[]))
    }

    /// The warm-up that a pilot shows, ns, and whether it is steady after it; none when it was stopped.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn pilot(&self, stop: &AtomicBool) -> Result<Option<(u64, bool)>, Breach> {
        runner::pilot(&self.prepared, self.prepared.info.clone(), self.seed, stop)
    }

    /// Runs so many replications and judges them; those before the first unfinished one when `stop` is set.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn run(&self, replications: usize, stop: &AtomicBool) -> Result<Run, Breach> {
        self.run_watched(replications, stop, &mut |_| ())
    }

    /// The same; `look` sees each replication, in order of index.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn run_watched(
        &self,
        replications: usize,
        stop: &AtomicBool,
        look: &mut (dyn FnMut(&Replication<'_>) + Send),
    ) -> Result<Run, Breach> {
        let mut judges = Judges::of(self);
        let mut absorbed = |one: &Replication<'_>| {
            judges.push(one);
            look(one);
        };
        let info = RunInfo { replications, ..self.prepared.info.clone() };
        let run = runner::simulate(&self.prepared, &info, self.seed, stop, &mut absorbed)?;
        let results = run.results();
        Ok(judges.judged(&run, results))
    }

    /// What its objectives say of how long visits of nodes are to wait.
    #[must_use]
    pub fn waits_asked(&self) -> Vec<WaitAsked> {
        let one = |(node, share, limit, text)| WaitAsked { node, share, limit, text };
        slo::waits_asked(&self.slos).into_iter().map(one).collect()
    }

    /// What is asked of its nodes, if caches miss this share of their reads.
    #[must_use]
    pub fn offered(&self, missed: f64) -> Vec<Offered> {
        self.prepared.offered(missed)
    }

    /// Whether clients stand on sides of a cut, and ask for data that is followed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.names.sides.is_empty() && !self.names.followed.is_empty()
    }

    /// What it takes to read and to write, and how old what is read is; of a design without its faults: what it is like
    /// when nothing is wrong. None where it was stopped before a replication finished.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn normal(
        &self,
        replications: usize,
        stop: &AtomicBool,
    ) -> Result<Option<CapNormal>, Breach> {
        let mut times = cap::Times::new(self.prepared.data_operations());
        let run = self.run_watched(replications, stop, &mut |one| times.push(one))?;
        Ok(times.normal(&run.results))
    }

    /// What clients asked of its data in the replication of this index and seed, of these keys or, without any, of all, and
    /// what they were answered; none when it was stopped.
    ///
    /// # Errors
    ///
    /// The replication broke an invariant of the program.
    pub fn history(
        &self,
        replication: (usize, u64),
        keys: &BTreeSet<u64>,
        stop: &AtomicBool,
    ) -> Result<Option<RunHistory>, Breach> {
        runner::histories(&self.prepared, replication, keys, stop)
    }

    /// What became of single requests of the replication of this index and seed, which is simulated again; none when it was
    /// stopped.
    ///
    /// # Errors
    ///
    /// The replication broke an invariant of the program, or went otherwise when it was watched.
    pub fn watch(
        &self,
        replication: (usize, u64),
        watching: &Watching,
        stop: &AtomicBool,
    ) -> Result<Option<Watched>, Breach> {
        runner::watched(&self.prepared, replication, watching, stop)
    }

    /// What a report shows of the replication of interest beside results: single requests and, closely, these spans (from
    /// when until when, s) or else those around faults. Nothing of one that was stopped.
    ///
    /// # Errors
    ///
    /// The replication broke an invariant of the program, or went otherwise than the one of the results.
    pub fn usual(
        &self,
        results: &Results,
        spans: &[(f64, f64)],
        stop: &AtomicBool,
    ) -> Result<Watched, Breach> {
        runner::usually(&self.prepared, results, spans, stop)
    }

    /// The same around faults, where the run is complete and that replication has at most so many events; otherwise
    /// nothing.
    ///
    /// # Errors
    ///
    /// The replication broke an invariant of the program, or went otherwise than the one of the results.
    pub fn usual_of_few(
        &self,
        results: &Results,
        most_events: u64,
        stop: &AtomicBool,
    ) -> Result<Watched, Breach> {
        let few = results.of_interest().is_some_and(|(_, one)| one.events <= most_events);
        if few && results.is_complete() {
            self.usual(results, &[], stop)
        } else {
            Ok(Watched::default())
        }
    }

    /// Its clients.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.prepared.clients()
    }

    /// What its results say beside what is measured.
    #[must_use]
    pub fn info(&self) -> &RunInfo {
        &self.prepared.info
    }

    /// Simulated milliseconds so far, over all replications.
    #[must_use]
    pub fn progress(&self) -> Arc<AtomicU64> {
        self.prepared.progress()
    }

    /// Stops each replication after so many events.
    pub fn limit_events(&mut self, events: u64) {
        self.prepared.limit_events(events);
    }
}

/// Who judges the replications of a run.
struct Judges {
    slos: Judge,
    expect: Judge,
}

impl Judges {
    fn of(study: &Study) -> Self {
        Self { slos: Judge::new(&study.slos), expect: Judge::new(&study.expect) }
    }

    fn push(&mut self, one: &Replication<'_>) {
        self.slos.push(one);
        self.expect.push(one);
    }

    /// The results of the run, with their verdicts.
    fn judged(&self, run: &Accumulator, mut results: Results) -> Run {
        results.slos = self.slos.verdicts(&results);
        results.expect = self.expect.expected(&results);
        Run { results, samples: run.samples() }
    }
}

/// Reads, compiles and checks a scenario. `before` is the data its results were once made from: other data is warned
/// of.
#[must_use]
pub fn examine(
    path: &str,
    files: &dyn Files,
    overrides: &Overrides,
    before: &[DataFile],
) -> Examined {
    let loaded = match load(path, files, overrides) {
        Ok(loaded) => loaded,
        Err(Rejected { sources, mut found, rest }) => {
            // Shapes first: some of the meanings may be mended with them.
            let warnings = found.split_off(found.partition_point(Found::is_error));
            found.extend(rest.map_or(Vec::new(), |rest| rest.keep(meanings(&rest.spec))));
            found.extend(warnings);
            return Examined { study: None, sources, found, single_points: Vec::new() };
        }
    };
    let mut problems = Problems::default();
    for warning in &loaded.warnings {
        problems.add(warning.clone());
    }
    let spec = &loaded.spec;
    let root = overrides.data_folder(path);
    let noted = Noted { root: &root, files, read: RefCell::default() };
    let prepared = Prepared::new(spec, &DataFiles::below(root.clone(), &noted), &mut problems);
    let data: Vec<DataFile> = noted.read.into_inner().into_values().collect();
    changed_since(before, &data, &mut problems);
    let mut known = names(spec, runner::window_length(spec.duration.0));
    if overrides.variant.is_some() {
        known.doubts.clear(); // its objectives are those of the file
    }
    let slos = slo::check("slos", &spec.slos, &known, &mut problems);
    let expect = slo::check("expect", &spec.expect, &known, &mut problems);
    let minimise = least(spec, &known, &mut problems);
    let sound = !problems.any_error();
    let problems = problems.into_vec();
    let study = prepared.filter(|_| sound).map(|mut prepared| {
        prepared.info.variant.clone_from(&overrides.variant);
        prepared.info.warnings = warnings(&problems);
        prepared.info.data = data;
        let both: Vec<Slo> = slos.iter().chain(&expect).cloned().collect();
        prepared.watch(slo::faults_asked(&both, minimise.as_slice()));
        Study {
            resolved: loaded.resolved.clone(),
            seed: spec.seed.map_or(1, |seed| seed.0),
            objectives: gate::objectives(&loaded, &slos, &expect),
            random: gate::random_faults(spec),
            minimise,
            slos,
            expect,
            variants: variants(spec),
            names: known.clone(),
            regions: regions(spec),
            prepared,
            needs_pilot: spec.warm_up == Some(WarmUp::Auto),
        }
    });
    let mut found = loaded.found(&problems);
    if study.is_some() {
        found.extend(loaded.varied(&meanings));
        if !overrides.cell {
            found.extend(loaded.sized(&meanings));
        }
    }
    // What must be mended comes first; then in the order of the files.
    found.sort_by_key(|f| (!f.is_error(), f.span));
    let study = study.filter(|_| !found.iter().any(Found::is_error));
    let single_points = study.as_ref().map_or(Vec::new(), |study| {
        let asked = slo::requests_asked(&study.slos);
        let mut found = loaded.found(&study.prepared.single_points(&asked).into_vec());
        found.sort_by_key(|f| f.span);
        found
    });
    Examined { study, sources: loaded.sources, found, single_points }
}

/// Takes note of the files of data that are read.
struct Noted<'f> {
    root: &'f str,
    files: &'f dyn Files,
    read: RefCell<BTreeMap<String, DataFile>>,
}

impl Files for Noted<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let read = self.files.read(path);
        let bytes = read.map_err(|why| why + &self.files.advice(self.root))?;
        let name = path.strip_prefix(self.root).unwrap_or(path);
        self.read.borrow_mut().entry(name.to_owned()).or_insert_with(|| DataFile {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256(&bytes),
        });
        Ok(bytes)
    }
}

/// Everything the results of a scenario depend on, as hexadecimal: the data it reads included; not the output, the threads or the
/// clock (`semantics.md` 15).
#[must_use]
pub fn run_id(resolved: &str, data: &[DataFile], seeds: &[u64], rule: &str) -> String {
    identified(&format!("{SEMANTICS_VERSION}\n{rule}"), resolved, data, seeds)
}

/// The same, whatever the figures mean.
pub(crate) fn identified(rule: &str, resolved: &str, data: &[DataFile], seeds: &[u64]) -> String {
    let mut hash = Sha256::new();
    for file in data {
        hash.update(format!("{}\n{}\n", file.name, file.sha256));
    }
    // Lengths first, so that no two lists of parts run together.
    hash.update(format!("{rule}\n{seeds:?}\n{}\n", resolved.len()));
    hash.update(resolved);
    hex(&hash.finalize())[..16].to_owned()
}

/// SHA-256, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Data that is not what results were made from is warned of.
fn changed_since(before: &[DataFile], data: &[DataFile], problems: &mut Problems) {
    for file in before {
        if data.iter().any(|now| now.name == file.name && now.sha256 != file.sha256) {
            let message = format!("`{}` is not the file these results were made from", file.name);
            let help = format!("that one had {} bytes and SHA-256 {}", file.size, file.sha256);
            problems.warn("W-DATA", "name", message, help);
        }
    }
}

fn regions(spec: &ScenarioSpec) -> Vec<(String, Vec<String>)> {
    let regions = spec.topology.iter().flat_map(|topology| &topology.regions);
    let names = |zones: &[Name]| zones.iter().map(|zone| zone.0.clone()).collect();
    regions.map(|(region, zones)| (region.0.clone(), names(zones))).collect()
}

/// The variants of a scenario, and what each changes of the design.
fn variants(spec: &ScenarioSpec) -> Vec<(String, Vec<String>)> {
    let judged = |path: &&String| !path.starts_with("slos") && !path.starts_with("expect");
    let paths = |set: &BTreeMap<String, _>| set.keys().filter(judged).cloned().collect();
    spec.variants.iter().map(|(name, set)| (name.0.clone(), paths(set))).collect()
}

/// What is wrong with what a scenario means, as far as that is known without its data.
pub(crate) fn meanings(spec: &ScenarioSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    Prepared::check(spec, &mut problems);
    let window = runner::window_length(spec.duration.0);
    let known = names(spec, window);
    slo::check("slos", &spec.slos, &known, &mut problems);
    slo::check("expect", &spec.expect, &known, &mut problems);
    least(spec, &known, &mut problems);
    problems.into_vec()
}

/// What is least in the cheapest design that has prices.
pub(crate) const MONEY: &str = "cost.per_month";

/// What is to be least of a scenario that says it; none where nothing is, or it is no figure of it.
pub(crate) fn minimised(spec: &ScenarioSpec, problems: &mut Problems) -> Option<Metric> {
    least(spec, &names(spec, runner::window_length(spec.duration.0)), problems)
}

fn least(spec: &ScenarioSpec, names: &Names, problems: &mut Problems) -> Option<Metric> {
    let said = spec.size.as_ref()?.minimise.as_deref();
    let text = said.or_else(|| names.priced.then_some(MONEY))?;
    match Metric::parse(text, names) {
        Ok(metric) => Some(metric),
        Err(problem) => {
            problems.add(Problem { path: "size.minimise".to_owned(), ..problem });
            None
        }
    }
}

fn warnings(problems: &[Problem]) -> Vec<String> {
    let warnings = problems.iter().filter(|p| p.severity == Severity::Warning);
    warnings.map(|p| format!("{} ({}): {}", p.path, p.code, p.message)).collect()
}

/// The names an SLO may use.
fn names(spec: &ScenarioSpec, window: u64) -> Names {
    let mut names = Names {
        nodes: spec.nodes.keys().map(|name| name.0.clone()).collect(),
        faults: spec.faults.iter().map(|fault| fault.id.0.clone()).collect(),
        alerts: spec.alerts.keys().map(|name| name.0.clone()).collect(),
        marks: BTreeSet::new(),
        span: spec.duration.0.saturating_sub(spec.warm_up.map_or(0, WarmUp::nanos)),
        window,
        ..Names::default()
    };
    let traffic = spec.network.as_ref().and_then(|network| network.prices);
    names.priced = traffic.is_some_and(|prices| prices.by_class().iter().any(Option::is_some));
    for (name, client) in &spec.clients {
        let operations = client.operations().into_iter().map(|(operation, _)| operation).collect();
        names.clients.insert(name.0.clone(), operations);
        names.attributes.extend(client.attributes.keys().map(|name| name.0.clone()));
    }
    for (name, node) in &spec.nodes {
        names.marks.extend(node.kind().marks());
        if node.kind().prices().is_some_and(Prices::any) {
            names.priced = true;
            names.priced_nodes.insert(name.0.clone());
        }
        let locks = node.kind().key_locks().into_iter();
        names.key_locks.extend(locks.map(|lock| (name.0.clone(), lock)));
        let is_log = |of: &str| {
            let mut nodes = spec.nodes.iter().filter(|(name, _)| name.0 == of);
            nodes.any(|(_, node)| node.kind().partitions().is_some())
        };
        let read = node.kind().read_groups(&name.0).into_iter();
        names.groups.extend(read.filter(|(from, _)| is_log(from)));
    }
    (names.followed, names.links) = (runner::followed(spec), runner::links_with_bandwidth(spec));
    // Variants inherit objectives, some in order to miss them.
    if spec.variants.is_empty() {
        let told = runner::doubts(spec).into_iter();
        let doubts = |[order, fresh, kept]: [_; 3]| slo::Doubts { order, fresh, kept };
        names.doubts = told.map(|(store, all)| (store, doubts(all))).collect();
    }
    names.sides = runner::sides(spec);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_id_depends_on_scenario_data_seeds_and_rule_only() {
        let data = |sha256: &str| {
            let (name, sha256) = ("a.csv".to_owned(), sha256.to_owned());
            run_id("name: a\n", &[DataFile { name, size: 1, sha256 }], &[1, 2], "fixed 2")
        };
        let id = run_id("name: a\n", &[], &[1, 2], "fixed 2");
        assert_eq!(id, run_id("name: a\n", &[], &[1, 2], "fixed 2"));
        assert_eq!(id.len(), 16);
        for other in [
            run_id("name: b\n", &[], &[1, 2], "fixed 2"),
            run_id("name: a\n", &[], &[1, 3], "fixed 2"),
            run_id("name: a\n", &[], &[1, 2], "fixed 3"),
            data("00"),
        ] {
            assert_ne!(id, other);
        }
        assert_ne!(data("00"), data("01"));
    }
}
