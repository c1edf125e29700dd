use primitives::{AccountId, BlockHeight, Outpoint, Sats, Txid};

use super::{Deposit, DepositState, Maturity, outputs_of};
use crate::{
    Custody, books,
    chain::REORG_MAX,
    coins::Coin,
    event::{
        DepositCredited, DepositMatured, DepositReversed, OurTransaction, TransactionForgotten,
        TransactionSeen, Watched,
    },
    planted::{self, Bug},
    withdrawal::WithdrawalState,
};

impl Custody {
    pub(crate) fn apply_transaction_seen(&mut self, event: &TransactionSeen) -> Result<(), String> {
        let mut news = false;
        for receipt in &event.transaction.receipts {
            let outpoint = Outpoint { txid: event.transaction.txid, vout: receipt.vout };
            match self.deposits.get(&outpoint).map(|deposit| &deposit.state) {
                None => {
                    let deposit =
                        self.new_deposit(receipt.value, receipt.watched, &event.transaction);
                    self.insert_deposit(outpoint, deposit, &event.transaction.inputs);
                }
                Some(DepositState::Orphaned { conflict: None }) => {
                    self.set_deposit_state(&outpoint, DepositState::Detected)?;
                }
                Some(
                    DepositState::Orphaned { conflict: Some(_) }
                    | DepositState::Detected
                    | DepositState::Confirming { .. }
                    | DepositState::Credited { .. }
                    | DepositState::Adrift { .. }
                    | DepositState::Suspense { .. },
                ) => continue,
            }
            news = true;
        }
        let txid = event.transaction.txid;
        self.note_gone(txid, self.tip_height());
        news.then_some(()).ok_or_else(|| format!("nothing of {txid} is new"))
    }

    pub(crate) fn apply_transaction_forgotten(
        &mut self,
        event: &TransactionForgotten,
    ) -> Result<(), String> {
        let txid = event.txid;
        let detected: Vec<Outpoint> = self
            .deposits
            .range(outputs_of(txid))
            .filter(|(_, deposit)| deposit.state == DepositState::Detected)
            .map(|(outpoint, _)| *outpoint)
            .collect();
        if detected.is_empty() {
            return Err(format!("nothing of {txid} was waiting"));
        }
        for outpoint in detected {
            self.set_deposit_state(&outpoint, DepositState::Orphaned { conflict: None })?;
        }
        self.note_gone(txid, self.tip_height());
        Ok(())
    }

    fn new_deposit(&self, value: Sats, watched: Watched, transaction: &OurTransaction) -> Deposit {
        Deposit {
            account: self.owner_of(watched),
            value,
            seen_at: self.now,
            coinbase: transaction.coinbase,
            state: DepositState::Detected,
        }
    }

    fn insert_deposit(&mut self, outpoint: Outpoint, deposit: Deposit, inputs: &[Outpoint]) {
        self.payments.insert(outpoint.txid, inputs);
        self.touched.deposits.insert(outpoint);
        self.deposits.insert(outpoint, deposit);
    }

    /// Notes whether all deposits of this transaction are gone now that `tip` is the newest block.
    pub(crate) fn note_gone(&mut self, txid: Txid, tip: BlockHeight) {
        let mut deposits = self.deposits.range(outputs_of(txid)).map(|(_, deposit)| deposit);
        let gone = deposits.all(|deposit| matches!(deposit.state, DepositState::Orphaned { .. }));
        self.payments.set_gone(&txid, gone.then_some(tip));
    }

    /// Forgets what never was in a block and has been gone for so long that no block that can be
    /// taken back speaks of it: nothing was posted, and anybody can make any number of them.
    pub(crate) fn forget_gone(&mut self, tip: BlockHeight) {
        let kept = u32::try_from(REORG_MAX).unwrap_or(u32::MAX);
        let Some(old) = tip.0.checked_sub(kept) else { return };
        for txid in self.payments.gone_since(BlockHeight(old)) {
            self.payments.remove(&txid);
            for (outpoint, _) in self.deposits.extract_if(outputs_of(txid), |_, _| true) {
                self.touched.deposits.insert(outpoint);
            }
        }
    }

    /// A block carries a payment to one of our scripts.
    pub(crate) fn receive(
        &mut self,
        outpoint: Outpoint,
        coin: Coin,
        transaction: &OurTransaction,
    ) -> Result<(), String> {
        let height = coin.height;
        if !self.deposits.contains_key(&outpoint) {
            let deposit = self.new_deposit(coin.value, coin.watched, transaction);
            self.insert_deposit(outpoint, deposit, &transaction.inputs);
        }
        self.payments.carry(&outpoint.txid);
        let deposit = self.deposits.get(&outpoint).ok_or("a deposit was just inserted")?.clone();
        let min = self.params().map_or(Sats::MAX, |params| params.deposit_min);
        let (state, against) = match deposit.state {
            DepositState::Adrift { conflict: Some(_), .. }
            | DepositState::Orphaned { conflict: Some(_) } => {
                return Err(format!("deposit {outpoint} is impossible"));
            }
            DepositState::Adrift { required, maturity, .. }
                if !planted::active(Bug::CreditedTwice) =>
            {
                // Its new block is as fresh as any.
                let maturity = match maturity {
                    Maturity::Fresh => Maturity::Fresh,
                    Maturity::Matured | Maturity::Again => Maturity::Again,
                };
                let state = DepositState::Credited { height, required, maturity };
                (state, books::house(books::ADRIFT))
            }
            DepositState::Detected
            | DepositState::Orphaned { .. }
            | DepositState::Adrift { .. } => {
                let state = if deposit.account.is_none() || deposit.value < min {
                    DepositState::Suspense { height }
                } else {
                    DepositState::Confirming { height }
                };
                (state, books::suspense(deposit.account))
            }
            DepositState::Confirming { .. }
            | DepositState::Credited { .. }
            | DepositState::Suspense { .. } => {
                return Err(format!("deposit {outpoint} is in the chain already"));
            }
        };
        let (at_rest, value) = (state.counts_at_rest(), coin.value);
        self.coins.insert(outpoint, Coin { at_rest, ..coin })?;
        let book = books::house(self.book_of_new(&outpoint, at_rest));
        self.post(books::transfer(book, against, value).as_slice())?;
        self.set_deposit_state(&outpoint, state)
    }

    /// The block that carried this payment was taken back.
    pub(crate) fn unreceive(&mut self, outpoint: &Outpoint) -> Result<(), String> {
        let deposit = self.deposits.get(outpoint).ok_or("a received deposit is known")?.clone();
        let coin = self.coins.get(outpoint).ok_or("a received coin is known")?;
        let book = books::house(self.book_of(outpoint, coin));
        let (state, against) = match deposit.state {
            DepositState::Confirming { .. } | DepositState::Suspense { .. } => {
                // The reward of a block that was replaced is in no mempool and never comes back.
                let gone = DepositState::Orphaned { conflict: None };
                let state = if deposit.coinbase { gone } else { DepositState::Detected };
                (state, books::suspense(deposit.account))
            }
            DepositState::Credited { required, maturity, .. } => {
                let since = self
                    .chain
                    .as_ref()
                    .and_then(|chain| chain.reorg_from)
                    .unwrap_or(self.tip_height());
                let adrift = DepositState::Adrift { since, required, maturity, conflict: None };
                (adrift, books::house(books::ADRIFT))
            }
            DepositState::Detected
            | DepositState::Adrift { .. }
            | DepositState::Orphaned { .. } => {
                return Err(format!("deposit {outpoint} is in no block"));
            }
        };
        self.coins.remove(outpoint)?;
        if !planted::active(Bug::ForgottenReversal) {
            self.post(books::transfer(against, book, deposit.value).as_slice())?;
        }
        self.set_deposit_state(outpoint, state)
    }

    pub(crate) fn apply_deposit_credited(&mut self, event: &DepositCredited) -> Result<(), String> {
        let outpoint = event.deposit;
        let deposit = self.deposits.get(&outpoint).ok_or("no such deposit")?.clone();
        let (DepositState::Confirming { height }, Some(account)) =
            (&deposit.state, deposit.account)
        else {
            return Err(format!("deposit {outpoint} is {}", deposit.state.name()));
        };
        let suspense = books::suspense(Some(account));
        let credited = deposit.value.checked_sub(event.repaid).ok_or("more repaid than came")?;
        let mut postings = vec![
            books::transfer(suspense, books::of(account, books::CLAIM), event.repaid),
            books::transfer(suspense, books::of(account, books::AVAILABLE), credited),
        ];
        if let Some(coin) = self.coins.get(&outpoint) {
            let from = books::house(self.book_of(&outpoint, coin));
            self.coins.set_at_rest(&outpoint);
            let to = books::house(self.book_of_new(&outpoint, true));
            postings.push(books::transfer(to, from, deposit.value));
        }
        let postings: Vec<_> = postings.into_iter().flatten().collect();
        self.post(&postings)?;
        self.repay_shares(account, outpoint, event.repaid)?;
        self.begin_maturing(outpoint, credited)?;
        let (height, required) = (*height, event.required);
        let maturity = Maturity::Fresh;
        let state = DepositState::Credited { height, required, maturity };
        self.set_deposit_state(&outpoint, state)
    }

    pub(crate) fn apply_deposit_matured(&mut self, event: &DepositMatured) -> Result<(), String> {
        let deposit = self.deposits.get(&event.deposit).ok_or("no such deposit")?;
        let DepositState::Credited {
            height,
            required,
            maturity: Maturity::Fresh | Maturity::Again,
        } = deposit.state
        else {
            return Err(format!("deposit {} is {}", event.deposit, deposit.state.name()));
        };
        let state = DepositState::Credited { height, required, maturity: Maturity::Matured };
        self.end_maturing(event.deposit)?;
        self.set_deposit_state(&event.deposit, state)
    }

    pub(crate) fn apply_deposit_reversed(&mut self, event: &DepositReversed) -> Result<(), String> {
        let outpoint = event.deposit;
        let deposit = self.deposits.get(&outpoint).ok_or("no such deposit")?.clone();
        let (DepositState::Adrift { conflict, .. }, Some(account)) =
            (&deposit.state, deposit.account)
        else {
            return Err(format!("deposit {outpoint} is {}", deposit.state.name()));
        };
        if event.from_available.checked_add(event.claim) != Some(deposit.value) {
            return Err(format!("deposit {outpoint} is not taken back as a whole"));
        }
        for withdrawal in &event.cancelled {
            if self.withdrawal_mut(*withdrawal)?.account != account {
                return Err(format!("{withdrawal} is another account's"));
            }
            self.end_unpaid(*withdrawal, WithdrawalState::Cancelled)?;
        }
        let adrift = books::house(books::ADRIFT);
        let available = books::of(account, books::AVAILABLE);
        let claim = books::of(account, books::CLAIM);
        let postings = [
            books::transfer(available, adrift, event.from_available),
            books::transfer(claim, adrift, event.claim),
        ];
        let postings: Vec<_> = postings.into_iter().flatten().collect();
        self.post(&postings)?;
        self.reverse_shares(outpoint, account, event.from_available)?;
        self.set_deposit_state(&outpoint, DepositState::Orphaned { conflict: *conflict })
    }

    /// Moves a deposit to another state and keeps its account's sums and the indexes in step.
    fn set_deposit_state(
        &mut self,
        outpoint: &Outpoint,
        state: DepositState,
    ) -> Result<(), String> {
        let deposit =
            self.deposits.get_mut(outpoint).ok_or_else(|| format!("no deposit {outpoint}"))?;
        let (account, value) = (deposit.account, deposit.value);
        let before = std::mem::replace(&mut deposit.state, state);
        if state.is_unsettled() {
            self.unsettled_deposits.insert(*outpoint);
        } else {
            self.unsettled_deposits.remove(outpoint);
        }
        self.touched.deposits.insert(*outpoint);
        match account {
            Some(account) => self.count_deposit(account, value, &before, &state),
            None => Ok(()),
        }
    }

    fn count_deposit(
        &mut self,
        id: AccountId,
        value: Sats,
        before: &DepositState,
        after: &DepositState,
    ) -> Result<(), String> {
        let account = self.account_mut(id)?;
        let adrift = |state: &DepositState| u32::from(state.holds_account());
        let exposed = (before.is_unsettled(), after.is_unsettled());
        account.exposed = step(account.exposed, value, exposed)?;
        let others = account.adrift.checked_sub(adrift(before)).ok_or("adrift below zero")?;
        account.adrift = others.saturating_add(adrift(after));
        Ok(())
    }
}

/// A sum after one of its parts left or came.
fn step(sum: Sats, value: Sats, counts: (bool, bool)) -> Result<Sats, String> {
    let changed = match counts {
        (true, false) => sum.checked_sub(value),
        (false, true) => sum.checked_add(value),
        (true, true) | (false, false) => Some(sum),
    };
    changed.ok_or_else(|| format!("{sum} cannot change by {value}"))
}
