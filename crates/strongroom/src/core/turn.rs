//! One turn of the core thread: take what waits, decide, apply, hand everything on at once.

use std::sync::mpsc::{Receiver, SyncSender};

use custody::{Command, CorruptHistory, Custody, Event, Refusal, event::RefusalRecorded};
use primitives::{KeyId, Timestamp};

use super::{Message, Reveal};
use crate::clock;

/// Commands and reads that one turn takes at most: while the disk writes one turn the next is
/// decided, which a turn of all that wait would never let happen.
const TURN_MAX: usize = 256;
/// How often the consequences of one block are asked for at most: more means that they feed on
/// themselves.
const ADVANCES_MAX: usize = 10_000;

/// What one turn made: events to be journaled, and answers for when they are durable.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) events: Vec<(Timestamp, Event)>,
    pub(crate) reveals: Vec<Reveal>,
}

/// Runs until the last handle is gone or a stop is asked. A damaged history aborts the process:
/// nobody is answered from a state that cannot be.
pub(crate) fn run(mut state: Custody, messages: &Receiver<Message>, turns: &SyncSender<Turn>) {
    while let Ok(first) = messages.recv() {
        let mut turn = Turn::default();
        let mut stopped = false;
        let waiting = std::iter::once(first).chain(messages.try_iter()).take(TURN_MAX);
        for message in waiting {
            if let Err(corrupt) = take(&mut state, message, &mut turn, &mut stopped) {
                tracing::error!(%corrupt, "the history is damaged; the process stops");
                std::process::abort();
            }
            if stopped {
                break;
            }
        }
        drop(state.take_touched());
        if turns.send(turn).is_err() || stopped {
            return;
        }
    }
}

fn take(
    state: &mut Custody,
    message: Message,
    turn: &mut Turn,
    stopped: &mut bool,
) -> Result<(), CorruptHistory> {
    match message {
        Message::Read(look) => turn.reveals.push(look(state)),
        Message::Stop => *stopped = true,
        Message::Command { command, answer } => {
            let outcome = execute(state, &command, turn)?;
            turn.reveals.push(answer(state, outcome));
        }
    }
    Ok(())
}

fn execute(
    state: &mut Custody,
    command: &Command,
    turn: &mut Turn,
) -> Result<Result<(), Refusal>, CorruptHistory> {
    let at = clock::now().max(state.now());
    let outcome = match state.decide(at, command) {
        Ok(events) => {
            fold(state, at, events, turn)?;
            Ok(())
        }
        Err(refusal) => {
            let audit = audit(command, &refusal);
            fold(state, at, audit, turn)?;
            Err(refusal)
        }
    };
    let moves_the_chain =
        matches!(command, Command::ConnectBlock { .. } | Command::DisconnectBlock { .. });
    if moves_the_chain && outcome.is_ok() {
        advance(state, at, turn)?;
    }
    Ok(outcome)
}

/// Does what follows from a block, in the same turn, until nothing follows.
fn advance(state: &mut Custody, at: Timestamp, turn: &mut Turn) -> Result<(), CorruptHistory> {
    for _ in 0..ADVANCES_MAX {
        let events = state.decide(at, &Command::Advance).unwrap_or_default();
        if events.is_empty() {
            return Ok(());
        }
        fold(state, at, events, turn)?;
    }
    let reason = "the consequences of a block never end".to_owned();
    Err(CorruptHistory { event: "Advance", seq: state.seq(), reason })
}

fn fold(
    state: &mut Custody,
    at: Timestamp,
    events: Vec<Event>,
    turn: &mut Turn,
) -> Result<(), CorruptHistory> {
    for event in events {
        state.apply(at, &event)?;
        turn.events.push((at, event));
    }
    Ok(())
}

/// A refusal of somebody recognised is part of the audit log. What the house asks of itself is
/// not: it asks every second.
fn audit(command: &Command, refusal: &Refusal) -> Vec<Event> {
    let key: Option<KeyId> = match command {
        Command::AssignAddress { asked } => Some(asked.key()),
        Command::RequestWithdrawal { asked } => Some(asked.key()),
        Command::CancelWithdrawal { asked } => Some(asked.key()),
        Command::SettleTransfers { asked } => Some(asked.key()),
        Command::OpenAccount { .. }
        | Command::RegisterKey { .. }
        | Command::RevokeKey { .. }
        | Command::FreezeAccount { .. }
        | Command::ThawAccount { .. }
        | Command::ApproveWithdrawal { .. }
        | Command::DenyWithdrawal { .. }
        | Command::StopReleases { .. }
        | Command::ResumeReleases { .. } => None,
        Command::Configure { .. }
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
        | Command::RecordSnapshot { .. } => return Vec::new(),
    };
    let (command, rule) = (command.name().to_owned(), refusal.id().to_owned());
    vec![RefusalRecorded { key, command, rule }.into()]
}
