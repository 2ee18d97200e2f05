//! `run --variants`: the designs of a file side by side, and what they do under a cut.
//!
//! **Invariant.** Each design is also run without its faults where they are cut apart, on the same seeds.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{
    folder::{Place, RealDisk},
    pilot::examine_with_pilot,
    prepare::Overriding,
    run::width,
};
use crate::{
    cli::say::{Exit, Voice, print, refuse},
    report::{cap_files, cap_text, designs_text},
    results::{CapNormal, Results},
    study::{Breach, CutDesign, Study, cap},
};

/// Folder beside those of the designs.
const CAP: &str = "cap";

/// What a design without its faults cannot have.
const ABOUT_FAULTS: [&str; 4] = ["faults=[]", "slos=[]", "expect=[]", "budgets={}"];

/// A design that was run.
pub(super) struct Design {
    pub(super) results: Box<Results>,
    pub(super) folder: PathBuf,
    pub(super) normal: Option<Box<CapNormal>>,
}

impl Design {
    /// As `compare` calls it.
    fn name(&self) -> String {
        self.results.variant.clone().unwrap_or_else(|| "base".to_owned())
    }
}

/// A design under a cut without its faults; none if there is no cut, or no such design.
pub(super) fn without_faults(
    study: &Study,
    (path, overriding): (&Path, &Overriding),
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Option<Study>, Exit> {
    if !study.is_cut() {
        return Ok(None);
    }
    let all = ABOUT_FAULTS.iter();
    let without = all.fold(overriding.clone(), |with, set| with.with_set((*set).to_owned()));
    // What is to be said of the design was said of it as it is.
    let quiet = Voice { quiet: true, ..voice };
    Ok(examine_with_pilot(path, &without, stop, quiet)?.study)
}

/// An invariant broke in a run without faults: what it takes to see that again.
pub(super) fn without(breach: &Breach) -> Breach {
    let sets = ABOUT_FAULTS.map(|set| format!(" --set '{set}'")).concat();
    Breach { message: format!("{} (run with{sets})", breach.message), ..*breach }
}

/// Where what is found of designs under a cut goes.
pub(super) fn place(out: &Path, scenario: &str, force: bool) -> Place {
    Place {
        out: out.to_owned(),
        scenario: scenario.to_owned(),
        run_id: CAP.to_owned(),
        force,
        latest: false,
    }
}

/// Says how the designs of a file compare, and writes what they do under a cut.
pub(super) fn told(designs: &[Design], (out, force): (&Path, bool), human: bool) -> Exit {
    let Some(first) = designs.first() else { return Exit::Done };
    let say = |text: &str| {
        if human {
            print(text.as_bytes());
        }
    };
    let named: Vec<_> = designs.iter().map(|of| (of.name(), &*of.results)).collect();
    say(&designs_text(&named, width()));
    let cuts: Vec<CutDesign<'_>> = designs
        .iter()
        .map(|of| CutDesign {
            name: of.name(),
            results: &of.results,
            normal: of.normal.as_deref().cloned(),
        })
        .collect();
    let mut exit = Exit::Done;
    let mut folders: Vec<(String, PathBuf)> =
        designs.iter().map(|of| (of.name(), of.folder.clone())).collect();
    if let Some(cap) = cap(&cuts) {
        say(&cap_text(&cap, width()));
        let files: BTreeMap<String, Vec<u8>> = cap_files(&cap).into_iter().collect();
        let place = place(out, &first.results.scenario, force);
        match place.write(&RealDisk, cap.status, &files, None) {
            Ok(folder) => folders.push((CAP.to_owned(), folder)),
            Err(line) => exit = refuse(&line),
        }
    }
    let longest = folders.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    say("\n");
    for (name, folder) in folders {
        say(&format!("Results: {name:<longest$}  {}\n", folder.display()));
    }
    exit
}
