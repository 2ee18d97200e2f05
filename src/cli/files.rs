//! Files on disk, for scenarios and the data they read.
//!
//! **Invariant.** Only regular files are opened: a pipe or a device would hang or never end. Standard input is
//! read where the scenario is called `-`, once.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::scenario::load::Files;

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskFiles;

/// The files of this machine, and which of them were read; standard input is none.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<BTreeSet<String>>);

impl Noted {
    /// What was read, by name.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Files for Noted {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path != STANDARD_INPUT {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        }
        DiskFiles.read(path)
    }

    fn size(&self, path: &str) -> Option<u64> {
        DiskFiles.size(path)
    }

    fn advice(&self, folder: &str) -> String {
        DiskFiles.advice(folder)
    }
}

/// Data files may be large; what they unpack to is bounded by who reads them.
const MOST: u64 = 4 << 30;
/// A scenario that is typed or piped is small.
const MOST_TYPED: u64 = 64 << 20;
/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

impl Files for DiskFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == STANDARD_INPUT {
            return standard_input();
        }
        read_regular(Path::new(path), MOST)
    }

    fn size(&self, path: &str) -> Option<u64> {
        fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|about| about.len())
    }

    fn advice(&self, folder: &str) -> String {
        let place = if folder.is_empty() { "this folder" } else { folder };
        format!(": looked for in {place}, `--data DIR` names another folder")
    }
}

/// What standard input held; each variant of a scenario reads it again.
fn standard_input() -> Result<Vec<u8>, String> {
    static READ: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let read = || {
        let mut bytes = Vec::new();
        let input = io::stdin().lock().take(MOST_TYPED + 1);
        let n = { input }.read_to_end(&mut bytes).map_err(|e| cause(&e))? as u64;
        if n > MOST_TYPED { Err(format!("is larger than {MOST_TYPED} bytes")) } else { Ok(bytes) }
    };
    READ.get_or_init(read).clone()
}

/// Reads a whole file of at most `most` bytes; an error is one sentence without the path.
pub(super) fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    // Asked before opening, because opening a pipe waits for its other end.
    let kind = fs::metadata(path).map_err(|e| cause(&e))?;
    if kind.is_dir() {
        return Err("is a directory".to_owned());
    }
    if !kind.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| cause(&e))?;
    let read = file.take(most + 1).read_to_end(&mut bytes).map_err(|e| cause(&e))?;
    if read as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(bytes)
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by you".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Why a file could not be written later, as far as that can be known.
pub(super) fn unwritable(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Some(format!("{}: its folder does not exist", file.display()));
    }
    file.is_dir().then(|| format!("{} is a folder", file.display()))
}

/// In the place of what was there, at once or not at all; devices and pipes are written to.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot write {}: {e}", file.display());
    if fs::metadata(file).is_ok_and(|about| !about.is_file()) {
        return fs::write(file, bytes).map_err(failed);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As other files: a scratch file is for its owner alone.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut new = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    new.write_all(bytes).map_err(failed)?;
    new.persist(file).map_err(|e| failed(e.error))?;
    Ok(())
}

/// After what is there.
pub(super) fn append(file: &Path, text: &str) -> Result<(), String> {
    let opened = fs::OpenOptions::new().append(true).create(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| format!("cannot write {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read_regular(&file, 5).unwrap(), b"12345");
        assert!(read_regular(&file, 4).unwrap_err().contains("larger than 4"));
        assert!(read_regular(folder.path(), 9).unwrap_err().contains("directory"));
        let missing = read_regular(&folder.path().join("b"), 9).unwrap_err();
        assert!(missing.contains("does not exist"));
        if cfg!(unix) {
            assert!(read_regular(Path::new("/dev/zero"), 9).unwrap_err().contains("regular"));
        }
    }
}
