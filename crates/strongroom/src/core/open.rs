//! Opening the house: journal, snapshot, replay, and the comparison with what the signer has
//! witnessed. A journal that is shorter than the signer remembers is never opened.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{channel, sync_channel},
    },
    thread,
};

use custody::{Custody, STATE_VERSION};
use primitives::DeploymentId;
use signer_protocol::{TreeHead, merkle::Frontier};
use store::{Entry, Fault, Identity, Journal, Opening, Position, SnapshotStore, SqliteJournal};

use super::{
    Core, Keys, QUEUE_MAX, Running, journal_thread,
    replay::{Replayed, replay},
    turn,
    witness::Witness,
};
use crate::replica::{Replica, Writer};

/// Turns that wait for the disk: one is written while the next is decided.
const TURNS_MAX: usize = 1;

/// Where the core's files are, and what the signer said.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of journal and snapshots.
    pub dir: PathBuf,
    /// The installation, as the signer names it.
    pub deployment: DeploymentId,
    /// The shard; an installation starts with one, number 0.
    pub shard: u16,
    /// The head of this journal that the signer has witnessed last.
    pub witnessed: Option<TreeHead>,
}

impl Options {
    /// The journal's file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal.sqlite")
    }

    /// The folder of snapshots.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }
}

/// Why the core cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// The journal or a snapshot.
    #[error(transparent)]
    Store(#[from] Fault),
    /// There is no journal, and the signer remembers one.
    #[error(
        "no journal at {path}, but the signer has witnessed {size} entries of it: restore the journal; see the runbook `journal-lost`"
    )]
    JournalMissing {
        /// Where it should be.
        path: PathBuf,
        /// What the signer has witnessed.
        size: u64,
    },
    /// An entry that this release cannot read, or that cannot follow.
    #[error("entry {seq} of the journal: {reason}")]
    Entry {
        /// Its place.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
    /// The folder cannot be made.
    #[error("the folder {path} cannot be made")]
    Folder {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
}

/// A core before its threads run.
pub struct Opened {
    journal: SqliteJournal,
    state: Custody,
    witness: Arc<Witness>,
    /// Entries that the newest snapshot holds.
    snapshot_size: u64,
}

impl Opened {
    /// The state as the journal has it.
    #[must_use]
    pub const fn state(&self) -> &Custody {
        &self.state
    }

    /// Starts the threads, with the replica that keeps views and snapshots.
    ///
    /// # Errors
    ///
    /// [`Fault`] where the views cannot be opened and brought up to date.
    pub fn run(self, options: &Options) -> Result<(Running, Arc<Replica>), Fault> {
        let writer = Writer::open(options, &self.journal, &self.state, self.snapshot_size)?;
        let shared = writer.shared();
        let (sender, entries) = channel();
        let mut running = self.start(Some(sender));
        running.threads.push(thread::spawn(move || writer.run(&entries)));
        Ok((running, shared))
    }

    /// Starts the threads without a replica: for benchmarks and tests.
    #[must_use]
    pub fn run_alone(self) -> Running {
        self.start(None)
    }

    fn start(self, replica: Option<std::sync::mpsc::Sender<Vec<Entry>>>) -> Running {
        let (sender, messages) = sync_channel(QUEUE_MAX);
        let (turn_sender, turns) = sync_channel(TURNS_MAX);
        let Self { journal, state, witness, .. } = self;
        let keys = Arc::new(Keys::new(state.keys().copied()));
        let (told, known) = (Arc::clone(&witness), Arc::clone(&keys));
        let journal_thread = thread::spawn(move || {
            journal_thread::run(Box::new(journal), &turns, &told, &known, replica.as_ref());
        });
        let core_thread = thread::spawn(move || turn::run(state, &messages, &turn_sender));
        Running { core: Core { sender }, threads: vec![core_thread, journal_thread], witness, keys }
    }
}

/// Opens the journal, or begins one, and replays what no snapshot holds.
///
/// # Errors
///
/// [`OpenFault`]; nothing was changed, and people must look.
pub fn open(options: &Options) -> Result<Opened, OpenFault> {
    let folder = |source| OpenFault::Folder { path: options.dir.clone(), source };
    std::fs::create_dir_all(&options.dir).map_err(folder)?;
    let identity = Identity { deployment: options.deployment, shard: options.shard };
    let path = options.journal();
    if !path.try_exists().map_err(folder)? {
        if let Some(head) = options.witnessed.filter(|head| head.size > 0) {
            return Err(OpenFault::JournalMissing { path, size: head.size });
        }
        let journal = SqliteJournal::create(&path, identity)?;
        let (state, witnessed, since) = (Custody::default(), Frontier::new(), Vec::new());
        return Ok(opened(Replayed { journal, state, witnessed, since }, 0));
    }
    let snapshot = newest_snapshot(options, &identity)?;
    let (state, position) =
        snapshot.unwrap_or_else(|| (Custody::default(), Position::start(&identity)));
    let snapshot_size = position.size();
    let witnessed = options.witnessed;
    let opening = Opening { path, identity, position: Some(position), witnessed };
    Ok(opened(replay(&opening, state)?, snapshot_size))
}

fn opened(replayed: Replayed, snapshot_size: u64) -> Opened {
    let Replayed { journal, state, witnessed, since } = replayed;
    let current = journal.frontier().clone();
    let witness = Arc::new(Witness::new(journal.shard(), witnessed, since, current));
    Opened { journal, state, witness, snapshot_size }
}

/// The newest snapshot that this release can use.
pub(crate) fn newest_snapshot(
    options: &Options,
    identity: &Identity,
) -> Result<Option<(Custody, Position)>, Fault> {
    let store = SnapshotStore::open(&options.snapshots(), *identity)?;
    let loaded = store.load_newest(STATE_VERSION)?;
    for skipped in &loaded.skipped {
        tracing::warn!(%skipped, "a snapshot was passed over");
    }
    let Some(mut snapshot) = loaded.snapshot else { return Ok(None) };
    match Custody::read_from(snapshot.state()) {
        Ok(state) => Ok(Some((state, snapshot.position))),
        Err(error) => {
            tracing::warn!(%error, "the newest snapshot cannot be used; the journal is replayed");
            Ok(None)
        }
    }
}
