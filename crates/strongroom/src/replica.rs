//! The second replayer: hears every entry once it is durable, keeps the views, and takes snapshots
//! without stalling the core. If it fails, lists are not served and the core goes on; the next
//! start builds the views anew.
//!
//! A snapshot that it has written it has the journal name: until the signer has witnessed that
//! entry no start uses the file. The core takes the digest as it is, since computing it would hold
//! up every decision: a replica that went astray is found by `journal verify --replay`.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender},
    },
    time::Duration,
};

use custody::{Command, Custody, Event, STATE_VERSION, event::SnapshotTaken};
use store::{
    Entry, Fault, Identity, Journal, Learner, Position, ReadModel, SnapshotStore, SqliteJournal,
    Views,
};
use tokio::sync::Notify;

use crate::core::{Core, Named, NoAnswer, Options, Saved};

/// Entries between two snapshots. Those that name one do not count: a snapshot must not lead to
/// the next.
const SNAPSHOT_EVERY: u64 = 1_000_000;
/// How long a look at everything waits for the second state.
const LOOK_WAIT: Duration = Duration::from_secs(5);
/// Entries in one transaction of the views.
const BATCH_MAX: usize = 10_000;

/// What the replica is told.
pub(crate) enum Heard {
    /// Entries that are durable.
    Entries(Vec<Entry>),
    /// The state is to be saved now; what is sent along is dropped when that is over.
    Save(Sender<()>),
}

/// What readers of lists share.
pub struct Replica {
    /// The lists.
    pub lists: ReadModel,
    learner: Learner,
    applied: AtomicU64,
    failed: AtomicBool,
    moved: Notify,
}

impl Replica {
    /// The last entry that lists show.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Whether the views failed and lists cannot be served.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Looks at the second state as soon as it shows all that the core shows now. For looks at
    /// everything, such as sums over all accounts: they hold up the views, and not the core.
    /// Where the views failed, the core is asked all the same.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] where the core does not answer.
    pub async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        core: &Core,
        look: impl FnOnce(&Custody) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let seq = core.read(Custody::seq).answer().await?;
        if !self.reach(seq, LOOK_WAIT).await {
            return core.read(look).answer().await;
        }
        let learner = self.learner.clone();
        let looked = tokio::task::spawn_blocking(move || look(&learner.state())).await;
        looked.map_err(|_| NoAnswer::Stopped)
    }

    /// Waits until lists show entry `seq`, at most for `limit`; says whether they do.
    pub async fn reach(&self, seq: u64, limit: Duration) -> bool {
        let reached = async {
            loop {
                let moved = self.moved.notified();
                if self.applied() >= seq || self.has_failed() {
                    return;
                }
                moved.await;
            }
        };
        let _timed_out = tokio::time::timeout(limit, reached).await;
        self.applied() >= seq && !self.has_failed()
    }
}

/// The replica's writing side, before its thread runs.
pub(crate) struct Writer {
    views: Views,
    learner: Learner,
    position: Position,
    snapshots: SnapshotStore,
    /// Entries worth saving since the newest snapshot.
    unsaved: u64,
    /// A snapshot that the journal does not name yet.
    unnamed: Option<Named>,
    /// The newest that it names.
    named: Option<Named>,
    shared: Arc<Replica>,
}

impl Writer {
    /// Opens the views and brings them to the end of `journal`, where the core stands with `live`.
    pub(crate) fn open(
        options: &Options,
        journal: &SqliteJournal,
        live: &Custody,
        saved: &Saved,
    ) -> Result<Self, Fault> {
        let path = options.dir.join("views.sqlite");
        let learner = Learner::new(Custody::default());
        let identity = journal.identity();
        let snapshots = SnapshotStore::open(&options.snapshots(), identity)?;
        let mut views = open_views(&path, identity, &learner).inspect_err(|_| advise(&path))?;
        if views.applied() > journal.size() {
            drop(views);
            remove(&path);
            views = open_views(&path, identity, &learner)?;
        }
        let applied = views.applied();
        let state = if applied == journal.size() {
            live.clone()
        } else {
            // The last views were not durable: they go on from where they are.
            let usable = saved.named.as_ref().filter(|named| named.seq <= applied);
            let state = usable.map(|named| named.read_again(&snapshots)).transpose()?;
            replay_to(journal, state.flatten(), applied)?
        };
        *learner.state() = state;
        views.catch_up(journal).inspect_err(|fault| {
            if matches!(fault, Fault::Sqlite { path: at, .. } if *at == path) {
                advise(&path);
            }
        })?;
        let shared = Arc::new(Replica {
            lists: ReadModel::new(views.readers(4)),
            learner: learner.clone(),
            applied: AtomicU64::new(views.applied()),
            failed: AtomicBool::new(false),
            moved: Notify::new(),
        });
        let position = journal.position().clone();
        let (unsaved, named) = (saved.unsaved, saved.named.clone());
        Ok(Self { views, learner, position, snapshots, unsaved, unnamed: None, named, shared })
    }

    pub(crate) fn shared(&self) -> Arc<Replica> {
        Arc::clone(&self.shared)
    }

    /// Runs until nobody is left who tells it anything.
    pub(crate) fn run(mut self, heard: &Receiver<Heard>, core: &Core) {
        let mut put_off = None;
        while let Some(message) = put_off.take().or_else(|| heard.recv().ok()) {
            let mut batch = match message {
                Heard::Entries(entries) => entries,
                Heard::Save(over) => {
                    self.save(core);
                    drop(over);
                    continue;
                }
            };
            while batch.len() < BATCH_MAX && put_off.is_none() {
                match heard.try_recv() {
                    Ok(Heard::Entries(more)) => batch.extend(more),
                    Ok(save) => put_off = Some(save),
                    Err(_) => break,
                }
            }
            if let Err(fault) = self.apply(&batch, core) {
                tracing::error!(%fault, "the views failed; lists are not served until a restart");
                self.shared.failed.store(true, Ordering::Release);
                self.shared.moved.notify_waiters();
                return;
            }
        }
    }

    fn apply(&mut self, batch: &[Entry], core: &Core) -> Result<(), Fault> {
        self.views.apply_batch(batch)?;
        for entry in batch {
            self.position.push(entry.leaf)?;
            let worth = u64::from(entry.record.kind != SnapshotTaken::KIND.0);
            self.unsaved = self.unsaved.saturating_add(worth);
        }
        self.shared.applied.store(self.views.applied(), Ordering::Release);
        self.shared.moved.notify_waiters();
        if self.unsaved >= SNAPSHOT_EVERY {
            self.save(core);
        } else {
            self.name(core);
        }
        Ok(())
    }

    /// Saves the state if anything has happened since it was saved last, and has the journal name
    /// what it does not name yet.
    fn save(&mut self, core: &Core) {
        if self.unsaved > 0 {
            self.write();
        }
        self.name(core);
    }

    /// A snapshot that cannot be written costs only time at the next start.
    fn write(&mut self) {
        let state = self.learner.state();
        let written = self
            .snapshots
            .write(STATE_VERSION, &self.position, |mut file| state.write_to(&mut file));
        drop(state);
        self.unsaved = 0;
        match written {
            Ok(written) => {
                let (seq, digest) = (self.position.size(), written.state_digest);
                tracing::info!(seq, bytes = written.state_bytes, "snapshot");
                self.unnamed = Some(Named { path: written.path, seq, digest });
            }
            Err(fault) => tracing::warn!(%fault, "no snapshot could be taken"),
        }
    }

    /// Has the journal name the newest snapshot. The core never waits for this thread, so that
    /// this thread may wait for the core. A core that is busy is asked again.
    fn name(&mut self, core: &Core) {
        let Some(named) = self.unnamed.take() else { return };
        let (seq, digest) = (named.seq, named.digest);
        let taken = SnapshotTaken { seq, state_version: STATE_VERSION, digest };
        let command = Command::RecordSnapshot { taken };
        match core.execute(command, |_, outcome| outcome).wait() {
            Ok(Ok(())) => self.keep(named),
            Ok(Err(refusal)) => tracing::warn!(%refusal, seq, "a snapshot was not named"),
            Err(NoAnswer::Busy) => self.unnamed = Some(named),
            Err(NoAnswer::Stopped) => tracing::warn!(seq, "a snapshot was not named in time"),
        }
    }

    /// Removes all but the newest two that the journal names: the newer one may be damaged, or
    /// the signer may not have witnessed its name when the next start asks.
    fn keep(&mut self, named: Named) {
        let before = self.named.replace(named.clone()).map(|before| before.path);
        let kept: Vec<_> = std::iter::once(named.path).chain(before).collect();
        if let Err(fault) = self.snapshots.retain(&kept) {
            tracing::warn!(%fault, "old snapshots could not be removed");
        }
    }
}

fn open_views(path: &Path, identity: Identity, learner: &Learner) -> Result<Views, Fault> {
    Views::open(path, identity, vec![Box::new(learner.clone())])
}

/// What helps where the views cannot be used. A person does it: the reason may be the disk.
fn advise(path: &Path) {
    let path = path.display();
    tracing::error!(
        "{path} cannot be used; it decides nothing: remove it, with {path}-wal and {path}-shm, and \
         the next start builds it anew from the journal"
    );
}

/// Views of a history that is gone are dropped: they are rebuilt from the journal.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _absent = std::fs::remove_file(PathBuf::from(file));
    }
}

/// The state after `applied` entries.
fn replay_to(
    journal: &dyn Journal,
    snapshot: Option<Custody>,
    applied: u64,
) -> Result<Custody, Fault> {
    let mut state = snapshot.unwrap_or_default();
    let from = state.seq().saturating_add(1);
    journal.read(from, &mut |entry| {
        if entry.seq > applied {
            return ControlFlow::Break(());
        }
        // What cannot be folded here could not be folded by the core, which opened first.
        let record = &entry.record;
        if let Ok(event) = Event::decode(record.kind, record.version, &record.body) {
            let _folded = state.apply(record.at, &event);
        }
        ControlFlow::Continue(())
    })?;
    drop(state.take_touched());
    Ok(state)
}
