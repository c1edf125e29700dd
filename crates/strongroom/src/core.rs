//! The core: one thread owns the state, takes what waits, decides, applies; a second makes the turn
//! durable and only then lets the answers go.
//!
//! ```text
//! callers --commands, reads--> core thread --turn: records + answers--> journal thread --> disk
//!    ^                                                                       |
//!    `------------------------- answers, when durable -----------------------'--> replica, witness
//! ```
//!
//! **Nothing leaks below the durable mark.** A read sees the state as of its turn, and its answer
//! travels with the turn: it is given only when everything that the state contains is durable. An
//! append that fails aborts the process; recovery starts from the journal.

mod journal_thread;
mod keys;
mod open;
mod replay;
mod snapshot;
mod turn;
pub mod witness;

use std::{
    sync::{
        Arc,
        mpsc::{Sender, SyncSender, TrySendError, channel},
    },
    thread::JoinHandle,
};

use custody::{Command, Custody, Refusal};
use tokio::sync::oneshot;

use crate::replica::Heard;

pub use keys::Keys;
pub(crate) use open::Saved;
pub use open::{OpenFault, Opened, Options, open};
pub(crate) use snapshot::Named;

/// Commands and reads that may wait; more are refused with `busy`.
pub const QUEUE_MAX: usize = 65_536;

type Reveal = Box<dyn FnOnce() + Send>;
type Answer = Box<dyn FnOnce(&Custody, Result<(), Refusal>) -> Reveal + Send>;
type Look = Box<dyn FnOnce(&Custody) -> Reveal + Send>;

pub(crate) enum Message {
    Command { command: Box<Command>, answer: Answer },
    Read(Look),
    Stop,
}

/// Why the core did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// Too many callers wait.
    #[error("the core is busy: {QUEUE_MAX} requests wait; try again")]
    Busy,
    /// The core has stopped.
    #[error("the core has stopped")]
    Stopped,
}

/// A handle to the core; cheap to clone.
#[derive(Clone)]
pub struct Core {
    sender: SyncSender<Message>,
}

impl Core {
    /// Has `command` decided and, when its events are durable, gives what `view` saw of the state
    /// right after them.
    pub fn execute<T: Send + 'static>(
        &self,
        command: Command,
        view: impl FnOnce(&Custody, Result<(), Refusal>) -> T + Send + 'static,
    ) -> Pending<T> {
        let (reply, pending) = oneshot::channel();
        let answer: Answer = Box::new(move |state, outcome| {
            let seen = view(state, outcome);
            Box::new(move || {
                let _gone = reply.send(seen); // a caller who left needs no answer
            })
        });
        self.send(Message::Command { command: Box::new(command), answer }, pending)
    }

    /// Gives what `view` saw of the state, when all that it saw is durable.
    pub fn read<T: Send + 'static>(
        &self,
        view: impl FnOnce(&Custody) -> T + Send + 'static,
    ) -> Pending<T> {
        let (reply, pending) = oneshot::channel();
        let look: Look = Box::new(move |state| {
            let seen = view(state);
            Box::new(move || {
                let _gone = reply.send(seen); // a caller who left needs no answer
            })
        });
        self.send(Message::Read(look), pending)
    }

    fn send<T>(&self, message: Message, receiver: oneshot::Receiver<T>) -> Pending<T> {
        match self.sender.try_send(message) {
            Ok(()) => Pending { receiver: Ok(receiver) },
            Err(TrySendError::Full(_)) => Pending { receiver: Err(NoAnswer::Busy) },
            Err(TrySendError::Disconnected(_)) => Pending { receiver: Err(NoAnswer::Stopped) },
        }
    }
}

/// An answer that will come.
pub struct Pending<T> {
    receiver: Result<oneshot::Receiver<T>, NoAnswer>,
}

impl<T> Pending<T> {
    /// Waits in an asynchronous task.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub async fn answer(self) -> Result<T, NoAnswer> {
        self.receiver?.await.map_err(|_| NoAnswer::Stopped)
    }

    /// Waits in a thread of its own; never inside an asynchronous task.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn wait(self) -> Result<T, NoAnswer> {
        self.receiver?.blocking_recv().map_err(|_| NoAnswer::Stopped)
    }
}

/// The running threads of the core.
pub struct Running {
    core: Core,
    threads: Vec<JoinHandle<()>>,
    witness: Arc<witness::Witness>,
    keys: Arc<Keys>,
    replica: Option<Sender<Heard>>,
}

impl Running {
    /// A handle for callers.
    #[must_use]
    pub fn core(&self) -> Core {
        self.core.clone()
    }

    /// What the signer's head witness is told.
    #[must_use]
    pub fn witness(&self) -> Arc<witness::Witness> {
        Arc::clone(&self.witness)
    }

    /// The API keys that are durable.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// Has the state saved, and waits until the journal names it. For the end: the next start
    /// uses it if the signer is told of that entry.
    pub fn save(&self) {
        let (saving, saved) = channel();
        if let Some(replica) = &self.replica
            && replica.send(Heard::Save(saving)).is_ok()
        {
            let _over = saved.recv(); // nothing is sent: the other end goes
        }
    }

    /// Answers what waits, makes it durable and ends the threads.
    pub fn stop(self) {
        let _stopped = self.core.sender.send(Message::Stop);
        drop(self.replica);
        for thread in self.threads {
            let _ended = thread.join();
        }
    }
}
