//! The second replayer: hears every entry once it is durable, keeps the views, and takes snapshots
//! without stalling the core. It decides nothing. If it fails, lists are not served and the core
//! goes on; the next start builds the views anew.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use custody::{Custody, Event, STATE_VERSION};
use store::{
    Entry, Fault, Identity, Journal, Learner, Position, ReadModel, SnapshotStore, SqliteJournal,
    Views,
};
use tokio::sync::Notify;

use crate::core::{Core, NoAnswer, Options, newest_snapshot};

/// Entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 1_000_000;
/// How long a look at everything waits for the second state.
const LOOK_WAIT: Duration = Duration::from_secs(5);
/// Entries in one transaction of the views.
const BATCH_MAX: usize = 10_000;

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
    last_snapshot: u64,
    shared: Arc<Replica>,
}

impl Writer {
    /// Opens the views and brings them to the end of `journal`, where the core stands with `live`.
    /// The newest snapshot holds `last_snapshot` entries.
    pub(crate) fn open(
        options: &Options,
        journal: &SqliteJournal,
        live: &Custody,
        last_snapshot: u64,
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
            let usable = last_snapshot > 0 && last_snapshot <= applied;
            let snapshot = if usable { newest_snapshot(options, &identity)? } else { None };
            let snapshot = snapshot.filter(|(state, _)| state.seq() <= applied);
            replay_to(journal, snapshot.map(|(state, _)| state), applied)?
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
        Ok(Self { views, learner, position, snapshots, last_snapshot, shared })
    }

    pub(crate) fn shared(&self) -> Arc<Replica> {
        Arc::clone(&self.shared)
    }

    /// Runs until the journal thread is gone, and then takes a last snapshot.
    pub(crate) fn run(mut self, entries: &Receiver<Vec<Entry>>) {
        while let Ok(first) = entries.recv() {
            let mut batch = first;
            while batch.len() < BATCH_MAX {
                let Ok(more) = entries.try_recv() else { break };
                batch.extend(more);
            }
            if let Err(fault) = self.apply(&batch) {
                tracing::error!(%fault, "the views failed; lists are not served until a restart");
                self.shared.failed.store(true, Ordering::Release);
                self.shared.moved.notify_waiters();
                return;
            }
        }
        self.snapshot();
    }

    fn apply(&mut self, batch: &[Entry]) -> Result<(), Fault> {
        self.views.apply_batch(batch)?;
        for entry in batch {
            self.position.push(entry.leaf)?;
        }
        self.shared.applied.store(self.views.applied(), Ordering::Release);
        self.shared.moved.notify_waiters();
        if self.position.size().saturating_sub(self.last_snapshot) >= SNAPSHOT_EVERY {
            self.snapshot();
        }
        Ok(())
    }

    /// A snapshot that cannot be written costs only time at the next start.
    fn snapshot(&mut self) {
        if self.position.size() == self.last_snapshot {
            return;
        }
        let state = self.learner.state();
        let written = self
            .snapshots
            .write(STATE_VERSION, &self.position, |mut file| state.write_to(&mut file));
        match written {
            Ok(written) => {
                self.last_snapshot = self.position.size();
                tracing::info!(seq = self.last_snapshot, bytes = written.state_bytes, "snapshot");
            }
            Err(fault) => tracing::warn!(%fault, "no snapshot could be taken"),
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
