//! The signer's folder: what lies where, and for whom.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use signer::{Fault, Settings};

/// The paths in the signer's folder.
pub(crate) struct Layout<'a>(pub(crate) &'a Path);

impl Layout<'_> {
    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("key.age")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("signer.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The root settings, from a folder that only its owner may enter.
    pub(crate) fn read_settings(&self) -> anyhow::Result<Settings> {
        let path = self.settings();
        let no_signer = || format!("no signer in {}", self.0.display());
        fs::metadata(&path).with_context(no_signer)?;
        let state = self.state();
        if !state.try_exists().with_context(no_signer)? {
            // Settings without memory: what was signed is forgotten, and it would be signed again.
            return Err(Fault::StateDamaged { what: format!("{} is missing", state.display()) })
                .context("do not go on with this key: see docs/signer.md, Files");
        }
        for private in [self.0, &state] {
            let mode = fs::metadata(private).with_context(no_signer)?.permissions().mode();
            ensure!(
                mode.trailing_zeros() >= 6,
                "{} is open to other users (mode {:o}): chmod 700 it, and find out who was there",
                private.display(),
                mode & 0o777
            );
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Settings::parse_toml(&text).with_context(|| format!("in {}", path.display()))
    }
}

/// A new folder for this user alone, or one that is there and empty.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries =
                fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
            ensure!(
                entries.next().is_none(),
                "{} is not empty; a key is never overwritten: choose another folder",
                path.display()
            );
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .with_context(|| format!("closing {} to others", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("creating {}", path.display())),
    }
}

/// A new file for this user alone, durable.
pub(crate) fn create_file(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
