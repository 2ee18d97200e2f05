//! Files on disk, for scenarios and the data they read.
//!
//! **Invariant.** Only regular files are opened: a pipe or a device would hang or never end. Standard input is
//! read where the scenario is called `-`, once.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::OnceLock,
};

use crate::{results::DataFile, runner::folder::sha256, scenario::load::Files};

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskFiles;

/// Files of data that take note of what is read of them.
#[derive(Debug)]
pub(super) struct Noted {
    root: String,
    read: RefCell<BTreeMap<String, DataFile>>,
}

impl Noted {
    /// Those below a folder, which ends with a slash or is empty.
    pub(super) const fn below(root: String) -> Self {
        Self { root, read: RefCell::new(BTreeMap::new()) }
    }

    /// What was read, by name.
    pub(super) fn into_list(self) -> Vec<DataFile> {
        self.read.into_inner().into_values().collect()
    }
}

impl Files for Noted {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let bytes = DiskFiles.read(path).map_err(|why| {
            let place = if self.root.is_empty() { "this folder" } else { self.root.as_str() };
            format!("{why}: looked for in {place}, `--data DIR` names another folder")
        })?;
        let name = path.strip_prefix(&self.root).unwrap_or(path);
        self.read.borrow_mut().entry(name.to_owned()).or_insert_with(|| DataFile {
            name: name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256(&bytes),
        });
        Ok(bytes)
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
