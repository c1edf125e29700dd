use std::ops::ControlFlow;

use signer_protocol::merkle::{TreeHead, prove_consistency};

use crate::{Fault, Journal, Position};

/// The journal's head and the proof that it continues its own first `kept` entries, for a witness
/// that keeps a head of that size. `known` is a place at or before `kept` from which to read, such
/// as that of a snapshot; [`Position::start`] always serves.
///
/// A core that holds on to the frontier of the last head that the witness took, and to the leaves
/// since, calls [`prove_consistency`] itself and reads nothing.
///
/// # Errors
///
/// [`Fault::ShorterThanPosition`] when the journal has fewer than `kept` entries or `known` lies
/// after `kept`, [`Fault::PositionMismatch`] when `known` is of another journal, and the faults of
/// [`Journal::read`].
pub fn prove_head(
    journal: &dyn Journal,
    known: &Position,
    kept: u64,
) -> Result<(TreeHead, Vec<[u8; 32]>), Fault> {
    if kept > journal.size() || known.size() > kept {
        return Err(Fault::ShorterThanPosition { size: journal.size().min(kept), position: kept });
    }
    let mut position = known.clone();
    let mut new_leaves = Vec::new();
    let mut answer = Ok(());
    journal.read(known.next_seq(), &mut |entry| {
        if entry.seq == known.next_seq() && entry.previous != known.last_leaf() {
            answer = Err(Fault::PositionMismatch { seq: known.size() });
        } else if entry.seq <= kept {
            answer = position.push(entry.leaf);
        } else {
            new_leaves.push(entry.leaf);
        }
        if answer.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    answer?;
    Ok((journal.head(), prove_consistency(position.frontier(), &new_leaves)))
}
