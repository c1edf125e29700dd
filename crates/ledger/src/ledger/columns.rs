//! Balances, and the two ways to try transfers on them: for good (with an undo log) and on a draft.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
};

use borsh::{BorshSerialize, io};
use primitives::{AssetId, Sats};

use crate::{Code, Hold, LedgerAccountId, Refusal, Side, Transfer};

/// What the books know of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize)]
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
///
/// Hashed by owner within their code: at a million accounts a search tree spends most of a transfer
/// on memory that is not in any cache. Whatever shows more than one account shows them in order, so
/// that nothing outside sees the order of a hash table.
#[derive(Debug, Clone, Default, Eq)]
pub(super) struct Columns(BTreeMap<(AssetId, Code), ByOwner>);

type ByOwner = HashMap<u64, Column, BuildHasherDefault<OwnerHasher>>;

impl Columns {
    pub(super) fn get(&self, id: LedgerAccountId) -> Column {
        let owners = self.0.get(&(id.asset, id.code));
        owners.and_then(|owners| owners.get(&id.owner)).copied().unwrap_or_default()
    }

    /// Every account, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LedgerAccountId, Column)> {
        self.0.iter().flat_map(|(kind, owners)| in_order(*kind, owners))
    }

    /// Every account, in no order: for sums.
    pub(super) fn iter_unordered(&self) -> impl Iterator<Item = (LedgerAccountId, Column)> {
        self.0.iter().flat_map(|(kind, owners)| any_order(*kind, owners))
    }

    /// The accounts of one code, in the order of their owners.
    pub(super) fn of(
        &self,
        asset: AssetId,
        code: Code,
    ) -> impl Iterator<Item = (LedgerAccountId, Column)> {
        let owners = self.0.get(&(asset, code));
        owners.into_iter().flat_map(move |owners| in_order((asset, code), owners))
    }

    pub(super) fn set(&mut self, id: LedgerAccountId, column: Column) {
        let owners = self.owners(id);
        if column == Column::default() {
            owners.remove(&id.owner);
        } else {
            owners.insert(id.owner, column);
        }
    }

    fn owners(&mut self, id: LedgerAccountId) -> &mut ByOwner {
        self.0.entry((id.asset, id.code)).or_default()
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

fn any_order(
    (asset, code): (AssetId, Code),
    owners: &ByOwner,
) -> impl Iterator<Item = (LedgerAccountId, Column)> {
    owners.iter().map(move |(&owner, &column)| (LedgerAccountId { asset, code, owner }, column))
}

fn in_order(
    kind: (AssetId, Code),
    owners: &ByOwner,
) -> impl Iterator<Item = (LedgerAccountId, Column)> {
    let mut columns: Vec<_> = any_order(kind, owners).collect();
    columns.sort_unstable_by_key(|(id, _)| id.owner);
    columns.into_iter()
}

/// A code whose last account has gone leaves an empty table, which counts for nothing.
impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        tables(self).eq(tables(other))
    }
}

fn tables(columns: &Columns) -> impl Iterator<Item = (&(AssetId, Code), &ByOwner)> {
    columns.0.iter().filter(|(_, owners)| !owners.is_empty())
}

/// As a map in the order of its accounts, whatever their place in memory.
impl BorshSerialize for Columns {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let count: usize = self.0.values().map(HashMap::len).sum();
        let count = u32::try_from(count);
        count.map_err(|_| io::ErrorKind::InvalidData)?.serialize(writer)?;
        self.iter().try_for_each(|column| column.serialize(writer))
    }
}

impl FromIterator<(LedgerAccountId, Column)> for Columns {
    fn from_iter<I: IntoIterator<Item = (LedgerAccountId, Column)>>(columns: I) -> Self {
        let mut books = Self::default();
        for (id, column) in columns {
            books.set(id, column);
        }
        books
    }
}

/// Mixes an owner's number: the two halves of its product with an odd constant, so that every bit
/// counts in every other. It has no seed, so that equal books behave equally; owners are numbers
/// that the caller gives out, not ones that an attacker chooses.
///
/// Source of the constant: 2^64 divided by the golden ratio (Knuth, The Art of Computer
/// Programming, volume 3, section 6.4, multiplicative hashing).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OwnerHasher(u64);

impl OwnerHasher {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
}

impl Hasher for OwnerHasher {
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number).wrapping_mul(u128::from(Self::GOLDEN));
        let [low, high] = [product & u128::from(u64::MAX), product >> 64];
        self.0 = u64::try_from(low ^ high).unwrap_or_default();
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The books themselves, changed in place, with what stood there before. One look-up for each leg
/// of a transfer, one allocation for each batch.
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
        let before = match self.columns.owners(id).entry(id.owner) {
            Entry::Occupied(mut entry) => {
                let before = *entry.get();
                let after = change(before)?;
                if after == Column::default() {
                    entry.remove();
                } else {
                    entry.insert(after);
                }
                before
            }
            Entry::Vacant(entry) => {
                let after = change(Column::default())?;
                if after != Column::default() {
                    entry.insert(after);
                }
                Column::default()
            }
        };
        self.before.push((id, before));
        Ok(())
    }
}

/// What the books would become: only the touched columns, over the books as they are.
pub(super) struct Draft<'a> {
    columns: &'a Columns,
    changed: HashMap<LedgerAccountId, Column, BuildHasherDefault<OwnerHasher>>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(columns: &'a Columns) -> Self {
        Self { columns, changed: HashMap::default() }
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
