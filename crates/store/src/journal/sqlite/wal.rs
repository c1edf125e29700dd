//! Looks into SQLite's write-ahead log, which SQLite itself reads only up to the first frame whose
//! checksum fails: one bit that flipped in it turns into "the last commit was earlier".
//!
//! With `synchronous=FULL` each transaction is flushed before the next one begins. So a frame that
//! fails, followed by the end of its transaction and by frames of a later one of the same run, was
//! once whole and acknowledged: it was damaged, not torn. Damage in the last transaction looks like
//! a torn write; only a witness of the journal's head finds that.
//!
//! Source of the layout: <https://www.sqlite.org/fileformat2.html>, section 4, "The Write-Ahead
//! Log".

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The lowest bit says in which order checksums read their words: 1 is big endian.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MAX: u32 = 65_536;

/// What a write-ahead log is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wal {
    /// There is none, or it is empty.
    Absent,
    /// Every frame of the last run is as it was written.
    Whole,
    /// The last transaction is incomplete: a crash came before it was acknowledged, or it was
    /// damaged since.
    Torn { frame: u64 },
    /// A frame fails, and `later` frames follow that were written after it had been acknowledged.
    Damaged { frame: u64, later: u64 },
    /// The header fails, so that SQLite would take the whole log for empty.
    BadHeader,
}

impl fmt::Display for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is absent or empty"),
            Self::Whole => f.write_str("is whole"),
            Self::Torn { frame } => write!(f, "ends in an incomplete transaction at frame {frame}"),
            Self::Damaged { frame, later } => write!(
                f,
                "is damaged at frame {frame}, before {later} frames that were written after it"
            ),
            Self::BadHeader => f.write_str("has a damaged header"),
        }
    }
}

/// Reads the log at `path`.
pub(crate) fn scan(path: &Path) -> io::Result<Wal> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Wal::Absent),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() == 0 {
        return Ok(Wal::Absent);
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut bytes = [0; HEADER_BYTES];
    let complete = fill(&mut reader, &mut bytes)?;
    let Some(header) = Header::parse(&bytes).filter(|_| complete) else {
        return Ok(Wal::BadHeader);
    };
    let mut scan = Scan::new(&header);
    let mut frame = vec![0; FRAME_HEADER_BYTES.saturating_add(header.page_bytes)];
    while fill(&mut reader, &mut frame)? {
        scan.frame(&header, &frame);
    }
    Ok(scan.verdict())
}

/// Fills `bytes`, or says that the file ended first.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Header {
    big_endian: bool,
    page_bytes: usize,
    /// Drawn anew each time the log begins again at its start.
    salts: (u32, u32),
    checksum: (u32, u32),
}

impl Header {
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = word(bytes, 0)?;
        let page_bytes = word(bytes, 8)?;
        let big_endian = magic & 1 == 1;
        let checksum = (word(bytes, 24)?, word(bytes, 28)?);
        let known = magic & !1 == MAGIC
            && page_bytes.is_power_of_two()
            && (512..=PAGE_BYTES_MAX).contains(&page_bytes)
            && sum((0, 0), bytes.get(..24)?, big_endian) == checksum;
        let page_bytes = usize::try_from(page_bytes).ok()?;
        let salts = (word(bytes, 16)?, word(bytes, 20)?);
        known.then_some(Self { big_endian, page_bytes, salts, checksum })
    }
}

struct Scan {
    frames: u64,
    checksum: (u32, u32),
    /// The transaction that is being read began at this frame.
    transaction: Option<u64>,
    /// The first frame that fails, counted from 1.
    bad: Option<u64>,
    /// Whether the transaction of the bad frame has ended.
    ended: bool,
    later: u64,
}

impl Scan {
    const fn new(header: &Header) -> Self {
        let checksum = header.checksum;
        Self { frames: 0, checksum, transaction: None, bad: None, ended: false, later: 0 }
    }

    fn frame(&mut self, header: &Header, frame: &[u8]) {
        self.frames = self.frames.saturating_add(1);
        let of_this_run = word(frame, 8).zip(word(frame, 12)) == Some(header.salts);
        let commits = word(frame, 4).is_some_and(|pages| pages != 0);
        if self.bad.is_none() && of_this_run && self.checksum_holds(header, frame) {
            self.transaction = if commits { None } else { self.transaction.or(Some(self.frames)) };
            return;
        }
        // Every frame from here on is unreadable to SQLite. Those with the salts of an earlier run
        // are leftovers of it.
        self.bad = self.bad.or(Some(self.frames));
        if of_this_run && self.ended {
            self.later = self.later.saturating_add(1);
        }
        self.ended |= of_this_run && commits;
    }

    fn checksum_holds(&mut self, header: &Header, frame: &[u8]) -> bool {
        let (Some(head), Some(page)) = (frame.get(..8), frame.get(FRAME_HEADER_BYTES..)) else {
            return false;
        };
        let checksum = sum(self.checksum, head, header.big_endian);
        let checksum = sum(checksum, page, header.big_endian);
        let holds = word(frame, 16).zip(word(frame, 20)) == Some(checksum);
        if holds {
            self.checksum = checksum;
        }
        holds
    }

    fn verdict(&self) -> Wal {
        match (self.bad, self.transaction) {
            (Some(frame), _) if self.later > 0 => Wal::Damaged { frame, later: self.later },
            (Some(frame), None) if self.ended => Wal::Torn { frame },
            (_, Some(frame)) => Wal::Torn { frame },
            (Some(_) | None, None) => Wal::Whole,
        }
    }
}

/// SQLite's checksum of words in pairs; `bytes` is a multiple of 8 long.
fn sum((mut one, mut two): (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    for pair in bytes.chunks_exact(8) {
        let Some((first, second)) = pair.split_first_chunk() else { continue };
        let Some(second) = second.first_chunk() else { continue };
        one = one.wrapping_add(read(*first)).wrapping_add(two);
        two = two.wrapping_add(read(*second)).wrapping_add(one);
    }
    (one, two)
}

/// The big-endian word at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
