//! The warrant: proof that a transaction was examined, and that what it costs is durably counted.

use bitcoin::{
    Amount, EcdsaSighashType, TapSighashType, Transaction, TxOut,
    consensus::encode,
    hashes::Hash,
    sighash::{Prevouts, SighashCache},
};

use crate::{
    descriptor::{HotDescriptor, Keychain, ScriptKind},
    examine::Examined,
    fault::Fault,
    memory::Memory,
    record::{OwnInput, Record, Reservation},
};

/// One signature to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTask {
    /// What kind of script is spent, and so which kind of signature.
    pub kind: ScriptKind,
    /// The branch of the key.
    pub keychain: Keychain,
    /// The index of the key.
    pub index: u32,
    /// The digest to sign (BIP-143 or BIP-341).
    pub digest: [u8; 32],
}

/// Proof that one transaction passed the examination and that its reservation is durable. It can
/// be redeemed once, because [`Keys::sign`](crate::Keys::sign) consumes it and nothing outside
/// this module can build or copy one.
///
/// ```compile_fail,E0451
/// # fn forge(tasks: Vec<signer::SigningTask>) {
/// let forged = signer::Warrant { tasks };
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn copy(warrant: signer::Warrant) {
/// let twin = warrant.clone();
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # fn redeem(keys: &dyn signer::Keys, warrant: signer::Warrant) {
/// let first = keys.sign(warrant);
/// let second = keys.sign(warrant);
/// # }
/// ```
pub struct Warrant {
    tasks: Vec<SigningTask>,
}

impl Warrant {
    /// The signatures to make, one for each input, in order.
    #[must_use]
    pub fn tasks(&self) -> &[SigningTask] {
        &self.tasks
    }
}

/// What a warrant is for: needed to check and to place the signatures.
pub(crate) struct Plan {
    pub(crate) transaction: Transaction,
    pub(crate) inputs: Vec<OwnInput>,
    pub(crate) tasks: Vec<SigningTask>,
}

/// Makes the reservation of an examined transaction durable, and only then hands out the warrant.
///
/// # Errors
///
/// [`Fault`] if that is in doubt: there is no warrant.
pub(crate) fn reserve<M: Memory>(
    memory: &mut M,
    descriptor: &HotDescriptor,
    examined: Examined,
) -> Result<(Record, Plan, Warrant), Fault> {
    let reservation = examined.into_reservation();
    // Before anything is durable: a plan that cannot be made must not cost anything.
    let (plan, warrant) = plan(descriptor, &reservation)?;
    let record = Record::Reserved(reservation);
    memory.append(&record)?;
    Ok((record, plan, warrant))
}

/// The warrant of a reservation that is durable, but whose signature a crash has lost.
///
/// # Errors
///
/// [`Fault`] if record `number` is no reservation.
pub(crate) fn reread<M: Memory>(
    memory: &mut M,
    descriptor: &HotDescriptor,
    number: u64,
) -> Result<(Plan, Warrant), Fault> {
    match memory.read(number)? {
        Record::Reserved(reservation) => plan(descriptor, &reservation),
        Record::Founded { .. }
        | Record::Signed { .. }
        | Record::Halted { .. }
        | Record::Resumed { .. }
        | Record::WallAccepted { .. }
        | Record::KeyAdded { .. }
        | Record::KeyRemoved { .. } => {
            Err(Fault::StateContradiction { record: number, what: "it is no reservation" })
        }
    }
}

fn plan(descriptor: &HotDescriptor, reservation: &Reservation) -> Result<(Plan, Warrant), Fault> {
    let transaction: Transaction = encode::deserialize(&reservation.unsigned)
        .map_err(|_| Fault::Internal { what: "a reservation holds no transaction" })?;
    let tasks = tasks(descriptor, &transaction, &reservation.inputs)
        .ok_or(Fault::Internal { what: "an examined input has no digest" })?;
    let inputs = reservation.inputs.clone();
    let plan = Plan { transaction, inputs, tasks: tasks.clone() };
    Ok((plan, Warrant { tasks }))
}

/// The digest of each input, over scripts that are derived again from our own descriptor and the
/// amounts that the examination proved. Nothing in it comes from the PSBT's claims.
fn tasks(
    descriptor: &HotDescriptor,
    transaction: &Transaction,
    inputs: &[OwnInput],
) -> Option<Vec<SigningTask>> {
    let spent: Vec<TxOut> = inputs
        .iter()
        .map(|input| {
            let script_pubkey = descriptor.script(input.keychain, input.index)?;
            Some(TxOut { value: Amount::from_sat(input.amount.to_sat()), script_pubkey })
        })
        .collect::<Option<_>>()?;
    let mut cache = SighashCache::new(transaction);
    let mut digest = |number: usize, input: &OwnInput, spent_here: &TxOut| match descriptor.kind() {
        ScriptKind::Taproot => {
            let kind = taproot_sighash(input);
            let hash = cache.taproot_key_spend_signature_hash(number, &Prevouts::All(&spent), kind);
            Some(hash.ok()?.to_byte_array())
        }
        ScriptKind::WitnessKeyHash => {
            let (script, value) = (&spent_here.script_pubkey, spent_here.value);
            let all = EcdsaSighashType::All;
            let hash = cache.p2wpkh_signature_hash(number, script, value, all);
            Some(hash.ok()?.to_byte_array())
        }
    };
    inputs
        .iter()
        .zip(&spent)
        .enumerate()
        .map(|(number, (input, spent_here))| {
            Some(SigningTask {
                kind: descriptor.kind(),
                keychain: input.keychain,
                index: input.index,
                digest: digest(number, input, spent_here)?,
            })
        })
        .collect()
}

pub(crate) const fn taproot_sighash(input: &OwnInput) -> TapSighashType {
    if input.sighash_all { TapSighashType::All } else { TapSighashType::Default }
}
