//! A scenario file -> everything a run needs, or all its problems at once.
//!
//! **Invariant.** Nothing is simulated or written unless every file given is sound.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use clap::Args;

use super::{
    files::DiskFiles,
    folder::{self, SCENARIO},
};
use crate::{
    cli::say::{Voice, complain},
    problem::Problem,
    scenario::load::Overrides,
    study::{self, Examined, Study},
};

/// What takes the place of something in the file.
#[derive(Clone, Debug, Default, Args)]
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

    /// Nothing but where data is.
    pub(super) fn of_data(data: Option<String>) -> Self {
        Self { data, ..Self::default() }
    }

    /// Where data is.
    pub(super) fn data(&self) -> Option<String> {
        self.data.clone()
    }

    /// Whether anything is overridden but where data is.
    pub(super) fn any_but_data(&self) -> bool {
        Self { data: None, ..self.clone() }.any()
    }

    /// The file as it stands.
    pub(super) const fn is_of_file(&self) -> bool {
        self.variant.is_none()
    }

    pub(super) fn with_variant(&self, variant: Option<String>) -> Self {
        Self { variant, ..self.clone() }
    }

    /// With this put in its place too.
    pub(super) fn with_set(&self, set: String) -> Self {
        let mut with = self.clone();
        with.sets.push(set);
        with
    }

    /// As a cell of it would be typed.
    pub(super) fn of_cell(&self, cell: &Overrides) -> Self {
        let sets = cell.sets.iter().filter(|set| !set.starts_with("seed=")).cloned().collect();
        Self { sets, variant: cell.variant.clone(), ..self.clone() }
    }

    /// What of it is of a baseline too: the draws, and where data is.
    pub(super) fn of_baseline(&self) -> Self {
        Self { sets: Vec::new(), variant: None, ..self.clone() }
    }

    /// Whether anything is overridden.
    pub(super) fn any(&self) -> bool {
        self.seed.is_some()
            || self.variant.is_some()
            || self.data.is_some()
            || !self.sets.is_empty()
    }

    pub(super) fn overrides(&self) -> Overrides {
        let mut sets = self.sets.clone();
        sets.extend(self.seed.map(|seed| format!("seed={seed}")));
        Overrides { variant: self.variant.clone(), sets, data: self.data.clone(), cell: false }
    }
}

/// Reads, compiles and checks one file. The scenario of a result folder is warned of data that is not what that folder
/// was made from.
pub(super) fn examine(path: &Path, overrides: &Overrides) -> Examined {
    let place = path.parent().filter(|_| path.ends_with(SCENARIO));
    let results = place.and_then(|place| folder::read(place).ok());
    let before = results.map_or(Vec::new(), |results| results.data);
    study::examine(&path.to_string_lossy(), &DiskFiles, overrides, &before)
}

/// What a command has warned of: the file as it stands first, then its variants.
#[derive(Debug, Default)]
pub(super) struct Said {
    warnings: BTreeSet<(&'static str, String, String)>,
    begun: bool,
}

/// A scenario that can be run, with its warnings said; or all its problems. What was said of the file before
/// is not said again of each variant.
pub(super) fn told(mut examined: Examined, said: &mut Said, voice: Voice) -> Option<Study> {
    let failed = examined.study.is_none();
    examined.found.retain(|found| {
        let Problem { code, path, message, .. } = &found.problem;
        found.is_error() || said.warnings.insert((code, path.clone(), message.clone()))
    });
    let variant = examined.study.as_ref().and_then(|study| study.info().variant.clone());
    if let Some(variant) = variant.filter(|_| said.begun) {
        for found in &mut examined.found {
            found.problem.message += &format!(" (in variant `{variant}`)");
        }
    }
    said.begun = true;
    if failed {
        voice.wrong(&examined.sources, &examined.found);
    } else if !voice.quiet && !examined.found.is_empty() {
        complain(examined.render(voice.colour).trim_end());
    }
    examined.study.take()
}
