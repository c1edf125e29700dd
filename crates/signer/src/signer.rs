//! The signer: takes requests, examines, reserves, signs. The order of what is durable and what
//! leaves is decided here.

use bitcoin::consensus::encode;
use primitives::{AccountId, DeploymentId, KeyId, Txid};
use signer_protocol::{
    Description, RefusalTag, Request, Response, SignRequest, SignedTransaction,
    message::{KEYS_ASKED_MAX, MessageError, PROTOCOL_VERSION, decode_body},
};

use crate::{
    clock::{Clock, Moment, Now},
    examine::{self, Desk, Parsed},
    fault::Fault,
    finish::finish,
    keys::Keys,
    memory::Memory,
    record::Record,
    refusal::Refusal,
    settings::Settings,
    state::{Entry, State},
    warrant::{self, Plan, Warrant},
};

mod admin;
mod witness;

pub use admin::{AdminError, Denied, REASON_CHARS_MAX, Status};

/// Why a request got no signature.
enum Stop {
    Refused(Refusal),
    Broken(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

/// One signer over its memory. It has no keys, no clock and no sockets: they come as arguments.
pub struct Signer<M> {
    settings: Settings,
    deployment: DeploymentId,
    memory: M,
    state: State,
    clock: Clock,
    /// The first fault of this run, after which nothing is done any more.
    broken: Option<String>,
}

impl<M: Memory> Signer<M> {
    /// Replays and checks the memory. An empty memory is founded for the deployment of `settings`.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the memory is damaged, contradicts itself or belongs to another deployment.
    pub fn open(settings: Settings, mut memory: M) -> Result<Self, Fault> {
        let deployment = settings.deployment();
        let mut state = State::default();
        let head = memory.replay(&mut |record| fold(&mut state, &record))?;
        if let Some(head) = head {
            let last = state.records();
            state
                .apply_head(&head)
                .map_err(|what| Fault::StateContradiction { record: last, what })?;
        }
        if state.records() == 0 {
            let record = Record::Founded { deployment };
            memory.append(&record)?;
            fold(&mut state, &record)?;
        }
        if let Some(found) = state.deployment().filter(|found| *found != deployment) {
            return Err(Fault::StateForeign { found, expected: deployment });
        }
        let clock = Clock::resume(state.moment());
        Ok(Self { settings, deployment, memory, state, clock, broken: None })
    }

    /// Answers the body of a frame.
    pub fn handle_body(&mut self, body: &[u8], now: Now, keys: &dyn Keys) -> Response {
        match decode_body(body) {
            Ok(request) => self.handle(request, now, keys),
            Err(error) => refuse_message(&error),
        }
    }

    /// Answers one request. After a [`Response::Fault`] the process must stop: see
    /// [`Signer::broken`].
    pub fn handle(&mut self, request: Request, now: Now, keys: &dyn Keys) -> Response {
        let moment = self.clock.observe(now);
        let answer = self.intact().map_err(Stop::Broken).and_then(|()| match request {
            Request::Describe => Ok(Response::Description(self.description(moment))),
            Request::WitnessedHead { shard } => {
                Ok(Response::Witnessed { head: self.state.witnessed(shard) })
            }
            Request::WitnessHead { head, proof } => self.witness_head(head, &proof, moment),
            Request::Sign(request) => self.sign(&request, moment, keys).map(Response::Signed),
            Request::UsableKeys { keys: asked } => {
                Ok(Response::UsableKeys { usable: self.usable_keys(&asked, moment) })
            }
        });
        match answer {
            Ok(response) => response,
            Err(Stop::Refused(refusal)) => refusal.into(),
            Err(Stop::Broken(fault)) => Response::Fault { detail: self.fail(&fault) },
        }
    }

    /// The first fault of this run. Once there is one, every request is answered with it.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// What the signer says of itself.
    fn description(&self, moment: Moment) -> Description {
        Description {
            protocol: PROTOCOL_VERSION,
            deployment: self.deployment,
            network: self.settings.network,
            descriptor: self.settings.descriptor.to_string(),
            gap_external: self.settings.limits.gap_external,
            halted: self.state.halted().map(str::to_owned),
            // Until a witness on another host cosigns, a restored disk could repeat the past.
            evaluation_grade: true,
            buckets: self.state.levels(&self.settings, moment).views(&self.settings),
            signed_total: self.state.pins.counted(),
            // A reservation whose signature a crash lost counts as signed: it may be asked for.
            signed_transactions: self.state.transactions(),
        }
    }

    /// Which keys would count as evidence at `moment`. A hint for the server, so that it claims
    /// the right class; each signature is examined all the same.
    fn usable_keys(&self, asked: &[(AccountId, KeyId)], moment: Moment) -> Vec<bool> {
        let cool_down = self.settings.limits.key_cool_down;
        let cooling = |(account, key): &(AccountId, KeyId)| {
            self.state.registry.cooling(*account, *key, cool_down, moment.running_millis)
        };
        asked.iter().take(KEYS_ASKED_MAX).map(|key| cooling(key) == Some(0)).collect()
    }

    fn sign(
        &mut self,
        request: &SignRequest,
        moment: Moment,
        keys: &dyn Keys,
    ) -> Result<SignedTransaction, Stop> {
        if let Some(reason) = self.state.halted() {
            let detail = format!("halted: {reason}; only the signer's own host clears it");
            return Err(Refusal::new(RefusalTag::Halted, detail).into());
        }
        let parsed = examine::parse(&request.psbt);
        if let Ok(Parsed { txid, .. }) = &parsed
            && let Some(entry) = self.state.transaction(txid)
        {
            return Ok(self.sign_again(*txid, entry, moment, keys)?);
        }
        self.require_witnessed(request.shard, request.journal_seq)?;
        let parsed = parsed?;
        let desk = Desk { settings: &self.settings, state: &self.state, moment };
        let examined = examine::examine(desk, &parsed, request)?;
        let descriptor = &self.settings.descriptor;
        let (record, plan, warrant) = warrant::reserve(&mut self.memory, descriptor, examined)?;
        fold(&mut self.state, &record)?;
        let transaction = self.redeem(parsed.txid, plan, warrant, moment, keys)?;
        Ok(SignedTransaction { transaction, repeated: false })
    }

    /// A transaction that was counted before: the stored bytes, or, where a crash lost them, the
    /// same signature once more. It costs nothing.
    fn sign_again(
        &mut self,
        txid: Txid,
        entry: Entry,
        moment: Moment,
        keys: &dyn Keys,
    ) -> Result<SignedTransaction, Fault> {
        let Some(number) = entry.signed else {
            let descriptor = &self.settings.descriptor;
            let (plan, warrant) = warrant::reread(&mut self.memory, descriptor, entry.reserved)?;
            let transaction = self.redeem(txid, plan, warrant, moment, keys)?;
            return Ok(SignedTransaction { transaction, repeated: false });
        };
        match self.memory.read(number)? {
            Record::Signed { txid: found, transaction, .. } if found == txid => {
                Ok(SignedTransaction { transaction, repeated: true })
            }
            Record::Signed { .. }
            | Record::Founded { .. }
            | Record::Reserved(_)
            | Record::Halted { .. }
            | Record::Resumed { .. }
            | Record::WallAccepted { .. }
            | Record::KeyAdded { .. }
            | Record::KeyRemoved { .. } => Err(Fault::StateContradiction {
                record: number,
                what: "it is not the signature that stood there",
            }),
        }
    }

    /// Signs, verifies, stores, and only then returns the bytes.
    fn redeem(
        &mut self,
        txid: Txid,
        plan: Plan,
        warrant: Warrant,
        moment: Moment,
        keys: &dyn Keys,
    ) -> Result<Vec<u8>, Fault> {
        let signatures =
            keys.sign(warrant).map_err(|error| Fault::Keys { txid, what: error.to_string() })?;
        let signed = finish(&self.settings.descriptor, txid, plan, &signatures)?;
        let transaction = encode::serialize(&signed);
        self.append(&Record::Signed { txid, transaction: transaction.clone(), at: moment })?;
        Ok(transaction)
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        self.memory.append(record)?;
        fold(&mut self.state, record)
    }

    fn intact(&self) -> Result<(), Fault> {
        match &self.broken {
            None => Ok(()),
            Some(first) => Err(Fault::Stopped { first: first.clone() }),
        }
    }

    fn fail(&mut self, fault: &Fault) -> String {
        let text = fault.in_full();
        self.broken.get_or_insert_with(|| text.clone());
        text
    }
}

/// The answer to a frame or body that is no message.
#[must_use]
pub fn refuse_message(error: &MessageError) -> Response {
    let tag = match error {
        MessageError::TooLarge { .. } => RefusalTag::MessageTooLarge,
        MessageError::Version { .. } | MessageError::Unreadable(_) | _ => {
            RefusalTag::MessageUnreadable
        }
    };
    Refusal::new(tag, error.to_string()).into()
}

fn fold(state: &mut State, record: &Record) -> Result<(), Fault> {
    let number = state.records();
    state.apply(record).map_err(|what| Fault::StateContradiction { record: number, what })
}
