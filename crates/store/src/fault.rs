use std::{io, path::PathBuf};

use signer_protocol::merkle::TreeHead;

use crate::{Problem, views::ProjectionError};

/// Something is broken. Nothing here is expected in normal work, so that no caller retries: a fault
/// of an append ends the process, and the next start begins from the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The SQLite that is linked has a known way to lose committed pages.
    #[error(
        "sqlite-too-old: SQLite {found} is linked, but before 3.51.3 a reset of the write-ahead \
         log may lose committed pages; build with a newer bundled SQLite"
    )]
    SqliteTooOld {
        /// The version that is linked.
        found: &'static str,
    },
    /// SQLite ignores a pragma that it cannot follow, so each one is read back.
    #[error(
        "pragma-not-followed: {} was opened with {name} = {wanted}, but {found} is in force; the \
         file system may not support it", path.display()
    )]
    PragmaNotFollowed {
        /// The database.
        path: PathBuf,
        /// The pragma.
        name: &'static str,
        /// What was asked.
        wanted: &'static str,
        /// What SQLite answers.
        found: String,
    },
    /// A second process, or a second journal in this process, has the file open.
    #[error(
        "journal-in-use: {} is held by {holder}; a journal has one writer, stop that one first",
        path.display()
    )]
    JournalInUse {
        /// The journal.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        holder: String,
    },
    /// A journal was to be created where one stands already.
    #[error("journal-exists: {} exists; open it, or choose another place", path.display())]
    JournalExists {
        /// The file in the way.
        path: PathBuf,
    },
    /// The file is not the journal that was meant.
    #[error(
        "wrong-journal: {} has {what} {found}, but {wanted} is needed; check the path and the \
         configuration", path.display()
    )]
    WrongJournal {
        /// The journal.
        path: PathBuf,
        /// What differs: `application id`, `format`, `shard` or `deployment`.
        what: &'static str,
        /// What the caller or this program needs.
        wanted: String,
        /// What the file says.
        found: String,
    },
    /// The caller's idea of where the journal ends is wrong. Nothing was written.
    #[error(
        "unexpected-seq: an append at {expected} was asked, but the next entry is {next}; two \
         writers, or damaged state: start again from the journal"
    )]
    UnexpectedSeq {
        /// The sequence number that the caller expected to write first.
        expected: u64,
        /// The sequence number that would have been written.
        next: u64,
    },
    /// An append is larger than a limit. Nothing was written.
    #[error("append-too-large: {what} has {found} bytes, at most {most} are allowed")]
    AppendTooLarge {
        /// `a body` or `the append`.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// The journal holds as many entries as it can (2^63 - 1).
    #[error("journal-full: the journal takes no more entries")]
    JournalFull,
    /// An earlier append failed, so that what the file holds is not known.
    #[error(
        "journal-poisoned: an earlier append failed and its outcome is unknown; stop the process \
         and start again from the journal"
    )]
    JournalPoisoned,
    /// An entry is not what was written.
    #[error("bad-entry: entry {seq} {problem}; stop, keep the files, and verify a copy")]
    BadEntry {
        /// The sequence number.
        seq: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// The journal has lost entries that a snapshot had seen.
    #[error(
        "shorter-than-position: the journal ends at {size}, but a snapshot was taken at \
         {position}; it was cut off or replaced: stop, keep the files, and call a person"
    )]
    ShorterThanPosition {
        /// Entries in the journal.
        size: u64,
        /// Entries that the snapshot had seen.
        position: u64,
    },
    /// A snapshot is of another history than the journal.
    #[error(
        "position-mismatch: entry {seq} of the journal is not the entry that the snapshot saw \
         there; start without the snapshot, and verify the journal"
    )]
    PositionMismatch {
        /// The sequence number.
        seq: u64,
    },
    /// The journal has lost entries that a witness had seen.
    #[error(
        "shorter-than-witness: the journal ends at {size}, but head of size {} was witnessed; it \
         was cut off or replaced: stop, keep the files, and call a person", witnessed.size
    )]
    ShorterThanWitness {
        /// Entries in the journal.
        size: u64,
        /// The head that the witness keeps.
        witnessed: TreeHead,
    },
    /// The journal's past is not the one that a witness saw.
    #[error(
        "head-mismatch: the first {} entries are not those that were witnessed; the past was \
         rewritten: stop, keep the files, and call a person", witnessed.size
    )]
    HeadMismatch {
        /// The head that the witness keeps.
        witnessed: TreeHead,
    },
    /// The write-ahead log is damaged before entries that had been acknowledged. SQLite would drop
    /// them without a word, and the next append would overwrite them.
    #[error(
        "tail-damaged: {} {what}; entries that were acknowledged would be lost on opening: keep \
         the files and verify a copy", path.display()
    )]
    TailDamaged {
        /// The write-ahead log.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// SQLite failed.
    #[error("sqlite-failed: {doing} {}", path.display())]
    Sqlite {
        /// What was tried, to be read before the path: `appending to`.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system failed.
    #[error("io-failed: {doing} {}", path.display())]
    Io {
        /// What was tried, to be read before the path: `renaming`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A crash that a test or the simulator asked for.
    #[error("simulated-crash: the append stopped as asked; open the disk again")]
    SimulatedCrash,
    /// Views were handed entries that do not follow what they have applied.
    #[error(
        "view-gap: projection {projection} has applied {applied} and was handed entry {found}; \
         catch up from the journal first"
    )]
    ViewGap {
        /// The projection.
        projection: &'static str,
        /// The last sequence number that it has applied.
        applied: u64,
        /// The sequence number that it was handed.
        found: u64,
    },
    /// Views were built from another history than the entries that they were handed.
    #[error(
        "view-of-another-journal: what projection {projection} has applied up to {applied} is not \
         the past of the next entry; catch up from the journal, which rebuilds it"
    )]
    ViewOfAnotherJournal {
        /// The projection.
        projection: &'static str,
        /// The last sequence number that it has applied.
        applied: u64,
    },
    /// Two projections have one name, so that they would share a cursor.
    #[error("projection-named-twice: two projections are named {name}; rename one")]
    ProjectionNamedTwice {
        /// The name.
        name: &'static str,
    },
    /// A projection could not fold an entry. The views stay where they were.
    #[error("projection-failed: projection {projection} could not apply entry {seq}")]
    ProjectionFailed {
        /// The projection.
        projection: &'static str,
        /// The sequence number of the entry.
        seq: u64,
        /// What it says.
        #[source]
        source: ProjectionError,
    },
}

impl Fault {
    /// The stable name, for logs, runbooks and alarms; the message begins with it.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::SqliteTooOld { .. } => "sqlite-too-old",
            Self::PragmaNotFollowed { .. } => "pragma-not-followed",
            Self::JournalInUse { .. } => "journal-in-use",
            Self::JournalExists { .. } => "journal-exists",
            Self::WrongJournal { .. } => "wrong-journal",
            Self::UnexpectedSeq { .. } => "unexpected-seq",
            Self::AppendTooLarge { .. } => "append-too-large",
            Self::JournalFull => "journal-full",
            Self::JournalPoisoned => "journal-poisoned",
            Self::BadEntry { .. } => "bad-entry",
            Self::ShorterThanPosition { .. } => "shorter-than-position",
            Self::PositionMismatch { .. } => "position-mismatch",
            Self::ShorterThanWitness { .. } => "shorter-than-witness",
            Self::HeadMismatch { .. } => "head-mismatch",
            Self::TailDamaged { .. } => "tail-damaged",
            Self::Sqlite { .. } => "sqlite-failed",
            Self::Io { .. } => "io-failed",
            Self::SimulatedCrash => "simulated-crash",
            Self::ViewGap { .. } => "view-gap",
            Self::ViewOfAnotherJournal { .. } => "view-of-another-journal",
            Self::ProjectionNamedTwice { .. } => "projection-named-twice",
            Self::ProjectionFailed { .. } => "projection-failed",
        }
    }
}
