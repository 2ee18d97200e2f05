//! The result folder `outputs/<scenario>/<variant>-<run-id>/` (of the file itself `<run-id>/`), written whole or not at all.
//!
//! Everything goes to a temporary folder beside it, each file synced, `manifest.json` last; then
//! one rename puts it in place. The same run again replaces its own folder; anything in the way
//! that we did not write is left alone unless forced.
//!
//! **Invariant.** At every instant the folder is absent, the complete old one, or the complete new
//! one (between two renames the old one stands beside it); nothing below the output directory is
//! reached through a symbolic link.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    results::{Closely, Results, SEMANTICS_VERSION, Status, Waterfall},
    study::sha256,
};

/// The list of what was written; its presence makes a folder ours.
pub(super) const MANIFEST: &str = "manifest.json";
/// What was run: it runs again from here.
pub(super) const SCENARIO: &str = "scenario.yaml";
/// What single requests went through, where they were watched.
pub(super) const WATCHED: &str = "watched.json";
/// What was looked at closely.
pub(super) const CLOSELY: &str = "closely.json";
/// Wall-clock figures: outside the manifest and the same-bytes promise.
pub(super) const TIMING: &str = "timing.json";

/// The link to the folder written last.
const LATEST: &str = "latest";

/// The operations on the file system that can fail half-way; tests make them.
pub(super) trait Disk {
    /// Makes a directory and its parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Writes a new file and syncs it.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Syncs a directory's entries.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

/// What a folder contains, as `manifest.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Always `windtunnel`.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Version of the meaning of scenarios.
    pub semantics_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// Name of the folder.
    pub run_id: String,
    /// `complete`, `interrupted` or `truncated`.
    pub status: Status,
    /// Every file but the manifest and `timing.json`, in name order.
    pub files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    /// Path in the folder, with `/`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What a run is called and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The output directory.
    pub out: PathBuf,
    /// The scenario's name.
    pub scenario: String,
    /// Its run-id.
    pub run_id: String,
    /// Replace what is there even if it is not ours.
    pub force: bool,
    /// `latest` beside it leads to it.
    pub latest: bool,
}

impl Place {
    /// The folder itself.
    pub(super) fn folder(&self) -> PathBuf {
        self.out.join(&self.scenario).join(&self.run_id)
    }

    /// Whether the folder may be written: nothing there, or ours, or forced. To be asked before
    /// simulating, so that a long run is not lost to an unwritable place.
    pub(super) fn check(&self) -> Result<(), String> {
        for path in [self.out.join(&self.scenario), self.folder()] {
            match fs::symlink_metadata(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(format!("{}: {e}", path.display())),
                Ok(meta) if meta.is_symlink() => {
                    return Err(format!(
                        "{} is a symbolic link; links are not followed",
                        path.display()
                    ));
                }
                Ok(meta) if !meta.is_dir() => {
                    return Err(format!(
                        "{} is not a folder; choose another --out",
                        path.display()
                    ));
                }
                Ok(_) => {}
            }
        }
        if self.force {
            return Ok(());
        }
        foreign(&self.folder()).map_or(Ok(()), |what| {
            Err(format!(
                "{} holds {what}; move it away or replace it with --force",
                self.folder().display()
            ))
        })
    }

    /// What of another making is replaced, where that was forced.
    pub(super) fn replaced(&self) -> Option<String> {
        let folder = self.folder();
        (self.force && folder.is_dir()).then(|| foreign(&folder)).flatten()
    }

    /// Has `latest` beside the folder lead to it. That it does not is no error: the folder stands.
    fn point_at_it(&self, scratch: &Path) -> io::Result<()> {
        let latest = self.out.join(&self.scenario).join(LATEST);
        let ours = fs::symlink_metadata(&latest).map_or(true, |about| about.is_symlink());
        #[cfg(unix)]
        if ours {
            let new = scratch.join(LATEST);
            std::os::unix::fs::symlink(&self.run_id, &new)?;
            fs::rename(new, latest)?;
        }
        #[cfg(not(unix))]
        let _ = (ours, scratch);
        Ok(())
    }

    /// Writes the files, the manifest and `timing.json`, and puts the folder in place.
    pub(super) fn write(
        &self,
        disk: &dyn Disk,
        status: Status,
        files: &BTreeMap<String, Vec<u8>>,
        timing: Option<&[u8]>,
    ) -> Result<PathBuf, String> {
        self.check()?;
        let folder = self.folder();
        self.write_io(disk, status, files, timing)
            .map_err(|e| format!("cannot write {}: {e}; nothing was changed", folder.display()))?;
        Ok(folder)
    }

    fn write_io(
        &self,
        disk: &dyn Disk,
        status: Status,
        files: &BTreeMap<String, Vec<u8>>,
        timing: Option<&[u8]>,
    ) -> io::Result<()> {
        let parent = self.out.join(&self.scenario);
        disk.create_dir_all(&parent)?;
        // Removed with all its content when dropped, that is on every error below.
        let scratch = tempfile::Builder::new().prefix(".windtunnel-").tempdir_in(&parent)?;
        let new = scratch.path().join("new");
        disk.create_dir_all(&new)?;
        let mut folders = vec![new.clone()];
        for (name, bytes) in files {
            let path = new.join(checked(name)?);
            let inside = path.parent().expect("a file stands in a folder").to_owned();
            if !folders.contains(&inside) {
                disk.create_dir_all(&inside)?;
                folders.push(inside);
            }
            disk.write_new(&path, bytes)?;
        }
        if let Some(timing) = timing {
            disk.write_new(&new.join(TIMING), timing)?;
        }
        let manifest = serde_json::to_vec_pretty(&self.manifest(status, files))?;
        disk.write_new(&new.join(MANIFEST), &manifest)?;
        for folder in folders.iter().rev() {
            disk.sync_dir(folder)?;
        }
        put_in_place(disk, &new, &self.folder(), &scratch.path().join("old"))?;
        if self.latest {
            self.point_at_it(scratch.path()).ok();
        }
        // The folder stands; that its name may not have reached the disk yet changes nothing else.
        disk.sync_dir(&parent).ok();
        Ok(())
    }

    fn manifest(&self, status: Status, files: &BTreeMap<String, Vec<u8>>) -> Manifest {
        let list = files.iter().map(|(name, bytes)| ManifestFile {
            name: name.clone(),
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        });
        Manifest {
            program: "windtunnel".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            semantics_version: SEMANTICS_VERSION,
            scenario: self.scenario.clone(),
            run_id: self.run_id.clone(),
            status,
            files: list.collect(),
        }
    }
}

/// Reads the manifest of a folder; an error says why it is none of ours.
pub(super) fn read_manifest(folder: &Path) -> Result<Manifest, String> {
    let path = folder.join(MANIFEST);
    let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if manifest.program == "windtunnel" {
        Ok(manifest)
    } else {
        Err(format!("{} is the manifest of another program", path.display()))
    }
}

/// Reads a file of a folder and compares it with the manifest.
pub(super) fn read_checked(folder: &Path, file: &ManifestFile) -> Result<Vec<u8>, String> {
    let path = folder.join(checked(&file.name).map_err(|e| e.to_string())?);
    let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    if sha256(&bytes) == file.sha256 {
        Ok(bytes)
    } else {
        Err(format!("{} was changed after the run: its checksum differs", path.display()))
    }
}

/// The results in a folder, as they were written.
pub(super) fn read(directory: &Path) -> Result<Results, String> {
    let manifest = read_manifest(directory)
        .map_err(|e| format!("{} is no result folder: {e}", directory.display()))?;
    let file = manifest.files.iter().find(|file| file.name == "results.json");
    let file = file.ok_or("results.json is missing in the manifest")?;
    parse(directory, &read_checked(directory, file)?)
}

/// The requests that were watched, as they were written; none: nobody watched.
pub(super) fn watched_in(directory: &Path) -> Result<Option<Vec<Waterfall>>, String> {
    written(directory, WATCHED)
}

/// What was looked at closely; none: nothing was.
pub(super) fn closely_in(directory: &Path) -> Result<Option<Closely>, String> {
    written(directory, CLOSELY)
}

fn written<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<Option<T>, String> {
    let manifest = read_manifest(directory)?;
    let Some(file) = manifest.files.iter().find(|file| file.name == name) else {
        return Ok(None);
    };
    let json = read_checked(directory, file)?;
    let all = serde_json::from_slice(&json);
    all.map(Some).map_err(|e| format!("{}/{name}: {e}", directory.display()))
}

/// Results as they are written.
pub(super) fn parse(directory: &Path, json: &[u8]) -> Result<Results, String> {
    serde_json::from_slice(json).map_err(|e| format!("{}/results.json: {e}", directory.display()))
}

/// The place that is this folder.
pub(super) fn place(directory: &Path) -> Result<Place, String> {
    let whole = directory.canonicalize().map_err(|e| format!("{}: {e}", directory.display()))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).and_then(|n| n.to_str()).map(str::to_owned)
    };
    let parent = whole.parent();
    let place = || {
        Some(Place {
            out: parent?.parent()?.to_owned(),
            scenario: name(parent)?,
            run_id: name(Some(&whole))?,
            force: false,
            latest: true,
        })
    };
    place().ok_or_else(|| format!("{} stands too high in the file system", whole.display()))
}

/// Old away, new in, old back if that fails.
fn put_in_place(disk: &dyn Disk, new: &Path, folder: &Path, old: &Path) -> io::Result<()> {
    if !folder.exists() {
        return disk.rename(new, folder);
    }
    disk.rename(folder, old)?;
    disk.rename(new, folder).inspect_err(|_| {
        fs::rename(old, folder).expect("the old results can be put back where they came from");
    })
}

/// What in an existing folder is not of our making, if anything.
fn foreign(folder: &Path) -> Option<String> {
    let mut present = Vec::new();
    if let Err(e) = list(folder, "", &mut present) {
        return Some(format!("something unreadable ({e})"));
    }
    if present.is_empty() {
        return None;
    }
    let Ok(manifest) = read_manifest(folder) else {
        return Some("files that are no results of windtunnel".to_owned());
    };
    let ours = |name: &String| {
        name == MANIFEST || name == TIMING || manifest.files.iter().any(|f| f.name == *name)
    };
    present.iter().find(|name| !ours(name)).map(|name| format!("`{name}`, not of windtunnel"))
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(())
}

/// A name that stays inside the folder.
fn checked(name: &str) -> io::Result<&Path> {
    let path = Path::new(name);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    if plain && !name.is_empty() {
        Ok(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` leaves the folder")))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Fails the n-th operation, as a full or broken disk would.
    struct Failing {
        left: Cell<usize>,
    }

    impl Failing {
        fn step(&self) -> io::Result<()> {
            match self.left.get() {
                0 => Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device")),
                n => {
                    self.left.set(n - 1);
                    Ok(())
                }
            }
        }
    }

    impl Disk for Failing {
        fn create_dir_all(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            RealDisk.create_dir_all(path)
        }
        fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            if let Err(e) = self.step() {
                fs::write(path, &bytes[..bytes.len() / 2])?;
                return Err(e);
            }
            RealDisk.write_new(path, bytes)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            RealDisk.rename(from, to)
        }
        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            RealDisk.sync_dir(path)
        }
    }

    fn place(out: &Path) -> Place {
        Place {
            out: out.to_owned(),
            scenario: "shop".to_owned(),
            run_id: "0123456789abcdef".to_owned(),
            force: false,
            latest: true,
        }
    }

    fn files(content: &str) -> BTreeMap<String, Vec<u8>> {
        ["results.json", "plots/a.svg", "plots/b.svg"]
            .map(|name| (name.to_owned(), content.as_bytes().to_vec()))
            .into()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        list(folder, "", &mut names).unwrap();
        // The link to it is beside the folder, where links can be made.
        names.retain(|name| !name.ends_with(LATEST));
        names
    }

    #[test]
    fn writes_everything_with_a_manifest() {
        let out = tempfile::tempdir().unwrap();
        let folder =
            place(out.path()).write(&RealDisk, Status::Complete, &files("x"), Some(b"{}")).unwrap();
        assert_eq!(
            names(&folder),
            ["manifest.json", "plots/a.svg", "plots/b.svg", "results.json", "timing.json"]
        );
        assert_eq!(names(out.path()).len(), 5, "no temporary file is left");
        let manifest = read_manifest(&folder).unwrap();
        assert_eq!(manifest.files.len(), 3);
        for file in &manifest.files {
            assert_eq!(read_checked(&folder, file).unwrap(), b"x");
            assert_eq!(file.size, 1);
        }
        fs::write(folder.join("results.json"), "y").unwrap();
        let changed = read_checked(&folder, &manifest.files[2]).unwrap_err();
        assert!(changed.contains("checksum"), "{changed}");
    }

    #[test]
    fn same_run_replaces_its_own_folder() {
        let out = tempfile::tempdir().unwrap();
        let place = place(out.path());
        place.write(&RealDisk, Status::Complete, &files("old"), None).unwrap();
        let folder = place.write(&RealDisk, Status::Complete, &files("new"), None).unwrap();
        assert_eq!(fs::read(folder.join("results.json")).unwrap(), b"new");
        assert_eq!(names(out.path()).len(), 4);
    }

    #[test]
    fn a_failure_at_any_step_leaves_the_old_files() {
        for fail_at in 0.. {
            let out = tempfile::tempdir().unwrap();
            let place = place(out.path());
            place.write(&RealDisk, Status::Complete, &files("old"), None).unwrap();
            let before = names(out.path());
            let disk = Failing { left: Cell::new(fail_at) };
            let result = place.write(&disk, Status::Complete, &files("new"), Some(b"{}"));
            let content = fs::read(place.folder().join("results.json")).unwrap();
            if result.is_ok() {
                assert_eq!(content, b"new");
                assert!(fail_at >= 11, "only {fail_at} steps can fail");
                return;
            }
            assert_eq!(content, b"old", "step {fail_at}");
            assert_eq!(names(out.path()), before, "step {fail_at} left something behind");
            assert!(result.unwrap_err().contains("no space left"));
        }
    }

    #[test]
    fn foreign_content_is_refused_without_force() {
        let out = tempfile::tempdir().unwrap();
        let mut place = place(out.path());
        fs::create_dir_all(place.folder()).unwrap();
        place.check().unwrap();
        fs::write(place.folder().join("thesis.txt"), "mine").unwrap();
        let refused = place.write(&RealDisk, Status::Complete, &files("x"), None).unwrap_err();
        assert!(refused.contains("--force"), "{refused}");
        assert_eq!(names(&place.folder()), ["thesis.txt"]);
        place.force = true;
        place.write(&RealDisk, Status::Complete, &files("x"), None).unwrap();
        assert!(!place.folder().join("thesis.txt").exists());
        fs::write(place.folder().join("notes.txt"), "mine").unwrap();
        place.force = false;
        let refused = place.check().unwrap_err();
        assert!(refused.contains("notes.txt"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_files_in_the_way_are_refused() {
        let out = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), out.path().join("shop")).unwrap();
        let mut place = place(out.path());
        place.force = true;
        let refused = place.write(&RealDisk, Status::Complete, &files("x"), None).unwrap_err();
        assert!(refused.contains("symbolic link"), "{refused}");
        assert!(names(elsewhere.path()).is_empty());
        fs::remove_file(out.path().join("shop")).unwrap();
        fs::write(out.path().join("shop"), "a file").unwrap();
        assert!(place.check().unwrap_err().contains("not a folder"));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        for name in ["../x", "/x", "", "a/../../x"] {
            let out = tempfile::tempdir().unwrap();
            let files = BTreeMap::from([(name.to_owned(), vec![])]);
            assert!(place(out.path()).write(&RealDisk, Status::Complete, &files, None).is_err());
            assert!(names(out.path()).is_empty());
        }
    }
}
