//! The journal of a sweep on disk: one writer, a line for each finished cell, each on the disk before the next begins.
//!
//! **Invariant.** What was finished is there after any end of the process; nobody else writes there meanwhile.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::files::{read_regular, write};
use crate::{
    results::SweptCell,
    sweep::journal::{Head, Journal, line},
};

/// The name of the file.
pub(super) const JOURNAL: &str = "journal.jsonl";
/// A journal is read at once.
const MOST: u64 = 4 << 30;

/// A journal that is written.
#[derive(Debug)]
pub(super) struct Open {
    path: PathBuf,
    /// Locked while it is open.
    file: File,
    head: Head,
    /// What is done, as far as it was there.
    pub(super) cells: Vec<SweptCell>,
}

impl Open {
    /// Opens that of a folder, which is made if it is not there. One that is there goes on, if it is of the same sweep.
    pub(super) fn at(folder: &Path, head: &Head, anew: bool) -> Result<Self, String> {
        check(folder)?;
        let path = folder.join(JOURNAL);
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("{} is in use by another process", path.display()));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let mut bytes = Vec::new();
        if !anew {
            file.read_to_end(&mut bytes).map_err(failed)?;
        }
        let read = Journal::read(&bytes)
            .map_err(|why| format!("{}: {why}; --force begins again", path.display()))?;
        if let Some(there) = &read.head {
            same(there, head)
                .map_err(|why| format!("{}: {why}; --force begins again", path.display()))?;
        }
        file.set_len(read.sound as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut open = Self { path: path.clone(), file, head: head.clone(), cells: read.cells };
        if read.head.is_none() {
            open.put(&line(head))?;
        }
        Ok(open)
    }

    /// Adds a finished cell: it is on the disk when this returns.
    pub(super) fn append(&mut self, cell: &SweptCell) -> Result<(), String> {
        self.put(&line(cell))
    }

    fn put(&mut self, line: &str) -> Result<(), String> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|e| format!("cannot write {}: {e}", self.path.display()))
    }

    /// Puts it in the order of its cells, at once, when all are there.
    pub(super) fn sorted(&self, cells: &[SweptCell]) -> Result<(), String> {
        write(&self.path, text(&self.head, cells).as_bytes())
    }
}

/// A whole journal.
pub(super) fn text(head: &Head, cells: &[SweptCell]) -> String {
    line(head) + &cells.iter().map(line).collect::<String>()
}

/// That of a folder, to be read.
pub(super) fn read(folder: &Path) -> Result<(Head, Vec<SweptCell>), String> {
    let path = folder.join(JOURNAL);
    let bytes = read_regular(&path, MOST).map_err(|why| format!("{} {why}", path.display()))?;
    let journal = Journal::read(&bytes).map_err(|why| format!("{}: {why}", path.display()))?;
    let head = journal.head.ok_or_else(|| format!("{} holds no sweep", path.display()))?;
    Ok((head, journal.cells))
}

/// Why a journal is not one of this sweep.
pub(super) fn same(there: &Head, wanted: &Head) -> Result<(), String> {
    let versions = |of: &Head| (of.plan.windtunnel_version.clone(), of.plan.semantics_version);
    let (a, b) = (versions(there), versions(wanted));
    if a != b {
        return Err(format!(
            "it was written by windtunnel {} (semantics {}), this is {} (semantics {})",
            a.0, a.1, b.0, b.1
        ));
    }
    if there != wanted {
        return Err("it is of another sweep".to_owned());
    }
    Ok(())
}

/// A folder may be written if nothing is there, or a sweep.
fn check(folder: &Path) -> Result<(), String> {
    for path in [folder.parent(), Some(folder)].into_iter().flatten() {
        let about = fs::symlink_metadata(path);
        if about.is_ok_and(|about| about.is_symlink()) {
            return Err(format!("{} is a symbolic link; links are not followed", path.display()));
        }
    }
    let Ok(mut entries) = fs::read_dir(folder) else { return Ok(()) };
    if entries.next().is_some() && !folder.join(JOURNAL).is_file() {
        return Err(format!("{} holds files that are no sweep", folder.display()));
    }
    Ok(())
}
