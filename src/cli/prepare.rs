//! A scenario file -> everything a run needs, or all its problems at once.
//!
//! **Invariant.** Nothing is simulated or written unless every file given is sound.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    files::{DiskFiles, Noted},
    report,
};
use crate::{
    cli::say::{Voice, complain},
    problem::{Problem, Problems, Severity},
    results::DataFile,
    runner::{self, Prepared, folder::SCENARIO},
    scenario::{
        load::{Overrides, Rejected, folder, load},
        problems::Found,
        render::{self, Source},
        spec::{ScenarioSpec, WarmUp},
        trace::DataFiles,
    },
    slo::{self, Names, Slo},
};

/// What takes the place of something in the file.
#[derive(Clone, Debug, Args)]
pub(super) struct Overriding {
    /// Seed of all draws, instead of the file's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Put VALUE at PATH of the file; `none` deletes what is there. May be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Take this variant of the file; `run` takes several, separated by commas
    #[arg(long, value_name = "NAME")]
    pub(super) variant: Option<String>,
    /// Look for the files of data it names (traces, keys, matrices) here instead of beside it
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

impl Overriding {
    /// As it would be typed again; the seed aside.
    pub(super) fn as_typed(&self) -> String {
        let mut typed = String::new();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        for set in &self.sets {
            write!(typed, " --set {}", quoted(set)).expect("a text grows");
        }
        if let Some(variant) = &self.variant {
            write!(typed, " --variant {variant}").expect("a text grows");
        }
        if let Some(data) = &self.data {
            write!(typed, " --data {}", quoted(data)).expect("a text grows");
        }
        typed
    }

    /// The variants asked for, one after the other: each is a run of its own.
    pub(super) fn each_variant(&self) -> Vec<Self> {
        let Some(names) = &self.variant else { return vec![self.clone()] };
        names.split(',').map(|name| self.with_variant(Some(name.trim().to_owned()))).collect()
    }

    /// The file as it stands.
    pub(super) const fn is_of_file(&self) -> bool {
        self.variant.is_none()
    }

    pub(super) fn with_variant(&self, variant: Option<String>) -> Self {
        Self { variant, ..self.clone() }
    }

    pub(super) fn with_set(&self, set: String) -> Self {
        let mut sets = self.sets.clone();
        sets.push(set);
        Self { sets, ..self.clone() }
    }

    /// Whether anything is overridden.
    pub(super) fn any(&self) -> bool {
        self.seed.is_some()
            || self.variant.is_some()
            || self.data.is_some()
            || !self.sets.is_empty()
    }

    /// Where the data of a scenario is.
    fn data_folder(&self, scenario: &str) -> String {
        self.data.as_ref().map_or_else(
            || folder(scenario),
            |data| format!("{}/", data.strip_suffix('/').unwrap_or(data)),
        )
    }

    fn overrides(&self) -> Overrides {
        let mut sets = self.sets.clone();
        sets.extend(self.seed.map(|seed| format!("seed={seed}")));
        Overrides { variant: self.variant.clone(), sets }
    }
}

/// A scenario that can be run.
pub(super) struct Ready {
    pub(super) path: PathBuf,
    /// The scenario with everything resolved, as text.
    pub(super) resolved: String,
    pub(super) seed: u64,
    pub(super) slos: Vec<Slo>,
    pub(super) expect: Vec<Slo>,
    /// Its variants, and the paths each sets.
    pub(super) variants: Vec<(String, Vec<String>)>,
    pub(super) prepared: Prepared,
    /// How long the warm-up is, a pilot must say.
    pub(super) pilot: bool,
}

/// A file looked at: what is wrong with it, and the scenario if nothing is.
pub(super) struct Examined {
    pub(super) ready: Option<Ready>,
    pub(super) sources: Vec<Source>,
    /// Errors first.
    pub(super) found: Vec<Found>,
}

impl Examined {
    /// The problems with their source frames.
    pub(super) fn render(&self, colour: bool) -> String {
        render::human(&self.sources, &self.found, colour)
    }
}

/// Reads, compiles and checks one file.
pub(super) fn examine(path: &Path, overriding: &Overriding) -> Examined {
    let files = DiskFiles;
    let name = path.to_string_lossy();
    let loaded = match load(&name, &files, &overriding.overrides()) {
        Ok(loaded) => loaded,
        Err(Rejected { sources, mut found, rest }) => {
            // Shapes first: some of the meanings may be mended with them.
            let warnings = found.split_off(found.partition_point(Found::is_error));
            found.extend(rest.map_or(Vec::new(), |rest| rest.keep(meanings(&rest.spec))));
            found.extend(warnings);
            return Examined { ready: None, sources, found };
        }
    };
    let mut problems = Problems::default();
    for warning in &loaded.warnings {
        problems.add(warning.clone());
    }
    let spec = &loaded.spec;
    let root = overriding.data_folder(&name);
    let noted = Noted::below(root.clone());
    let prepared = Prepared::new(spec, &DataFiles::below(root, &noted), &mut problems);
    let data = noted.into_list();
    compare(path, &data, &mut problems);
    let window = runner::window_length(spec.duration.0);
    let known = names(spec, window);
    let slos = slo::check("slos", &spec.slos, &known, &mut problems);
    let expect = slo::check("expect", &spec.expect, &known, &mut problems);
    let sound = !problems.any_error();
    let problems = problems.into_vec();
    let ready = prepared.filter(|_| sound).map(|mut prepared| {
        prepared.info.variant.clone_from(&overriding.variant);
        prepared.info.warnings = warnings(&problems);
        prepared.info.data = data;
        let both: Vec<Slo> = slos.iter().chain(&expect).cloned().collect();
        prepared.watch(slo::faults_asked(&both));
        Ready {
            path: path.to_owned(),
            resolved: loaded.resolved.clone(),
            seed: spec.seed.map_or(1, |seed| seed.0),
            slos,
            expect,
            variants: variants(spec),
            prepared,
            pilot: spec.warm_up == Some(WarmUp::Auto),
        }
    });
    let mut found = loaded.found(&problems);
    if ready.is_some() {
        found.extend(loaded.varied(&meanings));
    }
    // What must be mended comes first; then in the order of the files.
    found.sort_by_key(|f| (!f.is_error(), f.span));
    let ready = ready.filter(|_| !found.iter().any(Found::is_error));
    Examined { ready, sources: loaded.sources, found }
}

/// The scenario of a result folder is warned of data that is not what that folder was made from.
fn compare(path: &Path, data: &[DataFile], problems: &mut Problems) {
    let Some(folder) = path.parent().filter(|_| path.ends_with(SCENARIO) && !data.is_empty())
    else {
        return;
    };
    let Ok(before) = report::read(folder) else { return };
    for file in &before.data {
        if data.iter().any(|now| now.name == file.name && now.sha256 != file.sha256) {
            let message = format!("`{}` is not the file these results were made from", file.name);
            let help = format!("that one had {} bytes and SHA-256 {}", file.size, file.sha256);
            problems.warn("W-DATA", "name", message, help);
        }
    }
}

/// The variants of a scenario, and what each changes of the design.
fn variants(spec: &ScenarioSpec) -> Vec<(String, Vec<String>)> {
    let judged = |path: &&String| !path.starts_with("slos") && !path.starts_with("expect");
    let paths = |set: &BTreeMap<String, _>| set.keys().filter(judged).cloned().collect();
    spec.variants.iter().map(|(name, set)| (name.0.clone(), paths(set))).collect()
}

/// What is wrong with what a scenario means, as far as that is known without its data.
fn meanings(spec: &ScenarioSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    Prepared::check(spec, &mut problems);
    let window = runner::window_length(spec.duration.0);
    let known = names(spec, window);
    slo::check("slos", &spec.slos, &known, &mut problems);
    slo::check("expect", &spec.expect, &known, &mut problems);
    problems.into_vec()
}

/// What a command has warned of: the file as it stands first, then its variants.
#[derive(Debug, Default)]
pub(super) struct Said {
    warnings: BTreeSet<(&'static str, String, String)>,
    begun: bool,
}

/// A scenario that can be run, with its warnings said; or all its problems. What was said of the file before
/// is not said again of each variant.
pub(super) fn told(mut examined: Examined, said: &mut Said, voice: Voice) -> Option<Ready> {
    let failed = examined.ready.is_none();
    examined.found.retain(|found| {
        let Problem { code, path, message, .. } = &found.problem;
        found.is_error() || said.warnings.insert((code, path.clone(), message.clone()))
    });
    let variant = examined.ready.as_ref().and_then(|ready| ready.prepared.info.variant.clone());
    if let Some(variant) = variant.filter(|_| said.begun) {
        for found in &mut examined.found {
            found.problem.message += &format!(" (in variant `{variant}`)");
        }
    }
    said.begun = true;
    if failed || (!voice.quiet && !examined.found.is_empty()) {
        complain(examined.render(voice.colour).trim_end());
    }
    examined.ready.take()
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
    for (name, client) in &spec.clients {
        let operations = client.operations().into_iter().map(|(operation, _)| operation).collect();
        names.clients.insert(name.0.clone(), operations);
        names.attributes.extend(client.attributes.keys().map(|name| name.0.clone()));
    }
    for (name, node) in &spec.nodes {
        names.marks.extend(node.kind().marks());
        let locks = node.kind().key_locks().into_iter();
        names.key_locks.extend(locks.map(|lock| (name.0.clone(), lock)));
    }
    names
}
