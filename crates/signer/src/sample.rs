//! Made-up coins, customers and batches, and a memory without a disk: for the self-test, for
//! tests and for the simulator. The keys here come from published bytes: they guard nothing.
//!
//! ```
//! use primitives::{Network, Timestamp};
//! use signer::{Now, ScriptKind, Signer, sample};
//! use signer_protocol::Response;
//!
//! let keys = sample::keys(Network::Regtest, ScriptKind::Taproot).unwrap();
//! let settings = sample::settings(&keys).unwrap();
//! let mut signer = Signer::open(settings.clone(), sample::RamMemory::default()).unwrap();
//! let now = Now { wall: sample::NOON, monotonic_millis: 0 };
//! let batch = sample::a_batch(&settings).build().unwrap();
//! assert!(matches!(signer.handle(batch.request(), now, &keys), Response::Signed(_)));
//! ```

use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Transaction, TxIn, TxOut, WPubkeyHash, absolute,
    hashes::Hash, psbt, transaction::Version,
};
use ed25519_dalek::{Signer as _, SigningKey};
use primitives::{AccountId, KeyId, Network, Sats, Timestamp};
use signer_protocol::{ClassEvidence, Evidence, PayoutIntent, Request, SignRequest};

use crate::{
    descriptor::{HotDescriptor, Keychain, ScriptKind},
    examine::SEQUENCE,
    fault::Fault,
    keys::{KeysError, SoftKeys},
    memory::Memory,
    record::{Head, Record},
    settings::{Limits, Settings},
};

/// 2026-11-22T12:00:00Z, the moment at which sample intents are valid.
pub const NOON: Timestamp = match Timestamp::parse_seconds(1_795_348_800) {
    Ok(moment) => moment,
    Err(_) => Timestamp::EPOCH,
};
/// The seed of every sample key.
pub const SEED: [u8; 32] = [7; 32];

/// The keys of [`SEED`].
///
/// # Errors
///
/// [`KeysError`]; not for this seed.
pub fn keys(network: Network, kind: ScriptKind) -> Result<SoftKeys, KeysError> {
    SoftKeys::from_seed(network, kind, &SEED)
}

/// Settings on the regression-test network for `keys`, with an outer bucket of 10 BTC.
///
/// # Errors
///
/// [`KeysError`] where the keys are not of that network.
pub fn settings(keys: &SoftKeys) -> Result<Settings, KeysError> {
    let network = Network::Regtest;
    let descriptor = HotDescriptor::parse(keys.descriptor(), network)
        .map_err(|error| KeysError::new(error.to_string()))?;
    let capacity = Sats::parse(1_000_000_000).unwrap_or(Sats::MAX);
    Ok(Settings {
        network,
        descriptor,
        root_nonce: [9; 32],
        limits: Limits::for_capacity(capacity),
    })
}

/// The Ed25519 key of a made-up customer.
#[must_use]
pub fn customer_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The id of the same key.
#[must_use]
pub fn customer_key_id(number: u8) -> KeyId {
    KeyId(customer_key(number).verifying_key().to_bytes())
}

/// A coin of the hot wallet, in output 0 of a made-up transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coin {
    /// Makes its transaction different from all others.
    pub number: u32,
    /// The branch of its script.
    pub keychain: Keychain,
    /// The index of its script.
    pub index: u32,
    /// What it holds, in satoshis.
    pub amount: u64,
}

/// A withdrawal to a made-up address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// What makes its intent different from all others.
    pub nonce: u64,
    /// Whose.
    pub account: AccountId,
    /// What it pays, in satoshis.
    pub amount: u64,
    /// The last second at which it may be signed, since 1970.
    pub not_after: u64,
    /// The number of the customer's key that signs it; without one the server vouches.
    pub signed_by: Option<u8>,
    /// The script that is paid.
    pub script: ScriptBuf,
}

impl Payout {
    /// A withdrawal of account 1 that the server vouches for, valid for an hour after [`NOON`].
    #[must_use]
    pub fn new(nonce: u64, amount: u64) -> Self {
        let mut hash = [0x33; 20];
        let (start, _) = hash.split_at_mut(8);
        start.copy_from_slice(&nonce.to_le_bytes());
        Self {
            nonce,
            account: AccountId::from_number(1).unwrap_or(AccountId::from_u64(0)),
            amount,
            not_after: NOON.to_seconds().saturating_add(3600),
            signed_by: None,
            script: ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash)),
        }
    }

    /// Its intent in this installation; `None` for an amount above the supply.
    #[must_use]
    pub fn intent(&self, settings: &Settings) -> Option<PayoutIntent> {
        let mut nonce = [0; 16];
        let (start, _) = nonce.split_at_mut(8);
        start.copy_from_slice(&self.nonce.to_le_bytes());
        Some(PayoutIntent {
            network: settings.network,
            deployment: settings.deployment(),
            account: self.account,
            amount: Sats::parse(self.amount).ok()?,
            fee: Sats::parse(1_000).ok()?,
            not_after: self.not_after,
            nonce,
            script: self.script.to_bytes(),
        })
    }

    /// Its evidence for output `output`; `None` where the intent has no bytes.
    #[must_use]
    pub fn evidence(&self, settings: &Settings, output: u32) -> Option<Evidence> {
        evidence(&self.intent(settings)?, self.signed_by, output)
    }
}

/// Evidence for an intent, signed by a made-up customer's key if a number is given.
#[must_use]
pub fn evidence(intent: &PayoutIntent, signed_by: Option<u8>, output: u32) -> Option<Evidence> {
    let hash = intent.hash().ok()?;
    let class = signed_by.map_or(ClassEvidence::ServerVouched, |number| {
        let key = customer_key(number);
        let signature = key.sign(&hash).to_bytes();
        ClassEvidence::CustomerSigned { key: customer_key_id(number), signature }
    });
    let withdrawal = intent.withdrawal_id().ok()?;
    Some(Evidence { output, withdrawal, intent: intent.encode().ok()?, class })
}

/// What a batch is made of. Change every field at will, then [`BatchPlan::build`].
#[derive(Debug, Clone)]
pub struct BatchPlan {
    /// The installation.
    pub settings: Settings,
    /// What is spent, in order.
    pub coins: Vec<Coin>,
    /// What is paid, in order.
    pub payouts: Vec<Payout>,
    /// What the network gets, in satoshis; the rest is change.
    pub fee: u64,
    /// The index of the change on the internal keychain; it is the last output.
    pub change_index: u32,
    /// The lock time as a block height.
    pub lock_height: u16,
}

/// A good batch: two coins, two withdrawals, one of them signed by customer key 1, and change.
///
/// Customer key 1 of account 1 must be in the signer's list for a signed withdrawal; this batch
/// is server-vouched only. Set [`Payout::signed_by`] for the other class.
#[must_use]
pub fn a_batch(settings: &Settings) -> BatchPlan {
    let coin =
        |number, index| Coin { number, keychain: Keychain::External, index, amount: 500_000 };
    BatchPlan {
        settings: settings.clone(),
        coins: vec![coin(1, 0), coin(2, 1)],
        payouts: vec![Payout::new(1, 300_000), Payout::new(2, 200_000)],
        fee: 5_000,
        change_index: 0,
        lock_height: 840,
    }
}

/// A batch as the server would send it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The PSBT.
    pub psbt: Psbt,
    /// The evidence.
    pub evidence: Vec<Evidence>,
    /// The journal's shard.
    pub shard: u16,
    /// The journal's entry.
    pub journal_seq: u64,
}

impl Batch {
    /// The same batch altered in one way.
    #[must_use]
    pub fn with(mut self, alter: impl FnOnce(&mut Self)) -> Self {
        alter(&mut self);
        self
    }

    /// The request that asks for its signature.
    #[must_use]
    pub fn request(&self) -> Request {
        Request::Sign(SignRequest {
            psbt: self.psbt.serialize(),
            evidence: self.evidence.clone(),
            shard: self.shard,
            journal_seq: self.journal_seq,
        })
    }
}

impl BatchPlan {
    /// The same plan altered in one way.
    #[must_use]
    pub fn with(mut self, alter: impl FnOnce(&mut Self)) -> Self {
        alter(&mut self);
        self
    }

    /// The batch; `None` where the coins do not cover it or a number is out of range.
    #[must_use]
    pub fn build(&self) -> Option<Batch> {
        let descriptor = &self.settings.descriptor;
        let previous = self
            .coins
            .iter()
            .map(|coin| previous_transaction(descriptor, *coin))
            .collect::<Option<Vec<_>>>()?;
        let spent = self.coins.iter().try_fold(0_u64, |sum, coin| sum.checked_add(coin.amount))?;
        let paid =
            self.payouts.iter().try_fold(self.fee, |sum, payout| sum.checked_add(payout.amount))?;
        let change = TxOut {
            value: Amount::from_sat(spent.checked_sub(paid)?),
            script_pubkey: descriptor.script(Keychain::Internal, self.change_index)?,
        };
        let pay = |payout: &Payout| TxOut {
            value: Amount::from_sat(payout.amount),
            script_pubkey: payout.script.clone(),
        };
        let mut output: Vec<TxOut> = self.payouts.iter().map(pay).collect();
        let has_change = !change.value.to_sat().eq(&0);
        output.extend(has_change.then_some(change));
        let input_of = |previous: &Transaction| TxIn {
            previous_output: OutPoint::new(previous.compute_txid(), 0),
            sequence: SEQUENCE,
            ..TxIn::default()
        };
        let unsigned = Transaction {
            version: Version::TWO,
            lock_time: absolute::LockTime::from_height(u32::from(self.lock_height)).ok()?,
            input: previous.iter().map(input_of).collect(),
            output,
        };
        let psbt = self.psbt(unsigned, previous, has_change)?;
        let numbered = self.payouts.iter().enumerate();
        let evidence = numbered
            .map(|(number, payout)| payout.evidence(&self.settings, u32::try_from(number).ok()?));
        Some(Batch { psbt, evidence: evidence.collect::<Option<_>>()?, shard: 0, journal_seq: 0 })
    }

    fn psbt(
        &self,
        unsigned: Transaction,
        previous: Vec<Transaction>,
        has_change: bool,
    ) -> Option<Psbt> {
        let descriptor = &self.settings.descriptor;
        let mut psbt = Psbt::from_unsigned_tx(unsigned).ok()?;
        for ((input, coin), previous) in psbt.inputs.iter_mut().zip(&self.coins).zip(previous) {
            input.witness_utxo = previous.output.first().cloned();
            input.non_witness_utxo = Some(previous);
            claim_input(descriptor, input, coin.keychain, coin.index)?;
        }
        if has_change {
            let output = psbt.outputs.last_mut()?;
            claim_output(descriptor, output, Keychain::Internal, self.change_index)?;
        }
        Some(psbt)
    }
}

fn previous_transaction(descriptor: &HotDescriptor, coin: Coin) -> Option<Transaction> {
    let made_up = OutPoint::new(bitcoin::Txid::from_byte_array([0xc0; 32]), coin.number);
    Some(Transaction {
        version: Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn { previous_output: made_up, ..TxIn::default() }],
        output: vec![TxOut {
            value: Amount::from_sat(coin.amount),
            script_pubkey: descriptor.script(coin.keychain, coin.index)?,
        }],
    })
}

/// Writes the key origin of a place in the wallet into a PSBT's input; `None` from index 2^31 on.
pub fn claim_input(
    descriptor: &HotDescriptor,
    input: &mut psbt::Input,
    keychain: Keychain,
    index: u32,
) -> Option<()> {
    let key = descriptor.public_key(keychain, index)?;
    let origin = descriptor.key_origin(keychain, index);
    match descriptor.kind() {
        ScriptKind::Taproot => {
            let key = key.x_only_public_key().0;
            input.tap_internal_key = Some(key);
            input.tap_key_origins.insert(key, (Vec::new(), origin));
        }
        ScriptKind::WitnessKeyHash => {
            input.bip32_derivation.insert(key, origin);
        }
    }
    Some(())
}

/// Writes the key origin of a place in the wallet into a PSBT's output; `None` from index 2^31 on.
pub fn claim_output(
    descriptor: &HotDescriptor,
    output: &mut psbt::Output,
    keychain: Keychain,
    index: u32,
) -> Option<()> {
    let key = descriptor.public_key(keychain, index)?;
    let origin = descriptor.key_origin(keychain, index);
    match descriptor.kind() {
        ScriptKind::Taproot => {
            let key = key.x_only_public_key().0;
            output.tap_internal_key = Some(key);
            output.tap_key_origins.insert(key, (Vec::new(), origin));
        }
        ScriptKind::WitnessKeyHash => {
            output.bip32_derivation.insert(key, origin);
        }
    }
    Some(())
}

/// A memory that is lost with the process.
#[derive(Debug, Clone, Default)]
pub struct RamMemory {
    /// Every record.
    pub records: Vec<Record>,
    /// The head that was stored last.
    pub head: Option<Head>,
}

impl Memory for RamMemory {
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault> {
        self.records.iter().cloned().try_for_each(each)?;
        Ok(self.head.clone())
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        self.records.push(record.clone());
        Ok(())
    }

    fn read(&mut self, number: u64) -> Result<Record, Fault> {
        let record = usize::try_from(number).ok().and_then(|number| self.records.get(number));
        record.cloned().ok_or(Fault::StateContradiction { record: number, what: "there is none" })
    }

    fn store_head(&mut self, head: &Head) -> Result<(), Fault> {
        self.head = Some(head.clone());
        Ok(())
    }
}
