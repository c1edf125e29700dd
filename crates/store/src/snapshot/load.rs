use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Take},
    path::{Path, PathBuf},
};

use borsh::BorshDeserialize;

use super::file::{FORMAT, Hashing, Header, MAGIC, TRAILER_BYTES, Trailer};
use crate::{Identity, Position};

/// What was found in the folder.
#[derive(Debug)]
pub struct Loaded {
    /// The newest snapshot that can be used. Without one, replay the journal from its start.
    pub snapshot: Option<Snapshot>,
    /// Newer files that were passed over, to be told to the operator.
    pub skipped: Vec<Skipped>,
}

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
        }
    }
}

/// A snapshot whose digests have been checked.
#[derive(Debug)]
pub struct Snapshot {
    /// Its file.
    pub path: PathBuf,
    /// The version of its state.
    pub state_version: u32,
    /// Up to where the journal is in it.
    pub position: Position,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// SHA-256 of the state.
    pub state_digest: [u8; 32],
    state: BufReader<Take<File>>,
}

impl Snapshot {
    /// The state's bytes, from first to last.
    pub fn state(&mut self) -> &mut impl Read {
        &mut self.state
    }
}

/// Reads the file twice: once to check its digests, and once by the caller, who so never sees
/// bytes that are not what was written.
pub(super) fn load(
    path: &Path,
    identity: &Identity,
    state_version: u32,
) -> Result<Snapshot, SkipReason> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let header = read_header(&mut reader)?;
    if header.identity != *identity {
        return Err(SkipReason::OtherJournal);
    }
    if header.state_version != state_version {
        return Err(SkipReason::OtherStateVersion { found: header.state_version });
    }
    let state_start = reader.stream_position()?;
    let behind = u64::try_from(TRAILER_BYTES).unwrap_or(u64::MAX).saturating_add(state_start);
    let damaged = |what| SkipReason::Damaged { what };
    let state_bytes = length.checked_sub(behind).ok_or(damaged("it ends too early"))?;
    let trailer = check_digests(&mut reader, &header.to_bytes()?, state_bytes)?;
    let mut file = reader.into_inner();
    file.seek(SeekFrom::Start(state_start))?;
    Ok(Snapshot {
        path: path.to_owned(),
        state_version,
        position: header.position,
        state_bytes,
        state_digest: trailer.state_digest,
        state: BufReader::with_capacity(1 << 20, file.take(state_bytes)),
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

fn check_digests(
    reader: &mut impl Read,
    header: &[u8],
    state_bytes: u64,
) -> Result<Trailer, SkipReason> {
    let mut hashing = Hashing::new(reader.by_ref().take(state_bytes));
    io::copy(&mut hashing, &mut io::sink())?;
    let computed = hashing.finish(header);
    let mut stored = [0; TRAILER_BYTES];
    reader.read_exact(&mut stored)?;
    if computed.to_bytes() != stored {
        return Err(SkipReason::Damaged { what: "its digests do not match its bytes" });
    }
    Ok(computed)
}
