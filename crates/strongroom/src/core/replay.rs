//! Reading what no snapshot holds: one thread reads the journal and checks its chain, another
//! folds. What was folded counts only when the whole chain was found to be what was written.

use std::{
    mem,
    ops::ControlFlow,
    panic::resume_unwind,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use custody::{Custody, Event};
use signer_protocol::merkle::Frontier;
use store::{Entry, Fault, Journal, Opening, Position, SqliteJournal};

use super::open::OpenFault;

/// Entries that are handed to the folding thread at once.
const CHUNK: usize = 512;
/// Chunks that wait for it.
const CHUNKS_WAITING: usize = 4;

/// A journal, the state that it leads to, and where the signer stands in it.
pub(super) struct Replayed {
    pub(super) journal: SqliteJournal,
    pub(super) state: Custody,
    /// What the signer has witnessed.
    pub(super) witnessed: Frontier,
    /// The leaves since.
    pub(super) since: Vec<[u8; 32]>,
}

/// Opens the journal and folds what comes after [`Opening::position`] into `state`, which is the
/// state there.
pub(super) fn replay(opening: &Opening, state: Custody) -> Result<Replayed, OpenFault> {
    let witnessed_size = opening.witnessed.map_or(0, |head| head.size);
    let from = opening.position.as_ref().map_or(0, Position::size);
    let mut witnessed = Frontier::new();
    if let Some(position) = opening.position.as_ref().filter(|_| from == witnessed_size) {
        witnessed.clone_from(position.frontier());
    }
    let mut since = Vec::new();
    let (sender, chunks) = sync_channel(CHUNKS_WAITING);
    let (journal, state) = thread::scope(|scope| {
        let folding = scope.spawn(move || fold(state, &chunks));
        let mut chunk = Vec::with_capacity(CHUNK);
        let journal = SqliteJournal::open_and(opening, &mut |position, entry| {
            if entry.seq == witnessed_size {
                witnessed.clone_from(position.frontier());
            } else if entry.seq > witnessed_size {
                since.push(entry.leaf);
            }
            chunk.push(entry);
            if chunk.len() == CHUNK {
                // Where folding has failed nobody listens, and its result says why.
                let _gone = sender.send(mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
            }
        });
        let _gone = sender.send(chunk);
        drop(sender);
        let folded = folding.join().unwrap_or_else(|panic| resume_unwind(panic));
        // A chain that is broken explains whatever could not be folded.
        Ok::<_, OpenFault>((journal?, folded?))
    })?;
    if witnessed_size < from {
        // The proof for the next head begins where the signer stands, before the snapshot.
        let mut before;
        (witnessed, before) = leaves_until(&journal, witnessed_size, from)?;
        before.append(&mut since);
        since = before;
    }
    Ok(Replayed { journal, state, witnessed, since })
}

fn fold(mut state: Custody, chunks: &Receiver<Vec<Entry>>) -> Result<Custody, OpenFault> {
    for chunk in chunks {
        for entry in chunk {
            let wrong = |reason: String| OpenFault::Entry { seq: entry.seq, reason };
            let record = &entry.record;
            let event = Event::decode(record.kind, record.version, &record.body)
                .map_err(|error| wrong(error.to_string()))?;
            state.apply(record.at, &event).map_err(|corrupt| wrong(corrupt.to_string()))?;
        }
        // Nobody asks what a replay has touched: it must not grow with the journal.
        drop(state.take_touched());
    }
    Ok(state)
}

/// The tree over the first `witnessed` entries, and the leaves from there to entry `until`.
fn leaves_until(
    journal: &SqliteJournal,
    witnessed: u64,
    until: u64,
) -> Result<(Frontier, Vec<[u8; 32]>), Fault> {
    let (mut frontier, mut since, mut full) = (Frontier::new(), Vec::new(), false);
    journal.read(1, &mut |entry| {
        if entry.seq > until {
            return ControlFlow::Break(());
        }
        if entry.seq > witnessed {
            since.push(entry.leaf);
        } else {
            full |= frontier.push(entry.leaf).is_err();
        }
        ControlFlow::Continue(())
    })?;
    if full { Err(Fault::JournalFull) } else { Ok((frontier, since)) }
}
