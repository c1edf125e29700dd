use std::fmt;

use signer_protocol::merkle::TreeHead;

use crate::{Identity, Problem, journal::sqlite::wal::Wal};

/// What verifying a journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// Whose journal it is, if it could be read.
    pub identity: Option<Identity>,
    /// Entries that follow one another from the first on.
    pub size: u64,
    /// The head of these entries.
    pub head: Option<TreeHead>,
    /// The largest witnessed size at which the journal has the witnessed root. What lies after it
    /// stands on the chain alone, which whoever owns the file can rewrite.
    pub witnessed_to: u64,
    /// What the write-ahead log beside the journal is like, in words.
    pub log: String,
}

/// The answer about a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Every entry is there, is in its place and continues the one before; every witnessed head
    /// fits.
    Whole,
    /// The first entry that is not what was written.
    BadEntry {
        /// Its sequence number.
        seq: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// The chain is whole, but it is not the one that was witnessed: the past was rewritten.
    HeadMismatch {
        /// The smallest witnessed head that does not fit.
        witnessed: TreeHead,
    },
    /// The write-ahead log is damaged before entries that had been acknowledged.
    TailDamaged {
        /// Entries that can still be read.
        size: u64,
        /// What is wrong with the log.
        what: String,
    },
    /// The chain is whole, but it was longer once.
    ShorterThanWitness {
        /// Entries in the journal.
        size: u64,
        /// The newest head that was witnessed.
        witnessed: TreeHead,
    },
    /// The file cannot be read as a journal.
    Unreadable {
        /// Why.
        what: String,
    },
}

impl Verdict {
    /// The stable name.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::BadEntry { .. } => "bad-entry",
            Self::HeadMismatch { .. } => "head-mismatch",
            Self::TailDamaged { .. } => "tail-damaged",
            Self::ShorterThanWitness { .. } => "shorter-than-witness",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.id())?;
        match self {
            Self::Whole => f.write_str("every entry continues the one before it"),
            Self::BadEntry { seq, problem } => write!(f, "entry {seq} {problem}"),
            Self::HeadMismatch { witnessed } => {
                write!(f, "the first {} entries are not those that were witnessed", witnessed.size)
            }
            Self::TailDamaged { size, what } => {
                write!(f, "journal ends at {size}, and its write-ahead log {what}")
            }
            Self::ShorterThanWitness { size, witnessed } => {
                let seen = witnessed.size;
                write!(f, "journal ends at {size}, but head of size {seen} was witnessed")
            }
            Self::Unreadable { what } => f.write_str(what),
        }
    }
}

impl Report {
    pub(super) fn new(wal: Wal) -> Self {
        Self {
            verdict: Verdict::Whole,
            identity: None,
            size: 0,
            head: None,
            witnessed_to: 0,
            log: wal.to_string(),
        }
    }
}
