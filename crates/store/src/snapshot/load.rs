use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use borsh::BorshDeserialize;

use super::file::{FORMAT, Hashing, Header, MAGIC, TRAILER_BYTES, Trailer};
use crate::{Identity, Position};

/// A file that is no usable snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{}: {} was passed over: {reason}", reason.id(), path.display())]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why a file is no usable snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Its bytes are not what was written.
    #[error("{what}")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// It is of a file format that this program does not know.
    #[error("it has file format {found}")]
    OtherFormat {
        /// Its format.
        found: u16,
    },
    /// It is of another journal.
    #[error("it belongs to another deployment or shard")]
    OtherJournal,
    /// Its state is in another version.
    #[error("its state has version {found}")]
    OtherStateVersion {
        /// Its version.
        found: u32,
    },
    /// It is whole, and its reader makes nothing of it.
    #[error("its state cannot be read: {0}")]
    Undecodable(#[source] io::Error),
}

impl SkipReason {
    /// The stable name.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "snapshot-unreadable",
            Self::Damaged { .. } => "snapshot-damaged",
            Self::OtherFormat { .. } => "snapshot-of-other-format",
            Self::OtherJournal => "snapshot-of-other-journal",
            Self::OtherStateVersion { .. } => "snapshot-of-other-state-version",
            Self::Undecodable(_) => "snapshot-undecodable",
        }
    }
}

/// A snapshot of which the state was not read yet.
#[derive(Debug)]
pub struct Snapshot {
    /// Its file.
    pub path: PathBuf,
    /// The version of its state.
    pub state_version: u32,
    /// Up to where the journal is in it: what the file says, and not believed for that.
    pub position: Position,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// SHA-256 of the state: what the file says, until [`Snapshot::read`] has found it so.
    pub state_digest: [u8; 32],
    header: Vec<u8>,
    trailer: Trailer,
    file: File,
}

impl Snapshot {
    /// Has `decode` read the state's bytes, and gives what it made of them only if their hash is
    /// [`Snapshot::state_digest`]. They are read and hashed once, on the way to `decode`: what was
    /// hashed is what was decoded, whoever writes to the file meanwhile. So `decode` may see bytes
    /// that are not what was written, and must stand any.
    ///
    /// # Errors
    ///
    /// [`Skipped`].
    pub fn read<T>(
        self,
        decode: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, Skipped> {
        let Self { path, state_bytes, header, trailer, file, .. } = self;
        let state = Hashing::new(file.take(state_bytes));
        // Above the hash, which likes large pieces; the decoder asks for a few bytes at a time.
        let mut state = BufReader::with_capacity(1 << 20, state);
        let decoded = decode(&mut state);
        let rest = io::copy(&mut state, &mut io::sink());
        let whole = state.into_inner().finish(&header) == trailer;
        let what = "its digests do not match its bytes";
        let read = match (rest, whole) {
            (Err(error), _) => Err(SkipReason::Unreadable(error)),
            (Ok(_), false) => Err(SkipReason::Damaged { what }),
            (Ok(_), true) => decoded.map_err(SkipReason::Undecodable),
        };
        read.map_err(|reason| Skipped { path, reason })
    }
}

/// Reads what stands before and behind the state.
pub(super) fn look(
    path: PathBuf,
    identity: &Identity,
    state_version: u32,
) -> Result<Snapshot, Skipped> {
    match look_into(&path, identity, state_version) {
        Ok(snapshot) => Ok(snapshot),
        Err(reason) => Err(Skipped { path, reason }),
    }
}

fn look_into(path: &Path, identity: &Identity, state_version: u32) -> Result<Snapshot, SkipReason> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let header = read_header(&mut reader)?;
    if header.identity != *identity {
        return Err(SkipReason::OtherJournal);
    }
    if header.state_version != state_version {
        return Err(SkipReason::OtherStateVersion { found: header.state_version });
    }
    let state_start = reader.stream_position()?;
    let behind = u64::try_from(TRAILER_BYTES).unwrap_or(u64::MAX).saturating_add(state_start);
    let state_bytes = length.checked_sub(behind);
    let state_bytes = state_bytes.ok_or(SkipReason::Damaged { what: "it ends too early" })?;
    let mut file = reader.into_inner();
    file.seek(SeekFrom::Start(state_start.saturating_add(state_bytes)))?;
    let trailer = Trailer::deserialize_reader(&mut file)?;
    file.seek(SeekFrom::Start(state_start))?;
    Ok(Snapshot {
        path: path.to_owned(),
        state_version,
        header: header.to_bytes()?,
        position: header.position,
        state_bytes,
        state_digest: trailer.state_digest,
        trailer,
        file,
    })
}

fn read_header(reader: &mut impl Read) -> Result<Header, SkipReason> {
    let damaged = |what| move |_error: io::Error| SkipReason::Damaged { what };
    let magic = <[u8; 8]>::deserialize_reader(reader).map_err(damaged("it has no header"))?;
    if magic != MAGIC {
        return Err(SkipReason::Damaged { what: "it does not begin like a snapshot" });
    }
    let found = u16::deserialize_reader(reader).map_err(damaged("it has no header"))?;
    if found != FORMAT {
        return Err(SkipReason::OtherFormat { found });
    }
    Header::deserialize_reader(reader).map_err(damaged("its header cannot be read"))
}
