//! `check --baseline`: what objectives are held against, from a file or a design of its own.
//!
//! **Invariant.** What does not fit is told before anything is simulated, and nothing is written then.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use clap::Args;

use super::{
    files::{read_regular, unwritable},
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, examine, told},
};
use crate::{
    cli::say::{Exit, Voice, complain, refuse},
    scenario::{problems::Found, render::Source},
    study::{Baseline, Breach, Checked, Looks, Objective, Side, Study, Written},
    units::show::plural,
};

/// Larger than any that is written: a figure leaves some kilobytes.
const MOST: u64 = 256 << 20;

/// What objectives are held against.
#[derive(Clone, Debug, Args)]
pub(super) struct BaselineArguments {
    /// Hold objectives such as `p99(latency) <= baseline + 5%` against F: another design (such as that of the main
    /// branch), simulated beside FILE on the same seeds, or a .json that --update-baseline wrote. --seed and --data are
    /// of both; --variant and --set of FILE alone, so that F may be FILE itself then
    #[arg(long, value_name = "F")]
    baseline: Option<PathBuf>,
    /// Write what FILE measures into the .json of --baseline, after all replications up to the last look. Objectives
    /// held against a baseline are not judged then, the others are
    #[arg(long, requires = "baseline")]
    update_baseline: bool,
}

/// What a file is judged beside.
pub(super) enum Beside {
    Nothing,
    /// A baseline, and the paths at which the file is another design.
    Against {
        path: PathBuf,
        baseline: Baseline,
        changed: Vec<String>,
    },
    /// It is written there.
    Recording(PathBuf),
}

/// A design that can be judged.
pub(super) struct Own<'r> {
    pub(super) path: &'r Path,
    /// As it was typed, with its variant.
    pub(super) name: &'r str,
    pub(super) overriding: &'r Overriding,
    pub(super) sources: &'r [Source],
    pub(super) study: &'r mut Study,
}

impl BaselineArguments {
    /// What the designs are judged beside; or why they cannot be, said.
    pub(super) fn beside(
        &self,
        all: &mut [Own<'_>],
        looks: Looks,
        stop: &AtomicBool,
        voice: Voice,
    ) -> Result<Beside, Exit> {
        let Some(path) = &self.baseline else {
            let asking = all.iter().filter(|own| say_needed(own, voice)).count();
            return if asking > 0 { Err(Exit::BadInput) } else { Ok(Beside::Nothing) };
        };
        let [own] = all else {
            let of_one = "--baseline is of one design: name one file, and one variant at most";
            return Err(refuse(of_one));
        };
        let other = path.display().to_string();
        if own.study.held().is_empty() {
            let line = format!("no objective of {} is held against a baseline", own.name);
            if self.update_baseline {
                let example = "`p99(latency) <= baseline + 5%`";
                return Err(refuse(&format!(
                    "{line}, so there is nothing to write: {example} is one"
                )));
            }
            complain(&format!("{line}: {other} is not used"));
            return Ok(Beside::Nothing);
        }
        let written = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        if self.update_baseline {
            if !written {
                return Err(refuse(&format!(
                    "--update-baseline writes a .json, and {other} is none: a design needs no update"
                )));
            }
            return match unwritable(path) {
                Some(line) => Err(refuse(&line)),
                None => Ok(Beside::Recording(path.clone())),
            };
        }
        let baseline = if written {
            Baseline::Written(Box::new(read(own, path, looks, voice)?))
        } else {
            Baseline::Design(Box::new(design(own, path, stop, voice)?))
        };
        let found = own.study.unfit(&baseline, (own.name, &other));
        if !found.is_empty() {
            return Err(say(own, &found, voice));
        }
        let changed = own.study.changed_since(&baseline);
        if changed.is_empty() && is_same_file(path, own.path) {
            let message =
                format!("{other} is the file that is checked: it cannot differ from itself");
            let help = "a baseline is another design, such as `git show main:shop.yaml > main.yaml`; or take a \
                        --variant of the file";
            let found = Found::nowhere("E-BASELINE", message).help(help);
            return Err(say(own, &[found], voice));
        }
        Ok(Beside::Against { path: path.clone(), baseline, changed })
    }
}

impl Beside {
    /// The looks there can be: a baseline that was written down has an end.
    pub(super) fn looks(&self, looks: Looks, voice: Voice) -> Looks {
        let (Self::Against { path, baseline: Baseline::Written(of), .. }, Looks::UpTo(cap)) =
            (self, looks)
        else {
            return looks;
        };
        let most = of.replications() as u64;
        if most < u64::from(cap) && !voice.quiet {
            let replications = plural(most, "replication");
            complain(&format!("{} holds {replications}: the last look is there", path.display()));
        }
        capped(looks, of)
    }

    /// Judges a design, or records it.
    pub(super) fn judge(
        &self,
        study: &Study,
        looks: Looks,
        stop: &AtomicBool,
    ) -> Result<(Checked, Option<Written>), (Side, Breach)> {
        let own = |breach| (Side::Own, breach);
        match self {
            Self::Nothing => study.check(looks, stop).map(|checked| (checked, None)).map_err(own),
            Self::Against { baseline, .. } => {
                study.check_against(baseline, looks, stop).map(|checked| (checked, None))
            }
            Self::Recording(_) => study.record(looks, stop).map_err(own),
        }
    }

    /// Stops each replication of the baseline after so many events.
    pub(super) fn limit_events(&mut self, events: u64) {
        if let Self::Against { baseline: Baseline::Design(study), .. } = self {
            study.limit_events(events);
        }
    }

    /// The design that is simulated beside, if one is.
    pub(super) fn design(&self) -> Option<(&Path, &Study)> {
        match self {
            Self::Against { path, baseline: Baseline::Design(study), .. } => Some((path, study)),
            _ => None,
        }
    }
}

fn say(own: &Own<'_>, found: &[Found], voice: Voice) -> Exit {
    voice.wrong(own.sources, found);
    Exit::BadInput
}

/// Says which objectives need a baseline, if any does.
fn say_needed(own: &Own<'_>, voice: Voice) -> bool {
    let needs = |at: &Objective| {
        let name = at.baseline.as_ref()?;
        let message = format!("`{name}` is held against a baseline, and none is given");
        let help = "`--baseline main.yaml` names another design, such as that of the main branch; `--baseline \
                    main.json` what `--update-baseline` wrote of one";
        Some(Found::error("E-BASELINE", at.span, message).path(&at.path).help(help))
    };
    let found: Vec<Found> = own.study.objectives().iter().filter_map(needs).collect();
    if !found.is_empty() {
        say(own, &found, voice);
    }
    !found.is_empty()
}

/// What was written down.
fn read(own: &mut Own<'_>, path: &Path, looks: Looks, voice: Voice) -> Result<Written, Exit> {
    let other = path.display();
    let bytes = read_regular(path, MOST);
    let written = bytes.and_then(|bytes| Written::read(&bytes)).map_err(|why| {
        let help = format!("`check MAIN.yaml --baseline {other} --update-baseline` writes one");
        let found = Found::nowhere("E-BASELINE", format!("{other} {why}")).help(help);
        say(own, &[found], voice)
    })?;
    let known = written.looks();
    if let Some(n) = capped(looks, &written).numbers().into_iter().find(|n| !known.contains(n)) {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        let message =
            format!("{other} holds what is known after {known} replications, not after {n}");
        let found = Found::nowhere("E-BASELINE", message).help(format!(
            "look there, by `-n` or `--max-replications`; or write it again with `-n {n}`"
        ));
        return Err(say(own, &[found], voice));
    }
    later_warm_up(own, written.warm_up());
    Ok(written)
}

/// No later than it goes, if it is not said how many replications there are to be.
fn capped(looks: Looks, written: &Written) -> Looks {
    match looks {
        Looks::One(n) => Looks::One(n),
        Looks::UpTo(cap) => {
            Looks::UpTo(cap.min(u32::try_from(written.replications()).unwrap_or(u32::MAX)))
        }
    }
}

/// Another design, as it stands in its file.
fn design(own: &mut Own<'_>, path: &Path, stop: &AtomicBool, voice: Voice) -> Result<Study, Exit> {
    let overriding = own.overriding.of_baseline();
    // What it warns of is not what is checked.
    let quiet = Voice { quiet: true, ..voice };
    let mut examined = examine_with_pilot(path, &overriding, stop, quiet)?;
    if let Some(study) = &examined.study {
        later_warm_up(own, study.warm_up());
        if own.study.warm_up() > study.warm_up()
            && let Some(longer) = with_warm_up(path, &overriding, own.study.warm_up())
        {
            examined.study = Some(longer);
        }
    }
    told(examined, &mut Said::default(), quiet).ok_or(Exit::BadInput)
}

/// Where the warm-up is what a pilot showed, a later end of it does as well: two designs share the later.
fn later_warm_up(own: &mut Own<'_>, span: u64) {
    if own.study.warm_up() < span
        && let Some(longer) = with_warm_up(own.path, own.overriding, span)
    {
        *own.study = longer;
    }
}

/// The design with this warm-up, ns, if its own is `auto`.
fn with_warm_up(path: &Path, overriding: &Overriding, span: u64) -> Option<Study> {
    let overrides = overriding.overrides();
    examine(path, &overrides).study.filter(|study| study.needs_pilot)?;
    examine(path, &overrides.with_warm_up(span)).study
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    one == other || place(one).is_some_and(|one| Some(one) == place(other))
}
