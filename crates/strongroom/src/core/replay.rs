//! Reading what no snapshot holds: one thread reads the journal and checks its chain, another
//! folds. What was folded counts only when the whole chain was found to be what was written.

use std::{
    mem,
    panic::resume_unwind,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use custody::{Custody, Event, event::SnapshotTaken};
use signer_protocol::{TreeHead, merkle::Frontier};
use store::{Entry, Followed, Position, Unread};

use super::open::OpenFault;

/// Entries that are handed to the folding thread at once.
const CHUNK: usize = 512;
/// Chunks that wait for it.
const CHUNKS_WAITING: usize = 4;

/// The state that a journal leads to, and where the signer stands in it.
pub(super) struct Replayed {
    pub(super) end: Followed,
    pub(super) state: Custody,
    pub(super) passed: Passed,
}

/// What was met on the way.
#[derive(Default)]
pub(super) struct Passed {
    /// What the signer has witnessed.
    pub(super) witnessed: Frontier,
    /// The leaves since.
    pub(super) since: Vec<[u8; 32]>,
    /// Entries that make a new snapshot worth its while: all but those that name one.
    pub(super) unsaved: u64,
    /// The leaf at the place that was asked for.
    pub(super) leaf: Option<[u8; 32]>,
}

/// Folds what comes after `position` into `state`, which is the state there, and notes the leaf of
/// entry `noted`. A position that is not the journal's start must lie before the witnessed head:
/// nothing else shows that it is the journal's.
pub(super) fn replay(
    unread: &Unread,
    (state, position): (Custody, &Position),
    witnessed: Option<TreeHead>,
    noted: u64,
) -> Result<Replayed, OpenFault> {
    let witnessed_size = witnessed.map_or(0, |head| head.size);
    let mut passed = Passed::default();
    let (sender, chunks) = sync_channel(CHUNKS_WAITING);
    let (end, state) = thread::scope(|scope| {
        let folding = scope.spawn(move || fold(state, &chunks));
        let mut chunk = Vec::with_capacity(CHUNK);
        let end = unread.follow(position, witnessed, &mut |position, entry| {
            passed.note(position, &entry, witnessed_size, noted);
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
        Ok::<_, OpenFault>((end?, folded?))
    })?;
    Ok(Replayed { end, state, passed })
}

impl Passed {
    fn note(&mut self, position: &Position, entry: &Entry, witnessed_size: u64, noted: u64) {
        if entry.seq == witnessed_size {
            self.witnessed.clone_from(position.frontier());
        } else if entry.seq > witnessed_size {
            self.since.push(entry.leaf);
        }
        if entry.seq == noted {
            self.leaf = Some(entry.leaf);
        }
        let worth = u64::from(entry.record.kind != SnapshotTaken::KIND.0);
        self.unsaved = self.unsaved.saturating_add(worth);
    }
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
