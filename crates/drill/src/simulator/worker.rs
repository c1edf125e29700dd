//! The worker that drives what the core has decided: assemble, have signed, broadcast, broadcast
//! again. It remembers only what it has asked the signer.

use bitcoin::{Transaction, consensus::encode};
use custody::{
    Command, Custody,
    event::Payout,
    payout::{Assembly, Batch, BatchState},
};
use primitives::{BatchId, FeeRate, Outpoint, Sats, Seconds};
use signer_protocol::{Request, TreeHead, message::encode_frame};

use super::{
    convert,
    failure::{Check, Found},
    invariants::may_broadcast,
    journal::SHARD,
    node::{Rejected, Tx},
    server::Server,
    world::World,
};

/// What the worker waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Describe,
    Witnessed,
    Witness(TreeHead),
    Sign(BatchId),
}

/// The worker's memory, lost with the process.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) asked: Option<(u64, Ask)>,
    /// What the signer's outer bucket held when it was last asked.
    pub(crate) left: Option<Sats>,
    /// Journal entries that the signer has witnessed, once known.
    pub(crate) witnessed: Option<u64>,
    /// Rounds without a new batch, after the core had nothing to pay.
    rests: u32,
}

impl Worker {
    /// The core had nothing to pay, or no coins: it is not asked again at once.
    pub(crate) const fn rest(&mut self) {
        self.rests = 6;
    }

    /// Time has passed: it may be asked again.
    pub(crate) const fn rested(&mut self) {
        self.rests = 0;
    }
}

/// What can be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Sign(BatchId),
    Broadcast(BatchId),
    Rebroadcast(BatchId),
    Assemble,
}

/// Whether something forbids that this batch goes on: a stop, or a payout's account that is frozen
/// or has a deposit adrift.
pub(crate) fn held_back(state: &Custody, batch: &Batch) -> Option<String> {
    if let Some(stop) = state.stops().next() {
        return Some(format!("releases are stopped: {stop}"));
    }
    batch.payouts.iter().find_map(|payout| why_account_is_held(state, payout))
}

/// Why nothing may leave the account of this payout; `None` where it may.
fn why_account_is_held(state: &Custody, payout: &Payout) -> Option<String> {
    let withdrawal = state.withdrawal(payout.withdrawal).ok()?;
    let account = state.account(withdrawal.account).ok()?;
    let held = account.frozen || account.adrift > 0;
    held.then(|| format!("account {} is frozen or adrift", withdrawal.account))
}

/// How long after the end of its intent a frozen account's payout is asked for: by then the signer
/// takes it for ended, even if its clock lags.
const SIGNER_LAG_MAX: Seconds = Seconds(600);

/// Whether the signer can be asked for this batch: its coins are there, and nobody in it is frozen
/// whose intent may live.
fn may_be_asked(state: &Custody, batch: &Batch) -> bool {
    let ended = |payout: &Payout| {
        let withdrawal = state.withdrawal(payout.withdrawal);
        withdrawal.is_ok_and(|it| it.not_after.saturating_add(SIGNER_LAG_MAX) < state.now())
    };
    let there = |input: &Outpoint| state.coins().get(input).is_some();
    let free = |payout: &Payout| why_account_is_held(state, payout).is_none() || ended(payout);
    batch.inputs.iter().all(there) && batch.payouts.iter().all(free)
}

impl World {
    /// One task of the worker, if it is not waiting for the signer.
    pub(crate) fn work(&mut self) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        if server.worker.asked.is_some() || server.has_news_of_batches() {
            return Ok(());
        }
        let tasks = self.tasks(server);
        if let Some(server) = &mut self.server {
            server.worker.rests = server.worker.rests.saturating_sub(1);
        }
        let Some(task) = self.random.pick(&tasks).copied() else { return Ok(()) };
        self.trace.line(format_args!("worker: {task:?}"));
        match task {
            Task::Sign(batch) => self.have_signed(batch),
            Task::Broadcast(batch) => self.broadcast_batch(batch, true),
            Task::Rebroadcast(batch) => self.broadcast_batch(batch, false),
            Task::Assemble => self.assemble(),
        }
    }

    fn tasks(&self, server: &Server) -> Vec<Task> {
        let state = &server.state;
        if state.stops().next().is_some() {
            return Vec::new();
        }
        let mut tasks = Vec::new();
        let mut signing = false;
        for (id, batch) in state.live_batches() {
            let built = batch.state == BatchState::Built;
            let idle =
                if built { !may_be_asked(state, batch) } else { held_back(state, batch).is_some() };
            if idle {
                continue;
            }
            signing |= built;
            let id_on_chain = convert::node_txid(batch.txid);
            let known =
                self.node.pool.contains(&id_on_chain) || self.node.is_confirmed(&id_on_chain);
            match batch.state {
                BatchState::Built => tasks.push(Task::Sign(id)),
                BatchState::Signed => tasks.push(Task::Broadcast(id)),
                BatchState::Broadcast if !known => tasks.push(Task::Rebroadcast(id)),
                BatchState::Broadcast
                | BatchState::Confirmed { .. }
                | BatchState::Final { .. }
                | BatchState::Dissolved
                | BatchState::Failed => {}
            }
        }
        let now = self.clock.server().max(state.now());
        if !signing && state.has_queued(now) && server.worker.rests == 0 {
            tasks.push(Task::Assemble);
        }
        tasks
    }

    /// Asks the signer, after it has witnessed the entry that authorises the batch.
    fn have_signed(&mut self, id: BatchId) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let Ok(batch) = server.state.batch(id) else { return Ok(()) };
        let (ask, request) = match server.worker.witnessed {
            None => (Ask::Witnessed, Request::WitnessedHead { shard: SHARD }),
            Some(size) if size < batch.built_seq => {
                let head = server.journal.head();
                let proof = server.journal.prove_from(size).ok_or_else(|| {
                    let ours = server.journal.size();
                    let found = format!("{size} entries were witnessed, the journal has {ours}");
                    Found::new("acknowledged-survives", found)
                })?;
                (Ask::Witness(head), Request::WitnessHead { head, proof })
            }
            Some(_) => {
                let request = server.state.sign_request(id, SHARD, &mut |_| None);
                let request = request.map_err(|refusal| Found::simulator(refusal.to_string()))?;
                (Ask::Sign(id), Request::Sign(request))
            }
        };
        self.ask(ask, &request)
    }

    fn ask(&mut self, ask: Ask, request: &Request) -> Check {
        let Some(server) = &mut self.server else { return Ok(()) };
        let frame = encode_frame(request).map_err(|e| Found::simulator(e.to_string()))?;
        server.worker.asked = Some((self.wire.send(frame), ask));
        Ok(())
    }

    fn assemble(&mut self) -> Check {
        let Some(server) = &mut self.server else { return Ok(()) };
        let Some(signer_left) = server.worker.left.take() else {
            return self.ask(Ask::Describe, &Request::Describe);
        };
        let fee_rate = FeeRate::from_sat_per_kwu(self.random.between(250, 4_000));
        let assembly = Assembly { fee_rate, signer_left, seed: self.random.bytes() };
        server.waiting.push_back(Command::AssembleBatch { assembly });
        Ok(())
    }

    fn broadcast_batch(&mut self, id: BatchId, first: bool) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let Ok(batch) = server.state.batch(id) else { return Ok(()) };
        let bytes = batch.transaction.clone();
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = self.broadcast_bytes(id, &bytes)?;
        if taken
            && first
            && let Some(server) = &mut self.server
        {
            server.waiting.push_back(Command::RecordBroadcast { batch: id });
        }
        Ok(())
    }

    /// Gives a transaction to the node, which may refuse it.
    pub(crate) fn broadcast_bytes(&mut self, id: BatchId, bytes: &[u8]) -> Result<bool, Found> {
        let body: Transaction =
            encode::deserialize(bytes).map_err(|e| Found::simulator(e.to_string()))?;
        if let Some(server) = &self.server {
            may_broadcast(&server.state, id, bytes)?;
        }
        let outcome = self.node.accept(&Tx::new(body), false);
        self.trace.line(format_args!("node: {id} broadcast: {outcome:?}"));
        self.report.broadcasts = self.report.broadcasts.saturating_add(1);
        Ok(matches!(outcome, Ok(()) | Err(Rejected::Confirmed)))
    }
}
