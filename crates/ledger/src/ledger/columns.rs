//! Balances, and the two ways to try transfers on them: for good (with an undo log) and on a draft.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::RangeInclusive,
};

use borsh::{BorshSchema, BorshSerialize};
use primitives::Sats;

use crate::{Hold, LedgerAccountId, Refusal, Side, Transfer};

/// What the books know of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshSchema)]
pub(super) struct Column {
    /// What it has, on its normal side.
    pub(super) balance: Sats,
    /// How much of this belongs to pending holds. Kept here, beside the balance, so that a
    /// transfer finds it without a second search; not encoded, because the holds say it too.
    #[borsh(skip)]
    pub(super) pending: Sats,
}

impl Column {
    /// This column after a debit or credit of `asked`.
    fn moved(self, id: LedgerAccountId, side: Side, asked: Sats) -> Result<Self, Refusal> {
        if side == id.side() { self.grown(id, asked) } else { self.fallen(id, asked) }
    }

    fn fallen(self, id: LedgerAccountId, asked: Sats) -> Result<Self, Refusal> {
        let Self { balance, pending } = self;
        let overdraw = Refusal::Overdraw { account: id, balance, pending, asked };
        let left = balance.checked_sub(asked).ok_or(overdraw)?;
        if left < pending { Err(overdraw) } else { Ok(Self { balance: left, pending }) }
    }

    fn grown(self, id: LedgerAccountId, asked: Sats) -> Result<Self, Refusal> {
        let Self { balance, pending } = self;
        let overflow = Refusal::Overflow { account: id, balance, asked };
        Ok(Self { balance: balance.checked_add(asked).ok_or(overflow)?, pending })
    }

    /// This column after it also received the money of a new hold, to keep it.
    fn keeping(self, id: LedgerAccountId, amount: Sats) -> Result<Self, Refusal> {
        let grown = self.grown(id, amount)?;
        let overflow = Refusal::Overflow { account: id, balance: self.balance, asked: amount };
        // The balance had room, and pending is never above it, so this has room as well.
        Ok(Self { pending: self.pending.checked_add(amount).ok_or(overflow)?, ..grown })
    }

    /// This column once a hold of `amount` no longer guards its money.
    fn released(self, amount: Sats) -> Self {
        Self { pending: self.pending.saturating_sub(amount), ..self }
    }
}

/// Something on which transfers can be tried. A change that is refused leaves its column as it was;
/// undoing the changes before it is the business of whoever began.
pub(super) trait Books {
    fn change(
        &mut self,
        id: LedgerAccountId,
        change: impl FnOnce(Column) -> Result<Column, Refusal>,
    ) -> Result<(), Refusal>;

    fn transfer(&mut self, transfer: Transfer) -> Result<(), Refusal> {
        for (id, side) in transfer.legs() {
            self.change(id, |column| column.moved(id, side, transfer.amount))?;
        }
        Ok(())
    }

    fn transfer_all(
        &mut self,
        mut transfers: impl Iterator<Item = Transfer>,
    ) -> Result<(), Refusal> {
        transfers.try_for_each(|transfer| self.transfer(transfer))
    }

    /// Moves the money of a new hold. Like [`Transfer::legs`], but what arrives is also kept.
    fn make(&mut self, hold: Hold) -> Result<(), Refusal> {
        let Hold { from, held, amount } = hold;
        // `held` grows on its normal side, so `from` is moved on the other one.
        self.change(from, |column| column.moved(from, held.side().opposite(), amount))?;
        self.change(held, |column| column.keeping(held, amount))
    }

    /// Releases the money of a hold and gives it away.
    fn close(&mut self, hold: Hold, to: &[(LedgerAccountId, Sats)]) -> Result<(), Refusal> {
        self.change(hold.held, |column| Ok(column.released(hold.amount)))?;
        self.transfer_all(to.iter().map(|&(to, amount)| hold.part(to, amount)))
    }
}

/// All accounts whose balance is not zero. Dropping an empty one makes equal books equal bytes, and
/// keeps memory in proportion to who has money rather than to who ever had.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshSchema)]
pub(super) struct Columns(BTreeMap<LedgerAccountId, Column>);

impl Columns {
    pub(super) fn get(&self, id: LedgerAccountId) -> Column {
        self.0.get(&id).copied().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LedgerAccountId, Column)> {
        self.0.iter().map(|(&id, &column)| (id, column))
    }

    pub(super) fn range(
        &self,
        ids: RangeInclusive<LedgerAccountId>,
    ) -> impl Iterator<Item = (LedgerAccountId, Column)> {
        self.0.range(ids).map(|(&id, &column)| (id, column))
    }

    pub(super) fn set(&mut self, id: LedgerAccountId, column: Column) {
        if column == Column::default() {
            self.0.remove(&id);
        } else {
            self.0.insert(id, column);
        }
    }

    /// Does `work`, and undoes all of it if it is refused. `transfers` is how many are expected.
    pub(super) fn all_or_none(
        &mut self,
        transfers: usize,
        work: impl FnOnce(&mut Live<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let before = Vec::with_capacity(transfers.saturating_mul(2));
        let mut live = Live { columns: self, before };
        work(&mut live).inspect_err(|_| live.undo())
    }
}

impl FromIterator<(LedgerAccountId, Column)> for Columns {
    fn from_iter<I: IntoIterator<Item = (LedgerAccountId, Column)>>(columns: I) -> Self {
        Self(columns.into_iter().collect())
    }
}

/// The books themselves, changed in place, with what stood there before. One search of the tree
/// for each leg of a transfer, one allocation for each batch.
pub(super) struct Live<'a> {
    columns: &'a mut Columns,
    before: Vec<(LedgerAccountId, Column)>,
}

impl Live<'_> {
    /// Writes back what stood before, the newest first, since an account may stand there twice.
    fn undo(&mut self) {
        while let Some((id, column)) = self.before.pop() {
            self.columns.set(id, column);
        }
    }
}

impl Books for Live<'_> {
    fn change(
        &mut self,
        id: LedgerAccountId,
        change: impl FnOnce(Column) -> Result<Column, Refusal>,
    ) -> Result<(), Refusal> {
        match self.columns.0.entry(id) {
            Entry::Occupied(mut entry) => {
                let column = change(*entry.get())?;
                self.before.push((id, *entry.get()));
                if column == Column::default() {
                    entry.remove();
                } else {
                    entry.insert(column);
                }
            }
            Entry::Vacant(entry) => {
                let column = change(Column::default())?;
                self.before.push((id, Column::default()));
                if column != Column::default() {
                    entry.insert(column);
                }
            }
        }
        Ok(())
    }
}

/// What the books would become: only the touched columns, over the books as they are.
pub(super) struct Draft<'a> {
    columns: &'a Columns,
    changed: BTreeMap<LedgerAccountId, Column>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(columns: &'a Columns) -> Self {
        Self { columns, changed: BTreeMap::new() }
    }
}

impl Books for Draft<'_> {
    fn change(
        &mut self,
        id: LedgerAccountId,
        change: impl FnOnce(Column) -> Result<Column, Refusal>,
    ) -> Result<(), Refusal> {
        let column = self.changed.entry(id).or_insert_with(|| self.columns.get(id));
        *column = change(*column)?;
        Ok(())
    }
}
