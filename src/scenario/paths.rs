//! Paths of files that a scenario names.
//!
//! **Invariant.** Nothing outside the scenario's folder is named, and nothing is fetched.

use super::{problems::shown, tree};

/// The folder a path is in: empty, or something that ends with `/`.
pub fn folder(path: &str) -> String {
    path.rfind('/').map_or(String::new(), |slash| path[..=slash].to_owned())
}

/// The path of a file that another one names, or why it may not: it must be relative and stay
/// inside the folder of the scenario (`root`); `from` is the folder of the naming file.
pub(super) fn inside(root: &str, from: &str, path: &str) -> Result<String, String> {
    let shown = shown(path);
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.contains("://") {
        return Err(format!("`{shown}` is a URL; nothing is fetched"));
    }
    if path.starts_with(['/', '~']) || drive {
        return Err(format!("`{shown}` is an absolute path; write it relative to the scenario"));
    }
    if path.is_empty() || path.contains('\\') || path.chars().any(tree::is_hidden) {
        return Err(format!("`{shown}` is not a path; part folders by `/`"));
    }
    let mut folders: Vec<&str> =
        from[root.len()..].split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if folders.pop().is_none() {
                    return Err(format!("`{shown}` leaves the folder of the scenario"));
                }
            }
            part => folders.push(part),
        }
    }
    Ok(format!("{root}{}", folders.join("/")))
}
