//! Reading stored books. What is read is checked as a whole: a snapshot is bytes from outside, and
//! damage found here is found before anybody is paid from it.

use borsh::{BorshDeserialize, io};
use primitives::Sats;

use super::{Column, Ledger};
use crate::{BooksError, Hold, HoldId, LedgerAccountId, Refusal, books};

/// Why bytes that could be read are not books.
#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error(
        "reading a ledger, found accounts or holds twice or out of order; load another snapshot"
    )]
    OutOfOrder,
    #[error("reading a ledger, found account {0} stored with nothing in it; load another snapshot")]
    Empty(LedgerAccountId),
    #[error("reading a ledger, found {id}, which nobody could have made; load another snapshot")]
    Hold { id: HoldId, source: Refusal },
    #[error("reading a ledger, found damaged books; load another snapshot")]
    Books(#[from] BooksError),
}

impl BorshDeserialize for Ledger {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let balances = Vec::<(LedgerAccountId, Sats)>::deserialize_reader(reader)?;
        let holds = Vec::<(HoldId, Hold)>::deserialize_reader(reader)?;
        sound(balances, holds).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn sound(
    balances: Vec<(LedgerAccountId, Sats)>,
    holds: Vec<(HoldId, Hold)>,
) -> Result<Ledger, DecodeError> {
    // One ledger, one encoding: without this, two snapshots of one state could differ.
    if !balances.is_sorted_by(|(a, _), (b, _)| a < b) || !holds.is_sorted_by(|(a, _), (b, _)| a < b)
    {
        return Err(DecodeError::OutOfOrder);
    }
    if let Some(&(id, _)) = balances.iter().find(|(_, balance)| balance.is_zero()) {
        return Err(DecodeError::Empty(id));
    }
    for &(id, hold) in &holds {
        hold.transfer().check_shape().map_err(|source| DecodeError::Hold { id, source })?;
    }
    let ledger = assemble(balances, holds);
    ledger.check_books()?;
    Ok(ledger)
}

/// Puts the books together; what each account keeps for holds follows from the holds.
fn assemble(balances: Vec<(LedgerAccountId, Sats)>, holds: Vec<(HoldId, Hold)>) -> Ledger {
    let held = books::sums_held(holds.iter().map(|(_, hold)| hold));
    let kept = |id| {
        let sats = held.get(&id).copied().unwrap_or_default();
        // A sum too large for an account becomes zero here, and `check_books` finds it.
        u64::try_from(sats).ok().and_then(|sats| Sats::parse(sats).ok()).unwrap_or_default()
    };
    let columns =
        balances.into_iter().map(|(id, balance)| (id, Column { balance, pending: kept(id) }));
    Ledger { columns: columns.collect(), holds: holds.into_iter().collect() }
}
