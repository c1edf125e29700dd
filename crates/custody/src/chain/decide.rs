use std::collections::BTreeSet;

use bitcoin::{Block, Transaction, consensus::encode::serialize, hashes::Hash};
use primitives::{BatchId, BlockHash, BlockRef, Outpoint, Timestamp, Txid};

use super::ChainState;
use crate::{
    Custody, Event, Refusal,
    deposit::{DepositState, outputs_of},
    event::{
        BatchFailed, BatchSettled, BatchSigned, BlockConnected, BlockDisconnected, IncidentOpened,
        OurTransaction, ReleasesStopped, TransactionForgotten, TransactionSeen, WithdrawalFailed,
    },
    incident::{Incident, Stop},
    payout::{Batch, BatchState},
};

impl Custody {
    pub(crate) fn connect_block(
        &self,
        at: BlockRef,
        work: [u8; 32],
        block: &Block,
    ) -> Result<Vec<Event>, Refusal> {
        let chain = self.chain()?;
        let previous = BlockHash(block.header.prev_blockhash.to_byte_array());
        let hash = BlockHash(block.block_hash().to_byte_array());
        let next = chain.tip.height.next() == Some(at.height);
        if !next || previous != chain.tip.hash || hash != at.hash {
            return Err(Refusal::BlockNotNext { block: at, tip: chain.tip });
        }
        let (transactions, conflicts) = self.match_block(block);
        self.check_possible(at, &transactions, &conflicts)?;
        // From here on it must succeed.
        let mut events = self.lost_answers(block, &transactions);
        events.push(BlockConnected { block: at, work, transactions, conflicts }.into());
        Ok(events)
    }

    /// Batches of this block whose signature we do not know: the signer's answer was lost, and the
    /// block brings it.
    fn lost_answers(&self, block: &Block, transactions: &[OurTransaction]) -> Vec<Event> {
        let unanswered = transactions.iter().filter_map(|found| {
            let id = self.own_batch(&found.txid)?;
            let batch = self.batches.get(&id)?;
            (batch.state == BatchState::Built).then_some((found.txid, id))
        });
        let signed = unanswered.filter_map(|(txid, batch)| {
            let ours = |signed: &&Transaction| super::txid(signed.compute_txid()) == txid;
            let transaction = serialize(block.txdata.iter().find(ours)?);
            Some(BatchSigned { batch, transaction }.into())
        });
        signed.collect()
    }

    pub(crate) fn disconnect_block(&self, block: BlockRef) -> Result<Vec<Event>, Refusal> {
        let chain = self.chain()?;
        if chain.tip != block {
            return Err(Refusal::BlockNotTip { block, tip: chain.tip });
        }
        if chain.recent.back().is_none_or(|newest| newest.block != block) {
            return Err(Refusal::ReorgTooDeep { tip: chain.tip });
        }
        Ok(vec![BlockDisconnected { block }.into()])
    }

    /// What is too small to be credited is not shown: it costs its sender nothing, and us memory. In
    /// a block it goes to suspense.
    pub(crate) fn see_transaction(&self, transaction: &Transaction) -> Result<Vec<Event>, Refusal> {
        let min = self.params()?.deposit_min;
        let Some(mut found) = self.match_transaction(transaction, &BTreeSet::new()) else {
            return Ok(Vec::new());
        };
        found.receipts.retain(|receipt| receipt.value >= min);
        let (mut new, mut again) = (0_usize, false);
        for receipt in &found.receipts {
            let outpoint = Outpoint { txid: found.txid, vout: receipt.vout };
            match self.deposits.get(&outpoint).map(|deposit| &deposit.state) {
                None => new = new.saturating_add(1),
                Some(DepositState::Orphaned { conflict: None }) => again = true,
                Some(
                    DepositState::Orphaned { conflict: Some(_) }
                    | DepositState::Detected
                    | DepositState::Confirming { .. }
                    | DepositState::Credited { .. }
                    | DepositState::Adrift { .. }
                    | DepositState::Suspense { .. },
                ) => {}
            }
        }
        let own = self.batch_by_txid.contains_key(&found.txid);
        let room = new == 0 || self.payments.has_room(&found.txid, found.inputs.len(), new);
        let shown = (new > 0 || again) && room && !own;
        Ok(if shown { vec![TransactionSeen { transaction: found }.into()] } else { Vec::new() })
    }

    pub(crate) fn forget_transaction(&self, txid: Txid) -> Result<Vec<Event>, Refusal> {
        self.chain()?;
        let detected = self
            .deposits
            .range(outputs_of(txid))
            .any(|(_, deposit)| deposit.state == DepositState::Detected);
        Ok(if detected { vec![TransactionForgotten { txid }.into()] } else { Vec::new() })
    }

    /// What follows from the newest block alone. The core asks again until nothing follows.
    pub(crate) fn advance(&self, now: Timestamp) -> Vec<Event> {
        let Ok(chain) = self.chain() else { return Vec::new() };
        let mut events = self.report(chain);
        events.extend(self.advance_deposits());
        for id in &self.live_batches {
            let Some(batch) = self.batches.get(id) else { continue };
            events.extend(self.advance_batch(now, *id, batch));
        }
        let lost = self.pinned.iter().filter(|(pin, _)| self.is_finally_spent(pin));
        events.extend(
            lost.map(|(_, withdrawal)| WithdrawalFailed { withdrawal: *withdrawal }.into()),
        );
        events
    }

    /// Incidents that the chain has brought and nobody has been told of.
    fn report(&self, chain: &ChainState) -> Vec<Event> {
        let mut incidents = Vec::new();
        let mut stops = BTreeSet::new();
        let limit = self.params().map_or(u32::MAX, |params| params.reorg_stop_depth);
        if chain.reorg_depth() >= limit && !chain.reorg_reported {
            incidents.push(Incident::DeepReorg { depth: chain.reorg_depth() });
            stops.insert(Stop::DeepReorg);
        }
        for (coin, spend) in self.unexplained.iter().filter(|(_, spend)| !spend.reported) {
            let (coin, value, by) = (*coin, spend.value, spend.by);
            incidents.push(Incident::UnexplainedSpend { coin, value, by });
            stops.insert(Stop::UnexplainedSpend);
        }
        let new_stops = stops.difference(&self.stops).copied();
        let stopped = new_stops.map(|stop| ReleasesStopped { stop }.into());
        let reported = incidents.into_iter().map(|incident| IncidentOpened { incident }.into());
        stopped.chain(reported).collect()
    }

    fn advance_batch(&self, now: Timestamp, id: BatchId, batch: &Batch) -> Vec<Event> {
        let Ok(params) = self.params() else { return Vec::new() };
        let tip = self.tip_height();
        match &batch.state {
            BatchState::Confirmed { height } => {
                let settled = height.confirmations_at(tip).0 >= params.final_confirmations;
                if settled { vec![BatchSettled { batch: id }.into()] } else { Vec::new() }
            }
            BatchState::Built | BatchState::Signed | BatchState::Broadcast => {
                let dead: Vec<Outpoint> =
                    batch.inputs.iter().filter(|input| self.is_dead(input)).copied().collect();
                if dead.is_empty() {
                    return Vec::new();
                }
                let releases_at = now.saturating_add(params.batch_retry);
                let incident = Incident::BatchFailed { txid: batch.txid };
                vec![
                    BatchFailed { batch: id, dead, releases_at }.into(),
                    IncidentOpened { incident }.into(),
                ]
            }
            BatchState::Final { .. } | BatchState::Dissolved | BatchState::Failed => Vec::new(),
        }
    }

    /// Whether a final transaction has spent this coin, or it can never exist again.
    fn is_finally_spent(&self, outpoint: &Outpoint) -> bool {
        let spender = self.coins.reserved_by(outpoint).and_then(|id| self.batches.get(&id));
        let spent = spender.is_some_and(|batch| matches!(batch.state, BatchState::Final { .. }));
        spent || self.is_dead(outpoint)
    }

    /// Whether this coin can never exist again: a final transaction spent it outside the books, or
    /// spent what it was to be made of, or it is the change of a batch that failed.
    fn is_dead(&self, outpoint: &Outpoint) -> bool {
        let is_final = |height: primitives::BlockHeight| {
            let needed = self.params().map_or(u32::MAX, |params| params.final_confirmations);
            height.confirmations_at(self.tip_height()).0 >= needed
        };
        if self.unexplained.get(outpoint).is_some_and(|spend| is_final(spend.height)) {
            return true;
        }
        let maker = self.batch_by_txid.get(&outpoint.txid).and_then(|id| self.batches.get(id));
        if maker.is_some_and(|batch| batch.state == BatchState::Failed)
            && self.coins.get(outpoint).is_none()
        {
            return true;
        }
        let deposit = self.deposits.get(outpoint).map(|deposit| &deposit.state);
        let Some(DepositState::Orphaned { conflict: Some(height) }) = deposit else {
            return false;
        };
        is_final(*height)
    }
}
