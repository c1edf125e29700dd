//! The core's state beside the journal, so that a start need not replay everything. A snapshot
//! decides nothing: it can be deleted at any time, and one that is damaged is passed over.

mod file;
mod load;

pub use load::{Loaded, SkipReason, Skipped, Snapshot};

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{Fault, Identity, Position, database};
use file::{Hashing, Header, Trailer};

/// Snapshots that stay: the newest, and one more in case it is damaged.
const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";

/// A folder of snapshots of one core. It has one writer.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    folder: PathBuf,
    identity: Identity,
}

/// A snapshot that was written and is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// SHA-256 of the state, to be compared with that of a second replayer at the same position
    /// and of the same state version.
    pub state_digest: [u8; 32],
}

impl SnapshotStore {
    /// Snapshots of the journal of `identity` in `folder`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Fault::Io`].
    pub fn open(folder: &Path, identity: Identity) -> Result<Self, Fault> {
        fs::create_dir_all(folder).map_err(database::io("creating folder", folder))?;
        Ok(Self { folder: folder.to_owned(), identity })
    }

    /// Saves what `state` writes as the state after the journal's entries up to `position`. It is
    /// written under another name, flushed and renamed, so that a crash leaves a whole snapshot or
    /// none; then all but the newest two are removed.
    ///
    /// # Errors
    ///
    /// [`Fault::Io`], also when `state` itself fails; the snapshots from before are still there.
    pub fn write(
        &self,
        state_version: u32,
        position: &Position,
        state: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Written, Fault> {
        let draft = self.folder.join("snapshot.new");
        let header = Header { identity: self.identity, state_version, position: position.clone() };
        let trailer =
            write_draft(&draft, &header, state).map_err(database::io("writing", &draft))?;
        let path = self.folder.join(file_name(position.size(), state_version));
        fs::rename(&draft, &path).map_err(database::io("renaming", &draft))?;
        database::sync_folder(&path)?;
        self.prune(&path)?;
        let (state_bytes, state_digest) = (trailer.state_bytes, trailer.state_digest);
        Ok(Written { path, state_bytes, state_digest })
    }

    /// The newest snapshot of this journal with this state version that is whole, and what was
    /// passed over on the way to it.
    ///
    /// # Errors
    ///
    /// [`Fault::Io`] when the folder cannot be read.
    pub fn load_newest(&self, state_version: u32) -> Result<Loaded, Fault> {
        let mut skipped = Vec::new();
        for path in self.newest_first()? {
            match load::load(&path, &self.identity, state_version) {
                Ok(snapshot) => return Ok(Loaded { snapshot: Some(snapshot), skipped }),
                Err(reason) => skipped.push(Skipped { path, reason }),
            }
        }
        Ok(Loaded { snapshot: None, skipped })
    }

    /// Keeps what was just written, whatever its size: after a loss that people have accepted, the
    /// journal goes on from an earlier place.
    fn prune(&self, written: &Path) -> Result<(), Fault> {
        let others = self.newest_first()?.into_iter().filter(|path| path != written);
        for path in others.skip(KEPT.saturating_sub(1)) {
            fs::remove_file(&path).map_err(database::io("removing", &path))?;
        }
        Ok(())
    }

    /// File names begin with the journal's size in fixed width, so that their order is its order.
    fn newest_first(&self) -> Result<Vec<PathBuf>, Fault> {
        let failed = database::io("listing", &self.folder);
        let mut paths = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(&failed)? {
            let path = file.map_err(&failed)?.path();
            if path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes()) {
                paths.push(path);
            }
        }
        paths.sort();
        paths.reverse();
        Ok(paths)
    }
}

fn file_name(size: u64, state_version: u32) -> String {
    format!("{size:020}-v{state_version}{SUFFIX}")
}

fn write_draft(
    draft: &Path,
    header: &Header,
    state: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Trailer> {
    let file = database::private().create(true).truncate(true).open(draft)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let header = header.to_bytes()?;
    writer.write_all(&header)?;
    let mut hashing = Hashing::new(&mut writer);
    state(&mut hashing)?;
    let trailer = hashing.finish(&header);
    writer.write_all(&trailer.to_bytes())?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(trailer)
}
