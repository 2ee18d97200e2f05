//! `windtunnel merge`: the journals of shards put together to the sweep that one machine would have made.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;

use super::{
    files::write,
    journal::{JOURNAL, read, same, text},
    sweep::{Format, tell},
};
use crate::{
    cli::say::{Exit, Voice, complain, refuse},
    results::SweptCell,
    sweep::{journal::Head, swept},
    units::show::plural,
};

/// Put the shards of a sweep together
///
/// What comes out is what one machine would have written, in whatever order they are named. A cell may be there twice if both say the
/// same.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel merge outputs/shop/sweep-*-of-4 --out whole\n\n\
Exit code: 0 done, 2 bad input, 3 cells are missing (nothing is written then), 5 two shards contradict each other")]
pub(super) struct MergeArguments {
    /// Folders that `sweep --shard` wrote
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn merge(arguments: &MergeArguments, voice: Voice) -> Exit {
    merged(arguments, voice).unwrap_or_else(|exit| exit)
}

fn merged(arguments: &MergeArguments, voice: Voice) -> Result<Exit, Exit> {
    let mut whole: Option<Head> = None;
    let mut cells: BTreeMap<u64, SweptCell> = BTreeMap::new();
    for folder in &arguments.folders {
        let (head, of) = read(folder).map_err(|line| refuse(&line))?;
        let head = Head { shard: None, ..head };
        if let Some(whole) = &whole {
            same(&head, whole).map_err(|why| {
                let first = arguments.folders[0].display();
                refuse(&format!("{}: {why}, if {first} is one", folder.display()))
            })?;
        }
        whole = Some(head);
        for cell in of {
            if cells.get(&cell.cell).is_some_and(|other| *other != cell) {
                complain(&format!(
                    "{}: internal error: cell {} is another there than in a shard before: the same seeds gave two results",
                    folder.display(),
                    cell.cell
                ));
                return Err(Exit::Internal);
            }
            cells.insert(cell.cell, cell);
        }
    }
    let head = whole.ok_or(Exit::BadInput)?;
    let missing: Vec<u64> = (0..head.plan.cells).filter(|cell| !cells.contains_key(cell)).collect();
    if !missing.is_empty() {
        let named: Vec<String> = missing.iter().take(20).map(u64::to_string).collect();
        let more = if missing.len() > named.len() { ", .." } else { "" };
        complain(&format!(
            "{} of {} missing: {}{more}; nothing was written",
            plural(missing.len() as u64, "cell"),
            head.plan.cells,
            named.join(", ")
        ));
        return Err(Exit::Inconclusive);
    }
    let cells: Vec<SweptCell> = cells.into_values().collect();
    let out = &arguments.out;
    let occupied = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && read(out).map_or(true, |(there, _)| there.plan != head.plan) {
        return Err(refuse(&format!(
            "{} holds something else; choose another --out",
            out.display()
        )));
    }
    fs::create_dir_all(out).map_err(|e| refuse(&format!("cannot write {}: {e}", out.display())))?;
    write(&out.join(JOURNAL), text(&head, &cells).as_bytes()).map_err(|line| refuse(&line))?;
    Ok(tell(&swept(head.plan, cells), out, arguments.format, voice))
}
