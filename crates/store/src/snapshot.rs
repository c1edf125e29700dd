//! The core's state beside the journal, so that a start need not replay everything. A snapshot
//! can be deleted at any time, and one that is damaged is passed over. Its hashes find damage and
//! prove nothing: whoever can write the file can compute them. What it says is to be believed
//! only where the journal names its digest.

mod file;
mod load;

pub use load::{SkipReason, Skipped, Snapshot};

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use borsh::BorshSerialize;

use crate::{Fault, Identity, Position, database};
use file::{Hashing, Header, Trailer};

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
    /// SHA-256 of the state, to be named in the journal and compared with that of every replayer
    /// at the same position and of the same state version.
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
    /// none. What was there stays: see [`SnapshotStore::retain`].
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
        let (state_bytes, state_digest) = (trailer.state_bytes, trailer.state_digest);
        Ok(Written { path, state_bytes, state_digest })
    }

    /// The snapshots of this journal with this state version, the newest first, and among them
    /// what is passed over already: of each no more was read than what stands before and behind
    /// the state.
    ///
    /// # Errors
    ///
    /// [`Fault::Io`] when the folder cannot be read.
    pub fn list(&self, state_version: u32) -> Result<Vec<Result<Snapshot, Skipped>>, Fault> {
        let look = |path| load::look(path, &self.identity, state_version);
        Ok(self.newest_first()?.into_iter().map(look).collect())
    }

    /// Removes every snapshot but `kept`. Which to keep its caller knows: one that the journal
    /// does not name yet is worth less than an older one that it names.
    ///
    /// # Errors
    ///
    /// [`Fault::Io`].
    pub fn retain(&self, kept: &[PathBuf]) -> Result<(), Fault> {
        for path in self.newest_first()?.iter().filter(|path| !kept.contains(path)) {
            fs::remove_file(path).map_err(database::io("removing", path))?;
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
    trailer.serialize(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(trailer)
}
