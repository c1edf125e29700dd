use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bitcoin::{OutPoint, Transaction, consensus::encode, hashes::Hash};
use chain::{
    broadcast::{Outcome, broadcast},
    fees::{FeeLimits, TargetBlocks, estimate},
    node::Node,
};
use custody::{
    Command, Custody, Refusal,
    incident::Stop,
    payout::{Assembly, BatchState},
};
use primitives::{BatchId, Outpoint, Sats};
use signer_protocol::{
    ClassEvidence, Evidence, PayoutIntent, RefusalTag, Request, Response, SignRequest,
};

use super::Shared;
use crate::{
    clock,
    config::{ConfigFault, Payouts},
    core::NoAnswer,
    signer_client::SignerFault,
};

/// Our name in the house's status.
const PART: &str = "payouts";

/// Drives batches: assemble, have signed, broadcast, broadcast again.
pub(crate) struct PayoutWorker {
    shared: Shared,
    node: Node,
    target: TargetBlocks,
    limits: FeeLimits,
    pause: Duration,
    rebroadcast: Duration,
    rebroadcast_at: Instant,
    /// What the signer refused last, while something waits that it refused.
    refused: Option<String>,
}

/// Why one round ended early.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Core(#[from] NoAnswer),
    #[error(transparent)]
    Node(#[from] chain::Fault),
    #[error(transparent)]
    Signer(#[from] SignerFault),
    #[error("{id}: {refusal}", id = .refusal.id())]
    Refused { refusal: Refusal },
    #[error("the node does not take a batch: {0}")]
    NotTaken(String),
    #[error("{0}")]
    Other(String),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal }
    }
}

/// What one look at the core shows.
struct Work {
    batches: Vec<(BatchId, BatchState, Vec<u8>)>,
    ready: bool,
    refused: bool,
}

impl PayoutWorker {
    pub(crate) fn new(shared: Shared, node: Node, config: &Payouts) -> Result<Self, ConfigFault> {
        Ok(Self {
            shared,
            node,
            target: config.fee_target()?,
            limits: config.fee_limits()?,
            pause: Duration::from_millis(config.round_millis),
            rebroadcast: Duration::from_secs(config.rebroadcast_seconds),
            rebroadcast_at: clock::monotonic(),
            refused: None,
        })
    }

    pub(crate) fn run(mut self) {
        while !self.shared.ending.is_asked() {
            let mut reasons = Vec::new();
            match self.round(&mut reasons) {
                Ok(()) => {}
                Err(Halt::Core(NoAnswer::Stopped)) => return,
                Err(Halt::Signer(SignerFault::Refused { tag, detail })) => {
                    reasons.push(format!("{tag}: {detail}"));
                }
                Err(halt) => reasons.push(format!("payouts: {halt}")),
            }
            reasons.extend(self.refused.clone());
            self.shared.status.set(PART, &reasons, self.pause);
            self.shared.ending.pause(self.pause);
        }
    }

    /// One look at everything that can go on. What waits for people holds up nobody else and is
    /// said in `reasons`.
    fn round(&mut self, reasons: &mut Vec<String>) -> Result<(), Halt> {
        self.tell(Command::Tick)?;
        let work = self.look()?;
        self.refused.take_if(|_| !work.refused);
        // Restarted and crowded nodes forget transactions.
        let again = clock::monotonic() >= self.rebroadcast_at;
        let mut first_halt = Ok(());
        for (id, state, bytes) in work.batches {
            // One batch that cannot go on must not hold up the others.
            match self.drive(id, &state, &bytes, again) {
                Err(Halt::Refused {
                    refusal: refusal @ (Refusal::AccountFrozen { .. } | Refusal::CoinGone { .. }),
                }) => reasons.push(format!("{id} waits: {}: {refusal}", refusal.id())),
                Err(Halt::NotTaken(refusal)) => {
                    reasons.push(format!("payouts: the node does not take {id}: {refusal}"));
                }
                driven => first_halt = first_halt.and(driven),
            }
        }
        if again {
            self.rebroadcast_at = later(self.rebroadcast);
        }
        first_halt?;
        if work.ready && self.may_release()? { self.assemble() } else { Ok(()) }
    }

    fn drive(
        &mut self,
        id: BatchId,
        state: &BatchState,
        bytes: &[u8],
        again: bool,
    ) -> Result<(), Halt> {
        match state {
            BatchState::Built if self.may_release()? => self.have_signed(id),
            BatchState::Signed if self.may_send(id)? => self.send(id, bytes),
            BatchState::Broadcast if again && !bytes.is_empty() && self.may_send(id)? => {
                self.send_again(bytes)
            }
            BatchState::Built
            | BatchState::Signed
            | BatchState::Broadcast
            | BatchState::Confirmed { .. }
            | BatchState::Final { .. }
            | BatchState::Dissolved
            | BatchState::Failed => Ok(()),
        }
    }

    /// Whether a signed batch may be given to the node: nothing is in doubt, and neither a stop nor
    /// a freeze that came after its signature forbids it.
    fn may_send(&self, batch: BatchId) -> Result<bool, Halt> {
        if !self.may_release()? {
            return Ok(false);
        }
        self.shared.core.read(move |state| state.check_release(batch)).wait()??;
        Ok(true)
    }

    /// Asked right before anything is signed or sent: while releases are stopped, or any other
    /// part of the house is in doubt, nothing is.
    fn may_release(&self) -> Result<bool, Halt> {
        let stops = |state: &Custody| state.stops().map(Stop::id).collect::<Vec<_>>();
        let stops = self.shared.core.read(stops).wait()?;
        if !stops.is_empty() {
            return Err(Halt::Other(format!("releases are stopped: {}", stops.join(", "))));
        }
        Ok(self.shared.status.reasons_but(PART).is_empty())
    }

    fn look(&self) -> Result<Work, Halt> {
        let now = clock::now();
        let pending = self.shared.core.read(move |state| Work {
            batches: state
                .live_batches()
                .map(|(id, batch)| (id, batch.state.clone(), batch.transaction.clone()))
                .collect(),
            ready: state.has_queued(now.max(state.now())),
            refused: state.has_refused(),
        });
        Ok(pending.wait()?)
    }

    fn assemble(&mut self) -> Result<(), Halt> {
        let description = self.shared.signer.describe()?;
        if let Some(reason) = description.halted {
            return Err(Halt::Other(format!("signer-halted: {reason}")));
        }
        let estimate = estimate(&mut self.node, self.target, self.limits)?;
        let signer_left = description.buckets.first().map_or(Sats::ZERO, |outer| outer.left);
        let seed = clock::random().map_err(|error| Halt::Other(error.to_string()))?;
        let assembly = Assembly { fee_rate: estimate.rate, signer_left, seed };
        match self.tell(Command::AssembleBatch { assembly }) {
            // Those that wait for their account, or for a limit to refill, are not in doubt; and the
            // signer is asked for a batch under way in every round.
            Err(Halt::Refused {
                refusal: Refusal::NothingToPay | Refusal::BatchUnderWay { .. },
            }) => Ok(()),
            other => other,
        }
    }

    /// Asks the signer, after it has witnessed the entry that authorises the batch.
    fn have_signed(&mut self, batch: BatchId) -> Result<(), Halt> {
        self.shared.witness.tell(&self.shared.signer)?;
        let request = self.sign_request(batch)?;
        let response = match self.shared.signer.ask(&Request::Sign(request)) {
            // As large at every attempt: the signer has never seen it, and a smaller batch may fit.
            Err(SignerFault::NotSent(error)) => {
                tracing::warn!(%batch, %error, "a batch is too large to be sent to the signer");
                return self.tell(Command::RecordRefused { batch, tag: RefusalTag::PsbtSize });
            }
            answered => answered?,
        };
        if let Response::Signed(signed) = response {
            let transaction = signed.transaction;
            return self.tell(Command::RecordSigned { batch, transaction });
        }
        if let Response::Refused { tag, detail } = &response
            && tag.proves_unsigned()
        {
            tracing::warn!(%batch, %tag, detail, "the signer refused a batch");
            self.refused = Some(format!("the signer refused {batch}: {tag}: {detail}"));
            return self.tell(Command::RecordRefused { batch, tag: *tag });
        }
        Err(SignerFault::unexpected(&response).into())
    }

    /// Segwit v0 coins prove their amounts by the transactions that made them, asked of the node.
    fn sign_request(&mut self, batch: BatchId) -> Result<SignRequest, Halt> {
        let pending = self.shared.core.read(move |state| {
            let script = state.descriptor().ok()?.script(custody::event::Watched::External(0))?;
            let inputs = state.batch(batch).ok()?.inputs.clone();
            Some((script.is_p2tr(), inputs))
        });
        let (taproot, inputs) = pending.wait()?.ok_or(Refusal::BatchUnknown { batch })?;
        let mut previous = Vec::new();
        for input in inputs.into_iter().filter(|_| !taproot) {
            previous.push((input, self.previous(&input)?));
        }
        let pending = self.shared.core.read(move |state| {
            state.sign_request(batch, 0, &mut |wanted| {
                let found = previous.iter().find(|(outpoint, _)| outpoint == wanted);
                found.and_then(|(_, transaction)| transaction.clone())
            })
        });
        self.claim_classes(pending.wait()??)
    }

    /// Claims a customer's signature only where the signer would take it: a key that is not in its
    /// own list leaves the server's word. A class never adds trust; each has its own bucket.
    fn claim_classes(&self, mut request: SignRequest) -> Result<SignRequest, Halt> {
        let asked = |evidence: &Evidence| {
            let ClassEvidence::CustomerSigned { key, .. } = &evidence.class else { return None };
            Some((PayoutIntent::parse(&evidence.intent).ok()?.account, *key))
        };
        let keys: Vec<_> = request.evidence.iter().filter_map(asked).collect();
        if keys.is_empty() {
            return Ok(request);
        }
        let response = self.shared.signer.ask(&Request::UsableKeys { keys: keys.clone() })?;
        let Response::UsableKeys { usable } = response else {
            return Err(SignerFault::unexpected(&response).into());
        };
        let usable: BTreeSet<_> = keys
            .into_iter()
            .zip(usable)
            .filter(|(_, usable)| *usable)
            .map(|(key, _)| key)
            .collect();
        for evidence in &mut request.evidence {
            if asked(evidence).is_some_and(|key| !usable.contains(&key)) {
                evidence.class = ClassEvidence::ServerVouched;
            }
        }
        Ok(request)
    }

    fn previous(&mut self, outpoint: &Outpoint) -> Result<Option<Transaction>, Halt> {
        let txid = bitcoin::Txid::from_byte_array(outpoint.txid.0);
        Ok(self.node.transaction(OutPoint::new(txid, outpoint.vout).txid)?)
    }

    fn send(&mut self, batch: BatchId, bytes: &[u8]) -> Result<(), Halt> {
        match broadcast(&mut self.node, &decode(bytes)?)? {
            Outcome::Sent(_) => self.tell(Command::RecordBroadcast { batch }),
            Outcome::Refused(refusal) => Err(Halt::NotTaken(refusal.to_string())),
        }
    }

    fn send_again(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        if let Outcome::Refused(refusal) = broadcast(&mut self.node, &decode(bytes)?)? {
            tracing::warn!(%refusal, "the node does not take a batch again");
        }
        Ok(())
    }

    fn tell(&self, command: Command) -> Result<(), Halt> {
        self.shared.core.execute(command, |_, outcome| outcome).wait()??;
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Result<Transaction, Halt> {
    encode::deserialize(bytes).map_err(|error| Halt::Other(error.to_string()))
}

fn later(pause: Duration) -> Instant {
    let now = clock::monotonic();
    now.checked_add(pause).unwrap_or(now)
}
