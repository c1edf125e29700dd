//! What tests begin with.

use std::path::{Path, PathBuf};

use primitives::{DeploymentId, Timestamp};
use store::{Identity, Journal, Opening, Record, SqliteJournal};
use tempfile::TempDir;

/// 2019-05-07T17:15:24Z.
pub(crate) const START_SECONDS: u64 = 1_557_249_324;

pub(crate) fn identity() -> Identity {
    Identity { deployment: DeploymentId([7; 32]), shard: 0 }
}

/// A record that differs from all others in `number`.
pub(crate) fn record(number: u64) -> Record {
    let length = (number * 37 % 190) as usize;
    Record {
        at: Timestamp::parse_seconds(START_SECONDS + number).unwrap(),
        kind: (number % 5) as u16,
        version: 1,
        body: number.to_le_bytes().into_iter().cycle().take(length).collect(),
    }
}

/// Records `first` to `first + count - 1`.
pub(crate) fn records(first: u64, count: u64) -> Vec<Record> {
    (first..first + count).map(record).collect()
}

/// Appends the records that belong to the next `count` places, in batches of 7.
pub(crate) fn grow(journal: &mut dyn Journal, count: u64) {
    let end = journal.size() + count;
    while journal.size() < end {
        let batch = records(journal.next_seq(), 7.min(end - journal.size()));
        journal.append(journal.next_seq(), &batch).unwrap();
    }
}

pub(crate) fn opening(path: &Path) -> Opening {
    Opening { path: path.to_owned(), identity: identity(), position: None, witnessed: None }
}

/// A folder with a place for one journal in it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        Self { folder, path }
    }

    /// A journal with `count` entries that was closed cleanly.
    pub(crate) fn closed(count: u64) -> Self {
        let place = Self::new();
        let mut journal = SqliteJournal::create(&place.path, identity()).unwrap();
        grow(&mut journal, count);
        drop(journal);
        place
    }

    pub(crate) fn open(&self) -> SqliteJournal {
        SqliteJournal::open(&opening(&self.path)).unwrap()
    }

    /// A copy of the journal and its write-ahead log as a crash at this moment would leave them.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for suffix in ["", "-wal"] {
            let from = beside(&self.path, suffix);
            if from.exists() {
                std::fs::copy(from, beside(&copy.path, suffix)).unwrap();
            }
        }
        copy
    }

    /// Every file of the folder with its bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<_> = files
            .map(|file| file.unwrap().path())
            .map(|path| (path.clone(), read(&path)))
            .collect();
        files.sort();
        files
    }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The generator splitmix64, so that a seed gives the same run everywhere.
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
pub(crate) struct Random(u64);

impl Random {
    /// The seed that the environment names, or `default`; printed either way.
    pub(crate) fn seeded(default: u64) -> Self {
        let named = std::env::var("STRONGROOM_SEED").ok();
        let seed = named.and_then(|text| text.parse().ok()).unwrap_or(default);
        println!("STRONGROOM_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}
