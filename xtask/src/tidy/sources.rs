//! Reading the project's own files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::run::root;

/// One Rust file of the project.
pub(super) struct Source {
    /// From the project's folder on.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

/// The names of all crates.
pub(super) fn crates() -> Vec<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A crate's manifest.
pub(super) fn manifest(name: &str) -> String {
    fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap()
}

/// Every Rust file below `crates` and `xtask`.
pub(super) fn rust_sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root().join(folder), &mut files);
    }
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    files
        .into_iter()
        .map(|path| Source { path: relative(&path), text: fs::read_to_string(&path).unwrap() })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
