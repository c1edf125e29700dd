//! The shell under test, in the shape of the real server: what waits is decided and applied in one
//! turn, appended once, and only then answered. It holds nothing that matters: killed at any
//! moment, it begins again from its disks.

use std::collections::{BTreeSet, VecDeque};

use bitcoin::Txid;
use custody::{Command, Custody, Event, Refusal, event::RefusalRecorded};
use primitives::{KeyId, Timestamp, WithdrawalId};

use super::{
    disk::LogFile,
    door::Door,
    failure::Found,
    invariants,
    journal::{Dated, Journal},
    worker::Worker,
};

/// Commands that one turn takes at most.
const TURN_MAX: usize = 8;
/// How often the consequences of one block are asked for at most.
const ADVANCES_MAX: usize = 1000;
/// The invariant that an event breaks which cannot follow.
pub(crate) const APPLIES: &str = "history-applies";

/// What survives the server's process.
#[derive(Debug, Default)]
pub(crate) struct Disks {
    pub(crate) journal: LogFile,
    pub(crate) snapshots: LogFile,
}

/// What an answer promises for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The withdrawal is known.
    Withdrawal(WithdrawalId),
}

/// An answer that may leave when the turn is durable.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) command: &'static str,
    pub(crate) outcome: Result<(), Refusal>,
    pub(crate) promise: Option<Promise>,
}

/// What one turn made.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) events: Vec<Dated>,
    pub(crate) answers: Vec<Answer>,
}

/// The server's process.
pub(crate) struct Server {
    pub(crate) state: Custody,
    pub(crate) journal: Journal,
    pub(crate) waiting: VecDeque<Command>,
    pub(crate) door: Door,
    pub(crate) worker: Worker,
    /// Transactions of the mempool that the core was told of.
    pub(crate) seen: BTreeSet<Txid>,
}

impl Server {
    /// The process after its state was recovered at `started`.
    pub(crate) fn start(state: Custody, journal: Journal, started: Timestamp) -> Self {
        // No request may be accepted twice by two lives of the process, whatever the clock says.
        let started = started.max(state.now());
        Self {
            state,
            journal,
            waiting: VecDeque::new(),
            door: Door::open(started),
            worker: Worker::default(),
            seen: BTreeSet::new(),
        }
    }

    /// Whether the core has not yet decided what the worker told it last. Until then the worker
    /// does nothing: a batch of which a refusal waits must not be asked for again, or it may be
    /// signed and dissolved at once.
    pub(crate) fn has_news_of_batches(&self) -> bool {
        self.waiting.iter().any(|command| {
            matches!(
                command,
                Command::AssembleBatch { .. }
                    | Command::RecordSigned { .. }
                    | Command::RecordRefused { .. }
                    | Command::RecordBroadcast { .. }
            )
        })
    }

    /// Takes what waits, decides and applies. Nothing of it is durable yet.
    pub(crate) fn take_turn(&mut self, now: Timestamp) -> Result<Turn, Found> {
        let mut turn = Turn::default();
        for _ in 0..TURN_MAX {
            let Some(command) = self.waiting.pop_front() else { break };
            let outcome = self.execute(now, &command, &mut turn)?;
            let promise = outcome.is_ok().then(|| promise(&command)).flatten();
            turn.answers.push(Answer { command: command.name(), outcome, promise });
        }
        drop(self.state.take_touched());
        Ok(turn)
    }

    fn execute(
        &mut self,
        now: Timestamp,
        command: &Command,
        turn: &mut Turn,
    ) -> Result<Result<(), Refusal>, Found> {
        let at = now.max(self.state.now());
        let (events, outcome) = match self.state.decide(at, command) {
            Ok(events) => (events, Ok(())),
            Err(refusal) => (audit(command, &refusal), Err(refusal)),
        };
        self.fold(at, events, turn)?;
        let moves_the_chain =
            matches!(command, Command::ConnectBlock { .. } | Command::DisconnectBlock { .. });
        if moves_the_chain && outcome.is_ok() {
            self.advance(at, turn)?;
        }
        Ok(outcome)
    }

    /// Does what follows from a block, in the same turn, until nothing follows.
    fn advance(&mut self, at: Timestamp, turn: &mut Turn) -> Result<(), Found> {
        for _ in 0..ADVANCES_MAX {
            let events = self.state.decide(at, &Command::Advance).unwrap_or_default();
            if events.is_empty() {
                return Ok(());
            }
            self.fold(at, events, turn)?;
        }
        Err(Found::new(APPLIES, "the consequences of a block never end"))
    }

    fn fold(&mut self, at: Timestamp, events: Vec<Event>, turn: &mut Turn) -> Result<(), Found> {
        for event in events {
            invariants::credited_deep_enough(&self.state, &event)?;
            apply(&mut self.state, at, &event)?;
            turn.events.push((at, event));
        }
        Ok(())
    }
}

/// Folds one event; what cannot follow is a broken invariant.
pub(crate) fn apply(state: &mut Custody, at: Timestamp, event: &Event) -> Result<(), Found> {
    state.apply(at, event).map_err(|corrupt| Found::new(APPLIES, corrupt.to_string()))
}

fn promise(command: &Command) -> Option<Promise> {
    let Command::RequestWithdrawal { asked } = command else { return None };
    Some(Promise::Withdrawal(asked.request().id()))
}

/// A refusal of somebody recognised is part of the audit log.
fn audit(command: &Command, refusal: &Refusal) -> Vec<Event> {
    let key = asker(command);
    if key.is_none() {
        return Vec::new();
    }
    let (command, rule) = (command.name().to_owned(), refusal.id().to_owned());
    vec![RefusalRecorded { key, command, rule }.into()]
}

fn asker(command: &Command) -> Option<KeyId> {
    match command {
        Command::AssignAddress { asked } => Some(asked.key()),
        Command::RequestWithdrawal { asked } => Some(asked.key()),
        Command::CancelWithdrawal { asked } => Some(asked.key()),
        Command::SettleTransfers { asked } => Some(asked.key()),
        Command::Configure { .. }
        | Command::OpenAccount { .. }
        | Command::RegisterKey { .. }
        | Command::RevokeKey { .. }
        | Command::FreezeAccount { .. }
        | Command::ThawAccount { .. }
        | Command::ApproveWithdrawal { .. }
        | Command::DenyWithdrawal { .. }
        | Command::AssembleBatch { .. }
        | Command::RecordSigned { .. }
        | Command::RecordRefused { .. }
        | Command::RecordBroadcast { .. }
        | Command::ConnectBlock { .. }
        | Command::DisconnectBlock { .. }
        | Command::SeeTransaction { .. }
        | Command::ForgetTransaction { .. }
        | Command::Advance
        | Command::Tick
        | Command::Reconcile
        | Command::StopReleases { .. }
        | Command::ResumeReleases { .. }
        | Command::RecordSnapshot { .. } => None,
    }
}
