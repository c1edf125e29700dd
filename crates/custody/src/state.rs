//! The state that the core owns, and how a command becomes events and an event becomes state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use access::ApiKey;
use borsh::{BorshDeserialize, BorshSerialize};
use ledger::{Code, Ledger, Transfer};
use primitives::{AccountId, BatchId, BlockHeight, KeyId, Outpoint, Timestamp, Txid, WithdrawalId};
use sha2::{Digest, Sha256};

use crate::{
    Account, Address, Command, CorruptHistory, Deposit, Event, Params, Refusal, Withdrawal, books,
    chain::{ChainState, UnexplainedSpend},
    coins::{Coin, Coins},
    deposit::{DepositState, Maturing, Payments, outputs_of},
    descriptor::HotDescriptor,
    event::Watched,
    idempotency::IdempotencyKeys,
    incident::{Incident, Stop},
    payout::Batch,
    withdrawal::Place,
};

/// The version of the state's encoding: snapshots of another version are not loaded.
pub const STATE_VERSION: u32 = 4;

/// What events have changed since somebody last asked, for those who show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Deposits that changed.
    pub deposits: BTreeSet<Outpoint>,
    /// Withdrawals that changed.
    pub withdrawals: BTreeSet<WithdrawalId>,
}

/// The whole domain state of one shard.
#[derive(Debug, Clone, Default, BorshSerialize, BorshDeserialize)]
pub struct Custody {
    pub(crate) seq: u64,
    pub(crate) now: Timestamp,
    pub(crate) params: Option<Params>,
    pub(crate) ledger: Ledger,
    pub(crate) accounts: Vec<Account>,
    pub(crate) keys: BTreeMap<KeyId, ApiKey>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) next_address: u32,
    /// The first external index that no signed batch has spent, nor any above it: from here the
    /// signer counts its gap.
    pub(crate) spent_external: u32,
    pub(crate) change_scripts: Vec<Vec<u8>>,
    pub(crate) next_change_index: u32,
    pub(crate) deposits: BTreeMap<Outpoint, Deposit>,
    pub(crate) payments: Payments,
    pub(crate) maturing: Maturing,
    pub(crate) withdrawals: BTreeMap<WithdrawalId, Withdrawal>,
    pub(crate) batches: BTreeMap<BatchId, Batch>,
    pub(crate) last_batch: u64,
    pub(crate) batch_by_txid: BTreeMap<Txid, BatchId>,
    pub(crate) coins: Coins,
    pub(crate) unexplained: BTreeMap<Outpoint, UnexplainedSpend>,
    pub(crate) chain: Option<ChainState>,
    pub(crate) settlements: BTreeMap<[u8; 16], [u8; 32]>,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) stops: BTreeSet<Stop>,
    pub(crate) incidents: Vec<(Timestamp, Incident)>,
    pub(crate) refusals: u64,
    // What follows is rebuilt from what stands above, and never stored.
    #[borsh(skip)]
    pub(crate) descriptor: Option<HotDescriptor>,
    #[borsh(skip)]
    pub(crate) scripts: HashMap<Box<[u8]>, Watched>,
    #[borsh(skip)]
    pub(crate) unsettled_deposits: BTreeSet<Outpoint>,
    #[borsh(skip)]
    pub(crate) live_batches: BTreeSet<BatchId>,
    #[borsh(skip)]
    pub(crate) queue: BTreeSet<(Timestamp, WithdrawalId)>,
    #[borsh(skip)]
    pub(crate) cooling: BTreeSet<(Timestamp, WithdrawalId)>,
    #[borsh(skip)]
    pub(crate) expiring: BTreeSet<(Timestamp, WithdrawalId)>,
    /// Withdrawals that no signature ever carried, by their account.
    #[borsh(skip)]
    pub(crate) open: BTreeSet<(AccountId, WithdrawalId)>,
    /// Queued withdrawals that were signed before, by their pin.
    #[borsh(skip)]
    pub(crate) pinned: BTreeSet<(Outpoint, WithdrawalId)>,
    #[borsh(skip)]
    pub(crate) touched: Touched,
}

/// Withdrawals that one tick moves at most, so that no turn of the core grows without bound.
const TICK_MAX: usize = 1000;

/// Waiting withdrawals that [`Custody::has_refused`] looks at: it is asked every round.
const REFUSED_SCAN_MAX: usize = 1000;

impl Custody {
    /// Says what `command` leads to at `at`, and changes nothing. A [`Refusal`] names the rule
    /// that said no. Time never runs backwards: an earlier `at` counts as the last one.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; nothing changed.
    pub fn decide(&self, at: Timestamp, command: &Command) -> Result<Vec<Event>, Refusal> {
        let now = at.max(self.now);
        match command {
            Command::Configure { params } => self.configure(params),
            Command::OpenAccount { idempotency } => self.open_account(*idempotency),
            Command::RegisterKey { key, principal, scopes, expires } => {
                self.register_key(now, *key, *principal, *scopes, *expires)
            }
            Command::RevokeKey { key } => self.revoke_key(*key),
            Command::AssignAddress { asked } => self.assign_address(now, asked),
            Command::FreezeAccount { account, by } => self.freeze_account(*account, *by),
            Command::ThawAccount { account, by } => self.thaw_account(*account, *by),
            Command::RequestWithdrawal { asked } => self.request_withdrawal(now, asked),
            Command::CancelWithdrawal { asked } => self.cancel_withdrawal(now, asked),
            Command::ApproveWithdrawal { withdrawal, by } => {
                self.approve_withdrawal(now, *withdrawal, *by)
            }
            Command::DenyWithdrawal { withdrawal, by } => self.deny_withdrawal(*withdrawal, *by),
            Command::SettleTransfers { asked } => self.settle_transfers(now, asked),
            Command::AssembleBatch { assembly } => self.assemble_batch(now, assembly),
            Command::RecordSigned { batch, transaction } => self.batch_signed(*batch, transaction),
            Command::RecordRefused { batch, tag } => self.batch_refused(now, *batch, *tag),
            Command::RecordBroadcast { batch } => self.batch_broadcast(*batch),
            Command::ConnectBlock { at, work, block } => self.connect_block(*at, *work, block),
            Command::DisconnectBlock { block } => self.disconnect_block(*block),
            Command::SeeTransaction { transaction } => self.see_transaction(transaction),
            Command::ForgetTransaction { txid } => self.forget_transaction(*txid),
            Command::Advance => Ok(self.advance(now)),
            Command::Tick => Ok(self.ripen_withdrawals(now, TICK_MAX)),
            Command::Reconcile => Ok(self.reconcile()),
            Command::StopReleases { stop } => Ok(self.stop_releases(*stop)),
            Command::ResumeReleases { stop, by } => self.resume_releases(*stop, *by),
            Command::RecordSnapshot { taken } => self.record_snapshot(taken),
        }
    }

    /// Folds one recorded event. Replay does nothing else.
    ///
    /// # Errors
    ///
    /// [`CorruptHistory`] where the event cannot follow: the process must stop.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), CorruptHistory> {
        self.now = at.max(self.now);
        self.seq = self.seq.saturating_add(1);
        self.idempotency.forget_old(self.now);
        let result = match event {
            Event::Configured(event) => self.apply_configured(event),
            Event::AccountOpened(event) => self.apply_account_opened(event),
            Event::KeyRegistered(event) => self.apply_key_registered(event),
            Event::KeyRevoked(event) => self.apply_key_revoked(event),
            Event::AddressAssigned(event) => self.apply_address_assigned(event),
            Event::AccountFrozen(event) => self.apply_account_frozen(event),
            Event::AccountThawed(event) => self.apply_account_thawed(event),
            Event::TransactionSeen(event) => self.apply_transaction_seen(event),
            Event::TransactionForgotten(event) => self.apply_transaction_forgotten(event),
            Event::BlockConnected(event) => self.apply_block_connected(event),
            Event::BlockDisconnected(event) => self.apply_block_disconnected(event),
            Event::DepositCredited(event) => self.apply_deposit_credited(event),
            Event::DepositMatured(event) => self.apply_deposit_matured(event),
            Event::DepositReversed(event) => self.apply_deposit_reversed(event),
            Event::WithdrawalRequested(event) => self.apply_withdrawal_requested(event),
            Event::WithdrawalJudged(event) => self.apply_withdrawal_judged(event),
            Event::WithdrawalApproved(event) => self.apply_withdrawal_approved(event),
            Event::WithdrawalDenied(event) => self.apply_withdrawal_denied(event),
            Event::WithdrawalCancelled(event) => self.apply_withdrawal_cancelled(event),
            Event::BatchBuilt(event) => self.apply_batch_built(event),
            Event::BatchRefused(event) => self.apply_batch_refused(event),
            Event::BatchSigned(event) => self.apply_batch_signed(event),
            Event::BatchBroadcast(event) => self.apply_batch_broadcast(event),
            Event::BatchSettled(event) => self.apply_batch_settled(event),
            Event::BatchFailed(event) => self.apply_batch_failed(event),
            Event::TransfersSettled(event) => self.apply_transfers_settled(event),
            Event::ReleasesStopped(event) => self.apply_releases_stopped(event),
            Event::ReleasesResumed(event) => self.apply_releases_resumed(event),
            Event::IncidentOpened(event) => self.apply_incident_opened(event),
            Event::WithdrawalFailed(event) => self.apply_withdrawal_failed(event),
            Event::SnapshotTaken(event) => self.apply_snapshot_taken(event),
            Event::RefusalRecorded(_) => {
                self.refusals = self.refusals.saturating_add(1);
                Ok(())
            }
        };
        result.map_err(|reason| CorruptHistory { event: event.name(), seq: self.seq, reason })
    }

    /// Reads a state that [`Custody::to_bytes`] made.
    ///
    /// # Errors
    ///
    /// Where the bytes are not a state of [`STATE_VERSION`].
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, borsh::io::Error> {
        Self::read_from(&mut bytes)
    }

    /// Reads a state that [`Custody::write_to`] wrote, to the end of `reader`.
    ///
    /// # Errors
    ///
    /// Those of `reader`, and where the bytes are not a state of [`STATE_VERSION`].
    pub fn read_from<R: borsh::io::Read>(reader: &mut R) -> Result<Self, borsh::io::Error> {
        let damaged = |reason| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, reason);
        let mut state: Self = borsh::from_reader(reader)?;
        state.rebuild().map_err(damaged)?;
        Ok(state)
    }

    /// The canonical bytes of this state: equal states have equal bytes.
    ///
    /// # Errors
    ///
    /// Only where a list is longer than 32 bits can count.
    pub fn to_bytes(&self) -> Result<Vec<u8>, borsh::io::Error> {
        borsh::to_vec(self)
    }

    /// Writes the canonical bytes.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn write_to<W: borsh::io::Write>(&self, writer: &mut W) -> Result<(), borsh::io::Error> {
        borsh::to_writer(writer, self)
    }

    /// SHA-256 of the canonical bytes.
    ///
    /// # Errors
    ///
    /// As [`Custody::to_bytes`].
    pub fn digest(&self) -> Result<[u8; 32], borsh::io::Error> {
        Ok(Sha256::digest(self.to_bytes()?).into())
    }

    fn rebuild(&mut self) -> Result<(), String> {
        self.coins.rebuild();
        self.maturing.rebuild();
        self.payments.rebuild();
        if let Some(params) = &self.params {
            let descriptor = HotDescriptor::parse(&params.descriptor);
            self.descriptor = Some(descriptor.map_err(|refusal| refusal.to_string())?);
        }
        let external = (0..).zip(&self.addresses);
        let external =
            external.map(|(index, address)| (address.script.clone(), Watched::External(index)));
        let internal = (0..).zip(&self.change_scripts);
        let internal = internal.map(|(index, script)| (script.clone(), Watched::Internal(index)));
        self.scripts = external
            .chain(internal)
            .map(|(script, watched)| (script.into_boxed_slice(), watched))
            .collect();
        for (outpoint, deposit) in &self.deposits {
            if deposit.state.is_unsettled() {
                self.unsettled_deposits.insert(*outpoint);
            }
        }
        let live = self.batches.iter().filter(|(_, batch)| batch.state.is_live());
        self.live_batches = live.map(|(id, _)| *id).collect();
        let places = |(id, withdrawal): (&WithdrawalId, _)| (*id, Place::of(withdrawal));
        for (id, place) in self.withdrawals.iter().map(places).collect::<Vec<_>>() {
            self.index_withdrawal(id, place);
        }
        Ok(())
    }
}

/// Looking things up.
impl Custody {
    /// How many events made this state: the journal's sequence number of the last one.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The time of the last event.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The parameters in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotConfigured`] at the beginning of a journal.
    pub fn params(&self) -> Result<&Params, Refusal> {
        self.params.as_ref().ok_or(Refusal::NotConfigured)
    }

    /// The hot wallet's descriptor.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotConfigured`] at the beginning of a journal.
    pub fn descriptor(&self) -> Result<&HotDescriptor, Refusal> {
        self.descriptor.as_ref().ok_or(Refusal::NotConfigured)
    }

    /// The books.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The coins.
    #[must_use]
    pub const fn coins(&self) -> &Coins {
        &self.coins
    }

    /// An account.
    ///
    /// # Errors
    ///
    /// [`Refusal::AccountUnknown`].
    pub fn account(&self, id: AccountId) -> Result<&Account, Refusal> {
        let at = place(id);
        let found = at.and_then(|at| self.accounts.get(at));
        found.ok_or(Refusal::AccountUnknown { account: id })
    }

    /// How many accounts there are.
    #[must_use]
    pub const fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// An API key.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&ApiKey> {
        self.keys.get(id)
    }

    /// Every API key.
    pub fn keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.values()
    }

    /// The address at this index of the external keychain, watched or handed out.
    #[must_use]
    pub fn address(&self, index: u32) -> Option<&Address> {
        self.addresses.get(usize::try_from(index).ok()?)
    }

    /// The index of the address that will be handed out next.
    #[must_use]
    pub const fn next_address(&self) -> u32 {
        self.next_address
    }

    /// A deposit, by its output.
    #[must_use]
    pub fn deposit(&self, outpoint: &Outpoint) -> Option<&Deposit> {
        self.deposits.get(outpoint)
    }

    /// Every deposit, in order of its output.
    pub fn deposits(&self) -> impl Iterator<Item = (&Outpoint, &Deposit)> {
        self.deposits.iter()
    }

    /// Transactions that deposits are waiting for in the mempool, in order of their ids.
    pub fn detected(&self) -> impl Iterator<Item = Txid> {
        let waiting = |txid: &Txid| {
            let mut deposits = self.deposits.range(outputs_of(*txid));
            deposits.any(|(_, deposit)| deposit.state == DepositState::Detected)
        };
        self.payments.ids().copied().filter(waiting)
    }

    /// A withdrawal.
    ///
    /// # Errors
    ///
    /// [`Refusal::WithdrawalUnknown`].
    pub fn withdrawal(&self, id: WithdrawalId) -> Result<&Withdrawal, Refusal> {
        self.withdrawals.get(&id).ok_or(Refusal::WithdrawalUnknown { withdrawal: id })
    }

    /// Every withdrawal, in order of its id.
    pub fn withdrawals(&self) -> impl Iterator<Item = (&WithdrawalId, &Withdrawal)> {
        self.withdrawals.iter()
    }

    /// A batch.
    ///
    /// # Errors
    ///
    /// [`Refusal::BatchUnknown`].
    pub fn batch(&self, id: BatchId) -> Result<&Batch, Refusal> {
        self.batches.get(&id).ok_or(Refusal::BatchUnknown { batch: id })
    }

    /// Batches that are neither final nor ended, oldest first.
    pub fn live_batches(&self) -> impl Iterator<Item = (BatchId, &Batch)> {
        self.live_batches.iter().filter_map(|id| Some((*id, self.batches.get(id)?)))
    }

    /// Every batch, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = (&BatchId, &Batch)> {
        self.batches.iter()
    }

    /// Whether a withdrawal's release window has closed at `now`.
    #[must_use]
    pub fn has_queued(&self, now: Timestamp) -> bool {
        self.queue.first().is_some_and(|(releases_at, _)| *releases_at <= now)
    }

    /// Whether one of the first that wait was refused by the signer before: people should look.
    #[must_use]
    pub fn has_refused(&self) -> bool {
        let waiting = self.queue.iter().take(REFUSED_SCAN_MAX);
        let mut waiting = waiting.filter_map(|(_, id)| self.withdrawals.get(id));
        waiting.any(|withdrawal| withdrawal.company_max.is_some())
    }

    /// Where the core stands in the chain, once configured.
    #[must_use]
    pub const fn chain_state(&self) -> Option<&ChainState> {
        self.chain.as_ref()
    }

    /// Why nothing is released; empty while releases run.
    pub fn stops(&self) -> impl Iterator<Item = Stop> {
        self.stops.iter().copied()
    }

    /// What people must look at, oldest first.
    #[must_use]
    pub fn incidents(&self) -> &[(Timestamp, Incident)] {
        &self.incidents
    }

    /// What an idempotency key made before.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyKeyReused`] where it was used for another request.
    pub fn idempotent(
        &self,
        asked: Option<&crate::idempotency::Idempotency>,
    ) -> Result<Option<u64>, Refusal> {
        self.idempotency.look_up(asked)
    }

    /// What has changed since this was last asked.
    pub fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }
}

/// For the modules of the domain.
impl Custody {
    pub(crate) fn account_mut(&mut self, id: AccountId) -> Result<&mut Account, String> {
        let found = place(id).and_then(|at| self.accounts.get_mut(at));
        found.ok_or_else(|| format!("no account {id}"))
    }

    pub(crate) fn withdrawal_mut(&mut self, id: WithdrawalId) -> Result<&mut Withdrawal, String> {
        self.withdrawals.get_mut(&id).ok_or_else(|| format!("no withdrawal {id}"))
    }

    /// Withdrawals of an account that no signature ever carried.
    pub(crate) fn open_withdrawals(&self, account: AccountId) -> Vec<(WithdrawalId, &Withdrawal)> {
        let first = WithdrawalId::new(account, [0; 32]);
        let last = WithdrawalId::new(account, [0xff; 32]);
        let open = self.open.range((account, first)..=(account, last));
        open.filter_map(|(_, id)| Some((*id, self.withdrawals.get(id)?))).collect()
    }

    /// The first external index that is too far for the signer, as far as we know.
    pub(crate) const fn external_end(&self, params: &Params) -> u32 {
        self.spent_external.saturating_add(params.gap_external)
    }

    pub(crate) fn tip_height(&self) -> BlockHeight {
        self.chain.as_ref().map_or(BlockHeight(0), |chain| chain.tip.height)
    }

    pub(crate) fn watch(&mut self, script: Vec<u8>, watched: Watched) {
        self.scripts.insert(script.into_boxed_slice(), watched);
    }

    pub(crate) fn watched(&self, script: &[u8]) -> Option<Watched> {
        self.scripts.get(script).copied()
    }

    pub(crate) fn owner_of(&self, watched: Watched) -> Option<AccountId> {
        match watched {
            Watched::External(index) => self.address(index)?.account,
            Watched::Internal(_) => None,
        }
    }

    pub(crate) fn post(&mut self, transfers: &[Transfer]) -> Result<(), String> {
        if transfers.is_empty() {
            return Ok(());
        }
        self.ledger.post(transfers).map_err(|refusal| refusal.to_string())
    }

    /// The account in which a coin of ours is posted.
    pub(crate) fn book_of(&self, outpoint: &Outpoint, coin: &Coin) -> Code {
        self.book_of_new(outpoint, coin.at_rest)
    }

    /// The account in which a coin is posted that comes now.
    pub(crate) fn book_of_new(&self, outpoint: &Outpoint, at_rest: bool) -> Code {
        let outgoing = self
            .coins
            .reserved_by(outpoint)
            .and_then(|id| self.batches.get(&id))
            .is_some_and(|batch| batch.state.is_outgoing());
        match (outgoing, at_rest) {
            (true, _) => books::OUTGOING,
            (false, true) => books::AT_REST,
            (false, false) => books::INCOMING,
        }
    }
}

fn place(id: AccountId) -> Option<usize> {
    let made = AccountId::from_number(id.number()) == Some(id);
    let place = id.number().checked_sub(1).filter(|_| made)?;
    usize::try_from(place).ok()
}
