//! Opening the house: journal, snapshot, replay, and the comparison with what the signer has
//! witnessed. A journal that is shorter than the signer remembers is never opened, and no state is
//! taken from a file that a witnessed entry of the journal does not name.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Sender, channel, sync_channel},
    },
    thread,
};

use custody::Custody;
use primitives::DeploymentId;
use signer_protocol::TreeHead;
use store::{Fault, Identity, Journal, Position, SqliteJournal, Unread};

use super::{
    Core, Keys, QUEUE_MAX, Running, journal_thread,
    replay::{Passed, Replayed, replay},
    snapshot::{self, Candidate, Named, PassedOver},
    turn,
    witness::Witness,
};
use crate::replica::{Heard, Replica, Writer};

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
    saved: Saved,
}

/// What of the state is on the disk already.
pub(crate) struct Saved {
    /// The snapshot with which this life began.
    pub(crate) named: Option<Named>,
    /// Entries since that are worth a new one.
    pub(crate) unsaved: u64,
}

impl Opened {
    /// The state as the journal has it.
    #[must_use]
    pub const fn state(&self) -> &Custody {
        &self.state
    }

    /// Entries in the snapshot with which it began; `None` where the whole journal was replayed.
    #[must_use]
    pub fn began_with(&self) -> Option<u64> {
        self.saved.named.as_ref().map(|named| named.seq)
    }

    /// Starts the threads, with the replica that keeps views and snapshots.
    ///
    /// # Errors
    ///
    /// [`Fault`] where the views cannot be opened and brought up to date.
    pub fn run(self, options: &Options) -> Result<(Running, Arc<Replica>), Fault> {
        let writer = Writer::open(options, &self.journal, &self.state, &self.saved)?;
        let shared = writer.shared();
        let (sender, heard) = channel();
        let mut running = self.start(Some(sender));
        let core = running.core();
        running.threads.push(thread::spawn(move || writer.run(&heard, &core)));
        Ok((running, shared))
    }

    /// Starts the threads without a replica: for benchmarks and tests.
    #[must_use]
    pub fn run_alone(self) -> Running {
        self.start(None)
    }

    fn start(self, replica: Option<Sender<Heard>>) -> Running {
        let (sender, messages) = sync_channel(QUEUE_MAX);
        let (turn_sender, turns) = sync_channel(TURNS_MAX);
        let Self { journal, state, witness, .. } = self;
        let keys = Arc::new(Keys::new(state.keys().copied()));
        let (told, known, teller) = (Arc::clone(&witness), Arc::clone(&keys), replica.clone());
        let journal_thread = thread::spawn(move || {
            journal_thread::run(Box::new(journal), &turns, &told, &known, teller.as_ref());
        });
        let core_thread = thread::spawn(move || turn::run(state, &messages, &turn_sender));
        let threads = vec![core_thread, journal_thread];
        Running { core: Core { sender }, threads, witness, keys, replica }
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
        return Ok(opened(journal, Custody::default(), Passed::default(), None));
    }
    let unread = Unread::open(&path, identity)?;
    let found = snapshot::find(options, &identity, &unread)?;
    let begun = snapshot::first_that(found.candidates, |it| begin_with(options, &unread, it));
    let (replayed, named) = if let Some((replayed, named)) = begun {
        (replayed, Some(named))
    } else {
        let start = (Custody::default(), &Position::start(&identity));
        (replay(&unread, start, options.witnessed, 0)?, None)
    };
    let Replayed { end, state, passed } = replayed;
    let (size, position) = (end.position().size(), found.size_max);
    // Snapshots hold durable entries only. Nothing else shows a loss behind the witnessed head.
    if position > size {
        return Err(Fault::ShorterThanPosition { size, position }.into());
    }
    Ok(opened(unread.begin(end)?, state, passed, named))
}

/// Begins with a snapshot, if it is what the signer has witnessed: see [`Unread::follow`] for why
/// the place that it brings along cannot be another one. The entry that names it is compared
/// once more, now that the chain up to the witnessed head is known to be what was witnessed.
fn begin_with(
    options: &Options,
    unread: &Unread,
    candidate: Candidate,
) -> Result<(Replayed, Named), PassedOver> {
    let Candidate { snapshot, claim } = candidate;
    let (path, digest) = (snapshot.path.clone(), snapshot.state_digest);
    let position = snapshot.position.clone();
    let state = snapshot.read(|mut from| Custody::read_from(&mut from))?;
    let seq = position.size();
    if state.seq() != seq {
        return Err(PassedOver::AnotherPlace { position: seq, state: state.seq() });
    }
    let replayed = replay(unread, (state, &position), options.witnessed, claim.seq)?;
    if replayed.passed.leaf != Some(claim.leaf) {
        return Err(PassedOver::ClaimAltered { claim: claim.seq });
    }
    tracing::info!(seq, claim = claim.seq, "began with a snapshot");
    Ok((replayed, Named { path, seq, digest }))
}

fn opened(journal: SqliteJournal, state: Custody, passed: Passed, named: Option<Named>) -> Opened {
    let Passed { witnessed, since, unsaved, .. } = passed;
    let current = journal.frontier().clone();
    let witness = Arc::new(Witness::new(journal.shard(), witnessed, since, current));
    Opened { journal, state, witness, saved: Saved { named, unsaved } }
}
