//! The thread that makes turns durable and then lets their answers go.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender},
};

use custody::Event;
use primitives::Timestamp;
use store::{Entry, Journal, Record};

use super::{Keys, turn::Turn, witness::Witness};
use crate::replica::Heard;

#[cfg(test)]
mod tests;

/// Runs until the core thread is gone. Any error of the journal aborts the process: nobody knows
/// what is durable, and the next start finds out by reading.
pub(crate) fn run(
    mut journal: Box<dyn Journal>,
    turns: &Receiver<Turn>,
    witness: &Arc<Witness>,
    keys: &Keys,
    replica: Option<&Sender<Heard>>,
) {
    while let Ok(turn) = turns.recv() {
        let Turn { events, reveals } = turn;
        if !events.is_empty() {
            let first_seq = journal.next_seq();
            let entries = append(journal.as_mut(), first_seq, &events, witness);
            let entries = entries.unwrap_or_else(|reason| {
                tracing::error!(first_seq, reason, "the journal failed; the process stops");
                std::process::abort()
            });
            keys.take_in(&events);
            if let Some(replica) = replica {
                let _gone = replica.send(Heard::Entries(entries));
            }
        }
        for reveal in reveals {
            reveal();
        }
    }
}

fn append(
    journal: &mut dyn Journal,
    first_seq: u64,
    events: &[(Timestamp, Event)],
    witness: &Arc<Witness>,
) -> Result<Vec<Entry>, String> {
    let records: Result<Vec<Record>, _> =
        events.iter().map(|(at, event)| record(*at, event)).collect();
    let records = records.map_err(|error| error.to_string())?;
    let appended = journal.append(first_seq, &records).map_err(|fault| fault.to_string())?;
    witness.extend(&appended.leaves, journal.frontier());
    Ok(appended.into_entries(records))
}

/// An event in the form in which the journal stores it.
pub(crate) fn record(at: Timestamp, event: &Event) -> Result<Record, std::io::Error> {
    let (kind, version) = event.kind();
    Ok(Record { at, kind, version, body: event.encode()? })
}
